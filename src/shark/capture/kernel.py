"""The kernel's tracing interface: requests, constants and the few structures that the loop reads at every stop.

Requests go through prepared prototypes on reused buffers; workers ask for files and memory too, so each thread has its
own for these. They are made without releasing the GIL (ctypes.PyDLL): none of them blocks, and a worker thread that
took the GIL in between would make the stopped process wait.

Sources: ptrace(2), process_vm_readv(2), statx(2), openat2(2), <linux/ptrace.h>, <linux/stat.h>.
"""

from __future__ import annotations

import _thread
import ctypes
import errno
import os
import struct

from shark.tuples import TYPE_CHECKING
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from typing import Final

# Requests, events and options (<linux/ptrace.h>).
PTRACE_CONT: Final = 7
PTRACE_DETACH: Final = 17
PTRACE_SYSCALL: Final = 24
PTRACE_GETEVENTMSG: Final = 0x4201
PTRACE_GETSIGINFO: Final = 0x4202
PTRACE_GETREGSET: Final = 0x4204
PTRACE_SETREGSET: Final = 0x4205
PTRACE_SEIZE: Final = 0x4206
PTRACE_INTERRUPT: Final = 0x4207
PTRACE_LISTEN: Final = 0x4208
PTRACE_GETSIGMASK: Final = 0x420A
PTRACE_SETSIGMASK: Final = 0x420B
PTRACE_GET_SYSCALL_INFO: Final = 0x420E
PTRACE_EVENT_FORK: Final = 1
PTRACE_EVENT_VFORK: Final = 2
PTRACE_EVENT_CLONE: Final = 3
PTRACE_EVENT_EXEC: Final = 4
PTRACE_EVENT_EXIT: Final = 6
PTRACE_EVENT_SECCOMP: Final = 7
PTRACE_EVENT_STOP: Final = 128
PTRACE_O_TRACESYSGOOD: Final = 0x01
PTRACE_O_TRACEFORK: Final = 0x02
PTRACE_O_TRACEVFORK: Final = 0x04
PTRACE_O_TRACECLONE: Final = 0x08
PTRACE_O_TRACEEXEC: Final = 0x10
PTRACE_O_TRACEEXIT: Final = 0x40
PTRACE_O_TRACESECCOMP: Final = 0x80
PTRACE_O_EXITKILL: Final = 0x100000
NT_PRSTATUS: Final = 1

SEIZE_OPTIONS: Final = (
    PTRACE_O_TRACESYSGOOD
    | PTRACE_O_TRACEFORK
    | PTRACE_O_TRACEVFORK
    | PTRACE_O_TRACECLONE
    | PTRACE_O_TRACEEXEC
    | PTRACE_O_TRACEEXIT
    | PTRACE_O_TRACESECCOMP
    | PTRACE_O_EXITKILL
)

GUEST_OPTIONS: Final = SEIZE_OPTIONS & ~(PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP)
"""For a process that ran before shark came: it must outlive the tracer, and a filter of its own stays its own."""

WALL: Final = 0x40000000
"""__WALL of wait(2): children of every kind, threads included."""

AT_FDCWD: Final = -100
AT_EMPTY_PATH: Final = 0x1000
AT_SYMLINK_NOFOLLOW: Final = 0x100
AT_STATX_DONT_SYNC: Final = 0x4000
"""Answer from what the kernel has, without asking a file server: a FUSE daemon inside the run may be the very process
that is stopped, and would never answer."""

_AS_IT_IS: Final = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW
RESOLVE_IN_ROOT: Final = 0x10
# STATX_BASIC_STATS, STATX_BTIME, STATX_MNT_ID (Linux 5.8), STATX_MNT_ID_UNIQUE (Linux 6.8, takes the former's place)
_STATX_MASK: Final = 0x7FF | 0x800 | 0x1000 | 0x4000

_libc = ctypes.PyDLL(None, use_errno=True)
_ptrace = _libc.ptrace
_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
_ptrace.restype = ctypes.c_long
_statx = _libc.statx
_statx.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint, ctypes.c_void_p)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_blocking_libc = ctypes.CDLL(None, use_errno=True)
_blocking_syscall = _blocking_libc.syscall
_blocking_syscall.restype = ctypes.c_long


class Failed(Exception):
    """A ptrace request on a process that is gone (ESRCH), or that the kernel refused. `number` is the errno."""

    def __init__(self, number: int) -> None:
        super().__init__(os.strerror(number))
        self.number = number


def request(what: int, tid: int, address: int = 0, data: int = 0) -> int:
    """Make a ptrace(2) request; raises Failed."""
    result: int = _ptrace(what, tid, address, data)
    if result == -1:
        raise Failed(ctypes.get_errno())
    return result


def resume(what: int, tid: int, signal: int = 0) -> bool:
    """Let a stopped thread go on (PTRACE_CONT, _SYSCALL, _LISTEN); False when it is gone, which is ordinary."""
    return bool(_ptrace(what, tid, 0, signal) != -1)


def seize(tid: int, options: int = SEIZE_OPTIONS) -> None:
    """PTRACE_SEIZE with all options at once; raises Failed (EPERM: forbidden or traced already; ESRCH: gone)."""
    request(PTRACE_SEIZE, tid, 0, options)


_message = ctypes.c_ulong()
_message_address = ctypes.addressof(_message)


_siginfo = ctypes.create_string_buffer(128)
_siginfo_address = ctypes.addressof(_siginfo)
_unpack_code = struct.Struct("=8xi").unpack_from


def event_message(tid: int, event: int) -> int:
    """What PTRACE_GETEVENTMSG tells at the stop for `event`: a new child's id, the id before an exec. Raises Failed.

    A thread that is killed there goes on to its exit stop at once, where the message is another one, its exit status:
    so the message counts only if the thread still stands where it stood.
    """
    request(PTRACE_GETEVENTMSG, tid, 0, _message_address)
    request(PTRACE_GETSIGINFO, tid, 0, _siginfo_address)
    if _unpack_code(_siginfo)[0] >> 8 != event:
        raise Failed(errno.ESRCH)
    return _message.value


def signal_origin(tid: int) -> tuple[int, int, int, int]:
    """(signal, si_code, si_pid, si_value) of the signal that a thread is stopped with. Raises Failed."""
    request(PTRACE_GETSIGINFO, tid, 0, _siginfo_address)
    number, code, pid, value = struct.unpack_from("=i4xi4xi4xi", _siginfo)
    return number, code, pid, value


_signals = ctypes.c_uint64()
_signals_address = ctypes.addressof(_signals)


def blocked_signals(tid: int) -> int:
    """The signals that a thread blocks, as a set of bits (PTRACE_GETSIGMASK). Raises Failed."""
    request(PTRACE_GETSIGMASK, tid, ctypes.sizeof(_signals), _signals_address)
    return _signals.value


def block_signals(tid: int, signals: int) -> None:
    """Set them (PTRACE_SETSIGMASK): what is blocked stays pending. Raises Failed."""
    _signals.value = signals
    request(PTRACE_SETSIGMASK, tid, ctypes.sizeof(_signals), _signals_address)


# struct ptrace_syscall_info: op u8, 3 bytes pad, arch u32, ip u64, sp u64, then by op: nr u64, args u64[6] (entry and
# seccomp), or rval s64, is_error u8 (exit).
_info = ctypes.create_string_buffer(96)
_info_address = ctypes.addressof(_info)
_INFO_SIZE = len(_info)
_unpack_entry = struct.Struct("=B3xI16x7Q").unpack_from
_unpack_exit = struct.Struct("=B3xI16xq").unpack_from

INFO_NONE: Final = 0
INFO_ENTRY: Final = 1
INFO_EXIT: Final = 2
INFO_SECCOMP: Final = 3


def syscall_entry(tid: int) -> tuple[int, ...]:
    """(op, arch, nr, six arguments) at a syscall-entry or seccomp stop; op INFO_NONE when the thread is gone."""
    if _ptrace(PTRACE_GET_SYSCALL_INFO, tid, _INFO_SIZE, _info_address) == -1:
        return (INFO_NONE, 0, 0, 0, 0, 0, 0, 0, 0)
    return _unpack_entry(_info)


def syscall_exit(tid: int) -> tuple[int, int]:
    """(op, result) at a syscall stop, result below 0 being -errno; op INFO_NONE when the thread is gone."""
    if _ptrace(PTRACE_GET_SYSCALL_INFO, tid, _INFO_SIZE, _info_address) == -1:
        return INFO_NONE, 0
    op, _, result = _unpack_exit(_info)
    return op, result


# --- memory of a stopped thread

_PAGE = 4096
_LARGEST = 1 << 16


class _Buffers(_thread._local):
    """Where answers come to lie: each thread has its own, since another one's turn may come before they are read.

    The base class is threading.local, without what that imports.
    """

    def __init__(self) -> None:
        self.memory = ctypes.create_string_buffer(_LARGEST)
        self.memory_address = ctypes.addressof(self.memory)
        self.local = (ctypes.c_size_t * 2)(self.memory_address, 0)
        self.remote = (ctypes.c_size_t * 2)(0, 0)
        self.local_address = ctypes.addressof(self.local)
        self.remote_address = ctypes.addressof(self.remote)
        self.statx = ctypes.create_string_buffer(256)
        self.statx_address = ctypes.addressof(self.statx)


_buffers = _Buffers()
_vm_readv = _libc.process_vm_readv
_vm_readv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong)
_vm_readv.restype = ctypes.c_ssize_t
_vm_writev = _libc.process_vm_writev
_vm_writev.argtypes = _vm_readv.argtypes
_vm_writev.restype = ctypes.c_ssize_t
_string_at = ctypes.string_at


def read_memory(tid: int, address: int, size: int) -> bytes:
    """Up to `size` (at most 64 KiB) bytes of a thread's memory; fewer, or none, where it is not mapped."""
    buffers = _buffers
    buffers.local[1] = buffers.remote[1] = size
    buffers.remote[0] = address
    count = _vm_readv(tid, buffers.local_address, 1, buffers.remote_address, 1, 0)
    return _string_at(buffers.memory_address, count) if count > 0 else b""


def write_memory(tid: int, address: int, content: bytes) -> bool:
    """Overwrite a thread's memory; False when it could not be done in whole."""
    buffers = _buffers
    ctypes.memmove(buffers.memory_address, content, len(content))
    buffers.local[1] = buffers.remote[1] = len(content)
    buffers.remote[0] = address
    return bool(_vm_writev(tid, buffers.local_address, 1, buffers.remote_address, 1, 0) == len(content))


def read_path(tid: int, address: int) -> bytes | None:
    """The NUL-terminated string at `address`, of at most PATH_MAX bytes; None where memory is not readable.

    Reads no further than the end of the page at a time: what lies behind it need not be mapped.
    """
    size = _PAGE - address % _PAGE
    if size < 256:
        size += _PAGE
    text = read_memory(tid, address, min(size, 256))
    end = text.find(b"\0")
    return text[:end] if end >= 0 else _read_long_path(tid, address)


def _read_long_path(tid: int, address: int) -> bytes | None:
    text = b""
    while len(text) <= _PAGE:
        part = read_memory(tid, address + len(text), _PAGE - (address + len(text)) % _PAGE)
        if not part:
            return None
        end = part.find(b"\0")
        if end >= 0:
            return text + part[:end]
        text += part
    return None


# --- files

# struct statx: nlink at 16, uid at 20, mode at 28, ino at 32, size at 40, btime at 80, ctime at 96, mtime at 112,
# device numbers at 136.
_unpack_statx = struct.Struct("=I12xI8xH2xQQ32xqI4x16xqI4x8xII").unpack_from
_unpack_owned = struct.Struct("=20xI72xqI").unpack_from
_unpack_mount = struct.Struct("=144xQ").unpack_from
_makedev = os.makedev
_new = tuple.__new__  # a third of the time that calling the class takes


def statx(path: bytes, *, dirfd: int = AT_FDCWD, flags: int = AT_STATX_DONT_SYNC) -> Stat | None:
    """A file's identity and state, without a question to a file server; None when it cannot be had.

    The birth is 0 where the file system keeps none. Symbolic links are followed unless `flags`
    has AT_SYMLINK_NOFOLLOW.
    """
    buffers = _buffers
    if _statx(dirfd, path, flags, _STATX_MASK, buffers.statx_address) != 0:
        return None
    mask, nlink, mode, ino, size, birth, birth_ns, mtime, mtime_ns, major, minor = _unpack_statx(buffers.statx)
    born = birth * 1_000_000_000 + birth_ns if mask & 0x800 else 0
    identity = _new(FileId, (_makedev(major, minor), ino, born))
    return _new(Stat, (identity, mode, size, mtime * 1_000_000_000 + mtime_ns, nlink))


def mount_seen() -> int:
    """The number of the mount on which that was of which this thread's latest statx told; 0 before Linux 5.8.

    It comes with the rest, so it costs no call. Since Linux 6.8 no other mount ever gets the same.
    """
    number: int = _unpack_mount(_buffers.statx)[0]
    return number


def is_nowhere(path: bytes) -> bool:
    """Whether a path leads to nothing: a statx ends with ENOENT or ENOTDIR. Not so if shark may not look."""
    if _statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, _STATX_MASK, _buffers.statx_address) == 0:
        return False
    return ctypes.get_errno() in (errno.ENOENT, errno.ENOTDIR)


def statx_owned(path: bytes) -> tuple[Stat, int, int] | None:
    """Like statx, of a symbolic link itself, with the owner's uid and the ctime (ns since the epoch)."""
    stat = statx(path, flags=_AS_IT_IS)
    if stat is None:
        return None
    uid, ctime, ctime_ns = _unpack_owned(_buffers.statx)  # this thread's, in which the answer still lies
    return stat, uid, ctime * 1_000_000_000 + ctime_ns


def statx_fd(fd: int) -> Stat | None:
    """Like statx, of a descriptor of shark's own."""
    return statx(b"", dirfd=fd, flags=AT_STATX_DONT_SYNC | AT_EMPTY_PATH)


_SYS_OPENAT2 = 437  # the same on every architecture


def open_in_root(root: int, path: bytes, flags: int) -> int:
    """openat2(2) with RESOLVE_IN_ROOT: `path` as a process whose root directory is `root` sees it. Raises OSError."""
    how = struct.pack("=QQQ", flags, 0, RESOLVE_IN_ROOT)
    fd = _blocking_syscall(
        ctypes.c_long(_SYS_OPENAT2),
        ctypes.c_int(root),
        ctypes.c_char_p(path),
        ctypes.c_char_p(how),
        ctypes.c_size_t(len(how)),
    )
    if fd < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), os.fsdecode(path))
    return int(fd)


_SYS_PIDFD_OPEN = 434
_SYS_PIDFD_GETFD = 438


def take_descriptor(pid: int, fd: int) -> int | None:
    """A duplicate of another process's descriptor (pidfd_getfd(2), Linux 5.6); None where that cannot be had."""
    pidfd = _syscall(ctypes.c_long(_SYS_PIDFD_OPEN), ctypes.c_int(pid), ctypes.c_uint(0))
    if pidfd < 0:
        return None
    try:
        copy = _syscall(ctypes.c_long(_SYS_PIDFD_GETFD), ctypes.c_int(pidfd), ctypes.c_int(fd), ctypes.c_uint(0))
    finally:
        os.close(pidfd)
    return int(copy) if copy >= 0 else None


def socket_option(fd: int, option: int, size: int) -> bytes:
    """An option of a socket of shark's own, at the level SOL_SOCKET (socket(7)); without a byte if it has none."""
    value = ctypes.create_string_buffer(size)
    length = ctypes.c_uint(size)
    if _libc.getsockopt(fd, 1, option, value, ctypes.byref(length)) < 0:
        return b""
    return value.raw[: length.value]


# --- the process's own state


def vain_call(number: int) -> int:
    """Make a call with arguments of which none is valid; returns the errno."""
    nothing = [ctypes.c_long(value) for value in (-1, 0, 0, 0, 0, 0)]
    return 0 if _syscall(ctypes.c_long(number), *nothing) >= 0 else ctypes.get_errno()


_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_PTRACER = 0x59616D61
_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_SECCOMP_SET_MODE_FILTER = 1
_SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4
_SYS_SECCOMP = {"x86_64": 317, "aarch64": 277, "i386": 354}


def prctl(option: int, value: int) -> int:
    """Set one of this process's attributes (prctl(2)): 0, or the errno."""
    return 0 if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0 else ctypes.get_errno()


def adopts_orphans() -> bool:
    """True if this process is the one that descendants without a parent become children of."""
    answer = ctypes.c_int(0)
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def adopt_orphans(*, adopt: bool) -> None:
    """Become such a process, or be none any more (PR_SET_CHILD_SUBREAPER of prctl(2))."""
    prctl(_PR_SET_CHILD_SUBREAPER, int(adopt))


def allow_tracer(pid: int) -> None:
    """Let `pid` trace this process although it is no ancestor (Yama scope 1); needless, and an error, without Yama."""
    prctl(_PR_SET_PTRACER, pid)


def install_filter(program: bytes, machine: str) -> int:
    """Install a seccomp filter (an array of struct sock_filter) on this thread: 0, or the errno.

    no_new_privs is set only when the kernel refuses without it: it would keep setuid programs from working under root.
    SPEC_ALLOW: before Linux 5.16 a filter otherwise slows the whole process down with speculation barriers.
    """
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("=HxxxxxxQ", len(program) // 8, ctypes.addressof(code))

    def attempt(flags: int) -> int:
        done = _syscall(
            ctypes.c_long(_SYS_SECCOMP[machine]), ctypes.c_uint(_SECCOMP_SET_MODE_FILTER), ctypes.c_uint(flags), header
        )
        return 0 if done == 0 else ctypes.get_errno()

    problem = attempt(_SECCOMP_FILTER_FLAG_SPEC_ALLOW)
    if problem == errno.EACCES:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        problem = attempt(_SECCOMP_FILTER_FLAG_SPEC_ALLOW)
    if problem == errno.EINVAL:
        problem = attempt(0)
    return problem
