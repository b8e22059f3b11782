"""A run as Markdown for the summary page of a CI job: outputs, data inputs, software, gaps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shark.view import words
from shark.view.reading import Document, each, mapping, number, text, texts

ROWS = 50
"""So many rows of each table; CI systems cut a summary that is too long (GitHub: 1 MiB) in the middle."""
ARGUMENTS = 1000
"""So many characters of the command."""


def summary(record: Document, manifests: Sequence[Document], cwd: str, elsewhere: str = "") -> str:
    """The summary of a run record and the manifests of its outputs; paths below `cwd` are relative.

    `elsewhere` is the temporary store that has the record, if the user's own could not take it.
    """
    lines = [*_head(record), *_place(elsewhere), *_outputs(record, cwd), *_inputs(manifests, cwd)]
    return "\n".join([*lines, *_software(record), *_gaps(record)]) + "\n"


def _head(record: Document) -> Iterator[str]:
    command = mapping(record, "command")
    how, failed = words.ending(command)
    said = words.command(texts(command, "argv"))
    shown = said if len(said) <= ARGUMENTS else said[:ARGUMENTS] + " …"
    yield "## " + ("Files made by a failed run" if failed else "Where the files come from")
    yield ""
    yield _code(shown)
    yield ""
    took = words.duration(number(command, "seconds"))
    parts = [how, took and f"took {took}", f"run `{words.visible(text(record, 'id'))}`"]
    commits = [
        f"commit `{words.visible(text(g, 'commit'))[:10]}`{_dirty(g)}" for g in each(record, "git") if text(g, "commit")
    ]
    yield ", ".join(part for part in [*parts, *commits] if part)
    yield ""


def _place(elsewhere: str) -> Iterator[str]:
    if elsewhere:
        yield f"**Not in the store**: the record is in {_code(elsewhere)}, which may not last"
        yield ""


def _dirty(repository: Document) -> str:
    return " with uncommitted changes" if repository.get("dirty") is True else ""


def _outputs(record: Document, cwd: str) -> Iterator[str]:
    outputs = each(record, "outputs")
    rows = [(_path(o, cwd), words.size(number(o, "size")), _code(text(o, "sha256")[:12])) for o in outputs]
    yield from _table("Outputs", ("File", "Size", "sha256"), rows)


def _inputs(manifests: Sequence[Document], cwd: str) -> Iterator[str]:
    found: dict[tuple[str, str], Document] = {}
    for manifest in manifests:
        for entry in each(manifest, "inputs"):
            if text(entry, "role") in {"data", ""}:
                found.setdefault((text(entry, "path"), text(entry, "sha256")), entry)
    rows = [(_path(e, cwd), words.size(number(e, "size")), _code(text(e, "sha256")[:12])) for e in found.values()]
    yield from _table("Data inputs", ("File", "Size", "sha256"), sorted(rows))


def _software(record: Document) -> Iterator[str]:
    rows = [
        (_plain(name), _plain(version), kind) for kind, name, version in map(words.package, texts(record, "software"))
    ]
    yield from _table("Software", ("Package", "Version", "From"), sorted(rows))


def _gaps(record: Document) -> Iterator[str]:
    gaps = each(record, "coverage", "gaps")
    rows = sorted({(_plain(text(gap, "kind")), _plain(text(gap, "detail"))) for gap in gaps})
    if rows:
        yield from _table("Gaps: what could not be seen", ("Kind", "Detail"), rows)
    elif mapping(record, "coverage"):
        yield "Nothing escaped the trace."
        yield ""


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        yield f"**{title}**: none"
        yield ""
        return
    yield "<details" + (" open" if len(rows) <= 10 else "") + f"><summary><b>{title}</b> ({len(rows):,})</summary>"
    yield ""
    yield _row(heads)
    yield _row("---" for _ in heads)
    yield from (_row(row) for row in rows[:ROWS])
    if len(rows) > ROWS:
        yield _row([f"… and {len(rows) - ROWS:,} more", *("" for _ in heads[1:])])
    yield ""
    yield "</details>"
    yield ""


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _path(entry: Document, cwd: str) -> str:
    return _code(words.visible(words.near(text(entry, "path"), cwd)))


def _code(said: str) -> str:
    """Text in backticks: more of them than it holds itself, and no bar that would end a table's cell."""
    if not said:
        return ""
    ticks = "`"
    while ticks in said:
        ticks += "`"
    pad = " " if said[0] == "`" or said[-1] == "`" else ""
    return f"{ticks}{pad}{words.visible(said)}{pad}{ticks}".replace("|", "\\|")


def _plain(said: str) -> str:
    """Text with everything escaped that Markdown or HTML would act on."""
    shown = words.visible(said).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]#|!~" else c for c in shown)
