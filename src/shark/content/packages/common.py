"""What the ecosystems share: their interface, package URLs, and when a file is suspected of having been changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import lru_cache

from shark.model.facts import Owner
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

INSTALL_NS = 600_000_000_000
"""How long an installation may take, in ns: ctimes of a package's files lie within this of its database entry's, also
when both were copied (an unpacked image)."""

SMALL = 1 << 20
"""Up to so many bytes, a file whose times do not show that it was left alone is compared with its package's digest."""

_WRITTEN_NS = 1_000_000_000
"""A package's entry is written after its files, in ns; their ctimes may be a little later (coarse clocks)."""


_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_CASED = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CASED_KINDS = ("cran", "generic")
"""Types whose names keep their upper case."""


class Ecosystem(Protocol):
    """One package manager's knowledge of who owns a file."""

    def concerns(self, folder: bytes) -> bool:
        """False if nothing in `folder` (absolute and true, ending in a slash) can be of this package manager's
        installing, so that the files there need not be looked at one by one.
        """

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """The owner of each of the absolute, true paths that this package manager installed. No path is an error."""


@lru_cache(maxsize=4096)
def package_url(
    kind: str, name: str, version: str, qualifiers: tuple[tuple[str, str], ...] = (), space: str = ""
) -> str:
    """A package URL (the purl specification), normalised and quoted; empty parts and qualifiers are left out."""
    kept = {key: value for key, value in qualifiers if value}
    letters = _CASED if kind in _CASED_KINDS else _LOWER
    if (
        name
        and _is_plain(name, letters, ".+-")
        and _is_plain(space, letters, ".+-")
        and _is_plain(version, _CASED, ".~+:-")
        and all(_is_plain(value, _CASED, "._~-") for value in kept.values())
    ):
        # Nothing that a rule of the specification applies to. packageurl takes 10 ms to import, and the user waits.
        tail = "&".join(f"{key}={value}" for key, value in sorted(kept.items()))
        path = f"{space}/{name}" if space else name
        return f"pkg:{kind}/{path}{version and '@'}{version}".replace("+", "%2B") + (tail and f"?{tail}")
    from packageurl import PackageURL

    return PackageURL(kind, space or None, name, version or None, kept or None).to_string()


def _is_plain(text: str, letters: frozenset[str], further: str) -> bool:
    """Whether a text has only these characters, and begins with a letter or digit; "" is plain."""
    return not text or (text[0] in letters and letters.issuperset(text.translate(dict.fromkeys(map(ord, further)))))


def regular(path: bytes) -> os.stat_result | None:
    """The stat of the regular file at `path`, or None if there is none (any more)."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def is_directory(path: bytes) -> bool:
    """Whether `path` is a directory: those belong to nobody, since every package lists them."""
    return os.path.isdir(path)


def suspect(found: os.stat_result, database: os.stat_result) -> bool:
    """Whether a file may have been changed since its package manager wrote `database`, its entry for the package.

    An mtime later than the entry's, or (for a change that put the old mtime back) a ctime much later than the entry's;
    for a small file also a ctime that was not set by the installation: to read it costs less than a wrong answer.
    """
    if found.st_mtime_ns > database.st_mtime_ns or found.st_ctime_ns > database.st_ctime_ns + INSTALL_NS:
        return True
    return found.st_size <= SMALL and not _left_alone(found, database)


def _left_alone(found: os.stat_result, database: os.stat_result) -> bool:
    """Whether a file's ctime is of the installation itself, when the entry's mtime was set.

    In an unpacked image all ctimes are those of the unpacking, and in one that is mounted (squashfs) the mtimes: what
    was copied over a package's file there, with an old mtime, looks like all the rest.
    """
    return -INSTALL_NS <= found.st_ctime_ns - database.st_mtime_ns <= _WRITTEN_NS


def file_digest(path: bytes, algorithm: str) -> str | None:
    """The hexadecimal digest of a file, None if it cannot be read."""
    import hashlib

    try:
        with open(path, "rb", buffering=0) as stream:
            return hashlib.file_digest(stream, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
    except OSError:
        return None


def read(path: bytes) -> bytes:
    """The content of a small file, b"" if it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read()
    except OSError:
        return b""
