"""Runs `shark run` as a user would, in a world of its own, and shows what came out in terms that tests speak.

Everything lies below a test's directory: the working directory `work`, the store, caches, settings, temporary files.
So a test can also say what must not be there afterwards (`World.leftovers`).
"""

from __future__ import annotations

import contextlib
import glob
import gzip
import hashlib
import json
import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

TRACEES = Path(__file__).parent / "tracees"

MODES = ("filter", "full", "recorder")
"""The ways of tracing: by seccomp filter, with a stop at every system call, and with all hot at once that can be."""

HOW: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "filter": ((), ("--no-recorder",)),
    "full": ((), ("--no-seccomp",)),
    "recorder": (("/usr/bin/env", "SHARK_RECORDER=1"), ()),
    "usual": ((), ()),
}
"""By mode: what stands before shark, and which options it gets. `usual` is what a user gets."""

NOT_HERE = 77
"""A tracee's exit status for "this kernel or sandbox lacks the feature"."""

NOBODY = 65534
"""The user and the group of nobody."""

ENDING = 20.0
"""Seconds that processes of shark may need after the command's parent has gone on."""

MISSING_PROGRAM = "needs the program"
"""How the reason of a skip begins that CI does not allow (conftest turns it into a failure under SHARK_CI=1)."""

Argument = str | bytes | os.PathLike[str]


def need(*programs: str) -> None:
    """Skip the test unless all `programs` are installed (in CI: fail, since .ci/run installs them)."""
    for program in programs:
        if shutil.which(program) is None and not os.path.exists(f"/usr/sbin/{program}"):
            pytest.skip(f"{MISSING_PROGRAM} {program}")


def need_root() -> None:
    """Skip the test unless it runs as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")


def sha256(path: Argument) -> str:
    """Return what sha256sum(1) prints for the file; from the tool itself, so that shark's own hashing has a witness."""
    out = subprocess.run([b"sha256sum", b"-b", b"--", os.fsencode(path)], stdout=subprocess.PIPE, check=True).stdout
    return out.lstrip(b"\\").split(b" ", 1)[0].decode()


def digest(content: bytes) -> str:
    """Return the sha256 of bytes that are no longer in any file."""
    return hashlib.sha256(content).hexdigest()


class Compiler:
    """Compiles tests/tracees/NAME.c once per session and variant."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def __call__(self, name: str, *flags: str) -> Path:
        """Return the program of NAME.c, compiled with the further `flags` ("-static", "-m32")."""
        need("gcc")
        program = self.directory / "".join([name, *flags])
        if not program.exists():
            command = ["gcc", "-O1", "-Wall", "-Werror", "-Wno-unused-function", "-pthread", *flags]
            built = subprocess.run(
                [*command, "-o", str(program), str(TRACEES / f"{name}.c")], capture_output=True, text=True
            )
            if built.returncode and "-m32" in flags:
                pytest.skip(f"{MISSING_PROGRAM} gcc -m32 (gcc-multilib): {built.stderr[:200]}")
            assert built.returncode == 0, built.stderr
        return program


@dataclass
class Run:
    """One finished `shark run`: what its parent saw, and what shark wrote down."""

    status: int
    """Exit status, or minus the signal's number, as subprocess gives it."""
    stdout: bytes
    stderr: bytes
    document: dict[str, Any] | None
    """What `--json FILE` wrote, None if it wrote nothing."""
    record: dict[str, Any]
    """The run record of this run; of several (continued, nested) the first that was begun. {} if none was kept."""
    records: list[dict[str, Any]]
    work: Path
    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The attached manifests by the output's path below `work`."""

    # What the record says, as sets of paths below the working directory.

    def accessed(self, *kinds: str, process: int | None = None) -> set[str]:
        """Paths (below work) with an access of one of `kinds`, of the whole run or of one process number."""
        return {name for name in map(self.name, self.accessed_anywhere(*kinds, process=process)) if name is not None}

    def accessed_anywhere(self, *kinds: str, process: int | None = None) -> set[str]:
        """Absolute paths with an access of one of `kinds`."""
        files = {file["n"]: file["path"] for file in self.record["files"]}
        return {
            files[edge["file"]]
            for edge in self.record["edges"]
            if "file" in edge and edge["access"] in kinds and process in (None, edge["process"])
        }

    def name(self, path: str) -> str | None:
        """Return the path relative to the working directory, None if it lies elsewhere."""
        root = f"{self.work}/"
        return path[len(root) :] if path.startswith(root) else None

    @property
    def reads(self) -> set[str]:
        """Files below work that the run read."""
        return self.accessed("read")

    @property
    def writes(self) -> set[str]:
        """Files below work that the run made or wrote."""
        return self.accessed("write", "create")

    @property
    def missing(self) -> list[str]:
        """Paths below work that were looked for and not found; a list, since each must be there once."""
        files = {file["n"]: file["path"] for file in self.record["files"]}
        found = [files[e["file"]] for e in self.record["edges"] if e["access"] == "missing" and "file" in e]
        return sorted(name for name in map(self.name, found) if name is not None)

    @property
    def outputs(self) -> dict[str, str | None]:
        """The outputs below work, with their digests."""
        named = ((self.name(output["path"]), output.get("sha256")) for output in self.record["outputs"])
        return {name: sha for name, sha in named if name is not None}

    @property
    def gaps(self) -> set[str]:
        """The kinds of gaps of the run."""
        return {gap["kind"] for gap in self.record["coverage"]["gaps"]}

    def manifest(self, output: str) -> dict[str, Any]:
        """Return the manifest attached to an output (by its path below work)."""
        if output not in self.manifests:
            found = attached(self.work / output)
            assert found is not None, f"no manifest on {output}; stderr: {self.stderr.decode(errors='replace')}"
            self.manifests[output] = found
        return self.manifests[output]

    def inputs(self, output: str, role: str | None = "data") -> dict[str, str | None]:
        """Return the inputs below work that the manifest of `output` names, with their digests; of one role, or all."""
        entries = self.manifest(output).get("inputs", [])
        named = ((self.name(e["path"]), e.get("sha256")) for e in entries if role in (None, e.get("role")))
        return {name: sha for name, sha in named if name is not None}

    def input(self, output: str, name: str) -> dict[str, Any]:
        """Return the whole entry of one input."""
        path = f"{self.work}/{name}"
        [entry] = [e for e in self.manifest(output).get("inputs", []) if e["path"] == path]
        return entry

    def code(self, output: str) -> set[str]:
        """Absolute paths of the inputs that are code."""
        return {entry["path"] for entry in self.manifest(output).get("inputs", []) if entry.get("role") == "code"}

    @property
    def software(self) -> dict[tuple[str, str], str]:
        """(type, name) -> version of all packages that the record names."""
        return packages(self.record.get("software", []))

    @property
    def processes(self) -> list[dict[str, Any]]:
        """The processes, by number."""
        return sorted(self.record["processes"], key=lambda p: p["n"])

    def images(self) -> list[dict[str, Any]]:
        """All images of all processes."""
        return [image for process in self.processes for image in process.get("images", [])]


def packages(purls: Iterable[str | dict[str, Any]]) -> dict[tuple[str, str], str]:
    """(type, name) -> version, from package URLs."""
    from packageurl import PackageURL

    texts = (p if isinstance(p, str) else p["purl"] for p in purls)
    parsed = map(PackageURL.from_string, texts)
    return {(p.type, p.name): p.version or "" for p in parsed}


def attached(path: Path) -> dict[str, Any] | None:
    """Read a file's manifest by the contract alone (attribute, compressed attribute, sidecar), without shark's code."""
    sidecar = path.with_name(f".{path.name}.shark")
    try:
        manifest = json.loads(os.getxattr(path, "user.shark"))
        if not manifest.get("summary"):
            return manifest
        with contextlib.suppress(OSError):
            return json.loads(zlib.decompress(os.getxattr(path, "user.shark.zlib")))
    except OSError:
        pass
    return json.loads(sidecar.read_bytes()) if sidecar.exists() else None


class World:
    """A test's own world: working directory, store, caches, settings and temporary files below one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = self._directory("work")
        self.home = self._directory("home")
        self.store = root / "store"
        self.token = f"shark-test-{uuid.uuid4().hex}"
        self.shark = SHARK
        self.env: dict[str, str] = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SHARK_", "XDG_", "PYTEST_", "COVERAGE"))},
            "HOME": str(self.home),
            "SHARK_HOME": str(self.store),
            "XDG_CACHE_HOME": str(self._directory("cache")),
            "XDG_CONFIG_HOME": str(self._directory("config")),
            "XDG_DATA_HOME": str(self._directory("data")),
            "XDG_RUNTIME_DIR": str(self._directory("runtime")),
            "TMPDIR": str(self._directory("tmp")),
            "LC_ALL": "C.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "SHARK_TEST_TOKEN": self.token,
        }

    def _directory(self, name: str) -> Path:
        path = self.root / name
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def write(self, name: str, content: bytes | str = b"the input\n", mode: int | None = None) -> str:
        """Put a file into the working directory, older than the clock's tick; returns its sha256."""
        data = content.encode() if isinstance(content, str) else content
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if mode is not None:
            path.chmod(mode)
        # Inputs are normally older than the run: an mtime of just now would be distrusted by the digest cache.
        past = time.time_ns() - 3_600_000_000_000
        os.utime(path, ns=(past, past))
        return digest(data)

    def read(self, name: str) -> bytes:
        """Return the content of a file of the working directory."""
        return (self.work / name).read_bytes()

    def command(self, argv: Sequence[Argument], *options: str, mode: str = "usual") -> list[Argument]:
        """Return the whole argument vector of a `shark run`."""
        before, how = HOW[mode]
        return [*before, *self.shark, "run", *how, *options, "--", *argv]

    def run(
        self,
        argv: Sequence[Argument],
        *options: str,
        mode: str = "usual",
        timeout: float = 60,
        env: Mapping[str, str] | None = None,
        stdin: bytes | int | None = None,
        **popen: Any,
    ) -> Run:
        """Run a command under shark and wait for it, then read what it left. Further arguments go to Popen."""
        document = self.root / f"document-{uuid.uuid4().hex}.json"
        known = set(self.record_paths())
        command = self.command(argv, "--json", str(document), *options, mode=mode)
        popen.setdefault("cwd", self.work)
        popen.setdefault("stdout", subprocess.PIPE)
        popen.setdefault("stderr", subprocess.PIPE)
        popen["stdin"] = subprocess.PIPE if isinstance(stdin, bytes) else subprocess.DEVNULL if stdin is None else stdin
        with subprocess.Popen(command, env={**self.env, **(env or {})}, **popen) as process:
            try:
                out, err = process.communicate(stdin if isinstance(stdin, bytes) else None, timeout=timeout)
            except subprocess.TimeoutExpired:
                seen = describe(self.processes())
                self.kill()
                out, err = process.communicate()
                pytest.fail(f"still running after {timeout} s: {argv!r}\n{seen}\nstdout {out!r}\nstderr {err!r}")
        return self.finished(process.returncode, out or b"", err or b"", document, known)

    def finished(
        self, status: int, stdout: bytes, stderr: bytes, document: Path | None = None, known: Iterable[Path] = ()
    ) -> Run:
        """Collect what a run that has ended left behind; `known` are the records from before."""
        records = sorted((load(path) for path in set(self.record_paths()) - set(known)), key=lambda r: r["id"])
        first = records[0] if records else {}
        text = document.read_text() if document and document.exists() else ""
        return Run(status, stdout, stderr, json.loads(text) if text else None, first, records, self.work)

    def become_nobody(self, *further: Path) -> dict[str, Any]:
        """Give this world to the user nobody, with a passable way to it and to `further`; returns Popen's arguments.

        Where nobody may not execute this interpreter (below /root, say), the system's own of the same version is used.
        """
        for directory in {parent for path in (self.root, *further) for parent in (path, *path.parents)}:
            if not directory.stat().st_mode & stat.S_IXOTH:
                directory.chmod(directory.stat().st_mode | stat.S_IXOTH)
        for path in [self.root, *self.root.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        self.env["PYTHONPATH"] = os.pathsep.join(
            entry for entry in sys.path if os.path.isabs(entry) and "site-packages" in entry
        )
        self.env["PYTHONPATH"] += f"{os.pathsep}{TRACEES.parent.parent / 'src'}"
        question = f"import shark, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
        for python in (sys.executable, "/usr/bin/python3"):
            with contextlib.suppress(OSError):
                if (
                    subprocess.run([python, "-c", question], env=self.env, stderr=subprocess.DEVNULL, **who).returncode
                    == 0
                ):
                    self.shark = (python, "-m", "shark")
                    return who
        pytest.skip("no Python of this version that the user nobody may execute")

    def record_paths(self) -> list[Path]:
        """All run records in the store."""
        return sorted(self.store.glob("runs/**/*.json.gz"))

    def processes(self) -> list[int]:
        """Processes of this world that are alive, found by the token in their environment; zombies do not count."""
        return [pid for pid in pids() if self._is_mine(pid)]

    def _is_mine(self, pid: int) -> bool:
        try:
            with open(f"/proc/{pid}/environ", "rb") as environ:
                return self.token.encode() in environ.read()
        except OSError:
            return False

    def settle(self, timeout: float = ENDING, but: Iterable[int] = ()) -> list[int]:
        """Wait until all processes of this world have ended, except those in `but`; returns those that have not."""
        end = time.monotonic() + timeout
        while (left := [pid for pid in self.processes() if pid not in but]) and time.monotonic() < end:
            wait_for_end(left[0], max(0.0, min(0.5, end - time.monotonic())))
        return left

    def kill(self) -> None:
        """End every process of this world."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def leftovers(self) -> list[str]:
        """Files that shark must not have left: journals, temporary files, anything hidden that is no manifest."""
        found = [path for name in ("tmp", "runtime") for path in (self.root / name).rglob("*") if path.is_file()]
        found += [path for path in self.store.glob("journals/*") if path.is_file()]
        found += [path for path in self.store.rglob("*") if path.name.endswith((".tmp", ".part", "~"))]
        for path in self.work.rglob(".*.shark*"):
            with contextlib.suppress(ValueError, OSError):
                if path.suffix == ".shark" and json.loads(path.read_bytes())["schema"].startswith("shark/manifest/"):
                    continue
            found.append(path)
        return sorted(str(path.relative_to(self.root)) for path in found)

    def rings(self) -> list[str]:
        """What runs of this world have in shared memory, where other tests' rings lie too: those with the id of a run
        after which a journal or a record is named.
        """
        rings = glob.glob("/dev/shm/shark-*.ring")
        if not rings:
            return []
        named = " ".join(path.name for name in ("store", "tmp", "runtime") for path in (self.root / name).rglob("*"))
        return [ring for ring in rings if ring.removesuffix(".ring").split("-", 2)[2] in named]

    def forget_rings(self) -> None:
        """Remove what runs that were killed have left there; shark itself would, in a week."""
        for ring in self.rings():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(ring)


SHARK = (sys.executable, "-m", "shark")
"""How the tests start shark: the package under test, whatever `shark` PATH finds."""


def load(path: Path) -> dict[str, Any]:
    """Read a run record from the store by the contract alone."""
    with gzip.open(path) as stream:
        return json.load(stream)


def pids() -> Iterator[int]:
    """All process ids of the machine."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def wait_for_end(pid: int, timeout: float) -> None:
    """Wait until the process has ended, or the time is up, without polling."""
    with contextlib.suppress(ProcessLookupError):
        fd = os.pidfd_open(pid)
        try:
            select.select([fd], [], [], timeout)
        finally:
            os.close(fd)


def describe(processes: Iterable[int]) -> str:
    """Lines for a failure's message: what each process is and in which state."""
    lines = []
    for pid in processes:
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            facts = [line for line in status if line.startswith(("State", "PPid", "TracerPid"))]
            lines.append(f"{pid} {command} {' '.join(facts)}".replace("\t", " "))
    return "\n".join(lines)
