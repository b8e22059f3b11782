"""The files of a run by identity: which sightings are of the same file, under which names it goes, when it is gone."""

from __future__ import annotations

import stat as _stat

from shark.model.names import NameTable
from shark.model.paths import is_of_proc
from shark.model.versions import Version
from shark.tuples import TYPE_CHECKING
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from shark.model.documents import FileKind

_KINDS: dict[int, FileKind] = {
    _stat.S_IFREG: "file",
    _stat.S_IFDIR: "directory",
    _stat.S_IFLNK: "symlink",
    _stat.S_IFIFO: "fifo",
    _stat.S_IFSOCK: "socket",
    _stat.S_IFCHR: "device",
    _stat.S_IFBLK: "device",
}
_FORMAT, _REGULAR = 0o170000, _stat.S_IFREG
_DELETED = b" (deleted)"
_UNKNOWN = Version(0, "before", 0, 0, -1, 0)
"""In the place of a content that was not looked at yet: it is never changed."""
_NEVER = 1 << 62


class File:
    """A file of the run, with its versions.

    `path` is where it is, or was last. `gone` is the order number of the call that removed its last name, 0 while it
    has one. `evicted`: it has no name left, though no call of the run took the last one away. `first_end` is the
    earliest end of a call that saw it: a call that begins later found it there.
    """

    __slots__ = ("current", "evicted", "first_end", "gone", "id", "kind", "n", "names", "path", "target", "versions")

    def __init__(self, n: int, path: bytes, kind: FileKind) -> None:
        self.n = n
        self.path = path
        self.kind = kind
        self.id: FileId | None = None
        self.names: dict[bytes, None] = {}
        self.gone = 0
        self.evicted = False
        self.first_end = _NEVER
        self.target = b""
        self.versions: list[Version] = []
        self.current = _UNKNOWN

    @property
    def regular(self) -> bool:
        """True for a regular file: only its content is followed."""
        return self.kind == "file"

    def start(self, version: Version) -> None:
        """`version` is the file's content from now on."""
        self.versions.append(version)
        self.current = version

    def gain(self, path: bytes) -> None:
        """The file is at `path` too."""
        self.names[path] = None
        self.evicted = False
        if self.path not in self.names:
            self.path = path

    def lose(self, path: bytes) -> None:
        """The file is not at `path` any more."""
        self.names.pop(path, None)
        self.settle_path()

    def settle_path(self) -> None:
        """Let `path` be one of the names; of a file without any, it stays where it was last."""
        if self.names and self.path not in self.names:
            self.path = next(reversed(self.names))


def known_identity(stat: Stat | None) -> bool:
    """False where inode numbers are not known (a parsed strace log): such a file is known by its path alone."""
    return stat is not None and stat.id.ino != 0


class FileTable:
    """All files of a run, numbered from 1."""

    def __init__(self) -> None:
        self.all: list[File] = []
        self.by_id: dict[FileId, File] = {}
        self._numbers: dict[tuple[int, int], File] = {}  # by device and inode: the last one that was met
        self._unnumbered: list[File] = []  # those that were met since somebody asked for a number
        self.names = NameTable()
        self._missing: dict[bytes, File] = {}
        self._sources: dict[bytes, File] = {}
        self._kernel: dict[bytes, File] = {}  # below /proc: a new inode at every look, so the path is the identity

    def __getitem__(self, n: int) -> File:
        return self.all[n - 1]

    def known(self, stat: Stat | None, path: bytes) -> File | None:
        """The file of this identity (or, without one, at this path), if the run met it before."""
        if stat is not None and known_identity(stat):
            return self.by_id.get(stat.id)
        return self.names.at.get(path)

    def seen(self, path: bytes, stat: Stat | None, begin: int, end: int, *, created: bool = False) -> File:
        """The file that a call from `begin` to `end` found at `path` (or, if `created`, made there)."""
        if stat is None or not known_identity(stat):
            file = self._by_path(path, stat, begin, created=created)
        else:
            file = self._by_identity(path, stat, begin, created=created)
        file.first_end = min(file.first_end, end)
        return file

    def plainly(self, path: bytes, stat: Stat, begin: int, end: int) -> File | None:
        """The regular file that a call found at `path`, if there is nothing to it but that: it is as it was when it was
        seen last, or it is met for the first time, at a path where none was, with its content from before.

        Does what `seen` and `versions.found` do, at once, since most sightings are such. None if there is more to it.
        """
        identity, mode, size, mtime, _ = stat
        file = self.by_id.get(identity)
        if file is not None:
            version = file.current
            same = version.size == size and version.mtime == mtime and path in file.names
            if not same or file.kind != "file" or file.gone or mode & _FORMAT != _REGULAR:
                return None
            file.first_end = min(file.first_end, end)
            return file
        file = self.newly(path, stat, end)
        if file is not None:
            version = file.current = Version(0, "before", 0, 0, -1, begin)
            version.end, version.size, version.mtime = end, size, mtime
            file.versions.append(version)
        return file

    def newly(self, path: bytes, stat: Stat, end: int) -> File | None:
        """A regular file of which nothing is known, at a path where none was: `seen` finds the same, less quickly.

        It has no version yet. None if there is more to it.
        """
        identity, mode, _, _, nlink = stat
        if identity in self.by_id or path in self.names.at or not identity[1] or mode & _FORMAT != _REGULAR:
            return None
        if nlink < 1 or path[:1] != b"/" or path.startswith(b"/proc/"):
            return None
        file = File(len(self.all) + 1, path, "file")
        self.all.append(file)
        file.id = identity
        file.first_end = end
        self.by_id[identity] = file
        self._unnumbered.append(file)
        self.names.put(path, file)
        return file

    def numbered(self, key: bytes) -> int:
        """The number of the file that b"DEV:INO" names, 0 if the run has not met it."""
        self._number()
        dev, _, ino = key.partition(b":")
        file = self._numbers.get((int(dev), int(ino))) if dev.isdigit() and ino.isdigit() else None
        return file.n if file is not None else 0

    def _number(self) -> None:
        for file in self._unnumbered:
            assert file.id is not None
            self._numbers[file.id[:2]] = file
        self._unnumbered.clear()

    def missing(self, path: bytes) -> File:
        """The entry that stands for a path at which nothing was found; one per path, whoever looked."""
        file = self._missing.get(path)
        if file is None:
            file = self._missing[path] = self._add(path, "missing")
        return file

    def source(self, path: bytes) -> File:
        """The file at `path`, or one that stands for it although no call named it: a compiled module's source."""
        file = self.names.at.get(path) or self._sources.get(path)
        if file is None:
            file = self._sources[path] = self._add(path, "file")
            file.current = Version(0, "before", 0, 0, -1, 0)
        return file

    def made(self, path: bytes, kind: FileKind) -> File:
        """A directory or symbolic link that was made, and whose identity is not known yet."""
        file = self._add(path, kind)
        self.names.add(path, file)
        return file

    def reborn(self, before: Stat, after: Stat | None) -> None:
        """Two sightings around one call are of one file: writing to an overlay's lower layer gives it another birth."""
        if after is None or before.id == after.id or before.id[:2] != after.id[:2] or not known_identity(after):
            return
        file = self.by_id.get(before.id)
        if file is not None and not file.gone and after.id not in self.by_id:
            self._identify(file, after.id)

    def unlink(self, path: bytes, file: File, stat: Stat | None, end: int) -> None:
        """`path` is no name of `file` any more; after its last one the same identity is another file."""
        if self.names.at.get(path) is file:
            self.names.drop(path)
        file.lose(path)
        if stat is None or not known_identity(stat):
            file.gone = 0 if file.names else end
        elif stat.nlink <= 1 or stat.directory:
            file.gone = end

    def _add(self, path: bytes, kind: FileKind) -> File:
        file = File(len(self.all) + 1, path, kind)
        self.all.append(file)
        return file

    def _by_path(self, path: bytes, stat: Stat | None, begin: int, *, created: bool) -> File:
        file = self.names.at.get(path)
        if file is None or (created and file.first_end < begin):
            file = self._add(path, _kind(stat))
        self._name(path, file)
        return file

    def _by_identity(self, path: bytes, stat: Stat, begin: int, *, created: bool) -> File:
        file = self.by_id.get(stat.id)
        if file is None or _is_another(file, stat, begin, created=created):
            file = self._adopt(path, stat, begin, created=created) or self._new(path, stat)
        if stat.nlink > 0 and not file.gone and path not in file.names:
            self._name(path, file)
        return file

    def _adopt(self, path: bytes, stat: Stat, begin: int, *, created: bool) -> File | None:
        """The file known at `path` by its path alone: now its identity is seen."""
        if is_of_proc(path):
            return self._kernel.get(path)
        file = self.names.at.get(path)
        if file is None or file.kind != _kind(stat) or (created and file.first_end < begin):
            return None
        if file.id is not None and not _copied_up(file, stat):
            return None
        self._identify(file, stat.id)
        return file

    def _new(self, path: bytes, stat: Stat) -> File:
        if stat.nlink == 0 and path.endswith(_DELETED):
            path = path[: -len(_DELETED)]
        file = self._add(path, _kind(stat))
        file.id = stat.id
        if is_of_proc(path):
            self._kernel[path] = file
        else:
            self._identify(file, stat.id)
        return file

    def _identify(self, file: File, identity: FileId) -> None:
        self._number()
        file.id = identity
        self.by_id[identity] = self._numbers[identity[:2]] = file

    def _name(self, path: bytes, file: File) -> None:
        if path.startswith(b"/"):
            self.names.add(path, file)


def _is_another(file: File, stat: Stat, begin: int, *, created: bool) -> bool:
    """True if a sighting under the identity of `file` is of a later file that took over its inode number.

    Birth times do not settle it: they advance with the kernel's tick only (4 ms), and some file systems keep none.
    An unnamed file ends without a call that removes it; then its kind may tell.
    """
    if stat.mode and _kind(stat) != file.kind:
        return True
    if created:
        # What was there before the creating call began cannot be what that call created.
        return bool(file.gone) or file.first_end < begin
    # A removed file can still be met without a name, through a descriptor; under a name only by a call that overlapped.
    return bool(file.gone) and stat.nlink > 0 and file.gone < begin


def _copied_up(file: File, stat: Stat) -> bool:
    """True if an overlay gave the file another birth when it copied it up: the same numbers, in the same state."""
    known = file.id
    return known is not None and known[:2] == stat.id[:2] and file.regular and file.current.agrees(stat)


def _kind(stat: Stat | None) -> FileKind:
    if stat is None or stat.mode == 0:
        return "file"
    return _KINDS.get(stat.mode & _FORMAT, "file")
