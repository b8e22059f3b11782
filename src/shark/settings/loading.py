"""The settings of a run or command: found, read, checked, and put together, lowest level first.

    user's file < its [run.NAME] < project's file < its [run.NAME] < variables < options

Nothing but a few stats happens where there is neither a file nor a variable.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from shark.settings import places
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from shark.settings.levels import Effective, Level

VARIABLES = frozenset(
    "SHARK_" + name
    for name in (
        *(
            "ATTACH",
            "HASH",
            "HASH_LIMIT",
            "LINGER",
            "SECCOMP",
            "RECORDER",
            "IO_URING",
            "STRICT",
            "QUIET",
            "REQUIRE_CLEAN",
        ),
        *("CAPTURE_OUTPUT", "CAPTURE_LIMIT", "IGNORE", "INCLUDE", "ROLES", "ENV", "KEEP", "TAGS", "REDACT"),
        *("BEFORE", "AFTER", "NOTIFY"),
    )
)
"""The variables that set a key. Named here too (a test compares), since most runs need not know the keys."""


class SettingsFile(NamedTuple):
    """A file that was read. `level` is `user` or `project`; a project's is `trusted` once the user said so, which only
    matters if it `runs` something.
    """

    level: str
    path: str
    sha256: str
    trusted: bool
    runs: bool


class Loaded(NamedTuple):
    """The settings, and the files that they came from. `untrusted` are keys that do not hold for want of trust;
    `required`: one of their commands must succeed before a run.
    """

    effective: Effective
    files: tuple[SettingsFile, ...]
    untrusted: tuple[str, ...]
    required: bool


def load(cwd: str, environ: Mapping[str, str], options: Mapping[str, Any], name: str = "") -> Loaded | None:
    """Settings for a run called `name` in `cwd`; None if nobody but the `options` says anything. Raises SharkError."""
    found = [
        (level, file)
        for level, file in (
            ("user", places.user_settings(environ)),
            ("project", places.project_file(cwd, environ)),
        )
        if file is not None
    ]
    if not found and VARIABLES.isdisjoint(environ):
        return None
    return _load(found, cwd, environ, options, name)


def everything(cwd: str, environ: Mapping[str, str], options: Mapping[str, Any], name: str = "") -> Loaded:
    """The same for who wants to know the settings, whether there are any or not. Raises SharkError."""
    loaded = load(cwd, environ, options, name)
    return _load([], cwd, environ, options, name) if loaded is None else loaded


def _load(
    found: list[tuple[str, tuple[str, bytes]]],
    cwd: str,
    environ: Mapping[str, str],
    options: Mapping[str, Any],
    name: str,
) -> Loaded:
    from shark.settings.keys import KEYS
    from shark.settings.levels import Effective, of_options, of_variables
    from shark.settings.trust import digest

    levels: list[Level] = []
    files: list[SettingsFile] = []
    untrusted: list[str] = []
    required = False
    running = {key.name for key in KEYS if key.runs}
    for source, (path, data) in found:
        own = _levels_of(source, path, data, name, cwd)
        runs = {key for level in own for key in level.values if key in running and level.values[key]}
        trusted = source == "user" or not runs or _is_trusted(path, data, environ)
        files.append(SettingsFile(source, path, digest(data), trusted, bool(runs)))
        if not trusted:
            untrusted += sorted(runs)
            required = any(command["required"] for level in own for command in level.values.get("before", ()))
            own = [
                level._replace(values={key: value for key, value in level.values.items() if key not in running})
                for level in own
            ]
        levels += own
    levels += of_variables(environ, cwd)
    levels.append(of_options(options, cwd))
    return Loaded(Effective(levels), tuple(files), tuple(untrusted), required)


def _levels_of(source: str, path: str, data: bytes, name: str, cwd: str) -> list[Level]:
    from shark.settings.levels import of_file

    prefix = "tool.shark." if os.path.basename(path) == places.PROJECT else ""
    table = places.table_of(path, data) or {}
    base = os.path.dirname(path) if source == "project" else cwd
    levels = of_file(source, path, base, table, prefix)
    return [levels[""], *([levels[name]] if name and name in levels else [])]


def _is_trusted(path: str, data: bytes, environ: Mapping[str, str]) -> bool:
    from shark.settings.trust import is_trusted

    return is_trusted(path, data, environ)
