"""A store with a few runs, and a way to call shark's commands on it."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass
class Shark:
    """Calls commands in `work`, with a store, caches and settings of its own below `root`."""

    root: Path

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def environ(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "PYTHONPATH", "COVERAGE_PROCESS_START") if key in os.environ}
        home = self.root / "home"
        home.mkdir(exist_ok=True)
        return {**kept, "HOME": str(home), "SHARK_HOME": str(self.root / "store"), "LC_ALL": "C.UTF-8", "TERM": "xterm"}

    def __call__(self, *arguments: str | bytes, **how: Any) -> subprocess.CompletedProcess[bytes]:
        how.setdefault("cwd", self.work)
        how.setdefault("env", {**self.environ, **how.pop("environ", {})})
        if "stdout" not in how:
            how["capture_output"] = True
        how.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([sys.executable, "-m", "shark", *arguments], timeout=60, **how)

    def json(self, *arguments: str | bytes, status: int = 0) -> Any:
        done = self(*arguments)
        assert done.returncode == status, done.stderr.decode(errors="replace")
        return json.loads(done.stdout)

    def terminal(
        self,
        *arguments: str,
        columns: int = 80,
        environ: dict[str, str] | None = None,
        program: tuple[str, ...] = ("-m", "shark"),
    ) -> str:
        """What a person sees who calls it in a terminal of so many columns."""
        master, slave = pty.openpty()
        import fcntl
        import struct
        import termios

        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        child = subprocess.Popen(
            [sys.executable, *program, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=self.work,
            env={**self.environ, **(environ or {})},
        )
        os.close(slave)
        seen = b""
        while select.select([master], [], [], 60)[0]:
            try:
                part = os.read(master, 65536)
            except OSError:  # EIO: the last one closed the terminal
                break
            if not part:
                break
            seen += part
        child.wait(60)
        os.close(master)
        return seen.decode().replace("\r\n", "\n")

    def run(self, *command: str, options: tuple[str, ...] = (), status: int = 0) -> None:
        done = self("run", *options, "--", *command)
        assert done.returncode == status, done.stderr.decode(errors="replace")


def _made(root: Path) -> Shark:
    shark = Shark(root)
    shark.work.mkdir()
    return shark


@pytest.fixture
def shark(tmp_path: Path) -> Shark:
    """An empty world."""
    return _made(tmp_path)


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Shark:
    """A world with three runs, for tests that only look: sort of a.csv to b.csv; a copy of it; a failure with none."""
    shark = _made(tmp_path_factory.mktemp("runs"))
    (shark.work / "a.csv").write_text("2\n1\n")
    shark.run("sh", "-c", "sort a.csv > b.csv", options=("--name", "first", "--tag", "data=v2"))
    shark.run("cp", "b.csv", "c.csv")
    (shark.work / "copy.csv").write_bytes((shark.work / "c.csv").read_bytes())
    shark.run("sh", "-c", "echo x > failed.txt; exit 3", status=3)
    (shark.work / "changed.csv").write_text("")
    shark.run("sh", "-c", "echo old > changed.csv")
    with (shark.work / "changed.csv").open("a") as file:
        file.write("new\n")
    return shark


@pytest.fixture
def edit_record(shark: Shark) -> Callable[[Callable[[dict[str, Any]], None]], None]:
    """Change the newest run record of the empty world in place: records of other versions, or damaged ones."""
    import gzip

    def edit(change: Callable[[dict[str, Any]], None]) -> None:
        path = max((shark.root / "store" / "runs").rglob("*.json.gz"))
        record = json.loads(gzip.decompress(path.read_bytes()))
        change(record)
        path.write_bytes(gzip.compress(json.dumps(record).encode()))

    return edit
