"""Many processes that share many channels: the data is followed in time, exactly or by the whole run."""

from __future__ import annotations

import time

import pytest

from shark import events as ev
from shark.model import lineage
from shark.model.dag import Dag
from shark.model.flow import Buffer, Flow, Place, Process
from shark.model.lineage import Lists, by_output, chains

from .events_builder import final, stat
from .test_lineage import Pipeline

R, W = ev.READ, ev.WRITE
SLOWEST = 60.0
"""Seconds of CPU time: some 5 to 10 are usual where the bound is met, minutes without one."""


class Crowd(Pipeline):
    """Processes 2 to `count` + 1, each of which holds both ends of every pipe, or every memory."""

    def __init__(self, count: int, kind: str, channels: int) -> None:
        super().__init__()
        self.crowd = range(2, count + 2)
        access = [R | W] if kind == "memory" else [R, W]
        self.things = [(kind, f"{kind}:{n}", each) for n in range(channels) for each in access]
        self.hold(1, *self.things)
        for process in self.crowd:
            self.child(1, process, *self.things)

    def learn(self, process: int, path: str, ino: int) -> None:
        self.read(path, stat(ino), process)

    def leave(self, process: int, count: int) -> None:
        """The process closes all but `count` of what it holds."""
        self.hold(process, *self.things[:count])


def rows(manifest_inputs: list) -> set[str]:
    return {entry["path"].rpartition("/")[2] for entry in manifest_inputs}


@pytest.mark.timed
@pytest.mark.parametrize("kind", ["pipe", "memory"])
def test_closing_many_channels_costs_little_while_nobody_learns_anything(kind: str) -> None:
    """Processes that close one channel after the other are brought up to date once, not at each."""
    run = Crowd(60, kind, 60)
    for process in run.crowd:
        run.learn(process, f"/w/in{process}", 100 + process)
    for process in run.crowd:
        for left in range(len(run.things) - 1, 0, -3):
            run.leave(process, left)
    run.create("/w/out", 99, 2)
    record = run.end().record(final(run))
    begin = time.process_time()
    derive = by_output(record)
    (found,) = [derive(output) for output in record["outputs"]]
    assert time.process_time() - begin < SLOWEST
    assert found.scope == "output"
    assert rows(found.inputs) >= {f"in{process}" for process in run.crowd}


@pytest.mark.timed
@pytest.mark.parametrize(("kind", "scope"), [("pipe", "run"), ("memory", "output")])
def test_what_takes_too_much_effort_derives_from_the_whole_run(kind: str, scope: str) -> None:
    """Where each closing follows on news, in a crowd, the end is soon, and no input is missed."""
    run = Crowd(100, kind, 100)
    for left in range(len(run.things) - 1, len(run.things) - 13, -1):
        for process in run.crowd:
            run.learn(process, f"/w/in{process}-{left}", 1000 * left + process)
            run.leave(process, left)
    run.create("/w/out", 99, 2)
    record = run.end().record(final(run))
    begin = time.process_time()
    derive = by_output(record)
    (output,) = record["outputs"]
    found = derive(output)
    chain = chains(record)(output)
    assert time.process_time() - begin < SLOWEST
    assert found.scope == scope
    assert rows(found.inputs) >= {f"in{process}-{len(run.things) - 1}" for process in run.crowd}
    assert chain in ([], [1, *run.crowd])


def test_what_comes_from_outside_of_a_circle_reaches_all_of_it_at_once() -> None:
    """To bring one of a circle up to date takes in what others write into the middle of it."""
    dag = Dag()
    flow = Flow(dag, 1000)
    outside, first, second = (Process(n, dag) for n in (1, 2, 3))
    there, back = Place(Buffer(dag)), Place(Buffer(dag))
    for process, reads, writes in ((first, there, back), (second, back, there)):
        flow.open_read(process, reads)
        flow.open_write(process, writes)
    flow.open_write(outside, there)
    leaf = dag.leaf()
    flow.learn(outside.other, leaf)
    flow.settle(second)
    assert leaf in (dag.leaves(second.other.node()) or ())
    assert leaf in (dag.leaves(first.other.node()) or ())


def test_the_bound_grows_with_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of many steps is followed, however low the bound is for short ones."""
    monkeypatch.setattr(lineage, "_SWEEP", 0)
    run = Pipeline()
    for child in range(2, 200):
        run.child(1, child, ("pipe", "pipe:[1]", W), ("pipe", "pipe:[1]", R))
        run.read(f"/w/in{child}", stat(100 + child), child)
        run.hold(child)
    run.create("/w/out", 99)
    record = run.end().record(final(run))
    assert {Lists(record).derivation(output).scope for output in record["outputs"]} == {"output"}
    monkeypatch.setattr(lineage, "_SWEEP_STEP", 0)
    assert {by_output(record)(output).scope for output in record["outputs"]} == {"run"}
