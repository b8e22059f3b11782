"""What counts as a manifest, and where the sidecar of a file lies.

Attributes and sidecars come from anybody and may be anything: nothing here raises over what it finds in them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from shark import jsontext
from shark.store import files
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

SCHEMA = "shark/manifest/1"
LARGEST = 16 << 20
"""No manifest is longer than this many bytes: inputs fold over 64 KiB, and a command line has at most 2 MiB."""

ABSENT = frozenset((errno.ENODATA, errno.ENOTSUP, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG))
"""What reading a place says where there is no manifest, rather than one that cannot be read."""

_FAMILY = "shark/manifest/"
_OWN_BEGINNING = b'{"schema":"shark/manifest/'
_LEGACY = frozenset(("args", "start", "inputs", "outputs"))
_MOST_PROBLEMS = 3

_SHAPE: dict[str, type | tuple[type, ...]] = {
    "run": str,
    "scope": str,
    "made": str,
    "output": dict,
    "inputs": list,
    "controls": list,
    "software": list,
    "command": dict,
    "process": dict,
    "git": list,
    "host": dict,
    "container": dict,
    "scheduler": dict,
    "ci": dict,
    "env": dict,
    "network": list,
    "coverage": dict,
    "summary": bool,
    "manifest_sha256": str,
    "counts": dict,
    "shark": str,
}
"""The type of each known field; a summary's `command` may be text as well."""

_ELEMENTS: dict[str, type] = {"inputs": dict, "controls": dict, "software": str, "git": dict, "network": dict}
_FILE: dict[str, type] = {"path": str, "as": str, "sha256": str, "size": int, "role": str, "run": str}


def sidecar_path(path: bytes) -> bytes:
    """Give the path of a file's sidecar.

    >>> sidecar_path(b"/a/plot.png")
    b'/a/.plot.png.shark'
    """
    directory, name = os.path.split(path)
    return os.path.join(directory, b"." + name + b".shark")


def stands_at(sidecar: bytes) -> bool | None:
    """Tell what stands at a sidecar's path: a manifest (True), something else (False), nothing (None).

    Raises OSError.
    """
    try:
        text = files.read_regular(sidecar, LARGEST)
    except FileNotFoundError:
        return None
    return text is not None and is_manifest(text)


def is_manifest(text: bytes) -> bool:
    """Tell whether `text` is a manifest of any version, a pyshark's included: only such a file may be removed."""
    if text.startswith(_OWN_BEGINNING) and text.endswith(b"}"):
        return True  # as shark writes them: no need to parse some 60 KiB
    document = _object(text)
    return isinstance(document, dict) and (_schema(document).startswith(_FAMILY) or is_legacy(document))


def is_legacy(document: Mapping[str, Any]) -> bool:
    """Tell whether a JSON object is a manifest of pyshark, the predecessor: it has no schema, but these keys."""
    return "schema" not in document and document.keys() >= _LEGACY


def parse(text: bytes) -> tuple[dict[str, Any] | None, str]:
    """Read a manifest: the document, or None; and what is wrong with it, "" if nothing.

    Known fields of the wrong type are left out, and named in the problem. A pyshark manifest comes back as it is.
    """
    document = _object(text)
    if isinstance(document, str):
        return None, document
    if is_legacy(document):
        return document, ""
    schema = _schema(document)
    if not schema.startswith(_FAMILY):
        return None, "not a manifest: no schema of shark's"
    if schema != SCHEMA:
        return None, f"a newer shark wrote it (schema {schema[:40]}, expected {SCHEMA})"
    wrong: list[str] = []
    manifest = {key: _shaped(key, value, wrong) for key, value in document.items()}
    manifest = {key: value for key, value in manifest.items() if value is not None}
    if "output" not in manifest:
        return None, "damaged: it does not say which file it describes"
    return manifest, _sentence(wrong)


def digest_of(manifest: Mapping[str, Any], path: bytes) -> tuple[str, str]:
    """Give the digest of the content that a manifest describes, and the algorithm; ("", "") if it names none.

    pyshark listed all outputs of its run, with SHA-1: the one with this name counts, or the only one.
    """
    if not is_legacy(manifest):
        digest = manifest.get("output", {}).get("sha256", "")
        return (digest, "sha256") if digest else ("", "")
    outputs = manifest["outputs"] if isinstance(manifest["outputs"], list) else []
    known = {
        os.path.basename(str(o.get("path"))): o.get("sha") or o.get("hash") for o in outputs if isinstance(o, dict)
    }
    name = os.path.basename(os.fsdecode(path))
    digest = known.get(name, next(iter(known.values())) if len(known) == 1 else None)
    algorithm = {40: "sha1", 64: "sha256"}.get(len(digest), "") if isinstance(digest, str) else ""
    return (str(digest), algorithm) if algorithm else ("", "")


def _object(text: bytes) -> dict[str, Any] | str:
    """Parse a JSON object, or say what is wrong."""
    if len(text) > LARGEST:
        return f"damaged: over {LARGEST >> 20} MiB"
    try:
        document = jsontext.loads(text)
    except (ValueError, RecursionError):
        return "damaged: not JSON" if text else "damaged: empty"
    return document if isinstance(document, dict) else "damaged: not a JSON object"


def _schema(document: Mapping[str, Any]) -> str:
    schema = document.get("schema")
    return schema if isinstance(schema, str) else ""


def _shaped(key: str, value: object, wrong: list[str]) -> object:
    """Give the field's value without what has the wrong type in it; None for a field that is wrong altogether."""
    expected = _SHAPE.get(key)
    if expected is None or (key == "command" and isinstance(value, str)):
        return value
    if not isinstance(value, expected):
        wrong.append(key)
        return None
    if key in _ELEMENTS and isinstance(value, list):
        kept: list[Any] = [item for item in value if isinstance(item, _ELEMENTS[key])]
        if len(kept) < len(value):
            wrong.append(f"an element of {key}")
        return [_file(item, key, wrong) for item in kept] if key in ("inputs", "controls") else kept
    if key == "output" and isinstance(value, dict):
        return _file(value, key, wrong)
    return value


def _file(entry: dict[str, Any], key: str, wrong: list[str]) -> dict[str, Any]:
    bad = {name for name, kind in _FILE.items() if name in entry and not isinstance(entry[name], kind)}
    wrong.extend(f"{name} of {key}" for name in sorted(bad))
    return {name: value for name, value in entry.items() if name not in bad} if bad else entry


def _sentence(wrong: list[str]) -> str:
    if not wrong:
        return ""
    names = list(dict.fromkeys(wrong))
    more = f" and {len(names) - _MOST_PROBLEMS} more" if len(names) > _MOST_PROBLEMS else ""
    return f"damaged: wrong type of {', '.join(names[:_MOST_PROBLEMS])}{more}"
