"""Threads that are waited for one by one, beside the loop: all of a process must stand still while its code changes."""

from __future__ import annotations

import contextlib
import time

from shark.capture import interrupting, kernel
from shark.capture.tasks import Task
from shark.capture.waiting import wait_for
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

_STOPPED: Final = 0x7F
"""The lower half of the wait status of a thread that stands still."""

_PATIENCE: Final = 0.001
"""Seconds in which all threads of a process must stop when its code is to be changed."""

_LONG: Final = 0.02
"""The same where it is a matter of life and death: who is on a processor stops within microseconds."""


class Siblings:
    """Stops them, and lets them go on. What they had to tell by themselves meanwhile is dealt with afterwards."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._deferred: list[tuple[int, int]] = []

    def stopped(self, task: Task) -> bool:
        """Stop all other threads of a process for a moment, and see whether they have: `go` lets them go on.

        None is stopped if one of them waits in a call that would not go on as if nothing had been.
        """
        others = self._others(task)
        if not interrupting.is_harmless(task.process.pid, others):
            return False
        deadline = time.monotonic() + _PATIENCE
        for tid in others:
            if interrupting.harm(task.process.pid, tid) > interrupting.UNKNOWN:
                return False  # it has just begun to wait
            try:
                kernel.request(kernel.PTRACE_INTERRUPT, tid)
            except kernel.Failed:
                return False  # it is ending, and will tell
            self._s.lives.interrupted.add(tid)  # sooner or later it stops for that, and goes on
            status = wait_for(tid, deadline)
            if not status:
                return False
            self._deferred.append((tid, status))
        return True

    def driven_from(self, task: Task, page: int) -> None:
        """Interrupt all other threads of a process that may be on a page of code, and wait for those that run.

        Whatever that does to their calls; who sleeps in a call that was made elsewhere is left alone. None of those on
        the page executes a further instruction before it has stopped: who sleeps where nothing wakes it stops when it
        is done there (lives.at_start sees to that).
        """
        pid = task.process.pid
        found = [tid for tid in self._others(task) if interrupting.place(pid, tid) in (-1, page)]
        for tid in found:
            with contextlib.suppress(kernel.Failed):  # one that is ending
                kernel.request(kernel.PTRACE_INTERRUPT, tid)
                self._s.lives.interrupted.add(tid)
        deadline = time.monotonic() + _LONG
        for tid in found:
            status = self._awaited(pid, tid, deadline)
            if status:
                self._deferred.append((tid, status))

    @staticmethod
    def _awaited(pid: int, tid: int, deadline: float) -> int:
        """The next stop of a thread, 0 where it takes too long."""
        while not (status := wait_for(tid, 0.0)):
            if time.monotonic() >= deadline or interrupting.is_deaf(pid, tid):
                break
        return status

    def _others(self, task: Task) -> list[int]:
        """The threads of its process but for itself and those that stand still already."""
        tasks = self._s.tree.tasks
        siblings = [tasks[tid] for tid in task.process.tids if tid != task.tid and tid in tasks]
        return [other.tid for other in siblings if not other.held]

    def standing(self) -> list[Task]:
        """Those of them that are alive and stand still."""
        tasks = self._s.tree.tasks
        return [tasks[tid] for tid, status in self._deferred if tid in tasks and status & 0xFF == _STOPPED]

    def go(self) -> None:
        """Deal with what has been deferred; threads that were stopped go on."""
        while self._deferred:
            self._s.handle(*self._deferred.pop(0))

    def went(self, task: Task, status: int) -> None:
        """A thread has told something else than was expected of it: deal with that."""
        task.held = True  # nobody else lets it go on
        if status:
            self._s.handle(task.tid, status)
