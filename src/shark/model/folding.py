"""Making a large manifest smaller: its inputs are folded by directory. The run record keeps them one by one."""

from __future__ import annotations

from itertools import chain, groupby
from operator import itemgetter

from shark import jsontext
from shark.model.serialising import Serialiser
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import InputEntry, Manifest

LIMIT = 64 * 1024
"""Bytes of a manifest's JSON above which its inputs are folded."""

_Key = tuple[str, str]
"""A directory, and the role of the inputs in it that are folded together."""

_About = tuple[_Key, "InputEntry", int]
"""Of an input: where it is folded into, itself, and the length of its JSON."""

_KEY, _ENTRY, _LENGTH, _PATH = itemgetter(0), itemgetter(1), itemgetter(2), itemgetter("path")

_KEPT = 64
"""Folded lists that are kept."""

_MEMBERS = 200_000
"""Inputs in the groups that are kept with what they are folded into, all counted."""

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
        self._members = _Members()
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
            folded[key] = self._fold(folded[key], sizes[key], (self._limit - others) // _STEP * _STEP)
            size = others + self._size(folded[key])
            if size <= self._limit:
                break
        return folded  # type: ignore[return-value]

    def _size(self, entries: list[InputEntry]) -> int:
        return len(self._serialiser.part(entries))

    def _fold(self, entries: list[InputEntry], size: int, room: int) -> list[InputEntry]:
        key = id(entries), max(room, 0)
        if key not in self._folded:
            if len(self._folded) >= _KEPT:  # lists that only one output has are not worth keeping
                self._folded.clear()
            self._folded[key] = entries, _fold(entries, size, max(room, 0), self._members)
        return self._folded[key][1]


class _Members:
    """What folding wants to know of inputs and of groups of them, each worked out once.

    A process that reads a file, writes one, reads the next has outputs with longer and longer lists, in which most
    directories are as they were. All is known by id(), and kept together with what has it.
    """

    def __init__(self) -> None:
        self._known: dict[int, _About] = {}
        self._groups: dict[tuple[_Key, tuple[int, ...]], tuple[list[InputEntry], InputEntry, int]] = {}
        self._room = _MEMBERS

    def grouped(self, entries: list[InputEntry]) -> dict[_Key, list[InputEntry]]:
        """The inputs by directory and role; those of a directory mostly follow one another."""
        groups: dict[_Key, list[InputEntry]] = {}
        for key, run in groupby(self._about(entries), _KEY):
            groups.setdefault(key, []).extend(map(_ENTRY, run))
        return groups

    def folded(self, key: _Key, group: list[InputEntry]) -> tuple[InputEntry, int]:
        """The entry that stands for a group of several, and how many bytes of JSON that saves."""
        ids = key, tuple(map(id, group))
        found = self._groups.get(ids)
        if found is None:
            self._room -= len(group)
            if self._room < 0:
                self._groups.clear()
                self._room = _MEMBERS - len(group)
            entry = _folded(key[0], group)
            saved = sum(map(_LENGTH, self._about(group))) + len(group) - 1 - len(jsontext.dumps(entry))
            found = self._groups[ids] = group, entry, saved
        return found[1], found[2]

    def _about(self, entries: list[InputEntry]) -> list[_About]:
        known = self._known
        ids = list(map(id, entries))
        new = set(ids).difference(known)
        if new:
            for entry in [entry for entry in entries if id(entry) in new]:
                key = _parent(entry["path"]), entry.get("role", "")
                known[id(entry)] = key, entry, len(jsontext.dumps(entry))
        return list(map(known.__getitem__, ids))


def _fold(entries: list[InputEntry], size: int, room: int, members: _Members) -> list[InputEntry]:
    """A list of inputs whose JSON has `size` bytes, folded until it has at most `room`."""
    groups = members.grouped(entries)
    shown: dict[_Key, list[InputEntry]] = dict(groups)
    depth = max((directory.count("/") for directory, _ in groups), default=0)
    while size > room:
        for key in sorted(groups, key=lambda key: (-len(groups[key]), key)):
            if len(groups[key]) > 1 and len(shown[key]) > 1:
                entry, saved = members.folded(key, groups[key])
                shown[key] = [entry]
                size -= saved
            if size <= room:
                break
        if size <= room or depth <= 1:
            break
        depth -= 1
        groups = _raised(groups, depth)
        shown = {key: [members.folded(key, group)[0]] if len(group) > 1 else group for key, group in groups.items()}
        size = len(jsontext.dumps([entry for group in shown.values() for entry in group]))
    # By path, and those of one path by role, as their keys are.
    return sorted(chain.from_iterable(map(shown.__getitem__, sorted(shown))), key=_PATH)


def _raised(groups: dict[_Key, list[InputEntry]], depth: int) -> dict[_Key, list[InputEntry]]:
    """The same entries, those deeper than `depth` directories moved to their ancestor at that depth."""
    raised: dict[_Key, list[InputEntry]] = {}
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
