"""`shark run` and `shark record` as the other commands see them: for help, completion and the manual. They read their
arguments themselves (`cli/run.py`, `cli/record_value.py`).

Their options and texts are read from their own help texts, so that there is one place where they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import click

from shark.cli import record_value
from shark.cli.common import Command
from shark.cli.run import HELP, main

REPEATABLE = "May be repeated."
"""What the help text says of options that may be given more than once."""

_OPTION = re.compile(r"^  (-.*?)(?:\n? {2,}(.*(?:\n {20,}.*)*))?$", re.MULTILINE)
_EXAMPLES = re.compile(r"^  (shark (?:run|record) .*)$", re.MULTILINE)


def options(text: str = HELP) -> list[click.Option]:
    """The options in a help text (of `shark run`), as click's."""
    section = text.partition("Options:\n")[2].partition("\n\n")[0]
    rows = [(found[1].strip(), " ".join((found[2] or "").split())) for found in _OPTION.finditer(section)]
    return [_option(flags, text) for flags, text in rows if "--help" not in flags]


def _option(flags: str, text: str) -> click.Option:
    names, _, metavar = flags.rpartition(" ") if not flags.rpartition(" ")[2].startswith("-") else (flags, "", "")
    if not metavar:
        return click.Option(names.split(", "), is_flag=True, help=text)
    kind = click.Choice(metavar.split("|")) if "|" in metavar else click.STRING
    return click.Option(names.split(", "), type=kind, metavar=metavar, multiple=REPEATABLE in text, help=text)


class _OwnParser(Command):
    """Everything after the word belongs to the command's own parser; the options here are only shown and completed."""

    def __init__(self, name: str, text: str, main: Callable[[Sequence[str]], int], **settings: Any) -> None:
        examples = tuple((line, "") for line in _EXAMPLES.findall(text.partition("\nExample")[2]))
        super().__init__(name, help=_about(text), examples=examples, **settings)
        self._text = text
        self._main = main

    def get_help(self, ctx: click.Context) -> str:
        return self._text.rstrip("\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # completion
            return super().parse_args(ctx, args)
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> Any:
        return self._main(ctx.args)


def _about(text: str) -> str:
    body = text.partition("\n\n")[2]
    before, _, after = body.partition("Options:\n")
    status = after.partition("\n\n")[2].partition("Example")[0]
    return f"{before.strip()}\n\n{status.strip()}"


run = _OwnParser(
    "run",
    HELP,
    main,
    params=[*options(), click.Argument(["command"], metavar="COMMAND...", nargs=-1, required=True)],
    short_help="Run a command, and record where its outputs come from.",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
)

record = _OwnParser(
    "record",
    record_value.HELP,
    record_value.main,
    params=[
        *options(record_value.HELP),
        click.Argument(["key"], metavar="KEY", required=True),
        click.Argument(["value"], metavar="VALUE", required=True),
    ],
    short_help="Note a value in the record of the run that is going on.",
    context_settings={"allow_interspersed_args": False},
)
