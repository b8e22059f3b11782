"""Runs a command in a world in which tracing is forbidden as Yama forbids it: `forbidden.py SCOPE COMMAND...`.

Few test machines have Yama, so that its two sides are put there separately: PTRACE_SEIZE fails with EPERM, by a seccomp
filter that all descendants inherit, and /proc/sys/kernel/yama/ptrace_scope says SCOPE, by a file system of our own in
a mount namespace of our own. As root only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from pathlib import Path

from shark.capture import kernel

_CLONE_NEWNS = 0x00020000
_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18
_PTRACE_SEIZE = 0x4206
_PTRACE = {"x86_64": 101, "aarch64": 117}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _FIRST_ARGUMENT = 0, 16  # where they are in struct seccomp_data (little endian)


def forbid(scope: int) -> None:
    """Make it so for this process and all that come of it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "unshare")
    libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    if libc.mount(b"none", b"/proc/sys/kernel", b"tmpfs", 0, None):
        raise OSError(ctypes.get_errno(), "mount")
    place = Path("/proc/sys/kernel/yama")
    place.mkdir()
    (place / "ptrace_scope").write_text(f"{scope}\n")
    ptrace = _PTRACE[os.uname().machine]
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 0, 3, ptrace),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_EQUAL, 0, 1, _PTRACE_SEIZE),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    if problem := kernel.install_filter(program, os.uname().machine):
        raise OSError(problem, "seccomp")


if __name__ == "__main__":
    forbid(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
