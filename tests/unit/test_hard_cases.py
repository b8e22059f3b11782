"""The table of hard cases (tests/README.md) names tests and tracees that are there, and all of the tracees."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
TABLE = (TESTS / "README.md").read_text()


def test_every_test_that_is_named_is_there() -> None:
    """`FILE::TEST`, and `::TEST` in the file named before."""
    absent, file = [], ""
    for named, test in re.findall(r"`([\w/.]*)::(\w+)`", TABLE):
        file = named or file
        if not re.search(rf"^def {test}\(", (TESTS / file).read_text(), re.MULTILINE):
            absent.append(f"{file}::{test}")
    assert absent == []


def test_every_tracee_is_named() -> None:
    """What a test compiles shows some case, and each case's program is there."""
    rows = [line.split("|") for line in TABLE.splitlines() if line.startswith("| ")]
    named = {name for row in rows if len(row) == 5 for name in re.findall(r"`(\w+)`", row[2])}
    there = {path.stem for path in (TESTS / "tracees").glob("*.c")}
    assert there - named == set()
    assert named - there == set()
