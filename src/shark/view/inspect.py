"""The page of `shark inspect`: what a file is, whether it still is what was recorded, and where it came from. Pure."""

from __future__ import annotations

from collections import Counter

from shark.view import words
from shark.view.filetree import Leaf, tree_rows
from shark.view.legacy import is_legacy, modern
from shark.view.page import Page, Row, Span, cell
from shark.view.parts import command_fields, context_fields, coverage, git_lines, purl_rows, telling
from shark.view.reading import Document, each, mapping, number, text, texts, value

SOURCES = {
    "xattr": "the file's own attribute",
    "sidecar": "the sidecar beside it",
    "store": "the store, by path and content",
    "digest": "the store, by content alone",
}
"""Where a manifest was read, in words."""


def add_found(page: Page, found: Document) -> None:
    """Add what was found of one file: an element of the document of `shark inspect --json`."""
    page.blank()
    manifest = mapping(found, "manifest")
    path = text(found, "file")
    shown = words.visible(words.near(path, page.look.cwd), ascii_only=page.look.ascii)
    page.line(Span(shown, "title"), *_size(manifest))
    if problem := text(found, "problem"):
        page.line(Span(f"{page.look.sign('warn')} {words.visible(problem, ascii_only=page.look.ascii)}", "warn"))
    candidates = each(found, "candidates")
    if not manifest:
        _unattributed(page, candidates, text(found, "problem"))
        return
    _state(page, found, manifest)
    add_manifest(page, modern(manifest))
    if is_legacy(manifest):
        page.blank()
        page.line(Span("Recorded by pyshark, the predecessor of shark.", "dim"))
    if len(candidates) > 1:
        _candidates(page, candidates)


def add_manifest(page: Page, manifest: Document) -> None:
    """Add one manifest, of whatever completeness, without the question whether the file still is what it says."""
    page.blank()
    command_fields(page, manifest)
    _files(page, "Inputs", manifest, "inputs")
    _files(page, "Chosen by", manifest, "controls")
    _software(page, texts(manifest, "software"))
    if value(manifest, "summary") is True:
        _summary(page, manifest)
    context_fields(page, manifest, git_lines(page, manifest))
    coverage(page, manifest)


def _size(manifest: Document) -> list[Span]:
    size = words.size(number(manifest, "output", "size"))
    return [Span("  " + size, "dim")] if size else []


def _state(page: Page, found: Document, manifest: Document) -> None:
    look = page.look
    made = text(manifest, "made") or text(manifest, "command", "end")
    when = f" {words.moment(made)}" if made else ""
    past = words.ago(made, look.now)
    since = f"{when} ({past})" if past else when
    state = text(found, "state")
    if state == "current":
        page.line(Span(f"{look.sign('ok')} unchanged since it was made", "good"), Span(since))
    elif state == "modified":
        page.line(
            Span(f"{look.sign('bad')} changed since: this describes its contents", "bad"),
            Span(f" of{since}" if since else " of then"),
        )
    else:
        note = "not known whether it is unchanged: no digest to compare with"
        page.line(Span(f"{look.sign('unknown')} {note}", "warn"), Span(since))
    how, failed = words.ending(mapping(manifest, "command"))
    if failed:
        page.line(Span(f"{look.sign('warn')} made by a failed run ({how})", "bad"))
    if look.verbose and (source := SOURCES.get(text(found, "source"))):
        page.line(Span(f"  read from {source}", "dim"))


def _unattributed(page: Page, candidates: list[Document], problem: str) -> None:
    if candidates:
        _candidates(page, candidates)
    elif not problem:
        page.line(Span(f"{page.look.sign('unknown')} nothing is known of where this file comes from", "warn"))


def _candidates(page: Page, candidates: list[Document]) -> None:
    page.head("Candidates", "runs that made these same bytes")
    rows = []
    for candidate in candidates:
        manifest = mapping(candidate, "manifest") or candidate
        made = text(manifest, "made") or text(manifest, "command", "start") or text(manifest, "start")
        argv = texts(manifest, "command", "argv") or texts(manifest, "argv")
        path = text(manifest, "output", "path") or text(manifest, "path")
        rows.append(
            Row(
                (
                    cell(words.short_id(text(manifest, "run") or text(manifest, "id"))),
                    cell(words.moment(made), "dim"),
                    cell(words.visible(words.near(path, page.look.cwd), ascii_only=page.look.ascii), "path"),
                    cell(words.command(argv, ascii_only=page.look.ascii)),
                )
            )
        )
    page.grid(rows, flex=3)


def _files(page: Page, title: str, manifest: Document, key: str) -> None:
    entries = each(manifest, key)
    if not entries:
        if key == "inputs" and value(manifest, "inputs") == []:
            page.head(title)
            page.line(Span("none but software, and caches such as .git", "dim"), indent=2)
        return
    total = sum(number(e, "size") or 0 for e in entries)
    count = sum(int(number(e, "files") or 1) for e in entries)
    note = words.counted(count, "file") + (f", {words.size(total)}" if total else "")
    if key == "inputs" and text(manifest, "scope") == "run":
        note += ": all that the run read, not known which of it for this file"
    page.head(title, note)
    page.grid(tree_rows([_leaf(page, e) for e in entries], page.look), right=frozenset({1}))


def _leaf(page: Page, entry: Document) -> Leaf:
    ascii_only = page.look.ascii
    notes: list[str] = []
    role = text(entry, "role")
    if role and role != "data":
        notes.append(words.visible(role))
    if (used := text(entry, "as")) and (page.look.verbose or not _compiled(used)):
        notes.append(f"as {words.visible(words.near(used, page.look.cwd), ascii_only=ascii_only)}")
    if (files := number(entry, "files")) is not None:
        notes.append(words.counted(int(files), "file"))
    notes += _maker(entry)
    digest = text(entry, "sha256")
    cells = [cell(", ".join(notes), "dim")]
    if page.look.verbose:
        cells.insert(0, cell(words.visible(digest)[:12] if digest else page.look.sign("dash"), "dim"))
    path = text(entry, "path")
    if files is not None:
        path = path.rstrip("/") + "/"
    return Leaf(path, number(entry, "size"), tuple(cells))


def _compiled(path: str) -> bool:
    """Python's compiled form of a module, which counts as its source: how it was read tells little."""
    return path.endswith(".pyc") and "/__pycache__/" in path


def _maker(entry: Document) -> list[str]:
    if run := text(entry, "run"):
        return [f"from run {words.short_id(run)}"]
    runs = texts(entry, "runs")
    return [f"from one of {words.counted(len(runs), 'run')}"] if runs else []


def _software(page: Page, purls: list[str]) -> None:
    if not purls:
        return
    page.head("Software", words.counted(len(purls), "package"))
    shown, hidden = (purls, 0) if page.look.verbose or len(purls) <= 12 else (telling(purls)[:10], len(purls) - 10)
    page.grid(purl_rows(shown))
    if hidden:
        kinds = Counter(words.package(p)[0] for p in purls)
        parts = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        left = f"{page.look.sign('more')} and {hidden:,} more ({parts} in all); -v shows them"
        page.line(Span(left, "dim"), indent=2)


def _summary(page: Page, manifest: Document) -> None:
    counts = mapping(manifest, "counts")
    parts = [f"{number(counts, key)} {words.visible(key)}" for key in counts if number(counts, key) is not None]
    page.blank()
    page.line(
        Span(
            f"{page.look.sign('warn')} Only a summary came with the file"
            + (f" ({', '.join(parts)})" if parts else "")
            + ": the whole manifest is in the store of the machine that made it.",
            "warn",
        )
    )
