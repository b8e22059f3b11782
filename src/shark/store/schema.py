"""The tables of the index, and where its file lies."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping

from shark.content.places import cache_home
from shark.store import files, places
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

VERSION = 4
"""Raise it with every change of the tables or of the record: an older index is made anew, a newer one left alone."""

BUSY_SECONDS = 120.0
"""So long a reader waits for others that are catching up."""

CACHE_KB = 65536
"""So much memory SQLite may use for pages, in KiB: inputs of many runs come in no order."""

_TABLES = """
CREATE TABLE days (day BLOB PRIMARY KEY, ino INTEGER, ctime INTEGER) WITHOUT ROWID;
CREATE TABLE runs (
    n INTEGER PRIMARY KEY, id TEXT UNIQUE, day BLOB, size INTEGER, mtime INTEGER, problem TEXT,
    start TEXT, end TEXT, seconds REAL, exit INTEGER, signal INTEGER, argv BLOB, cwd BLOB,
    name TEXT, tags BLOB, parent TEXT, outputs INTEGER, gaps INTEGER, outcome TEXT, raised TEXT,
    inputs INTEGER, scope TEXT);
CREATE INDEX runs_day ON runs (day);
CREATE INDEX runs_waiting ON runs (id) WHERE inputs = 0;
CREATE INDEX runs_problem ON runs (id) WHERE problem != '';
CREATE INDEX runs_name ON runs (name) WHERE name != '';
CREATE TABLE directories (n INTEGER PRIMARY KEY, path BLOB UNIQUE);
CREATE TABLE files (n INTEGER PRIMARY KEY, directory INTEGER, name BLOB, sha256 BLOB, size INTEGER, role);
CREATE INDEX files_name ON files (directory, name, substr(sha256, 1, 6));
CREATE INDEX files_sha256 ON files (substr(sha256, 1, 6)) WHERE sha256 != x'';
CREATE TABLE outputs (n INTEGER PRIMARY KEY, run INTEGER, file INTEGER, part INTEGER, inputs INTEGER);
CREATE INDEX outputs_run ON outputs (run);
CREATE INDEX outputs_file ON outputs (file, run);
CREATE INDEX outputs_inputs ON outputs (inputs) WHERE inputs IS NOT NULL;
CREATE TABLE sizes (size INTEGER PRIMARY KEY);
CREATE TABLE sets (n INTEGER PRIMARY KEY, key BLOB, parent INTEGER, count INTEGER, members BLOB);
CREATE INDEX sets_key ON sets (key);
CREATE INDEX sets_parent ON sets (parent) WHERE parent IS NOT NULL;
CREATE TABLE members (member INTEGER, inputs INTEGER, PRIMARY KEY (member, inputs)) WITHOUT ROWID;
CREATE TABLE uses (run INTEGER, inputs INTEGER, PRIMARY KEY (run, inputs)) WITHOUT ROWID;
CREATE INDEX uses_inputs ON uses (inputs);
CREATE TABLE owns (output INTEGER, file INTEGER, PRIMARY KEY (output, file)) WITHOUT ROWID;
CREATE INDEX owns_file ON owns (file);
CREATE TABLE notes (run INTEGER, file INTEGER, used BLOB, makers BLOB, PRIMARY KEY (run, file)) WITHOUT ROWID;
"""
# What a path is, and each content that it had, is kept once (`directories`, `files`), and so is each set of inputs,
# whichever runs and outputs have it: `sets` has a set's own members, beside those of its parent, packed (a member is a
# file's number twice, and 1 more for a control), and `members` leads back from a member to the sets. A run `uses` sets.
# An output derives from one set, and from what it `owns` besides: its own earlier content. `notes` say what a run
# called a file, and who made it, where that is not plain. `sizes` are those of outputs, of earlier ones too. The first
# 48 bits of a digest are enough of an index; the rest is compared.

TABLES = ("days", "runs", "directories", "files", "outputs", "sizes", "sets", "members", "uses", "owns", "notes")


def connect(store: Store, environ: Mapping[str, str], *, fresh: bool = False) -> tuple[sqlite3.Connection, list[str]]:
    """Open the index of a store with tables of this version; give it with warnings for the user.

    With `fresh`, an index that is there is replaced, unless a newer shark made it.
    """
    import sqlite3

    path = place(store, environ)
    if path is None:
        return in_memory(), []
    for last in (False, True):
        try:
            version = _try(path, fresh=fresh)
        except (OSError, sqlite3.DatabaseError) as error:
            if last or not is_damaged(error):
                why = files.reason(error) if isinstance(error, OSError) else str(error)
                return in_memory(), [f"the index {os.fsdecode(path)} cannot be used ({why}): reading all records"]
            _remove(path)
            continue
        if isinstance(version, int):
            newer = f"a newer shark made the index {os.fsdecode(path)} (version {version}, expected {VERSION})"
            return in_memory(), [f"{newer}: reading all records instead; remove it if that shark is gone"]
        return version, []
    raise AssertionError


def place(store: Store, environ: Mapping[str, str]) -> bytes | None:
    """Give the path of the index file: in the store; in the cache where that is on a network, or cannot be written.

    None where there is no such place, or no store.
    """
    if not os.path.isdir(store.root):
        return None
    if places.holds_databases(store.root):
        return store.index_path
    cache = cache_home(environ)
    return None if cache is None else os.path.join(cache, b"index-" + _name(store.root) + b".sqlite")


def _name(root: bytes) -> bytes:
    """A name for a store: several may have their indexes in one directory."""
    return hashlib.sha256(root).hexdigest()[:12].encode()


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
    earlier = ("inputs",)  # of version 2
    for table in (*TABLES, *earlier):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    for statement in _TABLES.split(";"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _try(path: bytes, *, fresh: bool = False) -> sqlite3.Connection | int:
    """Open the index file, making what is missing; give the version instead if it is a newer one."""
    import sqlite3

    connection = _opened(path)
    if fresh and isinstance(connection, sqlite3.Connection):
        connection.close()
        _remove(path)  # dropping all rows would leave the file as large as it is
        connection = _opened(path)
    return connection


def _opened(path: bytes) -> sqlite3.Connection | int:
    import sqlite3

    files.make_private(os.path.dirname(path))
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # SQLite would make it readable for all
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    connection.execute(f"PRAGMA cache_size = -{CACHE_KB}")
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
