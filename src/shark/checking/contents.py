"""What files hold now: each is looked at once, and hashed through the cache of digests."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain
from typing import Literal, NamedTuple

from shark.checking import halving
from shark.checking.sifting import Sieve
from shark.content import hashing
from shark.content.digestcache import DigestCache, Key, key_of

UNLIMITED = 1 << 62
"""Whoever asks whether a file is still what it was wants to know it of large ones too."""

_Look = tuple[bytes, bytes, os.stat_result]
"""A path, the true path of the file that it leads to, and that one's stat."""

Kind = Literal["file", "gone", "other", "unreadable"]


class Present(NamedTuple):
    """What stands at a path. `sha256` is "" where it was not hashed or could not be (`why` says so); `size` in bytes.

    `other` is a directory, a device and the like; `unreadable` is what could not even be looked at.
    """

    kind: Kind
    size: int = -1
    sha256: str = ""
    why: str = ""


GONE = Present("gone")


class Contents:
    """The present contents of files, by path. With `full` every file is read again, whatever the cache says.

    `plan` is told how many bytes more will be read, `progress` those of each file that was.
    """

    def __init__(
        self,
        cache: DigestCache,
        *,
        full: bool = False,
        plan: Callable[[int], None] = lambda _: None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._cache = cache
        self._mode: hashing.HashMode = "full" if full else "auto"
        self._plan = plan
        self._progress = progress
        self._known: dict[bytes, Present] = {}

    def fetch(self, wanted: Iterable[tuple[bytes, int]]) -> None:
        """Look at files together, which is faster: (path, the size that it should have, -1 if not known).

        One of another size than it should have is not read: that tells enough. Raises KeyboardInterrupt.
        """
        known = self._known
        left = [(path, size) for path, size in wanted if path not in known]
        if self._mode == "auto" and len(left) >= halving.LEAST:
            left = self._glance(left)
        looks = [self._look(path, size) for path, size in left]
        self._hash([look for look in looks if look is not None])

    def sieve(self) -> Sieve:
        """A sieve that believes what is believed here."""
        return Sieve(self._cache if self._mode == "auto" else None)

    def note(self, path: bytes, sha256: str, size: int) -> None:
        """Take the content of a regular file for known, as a sieve told it."""
        self._known[path] = Present("file", size, sha256)

    def _glance(self, wanted: list[tuple[bytes, int]]) -> list[tuple[bytes, int]]:
        """Note what the cache knows; returns the rest."""
        self._cache.close()  # a second process opens it for itself
        answers = chain.from_iterable(halving.halved(partial(_cached, self._cache), wanted))
        left = []
        for (path, size), (length, digest) in zip(wanted, answers, strict=True):
            if digest:
                self._known[path] = Present("file", length, digest)
            else:
                left.append((path, size))
        return left

    def peek(self, path: bytes) -> str:
        """The sha256 of what was fetched before, "" if it was not, or has none."""
        known = self._known.get(path)
        return known.sha256 if known is not None else ""

    def of(self, path: bytes, size: int = -1) -> Present:
        """What stands at `path`; not hashed if `size` is given (not -1) and is not its own."""
        known = self._known.get(path)
        if known is None or (known.kind == "file" and not known.sha256 and not known.why and size in (-1, known.size)):
            self._known.pop(path, None)
            self.fetch([(path, size)])
            known = self._known[path]
        return known

    def hashed(self, paths: Iterable[bytes]) -> dict[bytes, hashing.Hashed]:
        """Those of `paths` that were hashed, or tried, as hashing gives them."""
        known = ((path, self._known.get(path)) for path in paths)
        return {
            path: hashing.Hashed(present.sha256, present.why, present.size)
            for path, present in known
            if present is not None and (present.sha256 or present.why)
        }

    def _look(self, path: bytes, size: int) -> _Look | None:
        """A file that is worth hashing; what is none is noted."""
        try:
            about = os.lstat(path)
            true = path
            if stat.S_ISLNK(about.st_mode):  # whoever made the output again would follow it
                true = os.path.realpath(path)
                about = os.stat(true)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            self._known[path] = GONE
        except OSError as error:
            self._known[path] = Present("unreadable", why=(error.strerror or str(error)).lower())
        else:
            if not stat.S_ISREG(about.st_mode):
                self._known[path] = Present("other", why="it is not a regular file")
            elif size in (-1, about.st_size):
                return path, true, about
            else:
                self._known[path] = Present("file", about.st_size)
        return None

    def _hash(self, looks: list[_Look]) -> None:
        """Take digests from the cache, and those that it lacks from the files; note them by the paths asked for."""
        if self._mode == "auto":
            keys = [key_of(about) for _, _, about in looks]
            cached = self._cache.get_many(keys)
            left = []
            for look, key in zip(looks, keys, strict=True):
                digest = cached.get(key)
                if digest is None:
                    left.append(look)
                else:
                    self._known[look[0]] = Present("file", key.size, digest)
            looks = left
        if looks:
            self._read(looks)

    def _read(self, looks: list[_Look]) -> None:
        digests = hashing.hash_files(
            [true for _, true, _ in looks],
            mode=self._mode,
            limit=UNLIMITED,
            cache=self._cache,
            plan=self._plan,
            progress=self._progress,
        )
        for path, true, about in looks:
            found = digests[true]
            if found.why == hashing.INTERRUPTED:
                raise KeyboardInterrupt  # the cache keeps what was hashed until here
            size = found.size if found.size >= 0 else about.st_size
            gone = not found.sha256 and not os.path.lexists(true)
            self._known[path] = GONE if gone else Present("file", size, found.sha256, found.why)


def _cached(cache: DigestCache, wanted: Sequence[tuple[bytes, int]]) -> list[tuple[int, str]]:
    """The size and the digest, if the cache has it, of regular files with the size that each should have (-1: any)."""
    keys: list[Key | None] = []
    for path, size in wanted:
        try:
            about = os.lstat(path)
        except (OSError, ValueError):
            keys.append(None)
            continue
        fits = stat.S_ISREG(about.st_mode) and size in (-1, about.st_size)
        keys.append(key_of(about) if fits else None)
    known = cache.get_many([key for key in keys if key is not None])
    return [(key.size, known.get(key, "")) if key is not None else (-1, "") for key in keys]
