"""Which system calls are traced, and how their arguments are laid out: rows, not branches.

A row names the canonical operation (see decoders.py), how its arguments come out of the six registers, and, where only
some calls matter, a condition on one argument that the seccomp filter tests itself. CONTRIBUTING.md tells how to
add one.
"""

from __future__ import annotations

from collections.abc import Callable

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

CWD: Final = 0xFFFFFF9C
"""AT_FDCWD as it comes out of a 32-bit register half; decoders take the low half of every descriptor argument."""

Registers = tuple[int, ...]


class Condition(NamedTuple):
    """Trace only calls with (low half of argument `argument`) & `mask` == `value`, and for which `also` holds.

    Those for which `otherwise` holds are traced as well.
    """

    argument: int
    mask: int
    value: int
    also: Condition | None = None
    otherwise: Condition | None = None

    def holds(self, registers: Registers) -> bool:
        """The same test as the filter's, for the mode without a filter."""
        mine = registers[self.argument] & self.mask == self.value
        if mine and (self.also is None or self.also.holds(registers)):
            return True
        return self.otherwise is not None and self.otherwise.holds(registers)


class Row(NamedTuple):
    """One traced system call."""

    operation: str
    arguments: Callable[[Registers], Registers]
    condition: Condition | None = None


def _as_they_are(a: Registers) -> Registers:
    return a


def _prctl(a: Registers) -> Registers:
    return (int(a[0] & 0xFFFFFFFF in (_PR_SET_SECCOMP, _PR_SET_SYSCALL_USER_DISPATCH)), 0)


_SET_MODE_FILTER = Condition(0, 0xFFFFFFFF, 1)
_PR_SET_SECCOMP, _PR_SET_SYSCALL_USER_DISPATCH = 22, 59  # <linux/prctl.h>
_OWN_FILTER = Condition(0, 0xFFFFFFD2, 18)  # the bits that both have in common, and few others
_TO_NOTHING = Condition(1, 0xFFFFFFFF, 0)  # a length whose low half is 0: `sort -o` empties its output so
_SHARED_FOR_WRITING = Condition(3, 1, 1, Condition(2, 2, 2))  # MAP_SHARED or MAP_SHARED_VALIDATE, and PROT_WRITE
_LOOP_FILE = Condition(1, 0xFFFFFFF5, 0x4C00)  # LOOP_SET_FD, LOOP_CONFIGURE, and two that are rare (<linux/loop.h>)
# FICLONE, FICLONERANGE and what else is of this type (<linux/fs.h>)
_REFLINK = Condition(1, 0xFF00, 0x9400, otherwise=_LOOP_FILE)
_NO_CONNECTIONS = Condition(1, 2, 2)  # SOCK_DGRAM, SOCK_RAW and SOCK_PACKET, but not SOCK_STREAM, SOCK_SEQPACKET
_UNTRACED = Condition(0, 0x00800000, 0x00800000)  # CLONE_UNTRACED


def _blocking(argument: int) -> Condition:
    """A wait without WNOHANG in its options: what only asks is no moment at which a process has nothing else to do."""
    return Condition(argument, 1, 0)


ROWS: Final[dict[str, Row]] = {
    # What gives a process a descriptor.
    "open": Row("open", lambda a: (CWD, a[0], a[1])),
    "openat": Row("open", _as_they_are),
    "openat2": Row("open2", _as_they_are),
    "creat": Row("creat", _as_they_are),
    "open_by_handle_at": Row("open_by_handle", _as_they_are),
    "memfd_create": Row("memfd", _as_they_are),
    "recvmsg": Row("receive", _as_they_are),
    "recvmmsg": Row("receive_many", _as_they_are),
    "recvmmsg_time64": Row("receive_many", _as_they_are),
    "pidfd_getfd": Row("take_descriptor", _as_they_are),
    # What starts programs and processes. fork and vfork have no flags to look at: their events tell all.
    "execve": Row("exec", lambda a: (CWD, a[0], 0)),
    "execveat": Row("exec", lambda a: (a[0], a[1], a[4])),
    "clone": Row("clone", _as_they_are, _UNTRACED),  # others are told by their events
    "clone3": Row("clone3", _as_they_are),
    # What changes names.
    "rename": Row("rename", lambda a: (CWD, a[0], CWD, a[1], 0)),
    "renameat": Row("rename", lambda a: (a[0], a[1], a[2], a[3], 0)),
    "renameat2": Row("rename", _as_they_are),
    "link": Row("link", lambda a: (CWD, a[0], CWD, a[1], 0)),
    "linkat": Row("link", _as_they_are),
    "symlink": Row("symlink", lambda a: (a[0], CWD, a[1])),
    "symlinkat": Row("symlink", _as_they_are),
    "unlink": Row("remove", lambda a: (CWD, a[0])),
    "unlinkat": Row("remove", _as_they_are),
    "rmdir": Row("remove", lambda a: (CWD, a[0])),
    "mkdir": Row("mkdir", lambda a: (CWD, a[0])),
    "mkdirat": Row("mkdir", _as_they_are),
    "mknod": Row("mknod", lambda a: (CWD, a[0], a[1])),
    "mknodat": Row("mknod", _as_they_are),
    # What changes content or times without a descriptor.
    "ftruncate": Row("empty", _as_they_are, _TO_NOTHING),
    "ftruncate64": Row("empty", _as_they_are, _TO_NOTHING),
    "truncate": Row("truncate", _as_they_are),
    "truncate64": Row("truncate", _as_they_are),
    "utime": Row("touch", lambda a: (CWD, a[0])),
    "utimes": Row("touch", lambda a: (CWD, a[0])),
    "futimesat": Row("touch", _as_they_are),
    "utimensat": Row("touch", _as_they_are),
    "utimensat_time64": Row("touch", _as_they_are),
    # What changes how paths are to be understood.
    "chdir": Row("view", _as_they_are),
    "fchdir": Row("view", _as_they_are),
    "chroot": Row("view", _as_they_are),
    "pivot_root": Row("view", _as_they_are),
    "setns": Row("view", _as_they_are),
    "unshare": Row("view", _as_they_are),
    # What leaves the run, and what joins processes inside it.
    "connect": Row("connect", _as_they_are),
    "accept": Row("accept", _as_they_are),
    "accept4": Row("accept", _as_they_are),
    "socketpair": Row("socketpair", _as_they_are),
    "socket": Row("datagrams", _as_they_are, _NO_CONNECTIONS),
    "bind": Row("bind", _as_they_are),
    "socketcall": Row("socketcall", _as_they_are),
    "mmap": Row("map", _as_they_are, _SHARED_FOR_WRITING),
    "mmap2": Row("map", _as_they_are, _SHARED_FOR_WRITING),
    "old_mmap": Row("old_map", _as_they_are),
    "shmat": Row("attach", _as_they_are),
    "mq_open": Row("queue", _as_they_are),
    "msgsnd": Row("send_message", _as_they_are),
    "msgrcv": Row("take_message", _as_they_are),
    "ipc": Row("ipc", _as_they_are),
    "process_vm_readv": Row("read_process", _as_they_are),
    "process_vm_writev": Row("write_process", _as_they_are),
    # What moves data past the counters, and when a shell has closed what its children go on with.
    "splice": Row("uncounted", _as_they_are),
    "tee": Row("uncounted", _as_they_are),
    "vmsplice": Row("uncounted", _as_they_are),
    "io_setup": Row("uncounted", _as_they_are),
    "ioctl": Row("control", _as_they_are, _REFLINK),
    "wait4": Row("wait", _as_they_are, _blocking(2)),
    "waitpid": Row("wait", _as_they_are, _blocking(2)),
    "waitid": Row("wait", _as_they_are, _blocking(3)),
    # What hides things from a tracer.
    "ptrace": Row("ptrace", _as_they_are),
    "seccomp": Row("own_filter", _as_they_are, _SET_MODE_FILTER),
    "prctl": Row("own_filter", _prctl, _OWN_FILTER),
    "io_uring_setup": Row("io_uring", _as_they_are),
    "fanotify_init": Row("fanotify", _as_they_are),
}
"""Every traced system call by its name, on any architecture that has it."""

NOT_TRACED: Final[dict[str, str]] = {
    "read, write, pread, pwrite, readv, writev": "the open's mode decides; a stop would cost more than the call",
    "mmap of memory that is private or read-only, msync": "a mapping needs an open file first",
    "pipe": "it matters once another process has an end, which needs a fork, a message or an open",
    "sendfile, copy_file_range": "they work on descriptors whose opening was seen",
    "ftruncate to a length, fallocate": "they need a writable descriptor, whose opening counts as a write",
    "close, dup, dup2, fcntl": "a descriptor is looked up when it matters; a model of the table goes wrong",
    "stat, access, readlink, getxattr": "names and attributes, no content",
    "chmod, chown, setxattr": "no content is changed",
    "fork, vfork": "followed by ptrace events, without a stop at the call",
    "swapon, acct, quotactl": "privileged administration of the machine, no data flow of a command",
}
"""What is left out, and why that loses nothing."""
