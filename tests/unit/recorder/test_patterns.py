"""Where a jump can be put, and what must be moved for it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark.recorder.layout import NR_OPEN, NR_OPENAT
from shark.recorder.patterns import JUMP, LONGEST, PATTERNS, SYSCALL, Fit, fit_of
from shark.recorder.sites import found_in

from . import rings

LOAD = b"\xb8" + struct.pack("=I", NR_OPENAT)
LATER = LOAD + bytes.fromhex("4889febf9cffffff")
CANCELLABLE = bytes.fromhex("4d89ca 4c8b442408 4c8b4c2410 4c895c2408")
ANY = bytes.fromhex("4889ca 4d89c2 4d89c8 4c8b4c2408")


def test_the_last_instruction_is_a_jump_long() -> None:
    """What is replaced is one instruction of five bytes: `mov $32 bits` to eax or edi, or a move between r9 or r11 and
    the stack, which is REX, opcode, ModRM, SIB and an offset.
    """
    for pattern in PATTERNS:
        code = pattern.for_call(NR_OPENAT)
        assert JUMP <= len(code) <= LONGEST
        if pattern.chosen:
            assert code[-JUMP:] in (bytes.fromhex("4c8b4c2408"), bytes.fromhex("4c895c2408"))
            assert pattern.moved
        else:
            assert code[-JUMP] == (0xBF if pattern.moved else 0xB8)


@pytest.mark.parametrize(
    ("code", "number", "fit"),
    [
        (LOAD, NR_OPENAT, Fit(b"")),
        (b"\x90" * 20 + LOAD, NR_OPENAT, Fit(b"")),
        (LOAD, NR_OPEN, None),
        (LATER, NR_OPENAT, Fit(LATER[-JUMP:])),
        (CANCELLABLE, NR_OPENAT, Fit(CANCELLABLE[-JUMP:], chosen=True)),
        (CANCELLABLE, NR_OPEN, Fit(CANCELLABLE[-JUMP:], chosen=True)),
        (CANCELLABLE[-JUMP:], NR_OPEN, None),
        (ANY, NR_OPENAT, Fit(ANY[-JUMP:], chosen=True)),
        (ANY[-JUMP:], NR_OPENAT, None),
        (LATER, NR_OPEN, None),
        (LATER[1:], NR_OPENAT, None),
        (LOAD[1:], NR_OPENAT, None),
        (LOAD + b"\x90", NR_OPENAT, None),
        (b"", NR_OPENAT, None),
    ],
)
def test_fit_of(code: bytes, number: int, fit: Fit | None) -> None:
    """Only code that loads the very number of the call is taken, and the functions that are called with any."""
    assert fit_of(code, number) == fit


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_fit_of_any_bytes(code: bytes) -> None:
    """No bytes confuse it, and what it accepts ends in a pattern."""
    fit = fit_of(code, NR_OPENAT)
    if fit is not None:
        assert any(code.endswith(pattern.for_call(NR_OPENAT)) for pattern in PATTERNS)
        assert fit.moved in (b"", code[-JUMP:])


def test_many_are_found() -> None:
    """More than are looked for at once."""
    found = list(found_in(rings.library(), (LOAD + SYSCALL) * 600, 0))
    assert [site.address for site in found] == [7 * n for n in range(600)]
    assert {site.number for site in found} == {NR_OPENAT}


PIECES = st.sampled_from(
    [LOAD + SYSCALL, LATER + SYSCALL, ANY + SYSCALL, CANCELLABLE + SYSCALL, LOAD, SYSCALL, b"\x90", b"\xb8", LOAD[:3]]
)


@settings(deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=5)), max_size=12), st.integers(0, 1 << 46))
def test_what_is_found_can_be_patched(pieces: list[bytes], start: int) -> None:
    """Every place that a search finds is one that a stop there would take; of those none is overlooked whose number is
    its own.
    """
    code = b"".join(pieces)
    found = list(found_in(rings.library(), code, start))
    for site in found:
        end = site.address - start + JUMP
        assert code[end:].startswith(SYSCALL)
        assert fit_of(code[:end], site.number) == site.fit
    taken = {
        (at, number)
        for at in range(len(code))
        for number in (NR_OPEN, NR_OPENAT)
        if code[at:].startswith(SYSCALL)
        and (fit := fit_of(code[max(0, at - LONGEST) : at], number)) is not None
        and not fit.chosen
    }
    assert {(site.address - start + JUMP, site.number) for site in found} == taken
