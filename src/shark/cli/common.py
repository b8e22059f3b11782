"""What all commands have: --json, -q, -v, --help with an example; and how they speak."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

from shark import jsontext
from shark.errors import SharkError
from shark.view.look import Look, look_at
from shark.view.page import Page
from shark.view.paint import painted
from shark.view.words import trouble, visible


class Command(click.Command):
    """A command whose help ends with examples: (command line, what it does) pairs."""

    def __init__(self, *args: Any, examples: tuple[tuple[str, str], ...] = (), **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the epilog."""
        if self.examples:
            with formatter.section("Examples"):
                formatter.write_dl(self.examples)
        super().format_epilog(ctx, formatter)


class Voice:
    """How a command speaks: documents or pages on stdout, warnings and troubles on stderr.

    With `quiet` it says nothing but documents and troubles. `failed` is the exit status that troubles so far ask for.
    """

    def __init__(self, *, as_json: bool, quiet: bool, verbose: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self.failed = 0

    def look(self) -> Look:
        """How stdout is looked at."""
        return look_at(sys.stdout, os.environ, verbose=self.verbose)

    def document(self, document: object) -> None:
        """Write one JSON document to stdout."""
        sys.stdout.flush()
        write_bytes(jsontext.dumps(document, indent=True) + b"\n")

    def page(self, page: Page) -> None:
        """Write a page to stdout, unless it shall be quiet."""
        if not self.quiet:
            write_text(sys.stdout, painted(page))

    def line(self, text: str) -> None:
        """Write a line to stdout, unless it shall be quiet."""
        if not self.quiet:
            write_text(sys.stdout, f"{visible(text)}\n")

    def warn(self, message: str) -> None:
        """Write a warning to stderr, unless it shall be quiet."""
        if not self.quiet:
            write_text(sys.stderr, trouble(message))

    def trouble(self, error: SharkError) -> None:
        """Tell of a fault that does not end the command (there are further files), and remember its exit status."""
        write_text(sys.stderr, trouble(error.message, error.hint))
        self.failed = max(self.failed, error.exit_code)


def named(path: str | bytes) -> str:
    """A path in a message: an empty one in quotes, or nothing would be seen of it."""
    return os.fsdecode(path) or "''"


def write_text(stream: TextIO, text: str) -> None:
    """Write and flush, so that a full disk or a closed pipe shows here and not when the interpreter ends."""
    try:
        stream.write(text)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def write_bytes(data: bytes) -> None:
    """Write bytes to stdout, whatever its encoding."""
    raw = getattr(sys.stdout, "buffer", None)
    if raw is None:  # a stand-in that takes only text
        sys.stdout.write(data.decode())
    else:
        raw.write(data)
    sys.stdout.flush()


def command(name: str, *examples: tuple[str, str], **settings: Any) -> Callable[[Callable[..., int]], Command]:
    """Make a function the command `name`. It gets a Voice as its first argument, and returns the exit status."""

    def make(function: Callable[..., int]) -> Command:
        @functools.wraps(function)
        def run(quiet: bool, verbose: bool, as_json: bool = False, **arguments: Any) -> int:
            voice = Voice(as_json=as_json, quiet=quiet, verbose=verbose)
            return max(function(voice, **arguments), voice.failed)

        params = getattr(function, "__click_params__", [])
        params.reverse()
        if not any("--json" in param.opts for param in params):
            params.append(click.Option(["--json", "as_json"], is_flag=True, help="Write one JSON document to stdout."))
        params.append(click.Option(["-q", "--quiet"], is_flag=True, help="Say nothing but errors."))
        params.append(click.Option(["-v", "--verbose"], is_flag=True, help="Show everything, and explain."))
        return Command(name, params=params, callback=run, help=function.__doc__, examples=examples, **settings)

    return make


def number(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    """The value of an option that takes how many (a callback of click's); None if it was not given."""
    if value is None:
        return None
    if not (value.isascii() and value.isdecimal()):
        raise click.BadParameter(f"{value!r} is no number, 0 or more")
    return int(value)


VARIABLE = "_SHARK_COMPLETE"
"""The environment variable by which a completion script asks for completions (click's convention)."""

FILE = click.Path(path_type=str, readable=False)
"""An argument that is a path; whether it exists is the command's business, which can say more about it than click."""
