"""`shark strip`: remove manifests from files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command, named
from shark.errors import SharkError
from shark.view.page import Page, Row, cell
from shark.view.words import counted, visible

if TYPE_CHECKING:
    from shark.store.strip import Stripped
    from shark.view.documents import Strip, StrippedFile


@command(
    "strip",
    ("shark strip plot.png", "Before giving a file away"),
    ("shark strip results/", "All files below a directory"),
    short_help="Remove manifests from files.",
)
@click.argument("files", metavar="FILE|DIR...", nargs=-1, required=True, type=FILE)
def strip(voice: Voice, files: tuple[str, ...]) -> int:
    """Remove manifests from files: attributes and sidecars.

    Content, times and the store's records stay as they are; only what is a manifest is removed. Exit status: 0 if all
    that there was is removed (also if there was nothing), 1 if some could not be.
    """
    done = []
    for file in files:
        done += list(_stripped(voice, os.fsencode(file)))
    hindered = [(path, result) for path, result in done if result.why]
    freed = [(path, result) for path, result in done if result.freed]
    if voice.as_json:
        document: Strip = {"schema": "shark/strip/1", "files": [_entry(path, result) for path, result in done]}
        voice.document(document)
    elif freed or not (hindered or voice.failed):
        _tell(voice, freed)
    for path, result in hindered:
        voice.trouble(SharkError(f"{os.fsdecode(path)}: {result.why}", "Its manifest is still there.", 1))
    return 0


def _stripped(voice: Voice, path: bytes) -> Iterator[tuple[bytes, Stripped]]:
    from shark.store.strip import strip as strip_file
    from shark.store.strip import strip_tree

    if not os.path.lexists(path):
        voice.trouble(SharkError(f"{named(path)}: no such file or directory", "Check the path."))
    elif os.path.isdir(path) and not os.path.islink(path):
        yield from strip_tree(path)
    else:
        result = strip_file(path)
        if result.freed or result.why:
            yield path, result


def _entry(path: bytes, result: Stripped) -> StrippedFile:
    entry: StrippedFile = {"file": os.fsdecode(path), "removed": list(result.freed)}
    if result.why:
        entry["why"] = result.why
    return entry


def _tell(voice: Voice, freed: list[tuple[bytes, Stripped]]) -> None:
    page = Page(voice.look())
    if voice.verbose:
        rows = [
            Row((cell(visible(os.fsdecode(path), ascii_only=page.look.ascii)), cell(", ".join(r.freed), "dim")))
            for path, r in freed
        ]
        page.grid(rows, indent=0)
    page.line(*cell(f"{counted(len(freed), 'file')} stripped" if freed else "no manifests there"))
    voice.page(page)
