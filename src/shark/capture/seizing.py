"""Taking hold of processes that run already, and letting them go again unharmed.

Nothing may be left behind in such a process, so there is no filter (one could not be taken off again): every system
call stops. Nor may it end with its tracer: no EXITKILL, and it is let go by the tracer's own end, at which the kernel
frees each thread as it is, asleep in a call, stopped or with signals pending, without waking it (exit_ptrace() in the
kernel's ptrace.c; killing the tracer does the same).

SEIZE leaves a thread running and INTERRUPT brings it into its first stop, from which on its calls are seen. All are
held there until it was looked at what they have: descriptors, mapped files, programs.
"""

from __future__ import annotations

import os
import stat as stat_bits
import time
from collections.abc import Collection, Iterable, Iterator

from shark.capture import interrupting, kernel, look
from shark.capture.tasks import Process, Task
from shark.events import READ, WRITE, Before, Event, ImageStarted, Opened, ProcessStarted, Sighting
from shark.model.scripts import script_paths
from shark.tuples import TYPE_CHECKING
from shark.values import Stat

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

PATIENCE = 0.3
"""Seconds in which all threads must have come to their first stop. One in an uninterruptible sleep stops later, before
it returns to its program."""

FOR_TRANSFERS = 1.0
"""Seconds at most in which no thread shall be in the middle of a transfer that the interruption would cut short."""

FOR_LIMITS = 0.1
"""The same for calls with a time limit that would begin anew: some programs are hardly ever in any other."""

HASHED_AT_ONCE = 16 << 20
"""Bytes of a file that is open for writing, up to which its content is hashed while its process is held: 10 ms."""


class Refused(Exception):
    """A process that cannot be traced; `number` is the errno, `tracer` who traces it already (0: nobody)."""

    def __init__(self, number: int, tracer: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number
        self.tracer = tracer


def seize(s: Supervisor, pid: int, spared: Collection[int] = ()) -> Hold:
    """Take hold of a process with all its threads and descendants, but for processes in `spared`. Raises Refused."""
    spared = {*spared, os.getpid()}
    interrupting.wait_until_harmless(lambda: _threads_below(pid, spared), FOR_TRANSFERS, FOR_LIMITS)
    hold = Hold(s, spared)
    hold.take(pid, None)
    hold.take_descendants()
    hold.wait()
    return hold


class Hold:
    """What stands still until `go`. `troubles`: what could not be had of the descendants, as sentences."""

    def __init__(self, s: Supervisor, spared: set[int]) -> None:
        self._s = s
        self._stops: list[tuple[int, int]] = []
        self._spared = spared
        self._processes: dict[int, Process] = {}
        self._waited: set[int] = set()
        self.troubles: list[str] = []

    def take(self, pid: int, parent: Process | None) -> None:
        """Seize all threads of a process, those too that it starts meanwhile. Raises Refused if none could be had."""
        tids: set[int] = set()
        refused: Refused | None = None
        while True:
            found = [tid for tid in _threads(pid) if tid not in tids]
            taken = set()
            for tid in found:
                try:
                    kernel.seize(tid, kernel.GUEST_OPTIONS)
                except kernel.Failed as problem:
                    # One that was started by a thread which is seized is traced from its first moment.
                    if tracer_of(tid) != os.getpid():
                        refused = Refused(problem.number, tracer_of(tid))
                    continue
                taken.add(tid)
                kernel.resume(kernel.PTRACE_INTERRUPT, tid)
            tids |= taken
            if not taken:
                break
        if not tids:
            raise refused or Refused(3, 0)  # ESRCH
        self._waited |= tids
        self._s.lives.interrupted |= tids
        self._processes[pid] = self._s.lives.take(pid, tids, parent)

    def take_descendants(self) -> None:
        """Seize the children of what was seized, until there are no more."""
        failed: set[int] = set()
        while True:
            parents = parents_of_all()
            new = [
                (pid, parent)
                for pid, parent in parents.items()
                if parent in self._processes and pid not in self._processes and pid not in failed | self._spared
            ]
            if not new:
                return
            for pid, parent in new:
                if tracer_of(pid) == os.getpid():
                    failed.add(pid)  # made by a thread that was seized: its parent's event tells of it
                    continue
                try:
                    self.take(pid, self._processes[parent])
                except Refused as problem:
                    failed.add(pid)
                    if os.path.exists(f"/proc/{pid}/exe"):
                        self.troubles.append(f"process {pid}, a child of process {parent}, is not seen: {problem}")

    def wait(self) -> None:
        """Wait until every thread has come to its first stop, to stay there."""
        deadline = time.monotonic() + PATIENCE
        while self._waited and time.monotonic() < deadline:
            tid, status = os.waitpid(-1, os.WNOHANG | kernel.WALL)
            if not tid:
                self._s.waiter.sleep_for_stop(deadline)
                continue
            self._waited.discard(tid)
            self._stops.append((tid, status))

    def go(self) -> None:
        """Let all go on, in the order in which they stopped, with whatever they were stopped for."""
        stops, self._stops = self._stops, []
        for tid, status in stops:
            self._s.handle(tid, status)


def _threads_below(pid: int, spared: Collection[int]) -> list[tuple[int, int]]:
    """The threads of a process and its descendants, each with its process. Nobody stands still yet."""
    parents = parents_of_all()
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one and child not in {*spared, *found}]
    return [(one, tid) for one in found for tid in _threads(one)]


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except (FileNotFoundError, ProcessLookupError):
        return []


def tracer_of(tid: int) -> int:
    """Who traces a thread, 0 for nobody."""
    return max(0, look.figure(look.slurp(b"/proc/%d/status" % tid), b"\nTracerPid:"))


def parents_of_all() -> dict[int, int]:
    """The parent of each process of the machine (as far as this process sees them)."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = look.slurp(f"/proc/{name}/stat".encode()).rpartition(b")")[2].split(None, 3)
            if len(fields) > 1:
                found[int(name)] = int(fields[1])
    return found


# --- what a process has when somebody begins to look


def describe(s: Supervisor, process: Process, parent: int, sources: Iterable[bytes] = ()) -> Iterator[Event]:
    """Tell of a process that runs already as if it started now: its program, and what it holds.

    Inherited accesses are its descriptors, the files that are mapped, the script that it runs, and `sources`: what it
    is known to have read before.
    """
    task = s.tree.task(process)
    now = s.tick()
    yield ProcessStarted(now, now, process.number, parent, process.pid, time.time_ns(), 0)
    image = _image(s, task)
    yield image
    told: set[bytes] = set()
    for event in (*_descriptors(s, task), *_mapped(s, task)):
        told.add(event.file.path)
        s.keeper.opened(event.file.stat, event.access, emptied=False)  # type: ignore[arg-type]  # it has one
        yield event
    for path in dict.fromkeys((*script_paths(image.exe.path, image.argv, image.cwd), *sources)):
        read = _read_before(s, task, path)
        if read is not None and read.file.path not in told:
            s.keeper.opened(read.file.stat, READ, emptied=False)  # type: ignore[arg-type]  # it has one
            yield read


def _image(s: Supervisor, task: Task) -> ImageStarted:
    stat = kernel.statx(b"/proc/%d/exe" % task.tid)
    try:
        path = os.readlink(b"/proc/%d/exe" % task.tid).removesuffix(b" (deleted)")
    except OSError:
        path = b""
    begin = s.tick()
    exe = s.places.settled(task.process, path, path, stat)
    argv = tuple(look.slurp(b"/proc/%d/cmdline" % task.tid).split(b"\0")[:-1])
    cwd = look.working_directory(task, s.places.epoch)
    return ImageStarted(begin, s.tick(), task.process.number, time.time_ns(), argv, cwd, exe, (), None)


def _descriptors(s: Supervisor, task: Task) -> Iterator[Opened]:
    try:
        fds = sorted(map(int, os.listdir(b"/proc/%d/fd" % task.tid)))
    except OSError:
        s.gap(task.process.number, "privilege", "the descriptors that it held at the beginning are not to be seen")
        return
    for fd in fds:
        seen = look.descriptor(task.tid, fd)
        flags = look.descriptor_flags(task.tid, fd)
        if seen is None or flags is None or not stat_bits.S_ISREG(seen[1].mode):
            continue
        path, stat = seen
        access = look.access_of(flags)
        if access:
            append = bool(flags & os.O_APPEND)
            link = b"/proc/%d/fd/%d" % (task.tid, fd)
            before = _before(s, link, stat, append=append) if access & WRITE else None
            yield _held(s, task, path, stat, access, before, append=append)


def _mapped(s: Supervisor, task: Task) -> Iterator[Opened]:
    """The files that are mapped: libraries, and data whose descriptor was closed after the mapping (proc(5), maps)."""
    found: dict[bytes, tuple[int, bytes]] = {}
    for line in look.slurp(b"/proc/%d/maps" % task.tid).splitlines():
        words = line.split(None, 5)
        if len(words) == 6 and words[5].startswith(b"/") and not words[5].startswith((b"/dev/", b"/SYSV")):
            access = READ | (WRITE if words[1][1:2] == b"w" and words[1][3:4] == b"s" else 0)
            found[words[5]] = found.get(words[5], (0, b""))[0] | access, words[4]
    for path, (access, inode) in found.items():
        if task.process.rooted:
            continue  # the descriptors tell; a path inside of another root is not looked up for each library
        stat = kernel.statx(path)
        if stat is None or stat.id.ino != int(inode) or not stat.regular:
            if not path.startswith(b"/memfd:"):
                s.gap(task.process.number, "other", f"{os.fsdecode(path)} is mapped, but was removed or replaced since")
            continue
        before = _before(s, path, stat, append=False) if access & WRITE else None
        yield _held(s, task, path, stat, access, before, append=False)


def _held(
    s: Supervisor, task: Task, path: bytes, stat: Stat, access: int, before: Before | None, *, append: bool
) -> Opened:
    begin = s.tick()
    file = s.places.settled(task.process, path, path, stat)
    number = task.process.number
    return Opened(begin, s.tick(), number, access, file, False, False, append, before, "inherited")


def _before(s: Supervisor, link: bytes, stat: Stat, *, append: bool) -> Before:
    """The content that a file had when its writer was met."""
    if append or not s.keeper.needed(stat, discards=False):
        return s.keeper.before(stat)
    if stat.size > HASHED_AT_ONCE:
        return Before(stat, "", "it was open for writing already, and too large to hash while its process is held")
    try:
        fd = os.open(link, os.O_PATH | os.O_CLOEXEC)
    except OSError as problem:
        return Before(stat, "", f"it could not be read: {problem.strerror}")
    return s.keeper.save(fd, stat)


def _read_before(s: Supervisor, task: Task, path: bytes) -> Opened | None:
    begin = s.tick()
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        stat, true = kernel.statx_fd(fd), os.readlink(b"/proc/self/fd/%d" % fd)
    finally:
        os.close(fd)
    if stat is None or not stat.regular:
        return None
    file = Sighting(true, path, stat)
    return Opened(begin, s.tick(), task.process.number, READ, file, False, False, False, None, "inherited")


# --- and when it ends


_PF_EXITING = 0x4  # of the field `flags` in proc(5)'s stat


def is_ending(pid: int) -> bool:
    """True when all threads of a process are on their way out, or gone: its descriptors are being closed."""
    for tid in _threads(pid):
        fields = look.slurp(b"/proc/%d/task/%d/stat" % (pid, tid)).rpartition(b")")[2].split(None, 8)
        if len(fields) > 6 and not int(fields[6]) & _PF_EXITING:
            return False
    return True


def open_for_writing(process: Process) -> dict[bytes, Stat]:
    """The regular files that a process holds open for writing, by path."""
    found: dict[bytes, Stat] = {}
    try:
        fds = os.listdir(b"/proc/%d/fd" % process.pid)
    except OSError:
        return found
    for fd in map(int, fds):
        flags = look.descriptor_flags(process.pid, fd)
        if flags is not None and look.access_of(flags) & WRITE:
            seen = look.descriptor(process.pid, fd)
            if seen is not None and seen[1].regular:
                found[seen[0]] = seen[1]
    return found
