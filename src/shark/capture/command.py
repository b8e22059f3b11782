"""The command itself: its parent waits for it, so its end is held back until all has been written down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from shark.capture import kernel
from shark.capture.tasks import Process, Task
from shark.events import ProcessEnded
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor


class Command:
    """A run's first process. `on_exit` is called at its exit stop; `lets_through` decides which signals reach it."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._tasks = supervisor.tree.tasks
        self._waiter = supervisor.waiter
        self.process: Process | None = None
        self.ending: float | None = None  # monotonic time at which it ended
        self.on_exit: Callable[[], None] = lambda: None
        self.lets_through: Callable[[int, int, int, int], bool] | None = None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def started(self) -> bool:
        """True once its own exec has succeeded."""
        return self.process is not None and self.process.started

    def wants(self, task: Task) -> bool:
        """Whether the signal that a thread of the run is stopped with may reach it."""
        if self.lets_through is None or task.process is not self.process:
            return True
        try:
            return self.lets_through(*kernel.signal_origin(task.tid))
        except kernel.Failed:
            return True

    def ends(self) -> None:
        """The last of its threads is about to end, or has ended: it must not be reaped from here on."""
        self.ending = time.monotonic()
        self._waiter.spared = self.pid
        self.on_exit()

    def status(self) -> tuple[int, int]:
        """(exit, signal) of the command, which is a zombie now; the one that does not apply is -1."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT | kernel.WALL)
        if found is None:
            return -1, -1
        return (found.si_status, -1) if found.si_code == os.CLD_EXITED else (-1, found.si_status)

    def note_ended(self) -> None:
        """Tell of its end, though it is not reaped yet."""
        root = self.process
        if root is None or root.pid not in self._tasks:
            return
        code, number = self.status()
        for tid in (root.pid, *root.tids):
            self._tasks.pop(tid, None)
        now = self._s.tick()
        self._s.emit(ProcessEnded(now, now, root.number, time.time_ns(), code, number, root.usage))

    def release(self) -> None:
        """Let its parent see its end."""
        self._waiter.reap_spared()
