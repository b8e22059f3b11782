"""When a process is hot, and when the recorder is got ready for that."""

from __future__ import annotations

import subprocess
import sys

from shark.capture.tasks import Process
from shark.recorder.tiering import Tiering

PROGRAM = """
import sys
from shark import tracing
from shark.capture.tasks import Process
from shark.recorder.tiering import Tiering

tiering = Tiering(None, str, 8)
process = Process(1, 1)
steps = []
while True:
    known = set(sys.modules)
    if not tiering.prepare():
        if steps:
            break
        process.opens += 1
        tiering._is_due(process)
        continue
    steps.append(sorted(name for name in set(sys.modules) - known if name.startswith("shark.")))
print(process.opens, max(map(len, steps)))
known = set(sys.modules)
import shark.recorder.recorder, shark.recorder.ring, shark.recorder.native
print(sorted(set(sys.modules) - known))
"""


def test_the_recorder_is_imported_bit_by_bit() -> None:
    """When half of the opens that make a process hot have been seen; what is left for the first hot one is nothing."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60)
    first, second = done.stdout.splitlines()
    opens, most = map(int, first.split())
    assert opens == 4
    assert most == 1
    assert second == "[]"


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
