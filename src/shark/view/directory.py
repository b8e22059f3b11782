"""The page of `shark inspect DIR`: the files below a directory, grouped by the run that made them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from shark.view import words
from shark.view.filetree import Leaf, tree_rows
from shark.view.legacy import modern
from shark.view.page import Page, Span, Style, cell
from shark.view.parts import command_fields
from shark.view.reading import Document, mapping, number, text

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
    note = f"{words.counted(len(found), 'file')}, {known:,} with a manifest, from {words.counted(len(groups), 'run')}"
    page.line(Span(shown, "title"), Span(f"  {note}", "dim"))
    for entries in groups.values():
        page.blank()
        command_fields(page, modern(mapping(entries[0], "manifest")), writer=False)
        page.grid(tree_rows([_leaf(page, e) for e in entries], page.look), right=frozenset({1}))
    if without:
        page.head("Without a manifest", words.counted(len(without), "file"))
        page.grid(tree_rows([Leaf(text(e, "file")) for e in without], page.look), right=frozenset({1}))


def _leaf(page: Page, entry: Document) -> Leaf:
    sign, said, style = _STATES.get(text(entry, "state"), _STATES["unknown"])
    problem = text(entry, "problem")
    note = words.visible(f"{said} {problem}".rstrip() if problem else said, ascii_only=page.look.ascii)
    size = number(entry, "manifest", "output", "size")
    return Leaf(text(entry, "file"), size, (cell(f"{page.look.sign(sign)}{note}", style),))
