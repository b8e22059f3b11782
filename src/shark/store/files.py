"""Writing a file so that it is there whole or not at all, and reading one without being led astray."""

from __future__ import annotations

import contextlib
import os
import stat

TEMPORARY = b".shark-tmp-"
"""How the names of unfinished files begin: who finds one that is old may remove it."""


def write_whole(path: bytes, data: bytes, *, mode: int = 0o600, sync: bool = False, stale: bool = False) -> None:
    """Write `data` to `path` by temporary file and rename, with exactly the permissions `mode`.

    `sync` puts the data on the disk first: without it a power cut may leave an empty file under the new name. `stale`:
    what stands at `path` may be missing for a moment. Raises OSError, which names `path`; then nothing is left behind,
    and what stood at `path` is untouched.
    """
    try:
        _write_beside(path, data, mode, sync, stale)
    except OSError as error:
        error.filename = path  # nobody knows the temporary name
        raise


def _write_beside(path: bytes, data: bytes, mode: int, sync: bool, stale: bool) -> None:
    temporary = os.path.join(os.path.dirname(path), TEMPORARY + os.urandom(6).hex().encode())
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            _write_all(descriptor, data)
            if mode != 0o600:
                _set_mode(descriptor, mode)
            if sync:
                os.fdatasync(descriptor)
        finally:
            # Network file systems report a full disk at close.
            os.close(descriptor)
        if stale:
            # A rename that replaces a file makes ext4 write the new one out to the disk, some milliseconds each time.
            os.unlink(path)
        os.rename(temporary, path)
    except BaseException:
        # ^C included: an unfinished file must not stay.
        os.unlink(temporary)
        raise


def make_private(directory: bytes) -> None:
    """Make a directory and what is missing above it, with mode 0700 each (os.makedirs gives that to the last alone)."""
    if os.path.isdir(directory):
        return
    parent = os.path.dirname(directory)
    if parent != directory:
        make_private(parent)
    with contextlib.suppress(FileExistsError):  # somebody made it meanwhile
        os.mkdir(directory, 0o700)


def open_regular(path: bytes) -> int | None:
    """Open a regular file for reading and for its attributes; None if it is something else. Raises OSError.

    Never follows a symbolic link at the last component, never blocks on a FIFO or a lease. Descriptors that were opened
    for reading will do to set attributes: the kernel asks for the file's permissions, not the descriptor's.
    """
    if not stat.S_ISREG(os.lstat(path).st_mode):
        return None  # before the open, since opening a device may already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)  # another file by now
        return None
    return descriptor


def read_regular(path: bytes, limit: int) -> bytes | None:
    """Read a regular file of at most `limit` bytes; None if it is something else or larger. Raises OSError."""
    descriptor = open_regular(path)
    if descriptor is None:
        return None
    try:
        if os.fstat(descriptor).st_size > limit:
            return None
        parts = []
        left = limit + 1
        while left > 0 and (part := os.read(descriptor, min(left, 1 << 20))):
            parts.append(part)
            left -= len(part)
    finally:
        os.close(descriptor)
    return b"".join(parts) if left > 0 else None


def reason(error: OSError | ValueError) -> str:
    """Say in a few words why a call failed."""
    text = error.strerror if isinstance(error, OSError) else None
    return (text or str(error)).lower()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _set_mode(descriptor: int, mode: int) -> None:
    try:
        os.fchmod(descriptor, mode)
    except PermissionError:
        # FAT and some network file systems have no modes to set.
        return
