"""`shark run` as the other commands see it: for help, completion and the manual. It is `cli/run.py` that does it."""

from __future__ import annotations

import click

from shark.cli.common import Command
from shark.cli.run_options import EXAMPLES, OPTIONS, REPEATABLE


def option(flags: str, metavar: str, text: str) -> click.Option:
    """One of run's options as click's."""
    names = flags.split(", ")
    if not metavar:
        return click.Option(names, is_flag=True, help=text)
    choice = click.Choice(metavar.split("|")) if "|" in metavar else click.STRING
    return click.Option(names, type=choice, metavar=metavar, multiple=names[-1] in REPEATABLE, help=text)


class _Run(Command):
    """Everything after `run` belongs to its own parser; the options here are only shown and completed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if ctx.resilient_parsing:  # completion
            return super().parse_args(ctx, args)
        if args[:1] in (["--help"], ["-h"]):
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()
        ctx.args = list(args)
        return []

    def invoke(self, ctx: click.Context) -> int:
        from shark.cli.run import main

        return main(ctx.args)


run = _Run(
    "run",
    params=[*(option(*row) for row in OPTIONS), click.Argument(["cmd"], metavar="CMD...", nargs=-1, required=True)],
    examples=EXAMPLES,
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
    help="""Run a command, and leave a manifest on every file that it writes.

    The command is not changed: same input and output, terminal, signals and exit status. What it read, wrote and
    executed is recorded in the store, and each file that it wrote says where it came from (shark inspect FILE).

    Exit status: the command's own; 125 if shark itself fails before it starts, 126 if it cannot be executed, 127 if it
    is not found.""",
)


def help_text() -> str:
    """The text of `shark run --help`."""
    context = click.Context(run, info_name="shark run", max_content_width=100)
    return run.get_help(context) + "\n"
