"""Threads that are stopped one by one, beside the loop; the kernel is played here."""

from __future__ import annotations

import pytest

from shark.capture import kernel
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.capture.tasks import Process, Task
from shark.recorder import layout, siblings
from shark.recorder.siblings import Siblings

FIRST, SECOND = 0x1057F, 0xB7F
"""Wait statuses: a seccomp stop, and a SIGSEGV."""


class Play:
    """A process with threads 10 to 13, of which `answers` stop when they are interrupted, and what was handled."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers: dict[int, int] = {}
        self.asked: list[int] = []
        self.handled: list[tuple[int, int]] = []
        self.supervisor = Supervisor([], Options(), lambda fd: Hashed("", ""))
        self.supervisor.handle = lambda tid, status: self.handled.append((tid, status))  # type: ignore[method-assign]
        process = Process(1, 10)
        process.tids |= {11, 12, 13}
        self.tasks = self.supervisor.tree.tasks
        self.tasks.update((tid, Task(tid, process)) for tid in process.tids)
        self.siblings = Siblings(self.supervisor)
        monkeypatch.setattr(kernel, "request", lambda what, tid: self.asked.append(tid))
        monkeypatch.setattr(siblings, "wait_for", lambda tid, deadline: self.answers.get(tid, 0))


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    """One for each test."""
    return Play(monkeypatch)


def test_what_they_tell_meanwhile_is_dealt_with_afterwards(play: Play) -> None:
    """In the order in which it was told; one that is held stands still already."""
    play.answers = {11: FIRST, 13: SECOND}
    play.tasks[12].held = True
    assert play.siblings.stopped(play.tasks[10])
    assert sorted(play.asked) == [11, 13]
    assert play.handled == []
    play.siblings.go()
    assert play.handled == [(tid, play.answers[tid]) for tid in play.asked]
    play.siblings.go()
    assert len(play.handled) == 2


def test_one_that_does_not_stop_in_time(play: Play) -> None:
    """Those that have stopped go on, and its own stop is expected later."""
    play.answers = {11: FIRST, 13: FIRST}
    assert not play.siblings.stopped(play.tasks[10])
    assert play.asked[-1] == 12
    assert play.supervisor.lives.interrupted == {*play.asked}
    play.siblings.go()
    assert play.handled == [(tid, FIRST) for tid in play.asked[:-1]]


def test_one_that_is_ending(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(what: int, tid: int) -> None:
        raise kernel.Failed(3)

    monkeypatch.setattr(kernel, "request", gone)
    assert not play.siblings.stopped(play.tasks[10])
    assert play.supervisor.lives.interrupted == set()


def test_all_are_interrupted_before_any_is_waited_for(play: Play) -> None:
    """Whoever sleeps where nothing wakes it holds up nobody: its own stop is expected later."""
    play.answers = {13: FIRST}
    play.siblings.driven_from(play.tasks[10], layout.CODE)
    assert sorted(play.asked) == [11, 12, 13]
    assert play.supervisor.lives.interrupted == {11, 12, 13}
    assert play.siblings.standing() == [play.tasks[13]]
    play.siblings.go()
    assert play.handled == [(13, FIRST)]


@pytest.mark.parametrize("status", [0, FIRST])
def test_one_that_went_elsewhere_is_dealt_with_once(play: Play, status: int) -> None:
    """Nobody else lets it go on; of one that has ended, the end is still to be told."""
    task = play.tasks[10]
    play.siblings.went(task, status)
    assert task.held
    assert play.handled == ([(10, status)] if status else [])
