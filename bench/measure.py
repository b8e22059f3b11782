"""Running one command in its three ways, and what it took."""

from __future__ import annotations

import ctypes
import os
import resource
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cases import Case

from shark.capture.table import ROWS

_PR_SET_CHILD_SUBREAPER = 36
WAYS = ("untraced", "shark", "strace")


class Failed(Exception):
    """A command did not end as it should: its status, and what it said."""


@dataclass
class Samples:
    """What the runs of one case took, way by way: seconds on the clock, and of processor time: in all, and of what was
    beside the command.
    """

    wall: dict[str, list[float]] = field(default_factory=dict)
    cpu: dict[str, list[float]] = field(default_factory=dict)
    beside: dict[str, list[float]] = field(default_factory=dict)

    def add(self, way: str, wall: float, cpu: float, beside: float) -> None:
        self.wall.setdefault(way, []).append(wall)
        self.cpu.setdefault(way, []).append(cpu)
        self.beside.setdefault(way, []).append(beside)

    def median(self, way: str) -> float | None:
        return statistics.median(self.wall[way]) if way in self.wall else None

    def median_cpu(self, way: str) -> float | None:
        return statistics.median(self.cpu[way]) if way in self.cpu else None

    def ratio(self, way: str, base: str = "untraced") -> float | None:
        """The median of the ratios of paired runs."""
        pairs = self._pairs(way, base)
        return statistics.median(a / b for a, b in pairs) if pairs else None

    def more(self, way: str, base: str) -> float | None:
        """The median of the differences of paired runs, in seconds."""
        pairs = self._pairs(way, base)
        return statistics.median(a - b for a, b in pairs) if pairs else None

    def _pairs(self, way: str, base: str) -> list[tuple[float, float]]:
        return list(zip(self.wall.get(way, []), self.wall.get(base, []), strict=False))


class World:
    """A place for all that a measurement makes, removed at its end: folders of cases, shark's store and caches."""

    def __init__(self, shark_arguments: Sequence[str] = ()) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="shark-bench-"))
        self._arguments = list(shark_arguments)
        self.begun = 0.0  # when the last run was started, by the monotonic clock
        self.beside = 0.0  # processor time of what outlived its command: shark's own processes
        self.environ = dict(os.environ)
        self.environ.pop("SHARK_RUN_ID", None)
        # Whoever sets this compiles all modules at every start, which is no user's case.
        self.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for variable in ("SHARK_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
            place = self.root / "world" / variable.lower()
            place.mkdir(parents=True)
            self.environ[variable] = str(place)
        # Supervisor and helper are re-parented: as their new parent we learn when they end, and what they took.
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def __enter__(self) -> World:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _leave)  # the same as ^C: what was made is removed
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.root)

    def folder(self, case: Case) -> Path:
        """The case's folder, ready to run in."""
        folder = self.root / case.name
        if not folder.exists():
            case.set_up(folder)
        case.reset(folder)
        return folder

    def shark(self, *arguments: str) -> list[str]:
        """The words that start shark with these arguments."""
        script = os.path.join(os.path.dirname(sys.executable), "shark")
        start = [script] if os.path.exists(script) else [sys.executable, "-m", "shark"]
        return [*start, *arguments]

    def words(self, case: Case, way: str) -> list[str]:
        """The words that run the case in one of its WAYS."""
        if way == "shark":
            return [*self.shark("run", *self._arguments), "--", *case.command]
        if way == "strace":
            calls = ",".join(f"?{name}" for name in ROWS)
            log = str(self.root / "strace.log")
            return ["strace", "-f", "-y", "--seccomp-bpf", f"--trace={calls}", "-o", log, *case.command]
        return list(case.command)

    def run(self, case: Case, words: Sequence[str]) -> tuple[float, float]:
        """Run it: (seconds until its parent may go on, seconds of processor time of it and all that it started).

        Raises Failed.
        """
        folder = self.folder(case)
        time.sleep(0.05)  # what the last run left to the machine, such as unlinking, shall not be this one's
        before = _processor_time()
        self.begun = begin = time.monotonic()
        process = subprocess.Popen(
            words,
            cwd=folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        process.wait()
        seconds = time.monotonic() - begin
        self.beside = _wait_for_all()
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace").strip()
        process.stderr.close()
        if process.returncode != case.status:
            raise Failed(f"{shlex.join(words)[:200]} ended with {process.returncode}: {said[-500:]}")
        return seconds, _processor_time() - before


def measure(world: World, case: Case, ways: Sequence[str], repeat: int) -> Samples:
    """Run the case `repeat` times each way, in turns, after one run each that is not counted. Raises Failed."""
    samples = Samples()
    for round_ in range(repeat + 1):
        turn = round_ % len(ways)
        for way in (*ways[turn:], *ways[:turn]):
            seconds, processor = world.run(case, world.words(case, way))
            if round_:
                samples.add(way, seconds, processor, world.beside)
    return samples


def _leave(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def _processor_time() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _wait_for_all() -> float:
    """Wait for all that is left, and return the processor time that it took."""
    taken = 0.0
    while True:
        try:
            _, _, used = os.wait4(-1, 0)
        except ChildProcessError:
            return taken
        taken += used.ru_utime + used.ru_stime
