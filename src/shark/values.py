"""The values that every layer speaks of: file identity, what a stat said, digests, gaps. Pure; no I/O.

`FileId` and `Stat` are NamedTuples rather than frozen dataclasses: they are made at every traced stop and serve as
dictionary keys, and a NamedTuple is built in a third of the time and hashed by the interpreter itself.
"""

from __future__ import annotations

import stat as _stat

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shark.kinds import GapKind


class FileId(NamedTuple):
    """Which file it is, whatever it is called.

    `dev` is the device number as in st_dev, `ino` the inode number, `birth` the time of birth in nanoseconds since
    the epoch (statx(2), STATX_BTIME), 0 where the file system keeps none. The birth tells a new file from an older one
    whose inode number it took over.
    """

    dev: int
    ino: int
    birth: int


class Stat(NamedTuple):
    """What statx(2) said of a file at one moment: identity, st_mode, size in bytes, mtime in ns, count of names."""

    id: FileId
    mode: int
    size: int
    mtime: int
    nlink: int

    @property
    def regular(self) -> bool:
        """True for a regular file: the only kind that can be an output or be hashed."""
        return _stat.S_ISREG(self.mode)

    @property
    def directory(self) -> bool:
        """True for a directory."""
        return _stat.S_ISDIR(self.mode)

    @property
    def version(self) -> tuple[FileId, int, int]:
        """Equal for two sightings of the same content, as far as a stat can tell: identity, size and mtime."""
        return self.id, self.size, self.mtime


class Gap(NamedTuple):
    """Something that could not be seen or is not certain. `process` is None for the whole run."""

    kind: GapKind
    detail: str
    process: int | None = None


class Usage(NamedTuple):
    """What a process used, read at its end: CPU seconds (user, system), peak resident bytes, bytes read and written.

    -1 stands for a figure that the kernel did not give. Bytes are those of read(2) and write(2) calls
    (`rchar` and `wchar` of /proc/PID/io, proc(5)).
    """

    user_seconds: float
    system_seconds: float
    max_rss: int
    read_bytes: int
    written_bytes: int
