"""The lives of processes and threads: how they come into the run, execute programs, and end.

A child's first stop and its parent's event of it come in any order, and either may not come at all: whoever is killed
tells nothing more. What came first is kept until the other comes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from functools import partial

from shark.capture import execs, kernel, look
from shark.capture.abi import CLONE3, X32_BIT, conventions
from shark.capture.inherited import inherited
from shark.capture.tasks import Later, Process, Task
from shark.events import SHARES_FILES, SHARES_MEMORY, ProcessEnded, ProcessStarted
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

_CLONE_VM, _CLONE_FILES, _CLONE_THREAD, _CLONE_VFORK, _CLONE_NEWNS = 0x100, 0x400, 0x10000, 0x4000, 0x20000

_CORE_PATTERN: Final = b"/proc/sys/kernel/core_pattern"
"""Where a core goes: to a program if it begins with |, to a socket if with @, else into a file (core(5))."""

_FEW: Final = 256
"""A parent's event follows its child's end within moments; threads that an exec ended are never told of."""


class Lives:
    """Enters processes and threads into the tree, and removes them. One for a run; the `at_` are the kinds of stops."""

    def __init__(self, supervisor: Supervisor, *, full: bool) -> None:
        self._s = supervisor
        self._full = full
        self._tree = supervisor.tree
        self._tasks = supervisor.tree.tasks
        self._command = supervisor.command
        self._waiter = supervisor.waiter
        self._holdings = supervisor.holdings
        self._numbers = 0
        self._early: dict[int, Callable[[], None]] = {}  # what handles the first stops of children not told of yet
        self._ended_early: dict[int, int] = {}  # last statuses of those who ended before that (and of a few others)
        self._last_ended: Process | None = None
        self._orphans = False  # whether somebody may have ended, or may end, in the middle of a fork
        self._clone_numbers = {c.numbers["clone"] for c in conventions()}
        self.begun: dict[int, execs.Exec] = {}  # of threads in an exec, or that were in a vain one
        self.interrupted: set[int] = set()  # threads whose first stop, by our interruption, is still to come

    # --- from outside of the run

    def attach(self, pid: int) -> None:
        """Seize the process that is about to become the command. Raises kernel.Failed."""
        kernel.seize(pid)
        self._numbers = 1
        root = Process(1, pid)
        root.full = self._full
        self._command.process = root
        self._waiter.root = pid
        self._tasks[pid] = Task(pid, root)
        if self._full:
            # Nothing else would stop it: bring it into syscall stops from here on.
            kernel.request(kernel.PTRACE_INTERRUPT, pid)

    def take(self, pid: int, tids: Iterable[int], parent: Process | None) -> Process:
        """Count a process that ran before, and whose threads have been seized, to the run; the first is its root."""
        self._numbers += 1
        process = Process(self._numbers, pid)
        process.started = process.full = True
        self._orphans = True
        self._tree.parents[process.number] = parent.number if parent else 0
        process.tids = set(tids)
        look.refresh_view(process, pid, self._s.own_namespace)
        process.usage_before = look.usage(pid)
        self._tasks.update((tid, Task(tid, process)) for tid in process.tids)
        if parent is None:
            self._command.process = process
            self._waiter.root = pid
        return process

    # --- births

    def at_fork(self, tid: int, status: int) -> None:
        """A thread has made a child: a process or another thread."""
        task = self._tasks.get(tid)
        if task is not None:
            self._enter_child(task, status >> 16)
            self._s.go(task)

    def _look(self, look: Callable[[Task], None], task: Task) -> None:
        """A look at a fork that may go wrong, and must not end what is to be done for the child."""
        try:
            look(task)
        except Exception as problem:  # noqa: BLE001  the child would be held for ever
            self._s.note_fault(task, problem)

    def _enter_child(self, task: Task, event: int) -> None:
        try:
            child = kernel.event_message(task.tid, event)
        except kernel.Failed:
            return
        if child in self._tasks:
            return  # adopted already
        s = self._s
        flags = self._clone_flags(task, event)
        if flags & _CLONE_THREAD:
            process = task.process
            process.tids.add(child)
            self._orphans = True
            process.holds.uncounted = True  # what threads that have ended read is not told apart from others
        else:
            if task.process.started:
                self._look(self._holdings.at_fork, task)
            process = self._new_process(task.process, child, flags)
            task.process.forked = True
            if flags & _CLONE_FILES:
                task.process.holds.shared = process.holds.shared = True
            if s.tiering is not None or s.recorder is not None:
                self._share_recorder(task.process, process, flags)
        self._tasks[child] = Task(child, process, task)
        if flags & _CLONE_NEWNS:
            look.refresh_view(process, child, s.own_namespace)
        if process.started and len(task.process.tids) > 1 and not flags & (_CLONE_VM | _CLONE_FILES):
            self._look(self._holdings.at_birth, self._tasks[child])
        first = self._early.pop(child, None)
        ended = self._ended_early.pop(child, None)
        if task.restore is not None:
            self._tasks[child].restore = task.restore
        if first is not None:
            first()
        elif ended is not None and not look.is_traced(child):
            self.at_end(child, ended)

    def _share_recorder(self, parent: Process, child: Process, flags: int) -> None:
        if flags & _CLONE_VM:
            owner = child.memory_of = parent.memory_of or parent
            child.never_hot = True  # until it has memory of its own
            if not flags & _CLONE_VFORK:
                parent.never_hot = owner.never_hot = True  # both run, and the page tells of one
        if self._s.recorder is not None:
            self._s.recorder.forked(parent, child, flags)

    def _clone_flags(self, task: Task, event: int) -> int:
        """What a child shares with its parent, from the call itself: the event's kind does not tell.

        The flags of a clone3 were read at its entry, and are those of this one only: an earlier one may have failed.
        """
        number, first = self._s.machine.call_in_progress(task.tid)
        if number & ~X32_BIT == CLONE3 and task.clone_flags >= 0:
            return task.clone_flags
        if number in self._clone_numbers:
            return first
        return _CLONE_VM | _CLONE_VFORK if event == kernel.PTRACE_EVENT_VFORK else 0

    def _new_process(self, parent: Process, pid: int, flags: int) -> Process:
        self._numbers += 1
        process = Process(self._numbers, pid, parent)
        self._tree.parents[process.number] = parent.number
        if parent.started:
            shares = (SHARES_MEMORY if flags & _CLONE_VM else 0) | (SHARES_FILES if flags & _CLONE_FILES else 0)
            now = self._s.tick()
            self._s.emit(ProcessStarted(now, now, process.number, parent.number, pid, time.time_ns(), shares))
        return process

    def _adopt(self, ended: Process | None, forgot: int = 0) -> None:
        """Let children go on whose parents cannot tell of them any more, as a fork was under way when they were killed.

        Those are children of nobody who is alive in the run, or of process `forgot`, which has just had an exec. Who
        has a single thread and ends by itself is in no fork: until others do, nobody need be asked.
        """
        if not self._orphans:
            return
        for child in tuple(self._early):
            group, parent = look.family(child)
            if group != child or (parent in self._tasks and parent != forgot):
                continue  # its parent will tell; a thread shares the fate of its process
            teller = self._tasks[parent].process if parent == forgot else ended or self._command.process
            assert teller is not None
            process = self._new_process(teller, child, 0)
            process.never_hot = process.never_hot or self._s.recorder is not None  # its memory may be that of a hot one
            self._tasks[child] = Task(child, process)
            self._early.pop(child)()

    # --- first stops

    def at_start(self, tid: int, status: int) -> None:
        """A thread is there, or goes on after a group stop, or was interrupted by us."""
        task = self._tasks.get(tid)
        if task is None:
            self._keep_early(tid, partial(self.at_start, tid, status))
            return
        if tid in self.interrupted:
            self.interrupted.discard(tid)
            self._s.machine.resume_interrupted(tid)
            if task.process.filtered and self._s.recorder is not None:
                self._s.recorder.on_signal(task, 0)  # it is out of the recorder's code before it may be punished there
        if task.restore is not None and not task.entered and task.finish is None:
            task.restore(tid)
            task.restore = None
        self._s.go(task)

    def at_group_stop(self, tid: int, status: int) -> None:
        """A thread was stopped by a stopping signal, and is to stay so."""
        if tid in self._tasks:
            kernel.resume(kernel.PTRACE_LISTEN, tid)
        else:
            self._keep_early(tid, partial(self.at_group_stop, tid, status))

    def _keep_early(self, tid: int, handle: Callable[[], None]) -> None:
        """Hold a child until its parent's event tells whose it is."""
        self._early[tid] = handle
        self._adopt(self._last_ended)

    # --- programs

    def is_executing(self, number: int) -> bool:
        """Whether a thread of this process is in the middle of an exec."""
        threads = (tid for tid, task in self._tasks.items() if task.process.number == number)
        return any(tid in self.begun and not self.begun[tid].vain for tid in threads)

    def at_exec(self, tid: int, status: int) -> None:
        """A process is another program, and stands at its first instruction."""
        s = self._s
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(s.onward, tid)
            return
        process = task.process
        try:
            former = kernel.event_message(tid, kernel.PTRACE_EVENT_EXEC)
        except kernel.Failed:
            former = tid
        begun = self.begun.pop(former, None)
        begin, used = (s.tick(), b"") if begun is None else begun[:2]
        task = self._outlive(task, former)
        process.image = look.program(tid)
        process.seen.clear()
        process.opens = process.vain = 0
        process.never_hot = process.filtered
        process.memory_of = None
        if s.recorder is not None:
            s.recorder.executed(process)
        first, process.started = not process.started, True
        if first:
            s.emit(ProcessStarted(begin, begin, process.number, 0, process.pid, time.time_ns(), 0))
            process.usage_before = look.usage(process.pid)
        holdings = self._holdings
        if s.fuse:
            held = holdings.at_exec(task)
            s.hold(task, lambda: _both(execs.started(s, task, begin, used), held), s.left)
            return
        laters = [execs.started(s, task, begin, used)]
        for look_at in (partial(inherited, s), holdings.at_start) if first else (holdings.at_exec,):
            try:
                laters.append(look_at(task))
            except Exception as problem:  # noqa: BLE001  what the image is must be told all the same
                s.note_fault(task, problem)
        s.go(task)
        for later in laters:
            s.tell(task, later)

    def _outlive(self, task: Task, former: int) -> Task:
        """The thread that goes on after an exec, which ends every other one: the caller, under the leader's id."""
        tid, process = task.tid, task.process
        caller = self._tasks.get(former, task)
        for other in process.tids - {tid}:
            self._tasks.pop(other, None)
        process.tids = {tid}
        process.exiting.clear()
        self._adopt(None, forgot=tid)
        # The leader's place is taken: a worker may still have something to say to the thread that had it.
        task = self._tasks[tid] = Task(tid, process, caller)
        task.entered = process.full
        return task

    # --- ends

    def at_exit(self, tid: int, status: int) -> None:
        """A thread is about to end, and still has what it has."""
        task = self._tasks.get(tid)
        if task is None:
            kernel.resume(self._s.onward, tid)
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
            self._holdings.at_end(process)
        if process is self._command.process and self._command.ending is None:
            self._command.ends()

    def at_end(self, tid: int, status: int) -> None:
        """A thread is gone."""
        if tid == self._waiter.spared and self._command.ending is None:
            # Killed in one of its stops, it had gone on to the exit stop when it was told to go on from the former.
            self._command.ends()
            return
        task = self._tasks.pop(tid, None)
        if task is None:
            self._early.pop(tid, None)
            if len(self._ended_early) >= _FEW:
                self._ended_early.clear()
            self._ended_early[tid] = status
            return
        self.begun.pop(tid, None)
        process = task.process
        unannounced = tid not in process.exiting
        process.tids.discard(tid)
        process.exiting.discard(tid)
        if tid == process.pid:
            self._orphans = self._orphans or unannounced or os.WIFSIGNALED(status)
            self._ended(process, status)
            self._last_ended = process
            self._adopt(process)
        elif unannounced:
            # A thread that is killed while it ends by itself has no exit stop: the leader's may have been the last.
            self._note_exiting(process)

    def _ended(self, process: Process, status: int) -> None:
        s = self._s
        for tid in process.tids:
            self._tasks.pop(tid, None)
        if s.recorder is not None:
            s.recorder.left(process, killed=os.WIFSIGNALED(status))
        if not process.started:
            return
        if os.WCOREDUMP(status) and not look.slurp(_CORE_PATTERN).startswith((b"|", b"@")):
            s.gap(process.number, "other", "the process has left a core, a file that the kernel writes without a call")
        now = s.tick()
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else -1
        s.emit(ProcessEnded(now, now, process.number, time.time_ns(), code, number, process.usage))


def _both(first: Later, second: Later) -> Later:
    def later() -> None:
        first()
        second()

    return later
