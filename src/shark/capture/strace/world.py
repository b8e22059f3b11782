"""What a log lets one know of the world: which paths are there, which are directories, and where a name leads."""

from __future__ import annotations

import os
import stat as stat_bits
from collections.abc import Callable
from typing import Final

from shark.capture.look import absolute
from shark.capture.strace.tables import OpenFile, Process, View, moved_path
from shark.capture.strace.words import AT_FDCWD, About, descriptor
from shark.events import LIST, WRITE, Before, Event, GapSeen, ImageStarted, Missing, Opened, Removed, Sighting
from shark.values import FileId, Stat

NO_DIGEST: Final = "an strace log holds no digests"
_OWN: Final = (b"/proc/self/", b"/proc/thread-self/")
_STANDARD: Final = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}


def unknown(mode: int = stat_bits.S_IFREG) -> Stat:
    """The state of a file of which no more than the type is known."""
    return Stat(FileId(0, 0, 0), mode, -1, 0, 1)


class World:
    """The processes of the log and what they share; collects the events."""

    def __init__(self, resolve: Callable[[bytes], bytes] | None) -> None:
        self.numbers = 0
        self.processes: dict[int, Process] = {}
        self.started = False
        self.directories: set[bytes] = set()
        self.unnamed: dict[bytes, int] = {}  # files without a name yet, and whose
        self._there: dict[bytes, bool] = {}
        self._resolve = resolve
        self._events: list[Event] = []
        self._doubtful: dict[int, Opened] = {}  # by process
        self._assumed = b""
        self._unknown: set[int] = set()
        self._lost: set[int] = set()

    def emit(self, event: Event) -> None:
        """Add an event."""
        if self._doubtful:
            self._settle(event)
        self._events.append(event)

    def _settle(self, event: Event) -> None:
        """Let go what can wait no longer: what the same process did before; what was read of a file that `event` may
        change; and all if that may be any file.
        """
        if isinstance(event, Missing | ImageStarted):
            waiting = [event.process]
        elif isinstance(event, Opened):
            same = event.file.path if event.access & WRITE else None
            waiting = [n for n, read in self._doubtful.items() if n == event.process or read.file.path == same]
        else:
            waiting = [*self._doubtful]
        self._events.extend(self._doubtful.pop(process) for process in waiting if process in self._doubtful)

    def emit_doubtful(self, event: Opened) -> None:
        """Add an event that may turn out to be a directory's listing, as long as its process does nothing else."""
        self._settle(event)
        self._doubtful[event.process] = event

    def is_directory(self, path: bytes, process: int) -> bool:
        """Learn that `path` is a directory; True if its opening by `process` could still be told so."""
        self.directories.add(path)
        event = self._doubtful.get(process)
        if event is None or event.file.path != path:
            return False
        del self._doubtful[process]
        self.emit(event._replace(access=LIST, file=event.file._replace(stat=self.stat(path))))
        return True

    def drain(self) -> list[Event]:
        """The events since the last call."""
        events, self._events = self._events, []
        return events

    # --- names

    def used(self, process: Process, dirfd: bytes, name: bytes | None) -> bytes:
        """`name` made absolute as the process means it, from the descriptor argument `dirfd`; b"" if that cannot be."""
        if name is None:
            return b""
        if name.startswith(b"/"):
            return self._own(process, absolute(b"", process.view.root + name))
        base = self._base(process, dirfd)
        if not base:
            return b""
        return absolute(base, name) if name else base

    def _base(self, process: Process, dirfd: bytes) -> bytes:
        found = descriptor(dirfd)
        if found is None:
            return b""
        fd, about = found
        view = process.view
        if about is not None:
            if fd == AT_FDCWD:
                self.entered(view, about.path)
            return about.path
        if fd == AT_FDCWD:
            self._assumed = view.cwd if view.assumed else self._assumed
            return view.cwd
        file = process.descriptors.get(fd)
        if file is None or not file.path:
            self._lost.add(fd)
            return b""
        return file.path

    def entered(self, view: View, path: bytes) -> None:
        """`path` is the working directory."""
        view.cwd = path
        view.assumed = False
        self.directories.add(path)

    @staticmethod
    def _own(process: Process, path: bytes) -> bytes:
        """Where a path leads by which a process speaks of its own descriptors, or its program."""
        number = _STANDARD.get(path)
        if number is None:
            rest = next((path[len(start) :] for start in _OWN if path.startswith(start)), b"")
            if rest == b"exe":
                return process.exe or path
            digits = path[8:] if path.startswith(b"/dev/fd/") else rest[3:] if rest.startswith(b"fd/") else b""
            if not digits.isdigit():
                return path
            number = int(digits)
        file = process.descriptors.get(number)
        return file.path if file is not None and file.path else path

    def true(self, path: bytes) -> bytes:
        """The path behind all symbolic links; those below /proc and /dev lead elsewhere for every process that asks."""
        if self._resolve is None or not path or path.startswith((b"/proc/", b"/dev/")):
            return path
        return self._resolve(path)

    def entry(self, process: Process, dirfd: bytes, name: bytes | None) -> bytes:
        """The true path of a directory entry, which is not itself followed; b"" if it cannot be told."""
        path = self.used(process, dirfd, name)
        directory, _, last = path.rpartition(b"/")
        return os.path.join(self.true(directory or b"/"), last) if path else b""

    def sighting(self, used: bytes, about: About | None) -> Sighting:
        """A file by the name that was used, and what -y tells of it."""
        path = about.path if about is not None else self.true(used)
        return Sighting(path, used or path, self.stat(path, about.mode if about is not None else 0))

    def stat(self, path: bytes, mode: int = 0) -> Stat | None:
        """What is known of the file at a path: its type if it is not a plain file's, else nothing."""
        if path in self.directories:
            mode = stat_bits.S_IFDIR
        elif not mode and path.startswith(b"/dev/") and not path.startswith(b"/dev/shm/"):
            mode = stat_bits.S_IFCHR
        return unknown(mode) if mode else None

    # --- what is there

    def found(self, path: bytes, *, there: bool) -> None:
        """A call has shown that there is something at `path`, or nothing."""
        if path:
            self._there[path] = there
            if not there:
                self.directories.discard(path)

    def known(self, path: bytes) -> bool | None:
        """Whether something is at `path`; None if nothing tells."""
        return self._there.get(path)

    def before(self, path: bytes) -> Before | None:
        """What was at `path` before a call, if it is known that something was."""
        return Before(unknown(), "", NO_DIGEST) if self.known(path) else None

    def moved(self, old: bytes, new: bytes) -> None:
        """What was at `old` is at `new` now."""
        directory = old in self.directories
        self.found(old, there=False)
        self.found(new, there=True)
        self.directories.discard(new)
        if directory:
            self.directories.add(new)
            for process in self.processes.values():
                process.descriptors.moved(old, new)
                process.view.cwd = moved_path(process.view.cwd, old, new)

    def remove_unnamed(self, order: int) -> None:
        """Files that never got a name are gone with the last process."""
        for path, process in self.unnamed.items():
            self.emit(Removed(order, order, process, path, Before(unknown(), "", NO_DIGEST)))

    # --- what is not known

    def not_told(self, fd: int) -> OpenFile:
        """A descriptor that was used, and of which the log does not tell what it is."""
        self._unknown.add(fd)
        return OpenFile(b"")

    def tell_gaps(self, order: int) -> None:
        """Emit what has been found not to be known."""
        if self._assumed:
            shown = os.fsdecode(self._assumed)
            self._gap(order, f"the log does not tell the working directory, which is taken to be {shown} (strace -y)")
        if self._unknown:
            self._gap(order, f"the log does not tell which files were open as {_listed(self._unknown)} (strace -y)")
        if self._lost:
            detail = f"the log does not tell which directories were open as {_listed(self._lost)} (strace -y)"
            self._gap(order, detail)

    def _gap(self, order: int, detail: str) -> None:
        self.emit(GapSeen(order, order, 0, "other", detail))


def _listed(numbers: set[int]) -> str:
    return ", ".join(map(str, sorted(numbers)[:10]))
