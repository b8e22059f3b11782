"""A picture in the language of graphviz (https://graphviz.org/doc/info/lang.html). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shark.view import graph_style, words

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphEdge, GraphNode

_SHAPES = {
    "file": "note",
    "package": "component",
    "process": "box",
    "run": "box",
    "channel": "cds",
    "network": "ellipse",
}
_STYLES = {"start": "dotted", "control": "dashed", "same": "dashed", "list": "dashed"}
_TIP = 2000
"""So many characters of a tip; commands can be of any length, and graphviz reads no more than 16 KiB of one word."""


def dot(graph: Graph) -> str:
    """`graph` as DOT: data flows from left to right."""
    names = {node["id"]: f"n{number}" for number, node in enumerate(graph["nodes"])}
    return "\n".join(
        [
            "digraph shark {",
            "  graph [rankdir=LR, ranksep=0.6, nodesep=0.2, bgcolor=transparent];",
            f"  graph [tooltip={quoted(graph['title'][:_TIP])}];",
            '  node [fontname="Helvetica", fontsize=11, style=filled, margin="0.12,0.06"];',
            f'  edge [color="{graph_style.LINE[0]}", arrowsize=0.7];',
            *(_node(names[node["id"]], node) for node in graph["nodes"]),
            *_edges(graph["edges"], names),
            "}\n",
        ]
    )


def quoted(text: str) -> str:
    r"""A quoted string; graphviz would take `\N` for a node's name and `&lt;` for a character.

    >>> print(quoted('a "b" \\N &lt;'))
    "a \"b\" \\N &amp;lt;"
    """
    shown = words.visible(text).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return f'"{shown}"'


def _node(name: str, node: GraphNode) -> str:
    sort = graph_style.sort_of(node)
    look = graph_style.LIGHT[sort]
    kind = node.get("of", "file") if node["kind"] == "group" else node["kind"]
    label = quoted(node["label"])[:-1] + (f"\\n{quoted(node['note'])[1:]}" if node.get("note") else '"')
    parts = {
        "label": label,
        "shape": _SHAPES[kind],
        "fillcolor": f'"{look.fill}"',
        "color": f'"{graph_style.FAILED[0] if graph_style.failed(node) else look.line}"',
        "fontcolor": f'"{look.ink}"',
        "class": sort,
        "tooltip": quoted(tip(node)[:_TIP]),
    }
    if kind in {"process", "run"}:
        parts["style"] = '"filled,rounded"'
    if node["kind"] == "group":
        parts["peripheries"] = "2"
    if graph_style.failed(node):
        parts["penwidth"] = "2.5"
    return f"  {name} [{', '.join(f'{key}={value}' for key, value in parts.items())}];"


def tip(node: GraphNode) -> str:
    """What is worth to be known of a node beside its label: its path or command, and its digest."""
    parts = [words.command(node["argv"]) if node.get("argv") else node.get("path") or node.get("package", "")]
    how, failed = words.ending(node)
    parts += [how] if failed else []
    parts += [f"sha256 {node['sha256']}"] if "sha256" in node else []
    return "  ".join(filter(None, parts)) or node["label"]


def _edges(edges: list[GraphEdge], names: dict[str, str]) -> Iterator[str]:
    """One arrow between two nodes: that one was read and executed makes no second one."""
    found: dict[tuple[str, str], str] = {}
    for edge in edges:
        style = "dashed" if edge.get("certain") is False else _STYLES.get(edge["kind"], "solid")
        key = names[edge["from"]], names[edge["to"]]
        if found.get(key) != "solid":
            found[key] = style
    for (source, target), style in found.items():
        yield f"  {source} -> {target}" + (f" [style={style}];" if style != "solid" else ";")
