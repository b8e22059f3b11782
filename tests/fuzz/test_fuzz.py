"""Random trees of processes and file operations: shark must record what the model knows to be true.

A failing case prints its seed: SHARK_FUZZ_SEED=N makes the same cases again.
"""

from __future__ import annotations

import os
import random
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from harness import MODES, Compiler, World

from . import disk
from .judge import faults
from .kernel import Kernel
from .scripts import Numbers, Tree, build, furnish

SEED = int(os.environ.get("SHARK_FUZZ_SEED", "") or random.randrange(1 << 32))
TREES = 40
"""Trees in one run, at most: a run by itself costs as much as some twenty of them."""
EXAMPLES = int(os.environ.get("SHARK_FUZZ_EXAMPLES", "20"))
"""Batches of trees in a normal run of the tests."""
ROUNDS = 40
"""How often a failing tree is made smaller, at most."""

_number = st.integers(0, 1023)
_tree = st.lists(st.tuples(_number, _number, _number, _number), min_size=4, max_size=32)
_trees = st.lists(_tree, min_size=TREES, max_size=TREES)

Case = Sequence[Numbers]


class Bench:
    """Runs batches of trees under shark, each batch in a world of its own."""

    def __init__(self, program: Path, top: Path, mode: str) -> None:
        self.program = program
        self.top = top
        self.mode = mode

    def __call__(self, cases: Sequence[Case], jobs: int) -> dict[int, list[str]]:
        """What is wrong with which of the cases; {} if all are recorded as they were."""
        shutil.rmtree(self.top, ignore_errors=True)
        self.top.mkdir()
        world = World(self.top)
        trees = [prepare(number, world.work, numbers) for number, numbers in enumerate(cases)]
        script = self.top / "script"
        script.write_text("\n".join([f"jobs {jobs}", *(line for tree in trees for line in tree.lines), ""]))
        run = world.run([self.program, script], mode=self.mode)
        left = world.settle()
        world.kill()
        said = run.stderr.decode(errors="replace")
        assert (run.status, run.stdout) == (0, b""), said
        assert not left
        assert world.leftovers() == []
        assert [difference for tree in trees for difference in disk.differences(tree.kernel)] == []
        found = faults(run.record, trees)
        for line in said.splitlines():
            named = re.search(r"/t(\d+)/", line)
            found.setdefault(int(named[1]) if named else 0, []).append(line)
        return found

    def script(self, case: Case) -> str:
        """The script of one tree, for a person."""
        return "\n".join(build(0, "/T", case).lines)


def prepare(number: int, work: Path, numbers: Case) -> Tree:
    """A tree, and its directory as it is before the run."""
    root = f"{work}/t{number}"
    before = Kernel(root)
    furnish(before, number)
    disk.write(before)
    return build(number, root, numbers)


def kind(fault: str) -> str:
    """A fault without its names and numbers: what stays the same while a case is made smaller."""
    return re.sub(r"\(.*?\)|[^ ]*/[^ ]*|\b[a-f0-9]{8}\b|\b\w?\d\w?\b|\b[a-hl]\b", "", fault)


def smallest(case: Case, wanted: str, bench: Callable[[Sequence[Case], int], dict[int, list[str]]]) -> Case:
    """Leave out operations while a fault of the wanted kind stays. All ways to leave one out are tried in one run."""
    for _ in range(ROUNDS):
        halves = [case[: len(case) // 2], case[len(case) // 2 :]]
        smaller = [*halves, *([*case[:n], *case[n + 1 :]] for n in range(len(case)))]
        found = bench(smaller, 1)
        still = [n for n, wrong in sorted(found.items()) if wanted in map(kind, wrong)]
        if not still or len(case) == 1:
            break
        case = smaller[still[0]]
    return case


def report(found: dict[int, list[str]], cases: Sequence[Case], bench: Bench) -> str:
    """One smallest script for each kind of fault."""
    first: dict[str, tuple[int, str]] = {}
    for number, wrong in found.items():
        for fault in wrong:
            first.setdefault(kind(fault), (number, fault))
    lines = []
    for wanted, (number, fault) in list(first.items())[:3]:
        case = smallest(cases[number], wanted, bench)
        lines += [f"{fault}", bench.script(case), f"numbers: {list(case)}", ""]
    return "\n".join(lines)


def fuzz(examples: int, bench: Bench) -> None:
    """Try many batches of trees; fails with the smallest scripts that fail, and the seed."""

    @seed(SEED)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(_trees, st.sampled_from((1, 3)))
    def attempt(trees: list[list[Numbers]], jobs: int) -> None:
        found = bench(trees, jobs)
        if found:
            pytest.fail(f"{report(found, trees, bench)}\nagain: SHARK_FUZZ_SEED={SEED}", pytrace=False)

    attempt()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.timeout(600)
def test_random_trees(tracee: Compiler, tmp_path: Path, mode: str) -> None:
    """The record of every tree of processes is true."""
    fuzz(EXAMPLES, Bench(tracee("interpreter"), tmp_path / "world", mode))


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.timeout(1200)
def test_thousands_of_random_trees(tracee: Compiler, tmp_path: Path, mode: str) -> None:
    """The same for some minutes."""
    fuzz(10 * EXAMPLES, Bench(tracee("interpreter"), tmp_path / "world", mode))
