"""`shark recover`: finish runs whose shark was killed."""

from __future__ import annotations

import click

from shark.cli.common import Voice, command
from shark.view.words import counted, short_id


@command("recover", ("shark recover", "Finish every run that was broken off"), ("shark recover @1", "Only the latest"))
@click.argument("run", required=False)
def recover(voice: Voice, run: str | None) -> int:
    """Make run records and manifests of runs whose shark was killed, from their journals.

    What the journal holds up to that moment is recorded, with a gap that says so. Exit status: 0, also if there was
    nothing to recover; 1 if RUN is unknown.
    """
    from shark import record

    found = list(record.recover(run))
    if voice.as_json:
        voice.document({"schema": "shark/recover/1", "runs": found})
    else:
        ids = ", ".join(map(short_id, found))
        voice.line(f"{counted(len(found), 'run')} recovered: {ids}" if found else "nothing to recover")
    return 0
