"""What the supervisor of a run says to the user: warnings, and on a terminal one line at the end.

Standard error that is a pipe or a socket is not kept once the command runs, since that would delay its reader's end of
file; a terminal, a file or a device is. For warnings it is borrowed from the command once that is about to end, if it
still is the one that shark was started with. Many commands have closed it by then (all of GNU's that end by
close_stdout); then it is borrowed, for as long as a line takes, from whoever else of the run has it, or waits for it.
"""

from __future__ import annotations

import os
import select
import stat

from shark.borrowing import from_process
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Final

_PATIENCE: Final = 100
"""Milliseconds that whoever reads a full pipe has to make room, where the command may be waiting for us."""


class Voice:
    """Speaks to standard error, when there is one to speak to; what cannot be said is not kept.

    `holders` gives the processes that may have it, where the voice has none of its own.
    """

    def __init__(
        self, fd: int | None, identity: tuple[int, int], *, quiet: bool, verbose: bool, lasting: bool = True
    ) -> None:
        self.holders: Callable[[], Iterable[int]] = tuple
        self._fd = fd
        self._lasting = lasting
        self._identity = identity
        self._quiet = quiet
        self._verbose = verbose
        self._terminal = fd is not None and os.isatty(fd)
        self._waiting: list[str] = []

    @classmethod
    def take(cls, quiet: bool, verbose: bool) -> Voice:
        """Keep a duplicate of this process's standard error: until the command starts; for long if nobody waits for its
        end, or `verbose` asks for talk.
        """
        try:
            about = os.fstat(2)
        except OSError:
            return cls(None, (0, 0), quiet=quiet, verbose=verbose)
        read_to_end = stat.S_ISFIFO(about.st_mode) or stat.S_ISSOCK(about.st_mode)
        fd = os.dup(2) if verbose or not quiet else None
        identity = about.st_dev, about.st_ino
        return cls(fd, identity, quiet=quiet, verbose=verbose, lasting=verbose or not read_to_end)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open for it."""
        return () if self._fd is None else (self._fd,)

    def begin(self) -> None:
        """The command starts, and has standard error itself: from now on, a reader waits for the end of that."""
        if not self._lasting:
            self._let_go()

    def borrow(self, pid: int, *, for_long: bool) -> None:
        """Take standard error of a process that is about to end, if it is still the one that shark was started with.

        Not `for_long`: only to say what is waiting to be said, since others go on and a reader waits for the end.
        """
        if self._fd is not None or not (for_long or self._waiting):
            return
        fd = from_process(pid, self._identity)
        if fd is not None:
            self.lend(fd, for_long=for_long)

    def lend(self, fd: int, *, for_long: bool) -> None:
        """Speak to `fd`, which is closed afterwards; not if there is something to speak to already, or it is another
        stream than the one that shark was started with.
        """
        about = os.fstat(fd)
        if self._fd is not None or (about.st_dev, about.st_ino) != self._identity:
            os.close(fd)
            return
        self._fd = fd
        waiting, self._waiting = self._waiting, []
        for line in waiting:
            self._say(line)
        if not for_long:
            self._let_go()

    def warn(self, message: str) -> None:
        """Say what went wrong, unless it shall be quiet; at once, or when there is something to say it to."""
        if not self._quiet:
            shown = message.replace("\n", "\\n")  # of a name, perhaps, which shall not make a line of its own
            self._say(f"shark: warning: {shown}")

    def fault(self, what: str, details: str) -> None:
        """Say that shark itself is at fault, with what its developers need to know under `-v`."""
        self.warn(f"a fault of shark itself: {what}")
        if self._verbose:
            self._say(details)

    def fault_of(self, problem: BaseException) -> None:
        """Say so of an exception."""
        import traceback

        self.fault(f"{type(problem).__name__}: {problem}", "".join(traceback.format_exception(problem)).rstrip())

    def summary(self, line: str) -> None:
        """One short line about the run, on a terminal or when talk is asked for."""
        if line and not self._quiet and (self._terminal or self._verbose):
            self._say(line)

    def explain(self, line: str) -> None:
        """Something for who wants to know more (`-v`)."""
        if self._verbose and not self._quiet:
            self._say(line)

    def close(self) -> None:
        """Let go of standard error, for good: whoever reads the other end of it sees its end."""
        self.holders = tuple
        self._let_go()

    def _let_go(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _say(self, line: str) -> None:
        if self._fd is not None:
            self._write(self._fd, line)
            return
        self._waiting.append(line)
        fd = self._found()
        if fd is not None:
            self.lend(fd, for_long=False)

    def _found(self) -> int | None:
        """Standard error of any of the holders, if it can take a line now."""
        for pid in self.holders():
            fd = from_process(pid, self._identity)
            if fd is not None:
                if _has_room(fd):
                    return fd
                os.close(fd)
                return None
        return None

    def _write(self, fd: int, line: str) -> None:
        text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in line)
        try:
            os.write(fd, text.encode("utf-8", "replace") + b"\n")
        except OSError:
            self._let_go()  # its reader is gone, or a full disk: there is nobody to tell


def _has_room(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(_PATIENCE))
