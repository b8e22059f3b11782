"""Large runs: what each output costs after the command, and the supervisor's memory when files are opened often."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import Compiler, Run, World

pytestmark = [pytest.mark.long, pytest.mark.serial, pytest.mark.timeout(900)]

MEASURED = Path(__file__).with_name("measured.py")


class Measured(NamedTuple):
    run: Run
    seconds: float
    peak: int


def measure(world: World, *argv: str | Path) -> Measured:
    """Run a command under shark; with the supervisor's seconds after its end, and its peak memory in bytes."""
    told = world.root / "measured.json"
    world.shark = (sys.executable, str(MEASURED), str(told))
    run = world.run(argv, timeout=800)
    found = json.loads(told.read_text())
    print(f"{found['seconds']:.3f} s after the command, {found['peak'] >> 20} MiB at most")
    return Measured(run, found["seconds"], found["peak"])


def test_fifty_thousand_outputs_take_a_millisecond_each(world: World, tracee: Compiler) -> None:
    count = 50_000
    for n in range(300):
        world.write(f"in/{n:04}", f"{n}\n")
    script = f"cat in/* | {tracee('many')} outputs {count}"  # a pipe that it may read from: all flows into each
    run, seconds, _ = measure(world, "sh", "-c", script)
    assert run.status == 0
    assert len(run.record["outputs"]) == count
    assert all("sha256" in output for output in run.record["outputs"])
    assert {output["attached"] for output in run.record["outputs"]} <= {"xattr", "zlib", "sidecar"}
    assert len(run.inputs("0049/049999")) >= 300
    assert seconds <= count * 0.001


def test_a_million_opens_of_ten_thousand_files_take_no_more_memory_and_get_no_slower(
    world: World, tracee: Compiler
) -> None:
    for n in range(10_000):
        world.write(f"{n // 1000:04}/{n:06}", f"{n}\n")
    run, _, peak = measure(world, tracee("many"), "opens", "10000", "100")
    assert run.status == 0
    rounds = [int(line) for line in run.stdout.split()]
    assert len(rounds) == 100
    early, late = statistics.median(rounds[1:21]), statistics.median(rounds[-20:])
    print(f"{early / 1e7:.1f} µs each at first, {late / 1e7:.1f} in the end")
    assert late <= 1.5 * early
    assert peak <= 200_000_000
