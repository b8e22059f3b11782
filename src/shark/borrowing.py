"""Standard error from whoever has it: the supervisor keeps none that somebody reads to its end."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

from shark.capture import kernel, look

Identity = tuple[int, int]
"""Device and inode: of a pipe, both its ends have the same."""


def from_process(pid: int, identity: Identity) -> int | None:
    """A descriptor for writing to the file `identity`, which the process `pid` has open; None if it has not, or lets
    nobody have it.
    """
    for number in _numbers(pid):
        fd = _taken(pid, number, identity)
        if fd is None:
            fd = _opened(pid, number, identity)
        if fd is not None:
            return fd
    return None


def parent_of(pid: int) -> int:
    """The process that waits for the end of `pid`, a zombie too; 0 where it is out of sight."""
    return max(0, look.figure(look.slurp(b"/proc/%d/status" % pid), b"\nPPid:"))


def _numbers(pid: int) -> Iterator[int]:
    yield 2  # mostly it is
    try:
        found = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    yield from sorted({int(name) for name in found} - {2})


def _taken(pid: int, number: int, identity: Identity) -> int | None:
    about = kernel.statx(b"/proc/%d/fd/%d" % (pid, number))  # which asks no file server
    if about is None or about.id[:2] != identity:
        return None
    return _checked(kernel.take_descriptor(pid, number), identity)


def _opened(pid: int, number: int, identity: Identity) -> int | None:
    """A pipe can be opened anew, which Yama does not forbid as it does taking a descriptor; also by its reading end."""
    path = f"/proc/{pid}/fd/{number}"
    try:
        if os.readlink(path) != f"pipe:[{identity[1]}]":
            return None
        # Without waiting for a reader, who may have gone.
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    return _checked(fd, identity)


def _checked(fd: int | None, identity: Identity) -> int | None:
    """It, if it is that file still, and can be written to; else it is closed."""
    if fd is None:
        return None
    about = os.fstat(fd)
    mode = fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE
    if (about.st_dev, about.st_ino) == identity and mode != os.O_RDONLY:
        return fd
    os.close(fd)
    return None
