"""`shark log`: the runs, newest first."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING

import click

from shark.cli.common import FILE, Voice, command, number
from shark.moments import moment
from shark.view import words
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.store.choosing import Wanted
    from shark.view.documents import Log, LogEntry

SHOWN = 30
"""So many runs are shown, unless another number is asked for."""


def _tags(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str | None], ...]:
    found = []
    for value in values:
        key, equals, text = value.partition("=")
        if not key:
            raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE")
        found.append((key, text if equals else None))
    return tuple(found)


@command(
    "log",
    ("shark log", "The latest runs"),
    ("shark log --failed --since yesterday", "What went wrong lately"),
    ("shark log --command '*model.R*' --input stations.csv", "Runs of a script on some data"),
    ("shark log --output results/ --json", "Who made what is in a directory, for programs"),
    short_help="List the runs, newest first.",
)
@click.option(
    "-n", "--number", "--limit", default=str(SHOWN), callback=number, metavar="N", help=f"At most N ({SHOWN}); 0: all."
)
@click.option("--since", metavar="TIME", help="Begun then or later: 2026-11-21, '2026-11-21 10:30', 2h, '3 days ago'.")
@click.option("--until", metavar="TIME", help="Begun before; of a date, that day included.")
@click.option("--name", metavar="NAME", help="Of that name.")
@click.option("--tag", "tags", metavar="KEY[=VALUE]", multiple=True, callback=_tags, help="With that tag. Repeatable.")
@click.option("--command", "text", metavar="TEXT", help="Whose command line has that; with * ? [ a pattern.")
@click.option("--output", "outputs", metavar="FILE", multiple=True, type=FILE, help="That made FILE, or one below.")
@click.option("--input", "inputs", metavar="FILE", multiple=True, type=FILE, help="That used FILE, or one below.")
@click.option("--failed", is_flag=True, help="Whose command failed, or whose block raised an exception.")
def log(
    voice: Voice,
    number: int,
    since: str | None,
    until: str | None,
    name: str | None,
    tags: tuple[tuple[str, str | None], ...],
    text: str | None,
    outputs: tuple[str, ...],
    inputs: tuple[str, ...],
    failed: bool,
) -> int:
    """List the runs in the store, newest first: id, start, duration, how it ended, outputs, command.

    Options choose among them; a run must be all that is said. Exit status: 0; 1 if options ask for certain runs and
    there is none.
    """
    from shark.lookup import recorded_path
    from shark.store.choosing import ALL, Wanted

    now = datetime.now().astimezone()
    wanted = Wanted(
        None if since is None else moment(since, now),
        None if until is None else moment(until, now, end=True),
        name,
        tags,
        text,
        tuple(recorded_path(os.fsencode(path)) for path in outputs),
        tuple(recorded_path(os.fsencode(path)) for path in inputs),
        failed,
    )
    runs = _runs(voice, number, wanted)
    if voice.as_json:
        document: Log = {"schema": "shark/log/1", "runs": runs}
        voice.document(document)
    else:
        _show(voice, runs, chosen=wanted != ALL)
    return 1 if wanted != ALL and not runs else 0


def _runs(voice: Voice, number: int, wanted: Wanted) -> list[LogEntry]:
    from shark.listed import entry
    from shark.store.home import Store
    from shark.store.index import Index
    from shark.unfinished import broken_off

    store = Store.open(os.environ)
    with closing(Index.open(store, os.environ)) as index:
        runs = [entry(row) for row in index.runs(number or -1, wanted)]
        problems = index.problems()
        warnings = [*store.warnings, *index.warnings]
    for warning in warnings:
        voice.warn(warning)
    if problems:
        voice.warn(f"{words.counted(len(problems), 'record')} cannot be read; `shark index` tells why")
    left = broken_off(store)
    if left:
        were = "was" if len(left) == 1 else "were"
        voice.warn(f"{words.counted(len(left), 'run')} {were} broken off as shark was killed: see `shark recover`")
    return runs


def _show(voice: Voice, runs: list[LogEntry], *, chosen: bool) -> None:
    from shark.view.runs import add_log

    if not runs:
        voice.warn("no such runs" if chosen else "no runs yet: `shark run -- CMD` makes one")
        return
    page = Page(voice.look())
    add_log(page, runs)
    voice.page(page)
