"""The picture of where a file comes from: the files and runs of its lineage. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from shark.view import graph_words, words
from shark.view.reading import Document, each, fields, mapping, number, text, texts, value

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphEdge, GraphNode

_KINDS = {"input": "read", "control": "control", "output": "write", "same": "same"}


def lineage_graph(document: Document, file: str, cwd: str = "") -> Graph:
    """The picture of a lineage document (`shark lineage --json`) of `file`; folders are shown as seen from `cwd`."""
    edges = [edge for edge in each(document, "edges") if text(edge, "kind") in _KINDS]
    made = {text(edge, "to") for edge in edges if text(edge, "kind") in {"output", "same"}}
    roots = set(texts(document, "roots"))
    nodes: list[GraphNode] = []
    for node in each(document, "nodes"):
        name = text(node, "id")
        if text(node, "kind") == "run":
            nodes.append(_run(node))
        elif text(node, "kind") == "file":
            place = "output" if name in roots else "intermediate" if name in made else "input"
            nodes.append(_file(node, place, cwd))
    known = {node["id"] for node in nodes}
    graph: dict[str, Any] = {
        "schema": "shark/graph/1",
        "title": words.visible(file),
        "file": file,
        "detail": "all",
        "nodes": nodes,
        "edges": [edge for edge in _edges(edges) if {edge["from"], edge["to"]} <= known],
    }
    return cast("Graph", graph)


def _edges(edges: list[Document]) -> Iterator[GraphEdge]:
    """Every arrow once: an input may concern several outputs of a run."""
    found: dict[tuple[str, str, str], bool] = {}
    for edge in edges:
        key = text(edge, "from"), text(edge, "to"), _KINDS[text(edge, "kind")]
        found[key] = found.get(key, False) or value(edge, "certain") is not False
    for (source, target, kind), certain in found.items():
        joined: dict[str, Any] = {"from": source, "to": target, "kind": kind}
        yield cast("GraphEdge", joined if certain else {**joined, "certain": False})


def _file(node: Document, place: str, cwd: str) -> GraphNode:
    path = text(node, "path")
    size, files = number(node, "size"), number(node, "files")
    where = graph_words.short(graph_words.folder(path, cwd), graph_words.NOTE - 12)
    count = words.counted(int(files), "file") if files else ""
    shown: dict[str, Any] = {"id": text(node, "id"), "kind": "file"}
    shown["label"] = graph_words.short(graph_words.base(path), graph_words.TITLE)
    shown["note"] = " · ".join(filter(None, (count, where, words.size(size) if size is not None else "")))
    shown |= fields(node, ("path", "role", "sha256"), ("size",))
    shown["place"] = place
    if text(node, "why"):
        shown["unknown"] = text(node, "why")
    return cast("GraphNode", shown)


def _run(node: Document) -> GraphNode:
    command = mapping(node, "command")
    argv = texts(command, "argv")
    label = graph_words.short(graph_words.program(argv), graph_words.TITLE) if argv else "unknown run"
    shown: dict[str, Any] = {"id": text(node, "id"), "kind": "run", "label": label}
    shown["note"] = graph_words.cut(graph_words.arguments(argv), graph_words.NOTE)
    shown["run"] = text(node, "run")
    if argv:
        shown["argv"] = argv
    shown |= fields(command, ("cwd", "start", "end"), ("seconds", "exit", "signal"))
    if text(node, "why"):
        shown["unknown"] = text(node, "why")
    return cast("GraphNode", shown)
