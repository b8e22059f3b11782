"""The loop: waits for stops, has them decoded, lets threads go on, and passes events to whoever listens.

Finding out what happened (stops.classify, the decoders) and deciding what to do (one method a kind of stop) are apart.
A thread is let go before anything is done with what was seen of it.

Nothing in here may wait for a process of the run. Looking up a path can: a FUSE daemon may have to answer, and that may
be one of those that stand still. No process is such a daemon before one of the run has opened /dev/fuse; from then on
all that looks at files is done by workers, while the loop goes on serving the others.
"""

from __future__ import annotations

import itertools
import os
import signal
import stat as stat_bits
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from shark.capture import execs, kernel, look, names, opens
from shark.capture.abi import AUDIT_X86_64, CLONE3, OPENAT, TRAP_MAGIC, X32_BIT, conventions
from shark.capture.decoders import DECODERS, IN_LOOP, Enter
from shark.capture.holdings import Holdings
from shark.capture.inherited import inherited
from shark.capture.machine import Machine
from shark.capture.meeting import Meeting
from shark.capture.places import Places
from shark.capture.preimage import HashDescriptor, Keeper
from shark.capture.stops import SECCOMP_STATUS, SYSCALL_STATUS, Stop, classify
from shark.capture.table import Condition, Registers
from shark.capture.tasks import AtOnce, Finish, Later, Process, Task
from shark.capture.waiting import Waiter, wait_for
from shark.capture.workers import Workers
from shark.events import (
    SHARES_FILES,
    SHARES_MEMORY,
    Before,
    Event,
    GapSeen,
    ProcessEnded,
    ProcessStarted,
    Sighting,
    Traced,
)
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Stat

if TYPE_CHECKING:
    from typing import TypeVar

    from shark.kinds import GapKind
    from shark.recorder.recorder import Recorder
    from shark.recorder.tiering import Tiering

    T = TypeVar("T")

_CLONE_VM, _CLONE_FILES, _CLONE_THREAD, _CLONE_VFORK, _CLONE_NEWNS = 0x100, 0x400, 0x10000, 0x4000, 0x20000

_LINGER_SLICE = 0.2  # seconds

_FEW = 256  # a parent's event follows its child's end within moments; threads that an exec ended are never told of

_PATIENCE = 0.001
"""Seconds in which all threads of a process must stop when its code is to be changed."""

Listener = Callable[[Event], None]


class Options(NamedTuple):
    """How to trace: `full` without a filter, `deny_io_uring` instead of a gap, `linger` seconds for descendants."""

    full: bool = False
    deny_io_uring: bool = False
    linger: float = 5.0
    save_preimages: bool = True


def _both(first: Later, second: Later) -> Later:
    def later() -> None:
        first()
        second()

    return later


class Supervisor:
    """Traces one tree of processes. All of it runs in the thread that made it: the kernel wants one tracer thread."""

    def __init__(self, listeners: Sequence[Listener], options: Options, hash_descriptor: HashDescriptor) -> None:
        self._listeners = tuple(listeners)
        self._options = options
        self.deny_io_uring = options.deny_io_uring
        self.machine = Machine(os.uname().machine)
        self.places = Places()
        self.meeting = Meeting()
        self.holdings = Holdings(self)
        self.keeper = Keeper(hash_descriptor, enabled=options.save_preimages)
        self.workers = Workers()
        self.waiter = Waiter()
        self.own_namespace = look.mount_namespace("self")
        self.exec_names: dict[int, tuple[int, bytes]] = {}
        self.loaders: dict[object, tuple[Sighting | None]] = {}
        self.word = 8
        self.tick: Callable[[], int] = partial(next, itertools.count(1))  # the run's one counter; workers use it too
        self._fuse = False
        self._numbers = 0
        self.parents: dict[int, int] = {}  # of each process its parent, by their numbers
        self._tasks: dict[int, Task] = {}
        self._early: dict[int, int] = {}  # first statuses of children whose parents' events have not come yet
        self._ended_early: dict[int, int] = {}  # last statuses of those who ended before that (and of a few others)
        self._root: Process | None = None
        self._last_ended: Process | None = None
        self.waiter.others = lambda: tuple(self._tasks)
        self.root_ending: float | None = None  # monotonic time at which the command itself ended
        self._lingered = 0.0  # seconds since then
        self._looked = 0.0  # when that was last counted
        self.on_root_exit: Callable[[], None] = lambda: None
        self.on_fault: Callable[[Exception], None] = lambda problem: None
        self.on_resize: Callable[[], None] | None = None
        self.lets_through: Callable[[int, int, int, int], bool] | None = None
        self.on_request: Callable[[], None] = lambda: None  # when one of the waiter's `requests` has come
        self.on_block: Callable[[Process, int], None] | None = None  # see hosting.py
        self.held_stops: list[tuple[int, int]] = []  # see seizing.py
        self.interrupted: set[int] = set()  # threads whose first stop, by our interruption, is still to come
        self.leaving = False  # the loop shall end, whoever is alive
        self.tiering: Tiering | None = None  # decides which processes are hot; None: none ever is
        self.recorder: Recorder | None = None  # reads what the hot ones write down; there once one was hot
        self.stops = 0
        self._deferred: list[tuple[int, int]] = []  # what threads told while all of their process had to stand still
        self._nested: set[int] = set()
        self._resume = kernel.PTRACE_SYSCALL if options.full else kernel.PTRACE_CONT
        self._clone_numbers = {c.numbers["clone"] for c in conventions()}
        self._calls: dict[int, dict[int, tuple[Enter, Callable[[Registers], Registers], Condition | None, int]]] = {
            c.audit: {
                number: (DECODERS[row.operation], row.arguments, row.condition, c.word)
                for number, row in c.rows.items()
            }
            for c in conventions()
        }
        self._handlers: dict[Stop, Callable[[int, int], None]] = {
            Stop.SECCOMP: self._on_seccomp,
            Stop.SYSCALL: self._on_syscall,
            Stop.FORK: self._on_fork,
            Stop.EXEC: self._on_exec,
            Stop.EXIT: self._on_exit,
            Stop.GROUP: self._on_group_stop,
            Stop.STARTED: self._on_started,
            Stop.SIGNAL: self._on_signal,
            Stop.OTHER: self._on_started,
            Stop.ENDED: self._on_ended,
        }
        # Nine stops of ten are of these two kinds: for them the whole status is the key.
        self._quick = {SECCOMP_STATUS: self._on_seccomp, SYSCALL_STATUS: self._on_syscall}

    # --- what decoders use

    def emit(self, event: Event) -> None:
        """Pass an event on to all listeners."""
        for listener in self._listeners:
            listener(event)
        while self.places.unreached:
            process, path = self.places.unreached.pop()
            self.gap(process, "namespace", f"{os.fsdecode(path)} cannot be reached from outside its mount namespace")

    def listen(self, listener: Listener) -> None:
        """Let one more listen from now on. What was told before is told anew when it happens again."""
        self._listeners = (*self._listeners, listener)
        self.keeper.forget()
        if self.recorder is not None:
            self.recorder.drain()
            self.recorder.forget(names=True)
        for process in self.processes():
            process.seen.clear()

    def unlisten(self, listener: Listener) -> None:
        """Tell a listener nothing more."""
        if self.recorder is not None:
            self.recorder.drain()
        self._listeners = tuple(other for other in self._listeners if other != listener)

    def gap(self, process: int, kind: GapKind, detail: str) -> None:
        """Say that something could not be seen."""
        now = self.tick()
        self.emit(GapSeen(now, now, process, kind, detail))

    def nested_ptrace(self, process: Process) -> None:
        """A tracee calls ptrace: said once a process."""
        if process.started and process.number not in self._nested:
            self._nested.add(process.number)
            self.gap(process.number, "nested-ptrace", "the program uses ptrace itself, which fails under a tracer")

    def before(
        self,
        task: Task,
        dirfd: int,
        name: bytes,
        prepared: Callable[[Before | None], Finish],
        *,
        follow: bool,
        discards: bool,
    ) -> Finish | None:
        """Find out what a call is about to change, hash it if that must be, and go on with `prepared`.

        Hashing goes to a worker; the task is then held, and None returned.
        """
        stat = self.places.stat(task, dirfd, name, follow=follow)
        if stat is None:
            return prepared(None)
        needed = self.keeper.needed(stat, discards=discards)
        fd = self.places.open_path(task, dirfd, name, follow=follow) if needed else None
        if fd is None:
            return prepared(self.keeper.before(stat))
        if self._fuse:
            return prepared(self.keeper.save(fd, stat))  # this is a worker already
        self._hold(task, lambda: prepared(self.keeper.save(fd, stat)), self._entered)
        return None

    def save_first(self, task: Task, fd: int, stat: Stat) -> None:
        """Hash the file behind a descriptor that a call has given, before the thread can read it."""
        try:
            task.saves = os.open(b"/proc/%d/fd/%d" % (task.tid, fd), os.O_PATH | os.O_CLOEXEC), stat
        except OSError:
            return  # it was killed

    def note_opened(self, path: bytes, stat: Stat) -> None:
        """Look out for a FUSE daemon: whoever becomes one has to open this device first (fuse(4))."""
        if path == b"/dev/fuse" and stat_bits.S_ISCHR(stat.mode):
            self._fuse = True
            self.tiering = None
            if self.recorder is not None:
                self.recorder.switch_off()  # reading what it has written down looks at files

    def _hold(self, task: Task, work: Callable[[], T], then: Callable[[Task, T], None]) -> None:
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

    def _entered(self, task: Task, finish: Finish | None) -> None:
        task.finish = finish
        self._go(task)

    def _left(self, task: Task, later: Later | None) -> None:
        if type(later) is AtOnce:
            self._tell(task, later)
            later = None
        self._go(task)
        if later is not None:
            self._tell(task, later)

    def _tell(self, task: Task, later: Later) -> None:
        """Do what could wait. The thread runs already: a fault in here must not resume it once more."""
        try:
            later()
        except Exception as problem:  # noqa: BLE001  a fault in here must not end the command
            self._note_fault(task, problem)

    # --- the loop

    def attach(self, pid: int) -> None:
        """Seize the process that is about to become the command. Raises kernel.Failed."""
        kernel.seize(pid)
        self._numbers = 1
        root = Process(1, pid)
        root.full = self._options.full
        self._root = root
        self.waiter.root = pid
        self._tasks[pid] = Task(pid, root)
        if self._options.full:
            # Nothing else would stop it: bring it into syscall stops from here on.
            kernel.request(kernel.PTRACE_INTERRUPT, pid)

    def set_linger(self, seconds: float) -> None:
        """How long to wait for the command's descendants after its end."""
        self._options = self._options._replace(linger=seconds)

    def take(self, pid: int, tids: Iterable[int], parent: Process | None) -> Process:
        """Count a process that ran before, and whose threads have been seized, to the run; the first is its root."""
        self._numbers += 1
        process = Process(self._numbers, pid)
        process.started = process.full = True
        self.parents[process.number] = parent.number if parent else 0
        process.tids = set(tids)
        look.refresh_view(process, pid, self.own_namespace)
        process.usage_before = look.usage(pid)
        self._tasks.update((tid, Task(tid, process)) for tid in process.tids)
        if parent is None:
            self._root = process
            self.waiter.root = pid
        return process

    def is_executing(self, number: int) -> bool:
        """Whether a thread of this process is in the middle of an exec."""
        return any(task.process.number == number and tid in self.exec_names for tid, task in self._tasks.items())

    def processes(self) -> list[Process]:
        """The processes of the run that are alive, by their numbers."""
        found = {task.process.number: task.process for task in tuple(self._tasks.values())}  # workers ask as well
        return [found[number] for number in sorted(found)]

    def task(self, process: Process) -> Task:
        """A thread of a process that is alive. Raises KeyError when none is."""
        return self._tasks[process.pid if process.pid in self._tasks else min(process.tids, default=0)]

    @property
    def settled(self) -> bool:
        """True unless a thread has something changed in it that is still to be put back."""
        return not any(task.restore for task in self._tasks.values())

    @property
    def alive(self) -> int:
        """How many processes of the run are alive, the command's own among them."""
        return len({task.process.number for task in self._tasks.values()})

    def run(self) -> None:
        """Trace until the command has ended and its descendants have too, or have used up their linger time."""
        while not self.leaving:
            if self.root_ending is None:
                deadline = None
            elif self._finished():
                return
            else:
                deadline = time.monotonic() + _LINGER_SLICE
            if not self._step(deadline):
                return

    def run_on(self) -> None:
        """Trace what is left until it ends."""
        while self._tasks and self._step(None):
            pass

    def serve_while(self, work: Callable[[], None]) -> None:
        """Do `work`; if processes of the run are alive, in a thread, so that they are served meanwhile."""
        if not self._tasks:
            work()
            return
        loop = threading.get_ident()

        def then_wake() -> None:
            work()
            signal.pthread_kill(loop, signal.SIGCHLD)

        thread = threading.Thread(target=then_wake, name="shark-finish")
        try:
            thread.start()
        except RuntimeError:  # the user's limit of processes is reached: better late than never
            work()
            return
        while thread.is_alive():
            if not self._step(time.monotonic() + 0.1):
                break
        thread.join()

    def _finished(self) -> bool:
        """Whether the command is a zombie, and its descendants have ended too or have had their time.

        A while in which the loop did not get to look (the machine stood still) was no time for them either.
        """
        now = time.monotonic()
        self._lingered += min(now - (self._looked or now), _LINGER_SLICE)
        self._looked = now
        if not self.waiter.spared_ended():
            return False
        only_root = all(task.process is self._root for task in self._tasks.values())
        return only_root or self._lingered >= self._options.linger

    def _step(self, deadline: float | None) -> bool:
        """Handle one stop, or sleep; False when no tracee is left."""
        if self.waiter.asked():
            self.on_request()
            return True  # it may have been the end that was asked for
        try:
            found = self.waiter.poll()
            if found is None and self.tiering is not None and self.tiering.prepare():
                return True
            if found is None and not (self.workers.outstanding or self.waiter.requests) and deadline is None:
                found = self.waiter.block_for_stop()
        except ChildProcessError:
            return False
        if found is not None:
            self.handle(*found)
        if self.workers.outstanding:
            self.workers.run_done()
        if found is None:
            if self.waiter.sleep(deadline):
                self.on_request()
            self.workers.run_done()
        return True

    def wind_down(self, seconds: float) -> None:
        """Have no further calls stop, until all is quiet and put back, or `seconds` have gone by.

        A thread that the tracer's end frees from the stop at a call's entry is woken by it: some calls would end at
        once with EINTR. One that is in the call already sleeps on.
        """
        self._resume = kernel.PTRACE_CONT
        for process in self.processes():
            process.full = False
        deadline, quiet = time.monotonic() + seconds, 0
        while (quiet < 2 or not self.settled) and time.monotonic() < deadline:
            try:
                found = self.waiter.poll()
            except ChildProcessError:
                return
            if found is not None:
                self.handle(*found)
                quiet = 0
                continue
            self.workers.run_done()
            self.waiter.sleep_for_stop(time.monotonic() + 0.01)
            quiet += 1

    def handle(self, tid: int, status: int) -> None:
        """Do what a wait status asks for."""
        self.stops += 1
        try:
            if self.recorder is not None:
                self.recorder.drain()
            handle = self._quick.get(status) or self._handlers[classify(status)]
            handle(tid, status)
        except Exception as problem:  # noqa: BLE001  a fault in here must not end, or hang, the command
            self._fault(self._tasks.get(tid), problem)

    def _fault(self, task: Task | None, problem: Exception) -> None:
        self._note_fault(task, problem)
        if task is not None and not task.held:
            self._go(task)

    def _note_fault(self, task: Task | None, problem: Exception) -> None:
        self.gap(task.process.number if task else 0, "other", f"a fault of shark: {problem!r}")
        self.on_fault(problem)

    def _go(self, task: Task, number: int = 0) -> None:
        """Let a thread go on, to its call's exit stop if that matters."""
        if task.saves is not None:
            (fd, stat), task.saves = task.saves, None
            self._hold(task, lambda: self.keeper.save(fd, stat), lambda task, _: self._go(task, number))
            return
        process = task.process
        if process.hot is not None and self.recorder is not None:
            self.recorder.refresh(process)
        stepwise = task.finish is not None or process.full
        kernel.resume(kernel.PTRACE_SYSCALL if stepwise else self._resume, task.tid, number)

    def _on_seccomp(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self._resume, tid)
            return
        if not task.entered and not self._enter(task):  # in full mode the entry stop came first
            return
        if not task.held:
            self._go(task)

    def _on_syscall(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self._resume, tid)
            return
        op, result = kernel.syscall_exit(tid)
        if op == kernel.INFO_EXIT:
            finish, task.finish, task.entered = task.finish, None, False
            if self.recorder is not None and not task.only_reads:
                self.recorder.forget()
            if finish is None:
                self._go(task)
            elif self._fuse and task.restore is None:
                self._hold(task, lambda: finish(self, task, result), self._left)
            else:
                self._left(task, finish(self, task, result))
            return
        if op == kernel.INFO_ENTRY:
            task.finish = None
            task.entered = True
            if not self._enter(task):
                return
        if op != kernel.INFO_NONE and not task.held:
            self._go(task)

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
        task.only_reads = False
        if not task.process.started and decode is not execs.enter_exec:
            return True  # what the launcher does before the command's exec is shark's own business
        registers = info[3:]
        if condition is not None and not condition.holds(registers):
            return True
        if self.tiering is not None and self._is_recorded(task, decode, info):
            return True
        if self._fuse and decode not in IN_LOOP:
            self._hold(task, lambda: decode(self, task, arguments(registers)), self._entered)
        else:
            task.finish = decode(self, task, arguments(registers))
        return True

    def _is_recorded(self, task: Task, decode: Enter, info: tuple[int, ...]) -> bool:
        """Whether the recorder sees to a call: an open for reading of a hot process, or what it asks for itself."""
        if info[1] != AUDIT_X86_64 or task.process.full:
            return False
        if decode is opens.enter_open:
            flags = info[5] if info[2] & ~X32_BIT == OPENAT else info[4]
            task.only_reads = not flags & opens.CHANGING
            return task.only_reads and self.tiering is not None and self.tiering.is_taken(task)
        if decode is opens.enter_open2 and info[3] == TRAP_MAGIC and task.process.hot and self.recorder is not None:
            self.recorder.trapped(task, info[5])
            return True
        if decode in names.CHANGING and self.recorder is not None:
            self.recorder.forget(names=True)
        return False

    def siblings_stopped(self, task: Task) -> bool:
        """Stop all other threads of a process for a moment, and see whether they have: `siblings_go` lets them go on.

        What they have to tell by themselves meanwhile is dealt with afterwards.
        """
        tasks = [self._tasks[tid] for tid in task.process.tids if tid != task.tid and tid in self._tasks]
        others = [other.tid for other in tasks if not other.held]  # those stand still already
        deadline = time.monotonic() + _PATIENCE
        for tid in others:
            try:
                kernel.request(kernel.PTRACE_INTERRUPT, tid)
            except kernel.Failed:
                return False  # it is ending, and will tell
            self.interrupted.add(tid)  # sooner or later it stops for that, and goes on
            status = wait_for(tid, deadline)
            if not status:
                return False
            self._deferred.append((tid, status))
        return True

    def siblings_go(self) -> None:
        """Deal with what has been deferred; threads that were stopped go on."""
        while self._deferred:
            self.handle(*self._deferred.pop(0))

    def went(self, task: Task, status: int) -> None:
        """A thread that was waited for by itself has told something else than was expected of it: deal with that."""
        task.held = True  # nobody else lets it go on
        if status:
            self.handle(task.tid, status)

    def task_of(self, process: Process) -> Task:
        """A thread of a process; one that is gone, if none is alive.

        A main thread that has ended before others is still there, but has no files and no directory any more.
        """
        tids = process.tids - process.exiting if process.exiting else process.tids
        tid = process.pid if process.pid in tids else min(tids, default=process.pid)
        return self._tasks.get(tid) or Task(tid, process)

    def _on_fork(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is not None:
            self._enter_child(task, status >> 16)
            self._go(task)

    def _enter_child(self, task: Task, event: int) -> None:
        try:
            child = kernel.event_message(task.tid, event)
        except kernel.Failed:
            return
        if child in self._tasks:
            return  # adopted already
        flags = self._clone_flags(task, event)
        if flags & _CLONE_THREAD:
            process = task.process
            process.tids.add(child)
            process.holds.uncounted = True  # what threads that have ended read is not told apart from others
        else:
            if task.process.started:
                self.holdings.at_fork(task)
            process = self._new_process(task.process, child, flags)
            task.process.forked = True
            if flags & _CLONE_FILES:
                task.process.holds.shared = process.holds.shared = True
            if self.tiering is not None or self.recorder is not None:
                self._share_recorder(task.process, process, flags)
        self._tasks[child] = Task(child, process, task)
        if flags & _CLONE_NEWNS:
            look.refresh_view(process, child, self.own_namespace)
        first = self._early.pop(child, None)
        ended = self._ended_early.pop(child, None)
        if task.restore is not None:
            self._tasks[child].restore = task.restore
        if first is not None:
            self._handlers[classify(first)](child, first)
        elif ended is not None and not look.is_traced(child):
            self._on_ended(child, ended)

    def _share_recorder(self, parent: Process, child: Process, flags: int) -> None:
        if self.recorder is not None:
            self.recorder.forked(parent, child, flags)
        elif flags & _CLONE_VM:
            child.never_hot = True  # until it has memory of its own
            parent.never_hot = parent.never_hot or not flags & _CLONE_VFORK

    def _adopt(self, ended: Process | None, forgot: int = 0) -> None:
        """Let children go on whose parents cannot tell of them any more, as a fork was under way when they were killed.

        Those are children of nobody who is alive in the run, or of process `forgot`, which has just had an exec.
        """
        for child in tuple(self._early):
            group, parent = look.family(child)
            if group != child or (parent in self._tasks and parent != forgot):
                continue  # its parent will tell; a thread shares the fate of its process
            teller = self._tasks[parent].process if parent == forgot else ended or self._root
            assert teller is not None
            process = self._new_process(teller, child, 0)
            process.never_hot = process.never_hot or self.recorder is not None  # its memory may be that of a hot one
            self._tasks[child] = Task(child, process)
            first = self._early.pop(child)
            self._handlers[classify(first)](child, first)

    def _clone_flags(self, task: Task, event: int) -> int:
        """What a child shares with its parent, from the call itself: the event's kind does not tell.

        The flags of a clone3 were read at its entry, and are those of this one only: an earlier one may have failed.
        """
        number, first = self.machine.call_in_progress(task.tid)
        if number & ~X32_BIT == CLONE3 and task.clone_flags >= 0:
            return task.clone_flags
        if number in self._clone_numbers:
            return first
        return _CLONE_VM | _CLONE_VFORK if event == kernel.PTRACE_EVENT_VFORK else 0

    def _new_process(self, parent: Process, pid: int, flags: int) -> Process:
        self._numbers += 1
        process = Process(self._numbers, pid, parent)
        self.parents[process.number] = parent.number
        if parent.started:
            shares = (SHARES_MEMORY if flags & _CLONE_VM else 0) | (SHARES_FILES if flags & _CLONE_FILES else 0)
            now = self.tick()
            self.emit(ProcessStarted(now, now, process.number, parent.number, pid, time.time_ns(), shares))
        return process

    def _on_started(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            self._early[tid] = status  # held until its parent's event tells whose it is
            self._adopt(self._last_ended)
            return
        if tid in self.interrupted:
            self.interrupted.discard(tid)
            self.machine.resume_interrupted(tid)
        if task.restore is not None and not task.entered and task.finish is None:
            task.restore(tid)
            task.restore = None
        self._go(task)

    def _on_group_stop(self, tid: int, status: int) -> None:
        if tid not in self._tasks:
            self._early[tid] = status
            self._adopt(self._last_ended)
            return
        kernel.resume(kernel.PTRACE_LISTEN, tid)

    def _on_signal(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        number = (status >> 8) & 0xFF
        if task is None:
            kernel.resume(self._resume, tid, number)
            return
        if self.recorder is not None and (task.process.hot or task.process.guest_of):
            number = self.recorder.on_signal(task, number)
        if number == signal.SIGWINCH and self.on_resize is not None:
            self.on_resize()  # before the program that is told of it can ask
        if self.lets_through is not None and task.process is self._root and not self._is_wanted(tid):
            number = 0
        self._go(task, number)

    def _is_wanted(self, tid: int) -> bool:
        assert self.lets_through is not None
        try:
            return self.lets_through(*kernel.signal_origin(tid))
        except kernel.Failed:
            return True

    def _on_exec(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self._resume, tid)
            return
        process = task.process
        try:
            former = kernel.event_message(tid, kernel.PTRACE_EVENT_EXEC)
        except kernel.Failed:
            former = tid
        begin, used = self.exec_names.pop(former, (self.tick(), b""))
        caller = self._tasks.get(former, task)
        for other in process.tids - {tid}:
            self._tasks.pop(other, None)  # exec ends every other thread, and the caller takes the leader's id
        process.tids = {tid}
        process.exiting.clear()
        self._adopt(None, forgot=tid)
        # The leader's place is taken: a worker may still have something to say to the thread that had it.
        task = self._tasks[tid] = Task(tid, process, caller)
        task.entered = process.full
        process.image = look.program(tid)
        process.seen.clear()
        process.opens, process.never_hot = 0, process.filtered
        if self.recorder is not None:
            self.recorder.executed(process)
        first, process.started = not process.started, True
        if first:
            self.emit(ProcessStarted(begin, begin, process.number, 0, process.pid, time.time_ns(), 0))
            process.usage_before = look.usage(process.pid)
        if self._fuse:
            held = self.holdings.at_exec(task)
            self._hold(task, lambda: _both(execs.started(self, task, begin, used), held), self._left)
            return
        laters = [execs.started(self, task, begin, used)]
        holdings = self.holdings
        for look_at in (partial(inherited, self), holdings.at_start) if first else (holdings.at_exec,):
            try:
                laters.append(look_at(task))
            except Exception as problem:  # noqa: BLE001  what the image is must be told all the same
                self._note_fault(task, problem)
        self._go(task)
        for later in laters:
            self._tell(task, later)

    def _on_exit(self, tid: int, status: int) -> None:
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self._resume, tid)
            return
        task.process.exiting.add(tid)
        self._note_exiting(task.process)
        kernel.resume(kernel.PTRACE_CONT, tid)

    def _note_exiting(self, process: Process) -> None:
        """See whether the last of its threads is about to end; the command must not be reaped from then on."""
        if not process.exiting >= process.tids:
            return
        process.usage = look.usage_since(process.usage_before, process.pid)
        if process.started:
            self.holdings.at_end(process)
        if process is self._root and self.root_ending is None:
            self._root_ends(process)

    def _root_ends(self, root: Process) -> None:
        self.root_ending = time.monotonic()
        self.waiter.spared = root.pid
        self.on_root_exit()

    def _on_ended(self, tid: int, status: int) -> None:
        if tid == self.waiter.spared and self.root_ending is None:
            # Killed in one of its stops, it had gone on to the exit stop when it was told to go on from the former.
            self._root_ends(self._tasks[tid].process)
            return
        task = self._tasks.pop(tid, None)
        if task is None:
            self._early.pop(tid, None)
            if len(self._ended_early) >= _FEW:
                self._ended_early.clear()
            self._ended_early[tid] = status
            return
        self.exec_names.pop(tid, None)
        process = task.process
        unannounced = tid not in process.exiting
        process.tids.discard(tid)
        process.exiting.discard(tid)
        if tid == process.pid:
            self._ended(process, status)
            self._last_ended = process
            self._adopt(process)
        elif unannounced:
            # A thread that is killed while it ends by itself has no exit stop: the leader's may have been the last.
            self._note_exiting(process)

    def _ended(self, process: Process, status: int) -> None:
        for tid in process.tids:
            self._tasks.pop(tid, None)
        if self.recorder is not None:
            self.recorder.left(process, killed=os.WIFSIGNALED(status))
        if not process.started:
            return
        now = self.tick()
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1
        self.emit(ProcessEnded(now, now, process.number, time.time_ns(), code, number, process.usage))

    # --- the command itself

    @property
    def root_pid(self) -> int:
        """The process id of the command."""
        assert self._root is not None
        return self._root.pid

    @property
    def root_started(self) -> bool:
        """True once the command's own exec has succeeded."""
        return self._root is not None and self._root.started

    def root_status(self) -> tuple[int, int]:
        """(exit, signal) of the command, which is a zombie now; the one that does not apply is -1."""
        found = os.waitid(os.P_PID, self.root_pid, os.WEXITED | os.WNOHANG | os.WNOWAIT | kernel.WALL)
        if found is None:
            return -1, -1
        return (found.si_status, -1) if found.si_code == os.CLD_EXITED else (-1, found.si_status)

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

    def note_root_ended(self) -> None:
        """Tell of the command's end, though it is not reaped yet."""
        root = self._root
        if root is None or root.pid not in self._tasks:
            return
        code, number = self.root_status()
        for tid in (root.pid, *root.tids):
            self._tasks.pop(tid, None)
        now = self.tick()
        self.emit(ProcessEnded(now, now, root.number, time.time_ns(), code, number, root.usage))

    def release_root(self) -> None:
        """Let the command's parent see its end."""
        self.waiter.reap_spared()
