"""From what each output derives, read from a run record alone.

`whole_run` is the choice for `scope: "run"`: every output derives from all that the run read. `lineage.by_output`
follows the data from process to process, where the record tells enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from shark.model.questions import is_sidecar
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    from shark.model.documents import EdgeEntry, FileEntry, InputEntry, OutputEntry, RunRecord, VersionEntry

TAKES = frozenset({"read", "exec"})
"""What a process does that takes in a content."""
_LISTED = frozenset({"data", "code", "config"})


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
        return is_listed(self.files[file])

    def entry(self, file: int, version: int, used: str | None) -> InputEntry:
        """A manifest's entry for a file version."""
        about, content = self.files[file], self.versions[file, version]
        path = about["path"]
        entry: InputEntry = {"path": path}
        if used is not None and used != path:
            entry["as"] = used
        if "sha256" in content:
            entry["sha256"] = content["sha256"]
        size = content.get("size", -1)
        if size >= 0 and about.get("kind", "file") == "file":
            entry["size"] = size
        entry["role"] = about["role"]
        if "run" in content:
            entry["run"] = content["run"]
        elif "runs" in content:
            entry["runs"] = content["runs"]
        return entry


def is_listed(entry: FileEntry) -> bool:
    """What `Contents.listed` tells, of a file's entry."""
    if entry["role"] not in _LISTED:
        return False
    kind, path = entry.get("kind", "file"), entry["path"]
    named = kind == "file" or (kind == "fifo" and path.startswith("/"))
    return named and not (path.endswith(".shark") and is_sidecar(_name(entry)))


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
    taken = {edge["file"] for edge in record["edges"] if edge["access"] in TAKES and "file" in edge}
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
    common = list(entries(contents, read).values())
    software = record["software"]

    def derive(output: OutputEntry) -> Derivation:
        base = _base(contents, output)
        own = () if base is None or base in read else (contents.entry(*base, None),)
        return Derivation("run", common, [], software, own)

    return derive


def _read(contents: Contents, edges: Iterable[EdgeEntry]) -> dict[tuple[int, int], str | None]:
    edges = list(edges)
    written = written_channels(contents, edges)
    return {
        key: used
        for key, used in used_names(contents, edges).items()
        if key[0] not in written and contents.listed(key[0])
    }


def used_names(contents: Contents, edges: Iterable[EdgeEntry]) -> dict[tuple[int, int], str | None]:
    """The versions that the run did not make and read, by (file, version), and the path as used if it was another."""
    found: dict[tuple[int, int], str | None] = {}
    versions = contents.versions
    for edge in edges:
        if edge["access"] not in TAKES or "file" not in edge:
            continue
        key = edge["file"], edge["version"]
        version = versions.get(key)
        if version is None:
            continue
        if "by" in version:
            origin = contents.origin(*key)
            if origin is None:
                continue
            key = key[0], origin
        if found.get(key) is None:
            found[key] = edge.get("as")
    return found


def written_channels(contents: Contents, edges: Iterable[EdgeEntry]) -> set[int]:
    """FIFOs that the run itself made, or into which it wrote: they are not from outside, nor what came out of them."""
    fifos = {n for n, entry in contents.files.items() if entry.get("kind") == "fifo"}
    written = (edge for edge in edges if edge["access"] in ("write", "create")) if fifos else ()
    return {edge["file"] for edge in written if edge.get("file") in fifos}


def _base(contents: Contents, output: OutputEntry) -> tuple[int, int] | None:
    """The output's own earlier content, if something of it was kept: (file, version)."""
    origin = contents.origin(output["file"], output["version"], written=True)
    return (output["file"], origin) if origin is not None and contents.listed(output["file"]) else None


def entries(contents: Contents, found: Mapping[tuple[int, int], str | None]) -> dict[tuple[int, int], InputEntry]:
    """A manifest's entries for file versions (with the path as used beside each), sorted by path."""
    return {key: contents.entry(*key, found[key]) for key in by_path(contents, found)}


def by_path(contents: Contents, keys: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """File versions sorted by path."""
    files = contents.files
    ordered = sorted(keys)  # they mostly are
    ordered.sort(key=lambda key: files[key[0]]["path"])
    return ordered


def _name(entry: FileEntry) -> bytes:
    return entry["path"].encode("utf-8", "surrogatepass")
