"""The command line's frame: which commands there are, and what happens when one fails.

A command is imported when it is called (or listed), so that each pays only for what it uses.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from typing import Any, NoReturn

import click

from shark import __version__
from shark.cli.common import VARIABLE
from shark.errors import EXIT_USAGE, SharkError

COMMANDS = {
    "run": "shark.cli.stub:run",
    "inspect": "shark.cli.inspect:inspect",
    "log": "shark.cli.log:log",
    "show": "shark.cli.show:show",
    "lineage": "shark.cli.lineage:lineage",
    "impact": "shark.cli.lineage:impact",
    "graph": "shark.cli.graph:graph",
    "verify": "shark.cli.verify:verify",
    "status": "shark.cli.status:status",
    "diff": "shark.cli.diff:diff",
    "strip": "shark.cli.strip:strip",
    "forget": "shark.cli.forget:forget",
    "recover": "shark.cli.recover:recover",
    "index": "shark.cli.index:index",
    "import-strace": "shark.cli.import_strace:import_strace",
    "ci": "shark.cli.ci:ci",
    "config": "shark.cli.config:config",
    "snapshot": "shark.cli.snapshot:snapshot",
    "record": "shark.cli.stub:record",
    "doctor": "shark.cli.doctor:doctor",
    "schema": "shark.cli.schema:schema",
    "completion": "shark.cli.completion:completion",
    "man": "shark.cli.man:man",
}
"""Every command, in the order of its help, and where it is defined."""


class Commands(click.Group):
    """The group of all commands, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names, in the order in which people meet them."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names; guess at what was meant when there is none. Raises SharkError."""
        from shark.cli.guess import nearest

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            near = nearest(args[0], COMMANDS)
            hint = f"Did you mean `shark {near}`?" if near else "`shark --help` lists them."
            raise SharkError(f"there is no command {args[0]!r}", hint, EXIT_USAGE)
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of that name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command)
        return found


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Start with:   shark run -- CMD,  then  shark inspect FILE
More on each: shark COMMAND --help""",
)
@click.version_option(__version__, "-V", "--version", prog_name="shark", message="%(prog)s %(version)s")
def shark() -> None:
    """Where did this file come from?

    shark runs any command, watches which files it reads and writes, and leaves on every file it wrote a manifest that
    says where the file came from: the command, its inputs with their digests, the software, the git commit.
    """


def main(arguments: list[str]) -> int:
    """Run a command (any but `run`) and give its exit status. Faults are told on stderr, without a traceback."""
    _fill_closed_streams()
    try:
        status = _invoke(arguments)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        _die_by(signal.SIGINT)
    except BrokenPipeError:
        _die_by(signal.SIGPIPE)
    except Exception as error:  # noqa: BLE001  the outermost place: from here on there is only a traceback
        _drop_output()
        return _told(error)


def _fill_closed_streams() -> None:
    """Where the caller has closed one (>&-): nobody hears complaints, but output that cannot be written is a fault."""
    if sys.stdout is None:
        closed = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)  # EBADF to who writes, as if it were still closed
        sys.stdout = open(closed, "w", encoding="utf-8")  # noqa: SIM115  for as long as we live
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _invoke(arguments: list[str]) -> Any:
    """Call the command. Not by click's own main, which would handle interrupts and closed pipes in its own way."""
    if VARIABLE in os.environ:
        return shark.main(arguments, prog_name="shark", complete_var=VARIABLE, standalone_mode=False)
    if not arguments:
        sys.stderr.write(shark.get_help(click.Context(shark, info_name="shark", **shark.context_settings)) + "\n")
        return EXIT_USAGE
    with shark.make_context("shark", arguments) as context:
        return shark.invoke(context)


def _told(error: Exception) -> int:
    if os.environ.get("SHARK_DEBUG"):
        raise error
    message, hint, status = _explained(error)
    from shark.view.words import trouble

    with contextlib.suppress(OSError):
        sys.stderr.write(trouble(message, hint))
        sys.stderr.flush()
    return status


def _explained(error: Exception) -> tuple[str, str, int]:
    """What was wrong, what to do, the exit status."""
    if isinstance(error, SharkError):
        return error.message, error.hint, error.exit_code
    if isinstance(error, click.UsageError):
        return *_misused(error), EXIT_USAGE
    if isinstance(error, click.ClickException):
        return error.format_message(), "", EXIT_USAGE
    if isinstance(error, OSError):
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        return f"{where}{error.strerror or error}", _remedy(error), EXIT_USAGE
    if isinstance(error, MemoryError):
        return "out of memory", "Give it fewer files at once.", EXIT_USAGE
    what = f"internal error: {type(error).__name__}: {error}"
    return what, "This is a bug in shark: please report it with what SHARK_DEBUG=1 prints.", EXIT_USAGE


def _misused(error: click.UsageError) -> tuple[str, str]:
    """What was wrong with the words of a command, and what to do."""
    from shark.cli.guess import nearest

    path = error.ctx.command_path if error.ctx else "shark"
    see = f"See `{path} --help`."
    if isinstance(error, click.NoSuchOption):
        options = error.ctx.command.get_params(error.ctx) if error.ctx else []
        near = nearest(error.option_name, (flag for option in options for flag in option.opts if flag.startswith("-")))
        return f"there is no option {error.option_name}", f"Did you mean {near}? {see}" if near else see
    message = " ".join(error.format_message().split()).rstrip(".")
    return message[:1].lower() + message[1:], see


def _remedy(error: OSError) -> str:
    import errno

    advice = {
        errno.ENOENT: "Check the path.",
        errno.EACCES: "Check its permissions (ls -ld), and those of the directories above it.",
        errno.EPERM: "Check its permissions, and who owns it.",
        errno.ENOSPC: "Make room on that file system (df -h), then try again.",
        errno.EDQUOT: "Your quota is used up: make room, then try again.",
        errno.EROFS: "That file system is mounted read-only: choose another place.",
        errno.EISDIR: "Name a file.",
        errno.ENOTDIR: "Check the path.",
        errno.ENAMETOOLONG: "Check the path.",
        errno.EIO: "The device reports a fault: see dmesg.",
    }
    return advice.get(error.errno or 0, "")


def _drop_output() -> None:
    """Make sure that what could not be written is not tried again, with a traceback, when the interpreter ends."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _die_by(number: signal.Signals) -> NoReturn:
    """End as the signal would have ended it, so that a calling shell sees the truth and stops its loop."""
    _drop_output()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    sys.exit(128 + number)  # only if the signal is blocked
