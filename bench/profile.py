#!/usr/bin/env python3
"""Where the supervisor of a case spends its time: its functions, most expensive first.

Under cProfile, which counts calls but makes small functions look dearer than they are; with --samples at each
tick of the clock in which it works (every 1 to 10 ms), which is truer to proportions and shows lines.
"""

from __future__ import annotations

import argparse
import marshal
import os
import pstats
import sys
from pathlib import Path

from cases import find
from measure import World

_INSIDE = str(Path(__file__).with_name("inside.py"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", metavar="CASE")
    parser.add_argument("--samples", action="store_true", help="sample instead of counting calls")
    parser.add_argument("--top", type=int, default=40, metavar="N", help="how many lines to print (40)")
    parser.add_argument("--sort", default="tottime", choices=("tottime", "cumtime", "ncalls"))
    options = parser.parse_args()
    try:
        case = find([options.case])[0]
    except KeyError as problem:
        parser.error(f"there is no case {problem}")
    mode = "samples" if options.samples else "calls"
    with World() as world:
        world.run(case, world.words(case, "shark"))  # caches
        file = world.root / "profile"
        words = [sys.executable, _INSIDE, mode, str(file), "run", "--", *case.command]
        seconds, processor = world.run(case, words)
        print(f"{case.about}: {seconds:.3f} s, {processor:.3f} s of processor time (with the instruments in it)\n")
        if options.samples:
            _print_samples(file, options.top)
        else:
            pstats.Stats(str(file)).strip_dirs().sort_stats(options.sort).print_stats(options.top)
    return 0


def _print_samples(file: Path, top: int) -> None:
    lines, functions = marshal.loads(file.read_bytes())
    total = sum(lines.values()) or 1
    print(f"{total} samples\n\nfunctions, with what they call:")
    for (path, name), count in sorted(functions.items(), key=lambda item: -item[1])[:top]:
        print(f"  {100 * count / total:5.1f} %  {_short(path)} {name}")
    print("\nlines:")
    for (path, name, line), count in sorted(lines.items(), key=lambda item: -item[1])[:top]:
        print(f"  {100 * count / total:5.1f} %  {_short(path)}:{line} {name}")


def _short(path: str) -> str:
    return os.path.join(*Path(path).parts[-2:])


if __name__ == "__main__":
    sys.exit(main())
