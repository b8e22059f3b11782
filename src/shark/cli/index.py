"""`shark index`: bring the index up to date, or make it anew."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import click

from shark.cli.common import Voice, command
from shark.errors import RecordDamaged, SharkError
from shark.view.words import counted

if TYPE_CHECKING:
    from shark.store.home import Store
    from shark.view.documents import IndexState


@command(
    "index",
    ("shark index", "After records were copied in with rsync"),
    ("shark index --rebuild", "Make it anew"),
    short_help="Bring the index up to date, and check all records.",
)
@click.option("--rebuild", is_flag=True, help="Forget the index and read all records again.")
def index(voice: Voice, rebuild: bool) -> int:
    """Bring the index of the store up to date, and check all records.

    The other commands do the former by themselves; the index can be deleted at any time. Records are checked by their
    files' sizes and times, and read where these changed; --rebuild reads all. Exit status: 0; 1 if records cannot be
    read.
    """
    from shark.store.home import Store
    from shark.store.index import Index
    from shark.store.schema import place

    store = Store.open(os.environ)
    with closing(Index.open(store, os.environ, rebuild=rebuild)) as opened:
        opened.refresh(every=True)
        runs = opened.count()
        problems = opened.problems()
        warnings = [*store.warnings, *opened.warnings]
    for warning in warnings:
        voice.warn(warning)
    for run, problem in problems:
        voice.trouble(SharkError(problem, _remedy(store, run), 1))
    if voice.as_json:
        document: IndexState = {
            "schema": "shark/index/1",
            "path": os.fsdecode(place(store, os.environ) or b""),
            "runs": runs,
            "damaged": [{"run": run, "problem": problem} for run, problem in problems],
        }
        voice.document(document)
    else:
        voice.line(f"{counted(runs, 'run')} in the index" + (f", {len(problems)} damaged" if problems else ""))
    return 0


def _remedy(store: Store, run: str) -> str:
    """What to do about a record that cannot be read: a newer shark's, or another user's, is to be kept."""
    try:
        store.read_record(run)
    except RecordDamaged:
        pass
    except SharkError as error:
        return error.hint
    return "Restore it from a copy, or `shark forget` it."
