"""The recorder as the supervisor knows it: heats processes up, and turns what they write down into events."""

from __future__ import annotations

import os
import signal

from shark.capture import kernel, look, opens
from shark.capture.tasks import Process, Task
from shark.events import Located, Missing, Sighting
from shark.recorder import injecting, layout, registers, signals
from shark.recorder.names import Names
from shark.recorder.native import Native
from shark.recorder.patterns import JUMP, LONGEST, SYSCALL, Fit, fit_of
from shark.recorder.registers import NONE, Registers
from shark.recorder.ring import Record, Ring, Slot
from shark.recorder.siblings import Siblings
from shark.recorder.sites import Site, Sites
from shark.recorder.space import Space
from shark.recorder.telling import Telling
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Stat

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor

_CLONE_VM: Final = 0x100
_FAILURES: Final = 8
"""After so many processes that the recorder could not be brought into, it is not tried any more."""

_ALL: Final = 0x7FFFFFFF
"""No descriptor has a higher number."""

_TURNS: Final = 64
"""At each such reading it is asked whether the ring was damaged."""

_FAULTS: Final = (signal.SIGSEGV, signal.SIGBUS)


class Counts(NamedTuple):
    """What the recorder did: processes that were hot, sites patched, opens recorded and, of those, repetitions."""

    processes: int
    sites: int
    recorded: int
    repeated: int


class Recorder:
    """One for a run, made when its first process is hot."""

    def __init__(self, supervisor: Supervisor, native: Native, ring: Ring) -> None:
        self._s = supervisor
        self._native = native
        self._ring = ring
        self._task_of = supervisor.tree.task_of
        self._siblings = Siblings(supervisor)
        self._names = Names(supervisor.places)
        self._sites = Sites(native)
        lines = supervisor.lines
        self._telling = None if lines is None else Telling(native, ring, lines, supervisor.keeper, self._names.note)
        if self._telling is not None:
            self._names.on_change = self._telling.forget
        self._processes: dict[int, Process] = {}  # the hot ones, by their numbers
        self._cold: dict[int, set[int]] = {}  # by process number: instructions that cannot be patched
        self._heated = self._patched = self._failed = 0
        self._torn = self._broken = self._turns = 0
        self._off = False
        supervisor.tick = ring.tick

    # --- becoming hot

    def heat(self, task: Task) -> bool:
        """At the entry of an open: have it, and all others made at the same place, go through the recorder.

        True if so: the thread is to go on then. The process keeps its plain stops where anything is not as it must be.
        """
        process = task.process
        at = registers.fetch(task.tid)
        if self._off or at is None or process.rooted:
            process.never_hot = True
            return False
        if at.rip in self._cold.get(process.number, ()) or at.orig_rax not in (layout.NR_OPEN, layout.NR_OPENAT):
            return False  # the latter: calls of x32
        if process.hot is not None and at.rip - len(SYSCALL) - JUMP in process.hot.sites:
            return False  # the recorder's code itself chose a plain call
        fit = fit_of(kernel.read_memory(task.tid, at.rip - len(SYSCALL) - LONGEST, LONGEST), at.orig_rax)
        if fit is None:
            self._cold.setdefault(process.number, set()).add(at.rip)
            return False
        try:
            if len(process.tids) > 1:
                return self._heat_among_threads(task, at, fit)
            return self._heat(task, at, fit)
        except injecting.Went as went:
            self._siblings.went(task, went.status)
            return True
        except OSError:
            process.never_hot = True  # it is ending, or hides its memory
            return False

    def _heat_among_threads(self, task: Task, at: Registers, fit: Fit) -> bool:
        """The same for a process with several threads: none may run while its code is changed."""
        try:
            return self._siblings.stopped(task) and self._heat(task, at, fit)
        finally:
            self._siblings.go()

    def _heat(self, task: Task, at: Registers, fit: Fit) -> bool:
        process = task.process
        space = process.hot
        assert space is None or isinstance(space, Space)
        site = at.rip - len(SYSCALL) - JUMP
        regions = injecting.maps(process.pid)
        if not injecting.may_be_patched(site, regions):
            self._cold.setdefault(process.number, set()).add(at.rip)
            return False
        again = at._replace(rip=at.rip - len(SYSCALL), rax=at.orig_rax, orig_rax=NONE)
        if space is None:
            space = self._inject(task, at, site, regions)
            if space is None:
                process.never_hot = True
                self._failed += 1
                self._off = self._failed >= _FAILURES
                registers.store(task.tid, again)
                return True  # it makes the same call again, plainly
        elif space.near_of(site, fit) < 0:
            near = injecting.place_near(site, regions)
            if not near or not self._add_page(task, at, space, near):
                self._cold.setdefault(process.number, set()).add(at.rip)
                registers.store(task.tid, again)
                return True
        self._patch(space, Site(site, at.orig_rax, fit), regions)
        if site not in space.sites:
            self._cold.setdefault(process.number, set()).add(at.rip)
        if site not in space.sites or fit.chosen:
            # Of the latter what was moved may not be executed twice: this system call has overwritten r11 already.
            registers.store(task.tid, again)
            return True
        registers.store(task.tid, at._replace(rip=site, orig_rax=NONE))
        return True

    def _patch(self, space: Space, first: Site, regions: list[injecting.Region]) -> None:
        """Patch a place, and all others of the same file: once there are threads, it cannot be done any more."""
        for site in (first, *self._sites.of_file(regions, first.address, space.read)):
            if site.address in space.sites or space.near_of(site.address, site.fit) < 0:
                continue
            code = space.read(site.address + JUMP - LONGEST, LONGEST + len(SYSCALL))
            if code.endswith(SYSCALL) and fit_of(code[: -len(SYSCALL)], site.number) == site.fit:
                space.patch(*site)
                self._patched += 1

    @staticmethod
    def _add_page(task: Task, at: Registers, space: Space, near: int) -> bool:
        with injecting.undisturbed(task.tid):
            return injecting.add_page(task.tid, at, space, near)

    def _inject(self, task: Task, at: Registers, site: int, regions: list[injecting.Region]) -> Space | None:
        process = task.process
        if not injecting.may_have(process.pid):
            return None
        near = injecting.place_near(site, regions)
        if not near:
            return None
        space = Space(process.pid, process.number)
        space.watched = self._watched(process)
        with injecting.undisturbed(task.tid):
            problem = injecting.inject(task.tid, at, space, self._ring.path, self._native, near)
        if problem:
            space.close()
            # What lies there is the program's own: its calls from there are let through by the filter.
            process.full = process.full or any(r.start <= layout.CODE < r.end for r in regions)
            return None
        self._heated += 1
        process.hot = space
        self._add(process)
        self._names.note_held(task)
        self.locate(task)
        return space

    # --- the lives of processes

    def _add(self, process: Process) -> None:
        self._processes[process.number] = process
        if self._telling is not None:
            self._telling.add(process.number)

    def locate(self, task: Task) -> None:
        """Tell where a hot process is: who finds the ring after a crash has nobody to ask."""
        cwd = look.working_directory(task, self._s.places.epoch)
        now = self._s.tick()
        self._s.emit(Located(now, now, task.process.number, cwd))

    def forked(self, parent: Process, child: Process, flags: int) -> None:
        """A process was made by a hot one, or shares its memory; no instruction of it has run yet."""
        space = parent.hot
        if flags & _CLONE_VM:
            space = space or parent.guest_of
            if isinstance(space, Space):
                child.guest_of = space
                space.guests += 1
                space.describe_if_there()
        elif isinstance(space, Space):
            own = space.copy(child.pid, child.number)
            child.hot = own
            self._add(child)
            self._heated += 1
            own.describe_if_there()

    def executed(self, process: Process) -> None:
        """A process is another program: that has neither read nor missed anything yet, whatever was told before."""
        if process.hot is not None:
            self._ring.forget(files=True, names=True)
        self.left(process)

    def left(self, process: Process, *, killed: bool = False) -> None:
        """A process has another memory now, or has ended; `killed` by a signal.

        A thread that an exec or an exit of another one ended in the middle of a record never got its file.
        """
        self._cold.pop(process.number, None)
        guest_of, process.guest_of = process.guest_of, None
        if isinstance(guest_of, Space):
            guest_of.guests -= 1
            guest_of.describe_if_there()
        space, process.hot = process.hot, None
        if isinstance(space, Space):
            space.close()
            if self._ring.release(process.number) and killed:
                self._s.gap(
                    process.number, "journal-lost", "it was killed while it wrote down that it had opened a file"
                )
            self._processes.pop(process.number, None)
            if self._telling is not None:
                self._telling.remove(process.number)

    def refresh(self, process: Process) -> None:
        """Before a thread of a hot process goes on: tell the recorder's code what has changed."""
        space = process.hot
        if not isinstance(space, Space):
            return
        watched = self._watched(process)
        plain = space.plain or process.rooted or process.full or process.never_hot
        if watched != space.watched or plain != space.plain:
            space.watched, space.plain = watched, plain
            space.describe_if_there()

    def _watched(self, process: Process) -> int:
        """The number of a descriptor at or below which an opening is to be looked at while the process stands still.

        A shell opens files for others: each is looked at, but what it does not find, as its loader does, is not.
        """
        if process.holds.shell:
            return _ALL
        if self._s.holdings.trusts(process):
            return -1
        return max(process.holds.writing, default=-1)

    def switch_off(self) -> None:
        """From now on every call stops."""
        self._off = True
        self._ring.switch_off()

    # --- what they tell

    def note(self, process: Process, path: bytes, stat: Stat) -> None:
        """A process has got a file with a stop: names of others may start from it."""
        if not process.foreign:  # paths are others where it lives
            self._names.note(path, stat)

    def forget(self, *, names: bool = False, directories: bool = False, told: bool = False) -> None:
        """Files may have changed; with `names`, names may mean something else too, with `directories`, also those of
        directories that were there; with `told`, all is told anew.
        """
        self._ring.forget(files=True, names=names)
        if names:
            self._names.forget()
        if directories and self._telling is not None:
            self._telling.forget(told=told)

    def moved(self, process: Process, old: bytes, new: bytes, *, exchanged: bool) -> None:
        """A process has renamed a directory, or exchanged two names."""
        if process.rooted:
            self._names.forget_directories()  # paths may be others where it lives
        else:
            self._names.moved(old, new, exchanged=exchanged)

    def has_hot(self) -> bool:
        """Whether there are hot processes."""
        return bool(self._processes)

    def drain(self) -> int:
        """Tell all that was written down and not told yet; how many records that were, without repetitions."""
        doubtful: dict[int, Process] = {}
        telling = self._telling if self._s.takes_lines else None
        for record in self._ring.drain() if telling is None else telling.untold(self._processes):
            process = self._processes.get(record.process)
            if process is None:
                self._s.gap(0, "journal-lost", "a record of the ring names no process that could have written it")
                continue
            self._tell(process, record, telling)
            if self._is_doubtful(process, record.result):
                doubtful[process.number] = process
        for number, lowest in telling.lowest.items() if telling is not None else ():
            if self._is_doubtful(self._processes[number], lowest):
                doubtful[number] = self._processes[number]
        for process in doubtful.values():
            self._s.holdings.at_readings(self._task_of(process))
            self.refresh(process)
        self._turns += 1
        if not self._turns % _TURNS:
            self._check()
        return self._ring.found

    @staticmethod
    def _is_doubtful(process: Process, result: int) -> bool:
        """Whether a descriptor was given for which another one may have been closed, by which the process wrote."""
        return 0 <= result <= max(process.holds.writing, default=-1)

    def _check(self) -> None:
        """See whether a program has written into the ring what the recorder's code does not."""
        _, _, torn, broken = self._ring.counts
        if torn > self._torn:
            self._torn = torn
            self._s.gap(0, "journal-lost", "records of opened files in the ring were damaged by a program")
        if broken > self._broken:
            self._broken = broken
            self.switch_off()
            self._s.gap(
                0, "journal-lost", "a program has overwritten the ring's counter: the order of its opens is lost"
            )

    def _tell(self, process: Process, record: Record, telling: Telling | None) -> None:
        s = self._s
        task = self._task_of(process)
        named = self._names.named(task, record.dirfd, record.base, record.name)
        used = self._names.used(task, named)
        if record.result < 0:
            if not record.name:
                return  # of no file
            if not used:
                detail = f"{os.fsdecode(record.name)} was looked for in a directory whose path is not known any more"
                s.gap(process.number, "other", detail)
            else:
                self._learn(telling, task, record, used)
                if used not in process.seen:
                    process.seen[used] = None
                    s.emit(Missing(record.begin, record.end, process.number, used, False))
            return
        stat = record.stat
        path = self._path(task, record, named, used, stat)
        if path:
            self._names.note(path, stat)
            self._learn(telling, task, record, used)
        else:
            path = used or record.name
            self._tell_of_another(process, record, used)
        if not record.flags & os.O_PATH:
            key = path, record.name if record.name.startswith(b"/") else (record.dirfd, record.name)
            file = Sighting(path, used or path, stat)
            opens.recorded(s, process, record.begin, record.end, key, file)

    def _learn(self, telling: Telling | None, task: Task, record: Record, used: bytes) -> None:
        """Let the next file in the same directory be told of without asking."""
        if telling is None or not used:
            return
        directory = self._names.true_directory(os.path.dirname(used).rstrip(b"/"))
        telling.learn(record, used, directory, look.working_directory(task, self._s.places.epoch))

    def _path(self, task: Task, record: Record, named: bytes, used: bytes, stat: Stat) -> bytes:
        """The true path of the file that was opened; b"" if it cannot be found out."""
        names = self._names
        return names.true(task, record.result, named, used, stat) if used else names.held(task, record.result, stat)

    def _tell_of_another(self, process: Process, record: Record, used: bytes) -> None:
        """The name leads to another file than was behind the descriptor: then that may have been the one opened.

        Either it was replaced since, from outside of the run, or another thread had put another file behind the
        descriptor before the recorder's code could look.
        """
        shown = os.fsdecode(used or record.name)
        detail = f"{shown} is another file by now than the one that was opened: its path is as named"
        self._s.gap(process.number, "other", detail)
        found = kernel.statx(used) if used else None
        if found is not None and found.regular and not record.flags & os.O_PATH:
            file = Sighting(used, used, found)
            opens.recorded(self._s, process, record.begin, record.end, (used, record.name), file)

    def trapped(self, task: Task, address: int) -> None:
        """A hot thread stands still right after an open, since that is to be looked at while it does."""
        offset = self._ring.at(address)
        slot = self._ring.slot(offset) if offset >= 0 else None
        if slot is None or slot.state != layout.LOUD or slot.process != task.process.number:
            self._s.gap(task.process.number, "journal-lost", "a program has asked for a look as only the recorder does")
            return
        self._finish(task, slot, self._ring.name(offset, slot.length))

    def _finish(self, task: Task, slot: Slot, name: bytes | None) -> None:
        at = slot.number == layout.NR_OPENAT
        flags = (slot.rdx if at else slot.rsi) & 0xFFFFFFFF
        if name is None:
            name = kernel.read_path(task.tid, slot.rsi if at else slot.rdi) or b""
        dirfd = slot.rdi if at else kernel.AT_FDCWD
        later = opens.finish_read(self._s, task, dirfd, name, flags, slot.begin, slot.result)
        if flags & os.O_PATH and slot.result >= 0:  # that is no access, but names may start from it
            seen = look.descriptor(task.tid, slot.result)
            if seen is not None:
                self._names.note(*seen)
        if later is not None:
            later()

    def on_signal(self, task: Task, number: int) -> int:
        """A signal is about to be delivered: no handler may see the recorder's code. Returns the signal to deliver."""
        space = task.process.hot or task.process.guest_of
        at = registers.fetch(task.tid)
        if at is None or not isinstance(space, Space):
            return number
        try:
            repaired = signals.repair(at, space, self._ring, self._native)
        except OSError:
            return number
        if repaired is None:
            return number
        registers.store(task.tid, repaired.registers)
        if repaired.untold is not None:
            self._finish(task, repaired.untold, repaired.name)
        own_fault = number in _FAULTS and self._is_fault(task.tid)
        return 0 if own_fault else number

    def clear(self, task: Task) -> None:
        """A thread is about to confine all others: none may be in the recorder's code then, whose calls it may punish.

        Who waits there for an open to succeed makes it anew, plainly.
        """
        process = task.process
        if not isinstance(process.hot, Space) or len(process.tids) < 2:
            return
        try:
            self.refresh(process)  # nobody enters it any more
            self._siblings.driven_from(task, layout.CODE)
            for other in self._siblings.standing():
                self.on_signal(other, 0)
        finally:
            self._siblings.go()

    def _is_fault(self, tid: int) -> bool:
        """Whether the kernel sent the signal because of an instruction: then it was one of the recorder's.

        That happens if another thread unmaps a path right after the kernel has read it.
        """
        try:
            return kernel.signal_origin(tid)[1] > 0
        except kernel.Failed:
            return False

    # --- at the end

    @property
    def counts(self) -> Counts:
        """What there was to do."""
        self._check()
        recorded, repeated, *_ = self._ring.counts
        return Counts(self._heated, self._patched, recorded, repeated)

    def close(self) -> None:
        """No process is hot any more: remove the ring."""
        if self._telling is not None:
            self._names.on_change = lambda: None
            self._telling.close()
            self._telling = None
        self._ring.close()
