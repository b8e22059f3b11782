"""`shark lineage` and `shark impact`: where files come from, and what was made from them, across runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command, number
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.view.documents import Impact, Lineage

_DEPTH = click.option("--depth", callback=number, metavar="N", help="Across at most N runs in a row.")


@command(
    "lineage",
    ("shark lineage plot.png", "All that a file derives from, run by run"),
    ("shark lineage --depth 1 results/", "Only the runs that made what is in a directory"),
    ("shark lineage --json plot.png | jq -r '.nodes[] | select(.end == \"source\").path'", "The data at the beginning"),
    short_help="Show all that files derive from, across runs.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@_DEPTH
@click.option("--steps", is_flag=True, help="Show also by which processes of each run.")
def lineage(voice: Voice, files: tuple[str, ...], depth: int | None, steps: bool) -> int:
    """Show where files come from, all the way up: the run that made each, what it used, the runs that made that.

    Goes by what the manifests on the files and the records in the store say, also through files that were moved or
    copied, and says where knowledge ends. Of a directory, all files below it are shown. Exit status: 0; 1 if of a file
    nothing is known.
    """
    from shark import ancestry
    from shark.store.home import Store

    paths = [os.fsencode(file) for file in files]
    document = ancestry.lineage(paths, Store.open(os.environ), depth=depth, steps=steps)
    return _tell(voice, document)


@command(
    "impact",
    ("shark impact stations.csv", "All that must be made again if this was wrong"),
    ("shark impact --json stations.csv | jq -r '.nodes[] | select(.depth > 0).path // empty'", "The files alone"),
    short_help="Show all that was made from files, across runs.",
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=FILE)
@_DEPTH
def impact(voice: Voice, files: tuple[str, ...], depth: int | None) -> int:
    """Show what was made from files, all the way down: the runs that used each, the files that they made, and so on.

    The file may be gone, or changed since: then it is about the contents that it had. Goes by the records in the store.
    Exit status: 0; 1 if no run is known that used a file.
    """
    from shark import ancestry
    from shark.store.home import Store

    document = ancestry.impact([os.fsencode(file) for file in files], Store.open(os.environ), depth=depth)
    return _tell(voice, document)


def _tell(voice: Voice, document: Lineage | Impact) -> int:
    from shark.view.ancestry import add_ancestry

    for problem in document.get("problems", ()):
        voice.warn(problem)
    if voice.as_json:
        voice.document(document)
    else:
        page = Page(voice.look())
        add_ancestry(page, document)
        voice.page(page)
    known = {edge["to"] if document["schema"] == "shark/lineage/1" else edge["from"] for edge in document["edges"]}
    deep = {node["id"] for node in document["nodes"] if node.get("end") == "depth"}
    return 0 if document["roots"] and known.union(deep).issuperset(document["roots"]) else 1
