"""How a program that is recorded and the process that records it speak: a JSON document a line, over a stream socket.

What is said (the first word of a document is its only key at the top):

    recorder ──tracer──▶ program     its process id, so that the program can allow it to trace (Yama)
    program  ──begin───▶ recorder    a block begins: its name, options, what is known of its function
    recorder ──run─────▶ program     ... is being recorded under this run id; or `refused`: why not
    program  ──end─────▶ recorder    the block is over: result, exception, values
    recorder ──released▶ program     from here on nothing is seen any more (and the process not traced, if that was all)
    recorder ──done────▶ program     record and manifests are written: warnings, and how a seized process ended
"""

from __future__ import annotations

import socket
from array import array
from typing import Any

from shark.jsontext import dumps, loads

Document = dict[str, Any]


class Wire:
    """One end of such a conversation. `closed`: the other end is gone."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._text = b""
        self.closed = False

    def fileno(self) -> int:
        """The descriptor of its socket."""
        return self._socket.fileno()

    def send(self, word: str, **what: Any) -> None:
        """Say something; that nobody listens any more shows in `closed`."""
        try:
            self._socket.sendall(dumps({word: what}) + b"\n", socket.MSG_NOSIGNAL)
        except OSError:
            self.closed = True

    def receive(self) -> tuple[str, Document] | None:
        """Wait for the next word and what it tells; None when the other end is gone."""
        while b"\n" not in self._text:
            if not self._fill():
                return None
        return self._next()

    def poll(self) -> tuple[str, Document] | None:
        """The next word and what it tells, if it is there already."""
        if b"\n" not in self._text:
            try:
                while self._fill(socket.MSG_DONTWAIT) and b"\n" not in self._text:
                    pass
            except BlockingIOError:
                return None
        return self._next() if b"\n" in self._text else None

    def _fill(self, flags: int = 0) -> bool:
        try:
            part = self._socket.recv(1 << 16, flags)
        except ConnectionError:
            part = b""
        self._text += part
        self.closed = not part
        return bool(part)

    def _next(self) -> tuple[str, Document]:
        line, _, self._text = self._text.partition(b"\n")
        [(word, what)] = loads(line).items()
        return word, what

    def pass_on(self, end: socket.socket) -> None:
        """Give the other side one end of a further conversation. Raises OSError."""
        rights = array("i", [end.fileno()])
        self._socket.sendmsg([b"\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)], socket.MSG_NOSIGNAL)

    def take_passed(self) -> list[socket.socket]:
        """The ends that were passed on meanwhile."""
        found: list[socket.socket] = []
        while True:
            try:
                part, passed, _, _ = self._socket.recvmsg(64, 256, socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC)
            except (BlockingIOError, ConnectionError):
                return found
            for _, _, rights in passed:
                fds = array("i")
                fds.frombytes(rights)
                found += [socket.socket(fileno=fd) for fd in fds]
            if not part:
                self.closed = True
                return found

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
