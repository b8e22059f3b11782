"""Work in two processes gives what it gives in one."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

from shark.checking.halving import halved


def _squares(numbers: Sequence[int]) -> list[tuple[int, int]]:
    return [(number * number, os.getpid()) for number in numbers]


def test_each_half_is_done_by_a_process_of_its_own() -> None:
    """Both answers come back in order, and two processes gave them."""
    answers = halved(_squares, range(100), least=10)
    assert [square for answer in answers for square, _ in answer] == [n * n for n in range(100)]
    processes = {process for answer in answers for _, process in answer}
    assert len(processes) == min(2, len(os.sched_getaffinity(0)))


def test_few_items_stay_in_this_process() -> None:
    """A second process is not worth its start for a handful."""
    assert halved(_squares, range(9), least=10) == [_squares(range(9))]


def test_one_processor_needs_no_second_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only one may be used, one process does it all."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    assert halved(_squares, range(100), least=10) == [_squares(range(100))]


def test_a_second_process_that_dies_is_made_up_for() -> None:
    """What it should have done is done here."""
    here = os.getpid()

    def work(numbers: Sequence[int]) -> list[int]:
        if os.getpid() != here:
            os._exit(3)
        return list(numbers)

    assert [n for answer in halved(work, range(100), least=10) for n in answer] == list(range(100))


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit of processes everything is done here."""

    def refuse() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refuse)
    before = set(os.listdir("/proc/self/fd"))
    assert halved(_squares, range(100), least=10) == [_squares(range(100))]
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_error_ends_both() -> None:
    """What goes wrong here is raised, and nobody is left behind."""

    def fail(_: Sequence[int]) -> list[int]:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        halved(fail, range(100), least=10)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
