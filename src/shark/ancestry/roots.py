"""The files that are asked about: which contents they have now, or had when a run made or used them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from shark import lookup
from shark.ancestry.carried import made_by
from shark.ancestry.known import Known
from shark.ancestry.values import Content, Source
from shark.errors import NotFound
from shark.store.home import Store
from shark.store.manifests import is_legacy

State = Literal["current", "modified", "unknown", "missing"]

_CHANGED = "it was changed since, outside of any run that is known: what follows is about its earlier content"
_GONE = "it is no longer there"
_REPLACED = "what is there now is no regular file: what follows is about the file that was there"


class Root(NamedTuple):
    """A file that is asked about: the content that the graph starts from; where the file is now (b"": nowhere).

    `why` says what is odd about it, "" if nothing.
    """

    source: Source
    at: bytes
    state: State
    why: str = ""


def roots(paths: Sequence[bytes], known: Known, store: Store, environ: Mapping[str, str], *, used: bool) -> list[Root]:
    """Give the contents of all files that `paths` name; of a directory, of all below it.

    A file that is gone, but is known to the store, has the contents that it had, and so has, where it is asked by whom
    files were `used`, one whose present content no run used or made there. Raises NotFound for a path that is neither.
    """
    found: list[Root] = []
    there = [path for path in paths if os.path.lexists(path)]
    answers = iter(lookup.answers(there, store, environ, digests=used))
    for answer in answers:
        if _is_special(answer.file):
            found += _replaced(os.fsencode(answer.file), known)
            continue
        root = _present(answer, known)
        found += _used(root, answer, known) if used else [root]
    for path in paths:
        if path not in there:
            found += _gone(path, known)
    return found


def _present(answer: lookup.Answer, known: Known) -> Root:
    at = os.path.realpath(os.fsencode(answer.file))
    manifest = answer.manifest
    if manifest is None or is_legacy(manifest):
        state: State = "current" if answer.candidates else "unknown"
        return Root(Source(Content(at, answer.sha256), answer.size), at, state)
    made = made_by(manifest)
    made = made if made.path else Content(at, made.sha256)  # a summary names no path
    known.carried.lies(made, at)
    if answer.state == "modified":
        return Root(Source(made), at, "modified", _CHANGED)
    return Root(Source(made, answer.size), at, answer.state)


def _used(root: Root, answer: lookup.Answer, known: Known) -> Iterator[Root]:
    """The contents of a file that is there of which runs may have made something: the present one, if it was used or
    made at this place; of a file that was changed since, also those that it had before.

    The root alone if nothing is known of what it had, and nothing was made from any of it.
    """
    content = root.source.content
    here = known.recorded.contents_at(root.at)
    now = Content(root.at, answer.sha256)
    is_known = bool(now.sha256) and now in here
    contents = [now, *([content] if root.state == "modified" else [])] if is_known else [content, *here]
    if is_known and content.sha256 == now.sha256:
        contents = [content]  # by the manifest it carries, perhaps at the place where it was made
    contents = list(dict.fromkeys(contents))
    used = [each for each in contents if known.recorded.is_used(each)] if len(contents) > 1 else contents
    if not used:
        used = here if here and root.state == "unknown" else [content]
    for each in used:
        if each == content:
            yield root
        elif each == now:
            yield Root(Source(now, answer.size), root.at, "unknown")
        else:
            yield Root(Source(each), root.at, "modified", _CHANGED)


def _is_special(name: str) -> bool:
    """Tell whether there is something at a path that is neither a regular file nor a directory."""
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _replaced(path: bytes, known: Known) -> Iterator[Root]:
    """Where a FIFO, say, stands now: the files that were there, since it has no content of which anything derives."""
    at = lookup.recorded_path(path)
    contents = known.recorded.contents_at(at)
    for content in contents:
        yield Root(Source(content), b"", "missing", _REPLACED)
    if not contents:
        yield Root(Source(Content(at, "")), at, "unknown")


def _gone(path: bytes, known: Known) -> Iterator[Root]:
    contents = known.recorded.contents_at(lookup.recorded_path(path))
    if not contents:
        name = os.fsdecode(path) or "''"
        raise NotFound(f"{name} does not exist, and no run is known that had it", "Check the path.", 2)
    for content in contents:
        yield Root(Source(content), b"", "missing", _GONE)
