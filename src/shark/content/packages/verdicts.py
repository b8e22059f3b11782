"""What came of comparing suspected files with their packages' digests, kept in the cache.

On some machines whole packages are suspected (a restored backup, an image whose files have other times than its
package database): without this the C library would be read and digested at the end of every run.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from shark.content.packages.pathindex import save
from shark.jsontext import dumps, loads

_FORMAT = 1
_MOST = 5000
"""So many verdicts are kept, the newest: to read more (5 ms) would cost each run more than it saves."""
_DISTRUST_NS = 2_000_000_000
"""A file that changed within this may change again without its stat telling so."""


class Verdicts:
    """Whether files were changed, by path and stat; `file` is where they are kept (None: nowhere)."""

    def __init__(self, file: bytes | None) -> None:
        self._file = file
        self._known: dict[str, list[object]] | None = None
        self._changed = False

    def get(self, path: bytes, found: os.stat_result, package: str) -> bool | None:
        """Whether a file of this stat was another one than its package's, if that is known; `package` is the state of
        that.
        """
        entry = self._entries().get(os.fsdecode(path))
        if entry is not None and entry[:-1] == _state(found, package) and isinstance(entry[-1], bool):
            return entry[-1]
        return None

    def put(self, path: bytes, found: os.stat_result, package: str, *, modified: bool) -> None:
        """Remember it. `found` is what stat(2) said before the file was read."""
        if max(found.st_mtime_ns, found.st_ctime_ns) < time.time_ns() - _DISTRUST_NS:
            entries, name = self._entries(), os.fsdecode(path)
            entries.pop(name, None)  # the newest are the last ones
            entries[name] = [*_state(found, package), modified]
            self._changed = True

    def settle(self, path: bytes, found: os.stat_result, package: str, differs: Callable[[], bool]) -> bool:
        """What is known of it, or else what `differs` finds out, which is remembered."""
        modified = self.get(path, found, package)
        if modified is None:
            modified = differs()
            self.put(path, found, package, modified=modified)
        return modified

    def keep(self) -> None:
        """Write down what is new. What cannot be written is forgotten."""
        if self._changed and self._file is not None:
            newest = dict(list(self._entries().items())[-_MOST:])
            with contextlib.suppress(OSError):
                save(self._file, dumps([_FORMAT, newest]))
        self._changed = False

    def _entries(self) -> dict[str, list[object]]:
        if self._known is None:
            self._known = {} if self._file is None else _load(self._file)
        return self._known


def _state(found: os.stat_result, package: str) -> list[object]:
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, package]


def _load(file: bytes) -> dict[str, list[object]]:
    try:
        with open(file, "rb", buffering=0) as stream:
            document = loads(stream.read())
    except (OSError, ValueError):
        return {}
    match document:
        case [int(version), dict(entries)] if version == _FORMAT:
            return {path: entry for path, entry in entries.items() if isinstance(entry, list)}
    return {}
