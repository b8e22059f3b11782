"""What is done at each stop: calls are decoded, threads let go on, and events passed to whoever listens.

Finding out what happened (stops.classify, the decoders) and deciding what to do (one method a kind of stop) are apart.
A thread is let go before anything is done with what was seen of it. The loop (loop.py) brings the stops; births, execs
and ends are dealt with in lives.py.

Nothing in here may wait for a process of the run. Looking up a path can: a FUSE daemon may have to answer, and that may
be one of those that stand still. No process is such a daemon before one of the run has opened /dev/fuse; from then on
all that looks at files is done by workers, while the loop goes on serving the others.
"""

from __future__ import annotations

import itertools
import os
import signal
import stat as stat_bits
from collections.abc import Callable, Sequence
from functools import partial

from shark.capture import execs, kernel, look, names, opens, others
from shark.capture.abi import AUDIT_X86_64, OPENAT, TRAP_MAGIC, X32_BIT, conventions
from shark.capture.command import Command
from shark.capture.decoders import DECODERS, IN_LOOP, Enter
from shark.capture.holdings import Holdings
from shark.capture.lives import Lives
from shark.capture.loop import Loop
from shark.capture.machine import Machine
from shark.capture.meeting import Meeting
from shark.capture.places import Places
from shark.capture.preimage import HashDescriptor, Keeper
from shark.capture.stops import SECCOMP_STATUS, SYSCALL_STATUS, Stop, classify
from shark.capture.table import Condition, Registers
from shark.capture.tasks import AtOnce, Finish, Later, Process, Task, Tree
from shark.capture.waiting import Waiter
from shark.capture.workers import Workers
from shark.events import EXAMPLE, WRITE, Event, GapSeen, Sighting, Traced
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Stat

if TYPE_CHECKING:
    from typing import TypeVar

    from shark.capture.lines import Lines
    from shark.kinds import GapKind
    from shark.recorder.recorder import Recorder
    from shark.recorder.tiering import Tiering

    T = TypeVar("T")

Listener = Callable[[Event], None]


class Options(NamedTuple):
    """How to trace: `full` without a filter, `deny_io_uring` instead of a gap, `linger` seconds for descendants."""

    full: bool = False
    deny_io_uring: bool = False
    linger: float = 5.0
    save_preimages: bool = True


class Supervisor:
    """Traces one tree of processes. All of it runs in the thread that made it: the kernel wants one tracer thread."""

    def __init__(self, listeners: Sequence[Listener], options: Options, hash_descriptor: HashDescriptor) -> None:
        self._listeners = tuple(listeners)
        self.deny_io_uring = options.deny_io_uring
        self.machine = Machine(os.uname().machine)
        self.places = Places()
        self.meeting = Meeting()
        self.holdings = Holdings(self)
        self.keeper = Keeper(hash_descriptor, enabled=options.save_preimages)
        self.workers = Workers()
        self.waiter = Waiter()
        self.tree = Tree()
        self._tasks = tasks = self.tree.tasks
        self.waiter.others = lambda: tuple(tasks)
        self.own_namespace = look.mount_namespace("self")
        self.loaders: dict[object, tuple[Sighting | None]] = {}
        self.word = 8
        self.tick: Callable[[], int] = partial(next, itertools.count(1))  # the run's one counter; workers use it too
        self.fuse = False  # a process of the run may be a FUSE daemon
        self.on_fault: Callable[[Exception], None] = lambda problem: None
        self.on_resize: Callable[[], None] | None = None
        self.on_block: Callable[[Process, int], None] | None = None  # see hosting.py
        self.on_ask: Callable[[Process, int], None] | None = None  # see within.py
        self.tiering: Tiering | None = None  # decides which processes are hot; None: none ever is
        self.recorder: Recorder | None = None  # reads what the hot ones write down; there once one was hot
        self.lines: Lines | None = None  # who takes lines of the journal instead of events
        self.stops = 0
        self._reads_meanwhile = True
        self._short = False
        self._nested: set[int] = set()
        # The ptrace request by which a thread goes on whose call need not be seen to its exit.
        self.onward = kernel.PTRACE_SYSCALL if options.full else kernel.PTRACE_CONT
        self._calls: dict[int, dict[int, tuple[Enter, Callable[[Registers], Registers], Condition | None, int]]] = {
            c.audit: {
                number: (DECODERS[row.operation], row.arguments, row.condition, c.word)
                for number, row in c.rows.items()
            }
            for c in conventions()
        }
        self.command = Command(self)
        self.lives = lives = Lives(self, full=options.full)
        self._handlers: dict[Stop, Callable[[int, int], None]] = {
            Stop.SECCOMP: self._at_seccomp,
            Stop.SYSCALL: self._at_syscall,
            Stop.FORK: lives.at_fork,
            Stop.EXEC: lives.at_exec,
            Stop.EXIT: lives.at_exit,
            Stop.GROUP: lives.at_group_stop,
            Stop.STARTED: lives.at_start,
            Stop.SIGNAL: self._at_signal,
            Stop.OTHER: lives.at_start,
            Stop.ENDED: lives.at_end,
        }
        # Nine stops of ten are of these two kinds: for them the whole status is the key.
        self._quick = {SECCOMP_STATUS: self._at_seccomp, SYSCALL_STATUS: self._at_syscall}
        self.loop = Loop(self, options.linger)

    # --- what is told

    def emit(self, event: Event) -> None:
        """Pass an event on to all listeners."""
        for listener in self._listeners:
            listener(event)
        while self.places.unreached:
            process, place, path = self.places.unreached.pop()
            what = f"files below {os.fsdecode(place)} cannot be reached from outside{EXAMPLE}{os.fsdecode(path)}"
            self.gap(process, "namespace", what)

    def listen(self, listener: Listener) -> None:
        """Let one more listen from now on. What was told before is told anew when it happens again."""
        self._listeners = (*self._listeners, listener)
        self.keeper.forget()
        if self.recorder is not None:
            self.recorder.drain()
            self.recorder.forget(names=True, directories=True, told=True)
        for process in self.tree.processes():
            process.seen.clear()
            process.unreached = frozenset()

    @property
    def takes_lines(self) -> bool:
        """Whether nobody but the journal's owner listens, who just now takes lines too."""
        return len(self._listeners) == 1 and self.lines is not None and self.lines.is_open()

    def unlisten(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        if self.recorder is not None:
            self.recorder.drain()
        self._listeners = tuple(other for other in self._listeners if other != listener)

    def tell_traced(self) -> Traced:
        """Tell how the run was traced until now; returns what was told."""
        counts = (0, 0, 0, 0)
        if self.recorder is not None:
            self.recorder.drain()
            counts = self.recorder.counts
        now = self.tick()
        traced = Traced(now, now, self.stops, *counts)
        self.emit(traced)
        return traced

    def gap(self, process: int, kind: GapKind, detail: str) -> None:
        """Say that something could not be seen."""
        now = self.tick()
        self.emit(GapSeen(now, now, process, kind, detail))

    def nested_ptrace(self, process: Process) -> None:
        """A tracee calls ptrace: said once a process."""
        if process.started and process.number not in self._nested:
            self._nested.add(process.number)
            self.gap(process.number, "nested-ptrace", "the program uses ptrace itself, which fails under a tracer")

    def note_opened(self, path: bytes, stat: Stat) -> None:
        """Look out for a FUSE daemon: whoever becomes one has to open this device first (fuse(4))."""
        if path == b"/dev/fuse" and stat_bits.S_ISCHR(stat.mode):
            if not self.fuse:
                self.gap(0, "other", "a process may serve a file system (FUSE): what it reads to do so is not followed")
            self.fuse = True
            self.tiering = None
            if self.recorder is not None:
                self.recorder.switch_off()  # reading what it has written down looks at files

    def note_device(self, process: Process, path: bytes, stat: Stat, access: int) -> None:
        """Look out for block devices that are written: a name of theirs, or a file behind them, may give it back."""
        if access & WRITE and stat_bits.S_ISBLK(stat.mode):
            what = f"data that went through a block device ({os.fsdecode(path)}) is not followed"
            self.gap(process.number, "other", what)

    # --- how threads stand still, and go on

    def hold(self, task: Task, work: Callable[[], T], then: Callable[[Task, T], None]) -> None:
        """Let a worker find something out; the thread stands still until then."""
        task.held = True

        def alive() -> bool:
            task.held = False
            return self._tasks.get(task.tid) is task  # else it was killed meanwhile

        def done(result: T) -> None:
            if alive():
                then(task, result)

        def failed(problem: Exception) -> None:
            if alive():
                self._fault(task, problem)

        self.workers.submit(work, done, failed)

    def go(self, task: Task, number: int = 0) -> None:
        """Let a thread go on, to its call's exit stop if that matters."""
        if task.saves is not None:
            (fd, stat), task.saves = task.saves, None
            self.hold(task, lambda: self.keeper.save(fd, stat), lambda task, _: self.go(task, number))
            return
        process = task.process
        if process.hot is not None and self.recorder is not None:
            self.recorder.refresh(process)
        stepwise = task.finish is not None or process.full
        kernel.resume(kernel.PTRACE_SYSCALL if stepwise else self.onward, task.tid, number)

    def entered(self, task: Task, finish: Finish | None) -> None:
        """Let a thread go on whose call was decoded; `finish` is what is to be done at its exit stop."""
        task.finish = finish
        self.go(task)

    def left(self, task: Task, later: Later | None) -> None:
        """Let a thread go on from a call's exit stop, or after an exec; then do what could wait."""
        if type(later) is AtOnce:
            self.tell(task, later)
            later = None
        self.go(task)
        if later is not None:
            self.tell(task, later)

    def tell(self, task: Task, later: Later) -> None:
        """Do what could wait. The thread runs already: a fault in here must not resume it once more."""
        try:
            later()
        except Exception as problem:  # noqa: BLE001  a fault in here must not end the command
            self.note_fault(task, problem)

    def let_calls_pass(self) -> None:
        """Have no further calls stop."""
        # The ptrace request by which a thread goes on whose call need not be seen to its exit.
        self.onward = kernel.PTRACE_CONT
        for process in self.tree.processes():
            process.full = False

    # --- stops

    def reads_meanwhile(self) -> bool:
        """Whether there are processes of which it is to be read what they write down, while nobody stops."""
        return self._reads_meanwhile and self.recorder is not None and self.recorder.has_hot()

    def drain(self) -> int:
        """Tell, while nobody stands still for it, what hot processes have written down; how many records there were."""
        try:
            return 0 if self.recorder is None else self.recorder.drain()
        except Exception as problem:  # noqa: BLE001  a fault in here must not end, or hang, the command
            self._reads_meanwhile = False  # it would come again and again
            self._fault(None, problem)
            return 0

    def handle(self, tid: int, status: int) -> None:
        """Do what a wait status asks for."""
        self.stops += 1
        try:
            if self.recorder is not None:
                self.recorder.drain()
            handle = self._quick.get(status) or self._handlers[classify(status)]
            handle(tid, status)
            if look.shortages:
                self._tell_shortage()
        except Exception as problem:  # noqa: BLE001  a fault in here must not end, or hang, the command
            self._fault(self._tasks.get(tid), problem)

    def _tell_shortage(self) -> None:
        """Shark itself could not open something that it wanted to look at: said once."""
        why = look.shortages[0]
        look.shortages.clear()
        if not self._short:
            self._short = True
            self.gap(
                0, "other", f"shark had no descriptor left ({why}): who held what, and earlier content, may be missing"
            )

    def _fault(self, task: Task | None, problem: Exception) -> None:
        try:
            self.note_fault(task, problem)
        finally:  # whoever listens may be what is broken
            if task is not None and not task.held:
                self.go(task)

    def note_fault(self, task: Task | None, problem: Exception) -> None:
        """Tell of a fault of shark's own: what it concerned is a gap."""
        self.gap(task.process.number if task else 0, "other", f"a fault of shark: {problem!r}")
        self.on_fault(problem)

    def _at_seccomp(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self.onward, tid)
            return
        if not task.entered and not self._enter(task):  # in full mode the entry stop came first
            return
        if not task.held:
            self.go(task)

    def _at_syscall(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self.onward, tid)
            return
        op, result = kernel.syscall_exit(tid)
        if op == kernel.INFO_EXIT:
            finish, task.finish, task.entered = task.finish, None, False
            if self.recorder is not None and not task.only_reads:
                self.recorder.forget(names=task.renames, directories=task.renames and not task.spares)
            if finish is None:
                self.go(task)
            elif self.fuse and task.restore is None:
                self.hold(task, lambda: finish(self, task, result), self.left)
            else:
                self.left(task, finish(self, task, result))
            return
        if op == kernel.INFO_ENTRY:
            task.finish = None
            task.entered = True
            if not self._enter(task):
                return
        if op != kernel.INFO_NONE and not task.held:
            self.go(task)

    def _enter(self, task: Task) -> bool:
        """Have a call decoded; False if the thread was killed since: this is no call then, its exit stop is next."""
        info = kernel.syscall_entry(task.tid)
        if info[0] == kernel.INFO_NONE:
            return False
        calls = self._calls.get(info[1])
        call = calls.get(info[2]) if calls is not None else None
        if call is None:
            return True
        decode, arguments, condition, self.word = call
        task.only_reads = task.renames = task.spares = False
        if not task.process.started and decode is not execs.enter_exec:
            return True  # what the launcher does before the command's exec is shark's own business
        registers = info[3:]
        if condition is not None and not condition.holds(registers):
            return True
        # Without tiering, as there is a FUSE daemon, what hot processes were in the middle of is still to be told.
        if (self.tiering is not None or self.recorder is not None) and self._is_recorded(task, decode, info):
            return True
        if self.fuse and decode not in IN_LOOP:
            self.hold(task, lambda: decode(self, task, arguments(registers)), self.entered)
        else:
            task.finish = decode(self, task, arguments(registers))
        return True

    def _is_recorded(self, task: Task, decode: Enter, info: tuple[int, ...]) -> bool:
        """Whether the recorder sees to a call: an open for reading of a hot process, or what it asks for itself."""
        task.renames = decode in names.CHANGING or decode is others.enter_view
        if task.renames:
            if self.recorder is not None:
                self.recorder.forget(names=True, directories=decode is others.enter_view)
            task.spares = decode in names.MAKING
            return False
        if info[1] != AUDIT_X86_64:
            return False
        if decode is opens.enter_open2 and info[3] == TRAP_MAGIC and task.process.hot and self.recorder is not None:
            self.recorder.trapped(task, info[5])
            return True
        if task.process.full:
            return False
        if decode is opens.enter_open:
            flags = info[5] if info[2] & ~X32_BIT == OPENAT else info[4]
            task.only_reads = not flags & opens.CHANGING
            return task.only_reads and self.tiering is not None and self.tiering.is_taken(task)
        return False

    def _at_signal(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        number = (status >> 8) & 0xFF
        if task is None:
            kernel.resume(self.onward, tid, number)
            return
        if self.recorder is not None and (task.process.hot or task.process.guest_of):
            number = self.recorder.on_signal(task, number)
        if number == signal.SIGWINCH and self.on_resize is not None:
            self.on_resize()  # before the program that is told of it can ask
        if not self.command.wants(task):
            number = 0
        self.go(task, number)
