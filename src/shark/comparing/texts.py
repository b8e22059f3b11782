"""The texts of files that are different, as far as they can still be had, and the unified diff between them.

A content is taken from the store if it was kept; else from where the file was, if it still has that digest; else from
the commit, or from the patch of what was not committed, that is recorded with the run.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from shark.checking.records import Records
from shark.content import git
from shark.content.gitpatch import split
from shark.errors import SharkError
from shark.model.comparison import Difference, Side
from shark.store import files

LARGEST = 1 << 20
"""Longer files are not compared line by line (bytes)."""
MOST_LINES = 400
"""A diff is cut after so many lines; a last line tells how many more there are."""
MOST = 20
"""So many files are compared line by line."""


def diff_of(difference: Difference, a: Side, b: Side, records: Records) -> str:
    """The unified diff of a file that is different on both sides; "" if it cannot be made, or is none of text."""
    if difference.entries is None or difference.change != "changed" or difference.section not in ("code", "inputs"):
        return ""
    one, other = difference.entries
    first, second = content(one, a, records), content(other, b, records)
    if first is not None and second is not None:
        return _unified(first, second, str(one["path"]), str(other["path"]))
    return _of_commits(one, other, a, b) or _of_patches(one, other, a, b, records)


def content(entry: Mapping[str, Any], side: Side, records: Records) -> bytes | None:
    """The content of a recorded file version; None if it cannot be had, or is too large."""
    sha256, path = str(entry.get("sha256", "")), str(entry.get("path", ""))
    if not sha256 or "files" in entry or entry.get("size", 0) > LARGEST:
        return None
    try:
        return records.store.get_object(sha256)
    except (SharkError, OSError):
        pass  # not kept, or no longer whole: there are other places
    for found in (_file(path), _committed(path, side)):
        if found is not None and hashlib.sha256(found).hexdigest() == sha256:
            return found
    return None


def _file(path: str) -> bytes | None:
    try:
        return files.read_regular(os.fsencode(path), LARGEST)
    except (OSError, ValueError):
        return None


def _committed(path: str, side: Side) -> bytes | None:
    section, name = _repository(path, side)
    commit = str(section.get("commit", ""))
    return git.ask(str(section["root"]), "cat-file", "blob", f"{commit}:{name}", limit=LARGEST) if commit else None


def _repository(path: str, side: Side) -> tuple[Mapping[str, Any], str]:
    """The innermost recorded repository in which a file lies, and the file's path below its root."""
    roots = [s for s in side.git if isinstance(s.get("root"), str) and path.startswith(s["root"].rstrip("/") + "/")]
    section = max(roots, key=lambda s: len(s["root"]), default={})
    return section, path[len(section["root"].rstrip("/")) + 1 :] if section else ""


def _of_commits(one: Mapping[str, Any], other: Mapping[str, Any], a: Side, b: Side) -> str:
    """What git says of a file between the two commits, where neither had uncommitted changes."""
    (x, name), (y, second) = _repository(str(one["path"]), a), _repository(str(other["path"]), b)
    commits = x.get("commit"), y.get("commit")
    if not all(commits) or commits[0] == commits[1] or name != second or x.get("dirty") or y.get("dirty"):
        return ""
    options = ("--no-ext-diff", "--no-textconv", "--no-color", "--end-of-options")
    found = git.ask(str(y["root"]), "diff", *options, *map(str, commits), "--", f":(literal){name}")
    return _cut(found.decode("utf-8", "replace").splitlines()) if found else ""


def _of_patches(one: Mapping[str, Any], other: Mapping[str, Any], a: Side, b: Side, records: Records) -> str:
    """How the patches differ in what they say of a file: of two states that were never committed."""
    parts = []
    for entry, side in ((one, a), (other, b)):
        section, name = _repository(str(entry["path"]), side)
        try:
            patch = records.store.get_object(str(section["patch_sha256"])) if "patch_sha256" in section else b""
        except (SharkError, OSError):
            return ""
        parts.append(b"".join(part.text for part in split(patch) if part.path == name))
    if parts[0] == parts[1]:
        return ""
    return _unified(parts[0], parts[1], f"patch of {one['path']}", f"patch of {other['path']}")


def _unified(first: bytes, second: bytes, one: str, other: str) -> str:
    texts = [_lines(first), _lines(second)]
    if texts[0] is None or texts[1] is None:
        return ""
    return _cut(list(difflib.unified_diff(texts[0], texts[1], one, other, lineterm="")))


def _lines(text: bytes) -> list[str] | None:
    if b"\0" in text:
        return None
    try:
        return text.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return None


def _cut(lines: Iterable[str]) -> str:
    every = list(lines)
    kept = every[:MOST_LINES]
    more = [f"… and {len(every) - len(kept)} more lines"] if len(every) > len(kept) else []
    return "".join(f"{line}\n" for line in [*kept, *more])
