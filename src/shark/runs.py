"""What `import shark` gives besides recording: run a command, look at a run, ask where a file comes from."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, Literal, TypeAlias, cast

from shark.errors import EXIT_RUN, NotFound, SharkError

if TYPE_CHECKING:
    from shark.model.documents import RecordingEntry, Role, RunRecord
    from shark.view.documents import Candidate, Impact, InspectEntry, Lineage

Path: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"
Stream: TypeAlias = "int | IO[Any] | None"


class Run:
    """One run. `id` is its id, or what commands accept for it: its beginning or end, `@1` for the latest. All else is
    read from the store when it is first asked for.

    `returncode`, `stdout` and `stderr` are those of the finished command, as `subprocess.run` gives them, for a run
    that `shark.run` made; else None.
    """

    def __init__(
        self,
        id: str,  # noqa: A002  the word that the record has
        returncode: int | None = None,
        stdout: bytes | None = None,
        stderr: bytes | None = None,
    ) -> None:
        self.id = id
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr

    def __repr__(self) -> str:
        return f"<shark run {self.id}>"

    @cached_property
    def record(self) -> RunRecord:
        """The whole run record, the document of `shark show --json`. Raises NotFound or RecordDamaged."""
        from shark.store.home import Store

        store = Store.open(os.environ)
        return cast("RunRecord", store.read_record(store.find(self.id)))

    @property
    def name(self) -> str:
        """The name that it was given, "" if none."""
        return self.record.get("name", "")

    @property
    def tags(self) -> dict[str, str]:
        """The tags that it was given."""
        return self.record.get("tags", {})

    @property
    def command(self) -> list[str]:
        """The command; of a recorded block, that of the process."""
        return self.record["command"]["argv"]

    @property
    def exit(self) -> int | None:
        """The exit status, None if the command was killed, or lives on as after a recorded block."""
        return self.record["command"].get("exit")

    @property
    def outputs(self) -> list[str]:
        """The files that it made."""
        return [output["path"] for output in self.record["outputs"]]

    @property
    def software(self) -> list[str]:
        """The package URLs of what it executed and loaded."""
        return self.record["software"]

    @property
    def values(self) -> dict[str, Any]:
        """What was noted in it."""
        return self.record.get("values", {})

    @property
    def recording(self) -> RecordingEntry | None:
        """For a recorded block: its function, file and line, arguments, result or exception."""
        return self.record.get("recording")

    @property
    def complete(self) -> bool:
        """Whether all was seen; else `record["coverage"]["gaps"]` tells what was not."""
        return self.record["coverage"]["complete"]


class Provenance:
    """What is known of a file, as `shark inspect` tells it.

    `state`: "current" if the file is as it was when the manifest was made, "modified" if not, "unknown" where nothing
    is known. `source`: where the manifest was found. `manifest`: the document itself, None if there is none.
    `candidates`: the runs that made these very bytes, where that does not tell one. `problem`: what could not be read.
    """

    def __init__(self, entry: InspectEntry) -> None:
        self.file = entry["file"]
        self.state: Literal["current", "modified", "unknown"] = entry["state"]
        self.source = entry["source"]
        self.manifest = cast("dict[str, Any] | None", entry.get("manifest"))
        self.candidates: list[Candidate] = entry.get("candidates", [])
        self.problem = entry.get("problem", "")

    def __repr__(self) -> str:
        return f"<provenance of {self.file}: {self.state}>"

    def inputs(self, role: Role | None = None) -> list[str]:
        """The paths of the inputs: of all, or those with a role ("data", "code" or "config")."""
        entries = (self.manifest or {}).get("inputs", [])
        return [entry["path"] for entry in entries if "path" in entry and role in (None, entry.get("role"))]

    @property
    def command(self) -> list[str]:
        """The command that made it; [] if it is not known."""
        command = (self.manifest or {}).get("command", {})
        return list(command.get("argv", [])) if isinstance(command, dict) else []

    @property
    def software(self) -> list[str]:
        """The package URLs of the software that made it."""
        return list((self.manifest or {}).get("software", []))

    @property
    def run(self) -> Run:
        """The run that made it. Raises NotFound if that is not known."""
        found = (self.manifest or {}).get("run")
        if not isinstance(found, str):
            raise NotFound(f"no run is known that made {self.file}", "See `candidates` for runs that made these bytes.")
        return Run(found)


def run(
    command: Sequence[str | bytes | os.PathLike[str]],
    *,
    name: str = "",
    tags: Mapping[str, str] | None = None,
    attach: Literal["auto", "xattr", "sidecar", "none"] = "auto",
    hash: Literal["auto", "full", "off"] = "auto",  # noqa: A002  the option's name everywhere
    linger: float | None = None,
    seccomp: bool = True,
    io_uring: Literal["gap", "deny"] = "gap",
    ignore: Sequence[str] = (),
    strict: bool = False,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: Stream = None,
    stdout: Stream = None,
    stderr: Stream = None,
    input: bytes | None = None,  # noqa: A002  as in subprocess.run
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
) -> Run:
    """Run a command under shark, wait for it and for its outputs' manifests.

    The options are those of `shark run`, the rest is what `subprocess.run` takes; streams are bytes. Raises SharkError
    if the command could not be traced or left no record; with `check` also subprocess.CalledProcessError if it failed,
    and subprocess.TimeoutExpired after `timeout` seconds.

    >>> import shark
    >>> run = shark.run(["cp", "number.txt", "copied.txt"], name="copying")
    >>> run.returncode, run.name, [os.path.basename(path) for path in run.outputs]
    (0, 'copying', ['copied.txt'])
    """
    options = _options(name, tags, attach, hash, linger, seccomp, io_uring, ignore, strict)
    streams: dict[str, Any] = {"stdin": stdin, "stdout": stdout, "stderr": stderr, "input": input}
    streams["capture_output"] = capture_output
    streams = {key: value for key, value in streams.items() if value not in (None, False)}
    return _run([os.fspath(word) for word in command], options, {**streams, "cwd": cwd, "timeout": timeout}, env, check)


def _options(
    name: str,
    tags: Mapping[str, str] | None,
    attach: str,
    hashing: str,
    linger: float | None,
    seccomp: bool,
    io_uring: str,
    ignore: Sequence[str],
    strict: bool,
) -> list[str]:
    said = {"--attach": (attach, "auto"), "--hash": (hashing, "auto"), "--io-uring": (io_uring, "gap")}
    # What is not said is left to the settings.
    options = [f"{flag}={value}" for flag, (value, usual) in said.items() if value != usual] + [f"--name={name}"]
    options += [f"--tag={key}={value}" for key, value in (tags or {}).items()]
    options += [f"--ignore={pattern}" for pattern in ignore]
    options += [] if linger is None else [f"--linger={linger}"]
    return options + ["--no-seccomp"] * (not seccomp) + ["--strict"] * strict


def _run(
    command: Sequence[str | bytes],
    options: Sequence[str],
    how: Mapping[str, Any],
    env: Mapping[str, str] | None,
    check: bool,
) -> Run:
    import subprocess
    import tempfile

    from shark import jsontext
    from shark.sessions import interpreter

    with tempfile.TemporaryDirectory(prefix="shark-") as scratch:
        place = os.path.join(scratch, "run.json")
        shark = interpreter("from shark.cli.run import main; sys.exit(main(sys.argv[2:]))")
        done = subprocess.run([*shark, *options, "--json", place, "--", *command], env=env, check=False, **how)
        try:
            with open(place, "rb") as file:
                record = jsontext.loads(file.read())
        except FileNotFoundError:
            raise _no_record(command, done.returncode, done.stderr) from None
    found = Run(record["id"], done.returncode, done.stdout, done.stderr)
    found.record = record  # what a later look into the store would give
    if check and done.returncode:
        raise subprocess.CalledProcessError(done.returncode, list(command), done.stdout, done.stderr)
    return found


def _no_record(command: Sequence[str | bytes], status: int, stderr: bytes | None) -> SharkError:
    said = (stderr or b"").decode(errors="replace").strip()
    shown = os.fsdecode(command[0]) if command else "no command"
    hint = said or "It said why on standard error." if status in range(EXIT_RUN, EXIT_RUN + 3) else said
    return SharkError(f"{shown}: no record of the run was left (exit status {status})", hint, EXIT_RUN)


def inspect(path: Path) -> Provenance:
    """Where a file comes from. Raises NotFound if there is no such file, SharkError for a directory (`inspect_all`).

    >>> import shark
    >>> found = shark.inspect("copied.txt")
    >>> found.state, found.command
    ('current', ['cp', 'number.txt', 'copied.txt'])
    """
    if os.path.isdir(path):
        raise SharkError(f"{os.fsdecode(path)} is a directory", "inspect_all() tells of all files below it.")
    return inspect_all(path)[0]


def inspect_all(*paths: Path) -> list[Provenance]:
    """Where files come from: of a directory, all that lie below it. Raises NotFound."""
    from shark import lookup
    from shark.store.home import Store

    return [Provenance(entry) for entry in lookup.inspect([os.fsencode(p) for p in paths], Store.open(os.environ))]


def lineage(path: Path, *, depth: int | None = None) -> Lineage:
    """Where a file, or all files of a directory, come from across runs: the document of `shark lineage --json`.

    `depth`: after so many runs it goes no further. Raises NotFound.

    >>> import shark
    >>> [node["kind"] for node in shark.lineage("copied.txt")["nodes"]]
    ['file', 'run', 'file']
    """
    from shark import ancestry
    from shark.store.home import Store

    return ancestry.lineage([os.fsencode(path)], Store.open(os.environ), os.environ, depth=depth)


def impact(path: Path, *, depth: int | None = None) -> Impact:
    """What was made from a file across runs: the document of `shark impact --json`. Raises NotFound."""
    from shark import ancestry
    from shark.store.home import Store

    return ancestry.impact([os.fsencode(path)], Store.open(os.environ), os.environ, depth=depth)
