"""A picture as SVG with a layout of shark's own, for machines without graphviz; light and dark. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from shark.view import graph_style, words
from shark.view.graph_dot import tip
from shark.view.graph_layout import Box, Drawing, Route, lay_out

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphNode

MARGIN, LEGEND = 24.0, 44.0
_DASHED = {"start": "1.5 4", "control": "6 4", "same": "6 4", "list": "6 4"}


def drawn(graph: Graph) -> Drawing:
    """The layout of a graph."""
    numbers = {node["id"]: n for n, node in enumerate(graph["nodes"])}
    lines = [(numbers[edge["from"]], numbers[edge["to"]]) for edge in graph["edges"]]
    sizes = [graph_style.size_of(node) for node in graph["nodes"]]
    return lay_out(sizes, lines, [(graph_style.sort_of(node), node["kind"]) for node in graph["nodes"]])


def svg(graph: Graph) -> str:
    """`graph` as an SVG document."""
    drawing = drawn(graph)
    kinds = route_kinds(graph, drawing)
    sorts = {graph_style.sort_of(node): None for node in graph["nodes"]}
    legend = sum(_legend_width(sort) for sort in sorts)
    width, height = max(drawing.width, legend) + 2 * MARGIN, drawing.height + 2 * MARGIN + LEGEND
    blocks = drawing.boxes[len(graph["nodes"]) :]
    size = f'width="{width:.0f}" height="{height:.0f}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
            f"<title>{text(graph['title'])}</title>",
            f"<style>{style()}</style>",
            _MARKER,
            f'<rect class="ground" {size}/>',
            f'<g transform="translate({MARGIN:.0f} {MARGIN:.0f})">',
            *(_rect(box, "block", 12) for box in blocks),
            *(_route(route, kind) for route, kind in zip(drawing.routes, kinds, strict=True)),
            *(_node(node, drawing.boxes[n]) for n, node in enumerate(graph["nodes"])),
            "</g>",
            *_legend(list(sorts), height),
            "</svg>\n",
        ]
    )


def route_kinds(graph: Graph, drawing: Drawing) -> list[str]:
    """For each line that is drawn, the kind of the arrows that it stands for; `maybe` where none of them is certain."""
    numbers = {node["id"]: n for n, node in enumerate(graph["nodes"])}
    kinds: dict[tuple[int, int], str] = {}
    for edge in graph["edges"]:
        key = drawing.vertex[numbers[edge["from"]]], drawing.vertex[numbers[edge["to"]]]
        kind = "same" if edge.get("certain") is False else edge["kind"]
        if kinds.get(key, "start") in _DASHED:
            kinds[key] = kind
    return [kinds[route.source, route.target] for route in drawing.routes]


def text(said: str) -> str:
    """Text for XML: every odd character is shown, since XML forbids most of them."""
    return escape(words.visible(said))


def style() -> str:
    """The style sheet, with other colours where the reader prefers dark."""
    base = (
        f".title{{font:600 12px {graph_style.FONT}}}.note{{font:10.5px {graph_style.FONT}}}"
        ".block{stroke-width:1;stroke-dasharray:3 3;fill-opacity:.5}.flow{fill:none;stroke-width:1.3}"
        ".stack{opacity:.55}.failed rect,.failed path{stroke-width:2.5}"
    )
    return base + _colours(0) + f"@media (prefers-color-scheme:dark){{{_colours(1)}}}"


def night(picture: str) -> str:
    """An SVG document that graphviz made of `graph_dot`'s text, with other colours where the reader prefers dark."""
    rules = [
        f"svg{{background:{graph_style.GROUND[1]}}}",
        f".edge>path{{stroke:{graph_style.LINE[1]}}}.edge>polygon{{fill:{graph_style.LINE[1]};stroke:{graph_style.LINE[1]}}}",
    ]
    for sort, look in graph_style.DARK.items():
        shapes = ",".join(f".{sort}>{shape}" for shape in ("polygon", "path", "ellipse", "polyline"))
        rules.append(f"{shapes}{{fill:{look.fill};stroke:{look.line}}}.{sort}>text{{fill:{look.ink}}}")
    start = picture.index(">", picture.index("<svg")) + 1
    return f"{picture[:start]}\n<style>@media (prefers-color-scheme:dark){{{''.join(rules)}}}</style>{picture[start:]}"


def _colours(dark: int) -> str:
    rules = [
        f".ground{{fill:{graph_style.GROUND[dark]}}}.flow{{stroke:{graph_style.LINE[dark]}}}",
        f".tip{{fill:{graph_style.LINE[dark]}}}.legend{{fill:{graph_style.FAINT[dark]}}}",
        f".block{{fill:{('#f0f1f3', '#1c222a')[dark]};stroke:{('#c9ced6', '#3d4653')[dark]}}}",
    ]
    for sort, look in (graph_style.LIGHT, graph_style.DARK)[dark].items():
        rules.append(f".{sort} .shape{{fill:{look.fill};stroke:{look.line}}}")
        rules.append(f".{sort} .title{{fill:{look.ink}}}.{sort} .note{{fill:{look.faint}}}")
    rules.append(f".failed .shape{{stroke:{graph_style.FAILED[dark]}}}")
    return "".join(rules)


_MARKER = (
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path class="tip" d="M0 .8 8 4 0 7.2z"/></marker></defs>'
)


def _node(node: GraphNode, box: Box) -> str:
    sort = graph_style.sort_of(node)
    classes = f"{sort} failed" if graph_style.failed(node) else sort
    is_file = sort in {"input", "intermediate", "output", "system"}
    shape = _sheet(box) if is_file else _rect(box, "shape", {"process": box.h / 2, "package": 3}.get(sort, 9))
    if node["kind"] == "group":
        behind = box._replace(x=box.x + 4, y=box.y + 4)
        shape = (_sheet(behind) if is_file else _rect(behind, "shape", box.h / 2)).replace(
            'class="shape', 'class="stack shape'
        ) + shape
    middle = box.x + box.w / 2
    note = node.get("note", "")
    lines = [
        f'<text class="title" x="{middle:.1f}" y="{box.y + (18 if note else 24.5):.1f}">{text(node["label"])}</text>'
    ]
    if note:
        lines.append(f'<text class="note" x="{middle:.1f}" y="{box.y + 32:.1f}">{text(note)}</text>')
    return f'<g class="{classes}" text-anchor="middle"><title>{text(tip(node))}</title>{shape}{"".join(lines)}</g>'


def _rect(box: Box, named: str, round_: float) -> str:
    size = f'width="{box.w:.1f}" height="{box.h:.1f}"'
    return f'<rect class="{named}" x="{box.x:.1f}" y="{box.y:.1f}" {size} rx="{round_:.0f}"/>'


def _sheet(box: Box) -> str:
    """A sheet of paper with a folded corner."""
    fold = 9.0
    return (
        f'<path class="shape" d="M{box.x:.1f} {box.y:.1f}h{box.w - fold:.1f}l{fold} {fold}v{box.h - fold:.1f}'
        f'h{-box.w:.1f}zm{box.w - fold:.1f} 0v{fold}h{fold}"/>'
    )


def _route(route: Route, kind: str) -> str:
    dashes = f' stroke-dasharray="{_DASHED[kind]}"' if kind in _DASHED else ""
    return f'<path class="flow" d="{path(route.points)}"{dashes} marker-end="url(#tip)"/>'


def path(points: list[tuple[float, float]]) -> str:
    """Straight pieces and curves by turns; a curve begins and ends level."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for n in range(1, len(points)):
        (ax, ay), (bx, by) = points[n - 1], points[n]
        if n % 2 == 0:
            bow = (bx - ax) / 2
            parts.append(f"C{ax + bow:.1f} {ay:.1f} {bx - bow:.1f} {by:.1f} {bx:.1f} {by:.1f}")
        elif abs(bx - ax) > 0.5:
            parts.append(f"L{bx:.1f} {by:.1f}")
    return "".join(parts)


def _legend(sorts: list[graph_style.Sort], height: float) -> Iterator[str]:
    x = MARGIN
    y = height - LEGEND / 2 - 4
    for sort in [sort for sort in graph_style.WORDS if sort in sorts]:
        swatch = _rect(Box(x, y - 7, 14, 14), "shape", 7 if sort == "process" else 2)
        said = f'<text class="note legend" x="{x + 20:.1f}" y="{y + 4:.1f}">{graph_style.WORDS[sort]}</text>'
        yield f'<g class="{sort}">{swatch}</g>{said}'
        x += _legend_width(sort)


def _legend_width(sort: graph_style.Sort) -> float:
    return 20 + len(graph_style.WORDS[sort]) * 6.2 + 18
