"""The tree that is alive: threads, the processes that they make up, and what each is in the middle of."""

from __future__ import annotations

from collections.abc import Callable

from shark.events import Held
from shark.tuples import TYPE_CHECKING
from shark.values import Stat, Usage

if TYPE_CHECKING:
    from shark.capture.descriptors import Shown
    from shark.capture.supervisor import Supervisor
    from shark.recorder.space import Space

Later = Callable[[], None]
"""What is done about a call after its process was let go."""


class AtOnce:
    """What may not wait: a file that the process can write into must be known before it does, whatever happens then."""

    __slots__ = ("tell",)

    def __init__(self, tell: Later) -> None:
        self.tell = tell

    def __call__(self) -> None:
        """Tell it."""
        self.tell()


Finish = Callable[["Supervisor", "Task", int], "Later | None"]
"""What is done at a call's exit stop: gets the result (below 0: -errno), looks, and returns what can wait."""


class Holds:
    """What is known of what a process holds (see holdings.py, which alone changes it)."""

    __slots__ = (
        "base",
        "before_exec",
        "excluded",
        "held",
        "mapped",
        "may_hold",
        "may_read",
        "read",
        "shared",
        "shell",
        "shown",
        "told",
        "unclosed",
        "uncounted",
        "writing",
    )

    def __init__(self, parent: Holds | None = None) -> None:
        self.held: tuple[Held, ...] = () if parent is None else parent.held
        self.mapped: dict[bytes, Held] = {} if parent is None else dict(parent.mapped)
        self.writing: dict[int, bytes] = {} if parent is None else dict(parent.writing)  # by descriptor: its link
        self.unclosed = 0  # how many openings in a row have found that nothing of that was closed
        self.may_hold = bool(self.held)  # holds something, or may do so without a listing having shown it
        # Has a file open for reading that an exec may leave open.
        self.may_read: bool = parent is not None and parent.may_read
        self.shown: dict[int, Shown] | None = (
            None if parent is None else parent.shown
        )  # all descriptors, when last seen
        self.shared = False  # another process has the same table of descriptors
        self.read: set[tuple[int, int]] = set()  # device and inode of the files that it opened for reading
        self.shell: bool = parent is not None and parent.shell
        self.base = frozenset(held.key for held in self.held)  # the keys of what it did not make itself
        # Its counters do not tell all. A shell that has learned to read without them passes that on.
        self.uncounted: bool = parent is not None and parent.shell and parent.uncounted
        self.excluded = 0, 0  # bytes read and written in its name that are not its own doing
        self.before_exec: tuple[int, int] | None = None
        self.told = 0, 0  # the counters at the last telling


class Process:
    """A process that is alive: its number in the run, and what is known without asking."""

    __slots__ = (
        "exiting",
        "filtered",
        "foreign",
        "forked",
        "full",
        "guest_of",
        "holds",
        "hot",
        "image",
        "memory_of",
        "never_hot",
        "number",
        "opens",
        "pid",
        "program",
        "rooted",
        "seen",
        "started",
        "subrun",
        "tids",
        "unreached",
        "usage",
        "usage_before",
        "vain",
    )

    def __init__(self, number: int, pid: int, parent: Process | None = None) -> None:
        self.number = number
        self.pid = pid
        self.tids: set[int] = {pid}
        self.exiting: set[int] = set()
        self.started = False  # has had an exec (or descends from one that had): before it, shark's own launcher runs
        self.seen: dict[object, object] = {}  # what was told already, and in which state: repeating it says nothing new
        self.unreached: frozenset[bytes] = frozenset()  # mounts that have no path outside, and of which that was told
        self.usage: Usage | None = None
        self.usage_before: Usage | None = None  # of the launcher, before it became the command
        self.forked = False  # has, or had, a child
        self.subrun = ""  # id of a run inside this one, announced and not yet started
        self.rooted = False  # has another root directory than shark
        self.foreign = False  # lives in another mount namespace than shark
        self.holds: Holds = Holds(parent.holds if parent is not None else None)
        self.full = False  # its calls must be seen without the filter's help
        self.image = b""  # the path of the file that it executes; b"" when that is hidden
        self.program: object = None  # the version of the file that it executes
        self.opens = 0  # how often it has stopped at an open for reading
        self.vain = 0  # how often there was nothing to open
        self.hot: Space | None = None  # where the recorder lies in its memory
        self.guest_of: Space | None = None  # the hot process's memory that it lives in until its exec (vfork)
        self.memory_of: Process | None = None  # the process whose memory it lives in until its exec (CLONE_VM)
        self.never_hot = False  # keeps its plain stops until its next exec
        self.filtered = False  # has a seccomp filter of its own, for good
        if parent is not None:
            self.started = parent.started
            self.rooted = parent.rooted
            self.foreign = parent.foreign
            self.full = parent.full
            self.image = parent.image
            self.program = parent.program
            self.never_hot = parent.never_hot
            self.filtered = parent.filtered


class Task:
    """A thread. `finish` waits for the exit stop of the call it is in; `entered`: the entry was handled."""

    __slots__ = (
        *("clone_flags", "cwd", "cwd_epoch", "entered", "finish", "held"),
        *("only_reads", "process", "renames", "restore", "saves", "spares", "tid"),
    )

    def __init__(self, tid: int, process: Process, before: Task | None = None) -> None:
        """A new thread; `before` is the one whose working directory it has: that which made it, or became it."""
        self.tid = tid
        self.process = process
        self.finish: Finish | None = None
        self.entered = False
        self.held = False
        self.saves: tuple[int, Stat] | None = None  # what is to be hashed before it goes on
        self.only_reads = False  # the call that it is in changes no file and no name, whatever its outcome
        self.renames = False  # names may mean something else after the call that it is in
        self.spares = False  # but those of directories that are there do not
        self.clone_flags = -1  # of the clone or clone3 in progress
        self.cwd = b""  # of the epoch cwd_epoch; any change of directory in the run starts a new one
        self.cwd_epoch = -1
        if before is not None and before.cwd:
            self.cwd, self.cwd_epoch = before.cwd, before.cwd_epoch
        self.restore: Callable[[int], None] | None = None  # puts back what was changed in a clone call, given a tid


class Tree:
    """Who of the run is alive: all its threads by their ids; and of each process the number of its parent, for good."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.parents: dict[int, int] = {}

    def processes(self) -> list[Process]:
        """The processes that are alive, by their numbers."""
        found = {task.process.number: task.process for task in tuple(self.tasks.values())}  # workers ask as well
        return [found[number] for number in sorted(found)]

    @property
    def alive(self) -> int:
        """How many processes are alive, the command's own among them."""
        return len({task.process.number for task in self.tasks.values()})

    @property
    def settled(self) -> bool:
        """True unless a thread has something changed in it that is still to be put back."""
        return not any(task.restore for task in self.tasks.values())

    def task(self, process: Process) -> Task:
        """A thread of a process that is alive. Raises KeyError when none is."""
        return self.tasks[process.pid if process.pid in self.tasks else min(process.tids, default=0)]

    def task_of(self, process: Process) -> Task:
        """A thread of a process; one that is gone, if none is alive.

        A main thread that has ended before others is still there, but has no files and no directory any more.
        """
        tids = process.tids - process.exiting if process.exiting else process.tids
        tid = process.pid if process.pid in tids else min(tids, default=process.pid)
        return self.tasks.get(tid) or Task(tid, process)
