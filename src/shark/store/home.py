"""The store: immutable run records and objects in a directory of the user's, needing no lock and no server.

    runs/YYYY/MM/DD/RUNID.json.gz   run records, by the UTC date of the id
    objects/ab/abcdef…              patches, captured streams, kept files, by their sha256
    journals/RUNID.*                while a run goes on
    index.sqlite                    rebuildable

Every file is written under a temporary name and renamed, so stores can be merged with rsync at any time.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Iterator, Mapping

from shark import jsontext
from shark.errors import NotFound, RecordDamaged, SharkError
from shark.store import files, places, records
from shark.store.ids import day_of, is_run_id
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

SUFFIX = b".json.gz"
RECORD_SCHEMA = "shark/run/1"

_PER_FILE = 400
"""Bytes that a file and the accesses to it take in a record, about."""


class Store:
    """One store. `root` holds records and objects, `local` journals (the same but on a network).

    `warnings` are sentences for the user, that add up while it is used.
    """

    def __init__(self, root: bytes, local: bytes | None = None, environ: Mapping[str, str] | None = None) -> None:
        self.root = root
        self._environ = environ or {}
        self.local = local or root
        self.warnings: list[str] = []

    @classmethod
    def open(cls, environ: Mapping[str, str], *, write: bool = False) -> Store:
        """Open the user's store. With `write` it is made if need be, and one that cannot be written is replaced by a
        temporary one, with a warning; without, nothing is touched, and a store that is not there is an empty one.

        Raises SharkError if there is no place at all.
        """
        root = places.store_root(environ)
        if root is None:
            if not write:
                raise SharkError("no store: you have no home directory", "Set SHARK_HOME to a directory of yours.")
            return _temporary(environ, "you have no home directory, and SHARK_HOME is not set")
        if not write:
            return cls(root, places.local_directory(root, environ) if os.path.isdir(root) else root, environ)
        trouble = _make(root)
        if trouble:
            return _temporary(environ, f"the store {os.fsdecode(root)} cannot be written ({trouble})")
        local = places.local_directory(root, environ)
        store = cls(root, local, environ)
        if local is None:
            store.local = places.temporary_directory(environ)
            place = os.fsdecode(store.local)
            store.warnings.append(f"no lasting local directory for journals: they are in {place} during this run")
        return store

    def why_not_writable(self) -> str:
        """Say why nothing can be kept in this store, "" if something can; it is made if need be."""
        return _make(self.root)

    # Records

    def record_path(self, run: str) -> bytes:
        """Give the path of a run's record, whether it is there or not."""
        return os.path.join(self.root, b"runs", day_of(run).encode(), run.encode() + SUFFIX)

    def write_record(self, record: Mapping[str, Any]) -> bytes:
        """Keep a run record, and give its path. If the store cannot take it, a temporary one does, with a warning.

        Same record, same bytes. Raises SharkError if another record of this run is there (records are immutable; a
        damaged one is replaced), or if nothing could be written at all.
        """
        run = record["id"]
        if not is_run_id(run):
            raise ValueError(f"not a run id: {run!r}")
        path = self.record_path(run)
        jsontext.expect(_PER_FILE * len(record.get("files", ())))
        text = jsontext.dumps(record)
        if self._recorded(run, path, text):
            return path
        data = records.compress(text)
        try:
            files.make_private(os.path.dirname(path))
            files.write_whole(path, data, sync=True)
        except OSError as error:
            path = self._rescue(run, data, error)
        return path

    def place_of(self, run: str) -> bytes | None:
        """The store that has the record of a run, this one or a temporary one that had to do; None if there is none."""
        for root in (self.root, *places.temporary_directories(self._environ)):
            if os.path.exists(Store(root).record_path(run)):
                return root
        return None

    def record_text(self, run: str) -> bytes:
        """Read the JSON text of a run record. Raises NotFound, RecordDamaged, or SharkError if it may not be read."""
        path = self.record_path(run)
        try:
            with open(path, "rb") as file:
                return records.uncompress(file.read())
        except FileNotFoundError:
            raise NotFound(f"run {run} is not in the store", "See `shark log` for the runs that are known.") from None
        except OSError as error:
            raise SharkError(
                f"cannot read {os.fsdecode(path)}: {files.reason(error)}", "See that you may read it."
            ) from error
        except ValueError as error:
            raise _damaged(run, path, error) from error

    def read_record(self, run: str) -> dict[str, Any]:
        """Read a run record. Raises NotFound, RecordDamaged, or SharkError if a newer shark wrote it."""
        return self.parse_record(run, self.record_text(run))

    def parse_record(self, run: str, text: bytes) -> dict[str, Any]:
        """Parse the text of a run record. Raises RecordDamaged, or SharkError if a newer shark wrote it."""
        path = self.record_path(run)
        try:
            record = records.document(text)
        except ValueError as error:
            raise _damaged(run, path, error) from error
        if record.get("schema") != RECORD_SCHEMA:
            raise SharkError(
                f"run {run} has the schema {record.get('schema')!r}, expected {RECORD_SCHEMA!r}",
                "A newer shark wrote it: read it with that version or a later one.",
            )
        if record.get("id") != run:
            raise RecordDamaged(f"{os.fsdecode(path)} is the record of another run, {record.get('id')!r}", "Remove it.")
        return record

    def runs(self) -> Iterator[str]:
        """Iterate over the ids of all runs, newest first; lazily, so that the first few are cheap."""
        for day in self.days():
            yield from sorted(self.runs_of(day), reverse=True)

    def days(self) -> Iterator[bytes]:
        """Iterate over the days that have records, as folders below `runs`, newest first."""
        top = os.path.join(self.root, b"runs")
        for year in _numbers(top):
            for month in _numbers(os.path.join(top, year)):
                for day in _numbers(os.path.join(top, year, month)):
                    yield os.path.join(year, month, day)

    def runs_of(self, day: bytes, known: Container[str] = ()) -> list[str]:
        """List the ids of the runs that are kept under one of the `days`; ids that are `known` to belong there are not
        looked at closely.
        """
        return [
            name
            for entry in _names(os.path.join(self.root, b"runs", day))
            if entry.endswith(SUFFIX)
            if (name := os.fsdecode(entry.removesuffix(SUFFIX))) in known
            or (is_run_id(name) and day_of(name).encode() == day)
        ]

    def find(self, spec: str) -> str:
        """Give the id of the run that `spec` names: `@1` (the latest), `@2` …, or any unique prefix or suffix of an id.

        Raises NotFound, or SharkError if it names several.
        """
        if spec.startswith("@"):
            return self._latest(spec)
        text = spec.lower()
        if is_run_id(text) and os.path.exists(self.record_path(text)):
            return text
        found = []
        if text and set(text) <= set("0123456789abcdef-"):
            found = [run for run in self.runs() if run.startswith(text) or run.endswith(text)]
        if not found:
            raise NotFound(f"no run {spec!r} in the store", "See `shark log` for the runs that are known.")
        if len(found) > 1:
            some = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
            raise SharkError(f"{spec!r} is not unique: {len(found)} runs have it", f"Give more of the id: {some}")
        return found[0]

    # Objects

    def object_path(self, sha256: str) -> bytes:
        """Give the path of an object, whether it is there or not."""
        return os.path.join(self.root, b"objects", sha256[:2].encode(), sha256.encode())

    def put_object(self, data: bytes) -> str:
        """Keep `data` and give its sha256. Raises OSError."""
        import hashlib

        sha256 = hashlib.sha256(data).hexdigest()
        path = self.object_path(sha256)
        try:
            # Says that somebody needs it again: `forget` spares what is newer than a run that goes on.
            os.utime(path)
        except FileNotFoundError:
            files.make_private(os.path.dirname(path))
            files.write_whole(path, data)
        return sha256

    def get_object(self, sha256: str) -> bytes:
        """Read an object. Raises NotFound if it is not there, RecordDamaged if it is not what its name says."""
        try:
            with open(self.object_path(sha256), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise NotFound(
                f"object {sha256} is not in the store", "It was never kept, or its run was forgotten."
            ) from None
        import hashlib

        if hashlib.sha256(data).hexdigest() != sha256:
            raise RecordDamaged(
                f"object {sha256} is damaged: its content has another digest", "Restore it from a copy."
            )
        return data

    # Journals and index

    def journal_path(self, run: str) -> bytes:
        """Give the path of a run's journal; its directory is there afterwards. Raises OSError."""
        directory = os.path.join(self.local, b"journals")
        files.make_private(directory)
        return os.path.join(directory, run.encode() + b".journal")

    def journals(self) -> dict[str, list[bytes]]:
        """Give the paths of all files that runs keep while they go on (or left when they were killed), by run id."""
        directory = os.path.join(self.local, b"journals")
        found: dict[str, list[bytes]] = {}
        for name in sorted(_names(directory)):
            run = os.fsdecode(name.partition(b".")[0])
            if is_run_id(run):
                found.setdefault(run, []).append(os.path.join(directory, name))
        return found

    @property
    def index_path(self) -> bytes:
        """Where the index lies, unless the store is on a network or cannot be written (see `schema.place`)."""
        return os.path.join(self.root, b"index.sqlite")

    def _latest(self, spec: str) -> str:
        number = int(spec[1:]) if spec[1:].isascii() and spec[1:].isdigit() and len(spec) <= 10 else 0
        if number < 1:
            raise SharkError(f"{spec!r} names no run", "Use @1 for the latest run, @2 for the one before.")
        count = 0
        for count, run in enumerate(self.runs(), 1):
            if count == number:
                return run
        raise NotFound(f"no run {spec}: the store has {count}", "See `shark log` for the runs that are known.")

    def _recorded(self, run: str, path: bytes, text: bytes) -> bool:
        try:
            with open(path, "rb") as file:
                there = records.uncompress(file.read())
            if there == text:
                return True
            records.document(there)
        except (OSError, ValueError):
            return False
        raise SharkError(f"run {run} is recorded already, with other content", "Records are never changed.")

    def _rescue(self, run: str, data: bytes, error: OSError) -> bytes:
        import shutil

        where = os.fsdecode(self.root)
        store = _temporary(self._environ, f"the record of run {run} cannot be written to {where} ({error.strerror})")
        path = store.record_path(run)
        try:
            files.make_private(os.path.dirname(path))
            files.write_whole(path, data, sync=True)
        except OSError as again:
            shutil.rmtree(store.root, ignore_errors=True)  # it is empty, and ours
            raise SharkError(f"cannot keep the record of run {run}: {again.strerror}", _room(again)) from again
        self.warnings += store.warnings
        return path


def _damaged(run: str, path: bytes, error: ValueError) -> RecordDamaged:
    return RecordDamaged(
        f"the record of run {run} is damaged: {error}",
        f"Restore {os.fsdecode(path)} from a copy, or remove it; the manifests on the run's outputs are whole.",
    )


def _make(root: bytes) -> str:
    try:
        files.make_private(os.path.join(root, b"runs"))
    except OSError as error:
        return error.strerror or str(error)
    return places.why_not_writable(os.path.join(root, b"runs")) or places.why_not_writable(root)


def _temporary(environ: Mapping[str, str], why: str) -> Store:
    store = Store(places.temporary_directory(environ), None, environ)
    place = os.fsdecode(store.root)
    store.warnings.append(
        f"{why}: recording in {place}, which may not last; set SHARK_HOME, or copy {place}/runs into a store"
    )
    return store


def _room(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Make room, then `shark recover`."
    return "Make the store writable, then `shark recover`."


def _names(directory: bytes) -> list[bytes]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _numbers(directory: bytes) -> list[bytes]:
    return sorted((name for name in _names(directory) if name.isdigit()), reverse=True)
