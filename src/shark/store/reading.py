"""Reading many run records for the index: ahead of the one process that writes it, by others where there are many."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence

from shark.errors import NotFound, RecordDamaged, SharkError
from shark.store import rows
from shark.store.home import Store
from shark.store.rows import Prepared
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from multiprocessing.pool import Pool
    from typing import Any

_MANY = 600
"""From so many records on it is worth starting processes that read them."""

_LONG = 50_000
"""Shorter texts (bytes) are parsed as quickly as they are cut."""

_CHUNK = 20
"""So many records are handed to a process at a time."""


class Read(NamedTuple):
    """What was read of a record: its content for the index, or what is wrong with it; neither if it is not there.

    `stamp` is size and mtime (ns) of its file, before that was read.
    """

    stamp: tuple[int, int]
    problem: str
    prepared: Prepared | None


def read(store: Store, run: str, *, whole: bool) -> Read:
    """Read one record; `whole` with what the run used."""
    stamp = stamp_of(store, run)
    try:
        return Read(stamp, "", rows.prepared(_record(store, run, whole=whole), whole=whole))
    except NotFound:
        return Read(stamp, "", None)
    except SharkError as error:
        return Read(stamp, error.message, None)


def _record(store: Store, run: str, *, whole: bool) -> dict[str, Any]:
    """The record, unless the `whole` of it is asked for without its files and edges, which are nearly all of it."""
    text = store.record_text(run)
    short = text
    if not whole and len(text) > _LONG:
        from shark.store.excerpt import without_lists

        short = without_lists(text, run)
    try:
        return store.parse_record(run, short)
    except RecordDamaged:
        if short is text:
            raise
    return store.parse_record(run, text)


def stamp_of(store: Store, run: str) -> tuple[int, int]:
    """Give size and mtime (ns) of a record's file, (-1, -1) if there is none."""
    try:
        about = os.stat(store.record_path(run))
    except OSError:
        return -1, -1
    return about.st_size, about.st_mtime_ns


class Ahead:
    """Reads records that will be asked for in the order given; any other one is read when it is asked for."""

    def __init__(self, store: Store, runs: Sequence[str], *, whole: bool) -> None:
        self._store = store
        self._whole = whole
        self._pool: Pool | None = None
        self._coming: Iterator[list[tuple[str, Read]]] = iter(())
        self._here: dict[str, Read] = {}
        self._expected: set[str] = set()
        workers = len(os.sched_getaffinity(0))
        if len(runs) >= _MANY and workers > 1:
            self._start(runs, workers)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    def get(self, run: str) -> Read:
        """Give what was read of a record."""
        while run in self._expected:
            some = next(self._coming)
            self._here.update(some)
            self._expected.difference_update(name for name, _ in some)
        found = self._here.pop(run, None)
        return found or read(self._store, run, whole=self._whole)

    def _start(self, runs: Sequence[str], workers: int) -> None:
        import multiprocessing

        self._expected = set(runs)
        chunks = [(self._store.root, runs[at : at + _CHUNK], self._whole) for at in range(0, len(runs), _CHUNK)]
        # Forked, so that nothing is imported again; the database's connection is not touched in them. What they make of
        # a record has no circles: looking for some would take a tenth of the time.
        self._pool = multiprocessing.get_context("fork").Pool(workers, gc.disable)
        self._coming = self._pool.imap(_read_chunk, chunks)


def _read_chunk(task: tuple[bytes, Sequence[str], bool]) -> list[tuple[str, Read]]:
    root, runs, whole = task
    store = Store(root)
    return [(run, read(store, run, whole=whole)) for run in runs]
