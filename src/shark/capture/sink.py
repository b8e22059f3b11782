"""Keeping a stream in files while it flows: its beginning, and beyond its room its newest part in a ring.

What was added is in the files at once, whatever becomes of the process that added it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_COUNT: Final = struct.Struct("<Q")
_TURN: Final = struct.Struct("<BQ")
_TURNS: Final = 1_000_000
_PART: Final = 1 << 20


class Sink:
    """Keeps at most `limit` bytes: `PREFIX.head` is the first half, `PREFIX.tail` a ring of the rest's newest bytes.

    The ring's file begins with the count of all bytes that ever went into it. Trouble (a full disk) ends the keeping,
    not the stream: `why` says what it was.
    """

    def __init__(self, prefix: bytes, limit: int) -> None:
        self.total = 0
        self.why = ""
        self._prefix = prefix
        self._room = limit - limit // 2
        self._ring = limit // 2
        self._ringed = 0
        self._head = self._tail = -1

    def add(self, data: bytes) -> None:
        """Take what came next."""
        self.total += len(data)
        if self.why:
            return
        try:
            kept = data[: self._room]
            if kept:
                if self._head < 0:
                    self._head = _new(self._prefix + b".head")
                _write_all(self._head, kept)
                self._room -= len(kept)
            if len(kept) < len(data) and self._ring:
                self._turn(data[len(kept) :])
            elif len(kept) < len(data):
                self._ringed += len(data) - len(kept)
        except OSError as problem:
            self.why = f"it could not be kept further: {problem.strerror}"

    def _turn(self, data: bytes) -> None:
        if self._tail < 0:
            self._tail = _new(self._prefix + b".tail")
        position = self._ringed + max(0, len(data) - self._ring)
        newest = memoryview(data)[-self._ring :]
        place = position % self._ring
        first = newest[: self._ring - place]
        _pwrite_all(self._tail, first, _COUNT.size + place)
        _pwrite_all(self._tail, newest[len(first) :], _COUNT.size)
        self._ringed += len(data)
        _pwrite_all(self._tail, memoryview(_COUNT.pack(self._ringed)), 0)

    def close(self) -> None:
        """Nothing more comes."""
        for fd in (self._head, self._tail):
            if fd >= 0:
                os.close(fd)
        self._head = self._tail = -1


class Order:
    """In which order parts of several streams came: their numbers and lengths, in the file `path`. Up to a million
    turns are kept.
    """

    def __init__(self, path: bytes) -> None:
        self._path = path
        self._fd = -1
        self._turns = 0
        self._last = -1
        self._length = 0

    def add(self, number: int, length: int) -> None:
        """So many bytes of a stream came next."""
        if self._turns > _TURNS:
            return
        if number != self._last:
            self._turns += 1
            self._last, self._length = number, 0
        self._length += length
        try:
            if self._fd < 0:
                self._fd = _new(self._path)
            os.pwrite(self._fd, _TURN.pack(number, self._length), (self._turns - 1) * _TURN.size)
        except OSError:
            self._turns = _TURNS + 1  # what is there stays true: the order of the beginning

    def close(self) -> None:
        """Nothing more comes."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Kept:
    """What a Sink left in its files, whether it was closed or not: `head` and `tail` bytes of a stream, `cut` between
    them not kept.
    """

    def __init__(self, prefix: bytes) -> None:
        self._prefix = prefix
        self.head = _size(prefix + b".head")
        self._in_tail = max(_size(prefix + b".tail") - _COUNT.size, 0)
        counted = _read_at(prefix + b".tail", 0, _COUNT.size)
        self._ringed = _COUNT.unpack(counted)[0] if len(counted) == _COUNT.size else 0
        self.tail = min(self._in_tail, self._ringed)
        self.cut = self._ringed - self.tail

    @property
    def names(self) -> list[bytes]:
        """The files that are there."""
        return [path for path in (self._prefix + b".head", self._prefix + b".tail") if os.path.exists(path)]

    def parts(self) -> Iterator[bytes]:
        """The bytes, in order."""
        yield from _parts(self._prefix + b".head", 0, self.head)
        start = self._ringed % self._in_tail if self.cut else 0
        yield from _parts(self._prefix + b".tail", _COUNT.size + start, self.tail - start)
        yield from _parts(self._prefix + b".tail", _COUNT.size, start)


def turns(path: bytes) -> list[tuple[int, int]]:
    """What an Order left: (number of the stream, length) of each turn."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return []
    whole = len(data) - len(data) % _TURN.size
    return [turn for turn in _TURN.iter_unpack(data[:whole]) if turn[1]]


def _new(path: bytes) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _pwrite_all(fd: int, view: memoryview, offset: int) -> None:
    """A disk that becomes full takes a part first, and tells only then."""
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def _size(path: bytes) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _read_at(path: bytes, offset: int, size: int) -> bytes:
    try:
        with open(path, "rb") as file:
            return os.pread(file.fileno(), size, offset)
    except FileNotFoundError:
        return b""


def _parts(path: bytes, offset: int, size: int) -> Iterator[bytes]:
    if size <= 0:
        return
    with open(path, "rb") as file:
        file.seek(offset)
        while size and (part := file.read(min(size, _PART))):
            size -= len(part)
            yield part
