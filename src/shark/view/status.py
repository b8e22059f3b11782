"""The page of `shark status`: outputs that should be made again, and why. Pure."""

from __future__ import annotations

import os
from typing import Any

from shark.view import words
from shark.view.page import Cell, Page, Row, Span, Style, cell
from shark.view.reading import Document, each, mapping, number, text, texts

SHOWN = 200
"""So many files are shown, unless the look is verbose."""
CAUSES = 2
"""So many causes are named of each file, unless the look is verbose."""

_CHANGES = {
    "modified": "{path} changed",
    "missing": "{path} is gone",
    "touched": "{path} has another time, and no digest of it was recorded",
    "new-entry": "{path} is new in a listed directory",
    "appeared": "{path} was not there",
}
_NOTES = {
    "modified": "changed since they were made (see `shark verify`)",
    "unknown": "of which it cannot be told",
}


def add_status(page: Page, document: Document) -> None:
    """Add the document of `shark status`."""
    files = each(document, "files")
    shown = files if page.look.verbose else files[:SHOWN]
    page.grid([_row(page, one) for one in shown], flex=2, indent=0)
    if len(files) > len(shown):
        left = f"{page.look.sign('more')} and {words.counted(len(files) - len(shown), 'more file')}; -v shows them"
        page.line(Span(left, "dim"))
    page.line(*_sum(page, mapping(document, "counts")))


def _row(page: Page, one: Document) -> Row:
    stale = text(one, "state") == "stale"
    style: Style = "bad" if stale else "warn"
    name = (
        Span(f"{page.look.sign('bad' if stale else 'unknown')} ", style),
        Span(_path(page, text(one, "file")), "path"),
    )
    return Row((name, cell(words.visible(text(one, "state")), style), _why(page, each(one, "causes"))))


def _why(page: Page, causes: list[Document]) -> Cell:
    if not page.look.verbose:
        causes = _gathered(causes)
    kept = causes if page.look.verbose else causes[:CAUSES]
    parts = [_said(page, cause) for cause in kept]
    if len(causes) > len(kept):
        parts.append(f"{len(causes) - len(kept):,} more")
    return cell(", ".join(parts), "dim")


def _gathered(causes: list[Document]) -> list[Document]:
    """The causes, those that are new entries of one directory as one, with their number as `files`."""
    found: list[Document] = []
    folders: dict[tuple[str, tuple[str, ...]], dict[str, Any]] = {}
    for cause in causes:
        if text(cause, "change") != "new-entry":
            found.append(cause)
            continue
        key = os.path.dirname(text(cause, "path")), tuple(texts(cause, "chain"))
        if key in folders:
            folders[key]["files"] += 1
        else:
            folders[key] = {**cause, "files": 1}
            found.append(folders[key])
    return found


def _said(page: Page, cause: Document) -> str:
    """One cause, with the files through which it comes: `raw.csv changed (via mid.csv)`."""
    many = int(number(cause, "files") or 1)
    if many > 1:
        folder = _path(page, os.path.dirname(text(cause, "path")).rstrip("/") + "/")
        said = f"{many:,} new files in {'.' if folder == page.look.cwd + '/' else folder}"
    else:
        where = text(cause, "at") or text(cause, "path")
        said = _CHANGES.get(text(cause, "change"), "{path}").format(path=_path(page, where))
    via = " → ".join(_path(page, path) for path in texts(cause, "chain"))
    if page.look.ascii:
        via = via.replace("→", "->")
    return f"{said} (via {via})" if via else said


def _path(page: Page, path: str) -> str:
    return words.visible(words.near(path, page.look.cwd), ascii_only=page.look.ascii)


def _sum(page: Page, counts: Document) -> list[Span]:
    total = {
        state: int(number(counts, state) or 0) for state in ("current", "stale", "maybe-stale", "modified", "unknown")
    }
    notes = [f"{total[state]:,} {said}" for state, said in _NOTES.items() if total[state]]
    rest = "".join(f"; {note}" for note in notes)
    compared = total["current"] + total["stale"] + total["maybe-stale"]
    if not compared:
        said = f"no outputs to compare{rest}" if notes else "no outputs of recorded runs there"
        return [Span(f"{page.look.sign('unknown')} {said}", "warn")]
    if total["current"] == compared:
        said = f"{page.look.sign('ok')} {words.counted(compared, 'output')} up to date"
        return [Span(said, "good"), Span(rest)]
    parts = [f"{total['stale']:,} stale"] if total["stale"] else []
    parts += [f"{total['maybe-stale']:,} maybe stale"] if total["maybe-stale"] else []
    parts += [f"{total['current']:,} up to date"] if total["current"] else []
    return [Span(f"{words.counted(compared, 'output')}: {', '.join(parts)}"), Span(rest)]
