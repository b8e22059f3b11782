"""Calls about processes, sockets and the tracer itself: clone, recvmsg, ptrace, seccomp, io_uring, chdir …"""

from __future__ import annotations

import struct

from shark.capture import channels, kernel, look, opens
from shark.capture.tasks import Finish, Later, Task
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

_ALL_THREADS, _NEW_LISTENER = 1, 8  # SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_NEW_LISTENER

CLONE_UNTRACED = 0x00800000
_REPORTS_HANDLES = 0x200 | 0x400  # FAN_REPORT_FID, FAN_REPORT_DIR_FID of <linux/fanotify.h>
_SOL_SOCKET, _SCM_RIGHTS = 1, 1


def enter_clone(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """clone: (flags …). CLONE_UNTRACED is taken out: the child would have the filter and no tracer, and fail."""
    if not s.machine.set_first_argument(task.tid, a[0] & ~CLONE_UNTRACED):
        s.gap(task.process.number, "other", "a clone with CLONE_UNTRACED could not be followed")
        return None

    def restore(tid: int) -> None:
        s.machine.set_first_argument(tid, a[0])

    task.restore = restore
    return _nothing


def enter_clone3(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """clone3: (struct clone_args *, size); the flags are the structure's first word (clone(2))."""
    memory = kernel.read_memory(task.tid, a[0], 8)
    if len(memory) < 8:
        return None
    flags = struct.unpack("=Q", memory)[0]
    task.clone_flags = flags
    if not flags & CLONE_UNTRACED:
        return None
    if not kernel.write_memory(task.tid, a[0], struct.pack("=Q", flags & ~CLONE_UNTRACED)):
        s.gap(task.process.number, "other", "a clone3 with CLONE_UNTRACED could not be followed")
        return None

    def restore(tid: int) -> None:
        kernel.write_memory(tid, a[0], memory)

    task.restore = restore
    return _nothing


def _nothing(s: Supervisor, task: Task, result: int) -> Later | None:
    """At the exit of a clone that was changed: its arguments are put back as the program wrote them."""
    if task.restore is not None:
        task.restore(task.tid)
        task.restore = None
    return None


def enter_view(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """chdir, fchdir, chroot, pivot_root, setns, unshare: afterwards paths mean something else."""

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        s.places.epoch += 1
        if result == 0:
            look.refresh_view(task.process, task.tid, s.own_namespace)
            if len(task.process.tids) > 1 and _is_apart(s, task):
                task.process.never_hot = True  # what is written down does not tell which thread it was
            if s.recorder is not None and task.process.hot is not None:
                s.recorder.locate(task)
        return None

    return finish


def _is_apart(s: Supervisor, task: Task) -> bool:
    """Whether another thread of the process has another working directory: one of them has unshared CLONE_FS."""
    epoch, tasks = s.places.epoch, s.tree.tasks
    here = look.working_directory(task, epoch)
    siblings = [tasks[tid] for tid in task.process.tids if tid in tasks]
    return any(look.working_directory(other, epoch) not in (here, b"") for other in siblings)


def enter_socketcall(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """socketcall, the 32-bit multiplexer: (call, arguments *), see socketcall(2) and <linux/net.h>."""
    handler = _SOCKET_CALLS.get(a[0])
    if handler is None:
        return None
    raw = kernel.read_memory(task.tid, a[1], 16)
    if len(raw) < 12:
        return None
    words = struct.unpack_from(f"={len(raw) // 4}I", raw)
    return handler(s, task, (*words, *(0,) * (6 - len(words))))


def enter_receive(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """recvmsg: (socket, struct msghdr *): may bring descriptors."""
    begin = s.tick()
    word = s.word
    if not _control(task.tid, a[1], word)[1]:
        return None  # no room for any

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        return _all_given(s, task, _descriptors(task.tid, a[1], word), begin) if result >= 0 else None

    return finish


def enter_receive_many(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """recvmmsg: (socket, struct mmsghdr *, count): the same, several at once."""
    begin = s.tick()
    word = s.word
    size = 8 * word  # struct msghdr and an int, padded

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        fds = [fd for n in range(max(result, 0)) for fd in _descriptors(task.tid, a[1] + n * size, word)]
        return _all_given(s, task, fds, begin)

    return finish


def _all_given(s: Supervisor, task: Task, fds: list[int], begin: int) -> Later | None:
    laters = [later for fd in fds if (later := opens.given(s, task, fd, begin, via="received"))]
    if not laters:
        return None

    def all_later() -> None:
        for later in laters:
            later()

    return all_later


def _control(tid: int, header: int, word: int) -> tuple[int, int]:
    """Address and length of a msghdr's control messages (recv(2)): its fifth and sixth word."""
    raw = kernel.read_memory(tid, header, 7 * word)
    if len(raw) < 7 * word:
        return 0, 0
    words = struct.unpack("=7Q" if word == 8 else "=7I", raw)
    return words[4], words[5]


def _descriptors(tid: int, header: int, word: int) -> list[int]:
    """The descriptors in a received message (cmsg(3), SCM_RIGHTS)."""
    address, length = _control(tid, header, word)
    raw = kernel.read_memory(tid, address, min(length, 1 << 16)) if address else b""
    head = word + 8
    fds: list[int] = []
    at = 0
    while at + head <= len(raw):
        size = struct.unpack_from("=Q" if word == 8 else "=I", raw, at)[0]
        level, kind = struct.unpack_from("=ii", raw, at + word)
        if size < head or at + size > len(raw):
            break
        if (level, kind) == (_SOL_SOCKET, _SCM_RIGHTS):
            count = (size - head) // 4
            fds.extend(struct.unpack_from(f"={count}i", raw, at + head))
        at += -(-size // word) * word
    return fds


_SOCKET_CALLS: Final = {
    1: channels.enter_datagrams,
    2: channels.enter_bind,
    3: channels.enter_connect,
    5: channels.enter_accept,
    8: channels.enter_socketpair,
    17: enter_receive,
    18: channels.enter_accept,
    19: enter_receive_many,
}
"""By the number of a socketcall: SYS_SOCKET, SYS_BIND, SYS_CONNECT, SYS_ACCEPT, SYS_SOCKETPAIR, SYS_RECVMSG,
SYS_ACCEPT4, SYS_RECVMMSG."""


def enter_ptrace(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """Ptrace by a tracee: it fails, as a process has one tracer only; the program may well notice."""
    s.nested_ptrace(task.process)
    return None


def enter_own_filter(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """seccomp, prctl: a filter of the program's own (whether it is one, flags of seccomp).

    One by the places that calls are made from counts, too (PR_SET_SYSCALL_USER_DISPATCH). Calls that a listener
    (NEW_LISTENER) answers never reach our filter; and the recorder must not make calls that the program's may punish.
    """
    if not a[0]:
        return None
    if a[1] & _NEW_LISTENER:
        task.process.full = True
    task.process.filtered = task.process.never_hot = True
    if a[1] & _ALL_THREADS and s.recorder is not None and not s.fuse:
        s.recorder.clear(task)
    return None


def enter_io_uring(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """io_uring_setup: what goes through the ring makes no call that could be seen."""
    if s.deny_io_uring:
        # Only reached without a filter: the call is turned into one that does not exist.
        s.machine.skip_call(task.tid)
        return None
    task.process.holds.uncounted = True
    number = task.process.number

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result < 0:
            return None
        return lambda: s.gap(number, "io_uring", "files that the process opens or writes through io_uring are not seen")

    return finish


def enter_fanotify(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """fanotify_init: (flags …). Descriptors of files that others open come by read, a call that does not stop.

    A group that reports names or handles of files (FAN_REPORT_FID, FAN_REPORT_DIR_FID) is given none (fanotify(7)).
    """
    if a[0] & _REPORTS_HANDLES:
        return None
    number = task.process.number

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result < 0:
            return None
        return lambda: s.gap(
            number, "other", "files of which the process is given descriptors by fanotify are not seen"
        )

    return finish
