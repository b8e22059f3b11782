"""`shark run`: its arguments, read without click, which alone would take as long as all the rest of the start."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from shark.errors import EXIT_RUN, SharkError
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

HELP = """\
Usage: shark run [OPTIONS] -- COMMAND [ARGUMENTS]...

  Run a command, watch what it reads and writes, and leave on every file that
  it made a manifest that says where the file came from.

  The command keeps its terminal, its signals and its exit status. `shark
  inspect FILE` shows a manifest, `shark log` the runs.

Options:
  --attach auto|xattr|sidecar|none
                         Where manifests go: extended attribute, dot-file
                         beside the output, or the store alone. [auto]
  --hash auto|full|off   auto: digests of unchanged files come from a cache;
                         full: no cache, no size limit; off: none. [auto]
  --linger SECONDS       How long to wait for processes that outlive the
                         command before its manifests are written. [5]
  --no-seccomp           Stop at every system call instead of the ones that
                         matter (slow; for machines that allow no filter).
  --no-recorder          Stop processes at every file call, also those that make
                         so many that they could write them down themselves.
  --io-uring gap|deny    gap: allow io_uring and record that its files are
                         not seen; deny: answer ENOSYS. [gap]
  --ignore PATTERN       Files (gitignore syntax) to record, but never hash or
                         attach to. May be repeated.
  --require-clean        Refuse (125) to start in a git repository with changes
                         that are not committed, or outside of any.
  --capture-output       Keep what the command writes to its standard streams
                         in the store; `shark show RUN --stdout` shows it.
  --keep PATTERN         Copy these files into the store. May be repeated.
  --redact WHAT          Leave out user, host, home, env or network of
                         everything that is written. May be repeated.
  --strict               Exit with 125 if a manifest could not be written and
                         the command itself succeeded.
  --pid PID              Record a process that runs already, with what it
                         starts, until ^C or its end, and let it go unharmed.
  --name NAME            A name for the run.
  --tag KEY=VALUE        A tag for the run. May be repeated.
  --json FILE            Write the run record to FILE.
  -q, --quiet            Say nothing.
  -v, --verbose          Say what was recorded, and explain faults.
  -h, --help             Show this message and exit.

Exit status: the command's own; 125 if shark failed before the command was
started, 126 if the command cannot be executed, 127 if it is not found.

Example:
  shark run -- Rscript fit.R
  shark run --name nightly --tag dataset=v3 -- make -j8 all
  shark run --pid 4711
"""

_CHOICES = {
    "--attach": ("attach", ("auto", "xattr", "sidecar", "none")),
    "--hash": ("hash", ("auto", "full", "off")),
    "--io-uring": ("io_uring", ("gap", "deny")),
}
_FLAGS = {
    "--capture-output": ("capture_output", True),
    "--no-recorder": ("recorder", 0),
    "--no-seccomp": ("seccomp", False),
    "--require-clean": ("require_clean", True),
    "--strict": ("strict", True),
    "-q": ("quiet", True),
    "--quiet": ("quiet", True),
    "-v": ("verbose", True),
    "--verbose": ("verbose", True),
}
_VALUES = ("--linger", "--ignore", "--keep", "--redact", "--pid", "--name", "--tag", "--json")
_REDACTED = ("user", "host", "home", "env", "network")
_HELP = ("-h", "--help")
OPTIONS = (*_CHOICES, *_FLAGS, *_VALUES, *_HELP)
"""Every option, for completion and the man page."""


def main(arguments: Sequence[str]) -> int:
    """Run `shark run` with these arguments. Returns only when nothing was run; else the process becomes the command."""
    try:
        settings, command = parse(arguments)
        if settings is None:
            sys.stdout.write(HELP)
            return 0
        return _start(settings, command)
    except SharkError as error:
        from shark.view.words import trouble

        sys.stderr.write(trouble(error.message, error.hint))
        return error.exit_code
    except BrokenPipeError:
        return EXIT_RUN
    except OSError as problem:  # a limit of the user's, before there is a command
        sys.stderr.write(f"shark: the run could not be prepared: {problem}\n`ulimit -a` tells this shell's limits.\n")
        return EXIT_RUN
    except KeyboardInterrupt:
        return 130


def _start(settings: dict[str, Any], command: Sequence[str]) -> int:
    from shark.plan import Plan
    from shark.running import start

    try:
        cwd = os.getcwdb()
    except FileNotFoundError:
        cwd = b"/"  # the directory is gone; the command may not care
    if settings.get("json"):
        settings["json"] = os.path.abspath(settings["json"])
    pid = settings.pop("pid", 0)
    plan = Plan(argv=tuple(map(os.fsencode, command)), cwd=cwd, **_with_settings(settings, cwd))
    if pid:
        import gc

        from shark.cli.pid import follow

        gc.enable()  # see __main__

        return follow(pid, plan)
    return start(plan)


_MORE = frozenset({"capture_output", "keep", "redact"})
"""Options that are no fields of the plan, but settings like those in files."""


def _with_settings(options: dict[str, Any], cwd: bytes) -> dict[str, Any]:
    """Fields of the plan: the options, and what settings files and variables say. Raises SharkError (125)."""
    from shark.settings.loading import everything, load

    named: dict[str, Any] = {
        key.replace("_", "-"): list(value) if isinstance(value, tuple) else value for key, value in options.items()
    }
    own: dict[str, Any] = {key: named.pop(key) for key in ("json", "name", "verbose") if key in named}
    try:
        loaded = load(os.fsdecode(cwd), os.environ, named, own.get("name", ""))
        if loaded is None and _MORE & options.keys():
            loaded = everything(os.fsdecode(cwd), os.environ, named)
    except SharkError as error:
        raise SharkError(error.message, error.hint, EXIT_RUN) from None
    if loaded is None:
        return options
    from shark.extras import of_settings

    plan, extras = of_settings(loaded)
    return {**plan, **own, "extras": extras}


def parse(arguments: Sequence[str]) -> tuple[dict[str, Any] | None, list[str]]:
    """The settings (fields of running.Plan) and the command; None instead of settings when help is asked for.

    Options end at `--`, or at the first word that is none. Raises SharkError (125) for what cannot be understood.
    """
    settings: dict[str, Any] = {}
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        if word in _HELP:
            return None, []
        name, equals, value = word.partition("=")
        if name in _FLAGS and not equals:
            key, setting = _FLAGS[name]
            settings[key] = setting
            continue
        if name not in _CHOICES and name not in _VALUES:
            raise _unknown(word)
        if not equals:
            if not rest:
                raise SharkError(f"{name} needs a value", "`shark run --help` lists the options.", EXIT_RUN)
            value = rest.pop(0)
        _set(settings, name, value)
    if "pid" in settings:
        return _without_command(settings, rest)
    if not rest:
        raise SharkError("no command to run", "Say which: shark run -- COMMAND [ARGUMENTS]...", EXIT_RUN)
    return settings, rest


def _without_command(settings: dict[str, Any], rest: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Settings for a process that runs already."""
    if rest:
        raise SharkError("--pid records a process that runs already: no command can follow", "Leave one out.", EXIT_RUN)
    if settings.get("io_uring") == "deny":
        hint = "Leave --io-uring out: the record will have a gap if it uses one."
        raise SharkError("--pid changes nothing in a process: --io-uring=deny cannot be had", hint, EXIT_RUN)
    return settings, rest


def _set(settings: dict[str, Any], name: str, value: str) -> None:
    if name in _CHOICES:
        key, choices = _CHOICES[name]
        if value not in choices:
            wanted = f"{', '.join(choices[:-1])} or {choices[-1]}"
            raise SharkError(f"{name} takes {wanted}, not {value!r}", "`shark run --help` explains them.", EXIT_RUN)
        settings[key] = value
    elif name == "--pid":
        if not value.isdecimal() or not int(value):
            raise SharkError(f"--pid takes a process id, not {value!r}", "`ps` and `pgrep` find them.", EXIT_RUN)
        settings["pid"] = int(value)
    elif name == "--linger":
        settings["linger"] = _seconds(value)
    elif name == "--tag":
        key, equals, text = value.partition("=")
        if not equals or not key:
            raise SharkError(f"--tag takes KEY=VALUE, not {value!r}", "For example: --tag dataset=v3", EXIT_RUN)
        settings.setdefault("tags", {})[key] = text
    elif name == "--json" and value == "-":
        hint = "A file of that name would be: --json ./-"
        raise SharkError("--json takes a file: standard output is the command's own", hint, EXIT_RUN)
    elif name == "--redact" and value not in _REDACTED:
        wanted = f"{', '.join(_REDACTED[:-1])} or {_REDACTED[-1]}"
        raise SharkError(f"--redact takes {wanted}, not {value!r}", "`shark run --help` explains it.", EXIT_RUN)
    elif name == "--ignore" and not _is_pattern(value):
        hint = r"A `\` before `!`, `[` or `\` takes it as it is, as in .gitignore files."
        raise SharkError(f"--ignore takes a gitignore pattern, and {value!r} is none", hint, EXIT_RUN)
    elif name in ("--ignore", "--keep", "--redact"):
        key = name.removeprefix("--")
        settings[key] = (*settings.get(key, ()), value)
    else:
        settings[name.removeprefix("--")] = value


def _is_pattern(value: str) -> bool:
    from shark.settings.gitignore import is_pattern

    return is_pattern(value)


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e9:
        raise SharkError(f"--linger takes seconds, 0 or more, not {value!r}", "For example: --linger 2.5", EXIT_RUN)
    return seconds


def _unknown(word: str) -> SharkError:
    from shark.cli.guess import nearest

    near = nearest(word.partition("=")[0], OPTIONS)
    hint = f"Did you mean {near}?" if near else "`shark run --help` lists the options; the command follows `--`."
    return SharkError(f"there is no option {word}", hint, EXIT_RUN)
