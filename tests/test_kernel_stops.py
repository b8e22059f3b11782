"""What the kernel tells of a stopped thread that is killed before it was asked: the loop must not believe it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest

from shark.capture import kernel
from shark.capture.preimage import Hashed
from shark.capture.stops import Stop, classify
from shark.capture.supervisor import Options, Supervisor
from shark.capture.waiting import Waiter
from shark.events import Event, ProcessEnded, ProcessStarted

AT_FORK = (signal.SIGTRAP | kernel.PTRACE_EVENT_FORK << 8) << 8 | 0x7F


def forking() -> None:
    """Fork as soon as the parent says so, for ever."""
    os.read(0, 1)
    while True:
        if os.fork() == 0:
            os._exit(0)


@pytest.fixture
def stopped() -> Iterator[tuple[int, int]]:
    """A process that stands at its first fork, and its child, which has not begun; both traced by this thread."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(reading, 0)
            forking()
        finally:
            os._exit(1)
    kernel.seize(pid)
    os.write(writing, b"x")
    os.close(reading)
    os.close(writing)
    _, status = os.waitpid(pid, kernel.WALL)
    assert classify(status) is Stop.FORK
    child = kernel.event_message(pid, kernel.PTRACE_EVENT_FORK)
    yield pid, child
    for each in (child, pid):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(each, signal.SIGKILL)
            end_of(each)


def end_of(pid: int) -> int:
    """Let a process that was killed come to its end; its last status."""
    while True:
        _, status = os.waitpid(pid, kernel.WALL)
        if not os.WIFSTOPPED(status):
            return status
        kernel.resume(kernel.PTRACE_CONT, pid)


def killed_in_its_stop(pid: int) -> None:
    """Kill a stopped process, and wait until it stands at its end; that stop's status stays to be had."""
    os.kill(pid, signal.SIGKILL)
    found = os.waitid(os.P_PID, pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    assert found is not None
    assert found.si_status >> 8 == kernel.PTRACE_EVENT_EXIT


def test_the_message_of_a_fork(stopped: tuple[int, int]) -> None:
    """At a fork the message is the child."""
    pid, child = stopped
    assert os.waitpid(child, kernel.WALL)[0] == child
    assert kernel.event_message(pid, kernel.PTRACE_EVENT_FORK) == child


def test_the_message_of_a_process_that_was_killed_at_a_fork(stopped: tuple[int, int]) -> None:
    """Its exit status (9 for SIGKILL) is not taken for the id of its child: process 9 is somebody else's."""
    pid, _ = stopped
    killed_in_its_stop(pid)
    with pytest.raises(kernel.Failed):
        kernel.event_message(pid, kernel.PTRACE_EVENT_FORK)


def test_a_child_that_ends_before_its_parent_tells_of_it(stopped: tuple[int, int]) -> None:
    """A child killed at its very first instruction is a process that ended, and not waited for."""
    pid, child = stopped
    events: list[Event] = []
    supervisor = Supervisor([events.append], Options(), lambda fd: Hashed("", ""))
    supervisor.lives.take(pid, [pid], None)
    os.kill(child, signal.SIGKILL)
    supervisor.handle(child, end_of(child))
    supervisor.handle(pid, AT_FORK)
    assert supervisor.tree.alive == 1
    assert [type(event) for event in events if event.process == 2] == [ProcessStarted, ProcessEnded]
    assert events[-1].signal == signal.SIGKILL


def test_a_killed_thread_is_in_no_call(stopped: tuple[int, int]) -> None:
    """Where a thread was killed, the call that it stood in is not made of what another thread's was."""
    pid, _ = stopped
    killed_in_its_stop(pid)
    assert kernel.syscall_entry(pid)[0] == kernel.INFO_NONE
    assert kernel.syscall_exit(pid)[0] == kernel.INFO_NONE


@pytest.fixture
def waiting() -> Iterator[None]:
    """SIGCHLD stays pending until the loop waits for it."""
    Waiter.block()
    yield
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD, signal.SIGIO})


@pytest.mark.usefixtures("waiting")
def test_a_command_whose_exit_stop_is_lost(stopped: tuple[int, int]) -> None:
    """Killed in one of its stops, the command is still not reaped, so that its parent waits for the record."""
    pid, child = stopped
    events: list[Event] = []
    told: list[int] = []
    supervisor = Supervisor([events.append], Options(), lambda fd: Hashed("", ""))
    supervisor.lives.take(pid, [pid], None)
    supervisor.command.on_exit = lambda: told.append(pid)
    killed_in_its_stop(pid)
    kernel.resume(kernel.PTRACE_CONT, pid)  # as the loop does when the kill comes between its look and this
    os.kill(child, signal.SIGKILL)
    supervisor.loop.run()
    assert told == [pid]
    assert supervisor.command.status() == (-1, signal.SIGKILL)
    supervisor.command.note_ended()
    ends = {event.process: event.signal for event in events if isinstance(event, ProcessEnded)}
    assert ends[1] == signal.SIGKILL
    supervisor.command.release()
    with pytest.raises(ChildProcessError):
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
