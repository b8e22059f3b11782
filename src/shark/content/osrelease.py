"""os-release(5): which distribution this is."""

from __future__ import annotations

from collections.abc import Sequence

PLACES = ("/etc/os-release", "/usr/lib/os-release")
"""Where it is, by order of precedence."""

_SPECIAL = frozenset("\"'\\")
_BLANK = frozenset(" \t")


def os_release(places: Sequence[str] = PLACES) -> dict[str, str]:
    """The variables of the first file that can be read; empty if there is none. Other lines are passed over."""
    for place in places:
        try:
            with open(place, encoding="utf-8", errors="replace") as stream:
                lines = stream.read().splitlines()
        except OSError:
            continue
        return dict(filter(None, map(_assignment, lines)))
    return {}


def _assignment(line: str) -> tuple[str, str] | None:
    name, equals, value = line.strip().partition("=")
    if not equals or name.startswith("#"):
        return None
    inner = value[1:-1] if value[:1] == value[-1:] == '"' and len(value) > 1 else value
    if not set(inner) & _SPECIAL and (inner is not value or not set(value) & _BLANK):
        return name, inner
    import shlex

    try:
        return name, "".join(shlex.split(value))
    except ValueError:
        return name, value.strip("\"'")
