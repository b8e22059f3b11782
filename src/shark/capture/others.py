"""Calls about processes, sockets and the tracer itself: clone, connect, recvmsg, ptrace, seccomp, io_uring, chdir …"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING

from shark.capture import kernel, look, opens
from shark.capture.tasks import Finish, Later, Task
from shark.events import Connected

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

CLONE_UNTRACED = 0x00800000
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
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
        return None

    return finish


def enter_connect(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """connect: (socket, address, length). What matters is to whom; EINPROGRESS counts as done."""
    address = _address(kernel.read_memory(task.tid, a[1], min(a[2] & 0xFFFFFFFF, 128)))
    if address is None:
        return None
    begin = s.tick()

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result not in (0, -errno.EINPROGRESS):
            return None
        number, end = task.process.number, s.tick()
        return lambda: s.emit(Connected(begin, end, number, *address))

    return finish


def _address(raw: bytes) -> tuple[str, str, int] | None:
    """(family, address, port) of a struct sockaddr; None for a family that leads nowhere outside (netlink …)."""
    if len(raw) < 3:
        return None
    family = struct.unpack_from("=H", raw)[0]
    if family == _AF_INET and len(raw) >= 8:
        return "inet", ".".join(map(str, raw[4:8])), struct.unpack_from("!H", raw, 2)[0]
    if family == _AF_INET6 and len(raw) >= 24:
        import ipaddress

        return "inet6", str(ipaddress.IPv6Address(raw[8:24])), struct.unpack_from("!H", raw, 2)[0]
    if family == _AF_UNIX:
        path = raw[2:]
        name = b"@" + path[1:].rstrip(b"\0") if path[:1] == b"\0" else path.split(b"\0", 1)[0]
        return "unix", os.fsdecode(name), 0
    return None


def enter_socketcall(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """socketcall, the 32-bit multiplexer: (call, arguments *), see socketcall(2) and <linux/net.h>."""
    handler = {3: enter_connect, 17: enter_receive, 19: enter_receive_many}.get(a[0])
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


def enter_ptrace(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """Ptrace by a tracee: it fails, as a process has one tracer only; the program may well notice."""
    s.nested_ptrace(task.process)
    return None


def enter_listener(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """Seccomp with NEW_LISTENER: calls that the listener answers never reach our filter."""
    task.process.full = True
    return None


def enter_io_uring(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """io_uring_setup: what goes through the ring makes no call that could be seen."""
    if s.deny_io_uring:
        # Only reached without a filter: the call is turned into one that does not exist.
        s.machine.skip_call(task.tid)
        return None
    number = task.process.number

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        if result < 0:
            return None
        return lambda: s.gap(number, "io_uring", "files that the process opens or writes through io_uring are not seen")

    return finish
