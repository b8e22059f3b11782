"""A ring as hot processes write it, for tests of its reader: slots are filled as stub.S fills them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from shark.recorder import layout, native, tiering
from shark.recorder.ring import Ring

HEAD = 64
"""RING_HEAD of layout.h."""

STATX = 128
BASE = 384


def library() -> native.Native:
    """The compiled part; skips the test where it is not built."""
    if not tiering.is_built():
        pytest.skip("the recorder is not built here")
    return native.load()


def made(folder: Path, clock: int = 1) -> Ring:
    """A new ring in a folder."""
    return Ring(library(), str(folder / "ring"), clock)


def memory(ring: Ring) -> memoryview:
    """All of a ring, to be written."""
    return memoryview(ring._map)


def ask(ring: Ring) -> int:
    """Ask for a slot, as the stub does: its offset, -1 if there is none or if a plain call is to be made."""
    view = ring._map
    (head,) = struct.unpack_from("=I", view, HEAD)
    struct.pack_into("=I", view, HEAD, (head + 1) & 0xFFFFFFFF)
    if head & (layout.SLOTS // 2 - 1) == 0:
        return -1
    offset = layout.RING_SLOTS + (head & (layout.SLOTS - 1)) * layout.SLOT_SIZE
    (state,) = struct.unpack_from("=I", view, offset)
    struct.pack_into("=I", view, offset, state | 1)
    return -1 if state & 1 else offset


def statx(ino: int, size: int = 0, mtime: int = 0, mode: int = 0o100644) -> bytes:
    """What the kernel would say of a file (struct statx)."""
    return struct.pack(
        "=IIQIIIHHQQQQqIiqIiqIiqIiIIII",
        *(0xFFF, 4096, 0, 1, 0, 0, mode, 0, ino, size, 0, 0),
        *(0, 0, 0),  # access
        *(7, 5, 0),  # birth
        *(0, 0, 0),  # change
        *(mtime, 0, 0),
        *(0, 0, 8, 1),
    ).ljust(256, b"\0")


class Writer:
    """A process that opens files: each open is claimed, begun and completed by itself."""

    def __init__(self, ring: Ring, process: int) -> None:
        self.ring = ring
        self.process = process
        self.slots: list[int] = []

    def begin(self) -> bool:
        """Claim a slot; False where a plain call must be made."""
        offset = ask(self.ring)
        if offset < 0:
            return False
        clock = self._tick(2) + 1
        head = layout.BUSY, self.process, layout.NR_OPENAT, 0, clock, 0, layout.NOT_RETURNED
        struct.pack_into("=IIIIQQq", self.ring._map, offset, *head)
        self.slots.append(offset)
        return True

    def complete(
        self,
        name: bytes,
        result: int,
        stat: bytes = b"",
        which: int = 0,
        flags: int = 0,
        dirfd: int = -100,
        base: bytes = b"",
    ) -> None:
        """Complete the open, with these flags, that was begun as number `which` of those under way.

        `base` is the state of the directory that the name starts from.
        """
        offset = self.slots.pop(which)
        view = self.ring._map
        view[offset + layout.PATH : offset + layout.PATH + len(name)] = name
        view[offset + STATX : offset + STATX + len(stat)] = stat
        struct.pack_into("=I", view, offset + 12, len(name))
        struct.pack_into("=Q", view, offset + 24, self._tick(1))
        struct.pack_into("=q", view, offset + layout.RESULT, result)
        struct.pack_into("=QQQ", view, offset + 64, dirfd & 0xFFFFFFFF, 0, flags)  # rdi, rsi, rdx
        view[offset + BASE : offset + BASE + len(base)] = base
        struct.pack_into("=ii", view, offset + 104, 0 if result >= 0 else -1, 0 if base else -1)
        struct.pack_into("=I", view, offset, layout.COMPLETE)

    def _tick(self, count: int) -> int:
        (now,) = struct.unpack_from("=Q", self.ring._map, layout.RING_CLOCK)
        struct.pack_into("=Q", self.ring._map, layout.RING_CLOCK, (now + count) & ((1 << 64) - 1))
        return int(now)
