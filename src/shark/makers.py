"""Which runs made the inputs of a run: by the manifest that a file carries, if it is true of it; else by the store."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from shark.errors import SharkError
from shark.store.home import Store
from shark.store.manifests import digest_of, sidecar_path
from shark.tuples import NamedTuple

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
    folders: dict[bytes, list[Given]] = {}
    for file in given:
        path = file.path
        folders.setdefault(path[: path.rfind(b"/") + 1], []).append(file)
    left: dict[bytes, list[Given]] = {}
    for folder, files in folders.items():
        has_sidecar = _sidecars(folder, len(files))
        others = []
        for file in files:
            path = file.path
            if (_has_attribute(path) or has_sidecar(path)) and (run := _carried(file)):
                found[file.n] = [run]
            else:
                others.append(file)
        if others:
            left[folder] = others
    found.update(_recorded(left, store, environ))
    return found


def _carried(file: Given) -> str:
    """The run named by the manifest on a file, "" if there is none, or it is about another content."""
    from shark.store.read import read_attached

    manifest = read_attached(file.path).manifest
    return str(manifest.get("run", "")) if manifest and digest_of(manifest, file.path)[0] == file.sha256 else ""


def _has_attribute(path: bytes) -> bool:
    try:
        # Not getxattr: that an attribute is not there would cost an exception.
        return "user.shark" in os.listxattr(path, follow_symlinks=False)
    except OSError:
        return False


def _sidecars(folder: bytes, count: int) -> Callable[[bytes], bool]:
    """Tells of the files in a folder (ending in a slash) whether something is in the place of a sidecar; it will be
    asked about `count` of them.
    """
    names = _names(folder, count)
    if names is None:
        return lambda path: os.path.lexists(sidecar_path(path))
    if not names:
        return lambda _: False
    return lambda path: path[len(folder) :] in names


def _names(folder: bytes, count: int) -> frozenset[bytes] | None:
    """The names of the files that have a sidecar in a folder; None if listing it is not worth it."""
    if count <= _FEW:
        return None
    names = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number > count * _NAMES_PER_FILE:
                    return None
                if entry.name.endswith(_SUFFIX):
                    names.append(entry.name)
    except OSError:
        return None
    return frozenset(name[1 : -len(_SUFFIX)] for name in names)


def _recorded(
    folders: Mapping[bytes, Sequence[Given]], store: Store, environ: Mapping[str, str]
) -> dict[int, list[str]]:
    """What the store knows of the files in some folders (ending in a slash)."""
    if not folders:
        return {}
    from contextlib import closing

    from shark.store.index import Index

    try:
        with closing(Index.open(store, environ)) as index:
            known = index.known_folders(folders)  # in most no run has made anything
            files = [file for folder in folders if folder in known for file in folders[folder]]
            runs = index.makers((path, sha256) for _, path, sha256 in files)
    except (SharkError, OSError) as problem:
        store.warnings.append(f"which runs made the inputs could not be looked up: {problem}")
        return {}
    return {n: found for n, path, sha256 in files if (found := runs[path, sha256])}
