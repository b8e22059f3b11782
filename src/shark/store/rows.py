"""What the index keeps of a run record. Pure; takes any JSON object for a record, and leaves out what is odd in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from shark.model.derivation import input_versions

if TYPE_CHECKING:
    from shark.model.documents import RunRecord


class FileRow(NamedTuple):
    """A file version that a run made, or that it used and did not make. `sha256` is b"" if it has none, `size` -1."""

    path: bytes
    sha256: bytes
    size: int
    role: str


def outputs(record: Mapping[str, Any]) -> Iterator[FileRow]:
    """Iterate over the outputs, once for each name that a file has."""
    for output in _objects(record.get("outputs")):
        row = _row(output.get("path"), output, output.get("role"))
        if row is None:
            continue
        yield row
        names = output.get("names")
        for name in names if isinstance(names, list) else []:
            if isinstance(name, str) and encoded(name) != row.path:
                yield row._replace(path=encoded(name))


def inputs(record: Mapping[str, Any]) -> Iterator[FileRow]:
    """Iterate over the file versions that the manifests of the run name as inputs; none if the record is odd."""
    try:
        found = list(input_versions(cast("RunRecord", record)))
    except (KeyError, TypeError, AttributeError, ValueError):
        return  # not a shark's own record: the rest of it can still be asked
    files = {file["n"]: file for file in record["files"]}
    for number, version in found:
        file = files[number]
        content = next(entry for entry in file["versions"] if entry["n"] == version)
        row = _row(file["path"], content, file["role"])
        if row is not None:
            yield row


def encoded(path: str) -> bytes:
    r"""Give the bytes of a path of a document; what no path can be (a lone surrogate of another kind) keeps its escape.

    >>> encoded("a\udcff")
    b'a\xff'
    """
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path.encode("utf-8", "backslashreplace")


def digest(text: object) -> bytes:
    """Give the 32 bytes of a sha256 in hexadecimal, b"" for anything else."""
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
    return value if len(value) == 32 else b""


def _row(path: object, version: Mapping[str, Any], role: object) -> FileRow | None:
    if not isinstance(path, str):
        return None
    size = version.get("size")
    return FileRow(
        encoded(path),
        digest(version.get("sha256")),
        size if isinstance(size, int) and size < 1 << 63 else -1,
        role if isinstance(role, str) else "",
    )


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
