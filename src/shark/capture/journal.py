"""The journal: every event of a run, written down as it happens, readable back after any crash.

A text file: a magic line, then one JSON array an event: [code, fields...]. The code is the event type's place in
`events.EVENT_TYPES`. It is written through a shared mapping, in chunks that are allocated before they are touched: what
is in it survives the writer's SIGKILL without a system call an event, and a full disk is an error at a chunk's
allocation instead of a fatal signal in the middle of one. Unused room is NUL bytes, at which reading stops.

Who makes the record follows the journal while the run goes on. What no disk will take is written into a memory file
instead, which does not survive a crash, but is followed all the same. Where that may not grow either (RLIMIT_FSIZE
binds memory files too), what there is room for is that the rest is missing, and how the run ended.
"""

from __future__ import annotations

import fcntl
import mmap
import os

from shark import jsontext
from shark.events import EVENT_TYPES, Event, Opened

MAGIC = b"shark-journal/1\n"
_CHUNK = 1 << 20
_SPARE = 1 << 14  # of each chunk, for what `write_last` says
_CODES = {kind: code for code, kind in enumerate(EVENT_TYPES)}


_OPENED = _CODES[Opened]


def _plain(event: Event) -> object:
    """What is written for an event. Most are opens: these are laid out here, which the encoder would ask back for."""
    if type(event) is Opened:
        begin, end, process, access, (path, used, stat), created, truncated, append, before, via = event
        if stat is not None and before is None:
            identity, *rest = stat
            shown = path.decode("utf-8", "surrogateescape")
            named = shown if used == path else used.decode("utf-8", "surrogateescape")
            file = [shown, named, [[*identity], *rest]]
            return [_OPENED, begin, end, process, access, file, created, truncated, append, None, via]
    return (_CODES[type(event)], *event)


def line_of(event: Event) -> bytes:
    """An event as it stands in a journal."""
    return jsontext.dumps_short(_plain(event)) + b"\n"


class JournalWriter:
    """Appends events to the file `fd`, an empty one that it may grow. Raises OSError when it cannot be grown."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = 0
        self._position = 0
        self._map = self._grow(len(MAGIC))
        self._put(MAGIC)

    @classmethod
    def create(cls, path: bytes | str) -> JournalWriter:
        """Make a new journal at `path` (mode 0600), locked as one being written. Raises OSError, with nothing left."""
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            writer = cls(fd)
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        lock(fd)
        return writer

    def write(self, event: Event) -> None:
        """Append one event; raises OSError (ENOSPC …) with the journal intact up to the event before."""
        self.write_lines(line_of(event))

    def write_lines(self, lines: bytes) -> None:
        """Append events that are lines already; raises OSError likewise, with none of them written."""
        if self._position + len(lines) + _SPARE > self._size:
            self._map.close()
            self._map = self._grow(len(lines) + _SPARE)
        self._put(lines)

    def write_last(self, event: Event) -> None:
        """Append a short event after `write` has failed, in room that is kept for it; nothing if that is used up."""
        line = line_of(event)
        if self._position + len(line) <= self._size:
            self._put(line)

    def _put(self, line: bytes) -> None:
        end = self._position + len(line)
        self._map[self._position : end] = line
        self._position = end

    def _grow(self, need: int) -> mmap.mmap:
        size = self._size + max(_CHUNK, -(-need // _CHUNK) * _CHUNK)
        try:
            os.posix_fallocate(self._fd, self._size, size - self._size)
        except OSError:
            self._map = mmap.mmap(self._fd, self._size) if self._size else mmap.mmap(-1, 1)
            raise
        self._size = size
        return mmap.mmap(self._fd, size)

    def close(self) -> None:
        """Give the unused room back and close the file."""
        self._map.close()
        os.ftruncate(self._fd, self._position)
        os.close(self._fd)

    def leave(self) -> None:
        """Close the file as it is: a fork of this process goes on with it."""
        self._map.close()
        os.close(self._fd)


def lock(fd: int) -> None:
    """Mark an open journal as one that is still needed, while this process (or a copy of it) holds it open: flock(2).

    Waits only for somebody who is just asking whether it is.
    """
    fcntl.flock(fd, fcntl.LOCK_SH)


def is_being_written(path: bytes | str) -> bool:
    """True while somebody who writes or follows this journal is alive. Raises OSError where it cannot be opened."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
