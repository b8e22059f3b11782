"""`shark inspect`: what a file is, whether it still is what was recorded, and where it came from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command, named
from shark.errors import SharkError
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.store.home import Store
    from shark.view.documents import InspectEntry


@command(
    "inspect",
    ("shark inspect plot.png", "Where does this file come from?"),
    ("shark inspect results/", "All files of a directory, by the runs that made them"),
    ("shark inspect --json plot.png | jq '.[0].manifest.inputs'", "The same for programs"),
    short_help="Show where files come from.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
def inspect(voice: Voice, files: tuple[str, ...]) -> int:
    """Show where files come from: command, inputs, software, git commit, and what could not be seen.

    The manifest is taken from the file's attribute, else from the sidecar beside it, else from the store; the file's
    content is compared with it. Of a directory, all files below it are shown, grouped by the run that made them. Exit
    status: 0 if every file has a manifest, 1 if one has none.
    """
    from shark.store.home import Store

    store = Store.open(os.environ)
    groups = list(_found(voice, files, store))
    every = [entry for _, found in groups for entry in found]
    for warning in store.warnings:
        voice.warn(warning)
    if voice.as_json:
        voice.document(every)
    elif groups:
        voice.page(_page(voice, groups))
    return 0 if every and all(entry.get("manifest") for entry in every) else 1


def _found(voice: Voice, files: tuple[str, ...], store: Store) -> Iterator[tuple[str, list[InspectEntry]]]:
    """What is known of each argument. The files among them are looked up together: the index is opened once."""
    from shark import lookup

    for is_directory, some in groupby(files, os.path.isdir):
        names = list(some)
        if not is_directory:
            names = [name for name in names if _exists(voice, name)]
            yield from ((entry["file"], [entry]) for entry in lookup.inspect([os.fsencode(n) for n in names], store))
        else:
            yield from ((name, lookup.inspect([os.fsencode(name)], store)) for name in names)


def _exists(voice: Voice, name: str) -> bool:
    """Tell of a file that is not there; the others are shown nevertheless."""
    try:
        os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        voice.trouble(SharkError(f"{named(name)}: no such file or directory", "Check the path."))
        return False
    except OSError as error:
        advice = "See that you may enter its folders." if isinstance(error, PermissionError) else "Check the path."
        voice.trouble(SharkError(f"{name}: {(error.strerror or str(error)).lower()}", advice))
        return False
    return True


def _page(voice: Voice, groups: list[tuple[str, list[InspectEntry]]]) -> Page:
    from shark.view.directory import add_directory
    from shark.view.inspect import add_found

    page = Page(voice.look())
    for file, found in groups:
        if os.path.isdir(file):
            add_directory(page, file, found)
        else:
            for entry in found:
                add_found(page, entry)
    return page
