"""Inputs that a large manifest names by directory only: one by one again, from the record or what is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from shark.checking.contents import Contents
from shark.checking.records import Records
from shark.model.folding import folded_digest

if TYPE_CHECKING:
    from shark.checking.inputs import Where
    from shark.model.documents import InputEntry

_UNKNOWN = "a large manifest names it by its directory only, and the store does not have its run"


def unfolded(
    where: Where, entry: Mapping[str, Any], records: Records, contents: Contents
) -> tuple[list[dict[str, Any]] | None, str]:
    """The inputs for which a folded entry stands, or None and why they cannot be told.

    Without the run's record, the files below the directory are they if their digests give the entry's.
    """
    directory = str(entry.get("path", ""))
    lists = records.lists(where.run, where.recorded, "")
    if lists is not None:
        inside = directory.rstrip("/") + "/"
        members = [
            one
            for entries in lists
            for one in entries
            if str(one.get("path", "")).startswith(inside) and one.get("role") == entry.get("role")
        ]
        if members:
            return members, ""
    there = _there(directory, int(entry["files"]), contents) if isinstance(entry["files"], int) else None
    if there and folded_digest(directory, cast("list[InputEntry]", there)) == entry.get("sha256"):
        return there, ""
    return None, _UNKNOWN


def _there(directory: str, count: int, contents: Contents) -> list[dict[str, Any]] | None:
    """The regular files below a directory if there are exactly `count` of them, with their digests."""
    from shark.checking.walking import find

    found: list[bytes] = []
    try:
        for file in find(os.fsencode(directory), lambda _, __: None):
            found.append(file.path)
            if len(found) > count:
                return None
    except (OSError, ValueError):
        return None
    if len(found) != count:
        return None
    contents.fetch((path, -1) for path in found)
    states = [(path, contents.of(path)) for path in found]
    if not all(state.sha256 for _, state in states):
        return None
    return [{"path": os.fsdecode(path), "sha256": s.sha256, "size": s.size} for path, s in states]
