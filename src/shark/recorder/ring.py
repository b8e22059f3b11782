"""The ring: a file in memory that hot processes write into, and that the supervisor reads."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import struct

from shark.capture.journal import lock
from shark.recorder import layout
from shark.recorder.native import RECORD, ROOM, Native
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from collections.abc import Iterator

_SLOTS = range(layout.RING_SLOTS, layout.RING_AREAS, layout.SLOT_SIZE)
_AREAS = range(layout.RING_AREAS, layout.RING_SIZE, layout.AREA_SIZE)
"""Offsets of slots; those of areas are never complete."""

_UNPACK_SLOT = struct.Struct("=IIIIQQqQQQQQQQQ").unpack_from


class Record(NamedTuple):
    """One recorded open; `result` below 0 is -errno, and then there is no state of a file.

    `base_ino` and its kin tell the directory behind `dirfd`, where the name starts from one.
    """

    @property
    def stat(self) -> Stat:
        """What the file was when it was opened."""
        identity = FileId(os.makedev(self.major, self.minor), self.ino, self.birth)
        return Stat(identity, self.mode, self.size, self.mtime, self.nlink)

    @property
    def base(self) -> FileId:
        """The directory from which the name starts."""
        return FileId(os.makedev(self.base_major, self.base_minor), self.base_ino, self.base_birth)

    begin: int
    end: int
    result: int
    ino: int
    size: int
    birth: int
    mtime: int
    base_ino: int
    base_birth: int
    process: int
    number: int
    dirfd: int
    flags: int
    mode: int
    nlink: int
    major: int
    minor: int
    base_major: int
    base_minor: int
    name: bytes


class Slot(NamedTuple):
    """A slot as it is: the registers that the program had, and what came of its call."""

    state: int
    process: int
    number: int
    length: int
    begin: int
    end: int
    result: int
    site: int
    flags: int
    rbx: int
    rdi: int
    rsi: int
    rdx: int
    r10: int
    r8: int


class Ring:
    """Makes the file at `path`, which nobody else may read. Raises OSError where there is no room for it.

    All of it is allocated at once: a hole that cannot be filled later would be a SIGBUS in the program that writes.
    """

    def __init__(self, native: Native, path: str, clock: int) -> None:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(fd, 0, layout.RING_SIZE)
            self._take(native, path, mmap.mmap(fd, layout.RING_SIZE), clock)
            struct.pack_into("=Q", self._map, layout.RING_CLOCK, clock)
            lock(fd)
        except OSError:
            os.close(fd)
            os.unlink(path)
            raise
        self._fd = fd  # with its lock, a sign of life

    @classmethod
    def left_at(cls, native: Native, path: str) -> Ring:
        """A ring that nobody uses any more, to be read. Raises OSError."""
        ring = cls.__new__(cls)
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size != layout.RING_SIZE:
                raise OSError(f"{path} is no ring of this version")
            ring._take(native, path, mmap.mmap(file.fileno(), layout.RING_SIZE, mmap.MAP_PRIVATE), 0)
        return ring

    def _take(self, native: Native, path: str, memory: mmap.mmap, first: int) -> None:
        self.path = path
        self._native = native
        self._map = memory
        self._base = ctypes.c_char.from_buffer(self._map)
        self._reader = native.reader(ctypes.addressof(self._base), first)
        # Mapped, not allocated: what is not used takes no memory.
        self._mapped = mmap.mmap(-1, ROOM * RECORD.size), mmap.mmap(-1, ROOM * layout.PATH_ROOM)
        self.records, self.names = (ctypes.addressof(ctypes.c_char.from_buffer(one)) for one in self._mapped)
        self._counts = (ctypes.c_uint64 * 4)()
        self.found = 0  # how many records the last reading gave

    def tick(self) -> int:
        """The next number of the run's counter."""
        return self._native.tick(self._reader)

    def drain(self) -> Iterator[Record]:
        """What has been completed since the last time and tells something new, oldest first.

        It stays in the ring, where it survives this process, until the last of it was taken and told.
        """
        for n in range(self.read()):
            yield self.record(n)
        self.told()

    def read(self) -> int:
        """Read what has been completed since the last time; returns how many records that are. Then call `told`."""
        self.found = self._native.drain(self._reader, self.records, self.names, 1)
        return self.found

    def record(self, n: int) -> Record:
        """One of the records that were read last."""
        *fields, at, length = RECORD.unpack(ctypes.string_at(self.records + n * RECORD.size, RECORD.size))
        return Record._make((*fields, ctypes.string_at(self.names + at, length)))

    def told(self) -> None:
        """What was read has been told: its slots may be used again."""
        self._native.told(self._reader)

    def forget(self, *, files: bool = False, names: bool = False) -> None:
        """Repetitions are to be told again: files may have changed, or names may mean something else."""
        self._native.forget(self._reader, files | names << 1)

    def unfinished(self) -> int:
        """How many calls have given a file whose record is not complete."""
        slots = map(self.slot, (*_SLOTS, *_AREAS))
        return sum(slot.state == layout.BUSY and 0 <= slot.result < layout.NOT_RETURNED for slot in slots)

    def release(self, process: int) -> int:
        """Free what a process that is gone has left; returns how many files it got that nobody was told of."""
        return self._native.release(self._reader, process)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """(records, repeated ones among them, torn ones, how often the counter was scribbled over)."""
        self._native.counts(self._reader, ctypes.addressof(self._counts))
        records, repeated, torn, broken = self._counts
        return records, repeated, torn, broken

    def switch_off(self) -> None:
        """Have all hot processes make plain calls, which stop, from now on."""
        struct.pack_into("=I", self._map, layout.RING_OFF, 1)

    def at(self, address: int) -> int:
        """The offset of the slot at an address of a hot process; -1 if there is none."""
        offset = address - layout.RING
        return offset if offset in _SLOTS or offset in _AREAS else -1

    def slot(self, offset: int) -> Slot:
        """What a slot says."""
        return Slot(*_UNPACK_SLOT(self._map, offset))

    def name(self, offset: int, length: int) -> bytes | None:
        """The path in a slot; None where it did not fit."""
        if length >= layout.PATH_ROOM:
            return None
        start = offset + layout.PATH
        return self._map[start : start + length]

    def set_state(self, offset: int, state: int) -> None:
        """Complete a record, or free its slot, which is nobody's then."""
        if state == layout.FREE:
            struct.pack_into("=I", self._map, offset + layout.PROCESS, 0)
        struct.pack_into("=I", self._map, offset + layout.STATE, state)

    def close(self) -> None:
        """Remove the file. Processes that have it mapped keep it until they end."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        os.close(fd)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
