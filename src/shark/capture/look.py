"""Looking at a process through /proc: never a model of its tables, never a question that could block.

Everything here is asked while the process stands still (recorder/names.py does otherwise, and says how), by statx with
AT_STATX_DONT_SYNC and by readlink of /proc's magic links, neither of which reaches a file server (see
kernel.AT_STATX_DONT_SYNC).
"""

from __future__ import annotations

import errno
import os

from shark.capture import kernel
from shark.capture.mounts import DETACHED, Attached
from shark.capture.tasks import Process, Task
from shark.events import READ, WRITE
from shark.values import Stat, Usage

_DELETED = b" (deleted)"
_readlink = os.readlink
_TICKS = os.sysconf("SC_CLK_TCK")
_attached = Attached()  # a mount is the same for whoever asks
_has = _attached.has

_TOO_MANY = frozenset({errno.EMFILE, errno.ENFILE})
shortages: list[str] = []
"""What the system said when shark itself could not open what it wanted to look at; the supervisor tells and empties it.
"""


def note_shortage(problem: OSError) -> None:
    """See whether something could not be looked at for want of a descriptor: else it is just not there, or hidden."""
    if problem.errno in _TOO_MANY:
        shortages.append(os.strerror(problem.errno))


def descriptor(tid: int, fd: int) -> tuple[bytes, Stat] | None:
    """The true path and state of a thread's descriptor; None when it is closed already, or hidden from shark.

    A path of an unlinked file comes without the kernel's " (deleted)". The file may have other names, but that path is
    none: it is reported without any (nlink 0), as it was met. Below a mount that is nowhere it begins with DETACHED.
    """
    link = b"/proc/%d/fd/%d" % (tid, fd)
    stat = kernel.statx(link)
    if stat is None:
        return None
    mount = kernel.mount_seen()
    try:
        path = _readlink(link)
    except OSError:
        return None
    if path.endswith(_DELETED) and not _is_so_named(path, stat):
        path = path[: -len(_DELETED)]
        stat = stat._replace(nlink=0)
    return _marked(mount, link, path, stat), stat


def _marked(mount: int, link: bytes, path: bytes, stat: Stat) -> bytes:
    """A path, with a mark where it is only what follows a mount that is nowhere.

    The kernel's own mounts are nowhere either: of pipes, sockets, namespaces, memory without a name.
    """
    if not stat.nlink or not (stat.regular or stat.directory) or not path.startswith(b"/"):
        return path
    return path if _has(mount, link, path, stat) else DETACHED + path


def whole(link: bytes, path: bytes) -> bytes:
    """What a link of /proc says, with a mark as in `descriptor` where it is only a part of a path."""
    stat = kernel.statx(link)
    return path if stat is None else _marked(kernel.mount_seen(), link, path, stat)


def _directory(link: bytes) -> bytes:
    """The directory that a link of /proc leads to, b"" when hidden.

    One that is nowhere is the root of its mount, or was reached from there: others need no further look.
    """
    try:
        path = _readlink(link)
    except OSError:
        return b""
    return whole(link, path) if path == b"/" or _attached.doubtful else path


def _is_so_named(path: bytes, stat: Stat) -> bool:
    """Tell a file that is really called "x (deleted)" from one whose name x is gone (proc(5))."""
    if stat.nlink == 0:
        return False
    named = kernel.statx(path, flags=kernel.AT_STATX_DONT_SYNC | kernel.AT_SYMLINK_NOFOLLOW)
    return named is not None and named.id == stat.id


def program(tid: int) -> bytes:
    """The path of the file that a thread executes, b"" when hidden; of one that was removed, where it was."""
    try:
        return _readlink(b"/proc/%d/exe" % tid).removesuffix(_DELETED)
    except OSError:
        return b""


def descriptor_flags(tid: int, fd: int) -> int | None:
    """The open(2) flags of a descriptor, from fdinfo (proc(5)); None when it is gone or hidden."""
    try:
        with open(b"/proc/%d/fdinfo/%d" % (tid, fd), "rb") as info:
            for line in info:
                if line.startswith(b"flags:"):
                    return int(line[6:], 8)
    except OSError as problem:
        note_shortage(problem)
        return None
    return None


def access_of(flags: int) -> int:
    """READ and WRITE bits of open(2) flags; 0 for O_PATH, which gives no access to content."""
    if flags & os.O_PATH:
        return 0
    return (READ, WRITE, READ | WRITE, 0)[flags & os.O_ACCMODE]


def working_directory(task: Task, epoch: int) -> bytes:
    """The thread's working directory, as shark sees it; b"" when hidden. Asked once per `epoch`.

    Threads of one process may have different ones, after unshare(CLONE_FS).
    """
    if task.cwd_epoch != epoch:
        task.cwd = _directory(b"/proc/%d/cwd" % task.tid)
        task.cwd_epoch = epoch
    return task.cwd


def base_directory(task: Task, dirfd: int, epoch: int) -> bytes:
    """What a relative path starts from: the working directory for AT_FDCWD, else a descriptor's path; b"" if hidden."""
    dirfd = signed(dirfd)
    if dirfd == kernel.AT_FDCWD:
        return working_directory(task, epoch)
    return _directory(b"/proc/%d/fd/%d" % (task.tid, dirfd))


def signed(value: int) -> int:
    """A descriptor argument: the low half of a register, as a signed int."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def absolute(base: bytes, name: bytes) -> bytes:
    """`name` as an absolute path from `base`, with `.`, `..` and `//` resolved by text alone."""
    path = name if name.startswith(b"/") else base + b"/" + name
    if b"/." in path or b"//" in path or path.endswith(b"/"):
        return os.path.normpath(path).replace(b"//", b"/", 1)
    return path


def own_path(task: Task, path: bytes) -> bytes:
    """An absolute path as the thread means it where it speaks of itself: /proc/self, /dev/fd, /dev/stdin and so on.

    All but /proc/thread-self speak of its process (proc(5)).
    """
    pid = task.process.pid
    if path.startswith(b"/proc/"):
        if path.startswith(b"/proc/self/") or path == b"/proc/self":
            return b"/proc/%d" % pid + path[10:]
        if path.startswith(b"/proc/thread-self/") or path == b"/proc/thread-self":
            return b"/proc/%d/task/%d" % (pid, task.tid) + path[17:]
    elif path.startswith(b"/dev/"):
        if path.startswith(b"/dev/fd/"):
            return b"/proc/%d/fd/" % pid + path[8:]
        standard = {b"/dev/stdin": 0, b"/dev/stdout": 1, b"/dev/stderr": 2}.get(path)
        if standard is not None:
            return b"/proc/%d/fd/%d" % (pid, standard)
    return path


def usage(pid: int) -> Usage | None:
    """What a process used so far (stat, status and io of proc(5)); None when none of it can be read."""
    text = slurp(b"/proc/%d/stat" % pid)
    if not text:
        return None
    fields = text.rpartition(b")")[2].split(None, 14)
    status = slurp(b"/proc/%d/status" % pid)
    io = slurp(b"/proc/%d/io" % pid)
    rss = figure(status, b"VmHWM:")
    return Usage(
        int(fields[11]) / _TICKS,
        int(fields[12]) / _TICKS,
        rss * 1024 if rss >= 0 else -1,
        figure(io, b"rchar:"),
        figure(io, b"wchar:"),
    )


def usage_since(before: Usage | None, pid: int) -> Usage | None:
    """What a process used since `before` was taken of it (peak memory is what it is)."""
    now = usage(pid)
    if now is None or before is None:
        return now
    return Usage(
        max(0.0, round(now.user_seconds - before.user_seconds, 3)),
        max(0.0, round(now.system_seconds - before.system_seconds, 3)),
        now.max_rss,
        now.read_bytes - before.read_bytes if min(now.read_bytes, before.read_bytes) >= 0 else -1,
        now.written_bytes - before.written_bytes if min(now.written_bytes, before.written_bytes) >= 0 else -1,
    )


def figure(text: bytes, name: bytes) -> int:
    """The number behind `name` in the text of a file of /proc, -1 if it is not there."""
    _, found, rest = text.partition(name)
    return int(rest.split(None, 1)[0]) if found else -1


def slurp(path: bytes) -> bytes:
    """A small file of /proc, b"" when it cannot be read; a third of the time that a file object takes."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        note_shortage(problem)
        return b""
    try:
        text = b""
        while part := os.read(fd, 1 << 16):
            text += part
        return text
    except OSError:
        return b""
    finally:
        os.close(fd)


def family(tid: int) -> tuple[int, int]:
    """The process that a thread belongs to, and that process's parent; (0, 0) when it is gone."""
    status = slurp(b"/proc/%d/status" % tid)
    return max(0, figure(status, b"\nTgid:")), max(0, figure(status, b"\nPPid:"))


def is_traced(tid: int) -> bool:
    """Whether anybody traces this thread: whoever was reaped by its tracer has none any more."""
    return figure(slurp(b"/proc/%d/status" % tid), b"\nTracerPid:") > 0


def mount_namespace(pid: int | str) -> bytes:
    """The identity of a process's mount namespace, b"" when hidden."""
    try:
        return _readlink(f"/proc/{pid}/ns/mnt".encode())
    except OSError:
        return b""


def root_directory(pid: int) -> bytes:
    """A process's root directory as shark sees it, b"" when hidden."""
    try:
        return _readlink(b"/proc/%d/root" % pid)
    except OSError:
        return b""


def refresh_view(process: Process, tid: int, own_namespace: bytes) -> None:
    """Learn anew whether a process has another root directory or mount namespace than shark."""
    namespace = mount_namespace(tid)
    process.foreign = bool(namespace) and namespace != own_namespace
    process.rooted = process.foreign or root_directory(tid) not in (b"/", b"")


def hidden(tid: int) -> bool:
    """True for a process that does not let shark look at it (not dumpable: prctl(2), PR_SET_DUMPABLE)."""
    try:
        os.readlink(b"/proc/%d/exe" % tid)
    except PermissionError:
        return True
    except OSError:
        return False
    return False
