"""A run record as the steps of its data flow, in order: what can be read or written begins early and ends late.

Two calls whose order is unknown are put so that data flows from one to the other.
"""

from __future__ import annotations

from shark.model.derivation import is_listed
from shark.model.questions import compiled_source
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shark.model.derivation import Contents
    from shark.model.documents import ChannelEntry, EdgeEntry, FileEntry, ProcessEntry, RunRecord

RELEASE, FORK, VERSION, WRITES, READS, TAKES, LOADS, CLOSES_READ, CLOSES_WRITE, EXEC, TAKES_AFTER, LOADS_AFTER, END = (
    range(13)
)
"""The kinds of steps, in the order in which those of one moment are taken."""

Step = tuple[int, int, int, int, int]
"""The moment, the kind, and up to three numbers.

RELEASE process file; FORK process parent shares; VERSION file version; WRITES, READS, CLOSES_READ and CLOSES_WRITE
process place how (1: the file is held only as far as edges to files say); TAKES process file version; LOADS process
package; EXEC process; END process.
A place is the number of a file, or of a channel as a negative number.
"""

_LAST = 1 << 61
_TAKES = frozenset({"read", "exec"})
_WRITES = frozenset({"write", "create"})


class Schedule:
    """The steps of a record. `packages` are those whose files were executed or read, by the number that LOADS gives.

    `made` are the versions that the run made, `changing` their files, `listed` the files that a manifest may name,
    `parents` the processes that have made others.
    """

    def __init__(self, record: RunRecord, contents: Contents) -> None:
        self.packages: dict[str, int] = {}
        self.made = {key for key, version in contents.versions.items() if "by" in version}
        self.changing = {file for file, _ in self.made}
        self.starts: dict[tuple[int, int], tuple[int, int]] = {}  # begin and end of the call that began a version
        self._loaded = {entry["n"]: self._package(entry) for entry in record["files"] if "package" in entry}
        self.listed = {n for n, entry in contents.files.items() if is_listed(entry)}
        compiled = {n for n, entry in contents.files.items() if entry["role"] == "cache" and _is_compiled(entry)}
        self._taken = self.changing | self.listed
        self._taken -= compiled
        self._execs = {process["n"]: list(_execs(process)) for process in record["processes"]}
        self._channels: dict[int, ChannelEntry] = {entry["n"]: entry for entry in record["channels"]}
        links = [edge for edge in record["edges"] if "channel" in edge]
        self._held = {
            (edge["process"], self._channels[edge["channel"]].get("file", 0))
            for edge in links
            if edge["access"] == "write" and self._channels[edge["channel"]]["kind"] == "file"
        }
        self.only_writer = self._only_writers(record["edges"], links)
        self.parents = {process["parent"] for process in record["processes"]}
        self.steps = self._steps(record, links)

    def _steps(self, record: RunRecord, links: list[EdgeEntry]) -> list[Step]:
        steps: list[Step] = []
        for process in record["processes"]:
            steps.extend(_of_process(process))
        for edge in record["edges"]:
            access = edge["access"]
            if "file" not in edge:
                continue
            if access in _TAKES:
                if not edge.get("idle"):
                    self._of_reader(edge, steps)
            elif access in _WRITES:
                self._of_writer(edge, steps)
        steps.extend(self._of_versions())
        for edge in links:
            self._of_link(edge, steps)
        steps.sort()
        return steps

    def _of_versions(self) -> Iterator[Step]:
        """A version begins before the one that follows it, though the call that began it may have begun later."""
        former, later = 0, _LAST
        for (file, version), (begin, _) in sorted(self.starts.items(), reverse=True):
            if file != former or begin < later:
                later = begin
            former = file
            yield later, VERSION, file, version, 0

    def _package(self, entry: FileEntry) -> int:
        if entry.get("modified"):
            return -1
        return self.packages.setdefault(entry["package"], len(self.packages))

    def _only_writers(self, edges: list[EdgeEntry], links: list[EdgeEntry]) -> dict[int, int]:
        """The process that alone writes to a file; 0 where several do."""
        found: dict[int, int] = {}
        for edge in edges:
            if edge["access"] in _WRITES and "file" in edge:
                process = edge["process"]
                if found.setdefault(edge["file"], process) != process:
                    found[edge["file"]] = 0
        for edge in links:
            file = self._channels[edge["channel"]].get("file", 0)
            if file and edge["access"] == "write":
                process = edge["process"]
                if found.setdefault(file, process) != process:
                    found[file] = 0
        return found

    def _of_writer(self, edge: EdgeEntry, steps: list[Step]) -> None:
        file, order = edge["file"], edge["order"]
        key = file, edge["version"]
        if key not in self.made:
            return
        begin = order[0]
        start = self.starts.get(key)
        if start is None or begin < start[0]:
            self.starts[key] = begin, order[1]
        process = edge["process"]
        if (process, file) not in self._held and not edge.get("idle"):
            steps.append((begin, WRITES, process, file, 1))

    def _of_reader(self, edge: EdgeEntry, steps: list[Step]) -> None:
        process, file = edge["process"], edge["file"]
        execs, image, moment = self._execs.get(process, ()), edge["image"], edge["order"][0]
        late = image < len(execs) and moment <= execs[image]
        if late:
            moment = execs[image]
        package = self._loaded.get(file, -1)
        if package >= 0:
            steps.append((moment, LOADS_AFTER if late else LOADS, process, package, 0))
        if file in self._taken:
            steps.append((moment, TAKES_AFTER if late else TAKES, process, file, edge["version"]))
        if "until" in edge:
            steps.append((edge["until"], RELEASE, process, file, 0))

    def _of_link(self, edge: EdgeEntry, steps: list[Step]) -> None:
        channel = self._channels.get(edge["channel"])
        if channel is None:
            return
        process, order = edge["process"], edge["order"]
        reads = edge["access"] == "read"
        place = channel.get("file", 0) or -channel["n"]
        places = [place] if reads or "peers" not in channel else [-peer for peer in channel["peers"]]
        for place in places:
            steps.append((order[0], READS if reads else WRITES, process, place, 0))
            if len(order) > 1:
                steps.append((order[1], CLOSES_READ if reads else CLOSES_WRITE, process, place, 0))


def _execs(process: ProcessEntry) -> Iterator[int]:
    """When each image of a process was there; 0 for one that a fork copied."""
    for image in process["images"]:
        yield 0 if "forked" in image else image["order"][-1]


def _of_process(process: ProcessEntry) -> Iterator[Step]:
    n, order = process["n"], process["order"]
    shares = int(bool(process.get("shares")))
    yield order[0], FORK, n, process["parent"], shares
    for exec_ in _execs(process):
        if exec_:
            yield exec_, EXEC, n, 0, 0
    yield (order[1] if len(order) > 1 else _LAST), END, n, 0, 0


def _is_compiled(entry: FileEntry) -> bool:
    """True for a compiled module (in the role `cache`) whose source is there: reading it counts as reading that."""
    return compiled_source(entry["path"].encode("utf-8", "surrogateescape")) is not None
