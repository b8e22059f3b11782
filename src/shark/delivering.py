"""`shark run --json FILE`: the record is given to who asked for it, be that a file, a FIFO or a descriptor of theirs.

Who reads may be late, slow, or not there. The command's parent waits meanwhile, so the wait has an end.
"""

from __future__ import annotations

import errno
import os
import time
from stat import S_ISFIFO, S_ISREG

from shark import jsontext
from shark.errors import EXIT_RUN, SharkError
from shark.store import files
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

_OPENING: Final = 2.0
"""Seconds that a reader of a FIFO has to come."""

_STANDSTILL: Final = 5.0
"""Seconds after which a reader who takes nothing is not waited for any longer."""

_FLAGS: Final = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def hold(path: str) -> int:
    """A copy of the descriptor of this process that `path` names (`/dev/stdout`, `/dev/fd/63`); -1 for other paths.

    In another process the path would name a descriptor of that one. Raises SharkError if there is no such descriptor.
    """
    import fcntl

    number = _number(path)
    if number < 0:
        return -1
    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    except (OSError, OverflowError):
        raise SharkError(f"--json: there is no open descriptor {number}", "Say a file.", EXIT_RUN) from None


def from_elsewhere(path: str) -> str:
    """Such a path as another process can use it while this one lives; other paths as they are."""
    number = _number(path)
    return path if number < 0 else f"/proc/{os.getpid()}/fd/{number}"


def _number(path: str) -> int:
    own = f"/proc/{os.getpid()}/fd"
    for _ in range(2):  # /dev/stdout is a link to /proc/self/fd/1
        directory, name = os.path.split(path)
        if name.isdecimal() and os.path.realpath(directory) == own:
            return int(name)
        try:
            path = os.path.join(directory, os.readlink(path))
        except OSError:
            break
    return -1


def write_json(record: Mapping[str, Any], path: str, held: int = -1) -> None:
    """Write a record to `path`, or to the descriptor that was `held` for it, which is closed then. A plain file is
    there whole or not at all. Raises OSError, also if nobody reads or takes it.
    """
    data = jsontext.dumps(record, indent=True) + b"\n"
    if held >= 0:
        try:
            _write_to_held(held, data)
        finally:
            os.close(held)
        return
    if os.path.exists(path) and not S_ISREG(os.stat(path).st_mode):
        _write_through(path, data)
        return
    mask = os.umask(0)
    os.umask(mask)
    files.write_whole(os.fsencode(path), data, mode=0o666 & ~mask)


def _write_to_held(held: int, data: bytes) -> None:
    if S_ISREG(os.fstat(held).st_mode):  # after what others wrote there, who share its position
        while data:
            data = data[os.write(held, data) :]
        return
    _write_through(f"/proc/self/fd/{held}", data)  # anew, as not to block would hold for all who share it


def _write_through(path: str, data: bytes) -> None:
    fd = _opened(path)
    try:
        _write_all(fd, data)
    finally:
        os.close(fd)


def _opened(path: str) -> int:
    end = time.monotonic() + _OPENING
    while True:
        try:
            return os.open(path, _FLAGS)
        except OSError as problem:
            if problem.errno != errno.ENXIO or not S_ISFIFO(os.stat(path).st_mode):
                raise
        if time.monotonic() > end:
            raise OSError(errno.ENXIO, "nobody reads it", path)
        time.sleep(0.01)  # nothing tells of a reader who comes


def _write_all(fd: int, data: bytes) -> None:
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    done = 0
    end = time.monotonic() + _STANDSTILL
    while done < len(data):
        poll.poll(max(0.0, end - time.monotonic()) * 1000)
        try:
            done += os.write(fd, data[done : done + (1 << 16)])
        except BlockingIOError:
            if time.monotonic() >= end:
                why = f"who reads it took {done:,} of {len(data):,} bytes, and no more for {_STANDSTILL:g} seconds"
                raise OSError(errno.ETIMEDOUT, why) from None
            continue
        end = time.monotonic() + _STANDSTILL
