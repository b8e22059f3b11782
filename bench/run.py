#!/usr/bin/env python3
"""The table of `make bench`: what commands take untraced, under `shark run`, and under strace on the same calls.

Medians of paired, interleaved runs with warm caches; manifests and hashing included. "more" is in seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import sys

from cases import CASES, LONG, NONE, SHORT, START, Case, find
from measure import WAYS, Failed, Samples, World, measure

_BARS = {SHORT: ("strace", 0.1), LONG: ("strace", 0.0), START: ("untraced", 0.1)}
_COLUMNS = (
    *("case", "untraced", "shark", "strace", "shark ×", "strace ×"),
    *("more than untraced", "more than strace", "bar"),
)


def main() -> int:
    options = _options()
    try:
        cases = find(options.case)
    except KeyError as problem:
        print(f"there is no case {problem}; these are: {', '.join(case.name for case in CASES)}", file=sys.stderr)
        return 2
    ways = [way for way in WAYS if way != "strace" or _has_strace(options)]
    _print_machine(options.repeat)
    print(f"| {' | '.join(_COLUMNS)} |\n|{'---|' * len(_COLUMNS)}", flush=True)
    results, notes = _measure_all(cases, ways, options)
    print("".join(f"\n{note}" for note in notes))
    if options.json:
        _write(options.json, results, notes)
    return 1 if any(note.startswith("FAILED") for note in notes) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="measured runs each way (5)")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    parser.add_argument("--no-strace", action="store_true", help="leave strace out")
    parser.add_argument("--shark-args", default="", metavar="WORDS", help='options for shark run: "--no-seccomp"')
    words = sys.argv[1:]
    if "--shark-args" in words[:-1]:  # its value begins with a dash itself, which argparse takes for an option
        at = words.index("--shark-args")
        words[at : at + 2] = [f"--shark-args={words[at + 1]}"]
    return parser.parse_args(words)


def _has_strace(options: argparse.Namespace) -> bool:
    return not options.no_strace and shutil.which("strace") is not None


def _print_machine(repeat: int) -> None:
    load = os.getloadavg()[0]
    print(f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors, "
          f"load {load:.1f} at the start; medians of {repeat} paired runs, in seconds\n")  # fmt: skip


def _measure_all(
    cases: list[Case], ways: list[str], options: argparse.Namespace
) -> tuple[dict[str, Samples], list[str]]:
    results: dict[str, Samples] = {}
    notes = [] if "strace" in ways or options.no_strace else ["strace is not installed: its columns are empty."]
    with World(shlex.split(options.shark_args)) as world:
        for case in cases:
            lacking = case.lacking()
            if lacking:
                notes.append(f"left out: {case.name} ({lacking} not installed)")
                continue
            try:
                results[case.name] = measure(world, case, ways, options.repeat)
            except Failed as problem:
                notes.append(f"FAILED: {case.name}: {problem}")
                continue
            finally:
                shutil.rmtree(world.root / case.name, ignore_errors=True)
            print(_row(case, results[case.name]), flush=True)
    return results, notes


def _row(case: Case, samples: Samples) -> str:
    cells = [
        case.about,
        *(_number(samples.median(way), ".3f") for way in WAYS),
        _number(samples.ratio("shark"), ".2f"),
        _number(samples.ratio("strace"), ".2f"),
        _number(samples.more("shark", "untraced"), "+.3f"),
        _number(samples.more("shark", "strace"), "+.3f"),
        _verdict(case, samples),
    ]
    return f"| {' | '.join(cells)} |"


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _verdict(case: Case, samples: Samples) -> str:
    if case.bar == NONE:
        return ""
    base, allowed = _BARS[case.bar]
    more = samples.more("shark", base)
    if more is None:
        return ""
    return f"{'held' if more <= allowed else 'MISSED'} (≤ {base} {allowed:+.1f})"


def _write(path: str, results: dict[str, Samples], notes: list[str]) -> None:
    document = {
        "machine": {"system": platform.platform(), "processors": os.cpu_count(), "python": platform.python_version()},
        "cases": {name: {"wall": samples.wall, "cpu": samples.cpu} for name, samples in results.items()},
        "notes": notes,
    }
    with open(path, "w") as file:
        json.dump(document, file, indent=1)


if __name__ == "__main__":
    sys.exit(main())
