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
from contextlib import closing, contextmanager

from shark.errors import SharkError
from shark.store import filling, schema
from shark.store.asking import Asking, RunRow, Version, damaged
from shark.store.choosing import ALL, Wanted
from shark.store.home import Store
from shark.store.interning import Interner
from shark.store.reading import Ahead, Read, stamp_of
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3

__all__ = ["ALL", "Index", "RunRow", "Version", "Wanted"]

_BATCH = 200
"""So many records are read in one transaction: other readers wait no longer than that takes."""

_UNSETTLED = 60_000_000_000
"""A folder that changed within so many nanoseconds is listed again next time: two changes within one tick of its clock
(up to 2 s on FAT, and a file server's clock may be off by some) leave one ctime."""


class Index(Asking):
    """The index of one store, up to date as of when it was opened, or `refresh` was called last.

    `warnings` are sentences for the user.
    """

    def __init__(
        self, store: Store, connection: sqlite3.Connection, warnings: Iterable[str] = (), *, whole: bool = False
    ) -> None:
        super().__init__(connection)
        self._store = store
        self.warnings = list(warnings)
        self.refresh(whole=whole)

    @classmethod
    def open(cls, store: Store, environ: Mapping[str, str], *, rebuild: bool = False) -> Index:
        """Open the index of a store and catch up with its records; with `rebuild`, read all of them again.

        A damaged or outdated one is made anew. Where the store cannot be written, the index lies in the cache
        directory; without one, in memory.
        """
        import sqlite3

        connection, warnings = schema.connect(store, environ, fresh=rebuild)
        try:
            return cls(store, connection, warnings, whole=rebuild)
        except sqlite3.DatabaseError as error:
            connection.close()
            # The records are the truth, so memory will do this time.
            warnings.append(f"the index cannot be used ({error}): reading all records")
            if schema.is_damaged(error):
                schema.discard(store, environ)
        return cls(store, schema.in_memory(), warnings)

    @classmethod
    def catch_up(cls, store: Store, environ: Mapping[str, str]) -> None:
        """Let the index of a store catch up with its records now, so that who asks next has less to wait for.

        One that is in no file, cannot be used or is being written is left to them.
        """
        import sqlite3

        if schema.place(store, environ) is None:
            return
        try:
            connection, warnings = schema.connect(store, environ)
            with closing(connection):
                if not warnings:
                    connection.execute("PRAGMA busy_timeout = 0")
                    cls(store, connection)
        except (SharkError, OSError, sqlite3.Error):
            return

    def close(self) -> None:
        """Close the index."""
        self._db.close()

    def refresh(self, *, whole: bool = False, every: bool = False) -> int:
        """Take in the records that were added, and drop those that were removed; give the number of both.

        With `whole`, what the added runs used is taken in at once, rather than when somebody asks for it. With `every`,
        records that were whole are looked at too, and read again if their files are not as they were.
        """
        done = 0
        changes = list(self._changes(every=every))
        if changes:
            added = [run for change in changes for run in change.added]
            with Ahead(self._store, added, whole=whole) as ahead:
                while True:
                    with self._writing():
                        count = self._take_in(ahead, every=every)
                    done += count
                    if count < _BATCH:
                        break
        return done

    def rebuild(self) -> int:
        """Forget everything and read all records again; give their number."""
        with self._writing():
            schema.make(self._db)
        return self.refresh(whole=True)

    def take_in_inputs(self, run: str | None = None) -> None:
        """Add what runs used (None: all runs) whose outputs alone are in the index. Raises SharkError."""
        import sqlite3

        which, values = ("", ()) if run is None else (" AND id = ?", (run,))
        waiting = f"SELECT id, n, day FROM runs WHERE inputs = 0{which} ORDER BY id"
        try:
            missing = [row[0] for row in self._db.execute(waiting, values)]
            if not missing:
                return
            with Ahead(self._store, missing, whole=True) as ahead:
                while some := self._db.execute(f"{waiting} LIMIT ?", (*values, _BATCH)).fetchall():
                    with self._writing():
                        self._add_inputs(ahead, [row[0] for row in some])
        except sqlite3.DatabaseError as error:
            raise damaged(error) from error

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

    def _changes(self, *, every: bool) -> Iterator[_Change]:
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
            if before == stamp and stamp[1] and not every:
                continue
            change = self._compare(day, stamp, every=every)
            if change.added or change.removed or before != stamp:
                yield change
        for day in known:
            yield self._compare(day, None, every=every)

    def _compare(self, day: bytes, stamp: tuple[int, int] | None, *, every: bool) -> _Change:
        query = "SELECT id, problem, size, mtime FROM runs WHERE day = ?"
        here = {
            run: (size, mtime) if problem or every else None
            for run, problem, size, mtime in self._db.execute(query, (day,))
        }
        there = set(self._store.runs_of(day, here))
        # A damaged record may have been restored; a whole one never changes, unless something damages it.
        stale = {
            run
            for run, seen in here.items()
            if seen is not None and run in there and seen != stamp_of(self._store, run)
        }
        return _Change(day, stamp, sorted((there - here.keys()) | stale), sorted(here.keys() - there))

    def _take_in(self, ahead: Ahead, *, every: bool) -> int:
        """Bring one batch up to date; give the number of records added or removed."""
        count = 0
        interner = Interner(self._db)
        for change in self._changes(
            every=every
        ):  # no further than this batch goes: a day is listed when it is its turn
            for run in change.removed:
                filling.drop(self._db, run)
                interner.forget()
                count += 1
            for run in change.added:
                if count >= _BATCH:
                    return count
                if filling.drop(self._db, run):
                    interner.forget()
                self._add(interner, run, change.day, ahead.get(run))
                count += 1
            filling.set_day(self._db, change.day, change.stamp)
        return count

    def _add(self, interner: Interner, run: str, day: bytes, found: Read) -> None:
        if found.problem:
            filling.add_problem(self._db, run, day, found.stamp, found.problem)
        elif found.prepared is not None:  # else it was removed meanwhile
            filling.add(self._db, interner, run, day, found.stamp, found.prepared)

    def _add_inputs(self, ahead: Ahead, runs: Iterable[str]) -> None:
        interner = Interner(self._db)
        for run in runs:
            row = self._db.execute("SELECT n, day FROM runs WHERE id = ? AND inputs = 0", (run,)).fetchone()
            if row is None:
                continue  # another reader was faster
            found = ahead.get(run)
            if found.prepared is not None and found.prepared.derived is not None:
                filling.add_inputs(self._db, interner, row[0], found.prepared.derived)
            else:
                filling.drop(self._db, run)
                interner.forget()
                self._add(interner, run, row[1], found)  # gone or damaged meanwhile, and noted as that


class _Change(NamedTuple):
    """A day's folder that is not as it was: its stamp now (None: it is gone), and the runs added and removed."""

    day: bytes
    stamp: tuple[int, int] | None
    added: list[str]
    removed: list[str]
