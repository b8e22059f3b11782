"""The page of `shark diff`: are the outputs the same, and what was different, the likeliest reason first. Pure."""

from __future__ import annotations

import re
from urllib.parse import unquote

from shark.view import words
from shark.view.page import Page, Row, Span, Style, cell
from shark.view.reading import Document, each, mapping, number, text, texts, value

SHOWN = 12
"""So many differences of one section are shown, unless the look is verbose."""
OUTPUTS = 8
"""So many outputs are named, unless the look is verbose."""
LINES = 12
"""So many lines of a text's diff are shown, unless the look is verbose."""

_SIDES: tuple[tuple[str, str, Style], ...] = (("a", "- ", "bad"), ("b", "+ ", "good"))
_DIGEST = re.compile(r"^[0-9a-f]{64}$")
_SECTIONS = {
    "command": "Command",
    "code": "Code",
    "git": "Git",
    "inputs": "Inputs",
    "software": "Software",
    "environment": "Environment",
    "network": "Network",
    "host": "Host",
    "place": "Directory",
    "ending": "End",
}


def add_diff(page: Page, document: Document) -> None:
    """Add the document of `shark diff`."""
    _outputs(page, document)
    for side in ("a", "b"):
        _side(page, side, mapping(document, side))
    differences = each(document, "differences")
    if not differences:
        page.blank()
        same = "nothing was different: command, code, inputs, software, environment and host are the same"
        page.line(Span(f"{page.look.sign('ok')} {same}", "good"))
        return
    for telling in (True, False):
        chosen = [one for one in differences if (value(one, "explains") is not False) == telling]
        if chosen and not telling:
            page.head("Also different", "of little or no effect")
        for section in dict.fromkeys(text(one, "section") for one in chosen):
            _section(page, section, [one for one in chosen if text(one, "section") == section], telling)


def _outputs(page: Page, document: Document) -> None:
    look = page.look
    same, others = int(number(document, "same_outputs") or 0), each(document, "outputs")
    files = bool(text(document, "a", "file") and text(document, "b", "file"))
    if not others:
        said = "the contents are identical" if files else f"{words.counted(same, 'output')}, identical"
        page.line(Span(f"{look.sign('ok')} {said}" if same else f"{look.sign('ok')} no outputs on either side", "good"))
        return
    if files:
        page.line(Span(f"{look.sign('bad')} the contents differ", "bad"))
        return
    count = words.counted(len(others), "output differs", "outputs differ")
    page.line(Span(f"{look.sign('bad')} {count}", "bad"), Span(f", {same:,} identical" if same else "", "dim"))
    shown = others if look.verbose else others[:OUTPUTS]
    rows = []
    for other in shown:
        path = text(other, "a") or text(other, "b")
        only = "" if text(other, "a") and text(other, "b") else f"only in {'a' if text(other, 'a') else 'b'}"
        rows.append(Row((cell(_path(page, path), "path"), cell(only, "dim"))))
    page.grid(rows)
    if len(others) > len(shown):
        page.line(Span(f"{look.sign('more')} and {len(others) - len(shown):,} more; -v shows them", "dim"), indent=2)


def _side(page: Page, name: str, side: Document) -> None:
    file = text(side, "file")
    parts = [Span(_path(page, file), "path"), Span("  ")] if file else []
    parts.append(Span(f"run {words.short_id(text(side, 'run'))}" if text(side, "run") else "no run", "title"))
    if start := text(side, "start"):
        parts.append(Span(f"  {words.moment(start)}", "dim"))
    parts.append(Span(f"  {words.command(texts(side, 'argv'), ascii_only=page.look.ascii)}"))
    page.line(Span(f"  {name}  ", "label"), *parts, hang=5)
    if note := text(side, "note"):
        page.line(Span(f"{page.look.sign('warn')} {words.visible(note, ascii_only=page.look.ascii)}", "warn"), indent=5)


def _section(page: Page, section: str, differences: list[Document], telling: bool) -> None:
    title = _SECTIONS.get(section, words.visible(section))
    if telling:
        page.head(title)
    shown = differences if page.look.verbose else differences[:SHOWN]
    for one in shown:
        _difference(page, one, "" if telling else f"{title.lower()}: ")
    if len(differences) > len(shown):
        left = f"{page.look.sign('more')} and {len(differences) - len(shown):,} more; -v shows them"
        page.line(Span(left, "dim"), indent=2)


def _difference(page: Page, one: Document, before: str) -> None:
    change, section = text(one, "change"), text(one, "section")
    if section == "command":
        for side, sign, style in _SIDES:
            said = words.visible(text(one, side), ascii_only=page.look.ascii)
            page.line(Span(sign, style), Span(f"{before}{said}"), indent=2, hang=2)
        return
    name = words.visible(_name(page, one), ascii_only=page.look.ascii)
    values = " ".join(part for part in (_value(page, one, "a"), _arrow(page, change), _value(page, one, "b")) if part)
    page.line(Span(f"{before}{name}", "path"), Span(f"  {values}"), indent=2, hang=2)
    if (first := text(one, "a_run")) and (second := text(one, "b_run")) and first != second:
        hint = f"made by runs {words.short_id(first)} and {words.short_id(second)}: compare these"
        page.line(Span(hint, "dim"), indent=4)
    _lines(page, text(one, "diff"))


def _arrow(page: Page, change: str) -> str:
    if change in ("added", "removed"):
        return "only in b:" if change == "added" else ""
    return "->" if page.look.ascii else "→"


def _name(page: Page, one: Document) -> str:
    name = text(one, "name")
    if text(one, "section") == "software":
        return words.package(name)[1] or name
    return words.near(name, page.look.cwd) if name.startswith("/") else name


def _value(page: Page, one: Document, side: str) -> str:
    found = _short(page, text(one, side), text(one, "section"))
    return f"only in a: {found}" if side == "a" and text(one, "change") == "removed" else found


def _short(page: Page, found: str, section: str = "") -> str:
    """A value: of a digest or a commit the beginning, unless the look is verbose."""
    if not page.look.verbose:
        if _DIGEST.match(found):
            return found[:10]
        found = re.sub(r"^([0-9a-f]{10})[0-9a-f]{30}\b", r"\1", found)
        found = found.partition("?")[0]
    if section == "software":
        found = unquote(found)  # as package URLs have it: 2.36-9%2Bdeb12u14
    return words.visible(found, ascii_only=page.look.ascii)


def _lines(page: Page, diff: str) -> None:
    """A text's diff, without the two lines that name the files: the line above it has."""
    lines = [line for line in diff.splitlines() if not line.startswith(("--- ", "+++ ", "diff --git ", "index "))]
    shown = lines if page.look.verbose else lines[:LINES]
    for line in shown:
        style: Style = "good" if line.startswith("+") else "bad" if line.startswith("-") else "dim"
        page.line(Span(words.visible(line, ascii_only=page.look.ascii), style), indent=4)
    if len(lines) > len(shown):
        page.line(
            Span(f"{page.look.sign('more')} and {len(lines) - len(shown):,} more lines; -v shows them", "dim"), indent=4
        )


def _path(page: Page, path: str) -> str:
    return words.visible(words.near(path, page.look.cwd), ascii_only=page.look.ascii)
