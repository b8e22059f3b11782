"""The tree that is alive: threads, the processes that they make up, and what each is in the middle of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from shark.values import Usage

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

Later = Callable[[], None]
"""What is done about a call after its process was let go."""

Finish = Callable[["Supervisor", "Task", int], "Later | None"]
"""What is done at a call's exit stop: gets the result (below 0: -errno), looks, and returns what can wait."""


class Process:
    """A process that is alive: its number in the run, and what is known without asking."""

    __slots__ = (
        "exiting",
        "foreign",
        "full",
        "number",
        "pid",
        "rooted",
        "seen",
        "started",
        "subrun",
        "tids",
        "usage",
        "usage_before",
    )

    def __init__(self, number: int, pid: int, parent: Process | None = None) -> None:
        self.number = number
        self.pid = pid
        self.tids: set[int] = {pid}
        self.exiting: set[int] = set()
        self.started = False  # has had an exec (or descends from one that had): before it, shark's own launcher runs
        self.seen: dict[object, object] = {}  # what was told already, and in which state: repeating it says nothing new
        self.usage: Usage | None = None
        self.usage_before: Usage | None = None  # of the launcher, before it became the command
        self.subrun = ""  # id of a run inside this one, announced and not yet started
        self.rooted = False  # has another root directory than shark
        self.foreign = False  # lives in another mount namespace than shark
        self.full = False  # its calls must be seen without the filter's help
        if parent is not None:
            self.started = parent.started
            self.rooted = parent.rooted
            self.foreign = parent.foreign
            self.full = parent.full


class Task:
    """A thread. `finish` waits for the exit stop of the call it is in; `entered`: the entry was handled."""

    __slots__ = ("clone_flags", "cwd", "cwd_epoch", "entered", "finish", "held", "process", "restore", "tid")

    def __init__(self, tid: int, process: Process) -> None:
        self.tid = tid
        self.process = process
        self.finish: Finish | None = None
        self.entered = False
        self.held = False
        self.clone_flags = -1  # of the clone or clone3 in progress
        self.cwd = b""  # of the epoch cwd_epoch; any change of directory in the run starts a new one
        self.cwd_epoch = -1
        self.restore: Callable[[int], None] | None = None  # puts back what was changed in a clone call, given a tid
