"""Where a page for trampolines is put."""

from __future__ import annotations

from shark.recorder.injecting import Region, place_near

MB = 1 << 20
SITE = 0x7F0000001000
GUARD = 2 * MB
"""What must be free below a mapping that may grow downwards: more than the kernel's gap, and a page."""


def region(start: int, end: int, name: bytes = b"") -> Region:
    """A mapping, of which only the place and the name matter here."""
    return Region(start, end, 0, b"00:00", 0, True, False, name)


def test_far_below_what_may_grow() -> None:
    """A page is more than 2 MB below the next mapping, and near enough for a jump."""
    near = place_near(SITE, [region(0x400000, 0x500000), region(SITE - 4096, SITE + 4096)])
    assert 0 < near < SITE - 4096 - GUARD
    assert SITE - near < 1 << 30


def test_a_smaller_gap_that_is_large_enough() -> None:
    """What is below a program that lies low is as good."""
    near = place_near(0x401000, [region(0x400000, 0x500000), region(SITE, SITE + 4096)])
    assert 0x10000 < near < 0x400000 - GUARD


def test_where_nothing_else_is_in_reach() -> None:
    """A page in a narrow gap is better than none."""
    above = region(SITE - MB, SITE + MB)
    near = place_near(SITE, [region(0x10000, SITE - 2 * MB), above])
    assert above.start - MB < near < above.start


def test_no_room() -> None:
    """Neither touching another mapping, nor below the stack, nor out of reach."""
    assert place_near(SITE, [region(0x10000, SITE), region(SITE, SITE + 4096)]) == 0
    assert place_near(SITE, [region(0x10000, SITE + 4096), region(SITE + 64 * MB, SITE + 65 * MB, b"[stack]")]) == 0
    assert place_near(SITE, [region(0x10000, SITE + 4096), region(SITE + (4 << 30), SITE + (5 << 30))]) == 0
