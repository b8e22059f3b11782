"""Runs that were not finished, or not live: records from journals that somebody left, and from strace logs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from shark import __version__, saved
from shark.content.concealing import Concealer, has_mark, unmarked
from shark.errors import NotFound, RecordDamaged, SharkError
from shark.extras import not_heeded, revealing
from shark.model.facts import Header
from shark.model.run import RunModel
from shark.record import Outcome, Settings, finish
from shark.saved import Saved
from shark.store import said
from shark.store.home import Store
from shark.store.ids import made_at
from shark.unfinished import is_recorded
from shark.values import FileId, Gap


def recover(run: str | None, trouble: Callable[[SharkError], None]) -> list[str]:
    """Make records and manifests of runs whose supervisor died: of `run`, or of all journals that nobody writes.

    Returns the ids. `trouble` is told of journals that cannot be read, or with which shark itself has trouble; the
    others are finished. Raises NotFound if there is no such journal, SharkError if the store cannot be written: no
    other one will do, as the journals would stay.
    """
    store = Store.open(os.environ)
    journals = store.journals()
    if run is not None and run not in journals:
        raise NotFound(f"no journal of run {run}", "`shark recover` without a run looks for all of them.")
    if journals and (why := store.why_not_writable()):
        where = os.fsdecode(store.root)
        raise SharkError(f"the store {where} cannot be written ({why})", "Make it writable, then `shark recover`.")
    found: list[str] = []
    for name in [run] if run else sorted(journals):
        try:
            found += _recover(name, journals[name], store)
        except SharkError as error:
            trouble(error)
        except OSError as error:
            if run is None and not os.path.lexists(store.journal_path(name)):
                continue  # another `shark recover` was faster
            where = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "its journal"
            trouble(SharkError(f"run {name} is not recovered: {where}: {error.strerror}"))
        except Exception as error:
            if os.environ.get("SHARK_DEBUG"):
                raise
            trouble(_fault(name, error))
    if run is None:
        from shark.recorder import leftover

        leftover.forget_others(store.journals())
        _forget_orphans(store)
    return found


def _forget_orphans(store: Store) -> None:
    """Remove values of runs inside of others that are over: a run that goes on, or is still to be recovered, and began
    before such a one could have it in it.
    """
    left = store.journals()
    since = min((made_at(run) for run, paths in left.items() if store.journal_path(run) in paths), default=1 << 63)
    for run in left:
        if left[run] == [said.values_path(store, run)] and made_at(run) < since:
            said.forget(store, run)


def _fault(run: str, error: Exception) -> SharkError:
    """A fault of shark's at one journal, which must not keep the others from being finished."""
    return SharkError(
        f"run {run} is not recovered: internal error: {type(error).__name__}: {error}",
        f"This is a bug in shark: please report it with what `SHARK_DEBUG=1 shark recover {run}` prints. "
        f"`shark forget {run}` gives the run up.",
    )


def _recover(run: str, paths: Sequence[bytes], store: Store) -> Iterator[str]:
    from shark.capture.journal import is_being_written
    from shark.capture.reading import read_journal

    path = next((path for path in paths if path == store.journal_path(run)), None)
    if path is None:
        if is_recorded(store, run):
            _tidy(run, store)
        return
    if is_being_written(path):
        return
    if is_recorded(store, run):
        os.unlink(path)
        _tidy(run, store)
        return
    known = saved.load(store, run)
    reveal = revealing(known.extras)
    model = RunModel()
    damage: SharkError | None = None
    concealed = False
    try:
        for event in read_journal(path):
            event = reveal(event) if reveal is not None else event  # noqa: PLW2901
            if has_mark(event):
                concealed = True
                event = unmarked(event)  # noqa: PLW2901
            model.observe(event)
    except RecordDamaged as problem:
        if model.started is None:
            raise
        damage = problem
    if model.started is None:
        os.unlink(path)  # it broke off before the command was started
        saved.forget(store, run)
        return
    secrets: list[bytes] = []
    gaps = _take_ring(run, model, secrets)
    header = Header(id=run, shark=__version__, name=known.name, tags=known.tags)
    detail = "shark was ended before the run was; recovered from the journal"
    gaps.insert(0, Gap("journal-lost", f"{detail}: {damage.message}" if damage else detail))
    if concealed:
        gaps.append(
            Gap("journal-lost", "files whose names hold a secret were not found again: no journal has such a name")
        )
    gaps.extend(not_heeded(known.ignore, known.extras))
    settings = Settings(
        known.attach,
        known.hash,
        known.ignore,
        model.started.cwd,
        extras=known.extras,
        secrets=tuple(map(os.fsdecode, secrets)),
    )
    finish(model, header, store, settings, gaps=gaps, additions=_left(store, run, known), belated=True)
    os.unlink(path)
    saved.forget(store, run)
    yield run


def _tidy(run: str, store: Store) -> None:
    """Remove what is left of a run that has its record: its supervisor was killed when only that was left to do."""
    from shark.recorder import leftover

    saved.forget(store, run)
    said.forget(store, run)
    leftover.forget(run)


def _take_ring(run: str, model: RunModel, secrets: list[bytes]) -> list[Gap]:
    """Add what hot processes had written down and nobody had read yet; returns what could not be had. `secrets` gets
    what is one in names of files: they are whole in there, so that the files can be found.
    """
    from shark.recorder import leftover

    path = leftover.ring_of(run)
    if not path:
        return []

    def directory(identity: FileId) -> bytes:
        file = model.files.by_id.get(identity)
        return file.path if file is not None else b""

    try:
        left = leftover.read(path, leftover.Known(model.cwd, directory))
    except OSError as problem:
        return [Gap("journal-lost", f"the last opens of busy processes could not be read: {problem}")]
    concealer = Concealer(os.environ, secrets.append)
    for event in left.events:
        concealer.event(event)
        model.observe(event)
    os.unlink(path)
    return [Gap("journal-lost", f"{left.torn} records of opened files were not complete")] if left.torn else []


def _left(store: Store, run: str, known: Saved) -> dict[str, Any]:
    """What a killed run has for its record besides events: settings, captured output, values."""
    found: dict[str, Any] = {"settings": dict(known.extras.used)} if known.extras and known.extras.used else {}
    if known.ways:
        from shark.keeping import keep_streams

        streams = keep_streams(store, store.journal_path(run).removesuffix(b".journal") + b".output", known.ways)
        for entry in streams.values():
            if isinstance(entry, dict) and "sha256" in entry:
                entry["why"] = "shark was ended before the run was: there may be more"
        found["streams"] = streams
    return {**found, **said.values_of(store, run)}


def import_strace(log: str, *, name: str = "", tags: Mapping[str, str] | None = None) -> Outcome:
    """Make a run record from an strace log. Raises OSError, or SharkError if it is none.

    What the log leaves open is taken from the present: symbolic links as they are, and, if it has neither, the working
    directory and the date of the log's last line.
    """
    from functools import cache

    from shark.capture.strace import read_strace
    from shark.store.ids import uuid7

    model = RunModel()
    with open(log, "rb") as lines:
        written = os.fstat(lines.fileno()).st_mtime_ns
        try:
            for event in read_strace(lines, cwd=os.getcwdb(), resolve=cache(os.path.realpath), written=written):
                model.observe(event)
        except SharkError as error:
            raise SharkError(f"{log}: {error.message}", error.hint, error.exit_code) from error
    header = Header(id=uuid7(time.time_ns(), os.urandom(10)), shark=__version__, name=name, tags=dict(tags or {}))
    store = Store.open(os.environ, write=True)
    cwd = model.started.cwd if model.started else b"/"
    return finish(model, header, store, Settings(attach="none", cwd=cwd))
