"""A record's entries of files and of their versions."""

from __future__ import annotations

from shark.model.facts import Facts, text, time_text
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import FileEntry, VersionEntry
    from shark.model.files import File
    from shark.model.findings import Findings, Outcome
    from shark.model.scope import Scope
    from shark.model.versions import Version


class Entries:
    """Makes them for one record."""

    def __init__(self, facts: Facts, scope: Scope, findings: Findings) -> None:
        self._facts = facts
        self._scope = scope
        self._findings = findings

    def file(self, file: File) -> FileEntry:
        """The entry of a file, with those of all its versions."""
        findings = self._findings
        entry: dict[str, Any] = {"n": file.n, "path": text(file.path), "role": findings.role(file)}
        if file.kind != "file":
            entry["kind"] = file.kind
        if len(file.names) > 1:
            entry["names"] = [text(name) for name in sorted(file.names)]
        if file.id is not None:
            entry["id"] = list(file.id)
        owner = findings.owner(file)
        if owner is not None:
            entry["package"] = owner.purl
            if owner.modified:
                entry["modified"] = True
        if file.gone:
            entry["removed"] = True
        if file.target:
            entry["target"] = text(file.target)
        outcome = findings.outcome(file)
        only = self._as_given(file, outcome)
        if only is not None:
            entry["versions"] = [only]
        else:
            versions = file.versions or ([file.current] if file.regular else [])
            entry["versions"] = [self.version(file, version, outcome) for version in versions]
        return entry  # type: ignore[return-value]

    def _as_given(self, file: File, outcome: Outcome) -> VersionEntry | None:
        """What `version` says of most files' only content: it is as it was before the run. None of any other."""
        version, stat = file.current, outcome.stat
        if version.process or stat is None or outcome.foreign or not outcome.there or len(file.versions) != 1:
            return None
        sha256 = self._facts.digests.get(file.n) or version.sha256
        if not sha256 or stat.size < 0:
            return None
        entry: VersionEntry = {
            "n": version.n,
            "origin": version.origin,
            "sha256": sha256,
            "size": stat.size,
            "mtime": time_text(stat.mtime),
            "mtime_ns": stat.mtime,
        }
        runs = self._facts.input_runs.get(file.n)
        if runs:
            _put_runs(entry, runs)
        return entry

    def version(self, file: File, version: Version, outcome: Outcome) -> VersionEntry:
        """The entry of one of a file's versions; `outcome` is what became of the file."""
        made = version.process != 0 and self._scope.made(version)
        entry: VersionEntry = {"n": version.n, "origin": version.origin if made or not version.process else "outside"}
        final = outcome.final(file, version)
        sha256 = self._findings.sha256(file, version, final=final)
        if sha256:
            entry["sha256"] = sha256
        stat = outcome.stat if final else None
        size, mtime = (stat.size, stat.mtime) if stat is not None else (version.size, version.mtime)
        if size >= 0:
            entry["size"] = size
            entry["mtime"] = time_text(mtime)
            entry["mtime_ns"] = mtime
        if made:
            entry["by"] = {"process": version.process, "image": version.image}
            if version.base >= 0:
                entry["base"] = version.base
            if version.n in outcome.unchanged:
                entry["unchanged"] = True
            if version.log:
                entry["log"] = True
        elif sha256 and file.n in self._facts.input_runs:
            _put_runs(entry, self._facts.input_runs[file.n])
        if not sha256 and (why := self._findings.lack(file, version)[1]):
            entry["why"] = why
        return entry


def _put_runs(entry: VersionEntry, runs: list[str]) -> None:
    """One run is certain; of several, each may have made the content."""
    if len(runs) == 1:
        entry["run"] = runs[0]
    elif runs:
        entry["runs"] = list(runs)
