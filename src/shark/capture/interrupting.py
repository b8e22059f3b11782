"""What an interruption (PTRACE_INTERRUPT) would do to the calls that threads wait in.

Most calls begin again by themselves, or have machine.py see to it, and nobody notices. The ones in here would be seen:
they return early with a part of what was asked for, or the time that they wait at most begins anew. So one looks first
(proc(5), /proc/PID/task/TID/syscall). Of a thread that runs nothing is known: it may be in the middle of such a call.

Sources: signal(7), "Interruption of system calls"; the kernel's fs/pipe.c, net/core/sock.c (sock_intr_errno),
net/ipv4/tcp.c, net/unix/af_unix.c, fs/eventpoll.c, fs/aio.c, ipc/sem.c, kernel/signal.c. What is not in here:
- poll, select, nanosleep, futex and their like go on with what was left of their time; mq_timedsend and
  mq_timedreceive have a point in time; waiting for children, locks and messages has no limit;
- reads of pipes, terminals and the like wait for their first byte only, and regular files do not see signals.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable

from shark.capture import kernel, look
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

HARMLESS, UNKNOWN, LIMIT, CUT, LATE = range(5)
"""Nobody would notice; it runs; the time at most would begin anew; it would return early; it would not stop before the
call's end."""

_MSG_WAITALL: Final = 0x100
_MSG_WAITFORONE: Final = 0x10000
_IORING_ENTER_EXT_ARG: Final = 8  # a time limit comes with the call (io_uring_enter(2))
_SO_RCVLOWAT, _SO_RCVTIMEO = 18, 20

_PAGE: Final = 4096
_MOMENT: Final = 0.002
_SHORT: Final = 0.00005
_LOOKS: Final = 8

Arguments = tuple[int, ...]
Row = Callable[[int, int, Arguments], int]
"""From the process, the thread and the arguments to what an interruption would do."""


def _cut(pid: int, tid: int, a: Arguments) -> int:
    return CUT


def _parent(pid: int, tid: int, a: Arguments) -> int:
    """A thread in vfork sleeps so that only SIGKILL wakes it; one that stands still in its tracer's stop does not."""
    return LATE if is_deaf(pid, tid) else HARMLESS


def _limited(at: int) -> Row:
    """A time at most, behind a pointer."""
    return lambda pid, tid, a: LIMIT if a[at] else HARMLESS


def _limited_ms(at: int) -> Row:
    """The same in milliseconds, for ever if that is below 0."""
    return lambda pid, tid, a: LIMIT if look.signed(a[at]) > 0 else HARMLESS


def _received(flags_at: int) -> Row:
    return lambda pid, tid, a: CUT if a[flags_at] & _MSG_WAITALL else _first(pid, tid, a)


def _received_many(pid: int, tid: int, a: Arguments) -> int:
    """recvmmsg: what has come is returned with the first message, or when all have come."""
    if a[3] & _MSG_WAITALL or (a[2] & 0xFFFFFFFF > 1 and not a[3] & _MSG_WAITFORONE):
        return CUT
    return LIMIT if a[4] else _first(pid, tid, a)


def _first(pid: int, tid: int, a: Arguments) -> int:
    """A wait for the first byte, message or client: only a socket may have a limit, or want more than one byte."""
    fd = look.signed(a[0])
    try:
        if not os.readlink(f"/proc/{tid}/fd/{fd}").startswith("socket:"):
            return HARMLESS
    except OSError:
        return LIMIT  # closed meanwhile: nobody can tell
    copy = kernel.take_descriptor(pid, fd)
    if copy is None:
        return LIMIT
    try:
        if int.from_bytes(kernel.socket_option(copy, _SO_RCVLOWAT, 4), "little") > 1:
            return CUT
        return LIMIT if any(kernel.socket_option(copy, _SO_RCVTIMEO, 16)) else HARMLESS
    finally:
        os.close(copy)


def _events(pid: int, tid: int, a: Arguments) -> int:
    """io_getevents: fewer than the least number."""
    return CUT if a[1] > 1 else LIMIT if a[4] else HARMLESS


def _ring(pid: int, tid: int, a: Arguments) -> int:
    """io_uring_enter: the same."""
    return CUT if a[2] & 0xFFFFFFFF > 1 else LIMIT if a[3] & _IORING_ENTER_EXT_ARG else HARMLESS


_X86_64: Final[dict[int, Row]] = {
    # What has been transferred so far is all that is. With nothing transferred it begins again, but that is not shown.
    **dict.fromkeys((1, 18, 20, 296, 328), _cut),  # write, pwrite64, writev, pwritev, pwritev2
    **dict.fromkeys((44, 46, 307), _cut),  # sendto, sendmsg, sendmmsg; SO_SNDTIMEO begins anew, too
    **dict.fromkeys((40, 275, 276, 278, 326), _cut),  # sendfile, splice, tee, vmsplice, copy_file_range
    3: _cut,  # close: of a socket with SO_LINGER it waits no longer
    42: _cut,  # connect: SO_SNDTIMEO begins anew
    **dict.fromkeys((0, 19, 327), _first),  # read, readv, preadv2
    **dict.fromkeys((43, 288), _first),  # accept, accept4
    45: _received(3),  # recvfrom
    47: _received(2),  # recvmsg
    299: _received_many,
    **dict.fromkeys((232, 281), _limited_ms(3)),  # epoll_wait, epoll_pwait
    441: _limited(3),  # epoll_pwait2
    220: _limited(3),  # semtimedop
    128: _limited(2),  # rt_sigtimedwait
    **dict.fromkeys((208, 333), _events),  # io_getevents, io_pgetevents
    426: _ring,
    **dict.fromkeys((58, 56, 435), _parent),  # vfork, clone, clone3
}

_ROWS: Final = _X86_64 if os.uname().machine == "x86_64" else {}


def harm(pid: int, tid: int) -> int:
    """What an interruption would do now to what a thread does: HARMLESS, UNKNOWN, LIMIT, CUT or LATE."""
    try:
        with open(f"/proc/{pid}/task/{tid}/syscall", "rb", buffering=0) as file:
            words = file.read(400).split()
    except (FileNotFoundError, ProcessLookupError):
        return HARMLESS  # it has ended
    except OSError:
        return CUT  # not to be seen
    if words[:1] == [b"running"]:
        return UNKNOWN
    row = _ROWS.get(int(words[0])) if len(words) >= 7 else None  # else it is in no call
    return HARMLESS if row is None else row(pid, tid, tuple(int(word, 16) for word in words[1:7]))


def place(pid: int, tid: int) -> int:
    """The page of code from which a sleeping thread has made its call; -1 of one that runs or is hidden."""
    words = look.slurp(b"/proc/%d/task/%d/syscall" % (pid, tid)).split()
    return int(words[-1], 16) // _PAGE * _PAGE if len(words) > 1 else -1


def is_deaf(pid: int, tid: int) -> bool:
    """Whether a thread sleeps where no signal wakes it but SIGKILL, as in vfork, or is no more."""
    state = look.slurp(b"/proc/%d/task/%d/stat" % (pid, tid)).rpartition(b")")[2][1:2]
    return state not in (b"R", b"S", b"t", b"T")


def is_harmless(pid: int, tids: Collection[int]) -> bool:
    """Whether none of these threads of a process would be harmed.

    Between two parts of a transfer a thread runs for some microseconds. So those that run are looked at for a moment,
    in which they would wait again; who still runs then is taken for one that is in no such call.
    """
    for _ in range(_LOOKS):
        kinds = {harm(pid, tid) for tid in tids}
        if not kinds <= {HARMLESS, UNKNOWN}:
            return False
        if UNKNOWN not in kinds:
            break
        time.sleep(_SHORT)
    return True


def wait_until_harmless(threads: Callable[[], Iterable[tuple[int, int]]], patience: float, for_limits: float) -> bool:
    """Wait until no thread, of those that `threads` gives as (pid, tid), is in a call that would be harmed.

    At most `patience` seconds, and `for_limits` where only limits would begin anew. Whether none is.
    """
    begin = time.monotonic()
    while True:
        kinds = {harm(*each) for each in threads()}
        if not kinds & {CUT, LIMIT}:
            return True
        if time.monotonic() - begin >= (patience if CUT in kinds else for_limits):
            return False
        time.sleep(_MOMENT)
