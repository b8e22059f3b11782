"""`shark log`: the runs, newest first."""

from __future__ import annotations

import os
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

import click

from shark.cli.common import Voice, command
from shark.view import reading, words
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.model.documents import Command
    from shark.store.index import RunRow
    from shark.view.documents import Log, LogEntry

SHOWN = 30
"""So many runs are shown, unless another number is asked for."""


def _number(_: click.Context, __: click.Parameter, value: str) -> int:
    if not (value.isascii() and value.isdecimal()):
        raise click.BadParameter(f"{value!r} is no number, 0 or more")
    return int(value)


def _tag(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, str] | None:
    key, equals, text = (value or "").partition("=")
    if value is not None and not (key and equals):
        raise click.BadParameter(f"{value!r} is not of the form KEY=VALUE")
    return None if value is None else (key, text)


@command(
    "log",
    ("shark log", "The latest runs"),
    ("shark log --failed -n 5", "The last five that failed"),
    short_help="List the runs, newest first.",
)
@click.option(
    "-n", "--number", default=str(SHOWN), callback=_number, metavar="N", help=f"So many runs ({SHOWN}); 0 for all."
)
@click.option("--name", metavar="NAME", help="Only runs of that name.")
@click.option("--tag", metavar="KEY=VALUE", callback=_tag, help="Only runs with that tag.")
@click.option("--failed", is_flag=True, help="Only runs whose command failed.")
def log(voice: Voice, number: int, name: str | None, tag: tuple[str, str] | None, failed: bool) -> int:
    """List the runs in the store, newest first: id, start, duration, how it ended, outputs, command.

    Exit status: 0; 1 if options ask for certain runs and there is none.
    """
    from shark.store.home import Store
    from shark.store.index import Index

    store = Store.open(os.environ)
    with closing(Index.open(store, os.environ)) as index:
        chosen = name is not None or tag is not None or failed
        found = map(_entry, index.runs(-1 if chosen or not number else number))
        runs = list(islice((run for run in found if _fits(run, name, tag, failed)), number or None))
        problems = index.problems()
        warnings = [*store.warnings, *index.warnings]
    for warning in warnings:
        voice.warn(warning)
    if problems:
        voice.warn(f"{words.counted(len(problems), 'record')} cannot be read; `shark index` tells why")
    if voice.as_json:
        document: Log = {"schema": "shark/log/1", "runs": runs}
        voice.document(document)
    else:
        _show(voice, runs, chosen=chosen)
    return 1 if chosen and not runs else 0


def _show(voice: Voice, runs: list[LogEntry], *, chosen: bool) -> None:
    from shark.view.runs import add_log

    if not runs:
        voice.warn("no such runs" if chosen else "no runs yet: `shark run -- CMD` makes one")
        return
    page = Page(voice.look())
    add_log(page, runs)
    voice.page(page)


def _fits(run: LogEntry, name: str | None, tag: tuple[str, str] | None, failed: bool) -> bool:
    key, value = tag or ("", "")
    return (
        (name is None or run.get("name") == name)
        and (tag is None or reading.mapping(run, "tags").get(key) == value)
        and (not failed or words.ending(run["command"])[1])
    )


def _entry(row: RunRow) -> LogEntry:
    """What a listing says of a run, named as in its record; `outputs` and `gaps` are counts."""
    entry: LogEntry = {"id": row.id, "command": _command(row), "outputs": row.outputs, "gaps": row.gaps}
    if row.name:
        entry["name"] = row.name
    if row.tags:
        entry["tags"] = row.tags
    if row.parent:
        entry["parent"] = row.parent
    return entry


def _command(row: RunRow) -> Command:
    command: Command = {"argv": list(row.argv), "cwd": row.cwd}
    if row.start:
        command["start"] = row.start
    if row.end:
        command["end"] = row.end
    if row.seconds >= 0:
        command["seconds"] = row.seconds
    if row.exit >= 0:
        command["exit"] = row.exit
    if row.signal >= 0:
        command["signal"] = row.signal
    return command
