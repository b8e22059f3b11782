"""The files below a directory, as one listing of each folder tells them: quickly, for a hundred thousand of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import NamedTuple

from shark.store.manifests import sidecar_path

VERSION_CONTROL = frozenset({b".git", b".hg", b".svn", b".jj"})
"""Folders below a directory that are not looked into: nobody asks where version control's own files come from."""

_SUFFIX = b".shark"
_CODEC = "utf-8", "surrogateescape"


class Found(NamedTuple):
    """A regular file: the name to show, its true path, and whether there is something in its sidecar's place.

    `shown` is the name as the user would write it: below the argument that was given.
    """

    shown: str
    path: bytes
    sidecar: bool


def find(argument: bytes, fault: Callable[[str, OSError], None]) -> Iterator[Found]:
    """The regular file that `argument` names, or those below it if it is a directory, in order of their paths.

    Sidecars are no files of their own, version control's are left out, and symbolic links below a directory are not
    followed. `fault` is told what could not be listed or looked at. Raises OSError for the argument itself.
    """
    true = os.path.realpath(argument)
    about = os.stat(true)
    if stat.S_ISDIR(about.st_mode):
        yield from _below(os.fsdecode(argument).rstrip("/") or "/", true, fault)
    elif stat.S_ISREG(about.st_mode):
        yield Found(os.fsdecode(argument), true, os.path.lexists(sidecar_path(true)))


def _below(shown: str, top: bytes, fault: Callable[[str, OSError], None]) -> Iterator[Found]:
    stack = [(shown, top)]
    while stack:
        name, folder = stack.pop()
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=attrgetter("name"))
        except OSError as error:
            fault(name, error)
            continue
        prefix = "" if name == "." else name.rstrip("/") + "/"
        sidecars = {entry.name for entry in entries if _is_sidecar(entry.name)}
        folders = []
        for entry in entries:
            if entry.name in sidecars:
                continue
            try:
                if entry.is_dir(follow_symlinks=False):
                    if entry.name in VERSION_CONTROL:
                        continue
                    folders.append((prefix + entry.name.decode(*_CODEC), entry.path))
                elif entry.is_file(follow_symlinks=False):
                    beside = bool(sidecars) and b"." + entry.name + _SUFFIX in sidecars
                    yield Found(prefix + entry.name.decode(*_CODEC), entry.path, beside)
            except OSError as error:
                fault(prefix + entry.name.decode(*_CODEC), error)
        stack.extend(reversed(folders))


def controlled(path: bytes, top: bytes) -> bool:
    """Tell whether a path below the directory `top` is version control's own."""
    return not VERSION_CONTROL.isdisjoint(os.path.relpath(path, top).split(b"/"))


def _is_sidecar(name: bytes) -> bool:
    return name.endswith(_SUFFIX) and name.startswith(b".") and len(name) > len(_SUFFIX) + 1
