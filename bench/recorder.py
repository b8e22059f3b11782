#!/usr/bin/env python3
"""What the recorder is worth: shark with it and without it, beside strace and a tracer that is loaded into programs.

Ratios are those of paired runs to the untraced one, after what `shark run -- true` takes (the fixed cost) was taken
off. For comparison: the tracer of roar with LD_PRELOAD (`pip install roar-cli`), where `roar` is found or given: it
sees no static program. Its own fixed cost, of over a second, is taken off as well.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from cases import NONE, Case, find
from measure import Failed, Samples, World, measure

WAYS = ("untraced", "shark", "plain", "strace", "roar")
BARS = {
    "rscript": 1.15,
    "pandas": 1.15,
    "gdal": 1.1,
    "make-long": 1.8,
    "grep": 2.5,
    "io": 1.25,
    "pool": 1.7,
    "loop": 1.5,
}
"""The highest ratio to untraced that is aimed at, beyond the fixed cost (of gdal_translate: and its hashing)."""

SLOWER = 1.02
"""How much slower than with plain stops it may be at most."""

SHARE = 0.05
"""How much of the loop's own processor time shark may take, beyond what it takes for the same program with one open."""


class Ways(World):
    """Knows more ways to run a case."""

    def __init__(self, roar: str) -> None:
        super().__init__()
        self.roar = roar
        self.environ["DO_NOT_TRACK"] = "1"  # no usage figures are sent
        self.environ["HOME"] = str(self.root / "world")

    def folder(self, case: Case) -> Path:
        """The case's folder, of which roar wants to be told once."""
        folder = super().folder(case)
        if self.roar and not (folder / ".roar").exists():
            answers = b"y\n" * 20
            words = [self.roar, "init"]
            subprocess.run(words, cwd=folder, env=self.environ, input=answers, capture_output=True, check=True)
        return folder

    def words(self, case: Case, way: str) -> list[str]:
        if way == "plain":
            return [*self.shark("run", "--no-recorder"), "--", *case.command]
        if way == "roar":
            return [self.roar, "run", "-q", "--tracer", "preload", "--no-tracer-fallback", *case.command]
        return super().words(case, way)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="measured runs each way (5)")
    parser.add_argument("--roar", default=shutil.which("roar") or "", metavar="PROGRAM", help="roar, if not on PATH")
    parser.add_argument("--no-strace", action="store_true", help="leave strace out: it takes a while for the loop")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    options = parser.parse_args()
    loop = replace(find(["opens"])[0], name="loop", about="200,000 opens in C", bar=NONE, command=("./opens", "200000"))
    once = replace(loop, name="once", about="1 open in C", command=("./opens", "1"))
    longer = replace(loop, name="longer", about="1,000,000 opens in C", command=("./opens", "1000000"))
    cases = [*find([name for name in BARS if name != "loop"]), loop]
    cases = [case for case in cases if not options.case or case.name in options.case]
    left_out = {way for way, wanted in (("roar", options.roar), ("strace", not options.no_strace)) if not wanted}
    ways = [way for way in WAYS if way not in left_out]
    print(f"load {os.getloadavg()[0]:.1f} at the start; medians of {options.repeat} paired runs\n")
    print(f"| case | {' | '.join(ways)} | {' | '.join(f'{way} ×' for way in ways[1:])} | bar | shark / plain |")
    print(f"|{'---|' * (len(ways) * 2 + 2)}", flush=True)
    results: dict[str, Samples] = {}
    with Ways(options.roar) as world:
        fixed = measure(world, find(["true"])[0], ways, options.repeat)
        results["true"] = fixed
        print(f"| true: the fixed cost | {' | '.join(f'{fixed.median(way):.3f}' for way in ways)} |", flush=True)
        for case in cases:
            if case.lacking():
                continue
            try:
                results[case.name] = measure(world, case, ways, options.repeat)
            except Failed as problem:
                print(f"\nFAILED: {case.name}: {problem}\n")
                continue
            finally:
                shutil.rmtree(world.root / case.name, ignore_errors=True)
            print(_row(case, results[case.name], fixed, ways), flush=True)
        if "loop" in results:
            _print_share(
                measure(world, once, ["untraced", "shark"], options.repeat),
                results["loop"],
                measure(world, longer, ["untraced", "shark"], min(3, options.repeat)),
            )
    if options.json:
        found = {name: {"wall": samples.wall, "cpu": samples.cpu} for name, samples in results.items()}
        Path(options.json).write_text(json.dumps(found, indent=1))
    return 0


def _row(case: Case, samples: Samples, fixed: Samples, ways: list[str]) -> str:
    ratios = {way: _ratio(samples, fixed, way) for way in ways[1:]}
    bar = BARS[case.name]
    verdict = f"{'held' if ratios['shark'] <= bar else 'MISSED'} (≤ {bar})"
    both = samples.ratio("shark", "plain") or 0.0
    cells = [
        case.about,
        *(f"{samples.median(way):.3f}" for way in ways),
        *(f"{ratio:.2f}" for ratio in ratios.values()),
        verdict,
        f"{both:.2f} {'held' if both <= SLOWER else 'MISSED'}",
    ]
    return f"| {' | '.join(cells)} |"


def _ratio(samples: Samples, fixed: Samples, way: str) -> float:
    """The median of (traced - fixed cost) / untraced."""
    cost = (fixed.median(way) or 0.0) - (fixed.median("untraced") or 0.0)
    pairs = zip(samples.wall[way], samples.wall["untraced"], strict=False)
    return statistics.median((traced - cost) / untraced for traced, untraced in pairs)


def _print_share(once: Samples, loop: Samples, longer: Samples) -> None:
    """What supervisor and scribe took of the processor for the loop, and how much of that grows with it: the rest is
    what shark does once for any command that takes as long, before its end.
    """
    taken, share = _share(once, loop)
    verdict = "held" if share <= SHARE else "MISSED"
    more, further = _share(loop, longer)
    print(f"\nshark's own processor time for the loop, beyond that for one open: {taken:.3f} s, "
          f"{share:.1%} of the loop's: {verdict} (≤ {SHARE:.0%}); "
          f"for 800,000 opens more: {more:.3f} s, {further:.1%} of theirs")  # fmt: skip


def _share(less: Samples, more: Samples) -> tuple[float, float]:
    """How many seconds of processor time shark took more, and how much that is of what the command took more."""
    taken = statistics.median(more.beside["shark"]) - statistics.median(less.beside["shark"])
    own = (more.median_cpu("untraced") or 0.0) - (less.median_cpu("untraced") or 0.0)
    return taken, taken / own if own > 0 else 1.0


if __name__ == "__main__":
    sys.exit(main())
