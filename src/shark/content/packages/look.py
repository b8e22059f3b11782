"""How package managers' databases are looked at: here just so, in `noting.py` to tell later if what was seen holds.

Files that are asked about are no database: whoever asks looks at those by other ways.
"""

from __future__ import annotations

import os
import stat

from shark.content.packages.common import read


class Look:
    """Looks, and keeps nothing."""

    def stat(self, path: bytes) -> os.stat_result | None:
        """The state of what is at a path, None if there is nothing (any more)."""
        try:
            return os.stat(path)
        except OSError:
            return None

    def read(self, path: bytes) -> bytes:
        """The content of a small file, b"" if it cannot be read."""
        return read(path)

    def names(self, folder: bytes) -> list[bytes]:
        """What is in a directory, [] if it cannot be listed."""
        try:
            return os.listdir(folder)
        except OSError:
            return []

    def regular(self, path: bytes) -> os.stat_result | None:
        """The stat of a regular file, or None if there is none (any more)."""
        found = self.stat(path)
        return found if found is not None and stat.S_ISREG(found.st_mode) else None

    def is_directory(self, path: bytes) -> bool:
        """Whether there is a directory."""
        found = self.stat(path)
        return found is not None and stat.S_ISDIR(found.st_mode)
