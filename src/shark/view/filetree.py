"""Files as a tree of their directories, one row each; long lists folded. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from shark.view import words
from shark.view.look import Look
from shark.view.page import INDENT, Cell, Row, Span, cell, cell_columns, columns, cut

FOLD_ABOVE = 40
"""So many files are shown one by one; of more, only the first of each directory (all if the look is verbose)."""
KEPT = 5
"""How many entries of a directory remain where the list is folded."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file to show: its path (ending in a slash for a directory that stands for its files), its size in bytes (None:
    not known), and further cells for its row.
    """

    path: str
    size: float | None = None
    cells: tuple[Cell, ...] = ()


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    leaves: list[Leaf] = field(default_factory=list)


def tree_rows(leaves: Sequence[Leaf], look: Look) -> list[Row]:
    """Rows for `Page.grid`: tree, size, the leaves' own cells. Paths below the look's directory are relative."""
    root = _Node()
    for leaf in leaves:
        node = root
        for part in _parts(words.near(leaf.path, look.cwd)):
            node = node.children.setdefault(part, _Node())
        node.leaves.append(leaf)
    limit = KEPT if len(leaves) > FOLD_ABOVE and not look.verbose else 0
    rows = list(_rows(root, "", look, limit, top=True))
    return _noted(rows, look) if look.width and not look.verbose else rows


def _noted(rows: list[Row], look: Look) -> list[Row]:
    """Rows whose notes (the last column) are cut where names would be left less than half of the terminal."""
    last = max((len(row.cells) for row in rows), default=0) - 1
    if last < 2:
        return rows
    names = max(cell_columns(row.cells[0]) + columns(row.lead) for row in rows)
    between = sum(2 + max(cell_columns(row.cells[n]) for row in rows if len(row.cells) > n) for n in range(1, last))
    room = max(look.width - INDENT - min(names, look.width // 2) - between - 2, 12)
    return [
        Row((*row.cells[:last], cut(row.cells[last], room, look.sign("more"))), row.lead, row.follow)
        if len(row.cells) > last
        else row
        for row in rows
    ]


def _natural(name: str) -> list[tuple[int, str]]:
    """A sorting key by which f2 comes before f10."""
    parts = re.split("([0-9]+)", name)
    return [(int(part[:18]) if part.isdecimal() and part.isascii() else 0, part) for part in parts]


def _parts(path: str) -> list[str]:
    parts = path.split("/")
    if not parts[0]:
        parts[0:2] = ["/" + "".join(parts[1:2])]
    return [part for part in parts if part not in {"", "."}] or [path]


def _rows(node: _Node, lead: str, look: Look, limit: int, *, top: bool = False) -> Iterator[Row]:
    tee, end, bar = ("|-- ", "`-- ", "|   ") if look.ascii else ("├── ", "└── ", "│   ")
    entries = sorted(node.children.items(), key=lambda e: (e[0].startswith("/"), _natural(e[0])))
    hidden: list[_Node] = []
    if limit and len(entries) > limit + 1:
        hidden = [child for _, child in entries[limit:]]
        entries = entries[:limit]
    for n, (name, child) in enumerate(entries):
        last = n == len(entries) - 1 and not hidden
        branch, below = ("", "") if top else (lead + (end if last else tee), lead + ("    " if last else bar))
        label, inner = _joined(name, child)
        yield from _entry(label, inner, branch, below, look)
        yield from _rows(inner, below, look, limit)
    if hidden:
        count, total = _sum(hidden)
        more = f"{look.sign('more')} {words.counted(count, 'more file')}"
        yield Row((cell(more, "dim"), cell(words.size(total), "dim")), "" if top else lead + end)


def _joined(name: str, node: _Node) -> tuple[str, _Node]:
    """A directory that holds nothing but one directory is shown with it on one line."""
    while not node.leaves and len(node.children) == 1:
        ((below, child),) = node.children.items()
        name, node = f"{name}/{below}", child
    return name, node


def _entry(name: str, node: _Node, lead: str, follow: str, look: Look) -> Iterator[Row]:
    shown = words.visible(name, ascii_only=look.ascii)
    if not node.leaves:
        yield Row(((Span(shown, "path"), Span("/", "dim")),), lead, follow)
    for leaf in node.leaves:
        name_cell = (Span(shown, "path"), Span("/", "dim")) if leaf.path.endswith("/") else cell(shown, "path")
        yield Row((name_cell, cell(words.size(leaf.size)), *leaf.cells), lead, follow)


def _sum(nodes: Iterable[_Node]) -> tuple[int, float]:
    count, total = 0, 0.0
    for node in nodes:
        count += len(node.leaves)
        total += sum(leaf.size or 0 for leaf in node.leaves)
        more, bytes_more = _sum(node.children.values())
        count, total = count + more, total + bytes_more
    return count, total
