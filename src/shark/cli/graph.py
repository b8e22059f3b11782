"""`shark graph`: the picture of a run, or of where a file comes from."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, cast

import click

from shark.cli.common import FILE, Voice, command, named, write_bytes, write_text
from shark.errors import NotFound, SharkError
from shark.view.words import advised

if TYPE_CHECKING:
    from shark.store.home import Store
    from shark.view.documents import Graph
    from shark.view.graph_detail import Detail

FORMATS = ("html", "svg", "png", "dot", "mmd")
"""Each is the ending of its files too."""


@command(
    "graph",
    ("shark graph plot.png -o plot.html", "Where a file comes from, as a page to look at in a browser"),
    ("shark graph @1 -o run.svg", "The programs and files of the latest run, as a picture"),
    ("shark graph @1 --format mmd", "The same as Mermaid, for Markdown"),
    short_help="Draw a run, or where a file comes from.",
)
@click.argument("run", metavar="FILE|RUN", type=FILE)
@click.option("-o", "--output", metavar="FILE", type=FILE, help="Write it there, as its ending says; -: stdout.")
@click.option(
    "--format", "form", type=click.Choice(FORMATS), help="The format, whatever the ending says (dot if none does)."
)
@click.option(
    "--detail",
    type=click.Choice(("overview", "files", "software", "all")),
    help="How much to show: alike things as one; data, code and settings; packages too; each file.",
)
def graph(voice: Voice, run: str, output: str | None, form: str | None, detail: str | None) -> int:
    """Draw a run with its programs and files, or, across runs, where a file comes from.

    HTML is one page that needs no network: move and zoom, search, choose how much is shown, click for details; below
    is a time line of the processes. SVG and PNG are made by graphviz where it is installed; without it, shark lays SVG
    out itself. DOT is graphviz' language, and is what is written to stdout when neither -o nor --format is given. An
    existing path wins over the id of a run. Exit status: 0; 1 if there is no such run, or nothing is known of the file.
    """
    if output == "-":
        output = None
    wanted = _format(output, form)
    _check(run, output)
    whole = graph_of(voice, run)
    level = cast("Detail | None", detail)
    if voice.as_json:
        from shark.view.graph_detail import reduced

        voice.document(reduced(whole, level or "all"))
    if output is not None or not voice.as_json:
        data = _drawn(voice, whole, wanted, level)
        _put(voice, data, wanted, output, hint=form is None)
    return 0


def graph_of(voice: Voice, spec: str) -> Graph:
    """The whole picture of what `spec` names: a file's, if there is one of that name. Raises NotFound or SharkError."""
    from shark.store.home import Store

    store = Store.open(os.environ)
    found = _of_file(voice, spec, store) if os.path.lexists(spec) else _of_run(voice, spec, store)
    for warning in store.warnings:
        voice.warn(warning)
    return found


def _of_run(voice: Voice, spec: str, store: Store) -> Graph:
    """A run's; where there is none of that name, that of a file which is gone but known."""
    from shark.view.graph_run import run_graph

    try:
        return run_graph(store.read_record(store.find(spec)))
    except NotFound as error:
        try:
            return _of_file(voice, spec, store)
        except NotFound:
            raise NotFound(f"{spec!r} is neither a file nor a run in the store", error.hint) from None


def _of_file(voice: Voice, path: str, store: Store) -> Graph:
    from shark import ancestry
    from shark.view.graph_lineage import lineage_graph

    document = ancestry.lineage([os.fsencode(path)], store, os.environ)
    for problem in document.get("problems", ()):
        voice.warn(problem)
    if not document["edges"]:
        raise NotFound(
            f"{path}: nothing is known of where it comes from", f"See {advised('shark', 'inspect', path=path)}."
        )
    return lineage_graph(document, path, os.getcwd())


def _format(output: str | None, form: str | None) -> str:
    if form is not None:
        return form
    if output is None:
        return "dot"
    ending = os.path.splitext(output)[1].lower().lstrip(".")
    ending = {"htm": "html", "mermaid": "mmd", "gv": "dot"}.get(ending, ending)
    if ending not in FORMATS:
        some = ", ".join(f".{name}" for name in FORMATS)
        raise SharkError(
            f"{named(output)}: the ending does not say which format is meant", f"End it in {some}, or say --format."
        )
    return ending


def _check(run: str, output: str | None) -> None:
    """Say at once, before anything is read, that the picture could not be written there."""
    if output is None:
        return
    if os.path.isdir(output):
        raise SharkError(f"{output} is a directory", "Name a file.")
    if os.path.exists(run) and os.path.exists(output) and os.path.samefile(run, output):
        raise SharkError(f"{output} is the file that is to be drawn", "Name another one: it would be overwritten.")


def _drawn(voice: Voice, whole: Graph, form: str, detail: Detail | None) -> bytes:
    from shark.view.graph_detail import fitting, reduced

    if form == "html":
        return _page(voice, whole, detail)
    shown = reduced(whole, detail or fitting(whole))
    if form in {"svg", "png"}:
        from shark.cli.graphviz import png, svg

        return svg(shown) if form == "svg" else png(shown)
    if form == "dot":
        from shark.view.graph_dot import dot

        return dot(shown).encode()
    from shark.view.graph_mermaid import CHARACTERS, EDGES, mermaid

    text = mermaid(shown)
    if len(text) > CHARACTERS or len(shown["edges"]) > EDGES:
        voice.warn(
            "Mermaid draws nothing so large unless it is set up for it: try --detail overview, or another format"
        )
    return text.encode()


def _page(voice: Voice, whole: Graph, detail: Detail | None) -> bytes:
    from importlib.resources import files

    from shark.view.graph_page import left_out, page

    assets = {entry.name: entry.read_text("utf-8") for entry in files("shark").joinpath("assets").iterdir()}
    if missing := left_out(whole):
        voice.warn(f"too large for a page, and left out of it: the detail {', '.join(missing)}")
    return page(whole, assets, first=detail).encode()


def _put(voice: Voice, data: bytes, form: str, output: str | None, *, hint: bool) -> None:
    if output is not None:
        _write(output, data)
        return
    terminal = sys.stdout is not None and sys.stdout.isatty()
    if form == "png" and terminal:
        raise SharkError("a terminal cannot show a PNG picture", "Name a file for it: -o picture.png.")
    write_bytes(data)
    if terminal and hint and not voice.quiet:
        write_text(sys.stderr, "shark: this is DOT, graphviz' language; -o graph.html makes a page to look at\n")


def _write(path: str, data: bytes) -> None:
    """Write by temporary file and rename if that is a plain file; raises OSError."""
    from shark.store import files

    if os.path.lexists(path) and not (os.path.isfile(path) and not os.path.islink(path)):
        with open(path, "wb") as file:  # a device or a link: written into, not replaced
            file.write(data)
        return
    mask = os.umask(0)
    os.umask(mask)
    files.write_whole(os.fsencode(path), data, mode=0o666 & ~mask)
