"""Asking the index for single edges of the graph across runs: from what an output derives, what derives from a file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from shark.store import rows
from shark.store.asking import FILE, FILES, HOLDING, Asking, Version, version, which_files
from shark.store.rows import unpacked

_ASKED = 500
"""So many digests are looked up by one query; SQLite takes 999 values at least."""

CANDIDATES = 50
"""So many runs or files with the same bytes are given at most."""


class Output(NamedTuple):
    """An output of a run. `n` names it in further questions; `part` and `scope` are as in ancestry's Making.

    `known` is False if the record does not tell from what it derives.
    """

    n: int
    version: Version
    part: int
    scope: str
    known: bool


class Input(NamedTuple):
    """From what an output derives: `version.run` is the run that used it. `only`: no other output has it from here.

    `used` is the path that the program used, if another one, and `makers` are the runs that made it, as recorded.
    """

    version: Version
    control: bool
    only: bool
    used: bytes
    makers: tuple[str, ...]


class Use(NamedTuple):
    """That a run used a content; `made` derives from it, None where nothing does."""

    run: str
    control: bool
    only: bool
    made: Output | None


def output(index: Asking, run: str, path: bytes, sha256: str) -> Output | None:
    """Give the output of a run with this content, the one at `path` first; without a digest, the one at that path."""
    index.take_in_inputs(run)
    conditions, values = which_files(None if sha256 else path, sha256)
    query = (
        f"SELECT o.n, runs.id, {FILE}, o.part, runs.scope, o.inputs IS NOT NULL FROM {FILES} "
        f"JOIN runs ON runs.id = ? JOIN outputs o ON o.file = f.n AND o.run = runs.n WHERE {conditions} ORDER BY o.n"
    )
    found = [_output(row) for row in index.ask(query, (run, *values))]
    return next((each for each in found if each.version.path == path), found[0] if found else None)


def inputs(index: Asking, made: Output) -> list[Input]:
    """Give from what an output derives, by path."""
    number, mine = index.ask("SELECT run, inputs FROM outputs WHERE n = ?", (made.n,))[0]
    own = {file * 2 for (file,) in index.ask("SELECT file FROM owns WHERE output = ?", (made.n,))}
    notes = {
        file: (used, unpacked(makers))
        for file, used, makers in index.ask("SELECT file, used, makers FROM notes WHERE run = ?", (number,))
    }
    columns = index.members([] if mine is None else [mine], own)
    run = made.version.run
    found = [
        Input(version((run, *row)), bool(member & 1), member in own, *notes.get(member >> 1, _PLAIN))
        for member, row in columns.items()
    ]
    return sorted(found, key=lambda each: each.version.path)


def uses(index: Asking, path: bytes, sha256: str) -> list[Use]:
    """Give the runs that used a content at a path, the oldest first, with all of their outputs that derive from it."""
    index.take_in_inputs()
    conditions, values = which_files(path, sha256)
    found = [
        Use(row[1], bool(row[10]), bool(row[11]), _output(row[:10]))
        for row in index.ask(_OUTPUTS.format(conditions), values)
    ]
    made = {use.run for use in found}
    users = [run for (run,) in index.ask(_USERS.format(conditions), values) if run not in made]
    found += [Use(run, False, False, None) for run in users]
    return sorted(found, key=lambda use: use.run)


def makers(index: Asking, path: bytes, sha256: str | None, limit: int = CANDIDATES) -> tuple[list[Version], int]:
    """Give the outputs with this content, those at this path first, then the newest; and their number in all.

    With no digest, the outputs at this path, whatever their content.
    """
    conditions, values = which_files(path if sha256 is None else None, sha256)
    query = (
        f"SELECT runs.id, {FILE} FROM {FILES} JOIN outputs o ON o.file = f.n JOIN runs ON runs.n = o.run "
        f"WHERE {conditions}"
    )
    found = [version(row) for row in index.ask(query, values)]
    found.sort(key=lambda each: each.run, reverse=True)
    found.sort(key=lambda each: each.path != path)
    return found[:limit], len({each.run for each in found})


def made_ones(index: Asking, digests: Iterable[str]) -> set[str]:
    """Give those of some digests that any output has."""
    wanted = [rows.digest(sha256) for sha256 in dict.fromkeys(digests)]
    found: set[str] = set()
    for at in range(0, len(wanted), _ASKED):
        some = wanted[at : at + _ASKED]
        query = (
            f"WITH asked (sha256) AS (VALUES {', '.join(['(?)'] * len(some))}) "
            "SELECT a.sha256 FROM asked a WHERE EXISTS (SELECT 1 FROM files f JOIN outputs o ON o.file = f.n "
            "WHERE substr(f.sha256, 1, 6) = substr(a.sha256, 1, 6) AND f.sha256 = a.sha256 AND f.sha256 != x'')"
        )
        found.update(sha256.hex() for (sha256,) in index.ask(query, tuple(some)))
    return found


def same_bytes(index: Asking, path: bytes, sha256: str, limit: int = CANDIDATES) -> tuple[list[bytes], int]:
    """Give the other paths at which a content was used, and their number in all."""
    index.take_in_inputs()
    conditions, values = which_files(None, sha256)
    query = (
        f"SELECT DISTINCT d.path, f.name FROM {FILES} WHERE {conditions} AND (EXISTS (SELECT 1 FROM members WHERE "
        "member BETWEEN f.n * 2 AND f.n * 2 + 1) OR EXISTS (SELECT 1 FROM owns WHERE file = f.n)) "
        "ORDER BY d.path, f.name"
    )
    paths = [directory + name for directory, name in index.ask(query, values)]
    others = [other for other in paths if other != path]
    return others[:limit], len(others)


def first_use(index: Asking, path: bytes, sha256: str) -> str:
    """Give the id of the first run that used a content at a path, "" if none did.

    The content was there by then: a run that made the same bytes elsewhere later is not where it comes from, but made
    a copy of it, perhaps.
    """
    index.take_in_inputs()
    conditions, values = which_files(path, sha256)
    [(run,)] = index.ask(_FIRST.format(conditions), values)
    return str(run)


def contents_at(index: Asking, path: bytes) -> list[str]:
    """Give the digests of the contents that a file had when runs made or used it, the last one that was seen first."""
    conditions, values = which_files(path, None)
    query = f"SELECT f.sha256 FROM {FILES} WHERE {conditions} GROUP BY f.sha256 ORDER BY max(f.n) DESC"
    index.take_in_inputs()
    return [sha256.hex() for (sha256,) in index.ask(query, values)]


def _output(row: tuple[Any, ...]) -> Output:
    return Output(row[0], version(row[1:7]), row[7], row[8], bool(row[9]))


_PLAIN: tuple[bytes, tuple[str, ...]] = (b"", ())

_OUTPUTS = f"""{HOLDING},
numbers (n, control, own) AS (
    SELECT o.n, holding.control, 0 FROM holding JOIN outputs o ON o.inputs = holding.n
    UNION SELECT w.output, 0, 1 FROM asked JOIN owns w ON w.file = asked.file)
SELECT o.n, runs.id, {FILE}, o.part, runs.scope, 1, control, own
FROM numbers JOIN outputs o ON o.n = numbers.n JOIN runs ON runs.n = o.run JOIN {FILES} WHERE f.n = o.file
ORDER BY runs.id, o.n
"""
_FIRST = f"""{HOLDING},
users (run) AS (
    SELECT u.run FROM holding JOIN uses u ON u.inputs = holding.n
    UNION SELECT o.run FROM asked JOIN owns w ON w.file = asked.file JOIN outputs o ON o.n = w.output)
SELECT ifnull(min(runs.id), '') FROM users JOIN runs ON runs.n = users.run
"""
_USERS = f"""{HOLDING}
SELECT DISTINCT runs.id FROM holding JOIN uses u ON u.inputs = holding.n JOIN runs ON runs.n = u.run ORDER BY runs.id
"""
