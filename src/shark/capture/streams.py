"""Standing between the command's standard streams and where they went: a pipe for a pipe, a terminal for a terminal.

The command keeps its controlling terminal and its standard input, so ^C, ^Z and job control are what they were; only
descriptors 1 and 2 are replaced. A pseudo-terminal of its own there answers isatty(3) and the window's size, and passes
bytes as they are (no ONLCR: the true terminal does that). A stream that goes into a regular file is left alone, since
the file is an output of the run and keeps all that was written: it is read when the run has ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import termios

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

NAMES: Final = ("stdout", "stderr")
_LEAST: Final = 10  # the numbers below are what the command may expect to be free
_NEWLINES: Final = termios.ONLCR | termios.OCRNL | termios.ONOCR | termios.ONLRET | termios.TABDLY


class Channel(NamedTuple):
    """A way that stdout, stderr or both take: the command writes to `inner`, `reading` is its other end, `outer` where
    it went before. `terminal`: these are a pseudo-terminal's.
    """

    names: tuple[str, ...]
    inner: int
    reading: int
    outer: int
    terminal: bool


class Followed(NamedTuple):
    """A stream that goes into a regular file: readable as `fd`, from byte `start`; -1 if it cannot be (`why`)."""

    names: tuple[str, ...]
    fd: int
    start: int
    why: str


class Streams(NamedTuple):
    """The command's streams, prepared."""

    channels: tuple[Channel, ...]
    followed: tuple[Followed, ...]

    def put_on(self) -> None:
        """In the process that becomes the command: its streams are the inner ones from here on."""
        for channel in self.channels:
            for name in channel.names:
                os.dup2(channel.inner, NAMES.index(name) + 1)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the supervisor keeps of them until the tee has started."""
        ways = [fd for channel in self.channels for fd in (channel.reading, channel.outer)]
        return (*ways, *(each.fd for each in self.followed if each.fd >= 0))

    def resize(self) -> None:
        """Give the pseudo-terminals the size that the true ones have now."""
        for channel in self.channels:
            if channel.terminal:
                with contextlib.suppress(OSError):
                    termios.tcsetwinsize(channel.reading, termios.tcgetwinsize(channel.outer))

    def only_terminals(self) -> Streams:
        """Close what only the tee needs; gives what is left."""
        for channel in self.channels:
            if not channel.terminal:
                os.close(channel.reading)
                os.close(channel.outer)
        return self._replace(channels=tuple(channel for channel in self.channels if channel.terminal))

    def close(self) -> None:
        """Let go of what `descriptors` names."""
        for fd in self.descriptors:
            os.close(fd)


def prepare() -> Streams:
    """Make the ways for this process's standard streams; those that are closed, or not for writing, have none.

    Streams that go to the same place share one way, in which the order of what is written is kept.
    """
    channels: list[Channel] = []
    followed: list[Followed] = []
    for names in _together():
        fd = NAMES.index(names[0]) + 1
        about = os.fstat(fd)
        if stat.S_ISREG(about.st_mode):
            followed.append(_follow(names, fd, about.st_size))
        else:
            try:
                channels.append(_channel(names, fd))
            except OSError as problem:
                followed.append(Followed(names, -1, 0, f"nothing could be put in between: {problem.strerror}"))
    return Streams(tuple(channels), tuple(followed))


def _together() -> list[tuple[str, ...]]:
    usable = [name for number, name in enumerate(NAMES, 1) if _is_written(number)]
    if len(usable) == 2 and _place(1) == _place(2):
        return [NAMES]
    return [(name,) for name in usable]


def _is_written(fd: int) -> bool:
    """Whether a stream is one of the command's: shark itself fills a closed one until the exec."""
    try:
        closing = fcntl.fcntl(fd, fcntl.F_GETFD) & fcntl.FD_CLOEXEC
        return not closing and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY
    except OSError:
        return False


def _place(fd: int) -> tuple[int, int]:
    about = os.fstat(fd)
    return about.st_dev, about.st_ino


def _follow(names: tuple[str, ...], fd: int, size: int) -> Followed:
    appends = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND
    start = size if appends else os.lseek(fd, 0, os.SEEK_CUR)
    try:
        return Followed(names, _high(os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)), start, "")
    except OSError as problem:
        return Followed(names, -1, start, f"the file that it went to cannot be read: {problem.strerror}")


def _channel(names: tuple[str, ...], fd: int) -> Channel:
    terminal = os.isatty(fd)
    reading, inner = map(_high, os.openpty() if terminal else os.pipe())
    if terminal:
        _dress(inner, fd)
    elif fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK:
        os.set_blocking(inner, False)
    return Channel(names, inner, reading, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LEAST), terminal)


def _dress(inner: int, outer: int) -> None:
    """Make a pseudo-terminal look like the true one, except that it changes nothing of what is written."""
    modes = termios.tcgetattr(outer)
    modes[1] &= ~_NEWLINES
    termios.tcsetattr(inner, termios.TCSANOW, modes)
    termios.tcsetwinsize(inner, termios.tcgetwinsize(outer))


def _high(fd: int) -> int:
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _LEAST)
    os.close(fd)
    return high
