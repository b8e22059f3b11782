"""The page of `shark doctor`: each check on a line, and below it what to do. Pure."""

from __future__ import annotations

from shark.view import words
from shark.view.page import Page, Row, Span, Style, cell
from shark.view.reading import Document, each, text, texts

_STYLES: dict[str, Style] = {"ok": "good", "warn": "warn", "fail": "bad"}
_SIGNS = {"ok": "ok", "warn": "warn", "fail": "bad"}


def add_checks(page: Page, document: Document) -> None:
    """Add the document of `shark doctor --json`."""
    ascii_only = page.look.ascii
    rows = []
    for check in each(document, "checks"):
        state = text(check, "state")
        style = _STYLES.get(state, "")
        sign = f"{page.look.sign(_SIGNS.get(state, 'unknown'))} {state}"
        said = words.visible(text(check, "detail"), ascii_only=ascii_only)
        rows.append(Row((cell(sign, style), cell(text(check, "name"), "label"), cell(said))))
        if advice := text(check, "advice"):
            rows.append(Row(((), (), cell(words.visible(advice, ascii_only=ascii_only), "warn"))))
    page.grid(rows, flex=2, indent=0)
    page.blank()
    failed = any(text(check, "state") == "fail" for check in each(document, "checks"))
    page.line(
        Span("shark cannot trace here.", "bad") if failed else Span("shark can trace here.", "good"),
    )
    if notes := texts(document, "notes"):
        page.head("Good to know")
        for note in notes:
            page.line(Span(f"{page.look.sign('dot')} {note}"), indent=2, hang=2)
