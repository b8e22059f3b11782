#!/usr/bin/env python3
"""What `shark run -- true` costs: imports sorted by their own time; with --phases, when each part begins and ends.

Phases are medians of several runs, in milliseconds, process by process, and the shortest of them (what a machine with
nothing else to do would take); an import names how many modules it brought.
"""

from __future__ import annotations

import argparse
import marshal
import os
import statistics
import subprocess
import sys
from pathlib import Path

from cases import find
from measure import World

_INSIDE = str(Path(__file__).with_name("inside.py"))
Span = tuple[int, str, float, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7, metavar="N", help="runs (7)")
    parser.add_argument("--top", type=int, default=40, metavar="N", help="how many imports to print (40)")
    parser.add_argument("--phases", action="store_true", help="the parts of a run instead of the imports")
    parser.add_argument("--least", type=float, default=0.3, metavar="MS", help="leave out shorter phases (0.3)")
    parser.add_argument("--case", default="true", metavar="NAME", help="another case (for --phases)")
    options = parser.parse_args()
    with World() as world:
        if options.phases:
            _phases(world, options.case, options.repeat, options.least)
        else:
            _imports(world, options.repeat, options.top)
    return 0


# --- imports


def _imports(world: World, repeat: int, top: int) -> None:
    """Those of the process that becomes the command; the supervisor's later ones are among the phases."""
    own: dict[str, list[int]] = {}
    whole: dict[str, list[int]] = {}
    for _ in range(repeat + 1):
        said = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "shark", "run", "--", "true"],
            env=world.environ, stderr=subprocess.PIPE, text=True, check=True,
        ).stderr  # fmt: skip
        for line in said.splitlines():
            fields = line.removeprefix("import time:").split("|")
            if len(fields) == 3 and fields[0].strip().isdigit():
                name = fields[2].strip()
                own.setdefault(name, []).append(int(fields[0]))
                whole.setdefault(name, []).append(int(fields[1]))
    medians = {name: statistics.median(times) for name, times in own.items()}
    print(f"{len(medians)} modules, {sum(medians.values()) / 1000:.1f} ms\n\n   own ms  with its own imports")
    for name, micros in sorted(medians.items(), key=lambda item: -item[1])[:top]:
        print(f"  {micros / 1000:7.2f}  {statistics.median(whole[name]) / 1000:7.2f}  {name}")


# --- phases


def _phases(world: World, name: str, repeat: int, least: float) -> None:
    case = find([name])[0]
    found: dict[str, dict[tuple[int, int, str], list[tuple[float, float]]]] = {}
    totals = []
    world.run(case, world.words(case, "shark"))
    for _ in range(repeat):
        file = world.root / "phases"
        seconds, _ = world.run(case, [sys.executable, _INSIDE, "phases", str(file), "run", "--", *case.command])
        totals.append(seconds)
        for path in world.root.glob("phases.*"):
            spans = marshal.loads(path.read_bytes())
            os.unlink(path)
            _collect(spans, world.begun, found.setdefault(_role(spans), {}))
    print(f"{case.about}: {1000 * statistics.median(totals):.1f} ms with the instruments in it; times in ms")
    for role, phases in found.items():
        _print(role, phases, least)


def _role(spans: list[Span]) -> str:
    names = {name for _, name, _, _ in spans}
    if "execs" in names:
        return "the process that becomes the command"
    if any("Tracing" in name for name in names):
        return "the supervisor"
    return "the gatherer of the context" if any("_section" in name for name in names) else "a process between"


def _collect(spans: list[Span], begin: float, into: dict[tuple[int, int, str], list[tuple[float, float]]]) -> None:
    """Add a process's spans; the n-th of a name is the same phase in every run."""
    seen: dict[tuple[int, str], int] = {}
    for depth, name, since, until in spans:
        number = seen[depth, name] = seen.get((depth, name), 0) + 1
        start = since or begin
        into.setdefault((number, depth, name), []).append((1000 * (start - begin), 1000 * (until - start)))


def _print(role: str, phases: dict[tuple[int, int, str], list[tuple[float, float]]], least: float) -> None:
    print(f"\n{role}\n    at ms  took ms  at least")
    rows = [
        (
            statistics.median(at for at, _ in times),
            statistics.median(took for _, took in times),
            min(took for _, took in times),
            depth,
            name,
        )
        for (_, depth, name), times in phases.items()
    ]
    for at, took, shortest, depth, name in sorted(rows, key=lambda row: (row[0], row[3])):
        if took >= least or name in {"ends", "execs"}:
            print(f"  {at:7.1f}  {took:7.1f}   {shortest:7.1f}  {'  ' * depth}{name}")


if __name__ == "__main__":
    sys.exit(main())
