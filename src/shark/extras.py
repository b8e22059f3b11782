"""What settings ask of a run beyond the options that `shark run` always had."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from shark.content.redaction import Redactor
    from shark.events import Event
    from shark.model.roles import Known, Rule
    from shark.settings.levels import Effective
    from shark.settings.loading import Loaded
    from shark.values import Gap

Patterns = tuple[tuple[str, tuple[str, ...]], ...]
"""Gitignore patterns, in groups: the directory to which a group is relative, and its patterns."""


class Extras(NamedTuple):
    """Values as `settings.keys` has them; patterns come with the directory to which they are relative. `used` is what
    the record says of the settings, `warnings` what the user must hear of them.
    """

    hash_limit: int = 16 << 30
    include: Patterns = ()
    ignore: Patterns = ()
    roles: tuple[tuple[str, Mapping[str, str]], ...] = ()
    env: tuple[str, ...] = ()
    keep: tuple[tuple[str, str], ...] = ()
    redact: frozenset[str] = frozenset()
    capture_output: bool = False
    capture_limit: int = 64 << 20
    before: Sequence[Mapping[str, Any]] = ()
    after: Sequence[Mapping[str, Any]] = ()
    notify: Sequence[Mapping[str, Any]] = ()
    used: Mapping[str, Any] = {}
    warnings: tuple[str, ...] = ()
    required_untrusted: str = ""


DIRECT = ("attach", "hash", "linger", "seccomp", "recorder", "io-uring", "strict", "quiet", "tags", "require-clean")
"""Keys that are fields of a run's plan, by the same name."""


def of_settings(loaded: Loaded) -> tuple[dict[str, Any], Extras]:
    """Fields of a run's plan, and the rest."""
    effective = loaded.effective
    plan = {name.replace("-", "_"): effective.value(name) for name in DIRECT if effective.pieces(name)}
    return plan, Extras(
        hash_limit=effective.value("hash-limit"),
        include=_patterns(effective, "include"),
        ignore=_patterns(effective, "ignore"),
        roles=tuple((piece.level.base, piece.value) for piece in reversed(effective.pieces("roles"))),
        env=tuple(effective.value("env")),
        keep=tuple((piece.level.base, pattern) for piece in effective.pieces("keep") for pattern in piece.value),
        redact=frozenset(effective.value("redact")),
        capture_output=effective.value("capture-output"),
        capture_limit=effective.value("capture-limit"),
        before=effective.value("before"),
        after=effective.value("after"),
        notify=effective.value("notify"),
        used=_used(loaded),
        warnings=tuple(_warnings(loaded)),
        required_untrusted=next((file.path for file in loaded.files if not file.trusted), "")
        if loaded.required
        else "",
    )


def _patterns(effective: Effective, name: str) -> Patterns:
    return tuple((piece.level.base, tuple(piece.value)) for piece in effective.pieces(name))


def trusting(path: str) -> str:
    """Give the command by which a settings file is trusted: one that can be pasted, whatever its folder is called."""
    import shlex

    return f"shark config --trust {shlex.quote(os.path.dirname(path))}"


def _warnings(loaded: Loaded) -> list[str]:
    return [
        f"{file.path} is not trusted, so its commands are not run ({', '.join(loaded.untrusted)}); "
        f"look at it, then: {trusting(file.path)}"
        for file in loaded.files
        if not file.trusted
    ]


def _used(loaded: Loaded) -> dict[str, Any]:
    """What the record says: the files, and every value that somebody set. Secrets are hidden."""
    used: dict[str, Any] = {"values": hidden(loaded.effective.given())}
    if loaded.files:
        used["files"] = [{"path": file.path, "sha256": file.sha256} for file in loaded.files]
    if loaded.untrusted:
        used["untrusted"] = list(loaded.untrusted)
    return used


_DONE = ("keep", "before", "after", "notify", "warnings", "required_untrusted")
_TOLD = ("hash_limit", "include", "ignore", "roles", "redact", "env", "used")


def to_document(extras: Extras) -> dict[str, Any]:
    """As JSON, for another process: what matters for finishing a run."""
    return {key: getattr(extras, key) for key in _TOLD} | {"redact": sorted(extras.redact)}


def to_whole_document(extras: Extras) -> dict[str, Any]:
    """As JSON, for a process that is to do all that the settings ask for."""
    return to_document(extras) | {key: getattr(extras, key) for key in _DONE}


def of_document(found: Mapping[str, Any]) -> Extras:
    """Back from JSON. Raises KeyError, TypeError or ValueError for what is none."""

    def groups(key: str) -> Patterns:
        return tuple((base, tuple(patterns)) for base, patterns in found[key])

    return Extras(
        hash_limit=found["hash_limit"],
        include=groups("include"),
        ignore=groups("ignore"),
        roles=tuple((base, table) for base, table in found["roles"]),
        redact=frozenset(found["redact"]),
        env=tuple(found["env"]),
        used=found["used"],
        keep=tuple((base, pattern) for base, pattern in found.get("keep", ())),
        warnings=tuple(found.get("warnings", ())),
        **{key: found[key] for key in ("before", "after", "notify", "required_untrusted") if key in found},
    )


def hidden(value: Any, name: str = "") -> Any:
    """A setting's value without secrets; `name` is the key by which it goes."""
    from shark.content.masking import mask_argv, mask_environment, mask_text

    if isinstance(value, str):
        return mask_environment({name: value})[name] if name else mask_text(value)
    if isinstance(value, dict):
        return {key: mask_argv(each) if key == "command" and each else hidden(each, key) for key, each in value.items()}
    return [hidden(each) for each in value] if isinstance(value, list) else value


def redactor_of(extras: Extras) -> Redactor | None:
    """What leaves out what shall not be known; None if nothing shall."""
    if not extras.redact:
        return None
    from shark.content.redaction import Redactor

    return Redactor.of_user(extras.redact, os.environ)


def hiding(extras: Extras | None) -> Callable[[Event], Event] | None:
    """Leaves out of an event what shall not be known, for a journal; None if that is nothing."""
    redactor = redactor_of(extras) if extras else None
    return redactor.event if redactor else None


def revealing(extras: Extras | None) -> Callable[[Event], Event] | None:
    """Undoes that for paths, since the files are to be found."""
    redactor = redactor_of(extras) if extras else None
    return redactor.revealed if redactor else None


# --- patterns


def matcher(groups: Patterns) -> Callable[[bytes], bool]:
    """Tells paths that one of the patterns fits, relative to the group's directory or from the root. What is no pattern
    fits nothing: see `not_heeded`.
    """
    if not groups:
        return lambda _: False
    import pathspec

    from shark.settings.gitignore import is_pattern

    specs = [(base, pathspec.GitIgnoreSpec.from_lines(filter(is_pattern, patterns))) for base, patterns in groups]

    def matches(path: bytes) -> bool:
        name = os.fsdecode(path)
        return any(
            spec.match_file(os.path.relpath(name, base)) or spec.match_file(name.lstrip("/")) for base, spec in specs
        )

    return matches


def not_heeded(ignore: Sequence[str], extras: Extras | None) -> Iterator[Gap]:
    """Gaps for what should be gitignore patterns and is not. Settings are refused for it before a run, but a journal
    may be of a shark that did not look.
    """
    from shark.settings.gitignore import wrong
    from shark.values import Gap

    asked = list(ignore)
    if extras is not None:
        asked += [pattern for _, patterns in (*extras.ignore, *extras.include) for pattern in patterns]
        asked += [pattern for _, table in extras.roles for pattern in table]
    for pattern in wrong(asked):
        yield Gap("other", f"the setting {pattern!r} is no gitignore pattern, and was not heeded")


def rules(extras: Extras) -> tuple[Rule, ...]:
    """Rules for roles, before the built-in ones: those that were set, then what is to be included."""
    from shark.model.roles import Rule, including

    found: list[Rule] = []
    for base, table in extras.roles:
        for pattern, role in table.items():
            why = f"the setting `roles` says so ({pattern})"
            found.append(Rule(role, why, _fits(((base, (pattern,)),))))  # type: ignore[arg-type]  # checked when read
    if extras.include:
        found += including(_fits(extras.include))
    return tuple(found)


def _fits(groups: Patterns) -> Callable[[Known], bool]:
    matches = matcher(groups)
    return lambda known: matches(known.path)
