"""Which sockets are the two ends of one connection: asked of sockets of this very process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shark.capture import kernel, meeting
from shark.capture.meeting import Meeting

PID = os.getpid()


def key(end: socket.socket) -> bytes:
    return b"socket:[%d]" % os.fstat(end.fileno()).st_ino


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as ends:
        yield ends


def listener(stack: ExitStack, family: int, address: object) -> socket.socket:
    server = stack.enter_context(socket.socket(family))
    server.bind(address)
    server.listen()
    return server


def client(stack: ExitStack, server: socket.socket) -> socket.socket:
    end = stack.enter_context(socket.socket(server.family))
    end.connect(server.getsockname())
    return end


def accept(stack: ExitStack, server: socket.socket) -> socket.socket:
    return stack.enter_context(server.accept()[0])


def test_the_peer_of_a_pair(stack: ExitStack) -> None:
    """Each end is the other's."""
    one, other = map(stack.enter_context, socket.socketpair())
    assert Meeting().peer(key(one)) == key(other)
    assert Meeting().peer(key(other)) == key(one)


def test_no_peer(stack: ExitStack) -> None:
    """A socket that is connected to nobody has none; of what is no UNIX socket that cannot be asked."""
    alone = stack.enter_context(socket.socket(socket.AF_UNIX))
    assert Meeting().peer(key(alone)) == b""
    assert Meeting().peer(b"socket:[4294967295]") is None


def test_a_unix_connection_is_told_at_its_acceptance(stack: ExitStack, tmp_path: Path) -> None:
    """Before, it has no other end."""
    found = Meeting()
    server = listener(stack, socket.AF_UNIX, str(tmp_path / "s"))
    end = client(stack, server)
    assert list(found.connected(PID, end.fileno(), key(end), ("unix", str(tmp_path / "s"), 0))) == []
    accepted = accept(stack, server)
    assert list(found.accepted(PID, accepted.fileno(), key(accepted))) == [(key(accepted), key(end))]


def test_a_unix_client_that_is_gone(stack: ExitStack, tmp_path: Path) -> None:
    """It was one of those that nobody had accepted: all of them are joined."""
    found = Meeting()
    server = listener(stack, socket.AF_UNIX, str(tmp_path / "s"))
    gone, other = client(stack, server), client(stack, server)
    keys = [key(gone), key(other)]
    for end in (gone, other):
        assert list(found.connected(PID, end.fileno(), key(end), ("unix", "s", 0))) == []
    gone.close()
    accepted = accept(stack, server)
    pairs = list(found.accepted(PID, accepted.fileno(), key(accepted)))
    assert pairs == [(one, b"unix:unknown") for one in (*keys, key(accepted))]


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
@pytest.mark.parametrize("first", ["connected", "accepted"])
@pytest.mark.parametrize("duplicates", [True, False], ids=["pidfd", "proc"])
def test_tcp_ends_are_told_by_their_addresses(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, family: int, host: str, first: str, duplicates: bool
) -> None:
    """Whichever is seen first, and also where the kernel hands out no duplicates of descriptors."""
    if not duplicates:
        monkeypatch.setattr(kernel, "take_descriptor", lambda pid, fd: None)
    found = Meeting()
    server = listener(stack, family, (host, 0))
    end = client(stack, server)
    accepted = accept(stack, server)
    for _ in range(2):  # nothing is left of the first time
        asked = [
            lambda: list(found.connected(PID, end.fileno(), key(end), ("inet", host, server.getsockname()[1]))),
            lambda: list(found.accepted(PID, accepted.fileno(), key(accepted))),
        ]
        if first == "accepted":
            asked.reverse()
        assert asked[0]() == []
        [pair] = asked[1]()
        assert set(pair) == {key(end), key(accepted)}


def test_an_ipv4_client_of_an_ipv6_server(stack: ExitStack) -> None:
    """The two ends write the same address in two ways."""
    found = Meeting()
    server = stack.enter_context(socket.socket(socket.AF_INET6))
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", 0))
    server.listen()
    end = stack.enter_context(socket.socket())
    port = server.getsockname()[1]
    end.connect(("127.0.0.1", port))
    accepted = accept(stack, server)
    assert list(found.connected(PID, end.fileno(), key(end), ("inet", "127.0.0.1", port))) == []
    assert list(found.accepted(PID, accepted.fileno(), key(accepted))) == [(key(accepted), key(end))]


def test_datagrams_over_ip_are_no_channel(stack: ExitStack) -> None:
    """Only TCP has two ends."""
    end = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    end.connect(("127.0.0.1", 9))
    assert list(Meeting().connected(PID, end.fileno(), key(end), ("inet", "127.0.0.1", 9))) == []


def test_unix_datagrams_are_told_when_connected(stack: ExitStack, tmp_path: Path) -> None:
    """The other end is there already."""
    server = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    server.bind(str(tmp_path / "s"))
    end = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    end.connect(str(tmp_path / "s"))
    assert list(Meeting().connected(PID, end.fileno(), key(end), ("unix", "s", 0))) == [(key(end), key(server))]


def test_what_cannot_be_asked_is_joined_to_all(
    stack: ExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without sock_diag every UNIX connection may be every other one; without addresses every TCP connection."""
    monkeypatch.setattr(Meeting, "peer", lambda self, key: None)
    found = Meeting()
    server = listener(stack, socket.AF_UNIX, str(tmp_path / "s"))
    end = client(stack, server)
    accepted = accept(stack, server)
    assert list(found.connected(PID, end.fileno(), key(end), ("unix", "s", 0))) == []
    pairs = list(found.accepted(PID, accepted.fileno(), key(accepted)))
    assert pairs == [(key(end), b"unix:unknown"), (key(accepted), b"unix:unknown")]
    monkeypatch.setattr(meeting, "_names", lambda pid, fd, key: None)
    assert list(found.connected(PID, 0, b"socket:[1]", ("inet", "127.0.0.1", 1))) == [(b"socket:[1]", b"tcp:unknown")]
    assert (b"socket:[2]", b"tcp:unknown") in list(found.accepted(PID, 0, b"socket:[2]"))


def test_ends_that_are_never_met_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is joined to whatever could not be told, so that nothing is lost."""
    monkeypatch.setattr(meeting, "_LIMIT", 2)
    monkeypatch.setattr(Meeting, "peer", lambda self, key: b"")
    found = Meeting()
    keys = [b"socket:[%d]" % n for n in range(3)]
    pairs = [list(found.connected(PID, 0, one, ("unix", "s", 0))) for one in keys]
    assert pairs == [[], [], [(keys[0], b"unix:unknown")]]


def test_datagrams_meet_once_somebody_can_receive_them() -> None:
    """All sockets of a kind are joined from the first bind on; those of another kind are not."""
    found = Meeting()
    asks, listens, other = b"socket:[1]", b"socket:[2]", b"socket:[3]"
    assert (
        list(found.made(asks, b"udp:")) == list(found.made(listens, b"udp:")) == list(found.made(other, b"unix:")) == []
    )
    assert list(found.bound(listens)) == [(asks, b"udp:datagrams"), (listens, b"udp:datagrams")]
    assert list(found.bound(b"socket:[9]")) == []  # no datagrams, or not made in the run
    assert list(found.made(b"socket:[4]", b"udp:")) == [(b"socket:[4]", b"udp:datagrams")]
    assert list(found.bound(listens)) == []
    assert list(found.bound(other)) == [(other, b"unix:datagrams")]


def test_askers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest counts as joined, so that nothing is lost."""
    monkeypatch.setattr(meeting, "_LIMIT", 2)
    found = Meeting()
    pairs = [list(found.made(b"socket:[%d]" % n, b"udp:")) for n in range(3)]
    assert pairs == [[], [], [(b"socket:[0]", b"udp:datagrams")]]


def test_a_connection_between_network_namespaces() -> None:
    """Addresses tell which two ends are one, wherever these are; but what each namespace has for itself does not."""
    one, other = ("10.9.9.1", 5000), ("10.9.9.2", 4000)
    own, its = ("127.0.0.1", 5000), ("127.0.0.1", 4000)
    found = Meeting()
    assert list(found._meet(b"net:[1]", one, other, b"server")) == []
    assert list(found._meet(b"net:[2]", other, one, b"client")) == [(b"client", b"server")]
    assert list(found._meet(b"net:[1]", own, its, b"here")) == []
    assert list(found._meet(b"net:[2]", its, own, b"there")) == []
    assert list(found._meet(b"net:[1]", its, own, b"also here")) == [(b"also here", b"here")]
