#!/usr/bin/env python3
"""What `shark verify` and `shark status` take for a hundred thousand files that have not changed.

Two worlds: one run with 100,000 outputs and ten inputs, and one with 100 outputs and 100,000 inputs. Both are made by
`shark run`; the first verification fills the cache of digests, the others are measured, start-up included. The bar is
2 seconds for both commands.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import World

BAR = 2.0
"""Seconds for 100,000 files."""

MANY_OUTPUTS = """\
import os
for n in range(10):
    open(f"in.{n}").read()
for n in range(NUMBER):
    if n % 1000 == 0:
        os.makedirs(f"out/{n // 1000:03}")
    with open(f"out/{n // 1000:03}/{n:06}.txt", "w") as file:
        file.write(f"{n}\\n")
"""
MANY_INPUTS = """\
import glob, os
files = sorted(glob.glob("in/*/*"))
total = sum(len(open(name).read()) for name in files)
os.makedirs("out")
for n in range(100):
    with open(f"out/{n}.txt", "w") as file:
        file.write(f"{n} {total}\\n")
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000, metavar="N", help="files in each world (100,000)")
    parser.add_argument("--repeat", type=int, default=5, metavar="N", help="measured calls (5)")
    parser.add_argument("--json", metavar="FILE", help="write every figure there")
    options = parser.parse_args()
    results: dict[str, list[float]] = {}
    print("| case | seconds | µs a file | bar |\n|---|---|---|---|", flush=True)
    with World() as world:
        for name, script, prepare in (("outputs", MANY_OUTPUTS, _few), ("inputs", MANY_INPUTS, _many)):
            folder = world.root / name
            folder.mkdir()
            prepare(folder, options.files)
            _age(folder)
            (folder / "make.py").write_text(script.replace("NUMBER", str(options.files)))
            _shark(world, folder, "run", "--", sys.executable, "-I", "make.py")
            time.sleep(2.1)  # a digest is not believed whose file changed less than 2 s before it was hashed
            for command in ("verify", "status"):
                _shark(world, folder, command, "out")
                taken = [_shark(world, folder, command, "out") for _ in range(options.repeat)]
                results[f"{command}-{name}"] = taken
                _print(f"{command}: {options.files:,} {name}", taken, options.files)
    if options.json:
        Path(options.json).write_text(json.dumps(results, indent=1))
    return 1 if any(statistics.median(taken) > BAR for taken in results.values()) else 0


def _few(folder: Path, _: int) -> None:
    for n in range(10):
        (folder / f"in.{n}").write_text(f"{n}\n")


def _many(folder: Path, files: int) -> None:
    for n in range(files):
        if n % 1000 == 0:
            (folder / f"in/{n // 1000:03}").mkdir(parents=True)
        (folder / f"in/{n // 1000:03}/{n:06}.txt").write_text(f"{n}\n")


def _age(folder: Path) -> None:
    """Inputs are older than the run, as a user's are."""
    for directory, _, names in os.walk(folder):
        for name in names:
            os.utime(os.path.join(directory, name), (1e9, 1e9))


def _shark(world: World, folder: Path, *words: str) -> float:
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "shark", *words], cwd=folder, env=world.environ, capture_output=True, text=True
    )
    taken = time.monotonic() - begun
    if done.returncode:
        raise SystemExit(
            f"shark {' '.join(words)}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return taken


def _print(name: str, taken: list[float], files: int) -> None:
    seconds = statistics.median(taken)
    verdict = f"{'held' if seconds <= BAR else 'MISSED'} (≤ {BAR:.1f})"
    print(f"| {name} | {seconds:.2f} | {seconds / files * 1e6:.1f} | {verdict} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
