"""`shark recover`: finish runs whose shark was killed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from shark.cli.common import Voice, command
from shark.view.words import counted, short_id

if TYPE_CHECKING:
    from shark.view.documents import Recover


@command(
    "recover",
    ("shark recover", "Finish every run that was broken off"),
    ("shark recover 7f3a9c21", "Only this run"),
    short_help="Finish runs whose shark was killed.",
)
@click.argument("run", required=False)
def recover(voice: Voice, run: str | None) -> int:
    """Make run records and manifests of runs whose shark was killed, from their journals.

    What the journal holds up to that moment is recorded, with a gap that says so. Exit status: 0, also if there was
    nothing to recover; 1 if RUN is unknown; 2 if a journal cannot be read, and then the others are finished
    nevertheless.
    """
    from shark import recovering

    found = recovering.recover(_journal(run) if run else None, voice.trouble)
    if voice.as_json:
        document: Recover = {"schema": "shark/recover/1", "runs": found}
        voice.document(document)
    elif found or not voice.failed:
        ids = ", ".join(map(short_id, found))
        voice.line(f"{counted(len(found), 'run')} recovered: {ids}" if found else "nothing to recover")
    return 0


def _journal(spec: str) -> str:
    """The id of the one unfinished run that `spec` begins or ends; `spec` itself if there is none."""
    from shark.store.home import Store
    from shark.unfinished import find

    return find(Store.open(os.environ), spec) or spec
