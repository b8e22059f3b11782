"""What the helper process of `context.py` does, and how its findings travel: pieces, each a line of JSON and perhaps
bytes, in a file to which it appends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from shark.content.githead import Roots, find_root
from shark.jsontext import dumps, loads
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Gap

if TYPE_CHECKING:
    from typing import Any, NoReturn

    from shark.content.git import Repository
    from shark.content.gitsettled import Part

_ORDER = ("env", "scheduler", "workflow", "ci", "container", "host")


class Frame(NamedTuple):
    """A piece of the findings: a section's name and value. `git` is what is known of one repository so far; `patch`
    ([root, [path, length] …]) has the parts' bytes in `data`; `done` is a repository that is; `gap`; `end`.
    """

    name: str
    value: Any
    data: bytes = b""


class Context:
    """What was found: `sections` as they shall stand in a record (but for `git`, which is not settled), `patches` (the
    parts of each repository's patch, by root), `gaps`; `finished` if nothing is missing.
    """

    def __init__(self, earlier: Context | None = None) -> None:
        self.sections: dict[str, Any] = dict(earlier.sections) if earlier else {}
        self.patches: dict[str, list[Part]] = dict(earlier.patches) if earlier else {}
        self.gaps: list[Gap] = []
        self.finished = False
        self._partly = bool(earlier)
        self._repositories = {section["root"]: section for section in self.sections.get("git", ())}
        self._done = set(self._repositories)
        self._failed = ""

    def add_all(self, pieces: Iterable[Frame]) -> None:
        """Take these findings; they are complete."""
        for piece in pieces:
            self.add(piece)
        self.finished = True

    def add(self, piece: Frame) -> None:
        """Take one piece."""
        name, value, data = piece
        match name:
            case "git":
                self._repositories[value["root"]] = value
                self.sections["git"] = [self._repositories[root] for root in sorted(self._repositories)]
            case "patch":
                self.patches[value[0]] = list(_parts(value[1], data))
            case "done":
                self._done.add(value)
            case "gap":
                self.gaps.append(Gap("other", value))
            case "failed":
                self._failed = value
            case "end":
                self.finished = True
            case _:
                self.sections[name] = value

    def read(self, fd: int) -> None:
        """Take all whole pieces of a file."""
        with open(fd, "rb", closefd=False) as stream:
            stream.seek(0)
            while (line := stream.readline()).endswith(b"\n"):
                name, value, length = loads(line)
                data = stream.read(length) if length else b""
                if len(data) < length:
                    return
                self.add(Frame(name, value, data))

    @property
    def waits_for_git(self) -> bool:
        """Whether a repository is known of which git has not told everything yet."""
        return not self._done.issuperset(self._repositories)

    def missing(self, why: str) -> Gap:
        """The gap that says what is not there."""
        lacking = [name for name in ("host",) if name not in self.sections and not self._partly]
        for root, section in sorted(self._repositories.items()):
            if root not in self._done:
                lacking.append(f"the patch of {root}" if "dirty" in section else f"git in {root}")
        return Gap("other", f"context ({', '.join(lacking or ['git'])}): {self._failed or why}")


def _parts(lengths: Sequence[Sequence[Any]], data: bytes) -> Iterator[Part]:
    from shark.content.gitsettled import Part

    position = 0
    for path, length in lengths:
        yield Part(path, data[position : position + length])
        position += length


def frames(
    cwd: str,
    environ: Mapping[str, str],
    extra: tuple[str, ...],
    heads: Mapping[str, tuple[str, str]],
    seconds: float,
    further: Iterable[Sequence[bytes]] = (),
) -> Iterator[Frame]:
    """All pieces, quickest first; empty sections are left out. Of `cwd` "" there are no sections but `git`.

    `heads` are commits and branches by root, as they were before the command. Each element of `further` names files
    with code; the last one all of them.
    """
    with contextlib.ExitStack() as stack:
        repositories = _Repositories(environ, seconds, stack)
        root = find_root(cwd) if cwd else None
        if root:  # git is at work while the rest is looked up
            yield repositories.open(root, heads.get(root))
            repositories.known[root].begin()
        if cwd:
            for name in _ORDER:
                if value := _section(name, environ, extra):
                    yield Frame(name, value)
        if root:
            yield from repositories.ask(root)
        for paths in further:
            yield from repositories.of_code(paths)


class _Repositories:
    """Those that are known so far, by root; left to `stack` to be closed."""

    def __init__(self, environ: Mapping[str, str], seconds: float, stack: contextlib.ExitStack) -> None:
        self.known: dict[str, Repository] = {}
        self._environ = environ
        self._seconds = seconds
        self._stack = stack
        self._roots = Roots()

    def open(self, root: str, head: tuple[str, str] | None = None, *, foreign: bool = False) -> Frame:
        """What the files of another repository tell."""
        from shark.content.git import Repository

        repository = self._stack.enter_context(Repository(root, self._environ, head, foreign=foreign))
        self.known[root] = repository
        return Frame("git", repository.section)

    def ask(self, root: str) -> Iterator[Frame]:
        """What git tells of a repository that is open."""
        repository = self.known[root]
        for _ in repository.ask(time.monotonic() + self._seconds):
            yield Frame("git", repository.section)
        yield from self._patch(repository)
        for gap in repository.gaps:
            yield Frame("gap", gap.detail)
        yield Frame("done", root)

    def of_code(self, paths: Sequence[bytes]) -> Iterator[Frame]:
        """The repositories in which these files lie, and the files themselves where git does not know them."""
        code: dict[str, list[str]] = {}
        for path in map(os.fsdecode, paths):
            if (root := self._roots.of(path)) is not None:
                code.setdefault(root, []).append(path)
        new = [root for root in code if root not in self.known]
        for root in new:  # what the files tell, of all of them, before git is waited for
            yield self.open(root, foreign=True)
        for root in new:
            yield from self.ask(root)
        for root, files in code.items():
            before = len(self.known[root].parts)
            self.known[root].add_code(files, time.monotonic() + self._seconds)
            if len(self.known[root].parts) > before:
                yield from self._patch(self.known[root])

    @staticmethod
    def _patch(repository: Repository) -> Iterator[Frame]:
        if parts := repository.parts:
            lengths = [[part.path, len(part.text)] for part in parts]
            yield Frame("patch", [repository.section["root"], lengths], b"".join(part.text for part in parts))


def _section(name: str, environ: Mapping[str, str], extra: tuple[str, ...]) -> Any:
    from shark.content import ci, container, environment, host, scheduler

    match name:
        case "env":
            return environment.environment(environ, extra)
        case "scheduler":
            return scheduler.scheduler(environ)
        case "workflow":
            return scheduler.workflow(environ)
        case "ci":
            return ci.ci(environ)
        case "container":
            return container.container(environ)
        case _:
            return host.host(environ)


# --- the helper process


def help_until_done(
    fd: int, hints: int, paths: int, pieces: Callable[[Iterable[Sequence[bytes]]], Iterable[Frame]]
) -> NoReturn:
    """The helper's life: pieces into `fd`. It never returns into the caller's code, whatever happens.

    `hints` gives paths, each with a NUL behind it, until its end of file; then `paths` has all of them, between NULs.
    """
    try:
        fd, hints, paths = _alone(fd, hints, paths)
        _end_when_told()
        for piece in pieces(_told(hints, paths)):
            _write(fd, piece)
        _write(fd, Frame("end", True))
    except Exception as error:  # noqa: BLE001 - the other side makes a gap of it; there is nobody else to tell
        with contextlib.suppress(OSError):
            _write(fd, Frame("failed", f"{type(error).__name__}: {error}"))
    finally:
        os._exit(0)


def _write(fd: int, piece: Frame) -> None:
    data = dumps([piece.name, piece.value, len(piece.data)]) + b"\n" + piece.data
    while data:
        data = data[os.write(fd, data) :]


def _told(hints: int, paths: int) -> Iterator[list[bytes]]:
    """The paths that come in, as they do, and at the end all of them."""
    rest = b""
    while part := os.read(hints, 1 << 16):
        *whole, rest = (rest + part).split(b"\0")
        yield whole
    with open(paths, "rb", closefd=False) as file:
        file.seek(0)
        yield [path for path in file.read().split(b"\0") if path]


def _alone(*fds: int) -> list[int]:
    """Leaves the caller's session, signals and descriptors behind; returns the numbers that `fds` now have."""
    import fcntl

    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):  # those that the C library keeps for itself
            signal.signal(number, signal.SIG_DFL)
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in fds]
    low = 3
    for fd in (*sorted(kept), os.sysconf("SC_OPEN_MAX")):
        os.closerange(low, fd)
        low = fd + 1
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if null > 2:
        os.close(null)
    return kept


def _end_when_told() -> None:
    """From now on SIGTERM ends this process, and the commands that it waits for with it."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit

    signal.signal(signal.SIGTERM, leave)
