"""The settings file as a type, from which its JSON Schema is made: for editors that complete and check TOML."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class HookTable(TypedDict):
    """A command to run before or after: its words, or a string that is split as a shell would.

    `required` (before): unless it succeeds, the run is refused with 125. `timeout` is in seconds.
    """

    command: str | list[str]
    name: NotRequired[str]
    required: NotRequired[bool]
    timeout: NotRequired[int | float]


class NotifyTable(TypedDict):
    """Whom to tell at the end of a run: a `command`, which gets the JSON body on its standard input, or a `url`, to
    which it is POSTed. `${NAME}` in url and headers stands for that environment variable.
    """

    command: NotRequired[str | list[str]]
    url: NotRequired[str]
    headers: NotRequired[dict[str, str]]
    when: NotRequired[Literal["always", "failure", "success"]]
    timeout: NotRequired[int | float]


_KEYS = {
    "attach": NotRequired[Literal["auto", "xattr", "sidecar", "none"]],
    "hash": NotRequired[Literal["auto", "full", "off"]],
    "hash-limit": NotRequired[int | str],
    "linger": NotRequired[int | float],
    "seccomp": NotRequired[bool],
    "recorder": NotRequired[bool | int],
    "io-uring": NotRequired[Literal["gap", "deny"]],
    "strict": NotRequired[bool],
    "quiet": NotRequired[bool],
    "require-clean": NotRequired[bool],
    "capture-output": NotRequired[bool],
    "capture-limit": NotRequired[int | str],
    "ignore": NotRequired[str | list[str]],
    "include": NotRequired[str | list[str]],
    "roles": NotRequired[dict[str, Literal["library", "system", "cache", "code", "config", "data"]]],
    "env": NotRequired[str | list[str]],
    "keep": NotRequired[str | list[str]],
    "tags": NotRequired[dict[str, str | int | float | bool]],
    "redact": NotRequired[
        Literal["user", "host", "home", "env", "network"] | list[Literal["user", "host", "home", "env", "network"]]
    ],
    "before": NotRequired[str | HookTable | list[str | HookTable]],
    "after": NotRequired[str | HookTable | list[str | HookTable]],
    "notify": NotRequired[str | NotifyTable | list[str | NotifyTable]],
}

RunTable = TypedDict("RunTable", _KEYS)  # type: ignore[misc]  # the keys have hyphens, and stand in two tables
RunTable.__doc__ = """Settings for the runs of one name only."""

SettingsFile = TypedDict("SettingsFile", {**_KEYS, "run": NotRequired[dict[str, RunTable]]})  # type: ignore[misc]
SettingsFile.__doc__ = """`shark.toml`, or the table `tool.shark` of pyproject.toml. docs/settings.md has the keys."""

DOCUMENTS = {"settings-1": SettingsFile}
"""The names of the schema files (without `.json`), and the types that they describe."""
