"""From what each output of a run derives, and by which steps: the data followed from process to process.

One pass over the record's steps in order. What derives from what is kept as a graph of shared sets (`dag.py`), so that
the cost is that of the steps, however long the chains are; an output's list is written out when it is asked for.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable

from shark.model import schedule as steps_
from shark.model.dag import EMPTY, Dag, Leaves
from shark.model.derivation import TAKES, Contents, Derivation, by_path, used_names, whole_run, written_channels
from shark.model.flow import Buffer, Flow, Place, Process, TooMuch, pour
from shark.model.schedule import Schedule
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Literal

    from shark.model.documents import InputEntry, OutputEntry, RunRecord, VersionEntry

_Written = tuple[list["InputEntry"], list["InputEntry"], "array[int]"]
"""The inputs and the controls of outputs, and the places of the former among all entries, ascending."""

_INHERITED = 256
"""Files that a process has open for reading, up to which a child that it forks is taken to have them open too; of
more, only those that somebody is writing, or will write."""

_SWEEP = 8_000_000
"""Processes, places and links that are looked at, at most, to follow the data of a run: some 0.6 µs each. Where many
processes share many channels, each thing that one of them learns reaches all others."""

_SWEEP_STEP = 20
"""So many for each step of a long run, where that is more: what is linear is followed, however long."""

_EFFORT = 20_000_000
"""Nodes that are visited at most to write out the lists of all outputs of a run."""

_LISTED = 2_000_000
"""Entries in these lists, at most: each costs some 2 µs until it is in a manifest. Later outputs of a run that would
need more get the run's list (scope "run")."""


def by_output(record: RunRecord) -> Callable[[OutputEntry], Derivation]:
    """Every output derives from what reached it; of a record that does not tell, from all that the run read.

    So does one of a record whose data takes too much effort to follow.
    """
    if record.get("flow") == "output":
        try:
            return Lists(record).derivation
        except TooMuch:
            pass
    return whole_run(record)


def chains(record: RunRecord) -> Callable[[OutputEntry], list[int]]:
    """The steps that led to each output: the numbers of the processes from which something reached it, ascending.

    Empty lists for a record that does not tell, or whose data takes too much effort to follow.
    """
    if record.get("flow") != "output":
        return lambda output: []
    try:
        sweep = _Sweep(record, chains=True)
    except TooMuch:
        return lambda output: []
    processes = {leaf: key[0] for key, leaf in sweep.leaves.items()}

    def chain(output: OutputEntry) -> list[int]:
        buffer = sweep.buffers.get((output["file"], output["version"]))
        if buffer is None:
            return []
        return sorted(processes[leaf] for leaf in sweep.dag.leaves(buffer.inputs) or ())

    return chain


def users(record: RunRecord) -> dict[tuple[int, int], list[tuple[OutputEntry, Literal["input", "control"]]]]:
    """Which outputs of a run derive from which other ones, by (file, version) of the latter.

    Of a record that does not tell, or takes too much effort to follow, all others derive from one that was read again.
    """
    outputs = record["outputs"]
    taken = {(edge["file"], edge["version"]) for edge in record["edges"] if edge["access"] in TAKES and "file" in edge}
    read = {(output["file"], output["version"]) for output in outputs} & taken
    if not read:
        return {}
    try:
        sweep = _Sweep(record, marks=read) if record.get("flow") == "output" else None
    except TooMuch:
        sweep = None
    if sweep is None:
        return {key: [(o, "input") for o in outputs if (o["file"], o["version"]) != key] for key in read}
    marked = {leaf: key for key, leaf in sweep.leaves.items()}
    found: dict[tuple[int, int], list[tuple[OutputEntry, Literal["input", "control"]]]] = {}
    for output in outputs:
        buffer = sweep.buffers.get((output["file"], output["version"]))
        if buffer is not None:
            inputs = sweep.dag.leaves(buffer.written) or set()
            for leaf in inputs | (sweep.dag.leaves(buffer.controls) or set()):
                if marked[leaf][0] != output["file"]:
                    found.setdefault(marked[leaf], []).append((output, "input" if leaf in inputs else "control"))
    return found


class Lists:
    """The lists of the outputs, those that are equal made once. Raises TooMuch."""

    def __init__(self, record: RunRecord) -> None:
        self._record = record
        self._sweep = _Sweep(record)
        used = used_names(self._sweep.contents, [edge for edge in record["edges"] if "as" in edge])
        self._used = used
        leaves = self._sweep.leaves
        self._leaves = Leaves(self._sweep.dag)
        self._sorted = by_path(self._sweep.contents, leaves)
        self._places = {leaves[key]: place for place, key in enumerate(self._sorted)}
        self._entries: dict[int, InputEntry] = {}  # by place; those that are asked for
        self._packages = list(self._sweep.schedule.packages)
        self._lists: dict[tuple[int, int], _Written | None] = {}
        self._software: dict[int, list[str]] = {}
        self._effort = _EFFORT
        self._listed = _LISTED
        self._whole: Callable[[OutputEntry], Derivation] | None = None

    def derivation(self, output: OutputEntry) -> Derivation:
        """From what one output derives."""
        buffer = self._sweep.buffers.get((output["file"], output["version"]))
        if buffer is None:
            return self._by_run(output)
        found = self._list(buffer)
        if found is None:
            return self._by_run(output)
        inputs, controls, listed = found
        own = [place for place in self._ordered(self._sweep.dag.leaves(buffer.own) or ()) if not _has(listed, place)]
        return Derivation("output", inputs, controls, self._purls(buffer.software), tuple(self._entries_of(own)))

    def _by_run(self, output: OutputEntry) -> Derivation:
        if self._whole is None:
            self._whole = whole_run(self._record)
        return self._whole(output)

    def _list(self, buffer: Buffer) -> _Written | None:
        key = buffer.written, buffer.controls
        if key not in self._lists:
            self._lists[key] = self._write_out(*key)
        return self._lists[key]

    def _write_out(self, inputs: int, controls: int) -> _Written | None:
        limit = min(self._effort, 4 * self._listed)
        found = self._leaves.of(inputs, limit)
        only = self._leaves.of(controls, limit) if found is not None else None
        if found is None or only is None or len(found | only) > self._listed:
            self._effort //= 2  # that was for nothing
            return None
        self._effort -= len(found) + len(only)
        only = only - found
        self._listed -= len(found) + len(only)
        places = self._ordered(found)
        return self._entries_of(places), self._entries_of(self._ordered(only)), array("I", places)

    def _entries_of(self, places: list[int]) -> list[InputEntry]:
        entries = self._entries
        for place in places:
            if place not in entries:
                key = self._sorted[place]
                entries[place] = self._sweep.contents.entry(*key, self._used.get(key))
        return list(map(entries.__getitem__, places))

    def _ordered(self, leaves: Iterable[int]) -> list[int]:
        """The places of leaves among the sorted contents."""
        return sorted(map(self._places.__getitem__, leaves))

    def _purls(self, bits: int) -> list[str]:
        found = self._software.get(bits)
        if found is None:
            found = self._software[bits] = sorted(
                purl for number, purl in enumerate(self._packages) if bits >> number & 1
            )
        return found


def _has(places: array[int], place: int) -> bool:
    at = bisect_left(places, place)
    return at < len(places) and places[at] == place


class _Sweep:
    """Takes the steps of a record one after the other; what is in `buffers` then are the states of all made versions.

    With `chains`, leaves are processes instead of versions of files; with `marks`, they are these versions, which the
    run made. Raises TooMuch.
    """

    def __init__(
        self, record: RunRecord, *, chains: bool = False, marks: Collection[tuple[int, int]] | None = None
    ) -> None:
        self.dag = Dag()
        self.contents = Contents(record)
        self.schedule = Schedule(record, self.contents)
        self.leaves: dict[tuple[int, int], int] = {}
        self.buffers: dict[tuple[int, int], Buffer] = {}
        self._chains = chains
        self._marks = marks or ()
        self._gives = not chains and marks is None
        self._code = {n for n, about in self.contents.files.items() if about["role"] == "code"}
        self._nodes: dict[tuple[int, int], int] = {}  # of contents that the run did not make
        self._flow = Flow(self.dag, max(_SWEEP, _SWEEP_STEP * len(self.schedule.steps)))
        self._written = written_channels(self.contents, record["edges"])
        if self._gives:
            self._give()
        self._processes: dict[int, Process] = {}
        self._places: dict[int, Place] = {}
        self._current: dict[int, int] = {}  # version of each file that changes
        self._ends: dict[int, int] | None = None
        by_kind: dict[int, Callable[[int, int, int, int], None]] = {
            steps_.RELEASE: self._release,
            steps_.FORK: self._fork,
            steps_.VERSION: self._version,
            steps_.WRITES: self._writes,
            steps_.READS: self._reads,
            steps_.TAKES: self._takes,
            steps_.TAKES_AFTER: self._takes,
            steps_.LOADS: self._loads,
            steps_.LOADS_AFTER: self._loads,
            steps_.CLOSES_READ: self._closes_read,
            steps_.CLOSES_WRITE: self._closes_write,
            steps_.EXEC: self._exec,
            steps_.END: self._end,
        }
        actions = [by_kind[kind] for kind in range(len(by_kind))]
        for moment, kind, one, two, three in self.schedule.steps:
            actions[kind](moment, one, two, three)
        for process in list(self._processes.values()):
            self._flow.end(process)

    # --- processes

    def _process(self, n: int) -> Process:
        process = self._processes.get(n)
        if process is None:
            process = self._new(n, None)
        return process

    def _new(self, n: int, parent: Process | None) -> Process:
        process = self._processes[n] = Process(n, self.dag, parent)
        if self._chains:
            process.code.add(self._leaf(n, 0))
        return process

    def _fork(self, moment: int, n: int, parent: int, shares: int) -> None:
        above = self._processes.get(parent)
        if above is None or n in self._processes:
            self._process(n)
            return
        self._flow.settle(above)
        child = self._new(n, above)
        many = len(above.opened) > _INHERITED
        for place, file in above.opened.items():
            if not many or place.writers or self._written_last(file) > moment:
                self._flow.open_read(child, place)
                child.opened[place] = file
        if shares:
            self._flow.share(above, child)

    def _written_last(self, file: int) -> int:
        """The moment from which on nobody begins to write to a file, nor stops writing."""
        if self._ends is None:
            self._ends = {}
            for moment, kind, one, two, _ in self.schedule.steps:  # in their order: the last one stays
                if kind == steps_.VERSION:
                    self._ends[one] = moment
                elif kind in (steps_.WRITES, steps_.CLOSES_WRITE):
                    self._ends[two] = moment
        return self._ends.get(file, 0)

    def _exec(self, moment: int, n: int, _two: int, _three: int) -> None:
        process = self._process(n)
        self._flow.settle(process)
        self._flow.unshare(process)
        for place in process.opened:
            self._flow.close_read(process, place)
        process.opened.clear()
        for place in process.writes:
            pour(process, place)
        process.execute()
        self._flow.news += 1

    def _end(self, moment: int, n: int, _two: int, _three: int) -> None:
        process = self._processes.pop(n, None)
        if process is not None:
            self._flow.end(process)

    def _loads(self, moment: int, n: int, package: int, _three: int) -> None:
        if self._process(n).load(1 << package):
            self._flow.news += 1

    # --- contents

    def _give(self) -> None:
        """Make the leaves of all contents that the run did not make: at once, as most of them are read."""
        listed = self.schedule.listed - self._written
        versions = self.contents.versions.items()
        given = [key for key, about in versions if "by" not in about and key[0] in listed]
        self.leaves.update(zip(given, self.dag.new_leaves(len(given)), strict=True))
        self._nodes.update(self.leaves)

    def _leaf(self, one: int, two: int) -> int:
        key = one, two
        leaf = self.leaves.get(key)
        if leaf is None:
            leaf = self.leaves[key] = self.dag.leaf()
        return leaf

    def _given(self, file: int, version: int) -> int:
        """The node of a content that the run did not make: itself, if manifests list it."""
        if not self._gives or file in self._written or file not in self.schedule.listed:
            return EMPTY
        return self._leaf(file, version)

    def _place(self, n: int) -> Place:
        """A file (positive) or channel."""
        place = self._places.get(n)
        if place is None:
            buffer = Buffer(self.dag)
            code = False
            if n > 0:
                code = n in self._code
                about = self.contents.files[n]
                for version in about["versions"]:
                    if "by" not in version:
                        buffer.own = self.dag.pair(buffer.own, self._given(n, version["n"]))
            place = self._places[n] = Place(buffer, code=code)
        return place

    def _takes(self, moment: int, n: int, file: int, version: int) -> None:
        process = self._processes.get(n) or self._process(n)
        schedule = self.schedule
        changing = file in schedule.changing
        key = file, version
        if not changing or key not in schedule.made:
            node = self._nodes.get(key)
            if node is None:
                origin = self.contents.origin(file, version)
                node = self._nodes[key] = EMPTY if origin is None else self._given(file, origin)
            if (process.code if file in self._code else process.other).add(node):
                self._flow.news += 1
            if not changing:
                return
        else:
            self._takes_made(moment, process, file, version)
        # What nobody else writes says nothing new to its writer, but to the children that have it from there.
        if schedule.only_writer.get(file) != n or n in schedule.parents:
            place = self._place(file)
            if place not in process.opened:
                self._flow.open_read(process, place)
                process.opened[place] = file

    def _takes_made(self, moment: int, process: Process, file: int, version: int) -> None:
        """Read a version that the run made; also the one before, if the call that began it was not yet over."""
        place = self._place(file)
        number = version
        while True:
            buffer = self.buffers.get((file, number))
            if buffer is not None:
                if self._current.get(file) == number:
                    self._flow.settle_place(place)
                if process.take(buffer, code=place.code):
                    self._flow.news += 1
            start = self.schedule.starts.get((file, number))
            if start is None or start[1] < moment or start[0] == moment:  # before this call, or by it
                return
            number -= 1
            if (file, number) not in self.schedule.made:
                if (file, number) in self.contents.versions:
                    self._flow.learn(process.code if place.code else process.other, self._given(file, number))
                return

    def _release(self, moment: int, n: int, file: int, _three: int) -> None:
        process = self._processes.get(n)
        place = self._places.get(file)
        if process is not None and place is not None and place in process.opened:
            del process.opened[place]
            self._flow.close_read(process, place)

    def _version(self, moment: int, file: int, version: int, _three: int) -> None:
        about = self.contents.versions[file, version]
        buffer = Buffer(self.dag)
        if "base" in about:
            self._keep(buffer, file, about)
        if about.get("log"):
            buffer.forget()
        if (file, version) in self._marks:
            buffer.past = self.dag.pair(buffer.past, self._leaf(file, version))
        place = self._places.get(file)
        frozen = about.get("unchanged", False)
        if place is None:  # so nobody holds it
            place = self._places[file] = Place(buffer, code=file in self._code)
            place.frozen = frozen
        else:
            self._flow.replace(place, buffer, frozen=frozen)
        self.buffers[file, version] = buffer
        self._current[file] = version

    def _keep(self, buffer: Buffer, file: int, about: VersionEntry) -> None:
        """A new version continues another one."""
        base = about["base"]
        former = self.buffers.get((file, base))
        if former is not None:
            if self._current.get(file) == base:
                self._flow.settle_place(self._place(file))
            buffer.keep(former)
            return
        content = self.contents.versions.get((file, base))
        origin = self.contents.origin(file, base)
        if content is None or origin is None:
            return
        if content.get("size") != 0 or about.get("unchanged"):
            buffer.own = self._given(file, origin)

    # --- links

    def _writes(self, moment: int, n: int, place: int, by_edges: int) -> None:
        process = self._processes.get(n) or self._process(n)
        where = self._places.get(place) or self._place(place)
        if not by_edges or process not in where.writers:
            self._flow.open_write(process, where)

    def _reads(self, moment: int, n: int, place: int, _three: int) -> None:
        self._flow.open_read(self._process(n), self._place(place))

    def _closes_write(self, moment: int, n: int, place: int, _three: int) -> None:
        process = self._processes.get(n)
        if process is not None:
            self._flow.close_write(process, self._places.get(place) or self._place(place))

    def _closes_read(self, moment: int, n: int, place: int, _three: int) -> None:
        process = self._processes.get(n)
        if process is not None:
            self._flow.close_read(process, self._place(place))
