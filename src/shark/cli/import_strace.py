"""`shark import-strace`: a run record from a log that strace has written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command
from shark.view.words import short_id

if TYPE_CHECKING:
    from shark.view.documents import ImportedRun


@command(
    "import-strace",
    ("strace -f -y -ttt -o job.log make; shark import-strace job.log", "Trace with strace, then make a run of it"),
    short_help="Make a run of an strace log.",
)
@click.argument("log", type=FILE)
def import_strace(voice: Voice, log: str) -> int:
    """Make a run record from an strace log that you already have.

    The log should be written with -f -y (all processes, with paths). What it cannot tell, such as earlier contents of
    changed files, becomes gaps. Nothing is attached to files. Exit status: 0, or 2 if it is no such log.
    """
    from shark import recovering

    outcome = recovering.import_strace(log)
    run = outcome.record["id"]
    for warning in outcome.warnings:
        voice.warn(warning)
    if voice.as_json:
        document: ImportedRun = {"schema": "shark/import-strace/1", "run": run}
        voice.document(document)
    else:
        voice.line(f"imported as run {short_id(run)}: see `shark show {short_id(run)}`")
    return 0
