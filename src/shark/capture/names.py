"""Calls that change names, and content or times by name: rename, link, unlink, mkdir, truncate, utimensat and kin."""

from __future__ import annotations

import os
import stat as stat_bits

from shark.capture import kernel, look, preimage
from shark.capture.tasks import Finish, Later, Task
from shark.events import (
    WRITE,
    Before,
    Changed,
    DirectoryMade,
    Linked,
    Opened,
    Removed,
    Renamed,
    Sighting,
    Symlinked,
    Touched,
)
from shark.tuples import TYPE_CHECKING
from shark.values import Stat

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

_RENAME_EXCHANGE = 2
_AT_SYMLINK_FOLLOW = 0x400
_AT_EMPTY_PATH = 0x1000


def enter_rename(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """rename, renameat, renameat2: (old dirfd, old, new dirfd, new, flags)."""
    old, new = kernel.read_path(task.tid, a[1]), kernel.read_path(task.tid, a[3])
    if old is None or new is None:
        return None
    begin = s.tick()
    moved = s.places.stat(task, a[0], old, follow=False)
    if moved is None:
        return None  # nothing to move: the call fails
    # Both are asked now: afterwards the moved directory may be the one from which a relative path starts.
    old_path = s.places.true_name(task, a[0], old)
    path = s.places.true_name(task, a[2], new)
    exchanged = bool(a[4] & _RENAME_EXCHANGE)

    def prepared(replaced: Before | None) -> Finish:
        def finish(s: Supervisor, task: Task, result: int) -> Later | None:
            if result != 0:
                return None
            if replaced is not None and replaced.stat.id == moved.id and not exchanged:
                return None  # two names of one file: the call does nothing (rename(2))
            number, end = task.process.number, s.tick()
            lost = s.keeper.after_all(replaced)
            if replaced is not None and not exchanged:
                s.keeper.removed(replaced.stat)
            if moved.directory or exchanged:
                s.places.epoch += 1
                if s.recorder is not None:
                    s.recorder.moved(task.process, old_path, path, exchanged=exchanged)
            source = _outside(s, task, old_path, path, moved)
            file = s.places.settled(task.process, path, path, moved)
            return lambda: s.emit(Renamed(begin, end, number, source, file, lost, exchanged))

        return finish

    return preimage.before(s, task, a[2], new, prepared, follow=False, discards=not exchanged)


def _outside(s: Supervisor, task: Task, old: bytes, new: bytes, moved: Stat) -> bytes:
    """The old name in shark's mount namespace: its file is gone, so it is told by where the directory of it lies."""
    if not task.process.foreign:
        return old
    directory = kernel.statx(b"/proc/%d/root" % task.tid + os.path.dirname(old))
    if directory is None:
        return old
    place = s.places.settled(task.process, os.path.dirname(old), b"", directory)
    return os.path.join(place.path, os.path.basename(old))


def enter_link(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """link, linkat: (old dirfd, old, new dirfd, new, flags)."""
    old, new = kernel.read_path(task.tid, a[1]), kernel.read_path(task.tid, a[3])
    if old is None or new is None:
        return None
    begin = s.tick()
    flags = a[4]

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        stat = s.places.stat(task, a[2], new, follow=False) if result == 0 else None
        if stat is None:
            return None
        unnamed = flags & _AT_EMPTY_PATH and not old
        source = b"" if unnamed or flags & _AT_SYMLINK_FOLLOW else s.places.true_name(task, a[0], old)
        path = s.places.true_name(task, a[2], new)
        end = s.tick()
        file = s.places.settled(task.process, path, path, stat)
        event = Linked(begin, end, task.process.number, source, file)
        return lambda: s.emit(event)

    return finish


def enter_symlink(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """symlink, symlinkat: (target, dirfd, path)."""
    target, name = kernel.read_path(task.tid, a[0]), kernel.read_path(task.tid, a[2])
    if target is None or name is None:
        return None
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result != 0:
            return None
        path = _made(s, task, a[1], name)
        event = Symlinked(begin, s.tick(), task.process.number, target, path)
        return lambda: s.emit(event)

    return finish


def enter_mkdir(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """mkdir, mkdirat: (dirfd, path)."""
    name = kernel.read_path(task.tid, a[1])
    if name is None:
        return None
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result != 0:
            return None
        event = DirectoryMade(begin, s.tick(), task.process.number, _made(s, task, a[0], name))
        return lambda: s.emit(event)

    return finish


def _made(s: Supervisor, task: Task, dirfd: int, name: bytes) -> bytes:
    """The true path of an entry that was just made, as shark sees it."""
    path = s.places.true_name(task, dirfd, name)
    if not task.process.foreign:
        return path
    stat = s.places.stat(task, dirfd, name, follow=False)
    return s.places.settled(task.process, path, path, stat).path


def enter_mknod(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """mknod, mknodat: (dirfd, path, mode). FIFOs are made this way; an empty regular file can be, too (mknod(2))."""
    name = kernel.read_path(task.tid, a[1])
    if name is None or stat_bits.S_IFMT(a[2]) not in (0, stat_bits.S_IFREG, stat_bits.S_IFIFO):
        return None
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        stat = s.places.stat(task, a[0], name, follow=False) if result == 0 else None
        if stat is None:
            return None
        path = s.places.true_name(task, a[0], name)
        number, end = task.process.number, s.tick()
        if stat.regular:
            s.keeper.opened(stat, WRITE, emptied=True)
        file = s.places.settled(task.process, path, path, stat)
        return lambda: s.emit(Opened(begin, end, number, WRITE, file, True, False, False, None, "open"))

    return finish


def enter_remove(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """unlink, unlinkat, rmdir: (dirfd, path)."""
    name = kernel.read_path(task.tid, a[1])
    if not name:
        return None
    begin = s.tick()
    path = s.places.true_name(task, a[0], name)

    def prepared(before: Before | None) -> Finish:
        task.spares = before is not None and before.stat.regular
        # The file is gone when the call has returned, so what it is called outside is asked now.
        where = path if before is None else s.places.settled(task.process, path, path, before.stat).path

        def finish(s: Supervisor, task: Task, result: int) -> Later | None:
            lost = s.keeper.after_all(before)
            if result != 0 or lost is None:
                return None
            number, end = task.process.number, s.tick()
            s.keeper.removed(lost.stat)
            return lambda: s.emit(Removed(begin, end, number, where, lost))

        return finish

    return preimage.before(s, task, a[0], name, prepared, follow=False, discards=True)


def enter_truncate(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """truncate: (path, length)."""
    name = kernel.read_path(task.tid, a[0])
    if not name:
        return None
    begin = s.tick()

    def prepared(before: Before | None) -> Finish:
        def finish(s: Supervisor, task: Task, result: int) -> Later | None:
            file = s.places.sighting(task, kernel.AT_FDCWD, name, follow=True) if result == 0 else None
            if file is None or file.stat is None:
                return None
            number, end = task.process.number, s.tick()
            s.keeper.opened(file.stat, WRITE, emptied=False)
            return lambda: s.emit(Changed(begin, end, number, file, before))

        return finish

    return preimage.before(s, task, kernel.AT_FDCWD, name, prepared, follow=True, discards=False)


def enter_empty(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """Ftruncate to nothing: (descriptor, 0). What was there before the open is no part of what is written now."""
    begin = s.tick()
    fd = look.signed(a[0])

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        seen = look.descriptor(task.tid, fd) if result == 0 else None
        if seen is None or seen[1].size:
            return None
        file = s.places.settled(task.process, seen[0], seen[0], seen[1])
        number, end = task.process.number, s.tick()
        return lambda: s.emit(Changed(begin, end, number, file, None))

    return finish


def enter_touch(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """utime, utimes, futimesat, utimensat: (dirfd, path or NULL for the descriptor itself, times, flags)."""
    name = kernel.read_path(task.tid, a[1]) if a[1] else b""
    if name is None:
        return None
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result != 0:
            return None
        file = _touched(s, task, a[0], name)
        if file is None or file.stat is None or not file.stat.regular:
            return None
        number, end = task.process.number, s.tick()
        return lambda: s.emit(Touched(begin, end, number, file))

    return finish


def _touched(s: Supervisor, task: Task, dirfd: int, name: bytes) -> Sighting | None:
    if name:
        return s.places.sighting(task, dirfd, name, follow=True)
    seen = look.descriptor(task.tid, look.signed(dirfd))
    return s.places.settled(task.process, seen[0], seen[0], seen[1]) if seen else None


CHANGING = frozenset({enter_rename, enter_link, enter_symlink, enter_mkdir, enter_mknod, enter_remove})
"""What changes where names lead."""
MAKING = frozenset({enter_link, enter_symlink, enter_mkdir, enter_mknod})
"""Of these, what only makes names that were not there: those of directories that are there go on to mean these."""
