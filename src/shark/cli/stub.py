"""`shark run` as the other commands see it: for help, completion and the manual. It is `cli/run.py` that does it.

Its options and texts are read from its own help text, so that there is one place where they are written.
"""

from __future__ import annotations

import re
from typing import Any

import click

from shark.cli.common import Command
from shark.cli.run import HELP, main

REPEATABLE = "May be repeated."
"""What the help text says of options that may be given more than once."""

_OPTION = re.compile(r"^  (-.*?)(?:\n? {2,}(.*(?:\n {20,}.*)*))?$", re.MULTILINE)
_EXAMPLES = re.compile(r"^  (shark run .*)$", re.MULTILINE)


def options() -> list[click.Option]:
    """The options of `shark run`, as click's."""
    section = HELP.partition("Options:\n")[2].partition("\n\n")[0]
    rows = [(found[1].strip(), " ".join((found[2] or "").split())) for found in _OPTION.finditer(section)]
    return [_option(flags, text) for flags, text in rows if "--help" not in flags]


def _option(flags: str, text: str) -> click.Option:
    names, _, metavar = flags.rpartition(" ") if not flags.rpartition(" ")[2].startswith("-") else (flags, "", "")
    if not metavar:
        return click.Option(names.split(", "), is_flag=True, help=text)
    kind = click.Choice(metavar.split("|")) if "|" in metavar else click.STRING
    return click.Option(names.split(", "), type=kind, metavar=metavar, multiple=REPEATABLE in text, help=text)


class _Run(Command):
    """Everything after `run` belongs to its own parser; the options here are only shown and completed."""

    def get_help(self, ctx: click.Context) -> str:
        return HELP.rstrip("\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # completion
            return super().parse_args(ctx, args)
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> Any:
        return main(ctx.args)


def _about() -> str:
    body = HELP.partition("\n\n")[2]
    before, _, after = body.partition("Options:\n")
    status = after.partition("\n\n")[2].partition("Example")[0]
    return f"{before.strip()}\n\n{status.strip()}"


run = _Run(
    "run",
    params=[*options(), click.Argument(["command"], metavar="COMMAND...", nargs=-1, required=True)],
    help=_about(),
    short_help="Run a command, and record where its outputs come from.",
    examples=tuple((line, "") for line in _EXAMPLES.findall(HELP.partition("\nExample")[2])),
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
)
