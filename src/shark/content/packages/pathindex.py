"""Which package owns a path, for package managers whose own database is too slow to ask: an index kept in the cache.

One file: a line of JSON (format, key, packages), then records of 12 bytes in order: the first 8 bytes of the path's
BLAKE2b digest, and the package's number. Reading it costs a millisecond and finding a path a few microseconds, where
importing and opening SQLite alone takes ten times that. The directories that hold owned files have records too (their
paths end in a slash), so that of a directory with a thousand data files only the directory is looked up.
"""

from __future__ import annotations

import contextlib
import os
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable

try:
    from _blake2 import blake2b  # `hashlib` brings OpenSSL's library, for which a short run has no use
except ImportError:
    from hashlib import blake2b

from shark.jsontext import dumps, loads
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_FORMAT = 2
_HASH = 8  # bytes: 100,000 paths give one false owner in 10^14 look-ups
_RECORD = 12
_FOLDER = b"\xff" * (_RECORD - _HASH)  # in place of a package's number
_KEEP = 64  # index files in the cache: one per database (conda environments each have their own)
_FRESH_NS = 2_000_000_000  # a database changed within this may change again under the same mtime

Package = list[str]
"""What an ecosystem knows of a package, as it likes (name, version, architecture …)."""
Contents = tuple[list[Package], Iterable[tuple[bytes, int]]]
"""The packages, and for each path the number of its package; of two owners of a path any one may be found."""


class PathIndex:
    """An index in memory: `find` a path's package. The records begin at `start` in the bytes `records`."""

    def __init__(self, packages: list[Package], records: bytes, start: int = 0) -> None:
        self._packages = packages
        self._records = records
        self._places = range(start, len(records), _RECORD)
        self._folders: dict[bytes, bool] = {}

    def find(self, path: bytes) -> Package | None:
        """The package that owns `path`, or None."""
        number = self._look_up(path) if self.has_folder(path[: path.rfind(b"/") + 1]) else None
        return None if number is None or number == _FOLDER else self._packages[int.from_bytes(number, "big")]

    def has_folder(self, folder: bytes) -> bool:
        """Whether anything that lies in `folder` (ending in a slash) is owned by a package."""
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._look_up(folder) is not None
        return known

    def _look_up(self, name: bytes) -> bytes | None:
        wanted = _key(name)
        records = self._records
        n = bisect_left(self._places, wanted, key=lambda at: records[at : at + _HASH])
        if n == len(self._places):
            return None
        at = self._places[n]
        return records[at + _HASH : at + _RECORD] if records[at : at + _HASH] == wanted else None


def path_index(file: bytes | None, key: list[int], make: Callable[[], Contents]) -> PathIndex:
    """The index for the database whose state is `key` (mtimes in ns): from `file` if that is of this state, else made.

    A new one is kept in `file`; None, or a place that cannot be written, keeps none.
    """
    if file is not None and (index := _load(file, key)):
        return index
    packages, paths = make()
    records = _records(packages, paths)
    if file is not None and max(key, default=0) < time.time_ns() - _FRESH_NS:
        with contextlib.suppress(OSError):
            save(file, dumps([_FORMAT, key, packages]) + b"\n" + records)
    return PathIndex(packages, records)


def _records(packages: list[Package], paths: Iterable[tuple[bytes, int]]) -> bytes:
    tails = [number.to_bytes(_RECORD - _HASH, "big") for number in range(len(packages))]
    found = []
    folders = set()
    for path, number in paths:
        found.append(_key(path) + tails[number])
        folders.add(path[: path.rfind(b"/") + 1])
    found += [_key(folder) + _FOLDER for folder in folders]
    return b"".join(sorted(found))


def _key(name: bytes) -> bytes:
    return blake2b(name, digest_size=_HASH).digest()


def _load(file: bytes, key: list[int]) -> PathIndex | None:
    try:
        with open(file, "rb", buffering=0) as stream:
            data = stream.read()
        start = data.find(b"\n") + 1  # what comes then is most of it, and not copied
        document: Any = loads(data[:start])
    except (OSError, ValueError):
        return None
    match document:
        case [int(version), list(state), list(packages)] if version == _FORMAT and state == key:
            return None if (len(data) - start) % _RECORD else PathIndex(packages, data, start)
    return None


def save(file: bytes, data: bytes) -> None:
    """Write a file of the cache by temporary file and rename; the oldest of many others go. Raises OSError."""
    folder = os.path.dirname(file)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    new = b"%b.%d" % (file, os.getpid())
    try:
        with open(new, "wb", buffering=0, opener=lambda p, flags: os.open(p, flags, 0o600)) as stream:
            stream.write(data)
        os.rename(new, file)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    with os.scandir(folder) as entries:
        kept = sorted((entry.stat().st_mtime_ns, entry.path) for entry in entries)
    for _, path in kept[:-_KEEP]:
        os.unlink(path)
