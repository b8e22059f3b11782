"""Births, execs and ends in whatever order the kernel tells of them; the kernel is played here."""

from __future__ import annotations

import signal

import pytest

from shark.capture import kernel, look
from shark.capture.machine import Machine
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.events import Event, ProcessEnded, ProcessStarted

PARENT, CHILD = 0x3FFF_0001, 0x3FFF_0002
"""Numbers that no process of this machine has."""

TRAP = int(signal.SIGTRAP)
AT_FORK = (TRAP | kernel.PTRACE_EVENT_FORK << 8) << 8 | 0x7F
FIRST = (TRAP | kernel.PTRACE_EVENT_STOP << 8) << 8 | 0x7F
STOPPED = (int(signal.SIGSTOP) | kernel.PTRACE_EVENT_STOP << 8) << 8 | 0x7F
KILLED = int(signal.SIGKILL)


class Play:
    """A supervisor whose command `PARENT` is about to fork: what it asked the kernel for, and what it told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.resumed: list[tuple[int, int]] = []
        self.events: list[Event] = []
        self.supervisor = Supervisor([self.events.append], Options(), lambda fd: Hashed("", ""))
        self.supervisor.lives.take(PARENT, [PARENT], None).full = False
        monkeypatch.setattr(kernel, "resume", lambda what, tid, number=0: self.resumed.append((what, tid)))
        monkeypatch.setattr(kernel, "event_message", lambda tid, event: CHILD)
        monkeypatch.setattr(Machine, "call_in_progress", lambda machine, tid: (-1, 0))
        monkeypatch.setattr(look, "family", lambda tid: (tid, PARENT))

    @property
    def told(self) -> list[type[Event]]:
        """The events' kinds."""
        return [type(event) for event in self.events]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """One for each test."""
    return Play(monkeypatch)


def test_a_child_waits_until_its_parent_tells_of_it(play: Play) -> None:
    play.supervisor.handle(CHILD, FIRST)
    assert play.resumed == []
    assert play.told == []
    play.supervisor.handle(PARENT, AT_FORK)
    assert play.resumed == [(kernel.PTRACE_CONT, CHILD), (kernel.PTRACE_CONT, PARENT)]
    assert play.told == [ProcessStarted]


def test_a_child_that_comes_later_goes_on_at_once(play: Play) -> None:
    play.supervisor.handle(PARENT, AT_FORK)
    assert play.resumed == [(kernel.PTRACE_CONT, PARENT)]
    play.supervisor.handle(CHILD, FIRST)
    assert play.resumed[1:] == [(kernel.PTRACE_CONT, CHILD)]
    assert play.told == [ProcessStarted]


def test_a_child_that_was_stopped_before_it_began_stays_so(play: Play) -> None:
    play.supervisor.handle(CHILD, STOPPED)
    play.supervisor.handle(PARENT, AT_FORK)
    assert play.resumed == [(kernel.PTRACE_LISTEN, CHILD), (kernel.PTRACE_CONT, PARENT)]


def test_a_child_whose_parent_cannot_tell_any_more_is_adopted(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parent was killed in the middle of the fork; the event that comes all the same changes nothing."""
    monkeypatch.setattr(look, "family", lambda tid: (tid, 1))
    play.supervisor.handle(CHILD, FIRST)
    assert play.resumed == [(kernel.PTRACE_CONT, CHILD)]
    play.supervisor.handle(PARENT, AT_FORK)
    assert play.told == [ProcessStarted]
    assert play.supervisor.tree.parents == {1: 0, 2: 1}


def test_a_child_that_ended_before_is_told_of_from_its_birth(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look, "is_traced", lambda tid: False)
    play.supervisor.handle(CHILD, KILLED)
    play.supervisor.handle(PARENT, AT_FORK)
    assert play.told == [ProcessStarted, ProcessEnded]
    assert play.supervisor.tree.alive == 1


def test_a_number_that_is_used_again_is_no_end(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of that number ended before and was never told of; the new one is traced, and alive."""
    monkeypatch.setattr(look, "is_traced", lambda tid: True)
    play.supervisor.handle(CHILD, KILLED)
    play.supervisor.handle(PARENT, AT_FORK)
    assert play.told == [ProcessStarted]
    assert play.supervisor.tree.alive == 2


def test_nobody_is_asked_for_its_parent_where_nobody_can_have_ended_in_a_fork(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads, and who is killed, can: from then on children may have nobody who tells of them."""
    asked: list[int] = []

    def family(tid: int) -> tuple[int, int]:
        asked.append(tid)
        return tid, PARENT

    monkeypatch.setattr(look, "family", family)
    play.supervisor.lives._orphans = False  # as of a command that shark started itself
    play.supervisor.handle(CHILD, FIRST)
    assert asked == []
    play.supervisor.handle(PARENT, KILLED)
    assert asked == [CHILD]
    assert play.resumed == [(kernel.PTRACE_CONT, CHILD)]


def test_a_listener_that_fails_holds_nobody_up(play: Play) -> None:
    """The thread goes on before anybody hears of it."""

    def broken(event: Event) -> None:
        raise OSError("nothing can be written any more")

    play.supervisor._listeners = (broken,)
    with pytest.raises(OSError, match="nothing can be written"):
        play.supervisor.handle(PARENT, AT_FORK)
    assert (kernel.PTRACE_CONT, PARENT) in play.resumed
