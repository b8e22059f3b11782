"""The pages of `shark config` and `shark snapshot`, and what a run has because of its settings. Pure."""

from __future__ import annotations

from collections import Counter

from shark import jsontext
from shark.view import words
from shark.view.page import Page, Row, Span, cell
from shark.view.parts import context_fields, gap_rows, git_lines
from shark.view.reading import Document, each, mapping, number, text, texts, value

_SOURCES = {"user": "yours", "project": "the project's", "variable": "environment", "option": "command line"}


def add_settings(page: Page, document: Document) -> None:
    """Add the files, then the settings: those that somebody set, or with a verbose look all of them."""
    for file in each(document, "files"):
        said = [_SOURCES.get(text(file, "level"), text(file, "level"))]
        if value(file, "runs") is True and text(file, "level") == "project":
            said.append("trusted" if value(file, "trusted") is True else "NOT TRUSTED: its commands are not run")
        note = f"  ({', '.join(said)})"
        untrusted = value(file, "trusted") is False
        page.line(Span(words.visible(text(file, "path")), "path"), Span(note, "warn" if untrusted else "dim"))
    if not each(document, "files"):
        page.line(Span("No settings file.", "dim"))
    page.blank()
    settings = each(document, "settings")
    shown = [setting for setting in settings if page.look.verbose or each(setting, "pieces")]
    page.grid([row for setting in shown for row in _rows(page, setting)], flex=1, indent=0)
    if len(shown) < len(settings):
        page.line(Span(f"{len(settings) - len(shown)} settings have their defaults; -v shows them", "dim"))


def _rows(page: Page, setting: Document) -> list[Row]:
    pieces = each(setting, "pieces")
    if not pieces:
        return [
            Row(
                (
                    cell(text(setting, "key"), "label"),
                    cell(_said(page, value(setting, "value"), text(setting, "key"))),
                    cell("default", "dim"),
                )
            )
        ]
    rows = []
    for place_in_list, piece in enumerate(pieces):
        key = cell(text(setting, "key"), "label") if not place_in_list else ()
        place = words.visible(words.near(text(piece, "place"), page.look.cwd), ascii_only=page.look.ascii)
        rows.append(Row((key, cell(_said(page, value(piece, "value"), text(setting, "key"))), cell(place, "dim"))))
    return rows


_UNITS = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_BYTES = frozenset({"hash-limit", "capture-limit"})


def _said(page: Page, what: object, key: str) -> str:
    """A value in one line: strings as they are, lists with commas, sizes with their unit, all else as JSON."""
    if isinstance(what, str):
        said = what
    elif key in _BYTES and isinstance(what, int):
        factor, unit = next(((f, u) for f, u in _UNITS if what and not what % f), (1, "bytes"))
        said = f"{what // factor} {unit}"
    elif isinstance(what, float) and what.is_integer():
        said = str(int(what))
    elif isinstance(what, list) and what and all(isinstance(part, dict) for part in what):
        said = "; ".join(words.command(texts(part, "command")) or text(part, "url") for part in what)
    elif isinstance(what, list) and all(isinstance(part, str) for part in what):
        said = ", ".join(what) or "none"
    elif isinstance(what, dict) and all(isinstance(part, str) for part in what.values()):
        said = ", ".join(f"{name}={part}" for name, part in what.items()) or "none"
    else:
        said = jsontext.dumps(what).decode() if what else "none" if isinstance(what, list) else str(what).lower()
    return words.visible(said, ascii_only=page.look.ascii)


# --- of a run


def add_extras(page: Page, record: Document) -> None:
    """Add what a run recorded of itself, what it wrote to its streams, what was kept and asked for it."""
    _values(page, record)
    streams = mapping(record, "streams")
    if rows := [_stream(page, name, mapping(streams, name)) for name in ("stdout", "stderr") if name in streams]:
        page.head("Captured", "shark show RUN --stdout, --stderr")
        page.grid(rows)
    if rows := [_hook(page, hook) for hook in each(record, "hooks")]:
        page.head("Asked", words.counted(len(rows), "command"))
        page.grid(rows, flex=1)
    if rows := [_kept(page, file) for file in each(record, "kept")]:
        page.head("Kept", words.counted(len(rows), "file"))
        page.grid(rows, flex=0)


def _values(page: Page, record: Document) -> None:
    """The values, each key once: the last one, and how many there were."""
    times = Counter(text(entry, "key") for entry in each(record, "recorded"))
    values = mapping(record, "values")
    if not values:
        return
    page.head("Recorded", words.counted(len(values), "value"))
    rows = []
    for key, last in values.items():
        said = last if isinstance(last, str) else jsontext.dumps(last).decode()
        again = cell(f"the last of {times[key]:,}" if times[key] > 1 else "", "dim")
        shown = words.visible(said, ascii_only=page.look.ascii)
        rows.append(Row((cell(words.visible(key), "label"), cell(shown), again)))
    page.grid(rows, flex=1)


def _stream(page: Page, name: str, stream: Document) -> Row:
    if other := text(stream, "same_as"):
        return Row((cell(name, "label"), (), cell(f"with {other}", "dim")))
    cut = number(stream, "cut", "bytes")
    notes = [f"without {words.size(cut)} from its middle"] if cut else []
    notes += [words.visible(text(stream, "why"))] if text(stream, "why") else []
    return Row((cell(name, "label"), cell(words.size(number(stream, "size"))), cell("; ".join(notes), "warn")))


def _hook(page: Page, hook: Document) -> Row:
    status = number(hook, "exit")
    how = f"exit {status:.0f}" if status else "" if status == 0 else words.visible(text(hook, "why"))
    said = text(hook, "name") or words.command(texts(hook, "argv"), ascii_only=page.look.ascii)
    return Row(
        (cell(text(hook, "when"), "label"), cell(words.visible(said, ascii_only=page.look.ascii)), cell(how, "bad"))
    )


def _kept(page: Page, file: Document) -> Row:
    path = words.visible(words.near(text(file, "path"), page.look.cwd), ascii_only=page.look.ascii)
    why = words.visible(text(file, "why"))
    return Row((cell(path, "path"), cell(words.size(number(file, "size")), "dim"), cell(why, "warn")))


def add_snapshot(page: Page, document: Document) -> None:
    """Add the circumstances of a directory."""
    page.line(Span("Circumstances in ", "title"), Span(words.visible(text(document, "cwd")), "path"))
    context_fields(page, document, git_lines(page, document))
    add_extras(page, document)
    if gaps := each(document, "gaps"):
        page.head("Not known", words.counted(len(gaps), "gap"))
        page.grid(gap_rows(page, gaps), flex=1)
