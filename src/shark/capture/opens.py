"""Calls that give a process a descriptor: the open family, memfd_create, and descriptors that are passed."""

from __future__ import annotations

import errno
import os
import stat as stat_bits
import struct
from functools import partial

from shark.capture import kernel, look, preimage
from shark.capture.tasks import AtOnce, Finish, Later, Process, Task
from shark.events import LIST, READ, WRITE, Before, Missing, Opened, Sighting
from shark.tuples import TYPE_CHECKING
from shark.values import Stat

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
"""Flags of an open that may change a file, or the names of files."""
_O_PATH = os.O_PATH
_O_TMPFILE = 0o20000000  # the bit of O_TMPFILE that is not O_DIRECTORY
_NOWHERE = (-errno.ENOENT, -errno.ENOTDIR)
_SINKS = (b"/dev/null", b"/dev/tty", b"/dev/zero", b"/dev/full")
SUBRUN_MARK = b"/proc/self/shark-run/"
"""A path that no kernel has. A `shark run` inside a run looks for it, with its own id as the last part: so the tracer
learns of it, and nobody else is told anything."""
BLOCK_MARK = b"/proc/self/shark-block/"
"""Another such path: a process that wants a block recorded says the number of a descriptor (see hosting.py)."""
ASK_MARK = b"/proc/self/shark-asks/"
"""And one by which a shark asks in which run it is, with the number of a descriptor for the answer (see within.py)."""


def enter_open(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """open, openat: (dirfd, path, flags)."""
    name = kernel.read_path(task.tid, a[1])
    return _enter(s, task, a[0], b"" if name is None else name, a[2])


def enter_open2(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """openat2: (dirfd, path, struct open_how *, size); the flags are the structure's first word (openat2(2))."""
    how = kernel.read_memory(task.tid, a[2], 8)
    name = kernel.read_path(task.tid, a[1])
    if len(how) < 8 or name is None:
        return None
    return _enter(s, task, a[0], name, struct.unpack("=Q", how)[0])


def enter_creat(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """creat: (path)."""
    name = kernel.read_path(task.tid, a[0])
    return _enter(s, task, kernel.AT_FDCWD, b"" if name is None else name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _enter(s: Supervisor, task: Task, dirfd: int, name: bytes, flags: int) -> Finish | None:
    if flags & _O_PATH:
        # Not an access; the loop is told of every use of it that is one. But a hot process's names may start from it.
        return None if task.process.hot is None else _finish_reference
    if task.process.holds.writing or task.process.holds.shell:
        s.tick()  # a moment before the call, at which something may turn out to be closed (Holdings.at_read)
    begin = s.tick()
    if not flags & CHANGING:
        return partial(_finish_read, dirfd, name, begin)
    if flags & _O_TMPFILE or flags & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL or name in _SINKS:
        return partial(_finish_write, dirfd, name, flags, None, begin)
    return preimage.before(
        s,
        task,
        dirfd,
        name,
        lambda before: partial(_finish_write, dirfd, name, flags, before, begin),
        follow=not flags & os.O_NOFOLLOW,
        discards=bool(flags & os.O_TRUNC),
    )


def _finish_reference(s: Supervisor, task: Task, result: int) -> Later | None:
    seen = look.descriptor(task.tid, result) if result >= 0 else None
    if seen is not None and s.recorder is not None:
        s.recorder.note(task.process, *seen)
    return None


def _finish_read(dirfd: int, name: bytes, begin: int, s: Supervisor, task: Task, result: int) -> Later | None:
    if result < 0:
        return _failed(s, task, result, dirfd, name, begin)
    process = task.process
    seen = look.descriptor(task.tid, result)
    if seen is None:
        return _unseen(s, task, dirfd, name, begin, READ)
    path, stat = seen
    if s.keeper.is_endangered(stat):
        preimage.save_first(task, result, stat)
    named = _other_named(s, task, dirfd, name, stat) if len(process.tids) > 1 else None
    process.holds.may_read = process.holds.may_read or stat.regular  # dup and fcntl take O_CLOEXEC away, unseen
    key = path, name if name.startswith(b"/") else (dirfd, name)
    if s.recorder is not None:
        s.recorder.note(process, path, stat)
    state = stat, s.keeper.writes(stat.id)  # one a name: a file that goes on changing must not fill the memory
    # What a shell opens once more it may read this time.
    if process.seen.get(key) == state and named is None and not process.holds.shell:
        return None
    used = s.places.used(task, dirfd, name)
    file = s.places.settled(process, path, used, stat)
    holding = s.holdings.at_read(task, result, begin, path, stat)
    held = None if stat.regular else s.holdings.opened(task, result, path, stat, READ)
    end = s.tick()

    def later() -> None:
        if holding is not None:
            s.emit(holding)
        _tell_read(s, process, begin, end, key, state, file)
        if held is not None:
            s.holdings.gain(process, begin, end, held)
        if named is not None and named.stat is not None:
            s.keeper.opened(named.stat, READ, emptied=False)
            s.emit(Opened(begin, end, process.number, READ, named, False, False, False, None, "open"))

    return later


def _tell_read(
    s: Supervisor, process: Process, begin: int, end: int, key: object, state: tuple[Stat, int], file: Sighting
) -> None:
    stat = state[0]
    process.seen[key] = state
    access = LIST if stat_bits.S_ISDIR(stat.mode) else READ
    s.note_opened(file.path, stat)
    s.keeper.opened(stat, access, emptied=False)
    s.emit(Opened(begin, end, process.number, access, file, False, False, False, None, "open"))


def finish_read(
    s: Supervisor, task: Task, dirfd: int, name: bytes, flags: int, begin: int, result: int
) -> Later | None:
    """What is to be told of an open for reading that a thread, which stands still, has just been through."""
    return None if flags & _O_PATH else _finish_read(dirfd, name, begin, s, task, result)


def recorded(s: Supervisor, process: Process, begin: int, end: int, key: object, file: Sighting) -> None:
    """A regular file or a directory was opened for reading, and the process has not been stopped for it."""
    stat = file.stat
    assert stat is not None
    process.holds.shown = None
    if stat.regular:
        process.holds.read.add(stat.id[:2])
        process.holds.may_read = True
    state = stat, s.keeper.writes(stat.id)
    if process.seen.get(key) != state:
        _tell_read(s, process, begin, end, key, state, file)


def _finish_write(
    dirfd: int, name: bytes, flags: int, before: Before | None, begin: int, s: Supervisor, task: Task, result: int
) -> Later | None:
    if result < 0:
        return _failed(s, task, result, dirfd, name, begin)
    access = look.access_of(flags) | (WRITE if flags & os.O_TRUNC else 0)
    seen = look.descriptor(task.tid, result)
    if seen is None:
        return _unseen(s, task, dirfd, name, begin, access)
    path, stat = seen
    process = task.process
    if s.recorder is not None:
        s.recorder.note(process, path, stat)
    process.holds.may_read = process.holds.may_read or bool(access & READ)
    before = s.keeper.after_all(before)
    if before is not None and before.stat.id[:2] != stat.id[:2]:  # an overlay's copy-up changes the birth
        # Replaced between look and call: the digest would be another file's.
        before = Before(stat, "", "it was replaced while it was opened")
    created = before is None and bool(flags & (os.O_CREAT | _O_TMPFILE)) and stat.regular
    if created and stat.size and not flags & os.O_TRUNC:
        # What is new is empty: this one was there, under a name that only the process itself can look up.
        created, before = False, Before(stat, "", "it was not found before it was opened")
    used = path if flags & _O_TMPFILE else s.places.used(task, dirfd, name)
    file = s.places.settled(process, path, used, stat)
    held = s.holdings.opened(task, result, path, stat, access)
    released = s.holdings.released(process, stat, begin) if stat.regular and not created else ()
    end = s.tick()

    def later() -> None:
        kind = LIST if stat_bits.S_ISDIR(stat.mode) else access
        truncated = bool(flags & os.O_TRUNC)
        s.note_opened(path, stat)
        s.note_device(process, path, stat, access)
        for event in released:
            s.emit(event)
        s.keeper.opened(stat, kind, emptied=created or truncated)
        kept = before if kind & WRITE else None
        s.emit(
            Opened(begin, end, process.number, kind, file, created, truncated, bool(flags & os.O_APPEND), kept, "open")
        )
        if held is not None:
            s.holdings.gain(process, begin, end, held)

    return AtOnce(later)


def _failed(s: Supervisor, task: Task, result: int, dirfd: int, name: bytes, begin: int) -> Later | None:
    if result not in _NOWHERE or not name:
        return None
    process = task.process
    if name.startswith(SUBRUN_MARK):
        process.subrun = os.fsdecode(name[len(SUBRUN_MARK) :])
        return None
    if name.startswith(BLOCK_MARK):
        number = name[len(BLOCK_MARK) :]
        if s.on_block is not None and number.isdigit():
            s.on_block(process, int(number))
        return None
    if name.startswith(ASK_MARK):
        number = name[len(ASK_MARK) :]
        if s.on_ask is not None and number.isdigit():
            s.on_ask(process, int(number))
        return None
    process.vain += 1
    used = s.places.used(task, dirfd, name)
    if used in process.seen or not used.startswith(b"/"):
        return None
    end = s.tick()

    def later() -> None:
        process.seen[used] = None
        s.emit(Missing(begin, end, process.number, used, False))

    return later


def _unseen(s: Supervisor, task: Task, dirfd: int, name: bytes, begin: int, access: int) -> Later:
    """A descriptor that was given and cannot be looked at: say so, and go by the name that was used."""
    process = task.process
    number = process.number
    hidden = look.hidden(task.tid)
    file = s.places.sighting(task, dirfd, name, follow=True) if name else None
    end = s.tick()

    def later() -> None:
        shown = os.fsdecode(file.path if file else name) or "a file"
        if hidden:
            s.gap(number, "privilege", f"{shown}: the process does not let shark look at its descriptors")
        else:
            s.gap(number, "other", f"{shown} was not seen: closed by another thread, or at a path of over 4095 bytes")
        if file is not None and file.stat is not None:
            s.keeper.opened(file.stat, access, emptied=False)
            before = Before(file.stat, "", "it was not seen before the call") if access & WRITE else None
            s.emit(Opened(begin, end, number, access, file, False, False, False, before, "open"))

    return later


def _other_named(s: Supervisor, task: Task, dirfd: int, name: bytes, stat: Stat) -> Sighting | None:
    """Another thread may have put another file behind the same descriptor meanwhile: then the named file counts too."""
    if not name:
        return None
    named = s.places.sighting(task, dirfd, name, follow=True)
    if named is None or named.stat is None or named.stat.id == stat.id or not named.stat.regular:
        return None
    return named


# --- descriptors that come without a path


def enter_open_by_handle(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """open_by_handle_at: (mount fd, handle, flags). The file cannot be told before the call."""
    begin, flags = s.tick(), a[2]

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result < 0:
            return None
        return given(s, task, result, begin, via="open", flags=flags)

    return finish


def enter_memfd(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """memfd_create: a new, unnamed file in memory, open for both."""
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        seen = look.descriptor(task.tid, result) if result >= 0 else None
        if seen is None:
            return None
        path, stat = seen
        number, end = task.process.number, s.tick()
        event = Opened(begin, end, number, READ | WRITE, Sighting(path, path, stat), True, False, False, None, "open")
        s.holdings.opened(task, result, path, stat, READ | WRITE)

        def later() -> None:
            s.keeper.opened(stat, READ | WRITE, emptied=True)
            s.emit(event)

        return later

    return finish


def enter_take_descriptor(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """pidfd_getfd: a duplicate of another process's descriptor."""
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        return given(s, task, result, begin, via="received") if result >= 0 else None

    return finish


def given(s: Supervisor, task: Task, fd: int, begin: int, *, via: str, flags: int | None = None) -> Later | None:
    """A descriptor that a process has without having opened a path: what it is, and what it may do with it."""
    seen = look.descriptor(task.tid, fd)
    flags = look.descriptor_flags(task.tid, fd) if flags is None else flags
    if seen is None or flags is None:
        return None
    path, stat = seen
    if s.recorder is not None:
        s.recorder.note(task.process, path, stat)
    access = look.access_of(flags)
    if not access:
        return None
    if stat_bits.S_ISDIR(stat.mode):
        access = LIST
    process = task.process
    process.holds.may_read = process.holds.may_read or bool(access & READ)
    file = s.places.settled(process, path, path, stat)
    held = s.holdings.opened(task, fd, path, stat, access)
    end = s.tick()

    def later() -> None:
        s.note_opened(path, stat)
        s.note_device(process, path, stat, access)
        before = s.keeper.before(stat) if access & WRITE else None
        if before is not None and s.keeper.needed(stat, discards=False):
            before = Before(stat, "", "it was not seen before the descriptor was given")
        s.keeper.opened(stat, access, emptied=False)
        s.emit(Opened(begin, end, process.number, access, file, False, False, bool(flags & os.O_APPEND), before, via))
        if held is not None:
            s.holdings.gain(process, begin, end, held)

    return later
