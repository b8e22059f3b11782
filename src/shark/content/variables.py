"""What a system says of itself in environment variables: tables of (system, the variable that shows it, fields)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shark.content.masking import mask_text
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any


class System(NamedTuple):
    """A system `name`, in force when all variables of `shown_by` are set and not empty.

    `fields` names what is recorded, and for each the variables that may hold it, by order of preference.
    """

    name: str
    shown_by: tuple[str, ...]
    fields: Mapping[str, tuple[str, ...]]


def recognise(systems: Iterable[System], environ: Mapping[str, str]) -> dict[str, Any]:
    """`system` and the fields of the first that is in force, values masked, absent ones left out; empty if none is."""
    for system in systems:
        if all(environ.get(variable) for variable in system.shown_by):
            values = {
                field: next((environ[name] for name in names if environ.get(name)), "")
                for field, names in system.fields.items()
            }
            return {"system": system.name, **{field: mask_text(value) for field, value in values.items() if value}}
    return {}
