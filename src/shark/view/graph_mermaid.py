"""A picture as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html), for Markdown pages. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shark.view import graph_style, words

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphNode

EDGES, CHARACTERS = 500, 50_000
"""Mermaid's own limits on a drawing (`maxEdges`, `maxTextSize`), unless its page is configured otherwise."""

_SHAPES = {
    "file": ("[", "]"),
    "package": ("[[", "]]"),
    "process": ("([", "])"),
    "run": ("([", "])"),
    "channel": (">", "]"),
    "network": ("{{", "}}"),
}
_ARROWS = {"start": "-.->", "control": "-.->", "same": "-.->", "list": "-.->"}
_PLAIN = frozenset(" ._-/,+=()[]:@%*·…")


def mermaid(graph: Graph) -> str:
    """`graph` as the text of a Mermaid block."""
    names = {node["id"]: f"n{number}" for number, node in enumerate(graph["nodes"])}
    lines = ["flowchart LR"]
    lines += [f"  {names[node['id']]}{_shape(node)}" for node in graph["nodes"]]
    arrows: dict[tuple[str, str], str] = {}
    for edge in graph["edges"]:
        key = names[edge["from"]], names[edge["to"]]
        arrow = "-.->" if edge.get("certain") is False else _ARROWS.get(edge["kind"], "-->")
        if arrows.get(key) != "-->":
            arrows[key] = arrow
    lines += [f"  {source} {arrow} {target}" for (source, target), arrow in arrows.items()]
    return "\n".join([*lines, *_classes(graph, names)]) + "\n"


def escaped(text: str) -> str:
    """Text for a label in quotes: everything that Mermaid, Markdown or HTML would act on as a character's number.

    >>> escaped('a "b" <c>')
    'a #34;b#34; #60;c#62;'
    """
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in words.visible(text))


def _shape(node: GraphNode) -> str:
    kind = node.get("of", "file") if node["kind"] == "group" else node["kind"]
    before, after = _SHAPES[kind]
    note = f"<br/><small>{escaped(node['note'])}</small>" if node.get("note") else ""
    return f'{before}"{escaped(node["label"])}{note}"{after}'


def _classes(graph: Graph, names: dict[str, str]) -> Iterator[str]:
    members: dict[str, list[str]] = {}
    for node in graph["nodes"]:
        members.setdefault(graph_style.sort_of(node), []).append(names[node["id"]])
    for sort, look in graph_style.LIGHT.items():
        if sort in members:
            yield f"  classDef {sort} fill:{look.fill},stroke:{look.line},color:{look.ink}"
            yield f"  class {','.join(members[sort])} {sort}"
    failed = [names[node["id"]] for node in graph["nodes"] if graph_style.failed(node)]
    if failed:
        yield f"  classDef failed stroke:{graph_style.FAILED[0]},stroke-width:3px"
        yield f"  class {','.join(failed)} failed"
