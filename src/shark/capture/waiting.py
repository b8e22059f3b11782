"""Waiting for the next stop: briefly awake, then asleep.

A tracer that sleeps in waitpid(2) pays an idle wake-up at each stop of a tracee on another CPU; most stops come within
microseconds of the last resume, those around a fork or an exec within some hundred, so it polls for a moment first: the
longer, the more often that was of use lately. With one CPU it would only take the tracee's time, so then it does not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable

from shark.capture.kernel import WALL
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_LONGEST: Final = 400
"""How often to ask at most before sleeping: some 500 microseconds, within which a fork, an exec or an end are over."""

_SHORTEST: Final = 2

_CHILD: Final = {signal.SIGCHLD}
_WNOHANG_WALL: Final = os.WNOHANG | WALL
_STOPPED: Final = os.WSTOPPED | os.WNOHANG | WALL
_ENDED: Final = os.WEXITED | os.WNOHANG | os.WNOWAIT | WALL
_EITHER: Final = os.WEXITED | os.WSTOPPED | os.WNOWAIT | WALL
_LOOK: Final = _EITHER | os.WNOHANG
_TURNS: Final = 2
"""Every how many polls one looks first whether a thread has ended. Each has two stops at least before it ends: looked
for more seldom, those that have ended would become more and more while others go on, and slow every look down."""


class Waiter:
    """Gives wait statuses of the tracees of this thread, one at a time.

    SIGCHLD must be blocked in every thread (`block` does it for the caller's, and all that it starts): it then stays
    pending until it is waited for, so no wake-up is lost. `root`, a process id, is never reaped by a poll: its parent
    learns of its end by the reaping. `spared` is that process, once it is, or is about to be, a zombie: then its end is
    told no more. `others` tells the threads that may end while it is one. `requests` are further signals, blocked too,
    by which somebody asks for something.
    """

    def __init__(self) -> None:
        self.root = 0
        self.spared = 0
        self.others: Callable[[], Iterable[int]] = tuple
        self.requests: frozenset[int] = frozenset()
        self._turns = 0
        self._stops = 0
        self._longest = _LONGEST if len(os.sched_getaffinity(0)) > 1 else _SHORTEST
        self._polls = float(self._longest)

    @staticmethod
    def block() -> None:
        """Block SIGCHLD, so that it can be waited for, and SIGIO, which may become one of `requests`."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD | {signal.SIGIO})

    def poll(self) -> tuple[int, int] | None:
        """(tid, status) of a thread that has stopped or ended, None when there is none just now.

        Raises ChildProcessError when no tracee is left.
        """
        if self.spared:
            return self._poll_sparing()
        self._stops += 1
        found = self._ended() if self._stops % _TURNS == 0 else None
        if found is not None:
            return found
        for _ in range(int(self._polls)):
            found = self._stop() or self._ended()
            if found is not None:
                self._polls = min(self._longest, self._polls * 1.25 + 1)
                return found
        # In vain: what it took was taken from the tracees, so the next time asks less often.
        self._polls = max(_SHORTEST, self._polls * 0.75)
        return None

    @staticmethod
    def _stop() -> tuple[int, int] | None:
        try:
            found = os.waitid(os.P_ALL, 0, _STOPPED)
        except ChildProcessError:  # only zombies are left, and those are not asked for here
            return None
        return None if found is None else (found.si_pid, found.si_status << 8 | 0x7F)

    def _ended(self) -> tuple[int, int] | None:
        # A look first: the command must not be reaped, and its end may come unannounced (see Lives.at_end).
        found = os.waitid(os.P_ALL, 0, _ENDED)
        return None if found is None else self._take(found)

    def _take(self, found: os.waitid_result) -> tuple[int, int] | None:
        if found.si_pid != self.root or found.si_code == os.CLD_TRAPPED:
            try:
                tid, status = os.waitpid(found.si_pid, _WNOHANG_WALL)
            except ChildProcessError:  # its id was taken by a thread that had an exec
                return None
            return (tid, status) if tid else None  # or it was killed in its stop
        self.spared = self.root
        return found.si_pid, found.si_status << 8 if found.si_code == os.CLD_EXITED else found.si_status

    def block_for_stop(self) -> tuple[int, int]:
        """Sleep until a tracee stops or ends. Raises ChildProcessError when none is left."""
        while True:
            found = os.waitid(os.P_ALL, 0, _EITHER)
            assert found is not None
            if taken := self._take(found):
                return taken

    @staticmethod
    def rest(seconds: float) -> bool:
        """Sleep until a tracee has stopped or ended, `seconds` at most; whether one has. Raises ChildProcessError."""
        signal.sigtimedwait(_CHILD, 0)  # what came of stops that are dealt with
        if os.waitid(os.P_ALL, 0, _LOOK) is not None:
            return True
        signal.sigtimedwait(_CHILD, seconds)
        return os.waitid(os.P_ALL, 0, _LOOK) is not None  # it may have come from somebody else

    def sleep(self, deadline: float | None) -> bool:
        """Sleep until a tracee or a worker has something to tell, or the monotonic clock shows `deadline`.

        True if it was one of `requests` that ended the sleep.
        """
        wanted = _CHILD | self.requests
        if deadline is None:
            return signal.sigwaitinfo(wanted).si_signo in self.requests
        found = signal.sigtimedwait(wanted, max(0.0, deadline - time.monotonic()))
        return found is not None and found.si_signo in self.requests

    @staticmethod
    def sleep_for_stop(deadline: float) -> None:
        """Like `sleep`, and nothing else wakes it."""
        signal.sigtimedwait(_CHILD, max(0.0, deadline - time.monotonic()))

    def asked(self) -> bool:
        """True if one of `requests` has come while nobody slept; it looks at every 16th call: that takes a moment."""
        if not self.requests:
            return False
        self._turns = (self._turns + 1) % 16
        return self._turns == 0 and signal.sigtimedwait(self.requests, 0) is not None

    def _poll_sparing(self) -> tuple[int, int] | None:
        # The kernel shows one tracee at a time, and that may be the spared one for ever: mostly it is the oldest, which
        # is shown last, but not after an exec by one of its threads. Stops are asked for apart, since it has none.
        found = self._stopped() or os.waitid(os.P_ALL, 0, _LOOK)
        if found is None or found.si_pid == 0:
            return None
        candidates = [found.si_pid] if found.si_pid != self.spared else self.others()
        for candidate in candidates:
            if candidate != self.spared:
                with contextlib.suppress(ChildProcessError):
                    tid, status = os.waitpid(candidate, _WNOHANG_WALL)
                    if tid:
                        return tid, status
        return None

    @staticmethod
    def _stopped() -> os.waitid_result | None:
        try:
            return os.waitid(os.P_ALL, 0, _LOOK & ~os.WEXITED)
        except ChildProcessError:  # only zombies are left, and those are not asked for here
            return None

    def spared_ended(self) -> bool:
        """True when the spared process is a zombie: all its threads are gone."""
        try:
            return os.waitid(os.P_PID, self.spared, os.WEXITED | os.WNOHANG | os.WNOWAIT | WALL) is not None
        except ChildProcessError:
            return True

    def reap_spared(self) -> int:
        """Reap the spared process, so that its parent sees its end; returns its wait status (-1 if it is gone)."""
        pid, self.spared = self.spared, 0
        if not pid:
            return -1  # a pid of 0 would wait for just any process
        try:
            return os.waitpid(pid, WALL)[1]
        except ChildProcessError:
            return -1


def wait_for(tid: int, deadline: float = float("inf")) -> int:
    """The next stop of one thread; 0 if it has ended (which stays to be told), or the clock shows `deadline`."""
    turns = 0
    while True:
        turns += 1
        block = turns > _LONGEST and deadline == float("inf")
        try:
            seen = os.waitid(os.P_PID, tid, _EITHER if block else _LOOK)
            if seen is not None and seen.si_code not in (os.CLD_TRAPPED, os.CLD_STOPPED):
                return 0
            stop = os.waitid(os.P_PID, tid, _STOPPED) if seen is not None else None
        except ChildProcessError:
            return 0
        if stop is not None:
            return stop.si_status << 8 | 0x7F
        if seen is None and time.monotonic() >= deadline:
            return 0
