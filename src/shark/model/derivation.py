"""From what each output derives, read from a run record alone.

`whole_run` is the choice for `scope: "run"`: every output derives from all that the run read. A choice that follows the
data between processes can take its place: the edges carry order, process and image for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from shark.model.questions import is_sidecar

if TYPE_CHECKING:
    from shark.model.documents import EdgeEntry, FileEntry, InputEntry, OutputEntry, RunRecord, VersionEntry

_TAKES = frozenset({"read", "exec"})
_LISTED = frozenset({"data", "code", "config"})
_KINDS = frozenset({"file", "fifo"})


class Derivation(NamedTuple):
    """From what one output derives. The lists may be shared between outputs: do not change them.

    `own` are inputs besides `inputs`, which many outputs have in common: the output's own earlier content.
    """

    scope: Literal["output", "run"]
    inputs: list[InputEntry]
    controls: list[InputEntry]
    software: list[str]
    own: tuple[InputEntry, ...] = ()


Derive = Callable[["RunRecord"], Callable[["OutputEntry"], Derivation]]
"""Prepares a record once, and then answers for each of its outputs."""


class Contents:
    """The files and versions of a record by their numbers."""

    def __init__(self, record: RunRecord) -> None:
        self.files: dict[int, FileEntry] = {entry["n"]: entry for entry in record["files"]}
        self.versions: dict[tuple[int, int], VersionEntry] = {
            (entry["n"], version["n"]): version for entry in record["files"] for version in entry["versions"]
        }

    def origin(self, file: int, version: int, *, written: bool = False) -> int | None:
        """The version that this run did not make and whose content `version` continues, or is; None if there is none.

        With `written`, only as far as a write-open that read nothing makes it so: not through a log that the command
        inherited, nor to an empty file, from which nothing can derive.
        """
        entry = self.versions.get((file, version))
        first = True
        while entry is not None:
            if "by" not in entry:
                return None if written and not first and entry.get("size") == 0 else entry["n"]
            if "base" not in entry or (written and entry.get("log")):
                return None
            entry = self.versions.get((file, entry["base"]))
            first = False
        return None

    def listed(self, file: int) -> bool:
        """True if a manifest's inputs name this file, should an output derive from it.

        A pipe that was opened through /dev/fd is a FIFO too, but has no name: a number of the kernel's means nothing.
        """
        entry = self.files[file]
        kind = entry.get("kind", "file")
        named = kind in _KINDS and (kind != "fifo" or entry["path"].startswith("/"))
        return named and entry["role"] in _LISTED and not is_sidecar(_name(entry))

    def entry(self, file: int, version: int, used: str | None) -> InputEntry:
        """A manifest's entry for a file version."""
        about, content = self.files[file], self.versions[file, version]
        entry: InputEntry = {"path": about["path"]}
        if used is not None and used != about["path"]:
            entry["as"] = used
        if "sha256" in content:
            entry["sha256"] = content["sha256"]
        if content.get("size", -1) >= 0 and about.get("kind", "file") == "file":
            entry["size"] = content["size"]
        entry["role"] = about["role"]
        if "run" in content:
            entry["run"] = content["run"]
        elif "runs" in content:
            entry["runs"] = content["runs"]
        return entry


def input_versions(record: RunRecord) -> dict[tuple[int, int], str | None]:
    """All inputs of a run: (file, version) numbers, and the path as used if it was another one."""
    contents = Contents(record)
    found = _read(contents, record["edges"])
    for output in record["outputs"]:
        base = _base(contents, output)
        if base is not None:
            found.setdefault(base, None)
    return found


def software_of(record: RunRecord) -> list[str]:
    """The packages whose files the run executed or loaded, sorted."""
    taken = {edge["file"] for edge in record["edges"] if edge["access"] in _TAKES}
    packages = {
        entry["package"]
        for entry in record["files"]
        if entry["n"] in taken and "package" in entry and not entry.get("modified")
    }
    return sorted(packages)


def whole_run(record: RunRecord) -> Callable[[OutputEntry], Derivation]:
    """Every output derives from all that the run read, and from its own earlier content if that was kept."""
    contents = Contents(record)
    read = _read(contents, record["edges"])
    common = _entries(contents, read)
    software = record["software"]

    def derive(output: OutputEntry) -> Derivation:
        base = _base(contents, output)
        own = () if base is None or base in read else (contents.entry(*base, None),)
        return Derivation("run", common, [], software, own)

    return derive


def _read(contents: Contents, edges: Iterable[EdgeEntry]) -> dict[tuple[int, int], str | None]:
    found: dict[tuple[int, int], str | None] = {}
    written = _written_channels(contents, edges)
    for edge in edges:
        if edge["access"] not in _TAKES or edge["file"] in written or not contents.listed(edge["file"]):
            continue
        origin = contents.origin(edge["file"], edge["version"])
        if origin is not None and found.get((edge["file"], origin)) is None:
            found[edge["file"], origin] = edge.get("as")
    return found


def _written_channels(contents: Contents, edges: Iterable[EdgeEntry]) -> set[int]:
    """FIFOs into which the run itself wrote: what came out of them is not from outside."""
    return {
        edge["file"]
        for edge in edges
        if edge["access"] == "write" and contents.files[edge["file"]].get("kind", "file") == "fifo"
    }


def _base(contents: Contents, output: OutputEntry) -> tuple[int, int] | None:
    """The output's own earlier content, if something of it was kept: (file, version)."""
    origin = contents.origin(output["file"], output["version"], written=True)
    return (output["file"], origin) if origin is not None and contents.listed(output["file"]) else None


def _entries(contents: Contents, found: dict[tuple[int, int], str | None]) -> list[InputEntry]:
    entries = [(contents.entry(file, version, used), file, version) for (file, version), used in found.items()]
    entries.sort(key=lambda row: (row[0]["path"], row[1], row[2]))
    return [entry for entry, _, _ in entries]


def _name(entry: FileEntry) -> bytes:
    return entry["path"].encode("utf-8", "surrogatepass")
