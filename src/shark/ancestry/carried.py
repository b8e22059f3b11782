"""What manifests on the files themselves say of runs: of those too that the store does not know."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, cast

from shark.ancestry.values import About, Content, Making, Source, Unknown
from shark.store.manifests import is_legacy
from shark.store.read import read_places
from shark.store.rows import encoded

_LARGEST = 1 << 63
_SUMMARY = Unknown("unknown-run", "only a summary of its manifest is with the file, and the run is not in this store")


class Carried:
    """Reads the manifests of files, each file once. `problems` are sentences about what could not be read."""

    def __init__(self) -> None:
        self._read: dict[bytes, list[dict[str, Any]]] = {}
        self._at: dict[Content, bytes] = {}
        self._moves: dict[bytes, bytes] = {}
        self.problems: dict[str, None] = {}

    def lies(self, content: Content, at: bytes) -> None:
        """Note where a content is now; what was recorded beside it may have moved with it."""
        self._at[content] = at
        if at != content.path:
            self._moves[os.path.dirname(content.path)] = os.path.dirname(at)

    def places(self, content: Content) -> Iterator[bytes]:
        """Where a file may lie: where it is known to be, where it was recorded, where its neighbours went."""
        path = content.path
        yield from dict.fromkeys((self._at.get(content, path), path))
        if os.path.isabs(path):
            for old, new in self._moves.items():
                yield os.path.normpath(os.path.join(new, os.path.relpath(path, old)))

    def of(self, content: Content) -> dict[str, Any] | None:
        """Give a manifest that describes this very content, from where the file was or has moved to.

        Whether the file still has the content does not matter: a manifest is true of the content that it names.
        """
        for place in self.places(content):
            found = [manifest for manifest in self.at(place) if made_by(manifest).sha256 == content.sha256]
            whole = [manifest for manifest in found if not manifest.get("summary")]
            if content.sha256 and found:
                return (whole or found)[0]
        return None

    def at(self, path: bytes) -> list[dict[str, Any]]:
        """Give the manifests of one file. What is wrong with them is added to `problems`."""
        if path not in self._read:
            readings = read_places(path)
            for reading in readings:
                if reading.problem:
                    self.problems[f"{path.decode('utf-8', 'replace')}: {reading.problem}"] = None
            found = [reading.manifest for reading in readings if reading.manifest and not is_legacy(reading.manifest)]
            self._read[path] = found
        return self._read[path]


def made_by(manifest: Mapping[str, Any]) -> Content:
    """Give the content that a manifest describes."""
    output = manifest["output"]
    return Content(encoded(output.get("path", "")), output.get("sha256", ""))


def making(manifest: Mapping[str, Any]) -> Making:
    """Give how an output was made, by its manifest. A summary names no inputs."""
    output = manifest["output"]
    command = manifest.get("command")
    about = About(manifest.get("run", ""), "", cast("Any", command) if isinstance(command, dict) else None, "manifest")
    return Making(
        about,
        0,
        manifest.get("scope", ""),
        made_by(manifest),
        _size(output),
        output.get("role", ""),
        sources(manifest.get("inputs", [])),
        sources(manifest.get("controls", [])),
        (),
        _SUMMARY if manifest.get("summary") else None,
    )


def sources(entries: list[dict[str, Any]]) -> tuple[Source, ...]:
    """Give the entries of a manifest's inputs as values; those without a path are left out."""
    return tuple(source(entry) for entry in entries if isinstance(entry.get("path"), str))


def source(entry: Mapping[str, Any]) -> Source:
    """Give one entry of a manifest's inputs as a value."""
    runs = (entry["run"],) if "run" in entry else tuple(run for run in _list(entry.get("runs")) if isinstance(run, str))
    files = entry.get("files", 0)
    return Source(
        Content(encoded(entry["path"]), entry.get("sha256", "")),
        _size(entry),
        entry.get("role", ""),
        encoded(entry.get("as", "")),
        runs,
        files if isinstance(files, int) else 0,
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("size", -1)
    return size if isinstance(size, int) and 0 <= size < _LARGEST else -1
