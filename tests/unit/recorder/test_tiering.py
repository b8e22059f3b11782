"""When a process is hot, and when the recorder is got ready for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shark.capture.tasks import Process
from shark.recorder.tiering import Tiering

PROGRAM = """
import os, sys
from shark import tracing
from shark.capture.tasks import Process
from shark.recorder.tiering import Tiering

class Supervisor:
    stops = 0
    class waiter:
        is_awaited = staticmethod(lambda: sys.argv[1] == "busy")

os.sched_getaffinity = lambda _: set(range(int(sys.argv[2])))
tiering = Tiering(Supervisor, str, 8)
process = Process(1, 1)
steps = []
while True:
    known = set(sys.modules)
    if not tiering.prepare():
        if steps:
            break
        Supervisor.stops += 3
        process.opens += 1
        tiering._is_due(process)
        continue
    steps.append(sorted(name for name in set(sys.modules) - known if name.startswith("shark.")))
print(process.opens, len(steps), max(map(len, steps)))
known = set(sys.modules)
import shark.recorder.recorder, shark.recorder.ring, shark.recorder.native
print(sorted(set(sys.modules) - known))
"""


@pytest.mark.parametrize(
    ("stops", "processors", "opens", "steps"),
    [
        ("busy", 1, 4, "one by one"),  # half of the opens that make a process hot have been seen
        ("busy", 2, 3, "one by one"),  # more has happened than in the shortest commands
        ("idle", 2, 3, "all at once"),
    ],
)
def test_the_recorder_is_imported_bit_by_bit(stops: str, processors: int, opens: int, steps: str) -> None:
    """As far as there is nothing else to do; what is left for the first hot process is nothing."""
    words = [sys.executable, "-c", PROGRAM, stops, str(processors)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    first, second = done.stdout.splitlines()
    seen, number, most = map(int, first.split())
    assert seen == opens
    assert (most == 1) if steps == "one by one" else (number == 1)
    assert second == "[]"


def test_a_library_that_does_not_load_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorder is not there then, and idle moments are idle."""

    def fail() -> None:
        raise OSError("it does not load")

    monkeypatch.setattr("shark.recorder.native.load", fail)
    tiering = Tiering(None, str, 8)  # type: ignore[arg-type]
    tiering._likely, tiering._parts = True, iter(())
    assert tiering.prepare()
    assert not tiering.prepare()
    assert tiering.problem == "it does not load"


def test_a_process_is_due() -> None:
    """After so many opens, and at once if its program was hot before."""
    tiering = Tiering(None, str, 3)  # type: ignore[arg-type]
    process = Process(1, 1)
    due = []
    for process.opens in range(1, 5):
        due.append(tiering._is_due(process))
    assert due == [False, False, True, True]


def test_a_shell_is_due() -> None:
    """When it has looked for so many files in vain: only those would not stop it any more; or if all shall be hot."""
    process = Process(1, 1)
    process.holds.shell = True
    careful, eager = Tiering(None, str, 3), Tiering(None, str, 1)  # type: ignore[arg-type]
    process.opens, process.vain = 100, 2
    assert not careful._is_due(process)
    assert eager._is_due(process)
    process.vain = 3
    assert careful._is_due(process)
