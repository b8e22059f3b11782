"""By which processes of a run its outputs came about, where the run's record tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from shark.ancestry.asking import Answer, Asked
from shark.model.lineage import chains
from shark.store.home import Store

if TYPE_CHECKING:
    from shark.view.documents import StepEntry


def steps(store: Store) -> Asked[StepEntry]:
    """Asks for the processes from which something reached an output, by number."""
    return Asked(store, _steps)


def _steps(record: dict[str, Any]) -> Answer[StepEntry]:
    chain = chains(cast("Any", record))
    processes = {process["n"]: _entry(process) for process in record["processes"]}
    return lambda output: [processes[n] for n in chain(cast("Any", output)) if n in processes]


def _entry(process: Mapping[str, Any]) -> StepEntry:
    programs = [image for image in process["images"] if "argv" in image]
    entry: StepEntry = {"process": process["n"], "argv": programs[-1]["argv"] if programs else []}
    if programs and "exe" in programs[-1]:
        entry["exe"] = programs[-1]["exe"]
    return entry
