"""Workers where no thread can be started: the user's limit of processes is reached."""

from __future__ import annotations

import signal
import threading

import pytest

from shark.capture.waiting import Waiter
from shark.capture.workers import Workers


def test_work_is_done_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a thread the loop does it itself; a process would be held for ever otherwise."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    Waiter.block()
    try:
        workers = Workers()
        done: list[int] = []
        workers.submit(lambda: 7, done.append, lambda problem: done.append(-1))
        workers.run_done()
        assert done == [7]
        assert workers.outstanding == 0
        signal.sigtimedwait({signal.SIGCHLD}, 0)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
