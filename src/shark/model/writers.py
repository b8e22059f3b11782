"""Which program wrote an output last, read from a run record alone.

Often that is not the one that opened the file: a shell opens what it redirects to, and the command that it starts
writes. Where the record tells who held a file open, the one that held it longest, and wrote while it did, is the last.
"""

from __future__ import annotations

from collections.abc import Callable

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.documents import EdgeEntry, ImageRef, OutputEntry, ProcessEntry, RunRecord

_WRITES = frozenset({"write", "create"})
_NEVER = float("inf")


def last_writers(record: RunRecord) -> Callable[[OutputEntry], ImageRef | None]:
    """For each output of a run the image that wrote it last; None if the run only inherited what made it.

    Of a record that does not tell who held what, it is the image that opened the file.
    """
    opened = {
        (entry["n"], version["n"]): version.get("by") for entry in record["files"] for version in entry["versions"]
    }
    if record.get("flow") != "output":
        return lambda output: opened.get((output["file"], output["version"]))
    last = _Last(record).found

    def writer(output: OutputEntry) -> ImageRef | None:
        return last.get(output["file"]) or opened.get((output["file"], output["version"]))

    return writer


def last_holds(record: RunRecord) -> dict[int, float]:
    """By the number of an output: until when, in the order of the run, something had it open for writing, at most.

    Those that were open to the last, or of which it is not known, are left out.
    """
    if record.get("flow") != "output":
        return {}
    return {file: end for file, (end, _) in _Last(record).ends.items() if end != _NEVER}


class _Last:
    """By the number of the file: the last to hold it for writing."""

    def __init__(self, record: RunRecord) -> None:
        self._processes: dict[int, ProcessEntry] = {process["n"]: process for process in record["processes"]}
        self.ends: dict[int, tuple[float, int]] = {}
        self.found: dict[int, ImageRef] = {}
        files = {
            entry["n"]: entry["file"] for entry in record["channels"] if entry["kind"] == "file" and "file" in entry
        }
        wanted = {output["file"]: output["version"] for output in record["outputs"]}
        held = {(edge["process"], files.get(edge["channel"])) for edge in record["edges"] if "channel" in edge}
        for edge in record["edges"]:
            if edge["access"] not in _WRITES or edge.get("idle"):
                continue
            file = files.get(edge["channel"]) if "channel" in edge else edge.get("file")
            if file not in wanted or ("version" in edge and edge["version"] != wanted[file]):
                continue
            told = "channel" not in edge and (edge["process"], file) in held
            self._consider(file, edge, edge["order"][-1] if told else self._end(edge))

    def _end(self, edge: EdgeEntry) -> float:
        """When the process let go of it, at the latest."""
        if "until" in edge:
            return edge["until"]
        order = edge["order"]
        if "channel" in edge and len(order) > 1:
            return order[1]
        process = self._processes.get(edge["process"])
        return process["order"][1] if process and len(process["order"]) > 1 else _NEVER

    def _consider(self, file: int, edge: EdgeEntry, end: float) -> None:
        if edge["process"] not in self._processes:
            return
        time = (end, edge["order"][0])
        if file not in self.ends or time > self.ends[file]:
            self.ends[file] = time
            self.found[file] = {"process": edge["process"], "image": self._image(edge["process"], end)}

    def _image(self, number: int, end: float) -> int:
        """The image that still held it: the last that had begun by then. What an exec closes, its image never had."""
        images = self._processes[number]["images"]
        begun = [n for n, image in enumerate(images) if image["order"][-1] < end]
        return begun[-1] if begun else 0
