"""Conda packages, from the conda-meta/*.json of an environment (the fields are those of conda's PrefixRecord)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property

from shark.content.masking import mask_text
from shark.content.packages.common import file_digest, is_directory, package_url, regular, suspect
from shark.content.packages.look import Look
from shark.content.packages.pathindex import Contents, Package, PathIndex, path_index
from shark.content.packages.verdicts import Verdicts
from shark.jsontext import loads
from shark.model.facts import Owner
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


class Conda:
    """Packages of every environment that a path lies in; `folder` is where their indexes are kept (None: nowhere)."""

    def __init__(self, folder: bytes | None = None, look: Look | None = None) -> None:
        self._look = look or Look()
        self._folder = folder
        self._roots: dict[bytes, bytes | None] = {}
        self._indexes: dict[bytes, PathIndex] = {}
        self._documents: dict[bytes, dict[str, Any]] = {}

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        return self._root(os.path.dirname(folder)) is not None

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`."""
        result = {}
        for path in paths:
            root = self._root(os.path.dirname(path))
            if root is None:
                continue
            name = path[len(root) :].lstrip(b"/")
            package = self._index(root).find(name)
            if package is not None and not is_directory(path):
                document = root + b"/conda-meta/" + os.fsencode(package[0])
                result[path] = Owner(_purl(package), self._modified(path, name, document))
        self._verdicts.keep()
        return result

    @cached_property
    def _verdicts(self) -> Verdicts:
        return Verdicts(None if self._folder is None else self._folder + b"/conda-verdicts")

    def _root(self, folder: bytes) -> bytes | None:
        """The nearest directory at or above `folder` that is an environment."""
        if folder not in self._roots:
            above = os.path.dirname(folder)
            own = folder if self._look.is_directory(folder + b"/conda-meta") else None
            self._roots[folder] = own or (self._root(above) if above != folder else None)
        return self._roots[folder]

    def _index(self, root: bytes) -> PathIndex:
        if root not in self._indexes:
            meta = root + b"/conda-meta"
            file = None
            if self._folder is not None:
                from hashlib import blake2b

                file = b"%b/conda-%b" % (self._folder, blake2b(root, digest_size=8).hexdigest().encode())
            about = self._look.stat(meta)
            key, file = ([], None) if about is None else ([about.st_mtime_ns], file)
            self._indexes[root] = path_index(file, key, lambda: _contents(meta, self._look))
        return self._indexes[root]

    def _modified(self, path: bytes, name: bytes, document: bytes) -> bool:
        found, written = regular(path), self._look.regular(document)
        if found is None or written is None:
            return True
        if not suspect(found, written):
            return False
        state = f"{os.fsdecode(document)} {written.st_mtime_ns}"
        return self._verdicts.settle(path, found, state, lambda: self._differs(path, name, document, found, written))

    def _differs(
        self, path: bytes, name: bytes, document: bytes, found: os.stat_result, written: os.stat_result
    ) -> bool:
        if document not in self._documents:
            entries = _entries(_load(document, self._look))
            self._documents[document] = {str(entry.get("_path")): entry for entry in entries}
        entry = self._documents[document].get(os.fsdecode(name), {})
        # Where conda rewrote the build's prefix inside a file, that digest is the one of the installed content.
        digest = entry.get("sha256_in_prefix") or entry.get("sha256")
        if not digest:
            return found.st_mtime_ns > written.st_mtime_ns
        return file_digest(path, "sha256") != str(digest)


def _contents(meta: bytes, look: Look) -> Contents:
    files = sorted(name for name in look.names(meta) if name.endswith(b".json"))
    packages: list[Package] = []
    owned: list[list[str]] = []
    for file in files:
        document = _load(meta + b"/" + file, look)
        if document.get("name"):
            fields = [str(document.get(key) or "") for key in ("name", "version", "build", "channel", "subdir")]
            packages.append([os.fsdecode(file), *fields])
            owned.append([path for path in document.get("files") or () if isinstance(path, str)])
    return packages, _paths(owned)


def _paths(owned: list[list[str]]) -> Iterator[tuple[bytes, int]]:
    for number, paths in enumerate(owned):
        for path in paths:
            yield os.fsencode(path), number


def _load(file: bytes, look: Look) -> dict[str, Any]:
    try:
        document = loads(look.read(file) or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _entries(document: dict[str, Any]) -> list[dict[str, Any]]:
    data = document.get("paths_data")
    entries = data.get("paths") if isinstance(data, dict) else None
    return [entry for entry in entries or () if isinstance(entry, dict)]


def _purl(package: Package) -> str:
    _, name, version, build, channel, subdir = package
    return package_url("conda", name, version, (("build", build), ("channel", _channel(channel)), ("subdir", subdir)))


def _channel(url: str) -> str:
    """`conda-forge` of https://conda.anaconda.org/conda-forge/linux-64; a channel elsewhere keeps its host."""
    plain = mask_text(url).rstrip("/")
    head, _, last = plain.rpartition("/")
    if head and ("-" in last or last == "noarch") and "://" in head:
        plain = head
    return plain.removeprefix("https://conda.anaconda.org/").removeprefix("https://repo.anaconda.com/")
