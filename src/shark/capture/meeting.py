"""Which sockets are the two ends of one connection.

UNIX sockets: the kernel tells the peer of one by its inode (sock_diag(7)). Before it is accepted a connection's other
end has none, so it is asked for at the accept; if the client has closed its own by then, that has none any more, and it
may have been any of those that were not accepted yet. TCP: local and remote address of one end are remote and local
address of the other; those of the machine itself (127.0.0.1) are others in each network namespace.

Datagrams name their receiver one by one, in memory: once a process of the run has an address for them, all that have a
socket of that kind may have sent to it, or been answered.
"""

from __future__ import annotations

import contextlib
import os
import struct
from collections import OrderedDict
from collections.abc import Iterator

from shark.capture import kernel
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    import _socket
    from typing import Final

_UNKNOWN_UNIX: Final = b"unix:unknown"
_UNKNOWN_TCP: Final = b"tcp:unknown"
_DATAGRAMS: Final = b"datagrams"
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST, _ERROR = 4, 20, 1, 2
_SHOW_PEER, _PEER = 4, 2  # UDIAG_SHOW_PEER, UNIX_DIAG_PEER
_NO_COOKIE = 0xFFFFFFFF
_LIMIT: Final = 4096
"""How many ends whose other one was not seen are kept: the longest queue of connections that wait to be accepted."""

Pair = tuple[bytes, bytes]
Address = tuple[str, int]


class Meeting:
    """Knows the ends that were connected or accepted and whose other end is still to come."""

    def __init__(self) -> None:
        self._diag: _socket.socket | None = None
        self._asked = False
        self._unix: OrderedDict[bytes, None] = OrderedDict()  # clients that were not accepted yet
        self._tcp: OrderedDict[tuple[bytes, Address, Address], bytes] = OrderedDict()
        self._datagrams: OrderedDict[bytes, bytes] = OrderedDict()  # the kind of each socket that sends some
        self._receivers: set[bytes] = set()  # kinds of which one has got an address

    def peer(self, key: bytes) -> bytes | None:
        """The other end of a UNIX socket; b"" if it has none that can be named, None if that cannot be asked."""
        diag = self._open()
        if diag is None:
            return None
        inode = int(key[8:-1])
        body = struct.pack("=BBHIIIII", 1, 0, 0, 0xFFFFFFFF, inode & 0xFFFFFFFF, _SHOW_PEER, _NO_COOKIE, _NO_COOKIE)
        try:
            diag.send(struct.pack("=IHHII", 16 + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0) + body)
            answer = diag.recv(1 << 13)
        except OSError:
            return None
        if struct.unpack_from("=IH", answer)[1] == _ERROR:
            return None
        return _peer_in(answer)

    def _open(self) -> _socket.socket | None:
        if not self._asked:
            self._asked = True
            import _socket

            with contextlib.suppress(OSError):
                self._diag = _socket.socket(16, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG)
                self._diag.settimeout(1)
        return self._diag

    def connected(self, pid: int, fd: int, key: bytes, target: tuple[str, str, int]) -> Iterator[Pair]:
        """A socket was connected to `target` (family, address, port); gives what can be joined now."""
        family, address, port = target
        if family == "unix":
            peer = self.peer(key)
            if peer:  # datagrams, or a socket that was accepted at once
                yield key, peer
                return
            self._unix[key] = None
            if len(self._unix) > _LIMIT:
                yield self._unix.popitem(last=False)[0], _UNKNOWN_UNIX
            return
        names = _names(pid, fd, key)
        if names is None:
            yield key, _UNKNOWN_TCP
        elif names[0] != ("", 0):
            local, remote = names[0], names[1] or _meant(address, port)
            yield from self._meet(_network(pid), local, remote, key)

    def accepted(self, pid: int, fd: int, key: bytes) -> Iterator[Pair]:
        """A connection was accepted; gives what can be joined now."""
        peer = self.peer(key)
        if peer:
            self._unix.pop(peer, None)
            yield key, peer
            return
        names = _names(pid, fd, key) if peer is None else (("", 0), None)
        if names is not None and names[1] is not None:
            yield from self._meet(_network(pid), names[0], names[1], key)
            return
        # It is that of any client that nobody has accepted yet, and that nothing more is known of.
        if names is None or names[0] != ("", 0):
            yield from ((client, _UNKNOWN_TCP) for client in self._tcp.values())
            yield key, _UNKNOWN_TCP
        if names is None or names[0] == ("", 0):
            yield from ((client, _UNKNOWN_UNIX) for client in self._unix)
            yield key, _UNKNOWN_UNIX

    def made(self, key: bytes, kind: bytes) -> Iterator[Pair]:
        """A socket for datagrams was made, of a kind (b"unix:" or b"udp:"); gives what can be joined now."""
        if kind in self._receivers:
            yield key, kind + _DATAGRAMS
            return
        self._datagrams[key] = kind
        if len(self._datagrams) > _LIMIT:
            first, its = self._datagrams.popitem(last=False)
            yield first, its + _DATAGRAMS

    def bound(self, key: bytes) -> Iterator[Pair]:
        """A socket got an address; gives what can be joined now."""
        kind = self._datagrams.get(key)
        if kind is not None:
            self._receivers.add(kind)
            for each in [each for each, its in self._datagrams.items() if its == kind]:
                del self._datagrams[each]
                yield each, kind + _DATAGRAMS

    def _meet(self, network: bytes, local: Address, remote: Address, key: bytes) -> Iterator[Pair]:
        if not _is_own(local[0]):
            network = b""  # a connection may lead from one namespace to another, as between containers
        other = self._tcp.pop((network, remote, local), None)
        if other is not None:
            yield key, other
            return
        self._tcp[network, local, remote] = key
        if len(self._tcp) > _LIMIT:
            yield self._tcp.popitem(last=False)[1], _UNKNOWN_TCP


def _peer_in(answer: bytes) -> bytes:
    """The peer's key in a unix_diag_msg: attributes follow 16 bytes of header and 16 of message."""
    at = 32
    while at + 4 <= len(answer):
        size, kind = struct.unpack_from("=HH", answer, at)
        if size < 4:
            break
        if kind == _PEER and size >= 8:
            inode = struct.unpack_from("=I", answer, at + 4)[0]
            return b"socket:[%d]" % inode if inode else b""
        at += -(-size // 4) * 4
    return b""


def _is_own(host: str) -> bool:
    """Whether an address is that of the machine itself in whichever network namespace."""
    return host.startswith("127.") or host == "::1"


def _network(pid: int) -> bytes:
    """The network namespace of a process."""
    try:
        return os.readlink(b"/proc/%d/ns/net" % pid)
    except OSError:
        return b""


def _names(pid: int, fd: int, key: bytes) -> tuple[Address, Address | None] | None:
    """Local and remote address of a TCP socket; ("", 0) for any other socket, None if they cannot be had."""
    copy = kernel.take_descriptor(pid, fd)
    if copy is None:
        return _listed(pid, int(key[8:-1]))
    import _socket

    socket = _socket.socket(fileno=copy)
    try:
        if socket.family not in (_socket.AF_INET, _socket.AF_INET6) or socket.type & 0xF != _socket.SOCK_STREAM:
            return ("", 0), None
        try:
            remote: Address | None = _plain(*socket.getpeername()[:2])
        except OSError:  # still being connected
            remote = None
        return _plain(*socket.getsockname()[:2]), remote
    except OSError:
        return None
    finally:
        socket.close()


def _listed(pid: int, inode: int) -> tuple[Address, Address | None] | None:
    """The same from /proc/PID/net, for kernels that hand out no duplicates of descriptors (before Linux 5.6)."""
    for name in (b"tcp", b"tcp6"):
        try:
            with open(b"/proc/%d/net/%s" % (pid, name), "rb") as table:
                for line in table:
                    words = line.split(None, 10)
                    if len(words) > 9 and words[9] == b"%d" % inode:
                        return _unhex(words[1]), _unhex(words[2])
        except OSError:
            continue
    return None


def _unhex(word: bytes) -> Address:
    """An address of /proc/net/tcp: 32-bit words in hexadecimal, each in the machine's byte order."""
    import _socket

    text, _, port = word.partition(b":")
    raw = b"".join(struct.pack("=I", int(text[at : at + 8], 16)) for at in range(0, len(text), 8))
    return _plain(_socket.inet_ntop(_socket.AF_INET if len(raw) == 4 else _socket.AF_INET6, raw), int(port, 16))


def _plain(host: str, port: int) -> Address:
    """An IPv4 address that a socket for IPv6 speaks to is written in both ways: one of them."""
    return host.removeprefix("::ffff:") if "." in host else host, port


def _meant(host: str, port: int) -> Address:
    """Where a connection to `host` leads: to no address means to oneself (tcp(7))."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(_plain(host, port)[0], _plain(host, port)[0]), port
