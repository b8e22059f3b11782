"""How long the loop goes on, with a waiter that plays the kernel."""

from __future__ import annotations

import signal
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


def test_servers_that_idle_are_not_waited_for(clock: Clock) -> None:
    """As long as nobody else is there; and a program that is hidden, or is only called much the same, is no such."""
    waiter = Quiet(clock)
    it = lingering(waiter, clock, 5.0, 20, 30)
    tasks = it._tasks
    tasks[20].process.image, tasks[30].process.image = b"/usr/bin/gpg-agent", b"/usr/libexec/dconf-service"
    it.run()
    assert waiter.slept == 0
    for other in (b"", b"/usr/bin/sort", b"/usr/bin/gpg-agent-x", b"/w/gpg-agent/x"):
        begin = clock.now
        it = lingering(waiter, clock, 5.0, 20, 30)
        it._tasks[20].process.image, it._tasks[30].process.image = b"/usr/bin/gpg-agent", other
        it.run()
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


class Resting:
    """A waiter to which a stop comes after `turns` sleeps; it keeps how long these were to be."""

    def __init__(self, turns: int) -> None:
        self._turns = turns
        self.pauses: list[float] = []

    def rest(self, seconds: float) -> bool:
        """Whether it has come."""
        self.pauses.append(seconds)
        return len(self.pauses) == self._turns


class Recording:
    """A recorder that finds so many records in its readings, or fails."""

    def __init__(self, found: list[int], fails: bool = False) -> None:
        self._found = iter(found)
        self._fails = fails

    def has_hot(self) -> bool:
        """Yes."""
        return True

    def drain(self) -> int:
        """As planned."""
        if self._fails:
            raise ValueError("no luck")
        return next(self._found)


def resting(turns: int, recorder: Any) -> tuple[list[float], list[Any]]:
    """How long a loop sleeps with this recorder, and the events."""
    events: list[Any] = []
    supervisor = Supervisor([events.append], Options(), lambda fd: Hashed("", ""))
    waiter: Any = Resting(turns)
    supervisor.waiter, supervisor.recorder = waiter, recorder
    Loop(supervisor, 5.0)._rest()
    return waiter.pauses, events


def test_it_reads_ever_more_seldom_where_nothing_is_found() -> None:
    """While nobody stops; where many records are found, it reads again soon."""
    pauses, events = resting(12, Recording([0, 16, 17, *[0] * 8]))
    assert pauses == [0.005, 0.01, 0.02, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.32, 0.32]
    assert events == []


def test_a_fault_in_a_reading_is_told_once() -> None:
    """It would come again at once: the next stop reads."""
    pauses, events = resting(9, Recording([], fails=True))
    assert len(pauses) == 1
    assert [(event.kind, "no luck" in event.detail) for event in events] == [("other", True)]


class Sleeping(Quiet):
    """A waiter whose sleeps are kept: how long each was to be, None for ever."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.pauses: list[float | None] = []

    requests = frozenset({signal.SIGIO})

    def sleep(self, deadline: float | None) -> bool:
        """Until then."""
        self.pauses.append(None if deadline is None else round(deadline - self._clock.now, 6))
        self._clock.now = deadline or self._clock.now
        return False


def test_it_reads_where_requests_are_waited_for(clock: Clock) -> None:
    """In such sleeps, too, and no later than the deadline; not while a worker may wait for one who stands still."""
    supervisor = Supervisor([], Options(), lambda fd: Hashed("", ""))
    waiter: Any = Sleeping(clock)
    recorder: Any = Recording([0, 17, 0, 0, 0, 0])
    supervisor.waiter, supervisor.recorder = waiter, recorder
    it = Loop(supervisor, 5.0)
    for _ in range(4):
        assert it._step(None)
    assert it._step(clock.now + 0.011)
    supervisor.workers.outstanding = 1
    assert it._step(None)
    assert waiter.pauses == [0.005, 0.01, 0.005, 0.01, 0.011, None]


def test_nobody_rests_without_a_recorder() -> None:
    """There is nothing to be read."""
    assert resting(9, None) == ([], [])
