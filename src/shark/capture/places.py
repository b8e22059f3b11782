"""Finding the file that a process means by a path, before or after the call that names it.

A path is looked up the way the process would: from its working directory or descriptor, below its own root directory,
with /proc/self meaning itself. What results are paths and states as shark's own root directory sees them.
"""

from __future__ import annotations

import os
import stat as stat_bits

from shark.capture import kernel, look
from shark.capture.mounts import DETACHED, Translator
from shark.capture.tasks import Process, Task
from shark.events import Sighting
from shark.values import Stat

_O_PATH = os.O_PATH | os.O_CLOEXEC


class Places:
    """Path look-ups for the threads of a run. `epoch` is raised whenever one of them may have changed its view."""

    def __init__(self) -> None:
        self.epoch = 0
        self.unreached: list[tuple[int, bytes, bytes]] = []  # (process number, place, path) of what is a gap
        self._translator = Translator()

    def located(self, task: Task, dirfd: int, name: bytes) -> bytes:
        """A path by which shark itself reaches what the thread calls `name` (not for threads with another root)."""
        if name.startswith(b"/"):
            return look.own_path(task, name)
        dirfd = look.signed(dirfd)
        start = b"/proc/%d/cwd" % task.tid if dirfd == kernel.AT_FDCWD else b"/proc/%d/fd/%d" % (task.tid, dirfd)
        return start + b"/" + name if name else start

    def stat(self, task: Task, dirfd: int, name: bytes, *, follow: bool) -> Stat | None:
        """The state of what the thread calls `name`; None where there is nothing (or nothing to be seen)."""
        if task.process.rooted:
            fd = self.open_path(task, dirfd, name, follow=follow)
            if fd is None:
                return None
            try:
                return kernel.statx_fd(fd)
            finally:
                os.close(fd)
        flags = kernel.AT_STATX_DONT_SYNC | (0 if follow else kernel.AT_SYMLINK_NOFOLLOW)
        return kernel.statx(self.located(task, dirfd, name), flags=flags)

    def open_path(self, task: Task, dirfd: int, name: bytes, *, follow: bool) -> int | None:
        """An O_PATH descriptor of what the thread calls `name`; None where there is nothing. The caller closes it."""
        flags = _O_PATH | (0 if follow else os.O_NOFOLLOW)
        try:
            if not task.process.rooted:
                return os.open(self.located(task, dirfd, name), flags)
            root = os.open(b"/proc/%d/root" % task.tid, _O_PATH)
            try:
                return kernel.open_in_root(root, self._inside(task, dirfd, name), flags)
            finally:
                os.close(root)
        except OSError as problem:
            look.note_shortage(problem)
            return None

    def _inside(self, task: Task, dirfd: int, name: bytes) -> bytes:
        """`name` as an absolute path below the thread's own root directory."""
        if name.startswith(b"/"):
            return look.own_path(task, name)
        base = look.base_directory(task, dirfd, self.epoch)
        root = look.root_directory(task.tid)
        if root != b"/" and (base == root or base.startswith(root + b"/")):
            base = base[len(root) :]
        return base + b"/" + name

    def used(self, task: Task, dirfd: int, name: bytes) -> bytes:
        """`name` made absolute, symbolic links and all, as the thread named it."""
        if name.startswith(b"/"):
            return look.absolute(b"", name)
        base = look.base_directory(task, dirfd, self.epoch)
        return look.absolute(base, name) if base else name  # of a process that hides where it is

    def true_name(self, task: Task, dirfd: int, name: bytes) -> bytes:
        """The true path of a directory entry: its directory's true path and its own name, which is not followed."""
        directory, _, last = name.rstrip(b"/").rpartition(b"/")
        if not directory and not name.startswith(b"/"):
            base = look.base_directory(task, dirfd, self.epoch)
        else:
            base = self._true_path(task, dirfd, directory or b"/")
        if base.endswith(b" (deleted)") or not base:
            return self.used(task, dirfd, name)
        return base.rstrip(b"/") + b"/" + last

    def _true_path(self, task: Task, dirfd: int, name: bytes) -> bytes:
        fd = self.open_path(task, dirfd, name, follow=True)
        if fd is None:
            return b""
        try:
            return _path_of(fd)
        except OSError:
            return b""  # longer than the kernel tells (ENAMETOOLONG)
        finally:
            os.close(fd)

    def sighting(self, task: Task, dirfd: int, name: bytes, *, follow: bool) -> Sighting | None:
        """A file by the name that a thread used, with its true path; None where there is nothing."""
        fd = self.open_path(task, dirfd, name, follow=follow)
        if fd is None:
            return None
        try:
            stat = kernel.statx_fd(fd)
            path = _path_of(fd)
        except OSError:
            return None  # likewise
        finally:
            os.close(fd)
        return self.settled(task.process, path, self.used(task, dirfd, name), stat)

    def settled(self, process: Process, path: bytes, used: bytes, stat: Stat | None) -> Sighting:
        """A sighting with its path as shark's own mount namespace has it.

        What cannot be reached from there has a path that begins with the namespace's name, `mnt:[4026532201]/tmp/x`
        (namespaces(7)), instead of a slash. So has what no namespace has (DETACHED). If it holds something, it is noted
        in `unreached`, once for each process and mount.
        """
        if process.foreign and stat is not None and not stat_bits.S_ISSOCK(stat.mode):
            path = path.removeprefix(DETACHED)
            outside = self._translator.outside(process.pid, path, stat)
            if outside is not None:
                return Sighting(outside, outside, stat)
            namespace = look.mount_namespace(process.pid)
            if stat.regular and stat.nlink:  # what has no name, or no content, would be in no manifest anyway
                point = self._translator.lost(process.pid, path, stat)
                if point is not None:
                    self._note_unreached(process, namespace + point, path)
            return Sighting(namespace + path, namespace + path, stat)
        if path.startswith(DETACHED):
            if stat is not None and stat.regular:
                self._note_unreached(process, DETACHED, path.removeprefix(DETACHED))
            return Sighting(path, path, stat)
        return Sighting(path, used, stat)

    def _note_unreached(self, process: Process, place: bytes, path: bytes) -> None:
        if place not in process.unreached:
            process.unreached |= {place}
            self.unreached.append((process.number, place, path))


def _path_of(fd: int) -> bytes:
    """The path of a descriptor of shark's own. Raises OSError for one that is too long."""
    link = b"/proc/self/fd/%d" % fd
    return look.whole(link, os.readlink(link))
