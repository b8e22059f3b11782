"""How the things in a picture look: one palette for all formats, in light and in dark. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from shark.view import words

if TYPE_CHECKING:
    from shark.view.documents import GraphNode

Sort = Literal["input", "intermediate", "output", "system", "package", "process", "channel", "network"]
"""By what a node is coloured."""

HEIGHT = 40
"""Of every node, in pixels."""
FONT = 'system-ui, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif'


class Look(NamedTuple):
    """Colours of a sort: inside, border, text, small text."""

    fill: str
    line: str
    ink: str
    faint: str


LIGHT: dict[Sort, Look] = {
    "input": Look("#e3effc", "#3f83c9", "#12365c", "#4a6b8c"),
    "intermediate": Look("#fdf1d3", "#c98a14", "#4d3505", "#846a35"),
    "output": Look("#dcf3e4", "#2f9460", "#0d3f25", "#41735a"),
    "system": Look("#f1f2f4", "#b4bac3", "#4a525e", "#7a828d"),
    "package": Look("#f1ecfa", "#9a80c9", "#3d2a63", "#75629b"),
    "process": Look("#3a4454", "#3a4454", "#ffffff", "#c3ccd8"),
    "channel": Look("#fbe6ef", "#c25a87", "#5b1a37", "#94506e"),
    "network": Look("#dff3f5", "#2c8d99", "#0b3f46", "#3f747b"),
}
DARK: dict[Sort, Look] = {
    "input": Look("#16304c", "#5b9fe3", "#dcebfb", "#93b4d6"),
    "intermediate": Look("#40310f", "#d9a036", "#fbeccb", "#c4ab74"),
    "output": Look("#143a27", "#4fbb82", "#d9f5e5", "#8fc4a7"),
    "system": Look("#262b33", "#555e6b", "#b9c1cc", "#89919d"),
    "package": Look("#2e2544", "#a38bd3", "#e9e1f8", "#b3a3d3"),
    "process": Look("#d3dae4", "#d3dae4", "#12171f", "#4c5765"),
    "channel": Look("#43202f", "#d9769f", "#fbe0eb", "#cf9db3"),
    "network": Look("#123a3f", "#48b0bd", "#d5f3f6", "#89bfc6"),
}

GROUND = ("#fbfbfa", "#14181e")
"""The background, in light and in dark."""
LINE = ("#8b95a3", "#77818f")
"""Lines along which data flows."""
FAILED = ("#d6453d", "#ff7b72")
"""The border of a step that failed."""
INK = ("#1c2430", "#e4e9f0")
FAINT = ("#5e6977", "#98a3b1")

WORDS: dict[Sort, str] = {
    "input": "input",
    "intermediate": "intermediate",
    "output": "output",
    "system": "file of the system",
    "package": "package",
    "process": "program",
    "channel": "pipe, socket, memory",
    "network": "network address",
}
"""What a legend says of each sort, in its order."""


def sort_of(node: GraphNode) -> Sort:
    """The sort of a node; a group has that of its members."""
    kind = node.get("of", "file") if node["kind"] == "group" else node["kind"]
    if kind == "file":
        place = node.get("place", "input")
        return "system" if place == "input" and node.get("role") in {"library", "system", "cache"} else place
    return "process" if kind == "run" else kind


def failed(node: GraphNode) -> bool:
    """True for a step that failed, and for a group in which one did."""
    return words.ending(node)[1] or bool(node.get("failed"))


def size_of(node: GraphNode) -> tuple[float, float]:
    """Width and height that the words on a node need, in pixels: 12 and 10.5 pixels high, of a usual font."""
    wide = max(_width(node["label"]) * 7.2, _width(node.get("note", "")) * 5.9)
    return min(max(wide + 24, 84.0), 290.0), float(HEIGHT)


def _width(text: str) -> float:
    from shark.view.page import columns

    return columns(text) if not text.isascii() else len(text)
