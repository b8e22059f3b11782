"""`shark man`: the manual page, made from the help texts, so that the two never differ."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from shark import __version__
from shark.cli.common import Command, Voice, command, write_text

if TYPE_CHECKING:
    from shark.view.documents import ManualPage

FILES = (
    ("user.shark", "The extended attribute that holds a file's manifest (a summary, if it is too large)."),
    ("user.shark.zlib", "The whole manifest, compressed, where the attribute above is a summary."),
    (".NAME.shark", "The sidecar of the file NAME: its manifest, where attributes cannot hold it."),
    ("~/.local/share/shark", "The store: the record of every run."),
)
VARIABLES = (
    ("SHARK_HOME", "The store's directory, instead of the one in XDG_DATA_HOME."),
    ("SHARK_SETTINGS", "The project's settings file, instead of the nearest shark.toml; empty: none."),
    ("SHARK_RUN_ID", "In the command of shark run: the id of its run."),
    ("NO_COLOR", "If set and not empty, no colours are written."),
    ("SHARK_DEBUG", "If set, a fault shows a traceback."),
)
STATUS = (
    ("0", "It is as hoped."),
    ("1", "It is not: no manifest, an unknown run, something stale or modified."),
    ("2", "Wrong usage, or trouble."),
    ("125, 126, 127", "shark run: shark's own failure, CMD not executable, CMD not found. Else CMD's own status."),
)


@command(
    "man",
    ("shark man > shark.1", "Write the manual page to a file"),
    ("shark man | man -l -", "Read it"),
    short_help="Print the manual page.",
)
def man(voice: Voice) -> int:
    """Print the manual page, in roff."""
    text = manual()
    if voice.as_json:
        document: ManualPage = {"schema": "shark/man/1", "text": text}
        voice.document(document)
    else:
        write_text(sys.stdout, text)
    return 0


def manual() -> str:
    """The manual page of all commands (man(7) macros). Deterministic: it holds no date."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    from shark.cli.app import shark

    context = click.Context(shark, info_name="shark")
    yield f'.TH SHARK 1 "" "shark {__version__}" "User Commands"'
    yield ".SH NAME"
    yield r"shark \- where did this file come from?"
    yield ".SH SYNOPSIS"
    yield r".B shark run"
    yield r"[\fIOPTIONS\fR] \fB\-\-\fR \fICMD\fR ..."
    yield ".br"
    yield ".B shark"
    yield r"\fICOMMAND\fR [\fIOPTIONS\fR] ..."
    yield ".SH DESCRIPTION"
    yield from _prose((shark.help or "").partition("\n\n")[2])
    yield ".SH COMMANDS"
    for name in shark.list_commands(context):
        found = shark.get_command(context, name)
        if found is not None:
            yield from _command(found, click.Context(found, info_name=name, parent=context))
    for title, entries in (("EXIT STATUS", STATUS), ("ENVIRONMENT", VARIABLES), ("FILES", FILES)):
        yield f".SH {title}"
        for term, meaning in entries:
            yield from _entry(term, meaning)
    yield ".SH SEE ALSO"
    yield ".BR strace (1), ptrace (2), xattr (7)"


def _command(found: click.Command, context: click.Context) -> Iterator[str]:
    usage = " ".join(found.collect_usage_pieces(context))
    yield f'.SS "shark {_escaped(str(context.info_name))} {_escaped(usage)}"'
    yield from _prose(found.help or "")
    for param in found.get_params(context):
        record = param.get_help_record(context)
        if record and record[1]:
            yield from _entry(*record)
    if isinstance(found, Command) and found.examples:
        yield ".PP"
        yield "Examples:"
        for line, meaning in found.examples:
            yield from _entry(line, meaning)


def _entry(term: str, meaning: str) -> Iterator[str]:
    yield ".TP"
    yield rf"\fB{_escaped(term)}\fR"
    yield _escaped(meaning)


def _prose(text: str) -> Iterator[str]:
    r"""Paragraphs of a help text; one that starts with \b keeps its lines, as in click."""
    for paragraph in re.split(r"\n\s*\n", _dedented(text)):
        yield ".PP"
        if paragraph.startswith("\b"):
            yield ".nf"
            yield from (_escaped(line) for line in paragraph.splitlines()[1:])
            yield ".fi"
        else:
            yield _escaped(" ".join(paragraph.split()))


def _dedented(text: str) -> str:
    import inspect

    return inspect.cleandoc(text)


def _escaped(text: str) -> str:
    """Text as roff shows it unchanged: backslashes and hyphens escaped, no line that looks like a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped[:1] in {".", "'"} else escaped
