"""A page: lines of styled text, and the few ways in which they are laid out (fields, grids, trees). Pure.

The layout is shark's own, so that a page is the same in a terminal, in a file and in a test; only the colours
(`paint.py`) are rich's.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from shark.view.look import Look

Style = Literal["", "title", "head", "label", "good", "bad", "warn", "dim", "path"]


class Span(NamedTuple):
    """A piece of text in one style."""

    text: str
    style: Style = ""


Cell = tuple[Span, ...]
WIDEST = 100
"""Where there is no width, as in a file, a longer cell moves what follows it in its own row, not in all the others."""
INDENT = 2
"""Columns before the rows of a grid."""
LABEL = 12
"""Columns of a field's label."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a grid. `lead` is written before its first cell (a tree's branches), `follow` where that cell folds."""

    cells: tuple[Cell, ...]
    lead: str = ""
    follow: str = ""


def cell(text: str, style: Style = "") -> Cell:
    """A cell of one span."""
    return (Span(text, style),)


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes: wide East Asian characters two, combining ones none."""
    return len(text) if text.isascii() else _wide(text)


@lru_cache(4096)  # the branches of a tree come again and again
def _wide(text: str) -> int:
    return sum(_columns(c) for c in text)


def _columns(char: str) -> int:
    if unicodedata.combining(char) or char in "\u200c\u200d\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cell_columns(spans: Cell) -> int:
    """The width of a cell."""
    return sum(columns(span.text) for span in spans)


def cut(spans: Cell, width: int, mark: str) -> Cell:
    """`spans`, ended with `mark` where it would be wider than `width`."""
    if cell_columns(spans) <= width:
        return spans
    first = fold(spans, max(width - columns(mark), 1), words=False)[0]
    return (*first, Span(mark, "dim"))


def fold(spans: Cell, width: int, *, words: bool = True) -> list[Cell]:
    """`spans` as lines of at most `width` columns, broken between words where that is possible."""
    if not width or cell_columns(spans) <= width:
        return [spans]
    lines: list[list[Span]] = [[]]
    used = 0
    for piece, style in _pieces(spans, words):
        rest = piece
        if used and used + columns(rest.rstrip()) > width and (words or used >= width):
            lines.append([])
            used, rest = 0, rest.lstrip() if words else rest
        while columns(rest.rstrip()) > width - used:
            head = _head(rest, width - used)
            lines[-1].append(Span(rest[:head], style))
            lines.append([])
            used, rest = 0, rest[head:]
        lines[-1].append(Span(rest, style))
        used += columns(rest)
    # The space at which a line is broken stands on none of both: it could be one column too many.
    return [_ended(line) if words else tuple(line) for line in lines if line]


def _ended(line: list[Span]) -> Cell:
    text, style = line[-1]
    return (*line[:-1], Span(text.rstrip(" "), style))


def _pieces(spans: Cell, words: bool) -> Iterable[Span]:
    for span in spans:
        if not words:
            yield span
            continue
        start = 0
        for at, char in enumerate(span.text):
            if char == " " and span.text[at + 1 : at + 2] != " ":
                yield Span(span.text[start : at + 1], span.style)
                start = at + 1
        if start < len(span.text):
            yield Span(span.text[start:], span.style)


def _head(text: str, width: int) -> int:
    """How many characters of `text` fit into `width` columns; at least one, so that folding ends."""
    used = 0
    for at, char in enumerate(text):
        used += _columns(char)
        if used > width:
            return max(at, 1)
    return max(len(text), 1)


class Page:
    """Lines, top to bottom. Every method adds some."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.lines: list[Cell] = []

    def line(self, *spans: Span, indent: int = 0, hang: int = 0) -> None:
        """A line, folded to the width with the rest indented by `hang` more."""
        room = max(self.look.width - indent - hang, 20) if self.look.width else 0
        for n, part in enumerate(fold(spans, room)):
            self.lines.append((Span(" " * (indent + (hang if n else 0))), *part) if indent or n else part)

    def blank(self) -> None:
        """An empty line, unless there is one already or nothing above it."""
        if self.lines and self.lines[-1]:
            self.lines.append(())

    def head(self, text: str, note: str = "") -> None:
        """A heading of a section."""
        self.blank()
        self.line(Span(text, "head"), *([Span("  " + note, "dim")] if note else []))

    def field(self, label: str, *spans: Span) -> None:
        """A label with its value; a value that is too long goes on below itself."""
        room = max(self.look.width - LABEL, 20) if self.look.width else 0
        for n, part in enumerate(fold(spans, room)):
            self.lines.append((Span((label if n == 0 else "").ljust(LABEL), "label"), *part))

    def grid(
        self, rows: Sequence[Row], *, flex: int = 0, right: frozenset[int] = frozenset(), indent: int = INDENT
    ) -> None:
        """Rows in columns. Column `flex` takes the space that is left and folds; `right` are right-aligned."""
        widths = _widths(rows)
        if not widths:
            return
        if self.look.width:
            others = sum(w + 2 for n, w in enumerate(widths) if n != flex and w)
            # Names come first: rather a line that the terminal folds than a path in pieces.
            least = 16 if flex else max(self.look.width // 2, 16)
            widths[flex] = min(widths[flex], max(self.look.width - indent - others, least))
        else:
            widths[flex] = _aligned(rows, flex) or widths[flex]
        for row in rows:
            self._row(row, widths, flex, right, indent)

    def _row(self, row: Row, widths: list[int], flex: int, right: frozenset[int], indent: int) -> None:
        room = widths[flex] - columns(row.lead if flex == 0 else "")
        folded = fold(row.cells[flex], max(room, 8)) if self.look.width else [row.cells[flex]]
        parts = [Span(" " * indent), Span(row.lead, "dim")]
        before = gap = 0  # the gap is written only once something follows: no spaces at a line's end
        for n, content in enumerate(row.cells):
            if not widths[n]:
                continue
            shown = folded[0] if n == flex else content
            used = cell_columns(shown) + (columns(row.lead) if n == 0 else 0)
            pad = max(widths[n] - used, 0)
            if shown:
                parts += [Span(" " * (gap + (pad if n in right else 0))), *shown]
                gap = 2 + (0 if n in right else pad)
            else:
                gap += 2 + widths[n] - (columns(row.lead) if n == 0 else 0)
            before += (widths[n] + 2) if n < flex else 0
        self.lines.append(tuple(span for span in parts if span.text))
        for more in folded[1:]:
            self.lines.append((Span(" " * (indent + before)), Span(row.follow, "dim"), *more))

    def text(self) -> str:
        """The page without its styles."""
        return "".join("".join(span.text for span in line).rstrip() + "\n" for line in self.lines)


def _widths(rows: Sequence[Row]) -> list[int]:
    count = max((len(row.cells) for row in rows), default=0)
    widths = [0] * count
    for row in rows:
        for n in range(len(row.cells)):
            widths[n] = max(widths[n], _used(row, n))
    return widths


def _used(row: Row, n: int) -> int:
    return cell_columns(row.cells[n]) + (columns(row.lead) if n == 0 else 0)


def _aligned(rows: Sequence[Row], n: int) -> int:
    """The width of a column by the cells that are not overlong, 0 if all are."""
    return max((used for row in rows if (used := _used(row, n)) <= WIDEST), default=0)
