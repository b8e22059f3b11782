"""The process between a captured command and the places where its output goes: passes every byte on, and keeps it.

It is a process of its own, so that neither a slow reader nor a stop of the tracer holds it up, and one thread a way, so
that a reader of stdout who waits does not hold up stderr. A byte is kept before it is passed on. It ends when nobody
can write any more, and it does so whatever becomes of the supervisor.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import socket
import threading
from collections.abc import Sequence

from shark.capture.sink import Order, Sink
from shark.capture.streams import Channel, Streams
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, NoReturn

_CHUNK: Final = 1 << 16
_CUT: Final = b"cut "
_END: Final = b"end"
_STDERR: Final = b"stderr"
_DONE: Final = b"."
_ANSWER: Final = 4096
"""Bytes of what is said of a cut: _DONE, and a sentence at most for each of three streams."""


class Tee:
    """The supervisor's side: asks the process to finish a part, and lends its stderr."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self.lacks: list[str] = []
        """Of each channel, why what was kept until the last cut is not whole, "" if it is."""

    def cut(self, then: bytes, seconds: float | None = None) -> bool:
        """Wait until all that was written before is passed on and kept; what comes now is kept under the prefix `then`.

        Waits for readers as long as they need, as the command itself would have to, or for so many `seconds`. False if
        that was not enough, or the process is gone.
        """
        try:
            self._control.settimeout(seconds)
            self._control.send(_CUT + then)
            answer = self._control.recv(_ANSWER)
        except OSError:
            return False
        self.lacks = answer.removeprefix(_DONE).decode("utf-8", "replace").split("\0")
        return bool(answer)

    def stderr(self) -> int | None:
        """A descriptor of the true stderr, if it is still in use."""
        try:
            self._control.settimeout(1.0)
            self._control.send(_STDERR)
            _, fds, _, _ = socket.recv_fds(self._control, 16, 1)
        except OSError:
            return None
        return fds[0] if fds else None

    def end(self) -> None:
        """Nobody will ask for what comes now: it is passed on only."""
        with contextlib.suppress(OSError):
            self._control.send(_END)
        self._control.close()


def start(streams: Streams, prefix: bytes, limit: int) -> Tee:
    """Start the process; it keeps what comes in files that begin with `prefix`, at most `limit` bytes of each stream.

    Raises OSError. It is nobody's child: whoever waits for any child of this process does not meet it.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    middle = os.fork()
    if middle == 0:
        _live(streams.channels, theirs, prefix, limit)
    theirs.close()
    with contextlib.suppress(ChildProcessError):
        os.waitpid(middle, 0)
    return Tee(ours)


def _live(channels: Sequence[Channel], control: socket.socket, prefix: bytes, limit: int) -> NoReturn:
    try:
        if os.fork():
            os._exit(0)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        kept = sorted({control.fileno(), *(fd for channel in channels for fd in (channel.reading, channel.outer))})
        for low, high in zip([2, *kept], [*kept, os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(low + 1, high)
        _Between(channels, control, prefix, limit).serve()
    finally:
        os._exit(0)


class _Way:
    """A channel at work."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.wake_reading, self.wake = os.pipe()
        self.drained = threading.Event()
        self.outer = channel.outer
        self.over = False
        self.room = _capacity(channel)


def _capacity(channel: Channel) -> int:
    return _CHUNK if channel.terminal else fcntl.fcntl(channel.reading, fcntl.F_GETPIPE_SZ)


class _Between:
    def __init__(self, channels: Sequence[Channel], control: socket.socket, prefix: bytes, limit: int) -> None:
        self._ways = [_Way(channel) for channel in channels]
        self._control = control
        self._limit = limit
        self._lock = threading.Lock()
        self._keeping = True
        self._begin(prefix)

    def _begin(self, prefix: bytes) -> None:
        self._prefix = prefix
        self._sinks = [Sink(prefix + b"." + name_of(way.channel.names), self._limit) for way in self._ways]
        self._order = Order(prefix + b".order") if len(self._ways) > 1 else None

    def serve(self) -> None:
        threads = [threading.Thread(target=self._pump, args=(n,)) for n in range(len(self._ways))]
        for thread in threads:
            thread.start()
        while message := self._told():
            if message.startswith(_CUT):
                self._cut(message.removeprefix(_CUT))
            elif message == _STDERR:
                self._lend()
            else:
                with self._lock:
                    self._keeping = False
                break
        for thread in threads:
            thread.join()

    def _told(self) -> bytes:
        try:
            return self._control.recv(4096 + len(_CUT))
        except OSError:
            return b""

    def _lend(self) -> None:
        with self._lock:
            fds = [way.outer for way in self._ways if "stderr" in way.channel.names and not way.over]
            with contextlib.suppress(OSError):
                socket.send_fds(self._control, [b"."], fds)

    def _cut(self, then: bytes) -> None:
        for way in self._ways:
            way.drained.clear()
            if not way.over:
                os.write(way.wake, b".")
        for way in self._ways:
            while not way.over and not way.drained.wait(0.05):
                pass
        with self._lock:
            lacks = [sink.why.encode() for sink in self._sinks]
            self._close()
            self._begin(then)
        with contextlib.suppress(OSError):
            self._control.send(_DONE + b"\0".join(lacks))

    def _close(self) -> None:
        for sink in self._sinks:
            sink.close()
        if self._order is not None:
            self._order.close()

    # --- one way

    def _pump(self, number: int) -> None:
        way = self._ways[number]
        try:
            self._flow(number, way)
        finally:
            with self._lock:
                way.over = True
                os.close(way.outer)
            os.close(way.channel.reading)

    def _flow(self, number: int, way: _Way) -> None:
        reading, outer = way.channel.reading, way.outer
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        poll.register(way.wake_reading, select.POLLIN)
        poll.register(outer, 0)  # tells when its reader is gone
        left = -1  # bytes that may have been written before a cut was asked for
        while True:
            ready = dict(poll.poll(0 if left >= 0 else None))
            if way.wake_reading in ready:
                os.read(way.wake_reading, 1)
                left = _capacity(way.channel)
                continue
            data = b""
            if ready.get(reading):
                data = _read(reading)
                if not data:
                    return
                self._keep(number, data)
            if (ready.get(outer, 0) & ~select.POLLOUT) or (data and not _passed(outer, data)):
                return
            if left >= 0 and (left <= len(data) or not data):
                way.drained.set()
                left = -1
            elif left >= 0:
                left -= len(data)

    def _keep(self, number: int, data: bytes) -> None:
        with self._lock:
            if self._keeping:
                self._sinks[number].add(data)
                if self._order is not None:
                    self._order.add(number, len(data))


def name_of(names: Sequence[str]) -> bytes:
    """How the files of a way are called that these streams take."""
    return "+".join(names).encode()


def _read(fd: int) -> bytes:
    """What there is; nothing at the end, which is an error where the other side was a terminal."""
    try:
        return os.read(fd, _CHUNK)
    except OSError:
        return b""


def _passed(fd: int, data: bytes) -> bool:
    """Write all of it, waiting as long as that takes; False when nobody can take it any more."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:  # somebody else, who shares it, made it so
            poll = select.poll()
            poll.register(fd, select.POLLOUT)
            poll.poll()
        except OSError as problem:
            if problem.errno != errno.EINTR:
                return False
    return True
