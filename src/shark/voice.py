"""What the supervisor of a run says to the user: warnings, and on a terminal one line at the end.

The supervisor keeps no inherited descriptor but a terminal's standard error: a pipe's would delay the reader's end of
file. For warnings it borrows the command's own, once that is about to end, if it still is the one that shark was
started with.
"""

from __future__ import annotations

import os

from shark.capture import kernel


class Voice:
    """Speaks to standard error, when there is one to speak to; what cannot be said is not kept."""

    def __init__(self, fd: int | None, identity: tuple[int, int], *, quiet: bool, verbose: bool) -> None:
        self._fd = fd
        self._identity = identity
        self._quiet = quiet
        self._verbose = verbose
        self._terminal = fd is not None and os.isatty(fd)
        self._waiting: list[str] = []

    @classmethod
    def take(cls, quiet: bool, verbose: bool) -> Voice:
        """Keep a duplicate of this process's standard error if that is a terminal, or `verbose` asks for talk."""
        try:
            about = os.fstat(2)
        except OSError:
            return cls(None, (0, 0), quiet=quiet, verbose=verbose)
        keep = verbose or (os.isatty(2) and not quiet)
        return cls(os.dup(2) if keep else None, (about.st_dev, about.st_ino), quiet=quiet, verbose=verbose)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open for it."""
        return () if self._fd is None else (self._fd,)

    def borrow(self, pid: int, *, for_long: bool) -> None:
        """Take standard error of a process that is about to end, if it is still the one that shark was started with.

        Not `for_long`: only to say what is waiting to be said, since others go on and a reader waits for the end.
        """
        if self._fd is not None or not (for_long or self._waiting):
            return
        fd = kernel.take_descriptor(pid, 2)
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
        for line in self._waiting:
            self._say(line)
        self._waiting.clear()
        if not for_long:
            self.close()

    def warn(self, message: str) -> None:
        """Say what went wrong, unless it shall be quiet; at once, or when there is something to say it to."""
        if not self._quiet:
            self._say(f"shark: warning: {message}")

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
        """Let go of standard error: whoever reads the other end of it sees its end."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _say(self, line: str) -> None:
        if self._fd is None:
            self._waiting.append(line)
            return
        text = "".join(c if c.isprintable() or c in "\n\t" else "?" for c in line)
        try:
            os.write(self._fd, text.encode("utf-8", "replace") + b"\n")
        except OSError:
            self.close()  # its reader is gone, or a full disk: there is nobody to tell
