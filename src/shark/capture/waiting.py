"""Waiting for the next stop: briefly awake, then asleep.

A tracer that sleeps in waitpid(2) pays an idle wake-up at each stop of a tracee on another CPU; most stops come within
microseconds of the last resume, so it polls for a moment first: the longer, the more often that was of use lately. With
one CPU allowed it would only take the tracee's time, so then it does not.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from typing import Final

from shark.capture.kernel import WALL

_LONGEST: Final = 64
"""How often to ask at most before sleeping: some 30 to 60 microseconds."""

_SHORTEST: Final = 2

_CHILD: Final = {signal.SIGCHLD}
_WNOHANG_WALL: Final = os.WNOHANG | WALL
_LOOK: Final = os.WEXITED | os.WSTOPPED | os.WNOHANG | os.WNOWAIT | WALL


class Waiter:
    """Gives wait statuses of the tracees of this thread, one at a time.

    SIGCHLD must be blocked in every thread (`block` does it for the caller's): it then stays pending until it is waited
    for, so no wake-up is lost. `spared`, a process id, is a zombie that must not be reaped yet: its parent learns of
    its end by the reaping. `others` tells the threads that may end while it is one.
    """

    def __init__(self) -> None:
        self.spared = 0
        self.others: Callable[[], Iterable[int]] = tuple
        self._longest = _LONGEST if len(os.sched_getaffinity(0)) > 1 else _SHORTEST
        self._polls = float(self._longest)

    @staticmethod
    def block() -> None:
        """Block SIGCHLD, so that it can be waited for."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _CHILD)

    def poll(self) -> tuple[int, int] | None:
        """(tid, status) of a thread that has stopped or ended, None when there is none just now.

        Raises ChildProcessError when no tracee is left.
        """
        if self.spared:
            return self._poll_sparing()
        waitpid = os.waitpid
        for _ in range(int(self._polls)):
            tid, status = waitpid(-1, _WNOHANG_WALL)
            if tid:
                self._polls = min(self._longest, self._polls * 1.25 + 1)
                return tid, status
        # In vain: what it took was taken from the tracees, so the next time asks less often.
        self._polls = max(_SHORTEST, self._polls * 0.75)
        return None

    def block_for_stop(self) -> tuple[int, int]:
        """Sleep until a tracee stops or ends. Raises ChildProcessError when none is left."""
        return os.waitpid(-1, WALL)

    def sleep(self, deadline: float | None) -> None:
        """Sleep until a tracee or a worker has something to tell, or the monotonic clock shows `deadline`."""
        if deadline is None:
            signal.sigwaitinfo(_CHILD)
        else:
            signal.sigtimedwait(_CHILD, max(0.0, deadline - time.monotonic()))

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
