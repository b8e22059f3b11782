"""How much of a graph a picture shows: all, what matters with or without packages, or an overview. Pure.

`files` leaves out the files of packages and of the system, and the processes that had to do with none of the others.
`software` adds a node for each package. `overview` puts alike things together: 500 compilations become one node.
"""

from __future__ import annotations

import os.path
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, cast

from shark.view import graph_words, words

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphEdge, GraphNode

Detail = Literal["overview", "files", "software", "all"]
DETAILS: tuple[Detail, ...] = ("overview", "files", "software", "all")

MATTERS = frozenset({"data", "code", "config", ""})
PLAIN = frozenset({"", "file", "fifo"})
CLEAR = 60
"""A picture of more nodes than this is hard to read at once: then the overview comes first."""
ALIKE = 4
"""So many alike nodes become one in an overview; fewer are shown one by one."""
CROWDED = 40
"""An overview of more nodes than this is made coarser, as far as that goes."""


def reduced(graph: Graph, detail: Detail) -> Graph:
    """`graph` in the given detail."""
    if detail == "overview":
        return overview(reduced(graph, "files"))
    if detail == "all" or "file" in graph:  # a lineage has nothing else but what matters
        return _with(graph, detail, graph["nodes"], graph["edges"])
    shown = {node["id"] for node in graph["nodes"] if _matters(node)}
    shown |= _touching(graph, shown)
    packages = _Packages(graph) if detail == "software" else None
    edges = [edge for edge in graph["edges"] if edge["kind"] != "start" and {edge["from"], edge["to"]} <= shown]
    edges += _starts(graph, shown, edges)
    joined = {end for edge in edges for end in (edge["from"], edge["to"])} or shown
    kept = shown & joined
    nodes = [node for node in graph["nodes"] if node["id"] in kept]
    if packages is not None:
        added = list(packages.edges(kept))
        used = {edge["from"] for edge in added}
        nodes += [node for node in packages.nodes if node["id"] in used]
        edges += added
    return _with(graph, detail, nodes, edges)


def fitting(graph: Graph) -> Detail:
    """The detail in which a picture is best looked at first."""
    return "overview" if len(reduced(graph, "files")["nodes"]) > CLEAR else "files"


def overview(graph: Graph) -> Graph:
    """`graph` with alike nodes put together: files of one directory and kind, processes of one program between alike
    files.
    """
    found = _grouped(graph, 0)
    for coarseness in range(1, len(_FILE_KEYS)):
        if len(found["nodes"]) <= (CROWDED if coarseness < len(_FILE_KEYS) - 1 else CLEAR):
            break  # all inputs as one and all outputs as one tell little: that is for what cannot be read else
        found = _grouped(graph, coarseness)
    return found


def _with(graph: Graph, detail: Detail, nodes: list[GraphNode], edges: list[GraphEdge]) -> Graph:
    return cast("Graph", {**graph, "detail": detail, "nodes": nodes, "edges": edges})


def _matters(node: GraphNode) -> bool:
    if node["kind"] == "file":
        lock = words.is_semaphore(node.get("path", ""))
        return node.get("role", "") in MATTERS and node.get("type", "") in PLAIN and not lock
    return node["kind"] in {"run", "network"}


def _touching(graph: Graph, shown: set[str]) -> set[str]:
    """The processes that read or wrote something that is shown, the first one, by which all began, and what lies
    between such processes along pipes, sockets and memory: these channels, and processes that only passed data on.
    """
    processes = [node["id"] for node in graph["nodes"] if node["kind"] == "process"]
    known = set(processes)
    ends = {
        end
        for edge in graph["edges"]
        if edge["kind"] != "start" and {edge["from"], edge["to"]} & shown
        for end in (edge["from"], edge["to"])
    }
    found = (ends & known) | set(processes[:1])
    channels = {node["id"] for node in graph["nodes"] if node["kind"] == "channel"}
    after: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    for edge in graph["edges"]:
        if edge["kind"] == "channel" or {edge["from"], edge["to"]} & channels:
            after.setdefault(edge["from"], []).append(edge["to"])
            before.setdefault(edge["to"], []).append(edge["from"])
    return found | (_reached(found, after) & _reached(found, before))


def _reached(starts: set[str], near: dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    stack = [other for start in starts for other in near.get(start, ())]
    while stack:
        one = stack.pop()
        if one not in found:
            found.add(one)
            stack += near.get(one, ())
    return found


def _starts(graph: Graph, shown: set[str], flows: Iterable[GraphEdge]) -> Iterator[GraphEdge]:
    """For each process that is shown, the nearest one above it that is shown too: where the one above had read
    something (a script, a Makefile), or nothing else leads to the process.
    """
    fed = {edge["to"] for edge in flows}
    parents = {node["id"]: node["parent"] for node in graph["nodes"] if "parent" in node}
    for process in parents:
        if process not in shown:
            continue
        above = parents.get(process)
        seen = {process}
        while above is not None and above not in shown and above not in seen:
            seen.add(above)
            above = parents.get(above)
        if above is not None and above in shown and above not in seen and (above in fed or process not in fed):
            yield {"from": above, "to": process, "kind": "start"}


class _Packages:
    """A node for each package, in the place of its files."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._of: dict[str, str] = {}
        numbers: dict[str, str] = {}
        counts: dict[str, int] = {}
        for node in graph["nodes"]:
            purl = node.get("package")
            if node["kind"] == "file" and purl and not _matters(node):
                self._of[node["id"]] = numbers.setdefault(purl, f"s{len(numbers)}")
                counts[purl] = counts.get(purl, 0) + 1
        self.nodes: list[GraphNode] = [_package(n, purl, counts[purl]) for purl, n in numbers.items()]

    def edges(self, shown: set[str]) -> Iterator[GraphEdge]:
        """From each package to the processes that are shown and used it."""
        found: dict[tuple[str, str], int] = {}
        for edge in self._graph["edges"]:
            package = self._of.get(edge["from"])
            if package is not None and edge["to"] in shown:
                found[package, edge["to"]] = found.get((package, edge["to"]), 0) + 1
        for (package, process), count in found.items():
            arrow: GraphEdge = {"from": package, "to": process, "kind": "read"}
            if count > 1:
                arrow["count"] = count
            yield arrow


def _package(number: str, purl: str, files: int) -> GraphNode:
    ecosystem, name, version = words.package(purl)
    return {
        "id": number,
        "kind": "package",
        "label": graph_words.short(name, graph_words.TITLE),
        "note": graph_words.cut(" ".join(filter(None, (version, ecosystem))), graph_words.NOTE),
        "package": purl,
        "count": files,
    }


def _grouped(graph: Graph, coarseness: int) -> Graph:
    keys = _keys(graph, coarseness)
    groups: dict[Hashable, list[GraphNode]] = {}
    for node in graph["nodes"]:
        groups.setdefault(keys[node["id"]], []).append(node)
    nodes: list[GraphNode] = []
    stands: dict[str, str] = {}
    for members in groups.values():
        if len(members) < ALIKE:
            nodes += members
            stands |= {node["id"]: node["id"] for node in members}
        else:
            group = _group(f"g{len(nodes)}", members, _cwd(graph))
            nodes.append(group)
            stands |= {node["id"]: group["id"] for node in members}
    return _with(graph, "overview", nodes, _joined(graph["edges"], stands))


def _keys(graph: Graph, coarseness: int) -> dict[str, Hashable]:
    """For each node, what it shares with those that are like it."""
    keys: dict[str, Hashable] = {}
    for node in graph["nodes"]:
        keys[node["id"]] = ("only", node["id"])
        if node["kind"] == "file":
            keys[node["id"]] = _FILE_KEYS[coarseness](node)
        elif node["kind"] in {"package", "network", "channel"}:
            keys[node["id"]] = (node["kind"], node.get("type"))
    around: dict[str, set[Hashable]] = {}
    for edge in graph["edges"]:
        if edge["kind"] != "start":
            around.setdefault(edge["to"], set()).add(("in", keys[edge["from"]]))
            around.setdefault(edge["from"], set()).add(("out", keys[edge["to"]]))
    first = next((node["id"] for node in graph["nodes"] if node["kind"] in {"process", "run"}), "")
    for node in graph["nodes"]:
        if node["kind"] in {"process", "run"} and node["id"] != first:
            near = frozenset(around.get(node["id"], ())) if coarseness < 2 else None
            keys[node["id"]] = (node["kind"], node["label"], near)
    return keys


def _file_key(node: GraphNode) -> tuple[Hashable, ...]:
    folder, name = os.path.split(node.get("path", ""))
    return "file", node.get("place"), node.get("role"), os.path.splitext(name)[1], folder


_FILE_KEYS: tuple[Callable[[GraphNode], Hashable], ...] = (
    _file_key,
    lambda node: _file_key(node)[:-1],
    lambda node: _file_key(node)[:-1],
    lambda node: ("file", node.get("place"), os.path.dirname(node.get("path", ""))),
    lambda node: ("file", node.get("place")),
)
"""What makes files alike, from fine to coarse: a directory and a kind, the kind, the directory, none of them."""


def _group(number: str, members: list[GraphNode], cwd: str) -> GraphNode:
    first = members[0]
    files = first["kind"] == "file"
    noun = {"process": "processes"}.get(first["kind"], f"{first['kind']}s")
    group: dict[str, Any] = {
        "id": number,
        "kind": "group",
        "of": first["kind"],
        "label": _pattern(members) if files else first["label"] if first["kind"] in {"process", "run"} else noun,
        "note": f"{len(members):,} {noun}",
        "count": len(members),
        "members": [node["id"] for node in members],
    }
    if files:
        above = _common([os.path.dirname(node.get("path", "")) for node in members])
        where = graph_words.folder(os.path.join(above, "x"), cwd) if above else ""
        group["path"] = above
        group["note"] += f" in {graph_words.short(where, graph_words.NOTE - 16)}" if where else ""
        group |= {key: first[key] for key in ("place", "role") if key in first}
        sizes = [node["size"] for node in members if "size" in node]
        group |= {"size": sum(sizes)} if len(sizes) == len(members) else {}
    group |= _span(members)
    return cast("GraphNode", group)


def _span(members: list[GraphNode]) -> dict[str, Any]:
    """When the members began and ended, and how many of them failed."""
    starts = [node["start"] for node in members if "start" in node]
    ends = [node["end"] for node in members if "end" in node]
    failed = sum(words.ending(node)[1] for node in members)
    span: dict[str, Any] = {"start": min(starts), "end": max(ends)} if starts and ends else {}
    return span | ({"failed": failed} if failed else {})


def _pattern(members: list[GraphNode]) -> str:
    """A name with a star for what differs.

    >>> _pattern([{"path": "/a/tile-1.tif"}, {"path": "/a/tile-2.tif"}])
    'tile-*.tif'
    """
    names = [os.path.splitext(graph_words.base(node.get("path", ""))) for node in members]
    least, most = min(names)[0], max(names)[0]
    same = next((n for n, (a, b) in enumerate(zip(least, most, strict=False)) if a != b), min(len(least), len(most)))
    start = least[:same].rstrip("0123456789")
    endings = {ending for _, ending in names}
    return graph_words.short(f"{start}*{endings.pop() if len(endings) == 1 else ''}", graph_words.TITLE)


def _common(folders: Iterable[str]) -> str:
    absolute = {folder for folder in folders if folder.startswith("/")}
    return os.path.commonpath(absolute) if absolute else ""


def _joined(edges: Iterable[GraphEdge], stands: dict[str, str]) -> list[GraphEdge]:
    found: dict[tuple[str, str, str], int] = {}
    for edge in edges:
        key = stands[edge["from"]], stands[edge["to"]], edge["kind"]
        if key[0] != key[1]:
            found[key] = found.get(key, 0) + edge.get("count", 1)
    return [
        cast("GraphEdge", {"from": a, "to": b, "kind": kind, **({"count": n} if n > 1 else {})})
        for (a, b, kind), n in found.items()
    ]


def _cwd(graph: Graph) -> str:
    return graph.get("command", {}).get("cwd", "")
