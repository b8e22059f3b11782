"""Slow work for processes that are held: done by threads, handed back to the loop, which alone may resume a tracee."""

from __future__ import annotations

import queue
import signal
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

_THREADS = 2


class Workers:
    """A few threads, started when first needed. Results come back in `done`, each with a SIGCHLD to the loop."""

    def __init__(self) -> None:
        self.outstanding = 0
        self._loop = threading.get_ident()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._done: deque[Callable[[], None]] = deque()
        self._threads: list[threading.Thread] = []

    def submit(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Run `work` in a thread, then `then` with its result in the loop's thread, when that calls `run_done`.

        An exception of `work` is a fault of shark and is raised again by `run_done`.
        """

        def job() -> None:
            try:
                result = work()
            except BaseException as problem:  # noqa: BLE001  raised again in the loop
                fault = problem
                self._done.append(lambda: _raise(fault))
            else:
                self._done.append(lambda: then(result))
            signal.pthread_kill(self._loop, signal.SIGCHLD)

        self.outstanding += 1
        if len(self._threads) < min(_THREADS, self.outstanding):
            thread = threading.Thread(target=self._serve, name="shark-preimage", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._jobs.put(job)

    def run_done(self) -> None:
        """Finish all jobs whose results have come."""
        while self._done:
            finish = self._done.popleft()
            self.outstanding -= 1
            finish()

    def _serve(self) -> None:
        while True:
            self._jobs.get()()


def _raise(problem: BaseException) -> None:
    raise problem
