"""Looking at package managers' databases in a way that tells later whether what was seen still holds."""

from __future__ import annotations

import os
import time

from shark.content.filesystems import on_network
from shark.content.packages.look import Look

SETTLED_NS = 2_000_000_000
"""What changed within this may change again under the same times (2 s is a tick of the clock on FAT)."""

State = tuple[int, int, int, int, int, int]
"""st_dev, st_ino, st_mode, st_size, st_mtime_ns and st_ctime_ns: nothing changes a file's content and leaves all."""

_NEVER: State = (-1, -1, -1, -1, -1, -1)
"""A state that nothing has: what was seen then cannot be relied upon."""


class Noting(Look):
    """Looks, and notes the state of everything before it is read: `holds` tells whether all is as it was, `hopeless`
    that it never will. `settled_ns`: so long must something not have changed for its state to tell of the next change.
    """

    def __init__(self, settled_ns: int = SETTLED_NS) -> None:
        self._settled_ns = settled_ns
        self._notes: dict[bytes, State | None] = {}
        self._near: dict[int, bool] = {}
        self.hopeless = False

    def holds(self) -> bool:
        """Whether everything that was looked at is in the state in which it was, and was settled then."""
        return not self.hopeless and all(_now(path) == state for path, state in self._notes.items())

    def settled(self, path: bytes) -> State | None:
        """The state of a file of this machine, None if there is none, or one whose state does not tell of changes."""
        try:
            found = os.stat(path)
        except OSError:
            return None
        state = self._state(path, found)
        return None if state is _NEVER else state

    def stat(self, path: bytes) -> os.stat_result | None:
        """See `Look.stat`."""
        found = super().stat(path)
        state = None if found is None else self._state(path, found)
        if state is _NEVER or self._notes.setdefault(path, state) != state:
            self.hopeless = True
        return found

    def read(self, path: bytes) -> bytes:
        """See `Look.read`."""
        return b"" if self.stat(path) is None else super().read(path)

    def names(self, folder: bytes) -> list[bytes]:
        """See `Look.names`."""
        return [] if self.stat(folder) is None else super().names(folder)

    def _state(self, path: bytes, found: os.stat_result) -> State:
        near = self._near.get(found.st_dev)
        if near is None:
            near = self._near[found.st_dev] = not on_network(path)
        # Another machine's change need not show at once; and a change within a tick of the clock does not show at all.
        if not near or max(found.st_mtime_ns, found.st_ctime_ns) > time.time_ns() - self._settled_ns:
            return _NEVER
        return state_of(found)


def state_of(found: os.stat_result) -> State:
    """What of a stat changes when the file does."""
    return (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _now(path: bytes) -> State | None:
    try:
        return state_of(os.stat(path))
    except OSError:
        return None
