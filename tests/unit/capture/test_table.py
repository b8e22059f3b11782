"""The table of traced calls: each can be decoded, and what is left out has its reason."""

from __future__ import annotations

import re

import pytest

from shark.capture.decoders import DECODERS
from shark.capture.table import NOT_TRACED, ROWS, Condition


@pytest.mark.parametrize("name", ROWS)
def test_every_row_has_a_decoder(name: str) -> None:
    """A traced call that nobody decodes would only cost time."""
    assert callable(DECODERS[ROWS[name].operation])


def test_every_decoder_has_a_row() -> None:
    """A decoder that no row names is dead."""
    assert set(DECODERS) == {row.operation for row in ROWS.values()}


def test_what_is_left_out_has_a_reason() -> None:
    """And is not traced after all, unless it is certain uses of a call that are left out."""
    for names, reason in NOT_TRACED.items():
        assert len(reason) > 20
        for name in re.findall(r"\w+", names):
            assert name not in ROWS or ROWS[name].condition is not None, names


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.condition])
def test_conditions_can_be_tested_by_the_filter(name: str) -> None:
    """It sees the low 32 bits of six arguments."""
    condition = ROWS[name].condition
    assert condition is not None
    assert 0 <= condition.argument < 6
    assert 0 < condition.mask <= 0xFFFFFFFF
    assert condition.value & ~condition.mask == 0


def test_a_condition_looks_at_its_bits_only() -> None:
    """Whatever else is in the argument."""
    condition = Condition(1, 0b1010, 0b1000)
    assert condition.holds((0, 0b1101, 0, 0, 0, 0))
    assert not condition.holds((0b1000, 0b1010, 0, 0, 0, 0))


def test_a_condition_may_have_an_alternative() -> None:
    """Reflinks and what makes a loop device are traced; what programs ask of a terminal is not."""
    condition = ROWS["ioctl"].condition
    assert condition is not None
    assert [condition.holds((3, request, 0, 0, 0, 0)) for request in (0x9409, 0x4C00, 0x4C0A)] == [True] * 3
    assert not condition.holds((3, 0x5401, 0, 0, 0, 0))
