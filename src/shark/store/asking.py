"""Asking the tables of the index: which runs there are, what they made, what they used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence

from shark import jsontext
from shark.errors import NotFound, SharkError
from shark.store import rows
from shark.store.choosing import ALL, Wanted
from shark.store.interning import ROLES, split, unpacked
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from typing import Any


_ASKED = 250
"""So many files are looked up by one query; SQLite takes 999 values at least."""


class RunRow(NamedTuple):
    """A run as `shark log` lists it. `start` and `end` are RFC 3339; -1 is an exit or signal that there was not.

    `outcome` and `raised`: how a block of a program ended, and the type of its exception ("": none, or no block).
    """

    id: str
    start: str
    end: str
    seconds: float
    exit: int
    signal: int
    argv: tuple[str, ...]
    cwd: str
    name: str
    tags: dict[str, str]
    parent: str
    outputs: int
    gaps: int
    outcome: str
    raised: str


class Version(NamedTuple):
    """A file version that `run` made (an output) or used (an input). `sha256` is "" if it was not hashed, `size` -1."""

    run: str
    path: bytes
    sha256: str
    size: int
    role: str


class Asking(ABC):
    """Questions to the tables, as they are."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    @abstractmethod
    def take_in_inputs(self, run: str | None = None) -> None:
        """Make sure that what a run used (None: all runs) is in the tables. Raises SharkError."""

    def problems(self) -> list[tuple[str, str]]:
        """List the runs whose records cannot be read, with what is wrong with each."""
        found = self.ask("SELECT id, problem FROM runs WHERE problem != '' ORDER BY id")
        return [(run, problem) for run, problem in found]

    def runs(self, limit: int = -1, wanted: Wanted = ALL) -> list[RunRow]:
        """List the runs that are `wanted`, newest first; `limit` -1 means all."""
        if wanted.needs_inputs:
            self.take_in_inputs()
        conditions, values = wanted.conditions()
        query = f"SELECT {_RUN} FROM runs WHERE {conditions} ORDER BY id DESC LIMIT ?"
        return [_run_row(row) for row in self.ask(query, (*values, limit))]

    def count(self) -> int:
        """Give the number of runs."""
        return int(self.ask("SELECT count(*) FROM runs WHERE problem = ''")[0][0])

    def edges(self) -> int:
        """Give the number of pairs of an output and an input from which it derives. It counts them all."""
        query = (
            "SELECT (SELECT ifnull(sum(s.count), 0) FROM outputs o JOIN sets s ON s.n = o.inputs) "
            "+ (SELECT count(*) FROM owns)"
        )
        return int(self.ask(query)[0][0])

    def run(self, run: str) -> RunRow:
        """Give one run. Raises NotFound."""
        query = f"SELECT {_RUN} FROM runs WHERE id = ? AND problem = ''"
        for row in self.ask(query, (run,)):
            return _run_row(row)
        raise NotFound(f"run {run} is not in the store", "See `shark log` for the runs that are known.")

    def made(self, *, path: bytes | None = None, sha256: str | None = None, run: str | None = None) -> list[Version]:
        """List the outputs with this path, content and run (None: any), newest run first."""
        conditions, values = which_files(path, sha256)
        query = (
            f"SELECT runs.id, {FILE} FROM {FILES} JOIN outputs o ON o.file = f.n JOIN runs ON runs.n = o.run "
            f"WHERE {conditions} AND runs.id = ifnull(?, runs.id) ORDER BY runs.id DESC, d.path, f.name"
        )
        return [version(row) for row in self.ask(query, (*values, run))]

    def used(self, *, path: bytes | None = None, sha256: str | None = None, run: str | None = None) -> list[Version]:
        """List the inputs with this path, content and run (None: any), newest run first."""
        self.take_in_inputs()
        if run is not None:
            found = [version((run, *row)) for _, row in self.members(*self._used_by(run)).items()]
            found.sort(key=lambda each: each.path)
            return [each for each in found if path in (None, each.path) and sha256 in (None, each.sha256)]
        conditions, values = which_files(path, sha256)
        return [version(row) for row in self.ask(_USED.format(conditions), values)]

    def makers(self, files: Iterable[tuple[bytes, str]]) -> dict[tuple[bytes, str], list[str]]:
        """Give, for each (path, sha256), the ids of the runs that made that content at that path, newest first."""
        found: dict[tuple[bytes, str], list[str]] = {file: [] for file in files}
        by_folder: dict[bytes, list[tuple[bytes, str]]] = {}
        for file in found:
            by_folder.setdefault(split(file[0])[0], []).append(file)
        known = self.known_folders(by_folder)
        likely = [file for folder, inside in by_folder.items() if folder in known for file in inside]
        asked = {(*split(path), rows.digest(sha256)): (path, sha256) for path, sha256 in likely}
        query = (
            "SELECT DISTINCT a.path, a.name, a.sha256, runs.id FROM asked a "
            "CROSS JOIN directories d ON d.path = a.path "  # keeps SQLite to this order
            "CROSS JOIN files f ON f.directory = d.n AND f.name = a.name "
            "AND substr(f.sha256, 1, 6) = substr(a.sha256, 1, 6) AND f.sha256 = a.sha256 "
            "JOIN outputs o ON o.file = f.n JOIN runs ON runs.n = o.run ORDER BY runs.id DESC"
        )
        for folder, name, sha, run in self._ask_of("path, name, sha256", list(asked), query):
            found[asked[folder, name, sha]].append(run)
        return found

    def known_folders(self, folders: Iterable[bytes]) -> set[bytes]:
        """Give those of some folders (ending in a slash) of which the tables know any file; none, before any output."""
        if not self.ask("SELECT 1 FROM outputs LIMIT 1"):
            return set()
        query = "SELECT a.path FROM asked a CROSS JOIN directories d ON d.path = a.path"
        return {folder for (folder,) in self._ask_of("path", [(folder,) for folder in folders], query)}

    def _ask_of(self, columns: str, keys: Sequence[tuple[Any, ...]], query: str) -> Iterator[tuple[Any, ...]]:
        """Iterate over what a query gives that finds `keys`, some at a time, in a table `asked` with these columns."""
        places = f"({', '.join('?' * (columns.count(',') + 1))})"
        for at in range(0, len(keys), _ASKED):
            some = keys[at : at + _ASKED]
            table = f"WITH asked ({columns}) AS (VALUES {', '.join([places] * len(some))}) "
            yield from self.ask(table + query, tuple(value for key in some for value in key))

    def sizes(self) -> set[int]:
        """Give the sizes of all outputs in bytes: a file of another size has no output's content."""
        return {size for (size,) in self.ask("SELECT size FROM sizes")}

    def hashed_sizes(self, least: int, most: int) -> set[int]:
        """Give those sizes between two, in bytes, that outputs with a digest have; all files are looked through."""
        query = (
            "SELECT DISTINCT f.size FROM files f WHERE f.size BETWEEN ? AND ? AND f.sha256 != x'' "
            "AND EXISTS (SELECT 1 FROM outputs o WHERE o.file = f.n)"
        )
        return {size for (size,) in self.ask(query, (least, most))}

    def paths_below(self, directory: bytes, *, caches: bool = False) -> set[bytes]:
        """Give the paths of all outputs that lie below a directory (an absolute path), there or not.

        Without caches, or with `caches` these alone.
        """
        first = directory.rstrip(b"/") + b"/"
        behind = first[:-1] + b"0"  # "0" comes after "/"
        query = (
            f"SELECT d.path, f.name FROM {FILES} JOIN outputs o ON o.file = f.n "
            f"WHERE d.path >= ? AND d.path < ? AND f.role {'=' if caches else '!='} ?"
        )
        return {path + name for path, name in self.ask(query, (first, behind, ROLES.index("cache")))}

    def members(self, sets: Iterable[int], more: Iterable[int] = ()) -> dict[int, tuple[Any, ...]]:
        """Give the members of sets of inputs, those of their parents included, and `more`: the columns FILE of each."""
        found = set(more)
        waiting = list(sets)
        for number in waiting:
            for parent, data in self.ask("SELECT parent, members FROM sets WHERE n = ?", (number,)):
                found.update(unpacked(data))
                if parent is not None and parent not in waiting:
                    waiting.append(parent)
        numbers = jsontext.dumps(sorted({member >> 1 for member in found})).decode()
        query = f"SELECT f.n, {FILE} FROM json_each(?) JOIN {FILES} WHERE f.n = value"
        columns = {number: row for number, *row in self.ask(query, (numbers,))}
        return {member: tuple(columns[member >> 1]) for member in sorted(found)}

    def _used_by(self, run: str) -> tuple[list[int], list[int]]:
        """Give the sets that a run uses, and its outputs' own earlier contents as members."""
        sets = self.ask("SELECT u.inputs FROM runs JOIN uses u ON u.run = runs.n WHERE runs.id = ?", (run,))
        query = (
            "SELECT w.file FROM runs JOIN outputs o ON o.run = runs.n JOIN owns w ON w.output = o.n WHERE runs.id = ?"
        )
        return [number for (number,) in sets], [file * 2 for (file,) in self.ask(query, (run,))]

    def ask(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Ask the tables (`schema.py`). Raises SharkError if the index is damaged."""
        import sqlite3

        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise damaged(error) from error


def damaged(error: Exception) -> SharkError:
    """Give the fault that people are told of."""
    return SharkError(f"the index is damaged: {error}", "Make it anew: shark index --rebuild.")


def which_files(path: bytes | None, sha256: str | None) -> tuple[str, tuple[bytes, ...]]:
    """Give the condition, and its values, for the files `f` (in directories `d`) with this path and content."""
    conditions = ["1"]
    values: tuple[bytes, ...] = ()
    if path is not None:
        conditions.append("f.directory = (SELECT n FROM directories WHERE path = ?) AND f.name = ?")
        values += split(path)
    if sha256 is not None:
        content = rows.digest(sha256)
        conditions.append("f.sha256 = ?")
        values += (content,)
        if content:  # of an empty value SQLite's substr gives NULL
            conditions.append("substr(f.sha256, 1, 6) = ? AND f.sha256 != x''")
            values += (content[:6],)
    return " AND ".join(conditions), values


def version(row: tuple[Any, ...]) -> Version:
    """Give a file version from a run's id and the columns FILE."""
    run, directory, name, sha256, size, role = row
    return Version(run, directory + name, sha256.hex(), size, ROLES[role] if isinstance(role, int) else role)


FILE = "d.path, f.name, f.sha256, f.size, f.role"
"""The columns of a file, for queries."""
FILES = "files f JOIN directories d ON d.n = f.directory"
"""The tables of a file, for queries."""
HOLDING = f"""
WITH RECURSIVE asked (file) AS (SELECT f.n FROM {FILES} WHERE {{}}),
holding (file, n, control) AS (
    SELECT asked.file, m.inputs, m.member & 1
    FROM asked JOIN members m ON m.member BETWEEN asked.file * 2 AND asked.file * 2 + 1
    UNION SELECT holding.file, s.n, holding.control FROM holding JOIN sets s ON s.parent = holding.n)"""
"""The sets that have a file, which a condition chooses, and as what: tables for queries."""

_USED = f"""{HOLDING},
pairs (run, file) AS (
    SELECT u.run, holding.file FROM holding JOIN uses u ON u.inputs = holding.n
    UNION SELECT o.run, w.file FROM asked JOIN owns w ON w.file = asked.file JOIN outputs o ON o.n = w.output)
SELECT runs.id, {FILE} FROM pairs JOIN runs ON runs.n = pairs.run JOIN {FILES} WHERE f.n = pairs.file
ORDER BY runs.id DESC, d.path, f.name
"""

_RUN = "id, start, end, seconds, exit, signal, argv, cwd, name, tags, parent, outputs, gaps, outcome, raised"


def _run_row(row: tuple[Any, ...]) -> RunRow:
    values = dict(zip(RunRow._fields, row, strict=True))
    values["argv"] = tuple(jsontext.loads(values["argv"]))
    values["cwd"] = values["cwd"].decode("utf-8", "surrogateescape")
    values["tags"] = jsontext.loads(values["tags"])
    return RunRow(**values)
