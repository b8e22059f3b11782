"""Which outputs should be made again, because something changed from which they derive?"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from shark.ancestry import Known
from shark.checking import claims
from shark.checking.carried import Claim, Lists
from shark.checking.inputs import Inputs, Where
from shark.checking.reasons import Reasons
from shark.checking.upstream import Cause, Node, Upstream
from shark.checking.walking import Found, find
from shark.store import files

if TYPE_CHECKING:
    from shark.checking.contents import Contents
    from shark.checking.records import Records
    from shark.view.documents import StaleCause, Status, StatusFile

State = Literal["stale", "maybe-stale"]
MOST = 100
"""So many causes are named for one file."""


@dataclass(slots=True)
class Stale:
    """An output that is stale, or may be, and why."""

    file: str
    state: State
    run: str
    causes: list[Cause]

    def document(self) -> StatusFile:
        """Give the element of the document of `shark status --json`."""
        causes = [_entry(cause) for cause in self.causes[:MOST]]
        return {"file": self.file, "state": self.state, "run": self.run, "causes": causes}


@dataclass(slots=True)
class Answer:
    """The answer of `shark status`. `unlisted` are what could not be looked at, with the reason."""

    directory: str
    files: list[Stale] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    unlisted: list[tuple[str, str]] = field(default_factory=list)

    def document(self) -> Status:
        """Give the document of `shark status --json`."""
        return {
            "schema": "shark/status/1",
            "directory": self.directory,
            "files": [file.document() for file in self.files],
            "counts": self.counts,
        }


def status(directory: bytes, contents: Contents, records: Records) -> Answer:
    """Look at the outputs below `directory` (or at the file that it is). Raises OSError for the argument itself."""
    answer = Answer(os.fsdecode(directory))
    found = list(find(directory, lambda name, error: answer.unlisted.append((name, files.reason(error)))))
    if not found and not os.path.isdir(directory):
        answer.unlisted.append((os.fsdecode(directory), "not a regular file: only these have a manifest"))
    true = os.path.realpath(directory)
    known = claims.known(found, contents, records, records.below(true), records.caches(true))
    counts = dict.fromkeys(("current", "stale", "maybe-stale", "modified", "unknown"), 0)
    with Known(records.store, records.environ) as runs:
        inputs = Inputs(contents, records)
        upstream = Upstream(inputs, records, runs)
        outputs: list[tuple[Found, list[tuple[Claim, Node]]]] = []
        groups: dict[int, Node] = {}
        for one in known:
            if one.group in groups:  # as another output of its run
                outputs.append((one.found, [(one.claims[0], groups[one.group])]))
                continue
            lists = [(claim, claims.whole(claim, records)) for claim in one.claims]
            nodes = [(claim, _node(upstream, one.found, claim, whole)) for claim, whole in lists if whole is not None]
            if one.state != "current":
                counts[one.state] += bool(one.claims or one.problem)
            elif nodes:
                outputs.append((one.found, nodes))
                if one.group >= 0:
                    groups[one.group] = nodes[0][1]
            else:
                counts["unknown"] += 1  # a summary of a run that is not in the store
        upstream.complete()
        reasons = Reasons(upstream.nodes, inputs, records)
        for file, nodes in outputs:
            stale = None if reasons.is_fine(nodes[0][1]) else _judged(reasons, file, nodes)
            counts[stale.state if stale is not None else "current"] += 1
            if stale is not None:
                answer.files.append(stale)
        records.problems.update(dict.fromkeys(runs.problems))
    answer.counts = {state: count for state, count in counts.items() if count}
    return answer


def _node(upstream: Upstream, file: Found, claim: Claim, lists: Lists) -> Node:
    return upstream.node(Where(claim.run, claim.path, file.path), lists)


def _judged(reasons: Reasons, file: Found, nodes: list[tuple[Claim, Node]]) -> Stale | None:
    """Of runs that made the same bytes, one from whose inputs they can be made still is enough."""
    first: Stale | None = None
    for claim, node in nodes:
        for state, hard in (("stale", True), ("maybe-stale", False)):
            causes = reasons.causes(node, hard=hard, own=file.path)
            if causes:
                found = Stale(file.shown, "stale" if state == "stale" else "maybe-stale", claim.run, causes)
                if first is None or (first.state == "stale" and not hard):
                    first = found
                break
        else:
            return None
    return first


def _entry(cause: Cause) -> StaleCause:
    entry: StaleCause = {"path": cause.path, "change": cause.change, "run": cause.run, "chain": list(cause.chain)}
    if cause.sha256:
        entry["sha256"] = cause.sha256
    if cause.at:
        entry["at"] = cause.at
    if cause.change in ("modified", "missing", "touched"):
        entry["list"] = "controls" if cause.control else "inputs"
    return entry
