"""The answer of `shark diff`: two things side by side, their outputs, and what was different when they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shark.comparing import texts
from shark.comparing.sides import Given
from shark.model.comparison import Difference, compare, outputs_of

if TYPE_CHECKING:
    from shark.checking.records import Records
    from shark.view.documents import Diff, DiffDifference, DiffOutput


def diff(a: Given, b: Given, records: Records) -> Diff:
    """Compare two sides, as the document of `shark diff --json`."""
    pairs = outputs_of(a.side, b.side)
    others = [pair for pair in pairs if not pair[2] or pair[2] != pair[3]]
    outputs = [_output(*pair) for pair in others]
    differences = compare(a.side, b.side)
    told: list[DiffDifference] = []
    left = texts.MOST
    for difference in differences:
        entry = _entry(difference)
        if left and difference.section in ("code", "inputs") and difference.change == "changed":
            left -= 1
            if text := texts.diff_of(difference, a.side, b.side, records):
                entry["diff"] = text
        told.append(entry)
    return {
        "schema": "shark/diff/1",
        "a": a.document(),
        "b": b.document(),
        "equal": not outputs and not told,
        "same_outputs": len(pairs) - len(others),
        "outputs": outputs,
        "differences": told,
    }


def _output(one: str, other: str, first: str, second: str) -> DiffOutput:
    values = {"a": one, "b": other, "a_sha256": first, "b_sha256": second}
    return {key: value for key, value in values.items() if value}  # type: ignore[return-value]


def _entry(difference: Difference) -> DiffDifference:
    entry: DiffDifference = {
        "section": difference.section,
        "name": difference.name,
        "change": difference.change,
        "explains": difference.explains,
    }
    if difference.change != "added":
        entry["a"] = difference.a
    if difference.change != "removed":
        entry["b"] = difference.b
    if difference.entries is not None and difference.section in ("code", "inputs"):
        one, other = difference.entries
        if "run" in one:
            entry["a_run"] = str(one["run"])
        if "run" in other:
            entry["b_run"] = str(other["run"])
    return entry
