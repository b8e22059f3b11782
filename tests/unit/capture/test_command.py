"""What concerns the command alone: which signals reach it, and its end."""

from __future__ import annotations

import signal

import pytest

from shark.capture import kernel
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.capture.tasks import Process, Task
from shark.events import Event

ORIGIN = (int(signal.SIGTERM), 0, 4711, 0)


@pytest.fixture
def supervisor() -> Supervisor:
    """One whose command is process 10, and that has a descendant 20."""
    events: list[Event] = []
    supervisor = Supervisor([events.append], Options(), lambda fd: Hashed("", ""))
    root = Process(1, 10)
    supervisor.command.process = root
    supervisor.tree.tasks.update({10: Task(10, root), 20: Task(20, Process(2, 20, root))})
    return supervisor


def test_signals_reach_it_unless_somebody_decides(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the command's own are decided upon, by what the kernel tells of them."""
    monkeypatch.setattr(kernel, "signal_origin", lambda tid: ORIGIN)
    command, (own, other) = supervisor.command, supervisor.tree.tasks.values()
    assert command.wants(own)
    command.lets_through = lambda *origin: origin != ORIGIN
    assert not command.wants(own)
    assert command.wants(other)


def test_a_signal_of_which_nothing_is_known_reaches_it(supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(tid: int) -> tuple[int, int, int, int]:
        raise kernel.Failed(3)

    monkeypatch.setattr(kernel, "signal_origin", gone)
    supervisor.command.lets_through = lambda *origin: False
    assert supervisor.command.wants(supervisor.tree.tasks[10])


def test_it_is_spared_before_anybody_is_told_of_its_end(supervisor: Supervisor) -> None:
    """Whoever is told may wait for stops, and the command must not be reaped meanwhile."""
    spared: list[int] = []
    supervisor.command.on_exit = lambda: spared.append(supervisor.waiter.spared)
    supervisor.command.ends()
    assert spared == [10]
    assert supervisor.command.ending is not None
