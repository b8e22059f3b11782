#!/usr/bin/env python3
"""A store of many runs: how fast its index is made, how large it is, and how long commands take that ask it.

The runs are generated: chains in which each reads files of earlier ones, common settings, and data of its own. Commands
are measured from outside, start-up included, as medians; beside the time on the clock, to which the bars apply, is the
time of the processors, which tells whether the machine had other things to do. An edge is one pair of an output and an
input.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

from shark.store.home import Store
from shark.store.ids import uuid7
from shark.store.index import Index

BEGIN = 1_790_000_000_000_000_000
GROUP = 50
"""So many runs in a row share inputs: settings, code, tables. Every run has some of its own besides."""
SLOWEST = 0.2
"""Seconds that a command may take (median)."""
FASTEST = 50_000
"""Edges a second that the index must be made at."""


def main() -> int:
    options = _options()
    root = Path(options.keep or tempfile.mkdtemp(prefix="shark-bench-"))
    environ = {
        **os.environ,
        "SHARK_HOME": str(root / "store"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "HOME": str(root),
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, changed modules are compiled at every start: no user's case
    try:
        last = _make(root, environ, options)
        return 1 if "MISSED" in "".join(_report(root, environ, last, options)) else 0
    finally:
        if not options.keep:
            shutil.rmtree(root)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000, metavar="N")
    parser.add_argument("--edges", type=int, default=1_000_000, metavar="N", help="in all")
    parser.add_argument("--fresh", type=float, default=0.1, metavar="X", help="share of inputs that only one run has")
    parser.add_argument("--repeat", type=int, default=7, metavar="N")
    parser.add_argument("--keep", metavar="DIR", help="make the store there, or use that which is there, and leave it")
    return parser.parse_args()


def _report(root: Path, environ: dict[str, str], last: int, options: argparse.Namespace) -> list[str]:
    rows = [_rebuilt(environ)]
    for name, arguments in _commands(root, last):
        seconds, processors = _measured(arguments, environ, root / "work", options.repeat)
        rows.append(_row(name, f"{seconds:.3f} s", f"{processors:.3f} s", seconds <= SLOWEST, f"≤ {SLOWEST} s"))
    print("| what | clock | processors | bar |\n|---|---|---|---|\n" + "".join(rows), end="")
    return rows


def _row(name: str, clock: str, processors: str, held: bool, bar: str) -> str:
    return f"| {name} | {clock} | {processors} | {'held' if held else 'MISSED'} {bar} |\n"


def _rebuilt(environ: dict[str, str]) -> str:
    store = Store.open(environ)
    begin, before = time.monotonic(), _processors()
    index = Index.open(store, environ, rebuild=True)
    seconds, processors = time.monotonic() - begin, _processors() - before
    runs, edges = index.count(), index.edges()
    index.close()
    size = os.path.getsize(store.index_path)
    load = os.getloadavg()[0]
    print(f"{runs:,} runs, {edges:,} edges: {size / edges:.1f} bytes an edge ({size / 1e6:.1f} MB), "
          f"{size / runs:.0f} bytes a run; {os.cpu_count()} processors, load {load:.1f}\n")  # fmt: skip
    rate = edges / seconds
    clock = f"{rate:,.0f} edges a second ({seconds:.1f} s)"
    return _row("making the index", clock, f"{processors:.1f} s", rate >= FASTEST, f"≥ {FASTEST:,} a second")


def _processors() -> float:
    """Seconds of processor time that this process and its children took."""
    return sum(os.times()[:4])


def _commands(root: Path, last: int) -> list[tuple[str, list[str]]]:
    work = root / "work"
    final = str(work / f"made-{last}.csv")
    return [
        ("start-up alone (--version)", ["--version"]),
        ("log", ["log"]),
        ("log --failed --since 2026-09-22", ["log", "--failed", "--since", "2026-09-22"]),
        ("log --output", ["log", "--output", str(work / "made-77.csv")]),
        ("log --input", ["log", "--input", str(work / "raw/77/tile-3.csv")]),
        ("log --command", ["log", "--command", "step-77.R"]),
        ("inspect FILE (by path and content)", ["inspect", final]),
        ("lineage FILE", ["lineage", final]),
        ("lineage --json FILE", ["lineage", "--json", final]),
        ("impact FILE (made by a run)", ["impact", str(work / f"made-{last // 2}.csv")]),
        ("impact FILE (gone)", ["impact", str(work / f"raw/{last // 2}/tile-3.csv")]),
    ]


def _measured(arguments: list[str], environ: dict[str, str], cwd: Path, repeat: int) -> tuple[float, float]:
    """Give the medians of the time on the clock and of that of the processors."""
    environ = {**environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}
    taken = []
    for n in range(repeat + 1):
        begin, before = time.monotonic(), _processors()
        done = subprocess.run([sys.executable, "-m", "shark", *arguments], env=environ, cwd=cwd, capture_output=True)
        if done.returncode not in (0, 1) or done.stderr:
            raise SystemExit(f"{arguments}: {done.returncode} {done.stderr.decode()}")
        if n:  # the first one warms the caches
            taken.append((time.monotonic() - begin, _processors() - before))
    return statistics.median(clock for clock, _ in taken), statistics.median(used for _, used in taken)


def _make(root: Path, environ: dict[str, str], options: argparse.Namespace) -> int:
    """Write the records, and the files that commands look at; give the number of a run that ends a chain."""
    work = root / "work"
    store = Store.open(environ, write=True)
    last = options.runs - options.runs // 100 - 1
    if work.exists():
        return last
    work.mkdir(parents=True)
    dice = random.Random(4)
    for n in range(options.runs):
        record = _record(n, options.edges // options.runs, options.fresh, str(work), dice)
        path = store.record_path(record["id"])
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(path, "wb") as file:  # not the store's own way: that waits for the disk each time
            file.write(_packed(record))
    for n in (last, last // 2):
        (work / f"made-{n}.csv").write_text(_content(n))
    return last


def _packed(record: dict[str, Any]) -> bytes:
    from shark import jsontext
    from shark.store import records

    return records.compress(jsontext.dumps(record))


def _content(n: int) -> str:
    return f"made by {n}\n"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _record(n: int, inputs: int, fresh: float, work: str, dice: random.Random) -> dict[str, Any]:
    # Chains of ten runs, nine of ten of which begin with what an earlier one made.
    earlier = sorted({n - 1} if n % 10 else {dice.randrange(n) for _ in range(1)} if n and n % 100 else set())
    used = [(f"{work}/made-{m}.csv", _digest(_content(m)), len(_content(m))) for m in earlier]
    own = round(inputs * fresh)
    used += [(f"{work}/raw/{n}/tile-{m}.csv", _digest(f"raw {n} {m}"), 1000 + n + m) for m in range(own)]
    group = n // GROUP
    shared = range(inputs - len(used))
    used += [(f"{work}/tables/{group}/table-{m}.csv", _digest(f"{group} {m}"), 100 + m) for m in shared]
    files: list[dict[str, Any]] = [
        {"n": k, "path": path, "role": "data", "id": [1, k, 0],
         "versions": [{"n": 1, "origin": "before", "sha256": sha256, "size": size}]}
        for k, (path, sha256, size) in enumerate(used, 1)
    ]  # fmt: skip
    made = {"n": len(files) + 1, "path": f"{work}/made-{n}.csv", "role": "data", "versions": [
        {"n": 1, "origin": "created", "sha256": _digest(_content(n)), "size": len(_content(n)),
         "by": {"process": 1, "image": 0}}]}  # fmt: skip
    edges: list[dict[str, Any]] = [
        {
            "process": 1,
            "image": 0,
            "file": file["n"],
            "version": 1,
            "access": "read",
            "order": [9 * file["n"], 9 * file["n"] + 1],
        }
        for file in files
    ]
    edges.append(
        {"process": 1, "image": 0, "file": made["n"], "version": 1, "access": "create", "order": [10**6, 10**6 + 1]}
    )
    start = time.strftime("%Y-%m-%dT%H:%M:%S.000+00:00", time.gmtime(BEGIN // 10**9 + 60 * n))
    return {
        "schema": "shark/run/1",
        "id": uuid7(BEGIN + n * 60_000_000_000, n.to_bytes(8, "big")),
        "command": {"argv": ["Rscript", f"step-{n}.R", "out"], "cwd": work, "exit": int(n % 97 == 0), "start": start},
        "processes": [
            {"n": 1, "parent": 0, "pid": 7, "start": start, "end": start, "exit": 0, "order": [1, 10**7],
             "images": [{"argv": ["Rscript"], "exe": "/usr/bin/R", "cwd": work, "start": start, "order": [1, 2]}]}],
        "files": [*files, made],
        "channels": [],
        "flow": "output",
        "edges": edges,
        "software": [],
        "coverage": {"complete": True, "gaps": []},
        "outputs": [{"file": made["n"], "version": 1, "path": made["path"], "role": "data",
                     "sha256": _digest(_content(n)), "size": len(_content(n))}],
        "shark": "0.1.0",
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
