"""The page of `shark verify`: what is not as it was recorded, and how many files are. Pure."""

from __future__ import annotations

from shark.view import words
from shark.view.page import Cell, Page, Row, Span, Style, cell
from shark.view.reading import Document, each, mapping, number, text

SHOWN = 200
"""So many files are shown, unless the look is verbose."""
INPUTS = 3
"""So many inputs of a file are named, unless the look is verbose."""

_SIGNS: dict[str, tuple[str, Style]] = {"ok": ("ok", "good"), "unknown": ("unknown", "warn")}
_INPUT_WORDS = {"modified": "changed", "missing": "missing", "touched": "has another time", "unchecked": "not compared"}


def add_verification(page: Page, document: Document) -> None:
    """Add the document of `shark verify` (files that are ok may be left out of it): what is not ok, then the counts."""
    files = each(document, "files")
    told = [one for one in files if page.look.verbose or text(one, "state") != "ok"]
    shown = told if page.look.verbose else told[:SHOWN]
    page.grid([_row(page, one) for one in shown], flex=2, indent=0)
    if len(told) > len(shown):
        left = f"{page.look.sign('more')} and {words.counted(len(told) - len(shown), 'more file')}; -v shows them"
        page.line(Span(left, "dim"))
    page.line(*_sum(page, document))


def _row(page: Page, one: Document) -> Row:
    look, state = page.look, text(one, "state")
    sign, style = _SIGNS.get(state, ("bad", "bad"))
    path = words.visible(words.near(text(one, "file"), look.cwd), ascii_only=look.ascii)
    return Row(
        ((Span(f"{look.sign(sign)} ", style), Span(path, "path")), cell(words.visible(state), style), _why(page, one))
    )


def _why(page: Page, one: Document) -> Cell:
    look = page.look
    inputs = each(one, "inputs")
    # What is only not comparable is not worth a word beside what has changed; where it matters, the problem tells.
    told = inputs if look.verbose else [i for i in inputs if text(i, "state") not in ("unchecked", "touched")]
    named = told if look.verbose else told[:INPUTS]
    parts = []
    for given in named:
        # Of a folder that was moved, the file that was looked at: where it had been there is none.
        seen = (text(given, "state") == "modified" and text(given, "at")) or text(given, "path")
        path = words.visible(words.near(seen, look.cwd), ascii_only=look.ascii)
        why = text(given, "why") if look.verbose and text(given, "state") == "unchecked" else ""
        why = f" ({words.visible(why, ascii_only=look.ascii)})" if why else ""
        parts.append(f"{path} {_INPUT_WORDS.get(text(given, 'state'), 'unknown')}{why}")
    if len(told) > len(named):
        parts.append(f"{len(told) - len(named):,} more")
    if problem := text(one, "problem"):  # of the file itself: first, lest it seem to be about an input
        parts.insert(0, words.visible(problem, ascii_only=look.ascii))
    if look.verbose and (recorded := text(one, "recorded")):
        parts.append(f"recorded as {words.visible(recorded, ascii_only=look.ascii)}")
    return cell(", ".join(parts), "dim") if parts else ()


def _sum(page: Page, document: Document) -> list[Span]:
    counts = mapping(document, "counts")
    total = sum(int(number(counts, state) or 0) for state in counts)
    without = int(number(document, "without") or 0)
    rest = f"; {words.counted(without, 'file')} without a manifest" if without else ""
    if not total:
        return [Span(f"{page.look.sign('unknown')} nothing to verify", "warn"), Span(rest)]
    ok = int(number(counts, "ok") or 0)
    if ok == total:
        return [Span(f"{page.look.sign('ok')} {words.counted(ok, 'file')} as recorded", "good"), Span(rest)]
    states = [f"{number(counts, state):,} {words.visible(state)}" for state in counts if number(counts, state)]
    return [Span(f"{words.counted(total, 'file')}: {', '.join(states)}"), Span(rest)]
