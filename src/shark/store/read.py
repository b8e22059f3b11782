"""Reading back the manifest that is attached to a file: from its attributes, or from the sidecar beside it.

Nothing here raises over what was found: a manifest that cannot be read is a problem in words, for the user to see.
"""

from __future__ import annotations

import os
import zlib

from shark.store import files, manifests
from shark.store.attach import ATTRIBUTE, COMPRESSED
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any, Literal, TypeAlias

    Source: TypeAlias = Literal["xattr", "sidecar", "none"]


class Reading(NamedTuple):
    """What one place held: the manifest (None if nothing or nothing readable), the place, and what is wrong ("" if
    nothing). A manifest with `summary: true` is only the short form.
    """

    manifest: dict[str, Any] | None
    source: Source
    problem: str


NOTHING = Reading(None, "none", "")


def read_attached(path: bytes) -> Reading:
    """Read the manifest of a file: the first place that has one, a whole one before a summary.

    If no place has one, but one is damaged, that problem comes back. Never raises.
    """
    places = read_places(path)
    whole = [reading for reading in places if reading.manifest and not reading.manifest.get("summary")]
    some = [reading for reading in places if reading.manifest]
    return next(iter(whole + some + places), NOTHING)


def read_places(path: bytes) -> list[Reading]:
    """Read both places, attribute first; a place that holds nothing is left out. Never raises."""
    return [reading for reading in (_attribute(path), _sidecar(path)) if reading != NOTHING]


def _attribute(path: bytes) -> Reading:
    try:
        descriptor = files.open_regular(path)
    except (OSError, ValueError) as error:
        return _problem("xattr", error)
    if descriptor is None:
        return NOTHING
    try:
        text = os.getxattr(descriptor, ATTRIBUTE)
        manifest, problem = manifests.parse(text)
        if manifest is not None and manifest.get("summary"):
            return _whole(descriptor, manifest, problem)
        return Reading(manifest, "xattr", _of("attribute", problem))
    except OSError as error:
        return _problem("xattr", error)
    finally:
        os.close(descriptor)


def _whole(descriptor: int, summary: dict[str, Any], problem: str) -> Reading:
    """Read the compressed attribute beside a summary; the summary itself where that is not possible."""
    try:
        text, trouble = inflate(os.getxattr(descriptor, COMPRESSED))
    except OSError as error:
        return Reading(summary, "xattr", _problem("xattr", error).problem or _of("attribute", problem))
    if trouble:
        return Reading(summary, "xattr", trouble)
    manifest, problem = manifests.parse(text)
    if manifest is None:
        return Reading(summary, "xattr", _of("compressed attribute", problem))
    if manifest.get("run") != summary.get("run"):
        return Reading(summary, "xattr", "the compressed attribute is of another run than the summary beside it")
    return Reading(manifest, "xattr", _of("compressed attribute", problem))


def inflate(packed: bytes) -> tuple[bytes, str]:
    """Decompress the attribute beside a summary: the text, or b"" and what is wrong.

    No further than a manifest can be long: 64 KiB may hold 64 MiB of zeros.
    """
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, manifests.LARGEST + 1)
    except zlib.error:
        return b"", "the compressed attribute is damaged: not zlib"
    if len(text) > manifests.LARGEST:
        return b"", f"the compressed attribute is damaged: over {manifests.LARGEST >> 20} MiB"
    return (text, "") if unpacker.eof else (b"", "the compressed attribute is damaged: it breaks off")


def _sidecar(path: bytes) -> Reading:
    try:
        text = files.read_regular(manifests.sidecar_path(path), manifests.LARGEST)
    except (OSError, ValueError) as error:
        return _problem("sidecar", error)
    if text is None:
        return Reading(None, "sidecar", "the sidecar is not a regular file, or too large")
    manifest, problem = manifests.parse(text)
    return Reading(manifest, "sidecar", _of("sidecar", problem))


def _of(place: str, problem: str) -> str:
    return f"the manifest in the {place}: {problem}" if problem else ""


def _problem(source: Source, error: OSError | ValueError) -> Reading:
    if isinstance(error, OSError) and error.errno in manifests.ABSENT:
        return NOTHING
    place = "attribute" if source == "xattr" else "sidecar"
    return Reading(None, source, f"cannot read the {place}: {files.reason(error)}")
