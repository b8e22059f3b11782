"""`shark show`: one run, with its processes, steps and outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command
from shark.errors import NotFound, SharkError
from shark.view.page import Page
from shark.view.reading import each, text

if TYPE_CHECKING:
    from shark.store.home import Store
    from shark.view.documents import InspectEntry


@command(
    "show",
    ("shark show @1", "The latest run"),
    ("shark show plot.png", "The run that made a file"),
    ("shark show --json 7f3a9c21 > run.json", "The run record"),
    short_help="Show one run: processes, steps, outputs, software.",
)
@click.argument("run", metavar="RUN|FILE", type=FILE)
def show(voice: Voice, run: str) -> int:
    """Show one run: its command, the tree of its processes, its steps from data to data, outputs, software.

    RUN is any unique beginning or end of an id, or @1 for the latest run, @2 for the one before. An existing path wins
    over an id: then it is the run that made the file. Exit status: 0; 1 if there is no such run.
    """
    from shark.store.home import Store
    from shark.view.runs import add_run

    store = Store.open(os.environ)
    record = store.read_record(run_of(store, run))
    if voice.as_json:
        voice.document(record)
    else:
        page = Page(voice.look())
        add_run(page, record)
        voice.page(page)
    return 0


def run_of(store: Store, spec: str) -> str:
    """The id of the run that `spec` names, as a path or an id. Raises NotFound or SharkError."""
    if not os.path.lexists(spec):
        return store.find(spec)
    from shark import lookup

    runs = {run for found in lookup.inspect([os.fsencode(spec)], store) for run in _runs(found)}
    if len(runs) > 1:
        some = ", ".join(sorted(runs, reverse=True)[:5])
        what = f"the files in {spec} are of" if os.path.isdir(spec) else f"{spec} was made by one of"
        raise SharkError(f"{what} {len(runs)} runs", f"Name one of them: {some}" + (", …" if len(runs) > 5 else ""))
    if not runs:
        raise NotFound(f"{spec}: not known which run made it", f"See `shark inspect {spec}`.")
    return runs.pop()


def _runs(found: InspectEntry) -> list[str]:
    """The run that made a file; where that is not certain, all that made the same bytes."""
    run = text(found, "manifest", "run")
    return [run] if run else [text(candidate, "run") for candidate in each(found, "candidates")]
