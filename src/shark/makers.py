"""Which runs made the inputs of a run: by the manifest that a file carries, if it is true of it; else by the store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from shark.errors import SharkError
from shark.store.home import Store
from shark.store.manifests import digest_of, sidecar_path

_SUFFIX = b".shark"
_FEW = 4
"""So many sidecars are looked for one by one in a directory; for more, it is listed."""

_NAMES_PER_FILE = 64
"""A directory that has more names than this for each file that is asked about is not listed."""


class Given(NamedTuple):
    """A content that was there before the run: the file's number in the run, its path and sha256."""

    n: int
    path: bytes
    sha256: str


def makers(given: Sequence[Given], store: Store, environ: Mapping[str, str]) -> dict[int, list[str]]:
    """The ids of the runs that made each content, by file number: one that is certain, or candidates, newest first.

    That the store cannot be asked becomes one of its warnings.
    """
    found: dict[int, list[str]] = {}
    asked: dict[tuple[bytes, str], list[int]] = {}
    sidecars = _Sidecars(file.path for file in given)
    for file in given:
        run = _carried(file, sidecars)
        if run:
            found[file.n] = [run]
        else:
            asked.setdefault((file.path, file.sha256), []).append(file.n)
    for key, runs in _recorded(list(asked), store, environ).items():
        if runs:
            found.update((n, runs) for n in asked[key])
    return found


def _carried(file: Given, sidecars: _Sidecars) -> str:
    """The run named by the manifest on a file, "" if there is none, or it is about another content."""
    if not _has_attribute(file.path) and not sidecars.has(file.path):
        return ""
    from shark.store.read import read_attached

    manifest = read_attached(file.path).manifest
    return str(manifest.get("run", "")) if manifest and digest_of(manifest, file.path)[0] == file.sha256 else ""


def _has_attribute(path: bytes) -> bool:
    try:
        # Not getxattr: that an attribute is not there would cost an exception.
        return "user.shark" in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False


class _Sidecars:
    """Which of some files have something in the place of a sidecar."""

    def __init__(self, paths: Iterable[bytes]) -> None:
        self._counts: dict[bytes, int] = {}
        for path in paths:
            directory = path[: path.rfind(b"/")]
            self._counts[directory] = self._counts.get(directory, 0) + 1
        self._names: dict[bytes, frozenset[bytes] | None] = {}

    def has(self, path: bytes) -> bool:
        at = path.rfind(b"/")
        directory = path[:at]
        if directory not in self._names:
            self._names[directory] = _names(directory or b"/", self._counts[directory])
        names = self._names[directory]
        return os.path.lexists(sidecar_path(path)) if names is None else path[at + 1 :] in names


def _names(directory: bytes, count: int) -> frozenset[bytes] | None:
    """The names of the files that have a sidecar in a directory; None if listing it is not worth it."""
    if count <= _FEW:
        return None
    names = []
    try:
        with os.scandir(directory) as entries:
            for number, entry in enumerate(entries):
                if number > count * _NAMES_PER_FILE:
                    return None
                if entry.name.endswith(_SUFFIX):
                    names.append(entry.name)
    except OSError:
        return None
    return frozenset(name[1 : -len(_SUFFIX)] for name in names)


def _recorded(
    files: Sequence[tuple[bytes, str]], store: Store, environ: Mapping[str, str]
) -> dict[tuple[bytes, str], list[str]]:
    if not files:
        return {}
    from contextlib import closing

    from shark.store.index import Index

    try:
        with closing(Index.open(store, environ)) as index:
            return index.makers(files)
    except (SharkError, OSError) as problem:
        store.warnings.append(f"which runs made the inputs could not be looked up: {problem}")
        return {}
