"""The document of a graph while it is put together: nodes and edges, each once. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

from shark.ancestry.values import About, Content, Making, Unknown

if TYPE_CHECKING:
    from shark.view.documents import FileNode, LineageEdge, RunNode, StepEntry

_Key = tuple[str, str, str, str]


class Drawing:
    """Nodes and edges in the order in which they were found."""

    def __init__(self) -> None:
        self.nodes: dict[object, dict[str, Any]] = {}
        self._files = 0
        self._edges: dict[_Key, dict[str, Any]] = {}

    def file(self, content: Content, depth: int, *, size: int = -1, role: str = "", files: int = 0) -> dict[str, Any]:
        """Give the node of a content, new or not; what is known of it by now is added."""
        node = self.nodes.get(content)
        if node is None:
            self._files += 1
            name = f"f{self._files}"
            node = {"id": name, "kind": "file", "path": content.path.decode("utf-8", "surrogateescape"), "depth": depth}
            self.nodes[content] = node
            if content.sha256:
                node["sha256"] = content.sha256
        for key, value, empty in (("size", size, -1), ("role", role, ""), ("files", files, 0)):
            if value != empty:
                node.setdefault(key, value)
        return node

    def run(self, making: Making, depth: int) -> dict[str, Any]:
        """Give the node of the part of a run that made something."""
        node = self.bare_run(making.about, depth, making.part)
        if making.scope:
            node["scope"] = making.scope
        if making.end:
            ended(node, making.end)
        return node

    def bare_run(self, about: About, depth: int, part: int = 0) -> dict[str, Any]:
        """Give the node of a run, or of one of its parts."""
        name = f"{about.run}/{part}" if part else about.run
        node = self.nodes.get(name)
        if node is None:
            node = {"id": name, "kind": "run", "run": about.run, "source": about.source, "depth": depth}
            optional = (("part", part), ("name", about.name), ("command", about.command))
            node.update({key: value for key, value in optional if value})
            self.nodes[name] = node
        return node

    def add_steps(self, run: dict[str, Any], steps: list[StepEntry]) -> None:
        """Add processes to the node of a run: another output may have come about by others."""
        if steps:
            every = {step["process"]: step for step in (*run.get("steps", ()), *steps)}
            run["steps"] = [every[number] for number in sorted(every)]

    def unknown_run(self, run: str, why: Unknown, depth: int) -> dict[str, Any]:
        """Give the node of a run of which nothing but the id is known."""
        node = {"id": run, "kind": "run", "run": run, "source": "none", "depth": depth, "end": why.end, "why": why.why}
        return self.nodes.setdefault(run, node)

    def edge(
        self,
        source: str,
        target: str,
        kind: Literal["input", "control", "output", "same"],
        *,
        used: bytes = b"",
        certain: bool = True,
        only: str = "",
    ) -> None:
        """Add an edge, if it is not there; one that is certain stays so."""
        edge = self._edges.setdefault((source, target, kind, only), {"from": source, "to": target, "kind": kind})
        if used:
            edge.setdefault("as", used.decode("utf-8", "surrogateescape"))
        if only:
            edge["only"] = only
        if certain:
            edge.pop("certain", None)
            edge["sure"] = True
        elif "sure" not in edge:
            edge["certain"] = False

    def finished(self) -> tuple[list[FileNode | RunNode], list[LineageEdge]]:
        """Give the nodes and edges."""
        edges = [{key: value for key, value in edge.items() if key != "sure"} for edge in self._edges.values()]
        return cast("Any", list(self.nodes.values())), cast("Any", edges)


def ended(node: dict[str, Any], why: Unknown) -> None:
    """Note on a node why the graph goes no further there."""
    node["end"], node["why"] = why.end, why.why
