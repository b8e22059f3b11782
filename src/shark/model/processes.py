"""The process tree of a run, and the images (programs executed) of each process."""

from __future__ import annotations

from shark.events import ImageStarted, ProcessEnded, ProcessStarted
from shark.tuples import NamedTuple
from shark.values import Usage


class Image(NamedTuple):
    """One program in a process.

    `forked` is (process, image) of the parent's image that a fork copied; then there is no argv. `exe` and `scripts`
    are file numbers (`exe` 0: none); `scripts` the `#!` chain, outermost first.
    """

    begin: int
    end: int
    time: int
    argv: tuple[bytes, ...] = ()
    cwd: bytes = b""
    exe: int = 0
    exe_path: bytes = b""
    scripts: tuple[int, ...] = ()
    script_path: bytes = b""
    forked: tuple[int, int] | None = None


class Process:
    """A process of the run. `image` is the number of its present image; `ended` the order number of its end, 0
    before.
    """

    __slots__ = (
        "begin",
        "ended",
        "exit",
        "image",
        "images",
        "n",
        "parent",
        "pid",
        "shares",
        "signal",
        "start",
        "stop",
        "usage",
    )

    def __init__(self, n: int, parent: int, pid: int, start: int, begin: int, shares: int) -> None:
        self.n = n
        self.parent = parent
        self.pid = pid
        self.start = start
        self.begin = begin
        self.shares = shares
        self.images: list[Image] = []
        self.image = 0
        self.ended = 0
        self.stop = 0
        self.exit = -1
        self.signal = -1
        self.usage: Usage | None = None


class ProcessTable(dict[int, Process]):
    """The processes by number.

    One that is named by an event but was never seen to start (a damaged journal) is made up: no event is lost for it.
    """

    def __missing__(self, n: int) -> Process:
        process = self[n] = Process(n, 0, 0, 0, 0, 0)
        return process

    def started(self, event: ProcessStarted) -> None:
        """Add a process; a forked one begins with a copy of its parent's image."""
        process = Process(event.process, event.parent, event.pid, event.time, event.begin, event.shares)
        earlier = self.get(event.process)
        self[event.process] = process
        if earlier is not None:
            process.images, process.image = earlier.images, earlier.image
        elif event.parent:
            parent = self[event.parent]
            forked = parent.n, parent.image
            process.images.append(Image(event.begin, event.end, event.time, (), b"", 0, b"", (), b"", forked))

    def executed(self, event: ImageStarted, exe: int, scripts: tuple[int, ...]) -> Process:
        """Add an image to its process; `exe` and `scripts` are file numbers."""
        process = self[event.process]
        script = event.scripts[0].used if event.scripts else b""
        process.images.append(
            Image(event.begin, event.end, event.time, event.argv, event.cwd, exe, event.exe.path, scripts, script, None)
        )
        process.image = len(process.images) - 1
        return process

    def over(self, event: ProcessEnded) -> None:
        """Note how a process ended, and what it used."""
        process = self[event.process]
        process.ended = event.end
        process.stop = event.time
        process.exit = event.exit
        process.signal = event.signal
        process.usage = event.usage

    def subtree(self, root: int) -> set[int]:
        """The numbers of `root` and all its descendants."""
        children: dict[int, list[int]] = {}
        for process in self.values():
            children.setdefault(process.parent, []).append(process.n)
        found: set[int] = set()
        todo = [root]
        while todo:
            n = todo.pop()
            if n not in found:
                found.add(n)
                todo.extend(children.get(n, ()))
        return found
