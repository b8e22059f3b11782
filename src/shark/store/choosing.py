"""Which runs a listing shall have, as conditions on the index. Pure."""

from __future__ import annotations

import os
from collections.abc import Sequence

from shark.store.interning import split
from shark.tuples import NamedTuple

Condition = tuple[str, tuple[object, ...]]


class Wanted(NamedTuple):
    """What is asked of a run; what is left as it is asks nothing.

    `since` and `until` (exclusive) are milliseconds since the epoch, of the run's start. `tags` are (key, value), or
    (key, None) for any value. `command` is a text in the command line, or a shell pattern for all of it. `outputs` and
    `inputs` are absolute paths, each of a file or of a directory above it: every one must have been made or used.
    `failed`: by its exit status, a signal, or an exception that left the block that was recorded.
    """

    since: int | None = None
    until: int | None = None
    name: str | None = None
    tags: Sequence[tuple[str, str | None]] = ()
    command: str | None = None
    outputs: Sequence[bytes] = ()
    inputs: Sequence[bytes] = ()
    failed: bool = False

    @property
    def needs_inputs(self) -> bool:
        """Whether what runs used must be known."""
        return bool(self.inputs)

    def conditions(self) -> Condition:
        """Give an SQL condition on the table of runs, and its values."""
        parts = [("problem = ''", ()), *self._of_time(), *self._of_words()]
        parts += [_related(_MADE, path) for path in self.outputs]
        parts += [_related(_USED, path) for path in self.inputs]
        if self.failed:
            parts.append(("(exit > 0 OR signal >= 0 OR outcome = 'raised')", ()))
        return " AND ".join(text for text, _ in parts), tuple(value for _, values in parts for value in values)

    def _of_time(self) -> list[Condition]:
        # A run's id begins with the milliseconds of its start: ids sort as times do.
        found: list[Condition] = []
        if self.since is not None:
            found.append(("id >= ?", (_id_at(self.since),)))
        if self.until is not None:
            found.append(("id < ?", (_id_at(self.until),)))
        return found

    def _of_words(self) -> list[Condition]:
        found: list[Condition] = []
        if self.name is not None:
            # A name without one is asked for with '', which the index of names leaves out.
            found.append(("name = ? AND name != ''" if self.name else "name = ?", (self.name,)))
        for key, value in self.tags:
            some = "" if value is None else " AND value = ?"
            text = f"EXISTS (SELECT 1 FROM json_each(CAST(tags AS TEXT)) WHERE key = ?{some})"
            found.append((text, (key,) if value is None else (key, value)))
        if self.command is not None:
            words = "(SELECT group_concat(value, ' ') FROM json_each(CAST(argv AS TEXT)))"
            pattern = any(sign in self.command for sign in "*?[")
            text = f"{words} GLOB ?" if pattern else f"instr({words}, ?)"
            found.append((text, (self.command,)))
        return found


ALL = Wanted()
"""Every run."""

_MADE = "n IN (SELECT o.run FROM asked JOIN outputs o ON o.file = asked.n)"
_USED = """(n IN (
    WITH RECURSIVE holding (n) AS (
        SELECT m.inputs FROM asked JOIN members m ON m.member BETWEEN asked.n * 2 AND asked.n * 2 + 1
        UNION SELECT s.n FROM holding JOIN sets s ON s.parent = holding.n)
    SELECT u.run FROM holding JOIN uses u ON u.inputs = holding.n)
OR n IN (SELECT o.run FROM asked JOIN owns w ON w.file = asked.n JOIN outputs o ON o.n = w.output))"""


def _related(how: str, path: bytes) -> Condition:
    """A condition on runs by a path: of a file, or of a directory above files."""
    directory, name = split(path)
    below = os.path.join(path, b"")
    asked = """(
        SELECT f.n FROM files f JOIN directories d ON d.n = f.directory WHERE d.path = ? AND f.name = ?
        UNION SELECT f.n FROM directories d JOIN files f ON f.directory = d.n WHERE d.path >= ? AND d.path < ?) asked"""
    values = (directory, name, below, below[:-1] + b"0")  # "0" comes after "/"
    times = how.count("FROM asked")
    return how.replace("FROM asked", f"FROM {asked}"), values * times


def _id_at(milliseconds: int) -> str:
    """The least id that a run can have that began at this time."""
    digits = f"{max(min(milliseconds, (1 << 48) - 1), 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"
