"""A picture as one HTML page that needs nothing else: pan, zoom, search, folding, details, a time line. Pure.

The page's script and style are files (`shark/assets`) and come as arguments. All texts of the page are escaped as
`words.visible` does, and the script puts them on the page as text only; what may run is fixed by a content security
policy with the digests of script and style. So no name of a file can become markup.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from shark import jsontext
from shark.view import graph_detail, graph_style, words
from shark.view.graph_svg import drawn, route_kinds

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphNode

LIMIT = 20_000
"""A level of detail with more nodes, or four times as many arrows, is left out of the page: it would open slowly."""

_COMMON = {
    "ground": graph_style.GROUND,
    "line": graph_style.LINE,
    "failed": graph_style.FAILED,
    "ink": graph_style.INK,
    "faint": graph_style.FAINT,
}
_PLACE = re.compile(r"\{\{(?:policy|title|style|script|data)\}\}")
KINDS = ("read", "write", "exec", "list", "start", "control", "same", "channel")
_LEVELS = {
    "overview": ("Overview", "alike files and programs together"),
    "files": ("Files", "data, code and settings, one by one"),
    "software": ("Software", "also the packages that programs used"),
    "all": ("All", "also each file of packages and of the system"),
}


def page(graph: Graph, assets: Mapping[str, str], *, first: graph_detail.Detail | None = None) -> str:
    """The page of a whole graph (detail `all`), opened at the detail `first`, or at the one that fits.

    `assets` are the page's own files by their names: `graph.html` with its places for the others, `graph.css`, and the
    scripts, which are put together in the order of their names.
    """
    data = jsontext.dumps(_data(graph, first)).decode()
    style = _variables() + assets["graph.css"]
    script = "\n".join(assets[name] for name in sorted(assets) if name.endswith(".js"))
    parts = {
        "{{policy}}": f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; "
        "base-uri 'none'; form-action 'none'",
        "{{title}}": escape(words.visible(graph["title"])),
        "{{style}}": style,
        "{{script}}": script,
        # Inside of a JSON text "<" is in strings only, so that no end tag can be in it.
        "{{data}}": data.replace("<", "\\u003c"),
    }
    # In one pass: a name may look like the next placeholder.
    return _PLACE.sub(lambda found: parts[found[0]], assets["graph.html"])


def left_out(graph: Graph) -> list[str]:
    """The levels of detail that are too large for a page."""
    return [name for name in graph_detail.DETAILS if _too_large(graph_detail.reduced(graph, name))]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _variables() -> str:
    """The palette as CSS variables, for each theme."""
    rules = []
    for dark, palette in enumerate((graph_style.LIGHT, graph_style.DARK)):
        values = [
            f"--{sort}-{part}:{colour}" for sort, look in palette.items() for part, colour in look._asdict().items()
        ]
        values += [f"--{name}:{pair[dark]}" for name, pair in _COMMON.items()]
        rules.append(";".join(values))
    light, dark_ = rules
    return (
        f":root{{color-scheme:light;{light}}}\n:root[data-theme=dark]{{color-scheme:dark;{dark_}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark_}}}}}\n"
    )


def _data(graph: Graph, first: graph_detail.Detail | None) -> dict[str, Any]:
    nodes: list[GraphNode] = list(graph["nodes"])
    numbers = {node["id"]: n for n, node in enumerate(nodes)}
    levels: list[dict[str, Any]] = []
    shown: list[str] = []
    before: set[str] = set()
    for name in graph_detail.DETAILS:
        level = graph_detail.reduced(graph, name)
        own = {node["id"] for node in level["nodes"]}
        plain = name == "overview" and not any(node["kind"] == "group" for node in level["nodes"])
        if plain or own == before or _too_large(level):
            continue
        before = own
        levels.append(_level(level, nodes, numbers))
        shown.append(name)
    wanted = first or graph_detail.fitting(graph)
    return {
        "title": words.visible(graph["title"]),
        "facts": list(_about(graph)),
        "sorts": list(graph_style.WORDS),
        "words": list(graph_style.WORDS.values()),
        "kinds": KINDS,
        "height": graph_style.HEIGHT,
        "font": graph_style.FONT,
        "first": next((n for n, name in enumerate(shown) if name == wanted), 0),
        "levels": levels,
        "nodes": [_node(node, numbers) for node in nodes],
    }


def _too_large(level: Graph) -> bool:
    return len(level["nodes"]) > LIMIT or len(level["edges"]) > 4 * LIMIT


def _level(level: Graph, nodes: list[GraphNode], numbers: dict[str, int]) -> dict[str, Any]:
    """One level of detail, laid out; nodes that only it has (groups, packages) are added to `nodes`."""
    drawing = drawn(level)
    count = len(level["nodes"])
    own = []
    names = dict(numbers)
    for node in level["nodes"]:
        if node["id"] not in numbers:
            names[node["id"]] = len(nodes)
            nodes.append(node)
        own.append(names[node["id"]])
    label, why = _LEVELS[level["detail"]]
    edges = [n for e in level["edges"] for n in (names[e["from"]], names[e["to"]], KINDS.index(e["kind"]))]
    return {
        "name": level["detail"],
        "label": label,
        "why": why,
        "nodes": own,
        "boxes": [round(n, 1) for box in drawing.boxes[:count] for n in box[:3]],
        "blocks": [[round(n, 1) for n in box] for box in drawing.boxes[count:]],
        "members": drawing.members,
        "routes": [
            [route.source, route.target, KINDS.index(kind), *(round(n, 1) for point in route.points for n in point)]
            for route, kind in zip(drawing.routes, route_kinds(level, drawing), strict=True)
        ],
        "edges": edges,
        "size": [round(drawing.width, 1), round(drawing.height, 1)],
    }


def _node(node: GraphNode, numbers: Mapping[str, int]) -> dict[str, Any]:
    """A node for the script: `l`, `n` its words, `s` its sort, `f` it failed, `t` its times, `p` the node that started
    it, `m` its members, `d` what else is told of it.
    """
    sort = graph_style.sort_of(node)
    found: dict[str, Any] = {"l": node["label"], "s": list(graph_style.WORDS).index(sort), "d": list(_facts(node))}
    if node.get("note"):
        found["n"] = node["note"]
    if node["kind"] == "group":
        found["m"] = [numbers[member] for member in node["members"] if member in numbers]
    if graph_style.failed(node):
        found["f"] = 1
    start, end = words.parse_time(node.get("start", "")), words.parse_time(node.get("end", ""))
    if start is not None and node["kind"] in {"process", "run"}:
        found["t"] = [start.timestamp() * 1000, (end or start).timestamp() * 1000]
    if node.get("parent") in numbers:
        found["p"] = numbers[node["parent"]]
    return found


def _facts(node: GraphNode) -> Iterator[list[str]]:
    """What the page tells of a node: labels and texts."""
    for label, said in (
        ("Command", words.command(node["argv"]) if node.get("argv") else ""),
        *(("Before", words.command(argv)) for argv in node.get("before", ())),
        ("Path", node.get("path", "")),
        ("Ended", words.ending(node)[0]),
        ("Program", node.get("exe", "")),
        ("In", node.get("cwd", "")),
        ("Kind", _kind(node)),
        ("Package", node.get("package", "")),
        ("Size", _amount(node.get("size"))),
        ("SHA-256", node.get("sha256", "")),
        ("Changed", words.moment(node["mtime"]) if node.get("mtime") else ""),
        ("No digest", node.get("why", "")),
        ("Made by run" if node["kind"] == "file" else "Run", node.get("run", "")),
        ("Started", words.moment(node["start"]) if node.get("start") else ""),
        ("Took", words.duration(node.get("seconds"))),
        ("Processor", words.duration(node.get("cpu_seconds"))),
        ("Memory", words.size(node.get("max_rss"))),
        ("Read", words.size(node.get("read_bytes"))),
        ("Written", words.size(node.get("written_bytes"))),
        ("Failed", f"{node['failed']:,}" if node.get("failed") else ""),
        ("Not known", node.get("unknown", "")),
    ):
        if said:
            yield [label, words.visible(said)]


def _kind(node: GraphNode) -> str:
    if node["kind"] == "package":
        return words.counted(node.get("count", 0), "file") + " of a package"
    said = graph_style.WORDS[graph_style.sort_of(node)]
    parts = (said, node.get("type", ""), node.get("role", "") if node["kind"] == "file" else "")
    return ", ".join(filter(None, parts))


def _amount(size: int | None) -> str:
    if size is None:
        return ""
    return words.size(size) + (f" ({size:,} bytes)" if size >= 1000 else "")


def _about(graph: Graph) -> Iterator[list[str]]:
    command = graph.get("command")
    for label, said in (
        ("Command", words.command(command["argv"]) if command and command.get("argv") else ""),
        ("File", graph.get("file", "")),
        ("In", command.get("cwd", "") if command else ""),
        ("Started", words.moment(command["start"]) if command and command.get("start") else ""),
        ("Took", words.duration(command.get("seconds")) if command else ""),
        ("Ended", words.ending(command)[0] if command else ""),
        ("Run", graph.get("run", "")),
    ):
        if said:
            yield [label, words.visible(said)]
