"""Removing manifests from files. Only what parses as a manifest is removed; content and mtime stay as they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal, NamedTuple

from shark.model.questions import is_sidecar
from shark.store import files, manifests
from shark.store.attach import clear, remove_sidecar

Place = Literal["xattr", "sidecar"]
"""Where a manifest can be."""


class Stripped(NamedTuple):
    """What `strip` did to a file: the places that it freed and what hindered it, if anything."""

    freed: tuple[Place, ...]
    why: str


def strip(path: bytes) -> Stripped:
    """Remove the manifest of one file, from its attributes and from beside it. Anything but a regular file is left."""
    freed: list[Place] = []
    why = ""
    try:
        descriptor = files.open_regular(path)
        if descriptor is None:
            return Stripped((), "")
        try:
            if clear(descriptor):
                freed.append("xattr")
        finally:
            os.close(descriptor)
    except OSError as error:
        why = files.reason(error)
    try:
        if remove_sidecar(path):
            freed.append("sidecar")
    except OSError as error:
        why = why or files.reason(error)
    return Stripped(tuple(freed), why)


def strip_tree(directory: bytes) -> Iterator[tuple[bytes, Stripped]]:
    """Strip every regular file below `directory`, in order of their paths, sidecars whose file is gone included.

    Gives those for which something was done or hindered. Symbolic links are not followed, and other file systems are
    entered: what is below the directory is what a person sees there.
    """
    unlisted: list[OSError] = []
    for folder, folders, names in os.walk(directory, onerror=unlisted.append):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)
            done = _strip_orphan(path) if is_sidecar(path) else strip(path)
            if done.freed or done.why:
                yield path, done
    for error in unlisted:
        yield os.fsencode(error.filename), Stripped((), files.reason(error))


def _strip_orphan(path: bytes) -> Stripped:
    """Remove a sidecar whose file is gone; any other went, or goes, with its file."""
    directory, name = os.path.split(path)
    if os.path.lexists(os.path.join(directory, name[1 : -len(b".shark")])) or not os.path.lexists(path):
        return Stripped((), "")
    try:
        text = files.read_regular(path, manifests.LARGEST)
        if text is None or not manifests.is_manifest(text):
            return Stripped((), "")
        os.unlink(path)
    except OSError as error:
        return Stripped((), files.reason(error))
    return Stripped(("sidecar",), "")
