"""What a run looked for in vain, or looked through, that would be otherwise now: grounds for doubt, no proof.

A program that found no settings file may find one now; one that listed a directory may take in what lies there since.
Programs list directories for many reasons, though. A new file is a ground for doubt only if the output derives from
files of its kind (with its suffix) in that directory, and the run had taken all of these that there were: one that left
some aside chooses by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple

from shark.capture.kernel import AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW, statx
from shark.checking.records import Run
from shark.model.questions import is_sidecar
from shark.model.roles import Known, role

MATTERS = frozenset({"data", "code", "config"})
_SYSTEM = tuple(
    f"/{name}/"
    for name in ("usr", "lib", "lib32", "lib64", "bin", "sbin", "etc", "opt", "proc", "sys", "dev", "run", "var")
)
"""Below these, programs look for their own parts in many places: what appears there is software."""

_PACKAGES = re.compile(r"/(site-packages|dist-packages|site-library|node_modules|lib/python3?[.0-9]*)(/|$)")
"""Where languages keep their packages, also those of a user: these, too, are software."""


class Doubt(NamedTuple):
    """Something that a run did not find: a path that is there now, or an entry of a directory that it listed."""

    change: Literal["appeared", "new-entry"]
    path: str


def doubts(run: Run) -> list[Doubt]:
    """What appeared since a run where it had looked; what the run itself made is none. Tolerates any record."""
    try:
        return list(_doubts(run))
    except (KeyError, TypeError, AttributeError, ValueError):
        return []


def _doubts(run: Run) -> dict[Doubt, None]:
    record = run.looks()
    looked = {(edge["access"], edge["file"]) for edge in record["edges"] if edge["access"] in {"list", "missing"}}
    numbers = {number for _, number in looked}
    files = {file["n"]: file for file in record["files"] if file["n"] in numbers}
    places = [(access, files[number]["path"]) for access, number in sorted(looked) if _matters(files[number])]
    end = _end(record)
    found: dict[Doubt, None] = {}
    for access, path in places:
        if access == "missing" and os.path.lexists(path) and path not in run.paths():
            found[Doubt("appeared", path)] = None
        elif access == "list" and end:
            found.update((Doubt("new-entry", new), None) for new in _new(path, end, run))
    return found


def _matters(file: Mapping[str, Any]) -> bool:
    path = file["path"]
    return file.get("role") in MATTERS and not f"{path}/".startswith(_SYSTEM) and not _PACKAGES.search(path)


def _end(record: Mapping[str, Any]) -> int:
    """When the run ended, in ns since the epoch; 0 if that is not known."""
    stamp = record["command"].get("end")
    return int(datetime.fromisoformat(stamp).timestamp() * 1000 + 1) * 1_000_000 if stamp else 0


def _new(directory: str, end: int, run: Run) -> Iterator[str]:
    """Entries of a directory that came after `end`, in their order; of a kind of which the run passed over none."""
    try:
        if os.stat(directory).st_mtime_ns <= end:
            return  # nothing came or went
        names = sorted(os.listdir(directory))
    except (OSError, ValueError):
        return
    known = run.paths()
    new, passed = [], set()
    for name in names:
        path = os.path.join(directory, name)
        if path in known or not _counts(os.fsencode(path)):
            continue
        if _came_after(os.fsencode(path), end):
            new.append(path)
        else:
            passed.add(kind(path))
    yield from (path for path in new if kind(path) not in passed)


def kind(path: str) -> str:
    """What files have in common that a program takes together: the suffix.

    >>> kind("/data/a.CSV"), kind("/data/README")
    ('.csv', '')
    """
    return os.path.splitext(path)[1].lower()


def _counts(path: bytes) -> bool:
    """Tell whether an entry of a listed directory may have been meant."""
    # Rules for what lies below a directory of caches hold for that directory. Python lists directories to find modules.
    ours = is_sidecar(path) or path.endswith(b".py")
    return not ours and all(role(Known(name)) in MATTERS for name in (path, path + b"/"))


def _came_after(path: bytes, end: int) -> bool:
    """Tell whether an entry was made after `end`, or moved here: its inode changed then, its content did not."""
    state = statx(path, flags=AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW)
    if state is None:
        return False
    if state.id.birth > end:
        return True
    try:
        return state.mtime <= end < os.lstat(path).st_ctime_ns or (not state.id.birth and state.mtime > end)
    except OSError:
        return False
