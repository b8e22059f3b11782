"""A page's text, with colours where a terminal is looked at. rich is imported only then: it costs 50 ms and more."""

from __future__ import annotations

import io

from shark.view.page import Page

_STYLES = {
    "": "",
    "title": "bold",
    "head": "bold",
    "label": "cyan",
    "good": "green",
    "bad": "bold red",
    "warn": "yellow",
    "dim": "bright_black",
    "path": "",
}


def painted(page: Page) -> str:
    """The text to write: plain, or with the terminal's colour sequences if the page's look asks for them."""
    if not page.look.color:
        return page.text()
    from rich.console import Console
    from rich.text import Text

    # A bare canvas: no markup, emoji names or guessed highlights, which would change what a path says.
    canvas = io.StringIO()
    console = Console(file=canvas, force_terminal=True, highlight=False, markup=False, emoji=False)
    for line in page.lines:
        console.print(Text.assemble(*((span.text, _STYLES[span.style]) for span in line)), soft_wrap=True)
    return canvas.getvalue()
