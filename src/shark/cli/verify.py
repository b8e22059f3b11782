"""`shark verify`: are files, and what they were made from, still what was recorded?"""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command, named
from shark.errors import SharkError
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.checking.verify import Checked, Verification


@command(
    "verify",
    ("shark verify plot.png", "Is it unchanged, and are its inputs?"),
    ("shark verify results/", "All files below a directory"),
    ("shark verify --full results/", "Read every file again, whatever the cache of digests says"),
    short_help="Compare files and their inputs with what was recorded.",
)
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=FILE)
@click.option("--full", is_flag=True, help="Read all files again, even those whose digest is known.")
def verify(voice: Voice, paths: tuple[str, ...], full: bool) -> int:
    """Compare files, and what they were made from, with what was recorded.

    A file is ok, modified, missing, input-modified or input-missing. Inputs are looked for where they were, then at the
    same place relative to the file, then by their digest in the store. Below a directory, files without a manifest are
    only counted. Exit status: 0 if all are ok; 1 if one is not, or nothing is known of a file; 2 if one could not be
    compared.
    """
    from shark.checking.contents import Contents
    from shark.checking.records import Records
    from shark.checking.verify import verify as compare
    from shark.cli.leaving import keep
    from shark.cli.progress import Bar
    from shark.content.digestcache import DigestCache
    from shark.store.home import Store

    # Much is made and nothing let go until the end: looking for what nobody needs would take a third of the time.
    gc.disable()
    store = Store.open(os.environ)
    with DigestCache.of_user(os.environ) as cache, Records(store, os.environ) as records:
        with Bar(shown=not voice.quiet) as bar:
            contents = Contents(cache, full=full, plan=bar.plan, progress=bar.add)
            answer = compare([os.fsencode(path) for path in paths], contents, records)
        for warning in [*store.warnings, *records.problems]:
            voice.warn(warning)
    _tell(voice, answer)
    keep(contents, records, answer)
    return 0 if answer.files and all(one.state == "ok" for one in answer.files) else 1


def _tell(voice: Voice, answer: Verification) -> None:
    if voice.as_json:
        voice.document(answer.document())
    elif answer.files or not answer.unlisted:
        from shark.view.verify import add_verification

        page = Page(voice.look())
        add_verification(page, answer.document(whole=voice.verbose))
        voice.page(page)
    for name, why in answer.unlisted:
        voice.trouble(SharkError(f"{named(name)}: {why}", "Check the path, and that you may read it."))
    for one in answer.files:
        if _hindered(one):
            voice.trouble(SharkError(f"{named(one.file)} could not be compared: {one.problem}", _advice(one)))


def _advice(one: Checked) -> str:
    if any(state.state == "touched" for state in one.inputs):
        return f"See the gaps in `shark show {one.run}` for why its run did not hash that."
    return "See that you may read it." if one.hindered else "Its run did not hash it: see --hash of `shark run`."


def _hindered(one: Checked) -> bool:
    """Something is known of the file, or hinders knowing; that nothing is known of it is an answer."""
    return one.state == "unknown" and bool(one.run or one.hindered)
