"""What a process holds, and whether that is still what it was: a shorter look must never tell less than a whole one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shark.capture import kernel, look
from shark.capture.descriptors import Descriptors, Shown
from shark.capture.holdings import Holdings
from shark.capture.supervisor import Supervisor
from shark.capture.tasks import Process, Task
from shark.events import Event

PUPPET = """
import os, sys
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""
"""A process that does what it is told, line by line."""

Puppet = tuple[Task, Callable[[str], None]]


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator[Puppet]:
    """A process to look at, in a folder of its own, and how to have it do something."""
    words = [sys.executable, "-I", "-c", PUPPET]
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        stdin, stdout = process.stdin, process.stdout
        assert stdout.readline() == "ready\n"

        def tell(line: str) -> None:
            print(line, file=stdin, flush=True)
            assert stdout.readline() == "done\n"

        yield Task(process.pid, Process(1, process.pid)), tell
        stdin.close()


@pytest.mark.parametrize(
    "act",
    [
        "a.close()",
        "c = open('c', 'w')",
        "os.dup(a.fileno())",
        "os.dup2(a.fileno(), b.fileno())",  # as many as before, and another file
        "os.dup2(os.open('a', os.O_RDONLY), a.fileno()); os.closerange(5, 9)",  # the same file, and another access
        "os.dup2(0, a.fileno())",
        "r, w = os.pipe()",
        "a.write('more'); a.flush()",
        "os.rename('a', 'elsewhere')",
        "os.unlink('a')",
        "pass",
    ],
)
def test_what_was_known_is_believed_only_if_it_still_holds(puppet: Puppet, act: str) -> None:
    task, tell = puppet
    tell("a, b = open('a', 'w'), open('b', 'w')")
    looking = Descriptors()
    before = looking.of(task)
    assert before is not None
    assert {held.kind for _, held in before.values()} == {"pipe", "file"}
    tell(act)
    after = looking.of(task)
    task.process.holds.shown = None
    assert after == Descriptors().of(task)
    assert (after == before) == act.startswith(("a.write", "pass"))


def test_a_process_that_runs_is_not_listed(puppet: Puppet) -> None:
    """It may put its descriptors elsewhere meanwhile, and a list would show them nowhere."""
    task, tell = puppet
    tell("a = open('a', 'w'); os.dup2(a.fileno(), 9)")
    told: list[Event] = []
    supervisor = Supervisor.__new__(Supervisor)
    supervisor.emit = told.append  # type: ignore[method-assign]
    supervisor.tick = lambda: 1
    holdings = Holdings(supervisor)
    holdings._followed = True
    held = look.descriptor(task.tid, 9)
    assert held is not None
    holds = task.process.holds
    holds.writing, holds.unclosed = {9: held[0]}, 1000
    holdings.at_readings(task)
    assert holdings.trusts(task.process)
    tell("os.dup2(9, 10); os.close(9)")
    holdings.at_readings(task)
    assert not holdings.trusts(task.process)
    assert told == []


def test_another_thread_may_forget_meanwhile(puppet: Puppet) -> None:
    """In FUSE mode workers deal with opens while the loop looks at what another thread of the process has."""
    task, _ = puppet

    class Forgotten:
        shared = False
        known: dict[int, Shown] | None = None

        @property
        def shown(self) -> dict[int, Shown] | None:
            known, self.known = self.known, None
            return known

        @shown.setter
        def shown(self, known: dict[int, Shown] | None) -> None:
            self.known = known

    looking = Descriptors()
    expected = looking.of(task)
    task.process.holds = Forgotten()  # type: ignore[assignment]
    assert looking.of(task) == expected


def test_a_second_look_lists_nothing_anew(puppet: Puppet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the first one at a child, which begins with what its parent has."""
    task, _ = puppet
    size = kernel.statx(b"/proc/self/fd")
    assert size is not None
    if not size.size:
        pytest.skip("before Linux 6.2 a process's descriptors have no number that can be asked for")
    looking = Descriptors()
    first = looking.of(task)
    child = Task(task.tid, Process(2, task.tid, task.process))

    def unwanted(_: bytes) -> list[bytes]:
        raise AssertionError

    monkeypatch.setattr(os, "listdir", unwanted)
    assert looking.of(task) == looking.of(child) == first
    task.process.holds.shared = True
    with pytest.raises(AssertionError):
        looking.of(task)
