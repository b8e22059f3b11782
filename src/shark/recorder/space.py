"""An address space in which the recorder lies: its memory, its patched sites, its page of trampolines."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import struct

from shark.recorder import layout
from shark.recorder.patterns import JUMP, SYSCALL, Fit
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

_ROOM: Final = 64
"""Bytes of a page of trampolines for each; the first hold the address that all of them jump to."""

DATA: Final = 32
"""Where in a trampoline its data lie: see SiteData."""

FIXED, CHOSEN, CHOSEN_LATER = 0, 1, 2
"""What a trampoline is of: a call of one number; calls of any number, the first that these come to, or the next one."""

_DATA: Final = struct.Struct("=QII")
_REACH: Final = 0x7FF00000  # of a jump, less some room for what lies around its ends


_MOST: Final = 64
_SHARE: Final = 8
"""So many memories are open at once, and no more than this part of the descriptors that shark may have."""

_memories: dict[Space, int] = {}
"""The descriptors of those that are open, the one that was used last at the end."""


def _most() -> int:
    return max(1, min(_MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _SHARE))


def _close_oldest() -> None:
    os.close(_memories.pop(next(iter(_memories))))


class Near(NamedTuple):
    """A page of trampolines, and how many of them are taken."""

    address: int
    taken: int


class SiteData(NamedTuple):
    """The address behind the site's `syscall`, the number of the call that is recorded, and what it is of."""

    end: int
    number: int
    kind: int


class Space:
    """What shark has put into one address space. Memory belongs to address spaces, not to processes: a fork copies
    it, a vfork shares it, an exec drops it. `pid` is a process that lives in it.
    """

    def __init__(self, pid: int, process: int) -> None:
        self.pid = pid
        self.process = process
        self.near: list[Near] = []
        self.sites: set[int] = set()
        self.guests = 0  # further processes that live in here for a while (vfork): then all make plain calls
        self.watched = -1
        self.plain = False
        self._left = False

    def copy(self, pid: int, process: int) -> Space:
        """The space of a child that was forked from one that lives in this."""
        child = Space(pid, process)
        child.near = list(self.near)
        child.sites = set(self.sites)
        child.watched, child.plain = self.watched, self.plain
        return child

    def read(self, address: int, size: int) -> bytes:
        """Bytes of its memory. Raises OSError."""
        return os.pread(self._file(), size, address)

    def write(self, address: int, content: bytes) -> None:
        """Overwrite memory, whatever its protection. Raises OSError."""
        if os.pwrite(self._file(), content, address) != len(content):
            raise OSError(f"{len(content)} bytes at {address:#x} of process {self.pid} could not be written")

    def _file(self) -> int:
        if self._left:  # its process is gone, and the number may be another one's
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        memory = _memories.pop(self, -1)
        while memory < 0:
            if len(_memories) >= _most():
                _close_oldest()
            try:
                memory = os.open(f"/proc/{self.pid}/mem", os.O_RDWR | os.O_CLOEXEC)
            except OSError as problem:
                if problem.errno not in (errno.EMFILE, errno.ENFILE) or not _memories:
                    raise
                _close_oldest()
        _memories[self] = memory
        return memory

    def close(self) -> None:
        """Let its memory go, for good."""
        self._left = True
        memory = _memories.pop(self, -1)
        if memory >= 0:
            os.close(memory)

    def describe(self) -> None:
        """Write the page that tells the stub who it works for, and what it may do. Raises OSError."""
        hot = not self.plain and not self.guests
        area = layout.RING + layout.RING_AREAS + self.process % layout.AREAS * layout.AREA_SIZE
        self.write(layout.PAGE, struct.pack("=IIiI", hot, self.process, self.watched, area))

    def describe_if_there(self) -> None:
        """The same, of a process that may have gone."""
        with contextlib.suppress(OSError):
            self.describe()

    def add_near(self, address: int) -> None:
        """A new page for trampolines has been mapped. Raises OSError."""
        self.write(address, struct.pack("=Q", layout.CODE))
        self.near.append(Near(address, 0))

    def near_of(self, site: int, fit: Fit) -> int:
        """The index of a page of trampolines with room for a site's, that a jump from it can reach; -1 without one."""
        for index, near in enumerate(self.near):
            if abs(near.address - site) < _REACH and (near.taken + _count(fit) + 1) * _ROOM <= 4096:
                return index
        return -1

    def patch(self, site: int, number: int, fit: Fit) -> None:
        """Have the instruction at `site` jump to a trampoline of its own; no thread may be running. Raises OSError.

        The `syscall` behind it stays. Where callers choose the number, one trampoline asks for openat, a second one for
        open, and all other calls go on at the site.
        """
        index = self.near_of(site, fit)
        near = self.near[index]
        at = near.address + _ROOM * (near.taken + 1)
        end = site + JUMP + len(SYSCALL)
        if fit.chosen:
            after = at + _ROOM
            code = _asking(after, b"", layout.NR_OPEN, site + JUMP) + _to_stub(after, _ASKING, near.address)
            self.write(after, code.ljust(DATA, b"\xcc") + _DATA.pack(end, layout.NR_OPEN, CHOSEN_LATER))
            code = _asking(at, fit.moved, layout.NR_OPENAT, after)
            data = _DATA.pack(end, layout.NR_OPENAT, CHOSEN)
        else:
            code, data = fit.moved, _DATA.pack(end, number, FIXED)
        self.write(at, (code + _to_stub(at, len(code), near.address)).ljust(DATA, b"\xcc") + data)
        self.write(site, _jump(site, at))
        self.near[index] = near._replace(taken=near.taken + _count(fit))
        self.sites.add(site)

    def trampoline(self, ip: int) -> int:
        """The address of the data of the trampoline in which `ip` lies, 0 if it lies in none."""
        for near in self.near:
            if near.address + _ROOM <= ip < near.address + _ROOM * (near.taken + 1):
                return ip - (ip - near.address) % _ROOM + DATA
        return 0

    def site_data(self, address: int) -> SiteData:
        """What stands in a trampoline. Raises OSError."""
        return SiteData(*_DATA.unpack(self.read(address, _DATA.size)))


def _count(fit: Fit) -> int:
    """How many trampolines a site has."""
    return 2 if fit.chosen else 1


def _jump(at: int, to: int) -> bytes:
    return b"\xe9" + struct.pack("=i", to - (at + JUMP))


_ASKING: Final = 14
"""Bytes of `_asking`, without what was moved."""


def _asking(at: int, moved: bytes, number: int, otherwise: int) -> bytes:
    """A trampoline's beginning: go on behind this if eax is `number`, else at `otherwise`. No flag is changed."""
    load = b"\x8d\x88" + struct.pack("=i", -number)  # lea -number(%rax), %ecx
    skip = b"\x67\xe3" + bytes([JUMP])  # jecxz, over the jump
    return moved + load + skip + _jump(at + len(moved) + len(load) + len(skip), otherwise)


def _to_stub(start: int, size: int, page: int) -> bytes:
    """The end of a trampoline that begins at `start`, behind `size` bytes: the address of its data, and the stub."""
    load = b"\x4c\x8d\x1d" + struct.pack("=i", DATA - (size + 7))  # lea data(%rip), %r11
    return load + b"\xff\x25" + struct.pack("=i", page - (start + size + 13))  # jmp *page(%rip)
