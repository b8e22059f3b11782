"""Where a jump can be put, and what must be moved for it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark.recorder.layout import NR_OPEN, NR_OPENAT
from shark.recorder.patterns import JUMP, LONGEST, PATTERNS, SYSCALL, moved_by
from shark.recorder.sites import found_in

LOAD = b"\xb8" + struct.pack("=I", NR_OPENAT)
LATER = LOAD + bytes.fromhex("4889febf9cffffff")


def test_the_last_instruction_is_a_jump_long() -> None:
    """What is replaced is one instruction of five bytes: `mov $32 bits, %eax` or `%edi`."""
    for pattern in PATTERNS:
        code = pattern.for_call(NR_OPENAT)
        assert JUMP <= len(code) <= LONGEST
        assert code[-JUMP] == (0xBF if pattern.moved else 0xB8)


@pytest.mark.parametrize(
    ("code", "number", "moved"),
    [
        (LOAD, NR_OPENAT, b""),
        (b"\x90" * 20 + LOAD, NR_OPENAT, b""),
        (LOAD, NR_OPEN, None),
        (LATER, NR_OPENAT, LATER[-JUMP:]),
        (LATER, NR_OPEN, None),
        (LATER[1:], NR_OPENAT, None),
        (LOAD[1:], NR_OPENAT, None),
        (LOAD + b"\x90", NR_OPENAT, None),
        (b"", NR_OPENAT, None),
    ],
)
def test_moved_by(code: bytes, number: int, moved: bytes | None) -> None:
    """Only code that loads the very number of the call is taken."""
    assert moved_by(code, number) == moved


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_moved_by_any_bytes(code: bytes) -> None:
    """No bytes confuse it, and what it accepts ends in a pattern."""
    moved = moved_by(code, NR_OPENAT)
    if moved is not None:
        assert any(code.endswith(pattern.for_call(NR_OPENAT)) for pattern in PATTERNS)
        assert moved in (b"", code[-JUMP:])


PIECES = st.sampled_from([LOAD + SYSCALL, LATER + SYSCALL, LOAD, SYSCALL, b"\x90", b"\xb8", LOAD[:3]])


@settings(deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=5)), max_size=12), st.integers(0, 1 << 46))
def test_what_is_found_can_be_patched(pieces: list[bytes], start: int) -> None:
    """Every place that a search finds is one that a stop there would take, and none of those is overlooked."""
    code = b"".join(pieces)
    found = list(found_in(code, start))
    for site in found:
        end = site.address - start + JUMP
        assert code[end:].startswith(SYSCALL)
        assert moved_by(code[:end], site.number) == site.moved
    taken = {
        (at, number)
        for at in range(len(code))
        for number in (NR_OPEN, NR_OPENAT)
        if code[at:].startswith(SYSCALL) and moved_by(code[max(0, at - LONGEST) : at], number) is not None
    }
    assert {(site.address - start + JUMP, site.number) for site in found} == taken
