"""Places that can be patched: all of a file are found at once, when the first one in it is met (see search.c).

The program's own memory is searched, not the file: nothing is opened for it. What is found has at least seven bytes in
common with what compilers make of a call, its number among them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

from shark.recorder.injecting import Region
from shark.recorder.layout import NR_OPEN, NR_OPENAT
from shark.recorder.native import Native
from shark.recorder.patterns import JUMP, LONGEST, Fit, fit_of
from shark.tuples import NamedTuple

_NUMBERS = (ctypes.c_uint32 * 2)(NR_OPEN, NR_OPENAT)
_AT_ONCE = 256

Read = Callable[[int, int], bytes]
"""Reads memory: address, size. Raises OSError."""


class Site(NamedTuple):
    """An instruction that a jump can replace: its address, the number of the call behind it (of one that was made, if
    callers choose it), and how the jump fits.
    """

    address: int
    number: int
    fit: Fit


class Sites:
    """What was found in a run, by file: offsets in it."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self._known: dict[tuple[bytes, int], list[Site]] = {}

    def of_file(self, regions: list[Region], address: int, read: Read) -> Iterator[Site]:
        """All places in the file that is mapped at `address`. Raises OSError."""
        here = next((region for region in regions if region.start <= address < region.end), None)
        if here is None or not here.inode:
            return
        for region in regions:
            if region.executable and not region.shared and (region.device, region.inode) == (here.device, here.inode):
                yield from self._of_region(region, read)

    def _of_region(self, region: Region, read: Read) -> Iterator[Site]:
        key = region.device, region.inode
        known = self._known.get(key)
        if known is None:
            shift = region.offset - region.start
            known = [
                site._replace(address=site.address + shift)
                for site in found_in(self._native, read(region.start, region.end - region.start), region.start)
            ]
            self._known[key] = known
        for site in known:
            address = site.address - region.offset + region.start
            if region.start <= address < region.end:
                yield site._replace(address=address)


def found_in(native: Native, code: bytes, start: int) -> Iterator[Site]:
    """The places in a piece of code that lies at `start`, but for those where callers choose the number: these are
    patched when files are opened there, as all other calls go the longer way then.
    """
    for at in _calls(native, code):
        before = code[max(0, at - LONGEST) : at]
        for number in _NUMBERS:
            fit = fit_of(before, number)
            if fit is not None and not fit.chosen:
                yield Site(start + at - JUMP, number, fit)


def _calls(native: Native, code: bytes) -> Iterator[int]:
    """Where each `syscall` is in front of which one of the numbers stands."""
    found = (ctypes.c_uint64 * _AT_ONCE)()
    size, begin, count = len(code), 0, _AT_ONCE
    while count == _AT_ONCE:
        count = native.calls(code, size, begin, LONGEST, _NUMBERS, len(_NUMBERS), found, _AT_ONCE)
        yield from found[:count]
        begin = found[count - 1] + 1
