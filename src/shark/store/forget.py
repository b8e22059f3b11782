"""Forgetting a run: its record, and the objects that no other run needs. Manifests on files stay; see `strip`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shark.capture.journal import is_being_written
from shark.errors import SharkError
from shark.recorder import leftover
from shark.store import files
from shark.store.home import Store

_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


class Forgotten(NamedTuple):
    """What went: the record's path, and how many objects. `kept` says why objects that may be unneeded stay, or ""."""

    path: bytes
    objects: int
    kept: str


def forget(store: Store, run: str) -> Forgotten:
    """Remove a run from the store, its journal included. Raises NotFound, or SharkError if it may not be removed.

    Which objects a record needs is told by the digests in it, in whatever field they stand: a record of a newer shark
    keeps its objects too. With a record that cannot be read, all objects stay. A run that was broken off has a journal
    and no record, and is removed if it does not go on.
    """
    path = store.record_path(run)
    beside = store.journals().get(run, [])
    if not os.path.lexists(path) and any(each.endswith(b".journal") for each in beside):
        return _forget_broken_off(run, path, beside)
    mine, damaged = _needed(store, run)
    try:
        os.unlink(path)
        for each in beside:
            os.unlink(each)
        return Forgotten(path, *_sweep(store, mine, damaged))
    except OSError as error:
        where = os.fsdecode(error.filename or path)
        raise SharkError(
            f"cannot remove {where}: {files.reason(error)}", "See that you may write the store."
        ) from error


def _forget_broken_off(run: str, path: bytes, beside: Sequence[bytes]) -> Forgotten:
    """Give up a run that nobody recovered."""
    try:
        if any(each.endswith(b".journal") and is_being_written(each) for each in beside):
            raise SharkError(f"run {run} is going on", "It can be forgotten when it has ended.")
        for each in beside:
            os.unlink(each)
    except OSError as error:
        where = os.fsdecode(error.filename or path)
        raise SharkError(
            f"cannot remove {where}: {files.reason(error)}", "See that you may write the store."
        ) from error
    leftover.forget(run)
    return Forgotten(path, 0, "")


def _sweep(store: Store, candidates: set[str], damaged: bool) -> tuple[int, str]:
    present = {sha256 for sha256 in candidates if os.path.exists(store.object_path(sha256))}
    if damaged:
        return 0, "the record could not be read, so all objects stay"
    since = _oldest_journal(store)
    count = 0
    for other in store.runs():
        if not present:
            break
        needed, unknown = _needed(store, other)
        if unknown:
            return 0, f"the record of run {other} cannot be read, so all objects stay"
        present -= needed
    for sha256 in sorted(present):
        path = store.object_path(sha256)
        # A run that goes on may have put it there, and has no record yet.
        if os.stat(path).st_mtime_ns < since:
            os.unlink(path)
            count += 1
    kept = "" if count == len(present) else "objects that a run may need that goes on stay"
    return count, kept


def _needed(store: Store, run: str) -> tuple[set[str], bool]:
    """Give the digests in a record, and whether it could not be read. Raises NotFound if it is not there."""
    try:
        text = store.record_text(run)
    except SharkError:
        if not os.path.lexists(store.record_path(run)):
            raise
        return set(), True
    return {match.decode() for match in _DIGEST.findall(text)}, False


def _oldest_journal(store: Store) -> int:
    return min(_times(store), default=1 << 63)


def _times(store: Store) -> Iterator[int]:
    from shark.store.ids import made_at

    for run in store.journals():
        yield made_at(run) * 1_000_000
