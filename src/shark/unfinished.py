"""Runs that have a journal and no record, since their shark was killed: who asks for runs should hear of them."""

from __future__ import annotations

import os
import time

from shark.errors import NotFound, RecordDamaged, SharkError
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_SETTLED: Final = 2.0
"""Seconds since a journal was written to last: one that has just been made may not have its lock yet."""


def broken_off(store: Store) -> list[str]:
    """The ids of the runs that `shark recover` would finish; none where the journals are another user's."""
    try:
        journals = store.journals()
    except OSError:
        return []
    return [run for run, paths in journals.items() if _is_left(store, run, paths)]


def find(store: Store, spec: str) -> str | None:
    """The id of the one run with a journal that `spec` begins or ends; None if there is none. Raises SharkError if
    there are several.
    """
    some = [run for run in store.journals() if run.startswith(spec) or run.endswith(spec)]
    if len(some) > 1:
        raise SharkError(f"{spec!r} is not unique: {len(some)} unfinished runs have it", f"They are: {', '.join(some)}")
    return some[0] if some else None


def _is_left(store: Store, run: str, paths: list[bytes]) -> bool:
    from shark.capture.journal import is_being_written

    path = store.journal_path(run)
    if path not in paths:
        return False
    try:
        if time.time() - os.stat(path).st_mtime < _SETTLED or is_being_written(path):
            return False
    except OSError:
        return False  # finished meanwhile, or another user's
    return not is_recorded(store, run)


def is_recorded(store: Store, run: str) -> bool:
    """Whether a run has its record, which can be read."""
    try:
        store.read_record(run)
    except (NotFound, RecordDamaged):
        return False
    return True
