"""The files that are asked about: which contents they have now, or had when a run made or used them."""

from __future__ import annotations

import os
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
    files were `used`, one whose present content nobody used. Raises NotFound for a path that is neither.
    """
    found: list[Root] = []
    there = [path for path in paths if os.path.lexists(path)]
    answers = iter(lookup.answers(there, store, environ, digests=used))
    for answer in answers:
        root = _present(answer, known)
        found += _earlier(root, known) if used else [root]
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


def _earlier(root: Root, known: Known) -> Iterator[Root]:
    """The root, or the earlier contents of its file, if the present one is not known to have been used or made."""
    content = root.source.content
    contents = [] if root.state in ("current", "modified") else known.recorded.contents_at(content.path)
    if content in contents or not contents or known.recorded.other_paths(content)[1]:
        yield root
        return
    for earlier in contents:
        yield Root(Source(earlier), root.at, "modified", _CHANGED)


def _gone(path: bytes, known: Known) -> Iterator[Root]:
    contents = known.recorded.contents_at(lookup.recorded_path(path))
    if not contents:
        name = os.fsdecode(path) or "''"
        raise NotFound(f"{name} does not exist, and no run is known that had it", "Check the path.", 2)
    for content in contents:
        yield Root(Source(content), b"", "missing", _GONE)
