"""Every setting, as a row of one table: its kind, its default, and what it means. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

from shark.settings.values import (
    BOOLEAN,
    COMMANDS,
    NOTICES,
    PATTERNS,
    RECORDED_AFTER,
    RECORDER,
    SECONDS,
    SIZE,
    STRINGS,
    Kind,
    choice,
    choices,
    choices_by_pattern,
    texts,
)

ROLES = ("library", "system", "cache", "code", "config", "data")
REDACTED = ("user", "host", "home", "env", "network")


class Key(NamedTuple):
    """A setting. `runs` says that it makes shark execute or contact something: a project's file must be trusted."""

    name: str
    kind: Kind
    default: Any
    about: str
    runs: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return "SHARK_" + self.name.upper().replace("-", "_")


KEYS: tuple[Key, ...] = (
    Key("attach", choice("auto", "xattr", "sidecar", "none"), "auto", "where manifests go"),
    Key("hash", choice("auto", "full", "off"), "auto", "how files are digested"),
    Key("hash-limit", SIZE, 16 << 30, '`hash = "auto"` gives larger files no digest'),
    Key("linger", SECONDS, 5.0, "how long to wait for processes that outlive the command"),
    Key("seccomp", BOOLEAN, True, "false: stop at every system call (slow)"),
    Key(
        "recorder",
        RECORDER,
        RECORDED_AFTER,
        "whether busy processes write down file calls themselves",
    ),
    Key("io-uring", choice("gap", "deny"), "gap", "what becomes of io_uring"),
    Key("strict", BOOLEAN, False, "exit with 125 if a manifest could not be written"),
    Key("quiet", BOOLEAN, False, "say nothing"),
    Key("require-clean", BOOLEAN, False, "refuse to run while the git work tree has changes"),
    Key("capture-output", BOOLEAN, False, "keep what the command writes to its standard streams"),
    Key("capture-limit", SIZE, 64 << 20, "so much of each stream is kept, half of its beginning and half of its end"),
    Key("ignore", PATTERNS, [], "files (gitignore syntax) to record, but never to hash or attach to"),
    Key("include", PATTERNS, [], "files (gitignore syntax) that count as data, code or config whatever they are"),
    Key(
        "roles", choices_by_pattern("a table of patterns and roles", *ROLES), {}, "roles by pattern (gitignore syntax)"
    ),
    Key("env", STRINGS, [], "further environment variables to record (shell patterns)"),
    Key("keep", STRINGS, [], "files to copy into the store (shell patterns, `**` for any depth)"),
    Key("tags", texts("a table of strings"), {}, "tags of every run"),
    Key("redact", choices(*REDACTED), [], "what is left out of everything that is written"),
    Key("before", COMMANDS, [], "commands to run before, with their output recorded", runs=True),
    Key("after", COMMANDS, [], "commands to run after, with their output recorded", runs=True),
    Key("notify", NOTICES, [], "whom to tell at the end of a run", runs=True),
)

BY_NAME = {key.name: key for key in KEYS}
BY_VARIABLE = {key.variable: key for key in KEYS}
