"""The numbers and constants that shark writes down itself are those of python-ptrace, where that has them."""

from __future__ import annotations

from ptrace.binding import func

import write_numbers
from shark.capture import kernel
from shark.capture.numbers import NUMBERS
from shark.capture.table import ROWS


def test_the_module_is_what_is_written() -> None:
    """`python tests/write_numbers.py` was run after the last change of the table."""
    assert write_numbers.FILE.read_text() == write_numbers.text()


def test_constants() -> None:
    """Of every request, event and option that both know."""
    ours = {name: value for name, value in vars(kernel).items() if name.startswith("PTRACE_")}
    both = ours.keys() & vars(func).keys()
    assert len(both) >= 16
    assert {name: ours[name] for name in both} == {name: getattr(func, name) for name in both}


def test_only_traced_calls() -> None:
    """Every number leads to a row."""
    assert {name for names in NUMBERS.values() for name in names.values()} == set(ROWS)
