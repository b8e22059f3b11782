"""What a run used: a line for the whole of it, and a table of its steps, longest first. Pure."""

from __future__ import annotations

from collections.abc import Callable

from shark.view import words
from shark.view.page import Cell, Page, Row, Span, cell, cut
from shark.view.reading import Document, each, mapping, number, text, texts

STEPS = 12
"""So many steps are shown, unless the look is verbose."""
_HEADINGS = ("took", "user", "system", "memory", "read", "wrote", "", "")


def resources_field(page: Page, document: Document) -> None:
    """One line of what all processes of a run used together; of a manifest or a run record."""
    used = mapping(document, "resources")
    parts = [
        f"{shown} {what}"
        for shown, what in (
            (words.duration(number(used, "user_seconds")), "user"),
            (words.duration(number(used, "system_seconds")), "system"),
            (words.size(number(used, "max_rss")), "of memory at most"),
            (words.size(number(used, "read_bytes")), "read"),
            (words.size(number(used, "written_bytes")), "written"),
        )
        if shown
    ]
    count = number(used, "processes")
    if count is not None and count > 1:
        parts.append(f"in {words.counted(int(count), 'process', 'processes')}")
    if parts:
        page.field("Used", Span(", ".join(parts)))


def resources_table(page: Page, record: Document, name: Callable[[Document], str]) -> None:
    """The processes that executed a program, longest first: how long each took and what it used. `name` says which."""
    steps = [process for process in each(record, "processes") if _executed(process)]
    if all(length(step) is None for step in steps):
        return
    steps.sort(key=lambda step: (-(length(step) or 0.0), number(step, "n") or 0))
    page.head("Resources", "each step by itself, longest first")
    shown = steps if page.look.verbose else steps[:STEPS]
    rows = [Row(tuple(cell(heading, "label") for heading in _HEADINGS))]
    rows += [_row(page, step, name(step)) for step in shown]
    page.grid(rows, flex=len(_HEADINGS) - 1, right=frozenset(range(6)))
    if len(steps) > len(shown):
        left = f"{page.look.sign('more')} and {len(steps) - len(shown):,} more; -v shows them"
        page.line(Span(left, "dim"), indent=2)


def length(process: Document) -> float | None:
    """How many seconds a process lived; None if that is not known."""
    seconds = number(process, "seconds")
    start, end = words.parse_time(text(process, "start")), words.parse_time(text(process, "end"))
    if seconds is None and start and end:
        return max((end - start).total_seconds(), 0.0)
    return seconds


def _executed(process: Document) -> bool:
    return any(texts(image, "argv") for image in each(process, "images"))


def _row(page: Page, step: Document, said: str) -> Row:
    how, failed = words.ending(step)
    room = max(page.look.width - 64, 16) if page.look.width and not page.look.verbose else 0
    command: Cell = cell(said)
    return Row(
        (
            cell(words.duration(length(step))),
            cell(words.duration(number(step, "user_seconds")), "dim"),
            cell(words.duration(number(step, "system_seconds")), "dim"),
            cell(words.size(number(step, "max_rss")), "dim"),
            cell(words.size(number(step, "read_bytes")), "dim"),
            cell(words.size(number(step, "written_bytes")), "dim"),
            cell(how if failed else "", "bad"),
            cut(command, room, page.look.sign("more")) if room else command,
        )
    )
