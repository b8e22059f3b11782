"""What a run made from its own outputs: the index knows only what came from outside, so its record is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from shark.ancestry.values import Content
from shark.errors import SharkError
from shark.model.lineage import users
from shark.store.home import Store
from shark.store.rows import encoded

if TYPE_CHECKING:
    from shark.model.documents import OutputEntry


class Used(NamedTuple):
    """An output that derives from another one of its run."""

    made: Content
    kind: Literal["input", "control"]


_Answer = Callable[[Content], "list[Used]"]


class Inside:
    """Reads the records of one store, each once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[str, _Answer] = {}

    def of(self, run: str, made: Content) -> list[Used]:
        """Give the outputs of a run that derive from this output of it; none where that is not known."""
        if run not in self._runs:
            self._runs[run] = self._read(run)
        return self._runs[run](made)

    def _read(self, run: str) -> _Answer:
        try:
            record = self._store.read_record(run)
            outputs: list[OutputEntry] = cast("Any", record["outputs"])
            by_content = {_content(output): (output["file"], output["version"]) for output in outputs}
            found = users(cast("Any", record))
        except (SharkError, KeyError, TypeError, AttributeError, ValueError):
            return lambda _: []  # damaged or odd: the walk itself says so

        def used(made: Content) -> list[Used]:
            key = by_content.get(made)
            return [] if key is None else [Used(_content(output), kind) for output, kind in found.get(key, ())]

        return used


def _content(output: Mapping[str, Any]) -> Content:
    return Content(encoded(output["path"]), output.get("sha256", ""))
