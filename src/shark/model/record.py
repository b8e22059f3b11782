"""The run record (`shark/run/1`): the whole run as one document, from which every manifest can be made again."""

from __future__ import annotations

from shark.events import SHARES_FILES, SHARES_MEMORY, SubRun
from shark.model import accesses as kinds
from shark.model.coverage import coverage
from shark.model.entries import Entries
from shark.model.facts import Facts, Header, text, time_text
from shark.model.findings import Findings
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
        EdgeEntry,
        Endpoint,
        ImageEntry,
        OutputEntry,
        ProcessEntry,
        RunRecord,
    )

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
    return _Builder(model, facts, header, Scope(model, within), findings or Findings(model, facts, header)).build()


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
        edges = self._edges()
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

    def _edges(self) -> list[EdgeEntry]:
        edges: list[EdgeEntry] = []
        files, sources = self.model.files.all, self.model.pyc_sources
        processes, begin = self.scope.processes, self.scope.begin  # what Scope.has looks at
        for (process, image, n, version, kind), access in self.model.accesses.items():
            if process not in processes or access.end < begin:
                continue
            edge: EdgeEntry = {
                "process": process,
                "image": image,
                "file": n,
                "version": version,
                "access": kinds.KINDS[kind],
                "order": [access.begin, access.first_end],
            }
            if access.count > 1:
                edge["last"] = [access.last_begin, access.end]
                edge["count"] = access.count
            if access.idle:
                edge["idle"] = True
            if access.until:
                edge["until"] = access.until
            used = access.used
            if used != files[n - 1].path:
                edge["as"] = text(used)
            if access.inherited:
                edge["inherited"] = True
            edges.append(edge)
            if kind == kinds.READ and n in sources and self.findings.has_source(n):
                source = files[sources[n] - 1]
                edges.append(edge | {"file": source.n, "version": source.current.n, "as": text(used)})
        return edges

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


def _present(section: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in section.items() if value}


def _put_status(entry: Command | ProcessEntry, process: Process) -> None:
    if process.signal > 0:
        entry["signal"] = process.signal
    elif process.exit >= 0:
        entry["exit"] = process.exit
