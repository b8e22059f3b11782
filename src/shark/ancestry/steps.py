"""By which processes of a run its outputs came about, where the run's record tells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from shark.ancestry.values import Content
from shark.errors import SharkError
from shark.model.lineage import chains
from shark.store.home import Store
from shark.store.rows import encoded

if TYPE_CHECKING:
    from shark.view.documents import StepEntry

_Chain = Callable[[Content], "list[StepEntry]"]


class Steps:
    """Reads the records of one store, each once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._runs: dict[str, _Chain] = {}

    def of(self, run: str, made: Content) -> list[StepEntry]:
        """Give the processes from which something reached an output, by number; none where that is not known."""
        if run not in self._runs:
            self._runs[run] = self._read(run)
        return self._runs[run](made)

    def _read(self, run: str) -> _Chain:
        try:
            record = self._store.read_record(run)
            chain = chains(cast("Any", record))
            processes = {process["n"]: _entry(process) for process in record["processes"]}
            outputs = [(output, _contents(output)) for output in record["outputs"]]
        except (SharkError, KeyError, TypeError, AttributeError, ValueError):
            return lambda _: []  # damaged or odd: the walk itself says so

        def steps(made: Content) -> list[StepEntry]:
            found = next((output for output, contents in outputs if made in contents), None)
            return [] if found is None else [processes[n] for n in chain(found) if n in processes]

        return steps


def _contents(output: Mapping[str, Any]) -> set[Content]:
    return {Content(encoded(path), output.get("sha256", "")) for path in (output["path"], *output.get("names", ()))}


def _entry(process: Mapping[str, Any]) -> StepEntry:
    programs = [image for image in process["images"] if "argv" in image]
    entry: StepEntry = {"process": process["n"], "argv": programs[-1]["argv"] if programs else []}
    if programs and "exe" in programs[-1]:
        entry["exe"] = programs[-1]["exe"]
    return entry
