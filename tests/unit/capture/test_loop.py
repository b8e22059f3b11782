"""How long the loop goes on, with a waiter that plays the kernel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from shark.capture import loop
from shark.capture.loop import Loop
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.capture.tasks import Process, Task


class Clock:
    """A monotonic clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


class Quiet:
    """A waiter to which nobody tells anything, while the command is a zombie already."""

    requests: frozenset[int] = frozenset()

    def __init__(self, clock: Clock, oversleeps: float = 0.0) -> None:
        self._clock = clock
        self._oversleeps = oversleeps
        self.slept = 0

    def asked(self) -> bool:
        """No."""
        return False

    def poll(self) -> tuple[int, int] | None:
        """Nothing."""
        return None

    def spared_ended(self) -> bool:
        """Yes."""
        return True

    def sleep(self, deadline: float | None) -> bool:
        """Until then, or longer if the machine stands still."""
        assert deadline is not None
        self.slept += 1
        self._clock.now = deadline + self._oversleeps
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """The loop's."""
    clock = Clock()
    monkeypatch.setattr(loop, "time", clock)
    return clock


def lingering(waiter: Any, clock: Clock, seconds: float, *pids: int) -> Loop:
    """A loop whose command 10 has just ended, and that has descendants `pids`."""
    supervisor = Supervisor([], Options(linger=seconds), lambda fd: Hashed("", ""))
    supervisor.waiter = waiter
    root = Process(1, 10)
    supervisor.command.process = root
    supervisor.command.ending = clock.now
    for number, pid in enumerate((10, *pids), 1):
        supervisor.tree.tasks[pid] = Task(pid, root if pid == 10 else Process(number, pid, root))
    return Loop(supervisor, seconds)


def test_nobody_is_waited_for_without_descendants(clock: Clock) -> None:
    waiter = Quiet(clock)
    lingering(waiter, clock, 5.0).run()
    assert waiter.slept == 0


def test_descendants_have_their_time(clock: Clock) -> None:
    begin = clock.now
    lingering(Quiet(clock), clock, 5.0, 20, 30).run()
    assert clock.now - begin == pytest.approx(5.0, abs=0.21)


def test_a_machine_that_stood_still_is_no_time_for_them(clock: Clock) -> None:
    """Each look counts for what the loop had meant to sleep, however long it was."""
    waiter = Quiet(clock, oversleeps=60.0)
    lingering(waiter, clock, 5.0, 20).run()
    assert 25 <= waiter.slept <= 26


def test_it_leaves_whoever_is_alive(clock: Clock) -> None:
    """A block's process goes on when the tracer that was called for it has nothing more to do."""
    waiter = Quiet(clock)
    it = lingering(waiter, clock, 5.0, 20)
    it.leaving = True
    it.run()
    assert waiter.slept == 0
