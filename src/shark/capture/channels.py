"""Calls that make, join or share channels: sockets, queues of messages, shared mappings; and those that hide flow."""

from __future__ import annotations

import errno
import struct
from functools import partial

from shark.capture import kernel, look
from shark.capture.descriptors import link, socket_key
from shark.capture.tasks import Finish, Later, Process, Task
from shark.events import READ, WRITE, Connected, Held
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_AF_NETLINK, _AF_PACKET, _NETLINK_USERSOCK = 16, 17, 2
_SOCK_DGRAM: Final = 2
_SOCK_RAW, _SOCK_PACKET = 3, 10
_ECHOES: Final = frozenset({1, 58})
"""IPPROTO_ICMP and IPPROTO_ICMPV6: what ping needs a raw socket for carries no data of a command."""
_MAP_ANONYMOUS: Final = 0x20
_LOOP: Final = 0x4C00  # the type of a loop device's requests (<linux/loop.h>)
_LOOP_FILE: Final = frozenset({0x4C00, 0x4C0A})  # LOOP_SET_FD, LOOP_CONFIGURE
_SHM_RDONLY: Final = 0o10000
_UNDER_WAY = (0, -errno.EINPROGRESS, -errno.EINTR)


def enter_connect(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """connect: (socket, address, length). EINPROGRESS counts as done, and so does an interruption: it goes on."""
    address = _address(kernel.read_memory(task.tid, a[1], min(a[2] & 0xFFFFFFFF, 128)))
    if address is None:
        return None
    return partial(_finish_connect, address, look.signed(a[0]), s.tick())


def _finish_connect(
    address: tuple[str, str, int], fd: int, begin: int, s: Supervisor, task: Task, result: int
) -> Later | None:
    if result not in _UNDER_WAY:
        return None
    process = task.process
    number = process.number
    key = socket_key(task.tid, fd)
    pairs = tuple(s.meeting.connected(process.pid, fd, key, address)) if key else ()
    end = s.tick()

    def later() -> None:
        s.emit(Connected(begin, end, number, *address))
        if key:
            s.holdings.gain(process, begin, end, Held("socket", key, READ | WRITE))
        for one, other in pairs:
            s.holdings.join(process, begin, end, one, other)

    return later


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
        return "unix", name.decode("utf-8", "surrogateescape"), 0
    return None


def enter_accept(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """accept, accept4: (socket …), what comes of it is a new descriptor."""
    return partial(_finish_accept, s.tick())


def _finish_accept(begin: int, s: Supervisor, task: Task, result: int) -> Later | None:
    key = socket_key(task.tid, result) if result >= 0 else b""
    if not key:
        return None
    process = task.process
    pairs = tuple(s.meeting.accepted(process.pid, result, key))
    end = s.tick()

    def later() -> None:
        s.holdings.gain(process, begin, end, Held("socket", key, READ | WRITE))
        for one, other in pairs:
            s.holdings.join(process, begin, end, one, other)

    return later


def enter_socketpair(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """socketpair: (domain, type, protocol, int[2] *)."""
    return partial(_finish_socketpair, a[3], s.tick())


def _finish_socketpair(address: int, begin: int, s: Supervisor, task: Task, result: int) -> Later | None:
    raw = kernel.read_memory(task.tid, address, 8) if result == 0 else b""
    if len(raw) < 8:
        return None
    one, other = (socket_key(task.tid, fd) for fd in struct.unpack("=ii", raw))
    process, end = task.process, s.tick()
    if not one or not other:
        return None

    def later() -> None:
        s.holdings.gain(process, begin, end, *(Held("socket", key, READ | WRITE) for key in (one, other)))
        s.holdings.join(process, begin, end, one, other)

    return later


def enter_datagrams(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """A socket for datagrams, or one of which only this is told that it is not followed: (domain, type, protocol)."""
    unfollowed = _unfollowed(a[0] & 0xFFFFFFFF, a[1] & 0xF, a[2] & 0xFFFFFFFF)
    if unfollowed:
        return partial(_finish_unfollowed, unfollowed)
    if a[1] & 0xF != _SOCK_DGRAM or a[0] not in (_AF_UNIX, _AF_INET, _AF_INET6):  # through socketcall any comes here
        return None
    return partial(_finish_datagrams, b"unix:" if a[0] == _AF_UNIX else b"udp:", s.tick())


def _unfollowed(family: int, kind: int, protocol: int) -> str:
    """What a socket is by which processes may reach each other in a way that is not followed; "" for any other."""
    if family == _AF_PACKET or (family == _AF_INET and kind == _SOCK_PACKET):
        return "a socket for packets of the network's devices"
    if family in (_AF_INET, _AF_INET6) and kind == _SOCK_RAW and protocol not in _ECHOES:
        return "a raw socket"
    return "a netlink socket between programs" if (family, protocol) == (_AF_NETLINK, _NETLINK_USERSOCK) else ""


def _finish_unfollowed(what: str, s: Supervisor, task: Task, result: int) -> Later | None:
    number = task.process.number
    return (lambda: s.gap(number, "other", f"data that went through {what} is not followed")) if result >= 0 else None


def _finish_datagrams(kind: bytes, begin: int, s: Supervisor, task: Task, result: int) -> Later | None:
    key = socket_key(task.tid, result) if result >= 0 else b""
    if not key:
        return None
    process, pairs, end = task.process, tuple(s.meeting.made(key, kind)), s.tick()

    def later() -> None:
        s.holdings.gain(process, begin, end, Held("socket", key, READ | WRITE))
        for one, other in pairs:
            s.holdings.join(process, begin, end, one, other)

    return later


def enter_bind(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """bind: (socket, address, length). From now on there is somebody to whom datagrams can be sent."""
    return partial(_finish_bind, look.signed(a[0]), s.tick())


def _finish_bind(fd: int, begin: int, s: Supervisor, task: Task, result: int) -> Later | None:
    pairs = tuple(s.meeting.bound(socket_key(task.tid, fd))) if result == 0 else ()
    process, end = task.process, s.tick()

    def later() -> None:
        for one, other in pairs:
            s.holdings.join(process, begin, end, one, other)

    return later if pairs else None


def enter_map(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """For mmap of memory that is shared and may be written: (address, length, protection, flags, descriptor, offset).

    That the call will succeed is taken for granted: a stop less.
    """
    s.holdings.map(task, None if a[3] & _MAP_ANONYMOUS else look.signed(a[4]), a[1])
    return None


def enter_old_map(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """The first mmap of i386: its six arguments are in memory."""
    raw = kernel.read_memory(task.tid, a[0], 24)
    if len(raw) == 24:
        words = struct.unpack("=6I", raw)
        if words[2] & 2 and words[3] & 1:
            return enter_map(s, task, words)
    return None


def enter_attach(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """shmat: (id, address, flags)."""
    access = READ if a[2] & _SHM_RDONLY else READ | WRITE
    s.holdings.share(task.process, Held("memory", b"memory:sysv:%d" % look.signed(a[0]), access))
    return None


def enter_queue(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """mq_open: (name, flags …). A queue of messages is read and written by calls that are not traced."""
    access = look.access_of(a[1])

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        shown = link(task.tid, result) if result >= 0 else b""
        return (
            (lambda: s.holdings.share(task.process, Held("memory", b"memory:mq:" + shown, access))) if shown else None
        )

    return finish


def enter_send_message(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """msgsnd: (queue …). Whoever knows its number may do so, without a call that says that he will."""
    s.holdings.share(task.process, Held("memory", b"memory:msg:%d" % look.signed(a[0]), WRITE))
    return None


def enter_take_message(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """msgrcv: (queue …)."""
    s.holdings.share(task.process, Held("memory", b"memory:msg:%d" % look.signed(a[0]), READ))
    return None


def enter_ipc(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """ipc, a 32-bit multiplexer: (call, id, second, third …), see ipc(2) and <linux/ipc.h>."""
    enter = {11: enter_send_message, 12: enter_take_message, 21: enter_attach}.get(a[0] & 0xFFFF)
    return enter(s, task, (a[1], 0, a[2])) if enter is not None else None


def enter_read_process(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """process_vm_readv: (process …), as libraries for parallel programs do."""
    _share_with(s, task.process, look.signed(a[0]), READ)
    return None


def enter_write_process(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """process_vm_writev: (process …)."""
    _share_with(s, task.process, look.signed(a[0]), WRITE)
    return None


def _share_with(s: Supervisor, process: Process, pid: int, access: int) -> None:
    other = next((other for other in s.tree.processes() if pid in other.tids), None)
    if other is not None and other is not process:
        key = b"memory:of:%d" % other.number
        s.holdings.share(process, Held("memory", key, access))
        s.holdings.share(other, Held("memory", key, (READ | WRITE) ^ access))


def enter_uncounted(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """Calls that move data, or begin to, which the kernel's counters do not show (measured on Linux 6.18).

    splice, tee, vmsplice; io_setup, as asynchronous reads and writes follow; ioctl(FICLONE) and its kin.
    """
    task.process.holds.uncounted = True
    return None


def enter_control(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """ioctl: (descriptor, request …), a reflink, or one by which a file becomes a loop device."""
    if a[1] & 0xFFFFFFFF in _LOOP_FILE:
        return _finish_loop
    return None if a[1] & 0xFF00 == _LOOP else enter_uncounted(s, task, a)


def _finish_loop(s: Supervisor, task: Task, result: int) -> Later | None:
    number = task.process.number
    what = "the process has made a file a block device (loop): what is read or written through that is not followed"
    return (lambda: s.gap(number, "other", what)) if result == 0 else None


def enter_wait(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """wait4, waitid, without WNOHANG: a shell has closed by now what it passed to its children."""
    s.holdings.at_wait(task)
    return None
