"""The run record (`shark/run/1`): the whole run as one document, from which every manifest can be made again."""

from __future__ import annotations

from shark.events import SHARES_FILES, SHARES_MEMORY, SubRun
from shark.model.coverage import coverage
from shark.model.facts import Facts, Header, text, time_text
from shark.model.findings import Findings
from shark.model.lateness import written_late
from shark.model.links import accesses
from shark.model.links import channels as channels_and_edges
from shark.model.manifest import software_of
from shark.model.outputs import Output, outputs
from shark.model.processes import Image, Process
from shark.model.questions import find_sources
from shark.model.resources import own_usage, put_usage, total
from shark.model.run import RunModel
from shark.model.scope import Scope
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import (
        Attached,
        Command,
        Endpoint,
        FileEntry,
        ImageEntry,
        OutputEntry,
        ProcessEntry,
        RunRecord,
        VersionEntry,
    )
    from shark.model.files import File
    from shark.model.findings import Outcome
    from shark.model.versions import Version

_CONTEXT = ("git", "host", "env", "container", "scheduler", "workflow", "ci", "recording", "values")


def build_record(
    model: RunModel,
    facts: Facts,
    header: Header,
    within: SubRun | int | None = None,
    findings: Findings | None = None,
) -> RunRecord:
    """The record of a run, as a document whose keys always come in the same order.

    With `within`, one of `model.subruns`, it is that sub-run's own record: of its process, that one's descendants, and
    what they did. To a sub-run, what the processes around it made is given, not made; `header.parent` names the outer
    run. `findings` are those of the same model and facts, if they are at hand.
    """
    find_sources(model)
    if isinstance(within, int):
        within = _subrun_of(model, within, header.id)
    findings = findings or Findings(model, facts, header)
    builder = _Builder(model, facts, header, Scope(model, within), findings)
    record = builder.build()
    if facts.belated and (late := list(written_late(findings, record))):
        findings.disown(late)
        return builder.build()
    return record


def _subrun_of(model: RunModel, process: int, run: str) -> SubRun:
    """The sub-run that starts in a process: the one of this id, should there be several."""
    found = [subrun for subrun in model.subruns if subrun.process == process]
    if not found:
        raise KeyError(process)
    return next((subrun for subrun in found if subrun.run == run), found[0])


def set_attached(record: RunRecord, file: int, where: Attached, why: str = "") -> None:
    """Note in a record where the manifest of an output (by its file number) was put, and why not if it was not.

    Raises KeyError if the record has no such output.
    """
    for output in record["outputs"]:
        if output["file"] == file:
            output["attached"] = where
            output.pop("why", None)
            if why:
                output["why"] = why
            return
    raise KeyError(file)


class _Builder:
    """Makes one record; the methods are its sections, in the document's order."""

    def __init__(self, model: RunModel, facts: Facts, header: Header, scope: Scope, findings: Findings) -> None:
        self.model = model
        self.facts = facts
        self.header = header
        self.scope = scope
        self.findings = findings
        self.usage = own_usage(model.processes)
        self.entries = Entries(facts, scope, findings)

    def build(self) -> RunRecord:
        document: dict[str, Any] = {"schema": "shark/run/1", "id": self.header.id}
        document.update(_present(self._about()))
        document["command"] = self._command()
        document["processes"] = [self._process(n) for n in sorted(self.scope.processes)]
        document.update(_present({"resources": total(document["processes"]), "subruns": self._subruns()}))
        edges = accesses(self.model, self.scope, self.findings)
        channels, links = channels_and_edges(self.model.holdings, self.scope)
        used = {edge["file"] for edge in edges} | {entry["file"] for entry in channels if "file" in entry}
        files = self.model.files.all
        entry = self.entries.file
        document["files"] = [entry(files[n - 1]) for n in sorted(used)]
        document["channels"] = channels
        document["edges"] = edges + links
        if self.model.holdings.known:
            document["flow"] = "output"
        document["software"] = []
        document.update(_present({key: self.facts.context.get(key) for key in _CONTEXT}))
        document.update(_present({"network": self._network()}))
        document["coverage"] = {"complete": True, "gaps": []}
        if self.model.traced is not None:
            _, _, *figures = self.model.traced
            document["traced"] = dict(zip(("stops", "hot", "sites", "recorded", "repeated"), figures, strict=True))
        document["outputs"] = [self._output(output) for output in outputs(self.findings, self.scope)]
        document["shark"] = self.header.shark
        record: RunRecord = document  # type: ignore[assignment]
        record["software"] = software_of(record)
        record["coverage"] = coverage(self.findings, self.scope, record)
        return record

    def _about(self) -> dict[str, Any]:
        header = self.header
        return {"name": header.name, "tags": header.tags, "parent": header.parent, "continues": header.continues}

    def _command(self) -> Command:
        process = self.model.processes[self.scope.root]
        started = self.model.started
        within = self.scope.within
        if within is not None:
            argv, cwd, start = within.argv, self._cwd(process), self.scope.start(process)
        elif started is not None:
            argv, cwd, start = started.argv, started.cwd, started.time
        else:
            argv, cwd, start = (process.images[0].argv if process.images else ()), self._cwd(process), process.start
        command: Command = {"argv": self.header.masked(argv), "cwd": text(cwd)}
        _put_status(command, process)
        if start:  # an strace log without times does not know
            command["start"] = time_text(start)
        end = process.stop or (self.model.ended.time if self.model.ended is not None and within is None else 0)
        if end:
            command["end"] = time_text(end)
        seconds = self.facts.seconds if within is None else None
        if seconds is None and end:
            seconds = (end - start) / 1e9
        if seconds is not None:
            command["seconds"] = round(seconds, 4)
        return command

    def _cwd(self, process: Process) -> bytes:
        return next((image.cwd for image in process.images if image.cwd), b"")

    def _process(self, n: int) -> ProcessEntry:
        process = self.model.processes[n]
        entry: ProcessEntry = {
            "n": n,
            "parent": process.parent if n != self.scope.root else 0,
            "pid": process.pid,
            "images": [self._image(image) for image in process.images],
            "start": time_text(process.start),
            "order": [process.begin],
        }
        if process.ended:
            entry["end"] = time_text(process.stop)
            entry["order"].append(process.ended)
        _put_status(entry, process)
        put_usage(entry, process, self.usage.get(n))
        shares = [name for bit, name in ((SHARES_MEMORY, "memory"), (SHARES_FILES, "files")) if process.shares & bit]
        if shares:
            entry["shares"] = shares
        runs = [subrun.run for subrun in self.model.subruns if subrun.process == n and subrun is not self.scope.within]
        if runs:
            entry["run"] = runs[0]
        return entry

    def _image(self, image: Image) -> ImageEntry:
        order = [image.begin, image.end]
        if image.forked is not None and image.forked[0] in self.scope.processes:
            forked = {"process": image.forked[0], "image": image.forked[1]}
            return {"forked": forked, "start": time_text(image.time), "order": order}  # type: ignore[typeddict-item]
        image = self._original(image)
        entry: ImageEntry = {
            "argv": self.header.masked(image.argv),
            "exe": text(image.exe_path),
            "cwd": text(image.cwd),
            "start": time_text(image.time),
            "order": order,
        }
        if image.script_path:
            entry["script"] = text(image.script_path)
        return entry

    def _original(self, image: Image) -> Image:
        """The image that a fork copied, for a record in which the forking process does not occur."""
        while image.forked is not None:
            process = self.model.processes[image.forked[0]]
            if image.forked[1] >= len(process.images):
                break
            image = process.images[image.forked[1]]
        return image

    def _subruns(self) -> list[dict[str, Any]]:
        return [
            {"run": subrun.run, "process": subrun.process, "argv": self.header.masked(subrun.argv)}
            for subrun in self.scope.subruns()
        ]

    def _network(self) -> list[Endpoint]:
        found: list[Endpoint] = []
        for (family, address, port), process in self.model.network.items():
            if process in self.scope.processes:
                endpoint: Endpoint = {"family": family, "address": self.header.mask(address), "process": process}
                if port:
                    endpoint["port"] = port
                found.append(endpoint)
        return found

    def _output(self, output: Output) -> OutputEntry:
        file = output.file
        entry: OutputEntry = {
            "file": file.n,
            "version": output.version.n,
            "path": text(file.path),
            "role": self.findings.role(file),
        }
        if len(file.names) > 1:
            entry["names"] = [text(name) for name in sorted(file.names)]
        version = self.entries.version(file, output.version, self.findings.outcome(file))
        for key in ("sha256", "size", "mtime"):
            if key in version:
                entry[key] = version[key]
        if output.why:
            entry["attached"] = "none"
            entry["why"] = output.why
        return entry


class Entries:
    """Makes the entries of files, and of their versions, for one record."""

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


def _present(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value}


def _put_status(entry: Command | ProcessEntry, process: Process) -> None:
    if process.signal > 0:
        entry["signal"] = process.signal
    elif process.exit >= 0:
        entry["exit"] = process.exit


def _put_runs(entry: VersionEntry, runs: list[str]) -> None:
    """One run is certain; of several, each may have made the content."""
    if len(runs) == 1:
        entry["run"] = runs[0]
    elif runs:
        entry["runs"] = list(runs)
