"""Programs: what an exec starts, by which scripts, with which loader."""

from __future__ import annotations

import errno
import os
import time

from shark.capture import kernel, look
from shark.capture.tasks import Finish, Later, Process, Task
from shark.events import ImageStarted, Missing, Sighting, SubRun
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Stat

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor

_SCRIPT_DEPTH = 5  # the kernel follows `#!` to this depth (BINPRM_MAX_RECURSION is 4 rewrites, execve(2))
_HEAD = 256  # BINPRM_BUF_SIZE: how much of a `#!` line the kernel looks at
_AT_EMPTY_PATH = 0x1000
_S_ISUID, _S_ISGID = 0o4000, 0o2000


class Exec(NamedTuple):
    """An exec whose entry was seen: its order number, and what it named. `vain`: it fails, as far as can be told."""

    begin: int
    used: bytes
    vain: bool


def enter_exec(s: Supervisor, task: Task, a: tuple[int, ...]) -> Finish | None:
    """execve, execveat: (dirfd, path, flags). A success shows as an event of its own; only failures come to finish.

    Who looks for a program in the directories of PATH executes it in each: what is not there does not stop once more.
    """
    name = kernel.read_path(task.tid, a[1])
    begin = s.tick()
    used = _named(s, task, a[0], name, a[2])
    vain = name is not None and _is_nowhere(s, task, name)
    s.lives.begun[task.tid] = Exec(begin, used, vain)
    if task.process.started:
        s.holdings.at_exec_entry(task.process)
    if vain:
        later = _missing(s, task.process, begin, used)
        if later is not None:
            later()
        return None

    def finish(s: Supervisor, task: Task, result: int) -> Later | None:
        s.lives.begun.pop(task.tid, None)
        if not name:
            return None  # that the descriptor's file is not there is not what was wrong
        return _missing(s, task.process, begin, used) if result in (-errno.ENOENT, -errno.ENOTDIR) else None

    return finish


def _named(s: Supervisor, task: Task, fd: int, name: bytes | None, flags: int) -> bytes:
    """What an exec names, made absolute; of a descriptor alone the path of its file, b"" if that has none any more."""
    if name:
        return s.places.used(task, fd, name)
    if name is None or not flags & _AT_EMPTY_PATH:
        return b""
    seen = look.descriptor(task.tid, look.signed(fd))
    if seen is None or not seen[1].regular or not seen[1].nlink:
        return b""
    return seen[0] if seen[0].startswith(b"/") else b""


def _is_nowhere(s: Supervisor, task: Task, name: bytes) -> bool:
    """Whether there is no such program, which shark can tell of names that mean the same to it."""
    process = task.process
    if process.rooted or process.foreign or process.full or s.fuse or not process.started:
        return False
    return name.startswith(b"/") and not name.startswith((b"/proc/", b"/dev/")) and kernel.is_nowhere(name)


def _missing(s: Supervisor, process: Process, begin: int, used: bytes) -> Later | None:
    """What tells that a program was not found, if that was not told before."""
    if not used or not process.started or used in process.seen:
        return None
    process.seen[used] = None
    number, end = process.number, s.tick()
    return lambda: s.emit(Missing(begin, end, number, used, True))


def started(s: Supervisor, task: Task, begin: int, used: bytes) -> Later:
    """An exec has succeeded: look at the new image while it stands at its first instruction."""
    tid, process = task.tid, task.process
    stat = kernel.statx(b"/proc/%d/exe" % tid)
    process.program = None if stat is None else stat.version
    path = process.image or used
    argv = _arguments(tid)
    cwd = look.working_directory(task, s.places.epoch)
    # A script has another name than the program that runs.
    named = s.places.stat(task, kernel.AT_FDCWD, used, follow=True) if used and used != path else None
    direct = named is None or stat is None or named.id == stat.id
    scripts = () if stat is None or direct else _scripts(s, task, used, stat)
    exe = s.places.settled(process, path, used if direct and used else path, stat)
    loader = _loader(s, process, tid, stat)
    end, now = s.tick(), time.time_ns()
    lost = _lost_privilege(stat)
    subrun, process.subrun = process.subrun, ""

    def later() -> None:
        if subrun:
            s.emit(SubRun(begin, begin, process.number, subrun, argv))
        s.emit(ImageStarted(begin, end, process.number, now, argv, cwd, exe, scripts, loader))
        if stat is None:
            s.gap(process.number, "privilege", f"{os.fsdecode(used)}: the program does not let shark look at it")
        if lost:
            s.gap(process.number, "privilege", f"{os.fsdecode(path)} runs without the privilege that its file gives")

    return later


def _arguments(tid: int) -> tuple[bytes, ...]:
    """The new image's arguments as the kernel laid them down; for a script they begin with its interpreter."""
    return tuple(look.slurp(b"/proc/%d/cmdline" % tid).split(b"\0")[:-1])


def _scripts(s: Supervisor, task: Task, used: bytes, exe: Stat) -> tuple[Sighting, ...]:
    """The `#!` files that led from `used` to the program that runs, outermost first."""
    chain: list[Sighting] = []
    name = used
    while len(chain) < _SCRIPT_DEPTH:
        file = s.places.sighting(task, kernel.AT_FDCWD, name, follow=True)
        if file is None or file.stat is None or file.stat.id == exe.id:
            break
        chain.append(file)
        interpreter = _interpreter(s, task, name)
        if not interpreter:
            break
        name = s.places.used(task, kernel.AT_FDCWD, interpreter)
    return tuple(chain)


def _interpreter(s: Supervisor, task: Task, name: bytes) -> bytes:
    """The program that a file's `#!` line names, b"" if it has none or cannot be read."""
    fd = s.places.open_path(task, kernel.AT_FDCWD, name, follow=True)
    if fd is None:
        return b""
    try:
        readable = os.open(b"/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    finally:
        os.close(fd)
    try:
        head = os.read(readable, _HEAD)
    finally:
        os.close(readable)
    if not head.startswith(b"#!"):
        return b""
    words = head[2:].split(b"\n", 1)[0].split()
    return words[0] if words else b""


def _loader(s: Supervisor, process: Process, tid: int, exe: Stat | None) -> Sighting | None:
    """The ELF interpreter: at an image's start, the one file besides the program that is mapped."""
    if exe is None:
        return None
    known = s.loaders.get(exe.version)
    if known is not None:
        return known[0]
    path = _second_mapping(tid, exe.id.ino)
    stat = kernel.statx(path) if path else None
    loader = s.places.settled(process, path, path, stat) if path and stat is not None else None
    s.loaders[exe.version] = (loader,)
    return loader


def _second_mapping(tid: int, exe_inode: int) -> bytes:
    try:
        with open(b"/proc/%d/maps" % tid, "rb") as maps:
            for line in maps:
                words = line.rstrip(b"\n").split(None, 5)
                if len(words) == 6 and words[5].startswith(b"/") and int(words[4]) != exe_inode:
                    return words[5]
    except OSError:
        return b""
    return b""


def _lost_privilege(stat: Stat | None) -> bool:
    """A setuid or setgid program gets no privilege under a tracer that has none itself (execve(2))."""
    if stat is None or os.geteuid() == 0:
        return False
    return bool(stat.mode & _S_ISUID) or stat.mode & (_S_ISGID | 0o010) == _S_ISGID | 0o010
