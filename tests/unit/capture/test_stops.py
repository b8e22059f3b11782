"""Wait statuses as the kernel encodes them (waitpid(2), ptrace(2))."""

from __future__ import annotations

import signal

import pytest

from shark.capture.stops import Stop, classify

TRAP = int(signal.SIGTRAP)
STOPPED = 0x7F


def stopped(number: int, event: int = 0) -> int:
    return event << 16 | number << 8 | STOPPED


@pytest.mark.parametrize(
    ("status", "stop"),
    [
        (stopped(TRAP, 7), Stop.SECCOMP),
        (stopped(TRAP | 0x80), Stop.SYSCALL),
        (stopped(TRAP, 1), Stop.FORK),
        (stopped(TRAP, 2), Stop.FORK),
        (stopped(TRAP, 3), Stop.FORK),
        (stopped(TRAP, 4), Stop.EXEC),
        (stopped(TRAP, 5), Stop.OTHER),  # the end of a vfork, which is not asked for
        (stopped(TRAP, 6), Stop.EXIT),
        (stopped(TRAP, 128), Stop.STARTED),
        (stopped(TRAP), Stop.SIGNAL),  # a breakpoint of the program's own
        (0x0000, Stop.ENDED),
        (0x0300, Stop.ENDED),
        (0x0009, Stop.ENDED),
        (0x008B, Stop.ENDED),  # SIGSEGV, with a core dump
    ],
)
def test_statuses(status: int, stop: Stop) -> None:
    """Each encoding means one thing."""
    assert classify(status) is stop


@pytest.mark.parametrize("number", signal.valid_signals(), ids=int)
def test_every_signal(number: int) -> None:
    """A signal is delivered; only a stopping one can stop the group; any of them can end the process."""
    assert classify(stopped(number)) is Stop.SIGNAL
    stops = number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
    group = Stop.GROUP if stops else Stop.STARTED if number == TRAP else Stop.OTHER
    assert classify(stopped(number, 128)) is group
    assert classify(int(number)) is Stop.ENDED
