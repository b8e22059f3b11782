"""What a run's record is made from, kept in one place while events come: model, context, plan and store."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from shark import __version__
from shark.content.context import Gatherer
from shark.events import READ, Event, GapSeen, Opened
from shark.model.run import RunModel
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from shark.around import Around
    from shark.content.packages.early import Early
    from shark.model.documents import RunRecord
    from shark.plan import Plan
    from shark.store.home import Store
    from shark.values import Gap


class Made(NamedTuple):
    """A record that is in the store, what the user should know, and how many outputs lack their manifest."""

    record: RunRecord
    warnings: list[str]
    unattached: int


class Book:
    """One run's. `parent` is the id of the run around it, or ""; `around` is what settings ask for besides. `faults`
    are shark's own, not told yet; `secrets` are those that were found in names and arguments; `early`
    has what was found out before the end.
    """

    def __init__(self, plan: Plan, parent: str, around: Around | None = None) -> None:
        self.plan = plan
        self._around = around
        self.parent = parent
        self.model = RunModel()
        self.gatherer = Gatherer()
        self.faults: list[Exception] = []
        self.secrets: Sequence[str] = ()
        self.early: Early | None = None
        self._recorded: frozenset[tuple[str, str]] = frozenset()

    def start_gathering(self, environ: Mapping[str, str]) -> list[str]:
        """Before the command starts: what it is going to change must be seen as it was. Returns warnings."""
        try:
            further = self.plan.extras.env if self.plan.extras else ()
            self.gatherer.start(os.fsdecode(self.plan.cwd), environ, extra=further)
        except OSError as problem:
            return [f"the context of the run is not gathered: {problem.strerror}"]
        return []

    def take(self, event: Event) -> None:
        """Take up what happened. One event may be lost by a fault of shark, which is noted, but not the run."""
        try:
            if type(event) is Opened and event.access & READ:
                self.gatherer.saw(event.file.path)
            self.model.observe(event)
        except Exception as problem:  # noqa: BLE001
            self.faults.append(problem)
            self.model.observe(GapSeen(event.begin, event.end, 0, "other", f"a fault of shark: {problem!r}"))

    def keep(
        self,
        run: str,
        store: Store,
        *,
        seconds: float,
        continues: str = "",
        context: Mapping[str, Any] | None = None,
        gaps: Sequence[Gap] = (),
        streams: Mapping[str, Any] | None = None,
    ) -> Made:
        """Make the record `run` of all that was taken up, and the manifests; keep and attach them.

        `streams` is what the command wrote to its standard streams, `context` are sections that only the kind of run
        knows. Raises SharkError or OSError if the record is lost.
        """
        from shark import record
        from shark.content.masking import mask_environment, mask_text
        from shark.content.packages import owners
        from shark.model.facts import Header

        self.gatherer.ended()
        plan = self.plan
        header = Header(id=run, shark=__version__, name=mask_text(plan.name), tags=mask_environment(plan.tags))
        header.parent, header.continues = self.parent, continues
        settings = record.Settings(
            attach=plan.attach,
            hash=plan.hash,
            ignore=plan.ignore,
            cwd=plan.cwd,
            recorded=self._recorded,
            extras=plan.extras,
            secrets=tuple(self.secrets),
            owners=owners if self.early is None else self.early.owners,
        )
        outcome = record.finish(
            self.model,
            header,
            store,
            settings,
            context=context or {},
            gatherer=self.gatherer,
            gaps=[*gaps, *_not_kept(streams or {})],
            seconds=seconds,
            additions=self._additions(run, store, streams or {}),
        )
        self._recorded = frozenset(record.versions_of(outcome.record))
        return Made(outcome.record, [*self._written(outcome.record), *outcome.warnings], outcome.unattached)

    def _additions(self, run: str, store: Store, streams: Mapping[str, Any]) -> dict[str, Any]:
        """What the record has besides what happened: settings, captured output, values that the run said of itself."""
        from shark.store import said

        found: dict[str, Any] = {}
        if self._around:
            found = self._around.finish(store)
        elif self.plan.extras and self.plan.extras.used:
            found = {"settings": dict(self.plan.extras.used)}
        if streams:
            found["streams"] = dict(streams)
        return {**found, **said.values_of(store, run)}

    def _written(self, made: RunRecord) -> list[str]:
        """Give the record to who asked for it in a file; what went wrong with that."""
        path, held = self.plan.json, self.plan.json_held
        if not path:
            return []
        from shark import delivering

        if held >= 0:
            self.plan = self.plan._replace(json="", json_held=-1)  # it can be had once: a reader waits for its end
        try:
            delivering.write_json(made, path, held)
        except OSError as problem:
            return [f"the record could not be written to {path}: {problem.strerror}"]
        return []


def _not_kept(streams: Mapping[str, Any]) -> list[Gap]:
    """Gaps for captured output of which a part is missing (other than by the limit, which was asked for)."""
    from shark.values import Gap

    return [
        Gap("other", f"what the command wrote to its {name} was not kept whole: {entry['why']}")
        for name, entry in streams.items()
        if isinstance(entry, dict) and "why" in entry and "sha256" in entry
    ]
