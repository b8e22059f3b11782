"""The tables of the index, and where its file lies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shark import jsontext
from shark.store import files, places, rows
from shark.store.home import Store

if TYPE_CHECKING:
    import sqlite3

VERSION = 2
"""Raise it with every change of the tables or of the record: an older index is made anew, a newer one left alone."""

BUSY_SECONDS = 120.0
"""So long a reader waits for others that are catching up."""

_TABLES = """
CREATE TABLE days (day BLOB PRIMARY KEY, ino INTEGER, ctime INTEGER) WITHOUT ROWID;
CREATE TABLE runs (
    n INTEGER PRIMARY KEY, id TEXT UNIQUE, day BLOB, size INTEGER, mtime INTEGER, problem TEXT,
    start TEXT, end TEXT, seconds REAL, exit INTEGER, signal INTEGER, argv BLOB, cwd BLOB,
    name TEXT, tags BLOB, parent TEXT, outputs INTEGER, gaps INTEGER, inputs INTEGER);
CREATE INDEX runs_day ON runs (day);
CREATE INDEX runs_inputs ON runs (id) WHERE inputs = 0;
CREATE TABLE outputs (run INTEGER, path BLOB, sha256 BLOB, size INTEGER, role TEXT);
CREATE TABLE inputs (run INTEGER, path BLOB, sha256 BLOB, size INTEGER, role TEXT);
CREATE INDEX outputs_run ON outputs (run);
CREATE INDEX outputs_path ON outputs (path, sha256);
CREATE INDEX outputs_sha256 ON outputs (sha256);
CREATE INDEX outputs_size ON outputs (size);
CREATE INDEX inputs_run ON inputs (run);
CREATE INDEX inputs_path ON inputs (path, sha256);
CREATE INDEX inputs_sha256 ON inputs (sha256);
"""


def connect(store: Store, environ: Mapping[str, str]) -> tuple[sqlite3.Connection, list[str]]:
    """Open the index of a store with tables of this version; give it with warnings for the user."""
    import sqlite3

    path = place(store, environ)
    if path is None:
        return in_memory(), []
    for last in (False, True):
        try:
            version = _try(path)
        except (OSError, sqlite3.DatabaseError) as error:
            if last or not is_damaged(error):
                return in_memory(), [f"the index {os.fsdecode(path)} cannot be used ({error}): reading all records"]
            _remove(path)
            continue
        if isinstance(version, int):
            newer = f"a newer shark made the index {os.fsdecode(path)} (version {version}, expected {VERSION})"
            return in_memory(), [f"{newer}: reading all records instead; remove it if that shark is gone"]
        return version, []
    raise AssertionError


def place(store: Store, environ: Mapping[str, str]) -> bytes | None:
    """Give the path of the index file: in the store, or in the cache where that cannot be written; None: nowhere."""
    if not os.path.isdir(store.root):
        return None
    if os.path.isdir(store.local) and os.access(store.local, os.W_OK | os.X_OK):
        return store.index_path
    cache = places.cache_root(environ)
    if cache is None or places.on_network(cache) or not places.own_directory(cache):
        return None
    return os.path.join(cache, b"index-" + hashlib.sha256(store.root).hexdigest()[:12].encode() + b".sqlite")


def in_memory() -> sqlite3.Connection:
    """Give an empty index in memory."""
    import sqlite3

    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("BEGIN")
    make(connection)
    connection.execute("COMMIT")
    return connection


def discard(store: Store, environ: Mapping[str, str]) -> None:
    """Remove the index file."""
    path = place(store, environ)
    if path is not None:
        _remove(path)


def is_damaged(error: Exception) -> bool:
    """Tell whether an index file is not one, or is damaged; rather than busy, or on a full disk."""
    import sqlite3

    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def make(connection: sqlite3.Connection) -> None:
    """Make the tables anew, inside a transaction."""
    for table in ("days", "runs", "outputs", "inputs"):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def set_day(connection: sqlite3.Connection, day: bytes, stamp: tuple[int, int] | None) -> None:
    """Note the inode number and ctime of a day's folder whose records are all in the index; None: it is gone."""
    if stamp is None:
        connection.execute("DELETE FROM days WHERE day = ?", (day,))
    else:
        connection.execute("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", (day, *stamp))


def drop(connection: sqlite3.Connection, run: str) -> None:
    """Remove a run."""
    for table in ("outputs", "inputs"):
        connection.execute(f"DELETE FROM {table} WHERE run = (SELECT n FROM runs WHERE id = ?)", (run,))
    connection.execute("DELETE FROM runs WHERE id = ?", (run,))


def add_problem(connection: sqlite3.Connection, run: str, day: bytes, stamp: tuple[int, int], problem: str) -> None:
    """Note a run whose record cannot be read, with size and mtime of the file, so that it is not tried each time."""
    connection.execute(
        "INSERT INTO runs (id, day, size, mtime, problem) VALUES (?, ?, ?, ?, ?)", (run, day, *stamp, problem)
    )


def add(
    connection: sqlite3.Connection, run: str, day: bytes, stamp: tuple[int, int], record: Mapping[str, Any]
) -> None:
    """Add a run with its outputs; its inputs are left for `add_inputs`."""
    outputs = list(rows.outputs(record))
    command = _object(record, "command")
    gaps = _object(record, "coverage").get("gaps")
    values = {
        "id": run,
        "day": day,
        "size": stamp[0],
        "mtime": stamp[1],
        "problem": "",
        "start": _text(command, "start"),
        "end": _text(command, "end"),
        "seconds": _number(command, "seconds"),
        "exit": int(_number(command, "exit")),
        "signal": int(_number(command, "signal")),
        "argv": jsontext.dumps([str(a) for a in command["argv"]] if isinstance(command.get("argv"), list) else []),
        "cwd": rows.encoded(_text(command, "cwd")),
        "name": _text(record, "name"),
        "tags": jsontext.dumps(_object(record, "tags")),
        "parent": _text(record, "parent"),
        "outputs": len(record["outputs"]) if isinstance(record.get("outputs"), list) else 0,
        "gaps": len(gaps) if isinstance(gaps, list) else 0,
        "inputs": 0,
    }
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    number = connection.execute(f"INSERT INTO runs ({names}) VALUES ({marks})", tuple(values.values())).lastrowid
    connection.executemany("INSERT INTO outputs VALUES (?, ?, ?, ?, ?)", ((number, *row) for row in outputs))


def add_inputs(connection: sqlite3.Connection, run: str, record: Mapping[str, Any]) -> None:
    """Add the inputs of a run that is there with its outputs."""
    number = connection.execute("SELECT n FROM runs WHERE id = ?", (run,)).fetchone()[0]
    connection.execute("UPDATE runs SET inputs = 1 WHERE n = ?", (number,))
    used = dict.fromkeys(rows.inputs(record))
    connection.executemany("INSERT INTO inputs VALUES (?, ?, ?, ?, ?)", ((number, *row) for row in used))


def _try(path: bytes) -> sqlite3.Connection | int:
    """Open the index file, making what is missing; give the version instead if it is a newer one."""
    import sqlite3

    files.make_private(os.path.dirname(path))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would make it readable for all
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        version = _version(connection)
        if version < VERSION:
            connection.execute("BEGIN IMMEDIATE")
            # Another may have made the tables meanwhile.
            if _version(connection) < VERSION:
                make(connection)
            connection.execute("COMMIT")
            version = _version(connection)
    except BaseException:
        connection.close()
        raise
    if version > VERSION:
        connection.close()
        return version
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _remove(path: bytes) -> None:
    for name in (path, path + b"-journal"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            continue


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: Mapping[str, Any], key: str) -> str:
    """Give a text, with what UTF-8 cannot hold escaped: SQLite takes no surrogates."""
    value = document.get(key)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _number(document: Mapping[str, Any], key: str) -> float:
    value = document.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 62 else -1
