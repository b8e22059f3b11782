"""The page of `shark inspect DIR`: the files below a directory, grouped by the run that made them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shark.view import words
from shark.view.filetree import Leaf, tree_rows
from shark.view.legacy import modern
from shark.view.page import Page, Span, Style, cell
from shark.view.parts import command_fields
from shark.view.reading import Document, each, mapping, number, text

_STATES: dict[str, tuple[str, str, Style]] = {
    "current": ("ok", "", "good"),
    "modified": ("bad", " changed since", "bad"),
    "unknown": ("unknown", " not known whether unchanged", "warn"),
}


def add_directory(page: Page, directory: str, found: Sequence[Document]) -> None:
    """Add what was found of the files below `directory`."""
    groups: dict[str, list[Document]] = {}
    for entry in found:
        manifest = mapping(entry, "manifest")
        # What nobody knows the run of stands apart from what no manifest was found of.
        groups.setdefault(text(manifest, "run") or ("?" if manifest else ""), []).append(entry)
    without = groups.pop("", [])
    page.blank()
    shown = words.visible(words.near(directory, page.look.cwd), ascii_only=page.look.ascii)
    known = len(found) - len(without)
    some = f"{known:,} with a manifest, from {words.counted(len(groups), 'run')}" if known else "none with a manifest"
    note = f"{words.counted(len(found), 'file')}, {some}" if found else "no files"
    page.line(Span(shown, "title"), Span(f"  {note}", "dim"))
    for entries in groups.values():
        page.blank()
        command_fields(page, modern(mapping(entries[0], "manifest")), writer=False)
        page.head("Outputs", words.counted(len(entries), "file"))
        page.grid(tree_rows([_leaf(page, e) for e in entries], page.look), right=frozenset({1}))
    if without:
        page.head("Without a manifest", words.counted(len(without), "file"))
        page.grid(tree_rows([_bare(page, e) for e in without], page.look), right=frozenset({1}))


def _bare(page: Page, entry: Document) -> Leaf:
    """A file of which at most its bytes, or a problem, are known."""
    runs = [words.short_id(text(candidate, "run")) for candidate in each(entry, "candidates")]
    same = f"same bytes as made by {', '.join(runs[:2])}" + (f" and {len(runs) - 2:,} more" if len(runs) > 2 else "")
    notes = [words.visible(text(entry, "problem"), ascii_only=page.look.ascii)] + ([same] if runs else [])
    return Leaf(text(entry, "file"), None, (cell(", ".join(filter(None, notes)), "dim"),))


def _leaf(page: Page, entry: Document) -> Leaf:
    sign, said, style = _STATES.get(text(entry, "state"), _STATES["unknown"])
    problem = text(entry, "problem")
    note = words.visible(f"{said} {problem}".rstrip() if problem else said, ascii_only=page.look.ascii)
    size = number(entry, "manifest", "output", "size")
    return Leaf(text(entry, "file"), size, (cell(f"{page.look.sign(sign)}{note}", style),))
