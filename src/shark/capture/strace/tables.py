"""What a log does not repeat at every call: processes, their threads, open descriptors and working directories."""

from __future__ import annotations

from shark.capture.strace.lines import Line

NAMELESS = b""
"""The path of an open file that has none, or none that matters: a pipe, a socket."""


class OpenFile:
    """An open file, as descriptors share it after a dup or a fork (open(2) calls it an open file description).

    `told`: the accesses that an event was made of already. `via` is as in events.Opened. `empty`: it was seen to have
    no content before its first use.
    """

    __slots__ = ("append", "empty", "mode", "path", "told", "via")

    def __init__(self, path: bytes, mode: int = 0, told: int = ~0, via: str = "open") -> None:
        self.path = path
        self.mode = mode
        self.told = told
        self.via = via
        self.append = False
        self.empty = False


class Descriptors:
    """A descriptor table, which processes may share (CLONE_FILES)."""

    def __init__(self) -> None:
        self._files: dict[int, OpenFile] = {}
        self._closing: set[int] = set()  # to be closed on exec

    def get(self, fd: int) -> OpenFile | None:
        """The open file behind a descriptor, None if the log does not tell of it."""
        return self._files.get(fd)

    def put(self, fd: int, file: OpenFile, *, closing: bool = False) -> None:
        """`fd` is `file` now; `closing`: until the next exec."""
        self._files[fd] = file
        self.mark(fd, closing=closing)

    def mark(self, fd: int, *, closing: bool) -> None:
        """Whether a descriptor is closed on exec."""
        if closing:
            self._closing.add(fd)
        else:
            self._closing.discard(fd)

    def close(self, first: int, last: int) -> None:
        """Close a range of descriptors, both ends included."""
        for fd in [fd for fd in self._files if first <= fd <= last]:
            del self._files[fd]
            self._closing.discard(fd)

    def mark_range(self, first: int, last: int) -> None:
        """Have a range of descriptors closed on exec."""
        self._closing.update(fd for fd in self._files if first <= fd <= last)

    def copy(self) -> Descriptors:
        """The table of a child that does not share it."""
        child = Descriptors()
        child._files = dict(self._files)
        child._closing = set(self._closing)
        return child

    def after_exec(self) -> Descriptors:
        """The table that a new image starts with: never a shared one."""
        image = self.copy()
        for fd in image._closing:
            image._files.pop(fd, None)
        image._closing.clear()
        return image

    def moved(self, old: bytes, new: bytes) -> None:
        """A directory was renamed: what is open below it is elsewhere now."""
        for file in self._files.values():
            file.path = moved_path(file.path, old, new)


class View:
    """Working and root directory, which processes may share (CLONE_FS). `assumed`: `cwd` is a guess."""

    def __init__(self, cwd: bytes, root: bytes = b"", *, assumed: bool = False) -> None:
        self.cwd = cwd
        self.root = root
        self.assumed = assumed

    def copy(self) -> View:
        """The view of a child that does not share it."""
        return View(self.cwd, self.root, assumed=self.assumed)


def moved_path(path: bytes, old: bytes, new: bytes) -> bytes:
    """Where `path` is after `old` was renamed to `new`."""
    if path == old or path.startswith(old + b"/"):
        return new + path[len(old) :]
    return path


class Process:
    """A process of the log. `exe` is the program that runs in it, `status` what it gave to exit_group, -1 before."""

    def __init__(self, number: int, pid: int, descriptors: Descriptors, view: View, exe: bytes = b"") -> None:
        self.number = number
        self.pid = pid
        self.descriptors = descriptors
        self.view = view
        self.exe = exe
        self.status = -1
        self.ended = False


class Begun:
    """A call that has begun and not returned."""

    __slots__ = ("begin", "name", "text", "time")

    def __init__(self, name: bytes, text: bytes, begin: int, time: int) -> None:
        self.name = name
        self.text = text
        self.begin = begin
        self.time = time


class Thread:
    """A thread of the log: the call that it is in, if that was interrupted by other lines."""

    def __init__(self, tid: int, process: Process) -> None:
        self.tid = tid
        self.process = process
        self.begun: Begun | None = None


class Birth:
    """A child that a call has returned, and no line of which was seen yet."""

    def __init__(self, parent: Process, how: frozenset[bytes], order: int, time: int) -> None:
        self.parent = parent
        self.how = how
        self.order = order
        self.time = time


class Held:
    """Lines of a thread whose parent is not certain yet, each with its number in the run's order."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, Line]] = []
