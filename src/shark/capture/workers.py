"""Slow work for processes that are held: done by threads, handed back to the loop, which alone may resume a tracee."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    import queue
    from typing import Any


class Workers:
    """A few threads, started when first needed. Results come back in `done`, each with a SIGCHLD to the loop."""

    def __init__(self) -> None:
        self.outstanding = 0
        self._loop = threading.get_ident()
        self._jobs: queue.SimpleQueue[Callable[[], None]] | None = None
        self._done: deque[Callable[[], None]] = deque()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], Any], then: Callable[[Any], None], failed: Callable[[Exception], None]) -> None:
        """Run `work` in a thread; `then` gets its result, or `failed` its exception, in the loop's thread, when that
        calls `run_done`.
        """

        def job() -> None:
            try:
                result = work()
            except Exception as problem:  # noqa: BLE001  handed on to the loop
                fault = problem
                self._done.append(lambda: failed(fault))
            else:
                self._done.append(lambda: then(result))
            signal.pthread_kill(self._loop, signal.SIGCHLD)

        if self._jobs is None:
            import queue  # with what it brings, 1 ms, and few runs have work for it

            self._jobs = queue.SimpleQueue()
        jobs = self._jobs
        self.outstanding += 1
        # Never fewer than jobs: one may wait for what a process does that waits for another (see supervisor.py).
        if len(self._threads) < self.outstanding:
            thread = threading.Thread(target=_serve, args=(jobs,), name="shark-preimage", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the user's limit of processes is reached, perhaps by the command itself
                if not self._threads:
                    job()
                    return
            else:
                self._threads.append(thread)
        jobs.put(job)

    def run_done(self) -> None:
        """Finish all jobs whose results have come."""
        while self._done:
            finish = self._done.popleft()
            self.outstanding -= 1
            finish()


def _serve(jobs: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        jobs.get()()
