"""Digests of files that have not changed since they were last hashed, kept between runs.

SQLite in WAL mode, in the user's cache directory: concurrent runs read and write it at once. Nothing here ever raises
for the cache's own sake: one that cannot be written is no cache, a damaged one is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from shark.content.places import cache_home
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import sqlite3
    from typing import TypeVar

    _T = TypeVar("_T")

DISTRUST_NS = 2_000_000_000
"""An entry is not believed when the file's mtime lies within this of the moment of hashing: a later write of the same
size in the same clock tick (2 s on FAT) would leave the stat as it is. Nor when its ctime does, where that has no part
of a second: an mtime can be put back."""

_SECOND = 1_000_000_000  # ns
_TICK_NS = 10_000_000
"""The longest time in which two changes get the same ctime, where ctimes have parts of a second (CONFIG_HZ=100)."""

MAX_BYTES = 96 << 20
"""The size of the database, in bytes, over which the older half of the entries goes (about a million entries)."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digest (
    dev INTEGER NOT NULL, ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
    hashed INTEGER NOT NULL, sha256 BLOB NOT NULL, PRIMARY KEY (dev, ino)
) WITHOUT ROWID
"""
_BUSY_SECONDS = 2.0
_BUSY_PAUSE = 0.005
_ASKED = 400  # inode numbers in one query; SQLite takes 999 values at least
_DENSE = 4  # up to so many inode numbers for each one that is asked for, a range is quicker than a list
_SIGNED = 1 << 63
_UNSIGNED = (1 << 64) - 1


class Key(NamedTuple):
    """What a stat says of one content of a file: st_dev, st_ino, bytes, mtime and ctime in ns since the epoch."""

    dev: int
    ino: int
    size: int
    mtime: int
    ctime: int


def key_of(found: os.stat_result) -> Key:
    """The key under which the content that `found` was taken of is kept."""
    return Key(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class DigestCache:
    """The cache in the file `path`; with None one that holds nothing. Opened at the first use; `close` when done."""

    def __init__(self, path: bytes | None, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._db: sqlite3.Connection | None = None
        self._written = False

    @classmethod
    def of_user(cls, environ: Mapping[str, str]) -> DigestCache:
        """The cache of the user whose environment this is."""
        home = cache_home(environ)
        return cls(None if home is None else home + b"/digests-1.sqlite")

    def get_many(self, keys: Iterable[Key]) -> dict[Key, str]:
        """The sha256 (hexadecimal) of each key that is known and can be trusted."""
        wanted = list(keys)
        return self._guarded(lambda db: self._select(db, wanted)) or {} if wanted else {}

    def put_many(self, entries: Iterable[tuple[Key, str, int]]) -> None:
        """Keep (key, sha256, hashed), where `hashed` is when the hashing began, in ns since the epoch; one transaction.

        Entries that would not be trusted are left out.
        """
        rows = [
            (_signed(key.dev), _signed(key.ino), key.size, key.mtime, key.ctime, hashed, bytes.fromhex(sha256))
            for key, sha256, hashed in entries
            if trusted(key, hashed)
        ]
        if rows:
            self._guarded(lambda db: self._insert(db, rows))

    def close(self) -> None:
        """Prune if the cache has outgrown its bound, and close it. It opens again when used again."""
        if self._db is None:
            return
        if self._written:
            self._guarded(self._prune)
        if self._db is not None:
            self._db.close()
        self._db, self._written = None, False

    def __enter__(self) -> DigestCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _select(db: sqlite3.Connection, keys: list[Key]) -> dict[Key, str]:
        wanted = dict(zip(keys, keys, strict=True))
        found: dict[Key, str] = {}
        columns = "SELECT ino, size, mtime, ctime, hashed, sha256 FROM digest WHERE dev = ? AND"
        db.execute("BEGIN")
        for device in {key.dev for key in keys}:
            dev = _signed(device)
            inos = sorted({_signed(key[1]) for key in keys if key[0] == device})
            values: tuple[int, ...]
            for at in range(0, len(inos), _ASKED):
                some = inos[at : at + _ASKED]
                first, last = some[0], some[-1]
                if last - first < _DENSE * len(some):  # files that were made together: neighbours in the table
                    query, values = f"{columns} ino BETWEEN ? AND ?", (dev, first, last)
                else:
                    query, values = f"{columns} ino IN ({', '.join('?' * len(some))})", (dev, *some)
                for ino, size, mtime, ctime, hashed, sha256 in db.execute(query, values).fetchall():
                    key = wanted.get((device, ino & _UNSIGNED, size, mtime, ctime))  # type: ignore[call-overload]
                    if key is not None and trusted(key, hashed):
                        found[key] = sha256.hex()
        db.execute("COMMIT")
        return found

    def _insert(self, db: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT OR REPLACE INTO digest VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        db.execute("COMMIT")
        self._written = True

    def _prune(self, db: sqlite3.Connection) -> None:
        pages, free, size = (
            db.execute(f"PRAGMA {p}").fetchone()[0] for p in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size <= self._max_bytes:
            return
        count = db.execute("SELECT count(*) FROM digest").fetchone()[0]
        oldest = db.execute("SELECT hashed FROM digest ORDER BY hashed LIMIT 1 OFFSET ?", (count // 2,)).fetchone()
        if oldest:
            db.execute("DELETE FROM digest WHERE hashed <= ?", oldest)

    def _guarded(self, act: Callable[[sqlite3.Connection], _T]) -> _T | None:
        """What `act` returns; None when the cache is of no use. A damaged one is removed, and `act` tried anew."""
        path = self._path
        if path is None:
            return None
        import sqlite3

        for attempt in range(2):
            try:
                return act(self._open(path))
            except sqlite3.OperationalError:  # locked for too long, read-only, no space: do without, this once
                self._abandon()
                return None
            except (sqlite3.DatabaseError, ValueError, OverflowError):  # not a database, malformed, of another shape
                self._abandon()
                if attempt or not _remove(path):
                    self._path = None
        return None

    def _open(self, path: bytes) -> sqlite3.Connection:
        if self._db is None:
            import sqlite3

            # Threads of one run take turns (hashing stores from the calling thread only), hence no same-thread check.
            db = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._db = db
            _use_wal(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(_SCHEMA)
        return self._db

    def _abandon(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None


def trusted(key: Key, hashed: int) -> bool:
    """Whether a digest of `key`, taken at `hashed` (ns since the epoch), still holds while the stat is the same."""
    if key.mtime >= hashed - DISTRUST_NS:
        return False
    if key.ctime % _SECOND == 0:
        return key.ctime < hashed - DISTRUST_NS
    # A ctime from after the hashing is that of attaching a manifest (`hashing.renew`).
    return not hashed - _TICK_NS <= key.ctime <= hashed


def _signed(number: int) -> int:
    """An unsigned 64-bit number as SQLite's signed one."""
    return number - 2 * _SIGNED if number >= _SIGNED else number


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to the write-ahead log, which a run that opens a new cache at the same moment may be doing too.

    SQLite refuses that at once, whatever the timeout: a connection that reads must not wait to write, since the other
    one may wait for it ("Write-Ahead Logging", and the documentation of sqlite3_busy_handler).

    Raises:
        sqlite3.OperationalError: It stayed locked for longer than a run waits for its cache.
    """
    import sqlite3

    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _remove(path: bytes) -> bool:
    try:
        for suffix in (b"-wal", b"-shm", b""):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path + suffix)
    except OSError:
        return False
    return True
