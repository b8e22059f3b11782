"""What is quickly known of many files: those that carry a manifest which is true of them, and those that carry nothing.

Each file costs a stat, an attribute, and a look into the cache of digests. A claim is `sure` only if the file's stat is
that of a digest which the cache trusts, and this digest is the one of the manifest. All others are for whoever looks
properly (`claims.py`).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from shark.checking.carried import Claim, Reader
from shark.checking.halving import halved
from shark.content.digestcache import DigestCache, Key, key_of

_CARRIES, _BARE = -1, -2
"""Instead of a group: a manifest that is not true of the file or needs a closer look, and none at all."""

_List = list[dict[str, Any]]
_Answer = tuple[list[tuple[str, bytes]], list[int], list[int], list[str], dict[int, str], set[int]]
"""The groups (run, text of the lists); of each file its group, size and digest; names under which some were recorded
that are called otherwise now; those whose digest is not in the cache."""


class Sifted(NamedTuple):
    """What is known of one file. `claim` is what it says of a content of its size, None if it says nothing (`bare`),
    of another size, or not simply. `sure`: it is true of what the file holds. `group`: a number that files of one run
    share which derive from the same, -1 for one that is not where it was, or whose claim is not whole.
    """

    claim: Claim | None
    size: int
    sure: bool = False
    bare: bool = False
    group: int = -1


class Sieve:
    """Sifts files, with the help of a cache of digests (None: no digest is believed)."""

    def __init__(self, cache: DigestCache | None) -> None:
        self._cache = cache
        self._reader = Reader()

    def sift(self, paths: Sequence[bytes]) -> list[Sifted]:
        """What is known of each of `paths`, true paths of regular files, in their order."""
        if self._cache is not None:
            self._cache.close()  # a second process opens it for itself
        found: list[Sifted] = []
        alike: dict[tuple[str, bytes], int] = {}
        for groups, numbers, sizes, digests, names, unsure in halved(partial(_sift, self._cache), paths):
            known = [self._about(group, alike.setdefault(group, len(alike))) for group in groups]
            start = len(found)
            for at, (number, size, digest) in enumerate(zip(numbers, sizes, digests, strict=True)):
                if number < 0:
                    found.append(Sifted(None, size, bare=number == _BARE))
                    continue
                run, inputs, controls, group = known[number]
                path = names.get(at)
                if path is None:
                    path = paths[start + at].decode("utf-8", "surrogateescape")
                else:
                    group = -1
                claim = Claim(run, path, digest, size, inputs, controls)
                found.append(Sifted(claim, size, at not in unsure, False, group))
        return found

    def _about(self, group: tuple[str, bytes], number: int) -> tuple[str, _List | None, _List | None, int]:
        run, tail = group
        inputs, controls = self._reader.lists(tail)
        return run, inputs, controls, -1 if inputs is None else number


def _sift(cache: DigestCache | None, paths: Sequence[bytes]) -> _Answer:
    reader = Reader()
    groups: dict[tuple[str, bytes], int] = {}
    numbers: list[int] = []
    sizes: list[int] = []
    digests: list[str] = []
    names: dict[int, str] = {}
    keys: list[tuple[int, Key]] = []
    for at, path in enumerate(paths):
        try:
            about = os.lstat(path)
        except OSError:
            about = None
        text = reader.read(path) if about is not None and stat.S_ISREG(about.st_mode) else True
        sizes.append(-1 if about is None else about.st_size)
        if isinstance(text, bool) or about is None or text.size != about.st_size or not text.sha256:
            numbers.append(_BARE if text is False else _CARRIES)
            digests.append("")
            continue
        numbers.append(groups.setdefault((text.run, text.tail), len(groups)))
        digests.append(text.sha256)
        if text.path != path.decode("utf-8", "surrogateescape"):
            names[at] = text.path
        keys.append((at, key_of(about)))
    known = cache.get_many([key for _, key in keys]) if cache is not None else {}
    unsure = {at for at, key in keys if known.get(key) != digests[at]}
    return list(groups), numbers, sizes, digests, names, unsure
