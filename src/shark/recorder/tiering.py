"""When a process is hot: it has opened many files, or another one that ran the same program did.

This is asked at every stop of an open, so it decides from what is at hand; all else of the recorder is imported when
the first process is hot.
"""

from __future__ import annotations

import os

from shark.capture.tasks import Process, Task
from shark.tuples import TYPE_CHECKING

_NAMES = "layout registers native sandbox patterns space injecting ring signals names sites"
_LAST = "siblings telling recorder"
_PARTS = (
    *(f"shark.recorder.{name}" for name in _NAMES.split()),
    "shark.capture.interrupting",
    *(f"shark.recorder.{name}" for name in _LAST.split()),
)
"""The recorder's modules, in an order in which each needs only those before it: each takes less than a millisecond."""

LIBRARY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_native.so")

RING = b".ring"
"""The end of a ring's name."""

if TYPE_CHECKING:
    from collections.abc import Callable

    from shark.capture.supervisor import Supervisor
    from shark.recorder.recorder import Recorder


def is_built() -> bool:
    """Whether this installation has the recorder: it is made for x86-64 where there is a C compiler."""
    return os.uname().machine == "x86_64" and os.path.exists(LIBRARY)


class Tiering:
    """Decides for one run; `where` gives the path for the ring's file, `threshold` says after how many opens a process
    is hot.
    """

    def __init__(self, supervisor: Supervisor, where: Callable[[], str], threshold: int) -> None:
        self._s = supervisor
        self._where = where
        self._threshold = threshold
        self._programs: set[object] = set()  # those of which a process was hot
        self._recorder: Recorder | None = None
        self._parts = iter(_PARTS)
        self._likely = False  # that the recorder will be needed
        self.problem = ""

    def is_taken(self, task: Task) -> bool:
        """At the entry of an open for reading, of a thread of a native process: whether the recorder sees to it."""
        process = task.process
        if process.never_hot:
            return False
        process.opens += 1
        if process.hot is None and not self._is_due(process):
            return False
        if len(process.tids) > 1 and process.opens & (process.opens - 1):
            return False  # all threads would have to stop: that is tried less and less often
        recorder = self._recorder or self._begin()
        if recorder is None:
            process.never_hot = True
            return False
        if process.program is not None:
            self._programs.add(process.program)
        return recorder.heat(task)

    def _is_due(self, process: Process) -> bool:
        opens = process.opens
        if process.holds.shell and self._threshold > 1:
            opens = process.vain  # only these do not stop it any more, and each of its children takes a moment longer
        if opens >= self._threshold // 2:
            self._likely = True
        return opens >= self._threshold or process.program in self._programs

    def prepare(self) -> bool:
        """In a moment without a stop, get a part of the recorder ready; True if there was one.

        The first process that is hot would stand still meanwhile.
        """
        if not self._likely:
            return False
        part = next(self._parts, "")
        if part:
            __import__(part)
        else:
            self._likely = False
        return bool(part)

    def _begin(self) -> Recorder | None:
        self._parts = iter(())
        if self.problem:
            return None
        from shark.recorder import native
        from shark.recorder.recorder import Recorder
        from shark.recorder.ring import Ring
        from shark.recorder.sandbox import require_its_calls

        try:
            require_its_calls()
            library = native.load()
            ring = Ring(library, self._where(), self._s.tick())
        except OSError as problem:
            self.problem = str(problem)
            return None
        self._recorder = self._s.recorder = Recorder(self._s, library, ring)
        return self._recorder


def places_for_ring(run: str) -> list[str]:
    """Where a run's ring may lie, best first: in memory, never on a disk or a file server."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    folders = ["/dev/shm", *([runtime] if runtime.startswith("/run/") else [])]
    return [os.path.join(folder, f"shark-{os.getuid()}-{run}{RING.decode()}") for folder in folders]


def place_for_ring(run: str) -> str:
    """Where it is made."""
    places = places_for_ring(run)
    return next((path for path in places if os.access(os.path.dirname(path), os.W_OK)), places[0])
