"""Which file a recorded open was of: from the name that was used and the file's identity to its true path.

The record says what the file is (device, inode, birth) and what it was called. Where that name leads now is looked up,
and believed if the same file is there. All that changes names stops its process, and the ring is read first: so names
still lead where they led. Descriptors do not: the process may run, and put another file behind one at any moment.
"""

from __future__ import annotations

import contextlib
import os
from itertools import islice

from shark.capture import kernel, look
from shark.capture.places import Places
from shark.capture.tasks import Task
from shark.tuples import TYPE_CHECKING
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_O_PATH: Final = os.O_PATH | os.O_CLOEXEC
_NOFOLLOW: Final = kernel.AT_STATX_DONT_SYNC | kernel.AT_SYMLINK_NOFOLLOW
_MANY: Final = 4096
_MANY_OPENED: Final = 32768
_MOST_LINKS: Final = 40  # as the kernel (path_resolution(7))


class Names:
    """Looks names up for all hot processes of a run."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self.on_change: Callable[[], object] = lambda: None  # what was found out may not be so any more
        self._true: dict[bytes, bytes] = {}  # directories, as named: their true paths
        self._directories: dict[FileId, bytes] = {}  # those that were opened, the last used ones last
        self._proc = -1  # the device number of /proc

    def forget(self) -> None:
        """Names may mean something else from now on."""
        self._true.clear()

    def moved(self, old: bytes, new: bytes, *, exchanged: bool) -> None:
        """A directory has another path now, or two names were exchanged; who has it open may have closed it soon."""
        self.on_change()
        for identity, path in self._directories.items():
            if _is_below(path, old):
                self._directories[identity] = new + path[len(old) :]
            elif exchanged and _is_below(path, new):
                self._directories[identity] = old + path[len(new) :]

    def forget_directories(self) -> None:
        """Directories may have other paths from now on, and nobody can tell which."""
        self.on_change()
        self._directories.clear()

    def note(self, path: bytes, stat: Stat) -> None:
        """A file was opened: if it is a directory, names may start from it, by whichever descriptor."""
        if stat.directory:
            if len(self._directories) >= _MANY_OPENED:
                for identity in tuple(islice(self._directories, _MANY_OPENED // 2)):
                    del self._directories[identity]
            if self._directories.pop(stat.id, path) != path:
                self.on_change()
            self._directories[stat.id] = path

    def note_held(self, task: Task) -> None:
        """A process that stands still is hot from now on: names may start from the directories that it has open."""
        with contextlib.suppress(OSError):
            for fd in os.listdir(b"/proc/%d/fd" % task.tid):
                stat = kernel.statx(b"/proc/%d/fd/%b" % (task.tid, fd))
                seen = look.descriptor(task.tid, int(fd)) if stat is not None and stat.directory else None
                if seen is not None:
                    self.note(*seen)

    def named(self, task: Task, dirfd: int, base: FileId, name: bytes) -> bytes:
        """The name made absolute, as it is, b"" if it starts from a directory that nobody knows any more.

        Descriptors are duplicated, closed and taken again without a call that stops: so the record tells which
        directory was behind `dirfd`.
        """
        if name.startswith(b"/"):
            return name
        if dirfd == kernel.AT_FDCWD:
            start = look.working_directory(task, self._places.epoch)
        else:
            start = self._opened_directory(base) or self._held_directory(task, dirfd, base)
        return start + b"/" + name if start.startswith(b"/") else b""

    @staticmethod
    def used(task: Task, named: bytes) -> bytes:
        """An absolute name as it is shown: without `.` and `..`, by text alone."""
        return look.own_path(task, look.absolute(b"", named)) if named else b""

    def _opened_directory(self, base: FileId) -> bytes:
        path = self._directories.pop(base, b"")
        if path:
            self._directories[base] = path
        return path

    def _held_directory(self, task: Task, fd: int, base: FileId) -> bytes:
        seen = _behind(task, fd)
        if seen is None or seen[1].id != base:
            return b""
        self.note(*seen)
        return seen[0]

    def true(self, task: Task, fd: int, named: bytes, used: bytes, stat: Stat) -> bytes:
        """The true path of the file that was opened as `named`, b"" if it is not there any more under that name.

        `used` is the same as it is shown, which leads elsewhere where `..` follows a symbolic link. `fd` is what the
        open returned: it may still be open.
        """
        if stat.id.dev == self._proc_device():
            path = _as_meant(task, named, stat)
            if path:
                return path
        directory, _, last = used.rpartition(b"/")
        base = self._true.get(directory)
        if base is None:
            base = self._directory(directory)
        if base:
            path = (base if base != b"/" else b"") + b"/" + last
            found = kernel.statx(path, flags=_NOFOLLOW)
            if found is not None and found.id == stat.id:
                return path
        path = self._followed(used, stat) or self._followed(named, stat) or self.held(task, fd, stat)
        return path or _as_meant(task, named, stat)

    def _proc_device(self) -> int:
        if self._proc < 0:
            proc = kernel.statx(b"/proc")
            self._proc = proc.id.dev if proc is not None else 0
        return self._proc

    def true_directory(self, named: bytes) -> bytes:
        """The true path of a directory in which a file was found, b"" if none was."""
        return self._true.get(named, b"")

    def _directory(self, named: bytes) -> bytes:
        true = _true_path(named or b"/")
        if len(self._true) >= _MANY:
            self._true.clear()
        self._true[named] = true
        return true

    def _followed(self, used: bytes, stat: Stat) -> bytes:
        found = kernel.statx(used)
        return _true_path(used) if found is not None and found.id == stat.id else b""

    def held(self, task: Task, fd: int, stat: Stat) -> bytes:
        """The path behind a descriptor, if that is (still) the file with this state; else b""."""
        seen = _behind(task, fd)
        return seen[0] if seen is not None and seen[1].id == stat.id else b""


def _behind(task: Task, fd: int) -> tuple[bytes, Stat] | None:
    """As look.descriptor, of a process that may run: it must not put another file there between the two questions."""
    try:
        own = os.open(b"/proc/%d/fd/%d" % (task.tid, fd), _O_PATH)
    except OSError:
        return None
    try:
        seen = look.descriptor(os.getpid(), own)
    finally:
        os.close(own)
    if seen is None or not seen[1].nlink:
        return seen
    found = kernel.statx(seen[0], flags=_NOFOLLOW)  # below a mount that was detached, the kernel gives half a path
    return seen if found is not None and found.id == seen[1].id else None


def _is_below(path: bytes, directory: bytes) -> bool:
    return path == directory or path.startswith(directory + b"/")


def _as_meant(task: Task, named: bytes, stat: Stat) -> bytes:
    """Where a name leads for the thread that used it, if that is the file with this state; else b""."""
    path = _path_for(task, named)
    found = kernel.statx(path, flags=_NOFOLLOW)
    return path if found is not None and found.id == stat.id else b""


def _path_for(task: Task, path: bytes) -> bytes:
    """The true path of an absolute one as it is for a thread, which /proc/self leads elsewhere than shark."""
    true, rest, links = b"", path.split(b"/")[::-1], 0
    while rest:
        part = rest.pop()
        if part == b"..":
            true = true.rpartition(b"/")[0]
        if part in (b"", b".", b".."):
            continue
        true += b"/" + part
        own = look.own_path(task, true)
        if own != true:
            rest += own.split(b"/")[::-1]
            true = b""
            continue
        try:
            target = os.readlink(true)
        except OSError:
            continue  # it is none
        links += 1
        if links > _MOST_LINKS:
            return path
        true = b"" if target.startswith(b"/") else true.rpartition(b"/")[0]
        rest += target.split(b"/")[::-1]
    return true


def _true_path(path: bytes) -> bytes:
    with contextlib.suppress(OSError):
        fd = os.open(path, _O_PATH)
        try:
            return os.readlink(b"/proc/self/fd/%d" % fd)
        finally:
            os.close(fd)
    return b""
