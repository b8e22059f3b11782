"""Threads that are waited for one by one, beside the loop: all of a process must stand still while its code changes."""

from __future__ import annotations

import time

from shark.capture import kernel
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


class Siblings:
    """Stops them, and lets them go on. What they had to tell by themselves meanwhile is dealt with afterwards."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._deferred: list[tuple[int, int]] = []

    def stopped(self, task: Task, patience: float = _PATIENCE) -> bool:
        """Stop all other threads of a process for a moment, and see whether they have: `go` lets them go on."""
        tasks = self._s.tree.tasks
        siblings = [tasks[tid] for tid in task.process.tids if tid != task.tid and tid in tasks]
        others = [other.tid for other in siblings if not other.held]  # those stand still already
        deadline = time.monotonic() + patience
        for tid in others:
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
