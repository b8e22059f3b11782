"""From settings files, variables and options to what holds: levels, each above the one before. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from shark.errors import SharkError
from shark.settings.keys import BY_NAME, BY_VARIABLE, KEYS, Key
from shark.settings.values import Wrong

RUN = "run"
"""The table of overrides: `[run.NAME]` holds for runs of that name."""


class Level(NamedTuple):
    """One place where settings come from. `source` is `default`, `user`, `project`, `variable` or `option`; `place`
    names the file, variable or option; `base` is the directory to which its patterns are relative.
    """

    source: str
    place: str
    base: str
    values: Mapping[str, Any]


class Piece(NamedTuple):
    """What one level says of one key."""

    value: Any
    level: Level


def of_file(source: str, path: str, base: str, table: Mapping[str, Any], prefix: str = "") -> dict[str, Level]:
    """The levels in a settings file: "" for all runs, and one by each name under `run`. Raises SharkError.

    `prefix` is where the table stands in the file (`tool.shark.`), for messages.
    """
    plain = {name: value for name, value in table.items() if name != RUN}
    levels = {"": Level(source, path, base, _checked(path, plain, prefix))}
    named = table.get(RUN, {})
    if not isinstance(named, dict) or not all(isinstance(each, dict) for each in named.values()):
        raise _wrong(path, f"{prefix}{RUN}", "takes tables by the names of runs", "For example: [run.nightly]")
    for name, values in named.items():
        where = f"{prefix}{RUN}.{name}"
        levels[name] = Level(source, f"{path} [{where}]", base, _checked(path, values, f"{where}."))
    return levels


def of_variables(environ: Mapping[str, str], base: str) -> list[Level]:
    """A level for each variable that sets something. Raises SharkError."""
    found = []
    for variable, key in BY_VARIABLE.items():
        if variable in environ:
            try:
                value = key.kind.take(key.kind.from_text(environ[variable]))
            except Wrong as wrong:
                raise SharkError(f"{variable} {wrong.message}", f"It sets `{key.name}`: {key.about}.") from None
            found.append(Level("variable", variable, base, {key.name: value}))
    return found


def of_options(options: Mapping[str, Any], base: str) -> Level:
    """The level of the command line; its values are checked already."""
    return Level("option", "the command line", base, options)


def _checked(path: str, table: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    found = {}
    for name, value in table.items():
        key = BY_NAME.get(name)
        if key is None:
            raise _unknown(path, prefix, name)
        try:
            found[name] = key.kind.take(value)
        except Wrong as wrong:
            where = f"{prefix}{name}" + (f".{wrong.key}" if wrong.key else "")
            hint = f"Did you mean {wrong.near!r}?" if wrong.near else f"`{name}`: {key.about}."
            raise _wrong(path, where, wrong.message, hint) from None
    return found


def _unknown(path: str, prefix: str, name: str) -> SharkError:
    from shark.cli.guess import nearest

    near = nearest(name.replace("_", "-"), [*BY_NAME, RUN])
    hint = f"Did you mean {near!r}?" if near else "`shark config` lists the keys that there are."
    return _wrong(path, f"{prefix}{name}", "there is no such key", hint)


def _wrong(path: str, key: str, message: str, hint: str) -> SharkError:
    return SharkError(f"{path}: {key}: {message}", hint)


class Effective:
    """What holds: for every key the pieces that make it up, lowest level first."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = tuple(levels)
        self._pieces = {key.name: _pieces(key, levels) for key in KEYS}

    def pieces(self, name: str) -> Sequence[Piece]:
        """What the levels say of a key, as far as it counts; none if nobody says anything."""
        return self._pieces[name]

    def value(self, name: str) -> Any:
        """The value of a key: that of the highest level, or all of them put together."""
        key, pieces = BY_NAME[name], self._pieces[name]
        if not pieces:
            return key.default
        if not key.kind.adds_up:
            return pieces[-1].value
        if isinstance(key.default, dict):
            return {each: value for piece in pieces for each, value in piece.value.items()}
        return list(_once(each for piece in pieces for each in piece.value))

    def given(self) -> dict[str, Any]:
        """The values of all keys of which somebody says something."""
        return {key.name: self.value(key.name) for key in KEYS if self._pieces[key.name]}


def _pieces(key: Key, levels: Sequence[Level]) -> list[Piece]:
    found = [Piece(level.values[key.name], level) for level in levels if key.name in level.values]
    return found if key.kind.adds_up else found[-1:]


def _once(values: Iterable[Any]) -> Iterable[Any]:
    seen: list[Any] = []
    for value in values:
        if value not in seen:
            seen.append(value)
            yield value
