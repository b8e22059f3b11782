"""Putting a manifest on a file: extended attribute, else compressed attribute, else sidecar, else nowhere.

Whether something fits is found out by trying: what a file system holds depends on its type, its block size and what
lies there already, and errno tells (setxattr(2): ENOSPC, E2BIG, EDQUOT: too large; ENOTSUP, EPERM, EACCES, EROFS: not
here).
"""

from __future__ import annotations

import errno
import os
import stat
import zlib
from collections.abc import Callable, Mapping

from shark import jsontext
from shark.store import files, manifests
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, Literal

    Summarise = Callable[[Mapping[str, Any], bytes], Mapping[str, Any]]
    """Gives the short form of a manifest, under 900 bytes as JSON; the manifest's own JSON is at hand."""

    How = Literal["auto", "xattr", "sidecar", "none"]
    Where = Literal["xattr", "zlib", "sidecar", "none"]

ATTRIBUTE = "user.shark"
COMPRESSED = "user.shark.zlib"
SIDECARS_PER_DIRECTORY = 1000
"""So many new sidecars a run may put into one directory (MANIFEST, "Where it is kept")."""

_LARGEST = 65536
"""XATTR_SIZE_MAX of linux/limits.h: no attribute is larger, on any file system."""

_NAME_MAX = 255  # NAME_MAX of linux/limits.h
_OURS = frozenset((ATTRIBUTE, COMPRESSED))
_TOO_LARGE = frozenset((errno.ENOSPC, errno.E2BIG, errno.EDQUOT, errno.ERANGE))


class Attached(NamedTuple):
    """Where a manifest went, and `why` if nowhere (or what is odd about it).

    `ctime` is the file's afterwards (ns), 0 if it was not opened: setting an attribute changes it, and with it the key
    of the digest cache.
    """

    where: Where
    why: str
    ctime: int


class Version(NamedTuple):
    """By what a file is known to be the one that was recorded: inode number, size in bytes, mtime in nanoseconds."""

    ino: int
    size: int
    mtime: int


class Attacher:
    """Attaches the manifests of one run; it counts the new sidecars in each directory.

    `summarise` is model.manifest.summary, `dumps` writes a manifest as JSON. `warnings` are sentences for the user. No
    method raises OSError: that a manifest could not be attached is a value.
    """

    def __init__(
        self,
        summarise: Summarise,
        how: How = "auto",
        sidecars_per_directory: int = SIDECARS_PER_DIRECTORY,
        *,
        dumps: Callable[[Mapping[str, Any]], bytes] = jsontext.dumps,
    ) -> None:
        self.how = how
        self._summarise = summarise
        self._dumps = dumps
        self._room: dict[int, Room] = {}
        self.warnings: list[str] = []
        self._limit = sidecars_per_directory
        self._sidecars: dict[bytes, int] = {}
        self._warned: set[bytes] = set()

    def attach(self, path: bytes, manifest: Mapping[str, Any], expected: Version | None = None) -> Attached:
        """Put `manifest` on the regular file `path`.

        With `expected`, a file that is no longer that version gets none. The file's content, mtime, mode and owner stay
        as they are.
        """
        if self.how == "none":
            return Attached("none", "not asked for", 0)
        try:
            descriptor = files.open_regular(path)
        except OSError as error:
            if error.errno == errno.EACCES and self.how != "xattr":
                return self._unreadable(path, manifest, expected)
            return Attached("none", files.reason(error), 0)
        if descriptor is None:
            return Attached("none", "not a regular file", 0)
        try:
            about = os.fstat(descriptor)
            why = _unfit(about, expected)
            if why:
                return Attached("none", why, 0)
            where, why = self._place(descriptor, about, path, manifest)
            return Attached(where, why, os.fstat(descriptor).st_ctime_ns)
        finally:
            os.close(descriptor)

    def _place(self, file: int, about: os.stat_result, path: bytes, manifest: Mapping[str, Any]) -> tuple[Where, str]:
        text = self._dumps(manifest)
        if self.how == "sidecar":
            why = self._sidecar(path, about, text)
            return ("none", why) if why else ("sidecar", _stale("attribute", lambda: clear(file)))
        room = self._room.setdefault(about.st_dev, Room())
        where, no_attribute = _attributes(file, text, lambda: jsontext.dumps(self._summarise(manifest, text)), room)
        if where != "none":
            return where, _stale("sidecar", lambda: remove_sidecar(path))
        if self.how == "xattr":
            return "none", no_attribute
        why = self._sidecar(path, about, text)
        return ("none", f"{no_attribute}; {why}") if why else ("sidecar", "")

    def _unreadable(self, path: bytes, manifest: Mapping[str, Any], expected: Version | None) -> Attached:
        # A file that may not be read may still have a directory that takes a sidecar.
        try:
            about = os.lstat(path)
        except OSError as error:
            return Attached("none", files.reason(error), 0)
        why = _unfit(about, expected) or self._sidecar(path, about, self._dumps(manifest))
        return Attached("none", why, 0) if why else Attached("sidecar", "", 0)

    def _sidecar(self, path: bytes, about: os.stat_result, text: bytes) -> str:
        """Write the sidecar of a file; give why not, or ""."""
        sidecar = manifests.sidecar_path(path)
        directory = os.path.dirname(sidecar)
        try:
            there = manifests.stands_at(sidecar)
            if there is False:
                return f"{os.fsdecode(sidecar)} is not a manifest, so it stays"
            if there is None and self._full(directory):
                return f"over {self._limit} new sidecars in its directory"
            # Whoever may read the file may know where it came from, and nobody else.
            files.write_whole(sidecar, text, mode=stat.S_IMODE(about.st_mode) & 0o666 | 0o600, stale=there is True)
            self._sidecars[directory] = self._sidecars.get(directory, 0) + (there is None)
        except OSError as error:
            return f"no sidecar: {files.reason(error)}"
        return ""

    def _full(self, directory: bytes) -> bool:
        if self._sidecars.get(directory, 0) < self._limit:
            return False
        if directory not in self._warned:
            self._warned.add(directory)
            self.warnings.append(
                f"more than {self._limit} outputs in {os.fsdecode(directory)} need a sidecar: "
                "the others have their manifest in the store alone"
            )
        return True


class Room:
    """What was learnt of the room that one file system gives to attributes, so that nothing hopeless is tried again.

    The manifests of a run resemble each other: one that is as long as another compresses about as well.
    """

    def __init__(self) -> None:
        self._least = _LARGEST + 1  # so many bytes did not fit into a file that had no attributes but shark's
        self._ratio = 0.0  # of the last compressed manifest

    def try_value(self, file: int, name: str, value: bytes, beside: int = 0) -> bool:
        """Set an attribute; False if it is too large. `beside` bytes of shark's are there already.

        Raises OSError for any other trouble.
        """
        size = len(value) + beside
        if size >= self._least:
            return False
        try:
            os.setxattr(file, name, value)
        except OSError as error:
            if error.errno not in _TOO_LARGE:
                raise
            # A quota, or another's attributes, may leave less room here than elsewhere.
            if error.errno != errno.EDQUOT and _OURS.issuperset(os.listxattr(file)):
                self._least = size
            return False
        return True

    def try_compressed(self, file: int, name: str, text: bytes, beside: int) -> bool:
        """Like try_value, with `text` compressed: quickly, and thoroughly if that is what it takes."""
        for level in (1, 9):
            if len(text) * self._ratio + beside >= self._least:
                break
            packed = zlib.compress(text, level)
            if self.try_value(file, name, packed, beside):
                return True
            if level == 9:
                self._ratio = len(packed) / len(text)
        return False


def _attributes(file: int, text: bytes, summary: Callable[[], bytes], room: Room) -> tuple[Where, str]:
    """Try the attributes; give "xattr" or "zlib", or "none" and why. A summary may stay, as a pointer to the store."""
    try:
        # What an earlier run left takes room that this manifest may need.
        _remove(file, COMPRESSED)
        if room.try_value(file, ATTRIBUTE, text):
            return "xattr", ""
        short = summary()
        if room.try_value(file, ATTRIBUTE, short) and room.try_compressed(file, COMPRESSED, text, len(short)):
            return "zlib", ""
        _keep_only(file, short)
    except OSError as error:
        return "none", f"no attribute: {files.reason(error)}"
    return "none", "no attribute: too large for this file system"


def _keep_only(file: int, text: bytes) -> None:
    """Remove an attribute that is not `text`: it describes earlier contents."""
    try:
        if os.getxattr(file, ATTRIBUTE) == text:
            return
    except OSError as error:
        if error.errno == errno.ENODATA:
            return
        raise
    _remove(file, ATTRIBUTE)


def _stale(place: str, remove: Callable[[], bool]) -> str:
    """Remove an earlier manifest from the other place; say so if it stays (no harm: readers compare digests)."""
    try:
        remove()
    except OSError as error:
        return f"an earlier manifest stays in the {place}: {files.reason(error)}"
    return ""


def clear(file: int) -> bool:
    """Remove both attributes; tell whether there was one. Raises OSError if one is there and stays."""
    freed = [_remove(file, name) for name in (COMPRESSED, ATTRIBUTE)]
    return any(freed)


def _remove(file: int, name: str) -> bool:
    try:
        os.removexattr(file, name)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return False
        if error.errno in (errno.EPERM, errno.EACCES, errno.EROFS) and not _has(file, name):
            return False  # permission is checked before presence
        raise
    return True


def _has(file: int, name: str) -> bool:
    try:
        return name in os.listxattr(file)
    except OSError:
        return False


def remove_sidecar(path: bytes) -> bool:
    """Remove the sidecar of a file if it is a manifest; tell whether it was one. Raises OSError if it stays."""
    sidecar = manifests.sidecar_path(path)
    if len(os.path.basename(sidecar)) > _NAME_MAX or not manifests.stands_at(sidecar):
        return False
    os.unlink(sidecar)
    return True


def _unfit(about: os.stat_result, expected: Version | None) -> str:
    if not stat.S_ISREG(about.st_mode):
        return "not a regular file"
    if expected is not None and Version(about.st_ino, about.st_size, about.st_mtime_ns) != expected:
        return "it changed since it was recorded"
    return ""
