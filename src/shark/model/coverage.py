"""How completely a run was seen: the gaps that capture reported, and those that only the whole picture shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shark.events import EXAMPLE
from shark.model.facts import text
from shark.model.findings import Findings
from shark.model.lateness import written_late
from shark.model.manifest import input_versions
from shark.model.scope import Scope
from shark.tuples import TYPE_CHECKING
from shark.values import Gap

if TYPE_CHECKING:
    from shark.kinds import GapKind
    from shark.model.documents import Coverage, GapEntry, RunRecord

NAMED = 20
"""Files that are named one by one for the same kind of gap and reason; of more, only the number and the first."""

KINDS = frozenset({
    "io_uring", "nested-ptrace", "privilege", "still-running", "changed-outside", "unreadable", "namespace", "unhashed",
    "delegated", "journal-lost", "other",
})  # fmt: skip
"""The words of `kinds.GapKind`, which cannot be asked for them without importing `typing`."""


def coverage(findings: Findings, scope: Scope, record: RunRecord) -> Coverage:
    """The record's `coverage`."""
    gaps: dict[Gap, None] = dict.fromkeys(_seen(findings, scope))
    gaps.update(dict.fromkeys(findings.facts.gaps))
    gaps.update(dict.fromkeys(_breaks(findings, scope, {gap.kind for gap in gaps})))
    gaps.update(dict.fromkeys(_of_files(findings, scope, record)))
    return {"complete": not gaps, "gaps": [_entry(findings, gap) for gap in gaps]}


def _entry(findings: Findings, gap: Gap) -> GapEntry:
    entry: GapEntry = {"kind": gap.kind, "detail": findings.header.mask(gap.detail)}
    if gap.process is not None:
        entry["process"] = gap.process
    return entry


def _seen(findings: Findings, scope: Scope) -> Iterator[Gap]:
    places: set[str] = set()
    for kind, detail, process in findings.model.gaps:
        if not process or process in scope.processes:
            place, example, _ = detail.partition(EXAMPLE)
            if kind == "namespace" and example:  # each process tells of a mount: one, with one file, stands for all
                if place in places:
                    continue
                places.add(place)
            known: GapKind = kind if kind in KINDS else "other"  # type: ignore[assignment]
            yield Gap(known, detail if known == kind else f"{kind}: {detail}", process or None)
    if findings.model.gaps_dropped:
        yield Gap("other", f"{findings.model.gaps_dropped} further gaps were only counted")


def _breaks(findings: Findings, scope: Scope, kinds: set[GapKind]) -> Iterator[Gap]:
    """The run had not ended when the stream of events did, or some of its processes live on."""
    model = findings.model
    if model.ended is None:
        if "journal-lost" not in kinds:
            yield Gap("journal-lost", "the journal breaks off before the end of the run")
    elif "still-running" not in kinds:
        for n in sorted(scope.processes):
            if model.processes[n].begin and not model.processes[n].ended:
                yield Gap("still-running", "the process lived on when the record was written", n)


def _of_files(findings: Findings, scope: Scope, record: RunRecord) -> Iterator[Gap]:
    reasons: dict[tuple[GapKind, str], list[str]] = {}
    made = ((output["file"], output["version"]) for output in record["outputs"] if _wants_digest(output.get("why")))
    for n, number in sorted({*input_versions(_unhashed(record)), *made}):
        file = findings.model.files[n]
        version = next((version for version in file.versions if version.n == number), file.current)
        sha256, kind, why = findings.digest(file, version)
        if not sha256 and kind is not None and not findings.header.ignored(file.path):
            reasons.setdefault((kind, why), []).append(text(file.path))
    reasons.update(_vanished(findings, scope))
    if hidden := _hidden(findings, scope):
        reasons["unreadable", "open for writing, where shark is not allowed to look"] = hidden
    if late := [text(file.path) for file in written_late(findings, record) if not findings.header.ignored(file.path)]:
        reasons["changed-outside", "written to by someone outside, after all of the run that had it open"] = late
    for (kind, why), paths in reasons.items():
        yield from _grouped(kind, why, paths)


def _unhashed(record: RunRecord) -> RunRecord:
    """As much of a record as is about files that some version has no digest of: mostly a small part."""
    files = [
        entry
        for entry in record["files"]
        if (versions := entry["versions"])
        and ("sha256" not in versions[0] or (len(versions) > 1 and any("sha256" not in each for each in versions)))
    ]
    numbers = {entry["n"] for entry in files}
    edges = [edge for edge in record["edges"] if edge.get("file") in numbers]
    outputs = [output for output in record["outputs"] if output["file"] in numbers]
    return {**record, "files": files, "edges": edges, "outputs": outputs}


def _wants_digest(why: str | None) -> bool:
    return why is None or not why.startswith("role ")


def _vanished(findings: Findings, scope: Scope) -> dict[tuple[GapKind, str], list[str]]:
    """Files that the run made and did not remove, but that are not there."""
    paths = [
        text(file.path)
        for file in findings.changed
        if file.regular and findings.outcome(file).vanished and any(scope.made(version) for version in file.versions)
    ]
    return (
        {("changed-outside", "made by the run, then moved, replaced or removed by someone outside"): paths}
        if paths
        else {}
    )


def _hidden(findings: Findings, scope: Scope) -> list[str]:
    """Files that the run may have written, in places that shark may not look into: another user opened them for it."""
    hidden = [file for file in findings.changed if file.n in findings.facts.hidden]
    return [text(file.path) for file in hidden if any(scope.made(version) for version in file.versions)]


def _grouped(kind: GapKind, why: str, paths: Iterable[str]) -> Iterator[Gap]:
    paths = list(paths)
    if len(paths) > NAMED:
        yield Gap(kind, f"{len(paths)} files: {why} (the first: {paths[0]})")
        return
    for path in paths:
        yield Gap(kind, f"{path}: {why}" if why else path)
