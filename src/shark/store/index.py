"""The index: what can be asked of all run records at once. It can be deleted at any time; the records are the truth.

Runs do not write it. Whoever asks catches up first: a day's folder whose inode number and ctime are those of last time
holds the records of last time (ctime, not mtime: rsync sets that); of the others the names are compared. Readers that
catch up at once wait for each other, a few hundred records at most. What runs used is taken in when somebody asks for
it: there is much more of that than of what they made, and each run asks for the latter alone.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from shark import jsontext
from shark.errors import NotFound, SharkError
from shark.store import rows, schema
from shark.store.home import Store

if TYPE_CHECKING:
    import sqlite3

_BATCH = 200
"""So many records are read in one transaction: other readers wait no longer than that takes."""

_ASKED = 400
"""So many pairs of path and digest are looked up by one query; SQLite takes 999 values at least."""

_UNSETTLED = 60_000_000_000
"""A folder that changed within so many nanoseconds is listed again next time: two changes within one tick of its clock
(up to 2 s on FAT, and a file server's clock may be off by some) leave one ctime."""


class RunRow(NamedTuple):
    """A run as `shark log` lists it. `start` and `end` are RFC 3339; -1 is an exit or signal that there was not."""

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


class Version(NamedTuple):
    """A file version that `run` made (an output) or used (an input). `sha256` is "" if it was not hashed, `size` -1."""

    run: str
    path: bytes
    sha256: str
    size: int
    role: str


class Index:
    """The index of one store, up to date as of when it was opened, or `refresh` was called last.

    `warnings` are sentences for the user.
    """

    def __init__(self, store: Store, connection: sqlite3.Connection, warnings: Iterable[str] = ()) -> None:
        self._store = store
        self._db = connection
        self.warnings = list(warnings)
        self.refresh()

    @classmethod
    def open(cls, store: Store, environ: Mapping[str, str]) -> Index:
        """Open the index of a store and catch up with its records. A damaged or outdated one is made anew.

        Where the store cannot be written, the index lies in the cache directory; without one, in memory.
        """
        import sqlite3

        connection, warnings = schema.connect(store, environ)
        try:
            return cls(store, connection, warnings)
        except sqlite3.DatabaseError as error:
            connection.close()
            # The records are the truth, so memory will do this time.
            warnings.append(f"the index cannot be used ({error}): reading all records")
            if schema.is_damaged(error):
                schema.discard(store, environ)
        return cls(store, schema.in_memory(), warnings)

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    # Catching up

    def refresh(self) -> int:
        """Take in the records that were added, and drop those that were removed; give the number of both."""
        done = 0
        if any(True for _ in self._changes()):
            while True:
                with self._writing():
                    count = self._take_in()
                done += count
                if count < _BATCH:
                    break
        return done

    def rebuild(self) -> int:
        """Forget everything and read all records again; give their number."""
        with self._writing():
            schema.make(self._db)
        return self.refresh()

    def problems(self) -> list[tuple[str, str]]:
        """List the runs whose records cannot be read, with what is wrong with each."""
        found = self._ask("SELECT id, problem FROM runs WHERE problem != '' ORDER BY id")
        return [(run, problem) for run, problem in found]

    # Asking

    def runs(self, limit: int = -1) -> list[RunRow]:
        """List the runs, newest first; `limit` -1 means all."""
        query = f"SELECT {_RUN} FROM runs WHERE problem = '' ORDER BY id DESC LIMIT ?"
        return [_run_row(row) for row in self._ask(query, (limit,))]

    def run(self, run: str) -> RunRow:
        """Give one run. Raises NotFound."""
        query = f"SELECT {_RUN} FROM runs WHERE id = ? AND problem = ''"
        for row in self._ask(query, (run,)):
            return _run_row(row)
        raise NotFound(f"run {run} is not in the store", "See `shark log` for the runs that are known.")

    def made(self, *, path: bytes | None = None, sha256: str | None = None, run: str | None = None) -> list[Version]:
        """List the outputs with this path, content and run (None: any), newest run first."""
        return self._versions("outputs", path, sha256, run)

    def used(self, *, path: bytes | None = None, sha256: str | None = None, run: str | None = None) -> list[Version]:
        """List the inputs with this path, content and run (None: any), newest run first."""
        self._take_in_inputs()
        return self._versions("inputs", path, sha256, run)

    def makers(self, files: Iterable[tuple[bytes, str]]) -> dict[tuple[bytes, str], list[str]]:
        """Give, for each (path, sha256), the ids of the runs that made that content at that path, newest first."""
        asked = {(path, rows.digest(sha256)): (path, sha256) for path, sha256 in files}
        found: dict[tuple[bytes, str], list[str]] = {file: [] for file in asked.values()}
        keys = list(asked) if self._ask("SELECT 1 FROM outputs LIMIT 1") else []
        for at in range(0, len(keys), _ASKED):
            some = keys[at : at + _ASKED]
            query = (
                f"WITH asked (path, sha256) AS (VALUES {', '.join(['(?, ?)'] * len(some))}) "
                "SELECT DISTINCT f.path, f.sha256, runs.id FROM asked "
                "CROSS JOIN outputs f ON f.path = asked.path AND f.sha256 = asked.sha256 "  # keeps SQLite to this order
                "JOIN runs ON runs.n = f.run ORDER BY runs.id DESC"
            )
            for path, sha256, run in self._ask(query, tuple(value for key in some for value in key)):
                found[asked[path, sha256]].append(run)
        return found

    def sizes(self) -> set[int]:
        """Give the sizes of all outputs in bytes: a file of another size has no output's content."""
        return {size for (size,) in self._ask("SELECT DISTINCT size FROM outputs")}

    def _versions(self, table: str, path: bytes | None, sha256: str | None, run: str | None) -> list[Version]:
        conditions = {"f.path": path, "f.sha256": None if sha256 is None else rows.digest(sha256), "runs.id": run}
        given = {column: value for column, value in conditions.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in given) or "1"
        query = (
            f"SELECT runs.id, f.path, f.sha256, f.size, f.role FROM {table} f JOIN runs ON runs.n = f.run "
            f"WHERE {where} ORDER BY runs.id DESC, f.path"
        )
        return [Version(r[0], r[1], r[2].hex(), r[3], r[4]) for r in self._ask(query, tuple(given.values()))]

    def _ask(self, query: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        import sqlite3

        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise _damaged(error) from error

    # Inside

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _changes(self) -> Iterator[_Change]:
        """Iterate over the days of which the index does not know what it could."""
        known = {day: (ino, ctime) for day, ino, ctime in self._db.execute("SELECT day, ino, ctime FROM days")}
        now = time.time_ns()
        for day in self._store.days():
            try:
                about = os.stat(os.path.join(self._store.root, b"runs", day))
            except FileNotFoundError:
                continue
            stamp = (about.st_ino, about.st_ctime_ns if abs(now - about.st_ctime_ns) > _UNSETTLED else 0)
            before = known.pop(day, None)
            if before == stamp and stamp[1]:
                continue
            change = self._compare(day, stamp)
            if change.added or change.removed or before != stamp:
                yield change
        for day in known:
            yield self._compare(day, None)

    def _compare(self, day: bytes, stamp: tuple[int, int] | None) -> _Change:
        query = "SELECT id, problem, size, mtime FROM runs WHERE day = ?"
        here = {
            run: (size, mtime) if problem else None for run, problem, size, mtime in self._db.execute(query, (day,))
        }
        there = set(self._store.runs_of(day, here))
        # A damaged record may have been restored; a whole one never changes.
        stale = {run for run, seen in here.items() if seen is not None and run in there and seen != self._stamp(run)}
        return _Change(day, stamp, sorted((there - here.keys()) | stale), sorted(here.keys() - there))

    def _stamp(self, run: str) -> tuple[int, int]:
        try:
            about = os.stat(self._store.record_path(run))
        except OSError:
            return -1, -1
        return about.st_size, about.st_mtime_ns

    def _take_in(self) -> int:
        """Bring one batch up to date; give the number of records that were added or removed."""
        count = 0
        for change in list(self._changes()):
            for run in change.removed:
                schema.drop(self._db, run)
                count += 1
            for run in change.added:
                if count >= _BATCH:
                    return count
                schema.drop(self._db, run)
                self._add(run, change.day)
                count += 1
            schema.set_day(self._db, change.day, change.stamp)
        return count

    def _add(self, run: str, day: bytes) -> None:
        stamp = self._stamp(run)
        try:
            record = self._store.read_record(run)
        except NotFound:
            return  # removed meanwhile
        except SharkError as error:
            schema.add_problem(self._db, run, day, stamp, error.message)
            return
        schema.add(self._db, run, day, stamp, record)

    def _take_in_inputs(self) -> None:
        """Add the inputs of the runs whose outputs alone are in the index. Raises SharkError."""
        import sqlite3

        waiting = "SELECT id, day FROM runs WHERE inputs = 0 LIMIT ?"
        try:
            while self._db.execute(waiting, (1,)).fetchall():
                with self._writing():
                    for run, day in self._db.execute(waiting, (_BATCH,)).fetchall():
                        self._add_inputs(run, day)
        except sqlite3.DatabaseError as error:
            raise _damaged(error) from error

    def _add_inputs(self, run: str, day: bytes) -> None:
        try:
            record = self._store.read_record(run)
        except SharkError:
            schema.drop(self._db, run)
            self._add(run, day)  # gone or damaged meanwhile, and noted as that
        else:
            schema.add_inputs(self._db, run, record)


def _damaged(error: Exception) -> SharkError:
    return SharkError(f"the index is damaged: {error}", "Make it anew: shark index --rebuild.")


class _Change(NamedTuple):
    """A day's folder that is not as it was: its stamp now (None: it is gone), and the runs added and removed."""

    day: bytes
    stamp: tuple[int, int] | None
    added: list[str]
    removed: list[str]


_RUN = "id, start, end, seconds, exit, signal, argv, cwd, name, tags, parent, outputs, gaps"


def _run_row(row: tuple[Any, ...]) -> RunRow:
    values = dict(zip(RunRow._fields, row, strict=True))
    values["argv"] = tuple(jsontext.loads(values["argv"]))
    values["cwd"] = values["cwd"].decode("utf-8", "surrogateescape")
    values["tags"] = jsontext.loads(values["tags"])
    return RunRow(**values)
