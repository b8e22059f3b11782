"""Compares what shark recorded with the truth of the model: nothing missed, digests right, nothing superfluous."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness import attached, digest

from .kernel import Node
from .scripts import Tree

Record = dict[str, Any]


def faults(record: Record, trees: Sequence[Tree]) -> dict[int, list[str]]:
    """What is wrong with a record, and with the manifests on the files: sentences by the tree's number."""
    seen = _Seen(record)
    found = {tree.number: list(_Judge(seen, tree, trees).faults()) for tree in trees}
    return {number: wrong for number, wrong in found.items() if wrong}


class _Seen:
    """A record, by what one asks of it. Made of the contract alone, without shark's code."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.files: dict[int, Record] = {file["n"]: file for file in record["files"]}
        self.versions = {(f["n"], version["n"]): version for f in record["files"] for version in f["versions"]}
        self.by_path: dict[str, list[Record]] = defaultdict(list)
        self.by_digest: dict[str, list[Record]] = defaultdict(list)
        for file in record["files"]:
            for path in {file["path"], *file.get("names", [])}:
                self.by_path[path].append(file)
            for version in file["versions"]:
                if "sha256" in version:
                    self.by_digest[version["sha256"]].append(file)
        self.edges: dict[tuple[int, str], list[Record]] = defaultdict(list)
        self.marks: dict[str, int] = {}
        self.missing: set[tuple[int, str]] = set()
        for edge in record["edges"]:
            if "channel" in edge:
                continue
            path = self.files[edge["file"]]["path"]
            self.edges[edge["process"], edge["access"]].append(edge)
            if edge["access"] == "missing":
                self.missing.add((edge["process"], path))
            if path.startswith("/mark/"):
                self.marks[path[6:]] = edge["process"]
        self.inputs = self._inputs()

    def base(self, file: int, version: int) -> Record | None:
        """The version from before the run that a version is, or continues."""
        entry = self.versions.get((file, version))
        while entry is not None and "by" in entry:
            entry = self.versions.get((file, entry["base"])) if "base" in entry else None
        return entry

    def _inputs(self) -> set[tuple[int, str]]:
        """File number and digest ("" for none) of each version from before that was read, or is part of an output."""
        edges = [edge for edge in self.record["edges"] if "file" in edge]
        taken = [edge for edge in edges if edge["access"] in {"read", "exec"}] + self.record["outputs"]
        found = set()
        for item in taken:
            base = self.base(item["file"], item["version"])
            if base is not None:
                found.add((item["file"], base.get("sha256", "")))
        return found


class _Judge:
    def __init__(self, seen: _Seen, tree: Tree, trees: Sequence[Tree]) -> None:
        self.seen = seen
        self.tree = tree
        self.trees = trees
        self.kernel = tree.kernel
        self.truth = tree.kernel.truth
        self.files = [node for node in self.kernel.nodes if node.kind == "file"]
        # A file that only stands under a name that was there before and that the run never used: nobody can find it.
        self.standing = [node for node in self.files if self.kernel.known(node)]

    def faults(self) -> Iterator[str]:
        yield from self.processes()
        yield from self.accesses()
        yield from self.outputs()
        yield from self.inputs()
        yield from self.missing()
        yield from self.manifests()

    def short(self, node: Node) -> str:
        paths = [os.path.relpath(path, self.kernel.root_path) for path in sorted(self.paths(node))]
        return "/".join(paths) if len(paths) == 1 else f"({', '.join(paths)})"

    def paths(self, node: Node) -> set[str]:
        """Where a node is, or every place where it was."""
        return {f"{self.kernel.path(d)}/{name}" for d, name in node.names} or node.paths

    def number(self, process: int) -> int:
        """The record's number of a process of the script."""
        return self.seen.marks.get(self.tree.mark(process), -1)

    def candidates(self, node: Node) -> list[Record]:
        """The record's files that may stand for a node."""
        if node.original:
            found = self.seen.by_digest.get(digest(node.original), [])
            if found:
                return found
        places = self.paths(node) | node.paths
        return [file for path in places for file in self.seen.by_path.get(path, [])] or (
            [] if places else self.seen.record["files"]
        )

    # --- what must be there

    def processes(self) -> Iterator[str]:
        for process in range(self.kernel.processes):
            if self.number(process) < 0:
                yield f"process {process} is not in the record"

    def accesses(self) -> Iterator[str]:
        """Every open shows as an access of that process, of the right kind."""
        for process, mode, node in dict.fromkeys(self.truth.accesses):
            numbers = {file["n"] for file in self.candidates(node)}
            number = self.number(process)
            kinds = ("read",) if mode == "r" else ("write", "create")
            if not any(e["file"] in numbers for kind in kinds for e in self.seen.edges.get((number, kind), [])):
                yield f"process {process} opened {self.short(node)} ({mode}): no such access"

    def inputs(self) -> Iterator[str]:
        must = set(self.truth.inputs)
        may = self.truth.may | must
        for node in self.standing:
            if node.based and node.original and node.made:
                must.add(node)
        listed = {sha for _, sha in self.seen.inputs}
        for node in sorted(must, key=lambda node: sorted(node.paths)):
            assert node.original is not None
            if digest(node.original) not in listed and not self.excused(node):
                yield f"the input {self.short(node)} is missed, or lacks the digest {digest(node.original)[:8]}"
        for node in self.files:
            if node.original and node not in may | must and digest(node.original) in listed:
                yield f"{self.short(node)} is listed as input, but its old content was never opened"
        for process, number in ((p, self.number(p)) for p in range(self.kernel.processes)):
            yield from self.superfluous(process, number)

    def excused(self, node: Node) -> bool:
        """Opened only when it had no name any more: there was nothing to hash at the end, and no call to hash it at."""
        if not node.orphan_read:
            return False
        return any(
            file["path"] in node.paths or file["path"].removesuffix(" (deleted)") in node.paths
            for file in self.seen.record["files"]
        )

    def superfluous(self, process: int, number: int) -> Iterator[str]:
        allowed = {path for p, mode, node in self.truth.accesses if p == process and "r" in mode for path in node.paths}
        for edge in self.seen.edges.get((number, "read"), []):
            path = self.seen.files[edge["file"]]["path"]
            if path.startswith(f"{self.kernel.root_path}/") and path not in allowed and self.named(path):
                yield f"process {process} did not read {os.path.relpath(path, self.kernel.root_path)}"

    def named(self, path: str) -> bool:
        return any(path in node.paths for node in self.files)

    def outputs(self) -> Iterator[str]:
        entries = [
            entry for entry in self.seen.record["outputs"] if entry["path"].startswith(f"{self.kernel.root_path}/")
        ]
        left = {entry["path"]: entry for entry in entries}
        if len(left) < len(entries):
            yield "an output is listed twice"
        for node in self.standing:
            mine = [left.pop(path) for path in self.paths(node) if path in left]
            yield from self.output(node, mine)
        for path in left:
            yield f"{path} is listed as output, where nothing is"

    def output(self, node: Node, mine: list[Record]) -> Iterator[str]:
        if not mine:
            if node.made:
                yield f"the output {self.short(node)} is missed"
            return
        if len(mine) > 1:
            yield f"{self.short(node)} is one file, and listed {len(mine)} times"
        if not node.made and not node.perhaps:
            yield f"{self.short(node)} is listed as output, but the run did not make its content"
        if mine[0].get("sha256") != digest(node.data):
            yield f"the output {self.short(node)} has another digest: {mine[0].get('sha256', 'none')[:8]}"
        if node.original is None and (names := set(mine[0].get("names", [mine[0]["path"]]))) != self.paths(node):
            yield f"the output {self.short(node)} has the names {names}"

    def missing(self) -> Iterator[str]:
        """A path that was not found: as it was said, or where links led; its directory may have moved since."""
        for process, path, said in dict.fromkeys(self.truth.missing):
            paths = {path, said}
            names = {os.path.basename(path) for path in paths} if self.truth.moved else set()
            number = self.number(process)
            seen = {seen for n, seen in self.seen.missing if n == number}
            if not (seen & paths or any(os.path.basename(path) in names for path in seen)):
                yield f"process {process} looked for {said} ({path}): not recorded as missing"

    # --- manifests

    def manifests(self) -> Iterator[str]:
        """Each output carries a manifest that tells its content, and lists at least the inputs that flowed into it."""
        for node in self.standing:
            if not node.made:
                continue
            path = min(self.paths(node))
            found = self.manifest(node)
            if found is None:
                yield f"no manifest on {self.short(node)}"
                continue
            if found["output"].get("sha256") != digest(node.data) or found["run"] != self.seen.record["id"]:
                yield f"the manifest on {path} is of another content or run"
            yield from self.flow(node, found)

    def manifest(self, node: Node) -> Record | None:
        """The attribute is on the file, a sidecar beside the name by which the file is listed."""
        return next(filter(None, (attached(Path(path)) for path in sorted(self.paths(node)))), None)

    def flow(self, node: Node, manifest: Record) -> Iterator[str]:
        inputs = {entry.get("sha256") for entry in manifest["inputs"]}
        listed = inputs | {entry.get("sha256") for entry in manifest.get("controls", [])}
        for origins, where, what in ((node.gives, inputs, "list"), (node.controls, listed, "even name")):
            for origin in origins:
                assert origin.original is not None
                if digest(origin.original) not in where and not self.excused(origin):
                    yield f"the manifest on {self.short(node)} does not {what} {self.short(origin)}"
        if manifest["scope"] != "output":
            yield f"the manifest on {self.short(node)} was not made for this output alone"
        else:
            strangers = {digest(n.original) for n in others(self.tree, self.trees) if n.original}
            if strangers & listed:
                yield f"the manifest on {self.short(node)} lists files of another tree"


def others(tree: Tree, trees: Iterable[Tree]) -> Iterator[Node]:
    """The files of the other trees, from which nothing can have come."""
    return (node for other in trees if other is not tree for node in other.kernel.nodes)
