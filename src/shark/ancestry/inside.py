"""What a run made from its own outputs: the index knows only what came from outside, so its record is asked."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, cast

from shark.ancestry.asking import Answer, Asked
from shark.ancestry.values import Content
from shark.model.lineage import users
from shark.store.home import Store
from shark.store.rows import encoded


class Used(NamedTuple):
    """An output that derives from another one of its run."""

    made: Content
    kind: Literal["input", "control"]


def inside(store: Store) -> Asked[Used]:
    """Asks for the outputs of a run that derive from one of its outputs."""
    return Asked(store, _users)


def _users(record: dict[str, Any]) -> Answer[Used]:
    found = users(cast("Any", record))
    return lambda output: [
        Used(Content(encoded(user["path"]), user.get("sha256", "")), kind)
        for user, kind in found.get((output["file"], output["version"]), ())
    ]
