"""Which part of a traced run a record is about: all of it, or a sub-run's processes from its start on."""

from __future__ import annotations

from shark.events import SubRun
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.processes import Process
    from shark.model.run import RunModel
    from shark.model.versions import Version


class Scope:
    """The whole run, or the sub-run `within`. `root` is the process of the command, `processes` all that belong to
    it.
    """

    def __init__(self, model: RunModel, within: SubRun | None = None) -> None:
        self.model = model
        self.within = within
        self.root = within.process if within is not None else 1
        self.begin = within.begin if within is not None else 0
        if within is None:
            model.processes[self.root]  # a journal may break off before its first process
            self.processes = set(model.processes)
        else:
            self.processes = {
                n
                for n in model.processes.subtree(self.root)
                if n == self.root or model.processes[n].begin >= self.begin
            }

    def has(self, process: int, end: int) -> bool:
        """True for what `process` did in a call that ended at `end`."""
        return process in self.processes and end >= self.begin

    def made(self, version: Version) -> bool:
        """True for a version that this scope's processes made."""
        return version.process != 0 and self.has(version.process, version.end)

    def start(self, process: Process) -> int:
        """When the command of a sub-run was started: ns since the epoch."""
        return next((image.time for image in process.images if image.begin >= self.begin), process.start)

    def subruns(self) -> list[SubRun]:
        """The sub-runs inside this scope, in the order of their start."""
        return [
            subrun
            for subrun in self.model.subruns
            if subrun is not self.within and subrun.process in self.processes and subrun.begin >= self.begin
        ]
