"""`shark status`: which outputs should be made again?"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command, named
from shark.errors import SharkError
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.checking.status import Answer


@command(
    "status",
    ("shark status", "What is out of date below the working directory?"),
    ("shark status --json results/ | jq -r '.files[].file'", "The same for programs"),
    short_help="List outputs whose inputs changed, upstream included.",
)
@click.argument("directory", metavar="[DIR|FILE]", default=".", type=FILE)
@click.option("--full", is_flag=True, help="Read all files again, even those whose digest is known.")
def status(voice: Voice, directory: str, full: bool) -> int:
    """List the outputs below DIR (the working directory), or say of FILE, which should be made again, and why.

    An output is stale if an input of it changed, or an input of the run that made its input, and so on. It is maybe
    stale if a directory that its run listed has a new file, if a file is there now that its run looked for in vain, or
    if an input is gone and nobody knows who made it. Exit status: 0; 1 if some are stale; 2 if something could not be
    read.
    """
    from shark.checking.contents import Contents
    from shark.checking.records import Records
    from shark.checking.status import status as look
    from shark.cli.leaving import keep
    from shark.cli.progress import Bar
    from shark.content.digestcache import DigestCache
    from shark.store.home import Store

    if not os.path.lexists(directory):
        raise SharkError(f"{named(directory)}: no such file or directory", "Check the path.")
    gc.disable()  # as in `verify`
    store = Store.open(os.environ)
    with DigestCache.of_user(os.environ) as cache, Records(store, os.environ) as records:
        with Bar(shown=not voice.quiet) as bar:
            contents = Contents(cache, full=full, plan=bar.plan, progress=bar.add)
            answer = look(os.fsencode(directory), contents, records)
        for warning in [*store.warnings, *records.problems]:
            voice.warn(warning)
    _tell(voice, answer)
    keep(contents, records, answer)
    return 1 if any(file.state == "stale" for file in answer.files) else 0


def _tell(voice: Voice, answer: Answer) -> None:
    if voice.as_json:
        voice.document(answer.document())
    elif answer.counts or not answer.unlisted or os.path.isdir(answer.directory):
        from shark.view.status import add_status

        page = Page(voice.look())
        add_status(page, answer.document())
        voice.page(page)
    for name, why in answer.unlisted:
        voice.trouble(SharkError(f"{named(name)}: {why}", "Check the path, and that you may read it."))
