"""`shark forget`: remove runs from the store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command
from shark.errors import NotFound, SharkError
from shark.view.words import counted, short_id

if TYPE_CHECKING:
    from shark.store.home import Store
    from shark.view.documents import Forget, ForgottenRun


@command(
    "forget",
    ("shark forget @1", "The latest run"),
    ("shark forget 7f3a9c21 0192f00d", "Two runs, by the ends of their ids"),
    short_help="Remove runs from the store.",
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=FILE)
def forget(voice: Voice, runs: tuple[str, ...]) -> int:
    """Remove runs, and what only they need, from the store; also one that was broken off and has only a journal.

    The files that they made stay, with the manifests on them (shark strip removes those). Exit status: 0; 1 if a run is
    unknown, and then the others are removed nevertheless.
    """
    from shark.store.forget import forget as forget_run
    from shark.store.home import Store

    store = Store.open(os.environ)
    done: list[ForgottenRun] = []
    # All are looked up first: @1 is another run once the latest is gone.
    for run in dict.fromkeys(_known(voice, store, runs)):
        try:
            gone = forget_run(store, run)
        except SharkError as error:
            voice.trouble(error)
            continue
        entry: ForgottenRun = {"run": run, "objects": gone.objects}
        if gone.kept:
            entry["kept"] = gone.kept
        done.append(entry)
        if not voice.as_json:
            more = [f"with {counted(gone.objects, 'object')}"] if gone.objects else []
            more += [gone.kept] if gone.kept else []
            voice.line(", ".join([f"run {short_id(run)} forgotten", *more]))
    if voice.as_json:
        document: Forget = {"schema": "shark/forget/1", "runs": done}
        voice.document(document)
    return 0


def _known(voice: Voice, store: Store, specs: tuple[str, ...]) -> Iterator[str]:
    for spec in specs:
        try:
            yield _found(store, spec)
        except SharkError as error:
            voice.trouble(error)


def _found(store: Store, spec: str) -> str:
    """The run that `spec` names, be it that it has a record or a journal only. Raises SharkError."""
    from shark.unfinished import find

    try:
        return store.find(spec)
    except NotFound:
        left = find(store, spec) if spec else None
        if left is None:
            raise
        return left
