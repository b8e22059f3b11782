"""`shark record KEY VALUE`: notes a metric or parameter in the record of the run in which it is called.

Read without click, as `shark run` is: a training loop may call it at every step.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from math import isfinite
from typing import Any

from shark.errors import EXIT_USAGE, SharkError

HELP = """\
Usage: shark record [OPTIONS] KEY VALUE

  Note a value in the record of the run in which this is called: a metric, a
  parameter, anything that `shark show` shall tell of it later.

  VALUE is a number, true, false, null, or any JSON; what is no JSON is a
  string. A key may be recorded many times: all its values are kept, in order.
  The command of `shark run` and all that it calls may use it.

Options:
  --string               VALUE is a string, whatever it looks like.
  --json                 Write one JSON document to stdout.
  -q, --quiet            Say nothing but errors.
  -v, --verbose          Say what was recorded.
  -h, --help             Show this message and exit.

Exit status: 0; 2 if it was not recorded.

Example:
  shark record epochs 20
  shark record result '{"loss": 0.031, "converged": true}'
"""
_FLAGS = {"--string": "string", "--json": "json", "-q": "", "--quiet": "", "-v": "verbose", "--verbose": "verbose"}
_KEY_LIMIT = 200


def main(arguments: Sequence[str]) -> int:
    """Run `shark record` with these arguments; faults are told on stderr."""
    try:
        return _record(arguments)
    except SharkError as error:
        from shark.view.words import trouble

        sys.stderr.write(trouble(error.message, error.hint))
        return error.exit_code
    except OSError as problem:
        sys.stderr.write(f"shark: the value could not be recorded: {problem.strerror}\nSee `shark doctor`.\n")
        return EXIT_USAGE


def _record(arguments: Sequence[str]) -> int:
    flags: set[str] = set()
    rest = list(arguments)
    while rest and rest[0].startswith("-") and rest[0] != "-":
        word = rest.pop(0)
        if word == "--":
            break
        if word in ("-h", "--help"):
            sys.stdout.write(HELP)
            return 0
        if word not in _FLAGS:
            from shark.cli.guess import nearest

            near = nearest(word, _FLAGS)
            raise SharkError(f"there is no option {word}", f"Did you mean {near}?" if near else _see())
        flags.add(_FLAGS[word])
    if len(rest) != 2:
        raise SharkError(f"record takes a key and a value, not {len(rest)} words", _see())
    key, value = _checked(*rest, as_text="string" in flags)
    run = say(key, value)
    if "json" in flags:
        from shark import jsontext

        document = {"schema": "shark/record/1", "run": run, "key": key, "value": value}
        sys.stdout.write(jsontext.dumps(document, indent=True).decode() + "\n")
    elif "verbose" in flags:
        sys.stdout.write(f"{key} = {value!r} in run {run[-8:]}\n")
    return 0


def _see() -> str:
    return "For example: shark record loss 0.031"


def _checked(key: str, text: str, *, as_text: bool) -> tuple[str, Any]:
    """The key and the value, without secrets. Raises SharkError."""
    from shark.content.concealing import secrets_in, without
    from shark.content.masking import mask_environment
    from shark.store.said import LIMIT

    if not key or len(key) > _KEY_LIMIT or not key.isprintable():
        raise SharkError(f"a key has 1 to {_KEY_LIMIT} printable characters, not {key[:60]!r}", _see())
    if len(text) > LIMIT:
        raise SharkError(f"the value has {len(text):,} characters, and {LIMIT:,} are kept", "Record its file's name.")
    value = without(text if as_text else _parsed(text), secrets_in(os.environ))
    return key, _hidden(value, lambda each: mask_environment({key: each})[key])


def _parsed(text: str) -> Any:
    from shark import jsontext

    try:
        value = jsontext.loads(text)
    except ValueError:
        return text
    return value if _is_finite(value) else text


def _is_finite(value: Any) -> bool:
    """Whether JSON can hold it again: a number such as 1e999 is read as infinity."""
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or isfinite(value)


def _hidden(value: Any, hide: Any) -> Any:
    from shark.content.masking import mask_environment

    if isinstance(value, str):
        return hide(value)
    if isinstance(value, dict):
        return {
            name: _hidden(each, lambda text, name=name: mask_environment({name: text})[name])
            for name, each in value.items()
        }
    return [_hidden(each, hide) for each in value] if isinstance(value, list) else value


def say(key: str, value: Any) -> str:
    """Note a value in the record of the run that is going on; gives the run's id. Raises SharkError or OSError."""
    from shark.store import said
    from shark.store.home import Store
    from shark.store.ids import is_run_id
    from shark.within import ask

    run = os.environ.get("SHARK_RUN_ID", "")
    if not is_run_id(run):
        what = f"SHARK_RUN_ID is {run!r}, which is no run's id" if run else "this is not inside a run: no SHARK_RUN_ID"
        raise SharkError(what, "Call it in the command of `shark run`: shark run -- sh -c 'shark record loss 0.03'")
    # The tracer first: what SHARK_HOME says may be another store than the run's.
    outer = ask()
    store = outer.store if outer else Store.open(os.environ)
    if outer and not said.is_going_on(store, run):
        store = Store.open(os.environ)
    if not said.is_going_on(store, run):
        where = os.fsdecode(store.root)
        raise SharkError(
            f"run {run} is not going on in the store {where}: it has ended, or records elsewhere",
            "SHARK_HOME and XDG_DATA_HOME must be those of the `shark run`.",
        )
    said.say(store, run, key, value)
    return run
