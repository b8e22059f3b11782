"""Asking the record of a run about one of its outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from shark.ancestry.values import Content
from shark.errors import SharkError
from shark.store.home import Store
from shark.store.rows import encoded

T = TypeVar("T")

Answer = Callable[[Mapping[str, Any]], "list[T]"]
"""Answers for each output of one record."""


class Asked(Generic[T]):
    """Reads the records of one store, each once. `prepare` makes the answer of a record."""

    def __init__(self, store: Store, prepare: Callable[[dict[str, Any]], Answer[T]]) -> None:
        self._store = store
        self._prepare = prepare
        self._runs: dict[str, Callable[[Content], list[T]]] = {}

    def of(self, run: str, made: Content) -> list[T]:
        """Give what the record of a run says of this output, by any of its names; nothing where that is not known."""
        if run not in self._runs:
            self._runs[run] = self._read(run)
        return self._runs[run](made)

    def _read(self, run: str) -> Callable[[Content], list[T]]:
        try:
            record: dict[str, Any] = self._store.read_record(run)
            answer = self._prepare(record)
            outputs: dict[Content, Mapping[str, Any]] = {}
            for output in record["outputs"]:
                for name in (output["path"], *output.get("names", ())):
                    outputs.setdefault(Content(encoded(name), output.get("sha256", "")), output)
        except (SharkError, KeyError, TypeError, AttributeError, ValueError):
            return lambda _: []  # damaged or odd: the walk itself says so

        def asked(made: Content) -> list[T]:
            return answer(outputs[made]) if made in outputs else []

        return asked
