"""Making a large manifest smaller: its inputs are folded by directory. The run record keeps them one by one."""

from __future__ import annotations

from shark import jsontext
from shark.model.serialising import Serialiser
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import InputEntry, Manifest

LIMIT = 64 * 1024
"""Bytes of a manifest's JSON above which its inputs are folded."""


_KEPT = 64
_STEP = 2048
"""Room is counted in steps of this many bytes, so that outputs with the same inputs share one folding of them."""


def fold_inputs(manifest: Manifest, limit: int = LIMIT) -> Manifest:
    """The manifest itself if it has at most `limit` bytes, else a copy with inputs folded by directory."""
    return Folder(limit).fold(manifest)


class Folder:
    """Folds manifests that are larger than `limit` bytes; what many of them share, it measures and folds once.

    Directories with most files go first, until it fits; then their parents, level by level. Inputs of different roles
    are never folded into one entry. What still is too large after that has nothing left to fold. `serialiser` is one
    that knows the shared parts already.
    """

    def __init__(self, limit: int = LIMIT, serialiser: Serialiser | None = None) -> None:
        self._limit = limit
        self._serialiser = serialiser or Serialiser()
        # By id(): the list is kept with it, so that the id stays its own.
        self._folded: dict[tuple[int, int], tuple[list[InputEntry], list[InputEntry]]] = {}

    def fold(self, manifest: Manifest, more: int = 0) -> Manifest:
        """The manifest itself if it is small enough, else a copy with folded inputs; room is left for `more` bytes."""
        size = self._serialiser.size(manifest) + more
        if size <= self._limit:
            return manifest
        folded: dict[str, Any] = dict(manifest)
        lists = [key for key in ("inputs", "controls") if key in manifest]
        sizes = {key: self._size(folded[key]) for key in lists}
        for key in sorted(lists, key=lambda key: (-sizes[key], key)):
            others = size - sizes[key]
            folded[key] = self._fold(folded[key], (self._limit - others) // _STEP * _STEP)
            size = others + self._size(folded[key])
            if size <= self._limit:
                break
        return folded  # type: ignore[return-value]

    def _size(self, entries: list[InputEntry]) -> int:
        return len(self._serialiser.part(entries))

    def _fold(self, entries: list[InputEntry], room: int) -> list[InputEntry]:
        key = id(entries), max(room, 0)
        if key not in self._folded:
            if len(self._folded) >= _KEPT:  # lists that only one output has are not worth keeping
                self._folded.clear()
            self._folded[key] = entries, _fold(entries, max(room, 0))
        return self._folded[key][1]


def _fold(entries: list[InputEntry], room: int) -> list[InputEntry]:
    groups: dict[tuple[str, str], list[InputEntry]] = {}
    for entry in entries:
        groups.setdefault((_parent(entry["path"]), entry.get("role", "")), []).append(entry)
    size = len(jsontext.dumps(entries))
    shown: dict[tuple[str, str], list[InputEntry]] = dict(groups)
    depth = max((directory.count("/") for directory, _ in groups), default=0)
    while size > room:
        for key in sorted(groups, key=lambda key: (-len(groups[key]), key)):
            if len(groups[key]) > 1 and len(shown[key]) > 1:
                before = len(jsontext.dumps(shown[key]))
                shown[key] = [_folded(key[0], groups[key])]
                size -= before - len(jsontext.dumps(shown[key]))
            if size <= room:
                break
        if size <= room or depth <= 1:
            break
        depth -= 1
        groups = _raised(groups, depth)
        shown = {key: [_folded(key[0], group)] if len(group) > 1 else group for key, group in groups.items()}
        size = len(jsontext.dumps([entry for group in shown.values() for entry in group]))
    found = [entry for group in shown.values() for entry in group]
    return sorted(found, key=lambda entry: (entry["path"], entry.get("role", "")))


def _raised(groups: dict[tuple[str, str], list[InputEntry]], depth: int) -> dict[tuple[str, str], list[InputEntry]]:
    """The same entries, those deeper than `depth` directories moved to their ancestor at that depth."""
    raised: dict[tuple[str, str], list[InputEntry]] = {}
    for (directory, role), group in groups.items():
        ancestor = "/".join(directory.split("/")[: depth + 1]) or "/"
        raised.setdefault((ancestor, role), []).extend(group)
    return raised


def _folded(directory: str, group: list[InputEntry]) -> InputEntry:
    entry: dict[str, Any] = {"path": directory, "files": len(group)}
    digests = [member.get("sha256") for member in group]
    if all(digests):
        entry["sha256"] = folded_digest(directory, group)
    entry["size"] = sum(member.get("size", 0) for member in group)
    if group[0].get("role"):
        entry["role"] = group[0]["role"]
    runs = sorted(
        {run for member in group for run in [*member.get("runs", ()), *([member["run"]] if "run" in member else [])]}
    )
    if runs:
        entry["runs"] = runs
    return entry  # type: ignore[return-value]


def folded_digest(directory: str, group: list[InputEntry]) -> str:
    """As `cd DIRECTORY && sha256sum FILES | LC_ALL=C sort | sha256sum` prints it."""
    import hashlib

    prefix = directory.rstrip("/") + "/"
    lines = sorted(_line(member["sha256"], member["path"].removeprefix(prefix)) for member in group)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def _line(sha256: str, path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    mark = "\\" if escaped != path else ""
    return f"{mark}{sha256}  {escaped}\n".encode("utf-8", "surrogateescape")


def _parent(path: str) -> str:
    return path.rpartition("/")[0] or "/"
