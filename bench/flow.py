#!/usr/bin/env python3
"""How fast events are folded, and the data followed from process to process: a million events of generated runs.

Each case is also run with half as many steps: what is linear takes half the time. `fold` is the model's taking in of
events, `flow` the pass that follows the data (both together have a bar), `record` the building of the document between,
`lists` the writing out of what each output derives from.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from shark import events as ev
from shark.events import READ, WRITE, Held
from shark.model.facts import Facts, Header
from shark.model.lineage import Lists
from shark.model.record import build_record
from shark.model.run import RunModel
from shark.values import FileId, Stat

SLOWEST = 10.0
"""Seconds of CPU time that a million events may take through fold and flow."""

_TIME = 1_790_000_000_000_000_000


class Tape:
    """Makes events, numbered in order."""

    def __init__(self) -> None:
        self.now = 0
        self.processes = 1

    def moment(self) -> tuple[int, int]:
        """The next call's begin and end."""
        self.now += 2
        return self.now - 1, self.now

    def start(self) -> Iterator[ev.Event]:
        """The command, a shell."""
        yield ev.RunStarted(*self.moment(), _TIME, "run", (b"sh", b"script.sh"), b"/w")
        yield ev.ProcessStarted(*self.moment(), 1, 0, 1, _TIME, 0)
        yield self.image(1, b"/usr/bin/sh", 1)
        yield self.holding(1, (), 0)
        yield self.read(1, b"/w/script.sh", 2)

    def image(self, process: int, exe: bytes, ino: int) -> ev.Event:
        """An exec."""
        return ev.ImageStarted(*self.moment(), process, _TIME, (exe,), b"/w", _sighting(exe, ino), (), None)

    def holding(self, process: int, held: tuple[Held, ...], moved: int) -> ev.Event:
        """A snapshot."""
        return ev.Holding(*self.moment(), process, held, moved, moved)

    def fork(self, parent: int, held: tuple[Held, ...], moved: int) -> Iterator[ev.Event]:
        """A child; its number is `processes` then."""
        yield self.holding(parent, held, moved)
        self.processes += 1
        yield ev.ProcessStarted(*self.moment(), self.processes, parent, self.processes, _TIME, 0)

    def read(self, process: int, path: bytes, ino: int) -> ev.Event:
        """An open for reading."""
        return ev.Opened(*self.moment(), process, READ, _sighting(path, ino), False, False, False, None, "open")

    def create(self, process: int, path: bytes, ino: int) -> ev.Event:
        """A new file."""
        return ev.Opened(*self.moment(), process, WRITE, _sighting(path, ino, 0), True, False, False, None, "open")

    def over(self, process: int) -> ev.Event:
        """A process's end."""
        return ev.ProcessEnded(*self.moment(), process, _TIME, 0, -1, None)


def _sighting(path: bytes, ino: int, size: int = 10) -> ev.Sighting:
    return ev.Sighting(path, path, Stat(FileId(1, ino, 1), 0o100644, size, 1, 1))


def loop(steps: int) -> Iterator[ev.Event]:
    """A shell loop: each step is a program that reads what all read, and a file of its own, and makes another."""
    tape = Tape()
    yield from tape.start()
    for step in range(steps):
        yield from tape.fork(1, (), 900)
        child = tape.processes
        yield tape.image(child, b"/usr/bin/tool", 3)
        for shared in range(4):
            yield tape.read(child, b"/w/lib%d.py" % shared, 10 + shared)
        yield tape.read(child, b"/w/in/%d" % step, 1000 + 2 * step)
        yield tape.create(child, b"/w/out/%d" % step, 1001 + 2 * step)
        yield tape.over(child)


def growing(steps: int) -> Iterator[ev.Event]:
    """A shell that reads what each of its steps says, `x=$(tool in)`, and makes one file in the end."""
    tape = Tape()
    yield from tape.start()
    for step in range(steps):
        ends = Held("pipe", b"pipe:[%d]" % step, READ), Held("pipe", b"pipe:[%d]" % step, WRITE)
        yield from tape.fork(1, ends, 900 + step)
        child = tape.processes
        yield tape.image(child, b"/usr/bin/tool", 3)
        yield tape.holding(child, ends[1:], 0)
        for shared in range(30):
            yield tape.read(child, b"/w/lib%d.py" % shared, 10 + shared)
        yield tape.read(child, b"/w/in/%d" % step, 1000 + 2 * step)
        yield tape.over(child)
    yield tape.create(1, b"/w/out", 999)


def chain(steps: int) -> Iterator[ev.Event]:
    """Each step reads what the one before made, and something of its own; one output remains."""
    tape = Tape()
    yield from tape.start()
    for step in range(steps):
        yield from tape.fork(1, (), 900)
        child = tape.processes
        yield tape.image(child, b"/usr/bin/tool", 3)
        if step:
            path, former = b"/w/t/%d" % (step - 1), _sighting(b"/w/t/%d" % (step - 1), 999 + 2 * step)
            yield tape.read(child, path, 999 + 2 * step)
            assert former.stat is not None
            yield ev.Removed(*tape.moment(), child, path, ev.Before(former.stat, "", ""))
        yield tape.read(child, b"/w/in/%d" % step, 1000 + 2 * step)
        yield tape.create(child, b"/w/t/%d" % step, 1001 + 2 * step)
        yield tape.over(child)


def many(steps: int) -> Iterator[ev.Event]:
    """One process that reads a file and makes another one from it, over and over: each output has all before it."""
    tape = Tape()
    yield from tape.start()
    for step in range(steps):
        yield tape.read(1, b"/w/in/%d" % step, 1000 + 2 * step)
        yield tape.create(1, b"/w/out/%d" % step, 1001 + 2 * step)
        yield ev.Holding(*tape.moment(), 1, (), 900 + step, 900 + step)


CASES: dict[str, tuple[Callable[[int], Iterator[ev.Event]], int]] = {
    "loop": (loop, 10),
    "growing": (growing, 36),
    "chain": (chain, 8),
    "many": (many, 3),
}
"""Each case, and its events a step."""


def measured(case: str, events: int) -> dict[str, float]:
    """Seconds of each part of one case."""
    make, per_step = CASES[case]
    tape = list(make(events // per_step))
    gc.collect()
    gc.disable()  # as `record.finish` does
    times = [time.process_time()]
    model = RunModel()
    for event in tape:
        model.observe(event)
    times.append(time.process_time())
    record = build_record(model, Facts(), Header("run", "0"))
    times.append(time.process_time())
    lists = Lists(record)
    times.append(time.process_time())
    scopes = [lists.derivation(output).scope for output in record["outputs"]]
    times.append(time.process_time())
    gc.enable()
    parts = dict(zip(("fold", "record", "flow", "lists"), (b - a for a, b in pairwise(times)), strict=True))
    return {"events": len(tape), **parts, "outputs": len(scopes), "by the run": scopes.count("run")}


def main() -> int:
    """Print the table; 1 if a bar was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, metavar="N")
    parser.add_argument("cases", nargs="*", default=list(CASES))
    options = parser.parse_args()
    missed = False
    print("| case | events | fold | flow | record | lists | outputs | |\n|---|---|---|---|---|---|---|---|")
    for case in options.cases:
        for events in (options.events // 2, options.events):
            found = measured(case, events)
            bar = SLOWEST * found["events"] / 1_000_000
            held = found["fold"] + found["flow"] <= bar
            missed = missed or not held
            times = " | ".join(f"{found[part]:.2f} s" for part in ("fold", "flow", "record", "lists"))
            verdict = f"{'held' if held else 'MISSED'} fold + flow ≤ {bar:.1f} s"
            outputs = f"{found['outputs']:.0f} ({found['by the run']:.0f} by the run)"
            print(f"| {case} | {found['events']:.0f} | {times} | {outputs} | {verdict} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
