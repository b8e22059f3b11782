"""The loop: waits for stops and has them handled, one after the other, until there is nothing more to wait for."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from shark.capture.servers import idles
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

_LINGER_SLICE: Final = 0.2  # seconds
_REST, _LONGEST_REST = 0.005, 0.32
"""Seconds between two readings of what hot processes write down while nobody stops: the longer, the less there is."""
_FEW: Final = 16
"""So many records are not worth to look for more soon."""


class Loop:
    """Drives one supervisor. `linger`: seconds that the command's descendants are waited for after its end."""

    def __init__(self, supervisor: Supervisor, linger: float) -> None:
        self._s = supervisor
        self._handle = supervisor.handle
        self._tasks = supervisor.tree.tasks
        self._command = supervisor.command
        self._waiter = supervisor.waiter
        self._workers = supervisor.workers
        self._lingered = 0.0  # seconds since the command's end
        self._looked = 0.0  # when that was last counted
        self._pause = _REST  # seconds until what hot processes write down is read, while nobody stops
        self.linger = linger
        self.leaving = False  # it shall end, whoever is alive
        self.on_request: Callable[[], None] = lambda: None  # when one of the waiter's `requests` has come

    def run(self) -> None:
        """Trace until the command has ended and its descendants have too, or have used up their linger time."""
        command = self._command
        while not self.leaving:
            if command.ending is None:
                deadline = None
            elif self._finished():
                return
            else:
                deadline = time.monotonic() + _LINGER_SLICE
            if not self._step(deadline):
                return

    def run_on(self) -> None:
        """Trace what is left until it ends."""
        while self._tasks and self._step(None):
            pass

    def serve_while(self, work: Callable[[], None]) -> None:
        """Do `work`; if processes of the run are alive, in a thread, so that they are served meanwhile."""
        if not self._tasks:
            work()
            return
        loop = threading.get_ident()

        def then_wake() -> None:
            work()
            signal.pthread_kill(loop, signal.SIGCHLD)

        thread = threading.Thread(target=then_wake, name="shark-finish")
        try:
            thread.start()
        except RuntimeError:  # the user's limit of processes is reached: better late than never
            work()
            return
        while thread.is_alive():
            if not self._step(time.monotonic() + 0.1):
                break
        thread.join()

    def wind_down(self, seconds: float) -> None:
        """Have no further calls stop, until all is quiet and put back, or `seconds` have gone by.

        A thread that the tracer's end frees from the stop at a call's entry is woken by it: some calls would end at
        once with EINTR. One that is in the call already sleeps on.
        """
        self._s.let_calls_pass()
        tree = self._s.tree
        deadline, quiet = time.monotonic() + seconds, 0
        while (quiet < 2 or not tree.settled) and time.monotonic() < deadline:
            try:
                found = self._waiter.poll()
            except ChildProcessError:
                return
            if found is not None:
                self._handle(*found)
                quiet = 0
                continue
            self._workers.run_done()
            self._waiter.sleep_for_stop(time.monotonic() + 0.01)
            quiet += 1

    def _finished(self) -> bool:
        """Whether the command is a zombie, and its descendants have ended too, only idle there or have had their time.

        A while in which the loop did not get to look (the machine stood still) was no time for them either.
        """
        now = time.monotonic()
        self._lingered += min(now - (self._looked or now), _LINGER_SLICE)
        self._looked = now
        if not self._waiter.spared_ended():
            return False
        others = (task.process for task in self._tasks.values() if task.process is not self._command.process)
        return all(idles(process.image) for process in others) or self._lingered >= self.linger

    def _step(self, deadline: float | None) -> bool:
        """Have one stop handled, or sleep; False when no tracee is left."""
        waiter, workers = self._waiter, self._workers
        if waiter.asked():
            self.on_request()
            return True  # it may have been the end that was asked for
        try:
            found = waiter.poll()
            if found is None and self._s.tiering is not None and self._s.tiering.prepare():
                return True
            if found is None and not (workers.outstanding or waiter.requests) and deadline is None:
                self._rest()
                found = waiter.block_for_stop()
        except ChildProcessError:
            return False
        if found is not None:
            self._pause = _REST
            self._handle(*found)
        if workers.outstanding:
            workers.run_done()
        if found is None:
            if self._sleep(deadline):
                self.on_request()
            workers.run_done()
        return True

    def _sleep(self, deadline: float | None) -> bool:
        """As the waiter does, but no longer than until the ring is to be read again; not where a worker is at work, who
        may wait for a process that stands still.
        """
        if self._workers.outstanding or not self._s.reads_meanwhile():
            return self._waiter.sleep(deadline)
        soon = time.monotonic() + self._pause
        asked = self._waiter.sleep(soon if deadline is None else min(soon, deadline))
        self._read()
        return asked

    def _rest(self) -> None:
        """While no tracee has stopped or ended, tell of what the hot ones write down: else they, or who waits for the
        command, would wait for that later.
        """
        while self._s.reads_meanwhile() and not self._waiter.rest(self._pause):
            self._read()

    def _read(self) -> None:
        """Tell of what hot processes have written down; where that was little, it may be longer until the next time."""
        self._pause = _REST if self._s.drain() > _FEW else min(2 * self._pause, _LONGEST_REST)
