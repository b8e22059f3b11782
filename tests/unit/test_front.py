"""The front process: each sender's signal reaches the command once, whichever way it comes first."""

from __future__ import annotations

import os
import random
import signal

import pytest

from shark.front import Front

FRONT, KERNEL, USER, QUEUE = 100, 0x80, 0, -1
INT, TERM = int(signal.SIGINT), int(signal.SIGTERM)


def passed_on(front: Front, number: int, sender: int) -> bool:
    """A signal that came by way of the front, with its first sender as value."""
    return front.lets_through(number, QUEUE, FRONT, sender)


def direct(front: Front, number: int, sender: int) -> bool:
    """A signal that somebody sent to the command itself, or to its group."""
    return front.lets_through(number, USER, sender, 0)


@pytest.fixture
def front() -> Front:
    return Front(FRONT, -1)


def test_sent_to_the_front_alone(front: Front) -> None:
    """All of them are passed on."""
    assert [passed_on(front, TERM, 7) for _ in range(3)] == [True] * 3


def test_sent_to_the_group(front: Front) -> None:
    """Comes twice, and is let through once, whichever is first."""
    assert [direct(front, TERM, 7), passed_on(front, TERM, 7)] == [True, False]
    assert [passed_on(front, TERM, 7), direct(front, TERM, 7)] == [True, False]


def test_from_the_terminal(front: Front) -> None:
    """^C comes from the kernel, which has no process id."""
    assert front.lets_through(INT, KERNEL, 0, 0)
    assert not passed_on(front, INT, 0)


def test_senders_and_signals_are_told_apart(front: Front) -> None:
    """One's signal does not swallow another's."""
    assert direct(front, TERM, 7)
    assert passed_on(front, TERM, 8)
    assert passed_on(front, INT, 7)
    assert not passed_on(front, TERM, 7)


def test_a_value_of_the_sender_is_its_own(front: Front) -> None:
    """Somebody else's sigqueue is no signal that was passed on."""
    assert front.lets_through(TERM, QUEUE, 7, FRONT)
    assert not passed_on(front, TERM, 7)


@pytest.mark.parametrize("seed", range(20))
def test_any_order(seed: int) -> None:
    """Of n signals that come both ways, n are let through."""
    front = Front(FRONT, -1)
    ways = [passed_on, direct] * 10
    random.Random(seed).shuffle(ways)
    assert sum(way(front, TERM, 7) for way in ways) == 10


def test_the_verdict() -> None:
    """Reaches the front as a byte; without one, as the end of the pipe. A front that is gone needs none."""
    reading, writing = os.pipe()
    front = Front(FRONT, writing)
    assert front.descriptors == (writing,)
    front.failed()
    front.done()
    assert os.read(reading, 9) == b"x"
    assert os.read(reading, 9) == b""
    os.close(reading)
    reading, writing = os.pipe()
    os.close(reading)
    gone = Front(FRONT, writing)
    gone.failed()
    gone.done()
