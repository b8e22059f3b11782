"""What the descriptors of a stopped process are: files that it may write, and ends of channels.

All is asked of /proc/PID/fd: its links name the kind of what has no path, and their modes tell what is allowed.
"""

from __future__ import annotations

import os
import stat as stat_bits

from shark.capture import kernel, look
from shark.capture.tasks import Task
from shark.events import READ, WRITE, Held
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Stat

if TYPE_CHECKING:
    from typing import Final

_IDLE: Final = frozenset({b"/dev/null", b"/dev/zero", b"/dev/full", b"/dev/urandom", b"/dev/random"})
_OWNER_READ, _OWNER_WRITE = 0o400, 0o200

_FOR_OUTPUT: Final = (1, 2)
"""Descriptors from which a program is taken to read no file, though it may: who keeps the output of its children in
temporary files (GNU make's --output-sync, GNU parallel) opens these to read them itself afterwards. What a program
opens for reading and writing itself is noted as that."""


class Shown(NamedTuple):
    """What /proc shows of a descriptor: what its link says, the link's mode (0 where that is of no interest), and of
    what has a path its device and inode and its kind (a file format of inode(7); else 0).
    """

    link: bytes
    mode: int = 0
    number: tuple[int, int] = (0, 0)
    kind: int = 0


Listing = dict[int, tuple[bytes, Held]]
"""By descriptor: what /proc/PID/fd shows for it, and what that is."""


class Descriptors:
    """Tells what descriptors are. `outside` are the keys of channels that are of no interest, as their other end is
    outside of the run; `fifos` the keys of the FIFOs that the run opened, by path.
    """

    def __init__(self) -> None:
        self.outside: set[bytes] = set()
        self.fifos: dict[bytes, bytes] = {}
        self._masters: set[bytes] = set()  # keys of ptys whose master was opened inside the run

    def of(self, task: Task, *, reading: bool = False) -> Listing | None:
        """All of interest that a stopped thread has; None if it is gone. Raises PermissionError where that is hidden.

        With `reading`, files that it may only read are of interest, too.
        """
        holds = task.process.holds
        known = holds.shown  # once: a worker may forget it meanwhile
        if holds.shared or known is None or not _is_still(task.tid, known):
            known = holds.shown = _look_at(task.tid)
        if known is None:
            return None
        listing: Listing = {}
        for fd, shown in known.items():
            if shown.link not in _IDLE:
                held = self._identify(task, fd, shown, reading=reading)
                if held is not None:
                    listing[fd] = (shown.link, held)
        return listing

    def opened(self, task: Task, fd: int, path: bytes, stat: Stat) -> Held | None:
        """What a descriptor is that was opened or received, if it is an end of a channel."""
        kind = stat_bits.S_IFMT(stat.mode)
        if kind == stat_bits.S_IFCHR and path.endswith(b"/ptmx"):
            self._masters.add(_master(task.tid, fd))
        elif kind not in (stat_bits.S_IFIFO, stat_bits.S_IFSOCK) and not self._masters:
            return None
        shown = _shown(b"/proc/%d/fd/%d" % (task.tid, fd))
        held = None if shown is None else self._identify(task, fd, shown)
        if held is not None and held.kind == "fifo":
            self.fifos[path] = held.key
        return held

    def _identify(self, task: Task, fd: int, shown: Shown, *, reading: bool = False) -> Held | None:
        """What a descriptor is, if it is of interest."""
        link, mode, number, kind = shown
        if link.startswith(b"socket:["):
            return None if link in self.outside else Held("socket", link, READ | WRITE)
        access = (READ if mode & _OWNER_READ else 0) | (WRITE if mode & _OWNER_WRITE else 0)
        if link.startswith(b"pipe:["):
            return None if link in self.outside else Held("pipe", link, access)
        if not kind or not access:
            return None
        key = self._terminal(task, link, fd)
        if key:
            return Held("pty", key, access) if key in self._masters else None
        key = b"%d:%d" % number
        if kind == stat_bits.S_IFIFO:
            return None if key in self.outside else Held("fifo", key, access)
        if fd in _FOR_OUTPUT and access & WRITE:
            access = WRITE
        return Held("file", key, access) if kind == stat_bits.S_IFREG and (reading or access & WRITE) else None

    def _terminal(self, task: Task, shown: bytes, fd: int) -> bytes:
        """The key of a pseudo-terminal; b"" for another device, and if no master is in the run."""
        if not self._masters:
            return b""
        _, found, number = shown.rpartition(b"/dev/pts/")
        if found and number.isdigit():
            return b"pty:" + number
        if shown.endswith(b"/ptmx"):
            return _master(task.tid, fd)
        return _controlling(task.process.pid) if shown == b"/dev/tty" else b""


def _look_at(tid: int) -> dict[int, Shown] | None:
    """All descriptors of a stopped thread; None if it is gone. Raises PermissionError."""
    directory = b"/proc/%d/fd/" % tid
    try:
        names = os.listdir(directory)
    except PermissionError:
        raise
    except OSError as problem:  # killed meanwhile
        look.note_shortage(problem)
        return None
    found = ((int(name), _shown(directory + name)) for name in names)
    return {fd: shown for fd, shown in found if shown is not None}


def _shown(path: bytes) -> Shown | None:
    try:
        link = os.readlink(path)
        if link in _IDLE or not link.startswith((b"/", b"pipe:[", b"socket:[")):
            return Shown(link)
        mode = os.lstat(path).st_mode
    except OSError:
        return None
    stat = kernel.statx(path) if link.startswith(b"/") else None
    return Shown(link, mode) if stat is None else Shown(link, mode, stat.id[:2], stat_bits.S_IFMT(stat.mode))


def _is_still(tid: int, known: dict[int, Shown]) -> bool:
    """Whether a thread has the very descriptors that were known of it, or of the process that it was forked from.

    Since Linux 6.2 the size of /proc/PID/fd is their number. So if as many are open, and each that is known shows the
    same path and access, there are no others; that is half of the work of listing them. Another file can have taken a
    path only if the process opened that since, or was given it; then whoever saw that has forgotten what was known.
    """
    directory = b"/proc/%d/fd" % tid
    now = kernel.statx(directory)
    if now is None or not known or now.size != len(known):
        return False
    try:
        for fd, shown in known.items():
            path = b"%b/%d" % (directory, fd)
            if os.readlink(path) != shown.link or (shown.mode and os.lstat(path).st_mode != shown.mode):
                return False
    except OSError:
        return False
    return True


def socket_key(tid: int, fd: int) -> bytes:
    """The key of the socket that a thread's descriptor is; b"" if it is none, or gone."""
    shown = link(tid, fd)
    return shown if shown.startswith(b"socket:[") else b""


def link(tid: int, fd: int) -> bytes:
    """What /proc/PID/fd shows for a thread's descriptor, b"" if it is closed."""
    try:
        return os.readlink(b"/proc/%d/fd/%d" % (tid, fd))
    except OSError:
        return b""


def holds_file(tid: int, number: tuple[int, int]) -> bool:
    """True if a thread has a descriptor or a mapping of a file (device, inode), or does not let that be seen."""
    directory = b"/proc/%d/fd/" % tid
    try:
        for name in os.listdir(directory):
            stat = kernel.statx(directory + name)
            if stat is not None and stat.id[:2] == number:
                return True
    except ProcessLookupError:
        return False
    except OSError:
        return True
    # The device shown there is not in all file systems the one that stat shows: the inode must do.
    return b" %d " % number[1] in look.slurp(b"/proc/%d/maps" % tid)


def _master(tid: int, fd: int) -> bytes:
    """The key of the pty whose master a descriptor is: its number is in fdinfo (Linux 4.18)."""
    _, found, rest = look.slurp(b"/proc/%d/fdinfo/%d" % (tid, fd)).partition(b"tty-index:")
    return b"pty:" + rest.split(None, 1)[0] if found else b"pty:?"


def _controlling(pid: int) -> bytes:
    """The key of a process's controlling terminal, if that is a pty: tty_nr of proc(5), major 136 to 143."""
    fields = look.slurp(b"/proc/%d/stat" % pid).rpartition(b")")[2].split(None, 5)
    device = int(fields[4]) if len(fields) > 4 else 0
    major, minor = os.major(device), os.minor(device)
    return b"pty:%d" % (minor + 256 * (major - 136)) if 136 <= major < 144 else b""
