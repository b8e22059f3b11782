"""The kinds of values that settings have: from what TOML, a variable or an option gives to what shark uses. Pure.

A kind takes a value as TOML has it, and raises Wrong with what it expected. From text, as variables and options give
it, a value is made by the kind's `from_text`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Wrong(Exception):
    """A value that does not fit. `key` is the place inside the value, "" for all of it; `near` a key that was meant."""

    def __init__(self, message: str, key: str = "", near: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.near = near


class Kind(NamedTuple):
    """`take` checks and normalises a TOML value; `expects` says in words what it takes; `from_text` reads text."""

    expects: str
    take: Callable[[Any], Any]
    from_text: Callable[[str], Any]
    adds_up: bool = False
    """Whether the levels' values are put together; else the highest level's wins."""


UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS.update({"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40})
UNITS.update({"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40})


def shown(value: object) -> str:
    """A value in a message, cut to what helps."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _plain(text: str) -> Any:
    return text


def _parsed(text: str) -> Any:
    """Text that is JSON where it looks like that."""
    if text.lstrip()[:1] in {"[", "{"}:
        from shark import jsontext

        try:
            return jsontext.loads(text)
        except ValueError as problem:
            raise Wrong(f"looks like JSON and is not: {problem}") from None
    return text


# --- single values


def choice(*words: str) -> Kind:
    """One of `words`."""
    expects = f"{', '.join(words[:-1])} or {words[-1]}"

    def take(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(f"takes {expects}, not {shown(value)}")
        return value

    return Kind(expects, take, _plain)


def _take_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"takes true or false, not {shown(value)}")
    return value


def _boolean_from(text: str) -> Any:
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return known.get(text.strip().lower(), text)


BOOLEAN = Kind("true or false", _take_boolean, _boolean_from)


def _take_seconds(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not 0 <= value < 1e9:
        raise Wrong(f"takes seconds, 0 or more, not {shown(value)}")
    return float(value)


def _number_from(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


SECONDS = Kind("seconds, 0 or more", _take_seconds, _number_from)


def _take_size(value: Any) -> int:
    if isinstance(value, str):
        digits = value.strip().rstrip("BKMGTbkmgtIi ")
        unit = value.strip()[len(digits) :].strip().upper()
        if unit in UNITS and digits.replace(".", "", 1).isascii() and digits.replace(".", "", 1).isdigit():
            return int(float(digits) * UNITS[unit]) if "." in digits else int(digits) * UNITS[unit]
    elif isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Wrong(f'takes a size in bytes, or with a unit as "16 GiB", not {shown(value)}')


SIZE = Kind('bytes, or a size such as "16 GiB"', _take_size, _plain)


RECORDED_AFTER = 8
"""Opens for reading after which a process is hot, unless a setting says otherwise (measured: bench/FIGURES.md)."""


def _take_recorder(value: Any) -> int:
    if isinstance(value, bool):
        return RECORDED_AFTER if value else 0
    if not isinstance(value, int) or value < 0:
        raise Wrong(f"takes true, false, or after how many opens, not {shown(value)}")
    return value


def _recorder_from(text: str) -> Any:
    return int(text) if text.strip().isdecimal() else _boolean_from(text)


RECORDER = Kind("true, false, or after how many opens", _take_recorder, _recorder_from)


# --- values that add up


def _words(value: Any) -> list[str]:
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(each, str) and each for each in found):
        raise Wrong(f"takes a list of strings, not {shown(value)}")
    return list(found)


def _words_from(text: str) -> Any:
    parsed = _parsed(text)
    return [word.strip() for word in parsed.split(",") if word.strip()] if isinstance(parsed, str) else parsed


STRINGS = Kind("a list of strings", _words, _words_from, adds_up=True)


def _take_patterns(value: Any) -> list[str]:
    found = _words(value)
    for each in found:
        _check_pattern(each)
    return found


def _check_pattern(text: str) -> None:
    from shark.settings.gitignore import is_pattern

    if not is_pattern(text):
        raise Wrong(f"takes gitignore patterns, and {shown(text)} is none")


PATTERNS = Kind("a list of gitignore patterns", _take_patterns, _words_from, adds_up=True)


def choices(*words: str) -> Kind:
    """A list of some of `words`."""
    one = choice(*words)

    def take(value: Any) -> list[str]:
        for word in _words(value):
            if word not in words:
                raise Wrong(f"takes {one.expects}, not {shown(word)}")
        return _words(value)

    return Kind(f"a list of {one.expects}", take, _words_from, adds_up=True)


def _table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Wrong(f"takes {what}, not {shown(value)}")
    return value


def texts(what: str) -> Kind:
    """A table of strings, by any names; numbers and truth values become text."""

    def take(value: Any) -> dict[str, str]:
        found = {}
        for name, each in _table(value, what).items():
            if not isinstance(each, str | int | float):
                raise Wrong(f"takes a string, not {shown(each)}", name)
            found[name] = str(each).lower() if isinstance(each, bool) else str(each)
        return found

    return Kind(what, take, _pairs_from, adds_up=True)


def _pairs_from(text: str) -> Any:
    parsed = _parsed(text)
    if not isinstance(parsed, str):
        return parsed
    pairs = [pair.partition("=") for pair in parsed.split(",") if pair.strip()]
    if any(not equals or not name.strip() for name, equals, _ in pairs):
        raise Wrong(f"takes KEY=VALUE, several with commas between them, not {shown(text)}")
    return {name.strip(): value.strip() for name, _, value in pairs}


def choices_by_pattern(what: str, *words: str) -> Kind:
    """A table that gives each gitignore pattern one of `words`."""
    one = choice(*words)

    def take(value: Any) -> dict[str, str]:
        found = {}
        for name, each in _table(value, what).items():
            _check_pattern(name)
            try:
                found[name] = one.take(each)
            except Wrong as wrong:
                raise Wrong(wrong.message, name) from None
        return found

    return Kind(what, take, _pairs_from, adds_up=True)


class Field(NamedTuple):
    """A key of a table inside a setting."""

    name: str
    kind: Kind
    default: Any


def record_of(value: Any, fields: tuple[Field, ...], what: str) -> dict[str, Any]:
    """A table that has `fields` and no others, with defaults for those that are not there. Raises Wrong."""
    table = _table(value, what)
    known = {field.name for field in fields}
    for name in table:
        if name not in known:
            from shark.cli.guess import nearest

            raise Wrong("there is no such key", name, nearest(name, known))
    found = {}
    for field in fields:
        try:
            found[field.name] = field.kind.take(table[field.name]) if field.name in table else field.default
        except Wrong as wrong:
            raise Wrong(wrong.message, ".".join(filter(None, (field.name, wrong.key))), wrong.near) from None
    return found


def _argv(value: Any) -> list[str]:
    """A command: a string as a shell would split it, or a list of its words."""
    words = value
    if isinstance(value, str):
        import shlex

        try:
            words = shlex.split(value)
        except ValueError as problem:
            raise Wrong(f"is no command: {problem}") from None
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words) or not words[0]:
        raise Wrong(f"takes a command, as a string or a list of its words, not {shown(value)}")
    return words


ARGV = Kind("a command, as a string or a list of its words", _argv, _plain)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f"takes a string, not {shown(value)}")
    return value


TEXT = Kind("a string", _text, _plain)


COMMAND_FIELDS = (
    Field("command", ARGV, None),
    Field("name", TEXT, ""),
    Field("required", BOOLEAN, False),
    Field("timeout", SECONDS, 30.0),
)
NOTICE_FIELDS = (
    Field("command", ARGV, None),
    Field("url", TEXT, ""),
    Field("headers", texts("a table of strings"), {}),
    Field("when", choice("always", "failure", "success"), "always"),
    Field("timeout", SECONDS, 10.0),
)


def _listed(value: Any, what: str) -> list[Any]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(each, str | dict) for each in found):
        raise Wrong(f"takes {what}, not {shown(value)}")
    return found


def _take_commands(value: Any) -> list[dict[str, Any]]:
    what = "a list of commands, each a string or a table with the key `command`"
    return [_command(each, n, what) for n, each in enumerate(_listed(value, what), 1)]


def _command(value: Any, number: int, what: str) -> dict[str, Any]:
    try:
        found = record_of({"command": value} if isinstance(value, str) else value, COMMAND_FIELDS, what)
    except Wrong as wrong:
        raise Wrong(wrong.message, f"{number}.{wrong.key}", wrong.near) from None
    if found["command"] is None:
        raise Wrong("has no `command`", str(number))
    return found


def _take_notices(value: Any) -> list[dict[str, Any]]:
    what = "a list of tables, each with `command` or `url`"
    return [_notice(each, n, what) for n, each in enumerate(_listed(value, what), 1)]


def _notice(value: Any, number: int, what: str) -> dict[str, Any]:
    try:
        found = record_of({"url": value} if isinstance(value, str) else value, NOTICE_FIELDS, what)
    except Wrong as wrong:
        raise Wrong(wrong.message, f"{number}.{wrong.key}", wrong.near) from None
    if bool(found["command"]) == bool(found["url"]):
        raise Wrong("needs either `command` or `url`", str(number))
    if found["url"] and not found["url"].startswith(("http://", "https://")):
        raise Wrong(f"takes an address of http or https, not {shown(found['url'])}", f"{number}.url")
    return found


COMMANDS = Kind("commands", _take_commands, _parsed, adds_up=True)
NOTICES = Kind("notifications", _take_notices, _parsed, adds_up=True)
