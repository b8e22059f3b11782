"""Hours of ordinary work: real commands one after the other, then four at a time, in one store.

`SHARK_SOAK_SECONDS` says how long, 300 by default. Nothing may be left over, nothing may grow, and the last record of a
command must say what the first said.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median_low
from typing import Any

import pytest

from harness import World
from real_commands import CASES, Case, furnish, plain

SECONDS = float(os.environ.get("SHARK_SOAK_SECONDS", "300"))

AT_ONCE = 4

REAPER = str(Path(__file__).with_name("reaper.py"))

GROWTH = 4 * 1024
"""KiB by which the peak of a command's supervisor may differ between its first and last runs: the allocator's noise."""

STORE = ("runs/", "objects/", "index.sqlite")
"""What a store may hold when no run goes on."""


class Soak:
    """What is remembered of each command: its first and last record, and by phase, the peaks of its supervisors.

    Where four run at a time, each takes longer, and its scribe has the time to find out ahead who owns the files, which
    takes memory: so only runs of one phase are compared.
    """

    def __init__(self) -> None:
        self.first: dict[str, Any] = {}
        self.last: dict[str, Any] = {}
        self.phases: list[dict[str, list[int]]] = []
        self.trouble: list[str] = []
        self._lock = threading.Lock()

    def run(self, world: World, case: Case) -> None:
        """Run a case once, in a directory furnished anew, and look at all that it left."""
        furnish(world)
        document, report = world.root / "record.json", world.root / "report.json"
        document.unlink(missing_ok=True)
        command = world.command(["sh", "-c", case.script], "--json", str(document))
        done = subprocess.run(
            [sys.executable, REAPER, str(report), *map(os.fspath, command)],
            cwd=world.work, env=world.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
        )  # fmt: skip
        told = json.loads(report.read_text())
        trouble = []
        if told["status"] or done.stderr.startswith(b"shark: "):
            trouble.append(f"status {told['status']}: {done.stderr!r}")
        if len(told["supervisors"]) != 2:
            trouble.append(f"supervisors: {told['supervisors']}")
        trouble += [f"left over: {name}" for name in world.leftovers()]
        record = json.loads(document.read_text())
        trouble += wrong_digests(record)
        with self._lock:
            self.trouble += [f"{case.name}: {what}" for what in trouble]
            self.last[case.name] = normal(record, world)
            self.first.setdefault(case.name, self.last[case.name])
            self.phases[-1].setdefault(case.name, []).append(sum(told["supervisors"]))


def wrong_digests(record: dict[str, Any]) -> list[str]:
    """Outputs whose content is not what the record says; of git's own and other caches no digest is asked."""
    return [
        f"{output['path']} is not {output.get('sha256')}"
        for output in record["outputs"]
        if output["role"] not in ("cache", "system")
        and hashlib.sha256(Path(output["path"]).read_bytes()).hexdigest() != output.get("sha256")
    ]


def by_the_clock(program: str, file: str, access: str) -> bool:
    """Whether git looked into a file of its work tree: it does so again if the index was written in the same second
    (git's racy-git document). strace sees the same: 5 reads of one file in this suite's commands, or 1 with pauses.
    """
    return program.endswith("/git") and access == "read" and file.startswith("WORLD/work/") and "/.git/" not in file


def normal(record: dict[str, Any], world: World) -> dict[str, Any]:
    """What must be the same in every record of a command: all but ids, times, numbers and random names."""

    def name(path: str) -> str:
        return plain(path.replace(str(world.root), "WORLD"))

    files = {file["n"]: file for file in record["files"]}
    programs = {
        (process["n"], n): name(image.get("exe", ""))
        for process in record["processes"]
        for n, image in enumerate(process.get("images", []))
    }
    edges = {
        (programs.get((edge["process"], edge.get("image", 0)), ""), name(files[edge["file"]]["path"]), edge["access"])
        for edge in record["edges"]
        if "file" in edge
    }
    edges = {edge for edge in edges if not by_the_clock(*edge)}
    named = {(name(file["path"]), file.get("role", ""), file.get("package", "")) for file in files.values()}
    return {
        "command": (record["command"]["argv"], record["command"].get("exit")),
        "programs": sorted(set(programs.values())),
        "files": sorted(named),
        "edges": sorted(edges),
        "outputs": sorted((name(o["path"]), o["role"], o.get("why", "")) for o in record["outputs"]),
        "software": record["software"],
        "coverage": record["coverage"],
        "host": record["host"],
    }  # fmt: skip


def worlds(root: Path) -> Iterator[World]:
    """Worlds that share a store; each has its own working and temporary directory."""
    for n in range(AT_ONCE):
        directory = root / str(n)
        directory.mkdir()
        world = World(directory)
        world.env["SHARK_HOME"] = str(root / "store")
        yield world


def one_by_one(soak: Soak, world: World, cases: list[Case], until: float) -> None:
    """Run all cases in turn until the time is up, once at least."""
    soak.phases.append({})
    while True:
        for case in cases:
            soak.run(world, case)
        if time.monotonic() >= until:
            return


def all_at_once(soak: Soak, places: list[World], cases: list[Case], until: float) -> None:
    """Run all cases, one in each world at a time, until the time is up, once at least."""
    soak.phases.append({})
    failures: queue.SimpleQueue[BaseException] = queue.SimpleQueue()
    todo: queue.Queue[Case] = queue.Queue()

    def work(world: World) -> None:
        try:
            while True:
                soak.run(world, todo.get_nowait())
        except queue.Empty:
            return
        except BaseException as problem:  # noqa: BLE001  told by the test's own thread
            failures.put(problem)

    while True:
        for case in cases:
            todo.put(case)
        threads = [threading.Thread(target=work, args=(world,)) for world in places]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if not failures.empty():
            raise failures.get()
        if time.monotonic() >= until:
            return


def differences(first: dict[str, Any], last: dict[str, Any]) -> list[str]:
    """What one record says and the other does not."""
    found = []
    for key, value in first.items():
        if value != last[key] and isinstance(value, list):
            one, other = ({json.dumps(entry) for entry in entries} for entries in (value, last[key]))
            found += [f"{key}: only first: {entry}" for entry in one - other]
            found += [f"{key}: only last: {entry}" for entry in other - one]
        elif value != last[key]:
            found.append(f"{key}: {value} became {last[key]}")
    return found


def growth(peaks: dict[str, list[int]]) -> dict[str, tuple[int, int]]:
    """Commands whose supervisors grew in a phase: (before, after) in KiB; "" stands for the largest of all.

    Now and then a supervisor takes new records into the index, or has no time to work ahead, and is larger or smaller
    by that: so a command's median is compared, and the largest of all commands together. The first run of each is left
    out: what a user's caches do not hold yet takes 25 MiB to find out.
    """
    later = {name: some[1:] or some for name, some in peaks.items()}
    halves = {name: (some[: (len(some) + 1) // 2], some[len(some) // 2 :]) for name, some in later.items()}
    found = {name: (median_low(before), median_low(after)) for name, (before, after) in halves.items()}
    found[""] = (max(max(before) for before, _ in halves.values()), max(max(after) for _, after in halves.values()))
    return {name: (before, after) for name, (before, after) in found.items() if after - before > GROWTH}


def test_growth_is_found() -> None:
    """A MiB more in each run is growth, and so is one run that is larger than all; a large first one is not."""
    steady = {name: [70_000, 40_000, 36_000, 40_100, 40_000, 40_200, 40_100, 40_000, 40_100] for name in "ab"}
    assert growth(steady) == {}
    leaking = {name: [peak + 1024 * n for n, peak in enumerate(peaks)] for name, peaks in steady.items()}
    assert growth(leaking).keys() == {"", "a", "b"}
    assert growth({**steady, "c": [40_000, 40_000, 40_000, 50_000]}).keys() == {""}


@pytest.mark.long
@pytest.mark.serial
@pytest.mark.timeout(SECONDS + 600)
def test_soak(tmp_path: Path) -> None:
    """After all that time nothing is left over, nothing has grown, and every command's record is as it was at first."""
    cases = [case for case in CASES if all(map(shutil.which, case.needs))]
    places = list(worlds(tmp_path))
    soak = Soak()
    begin = time.monotonic()
    one_by_one(soak, places[0], cases, begin + SECONDS / 2)
    all_at_once(soak, places, cases, begin + SECONDS)
    every = [peak for phase in soak.phases for peaks in phase.values() for peak in peaks]
    print(f"{len(every)} runs; peak memory of supervisors {min(every)} to {max(every)} KiB")
    assert soak.trouble == []
    assert [pid for world in places for pid in world.settle()] == []
    assert [name for world in places for name in world.leftovers()] == []
    store = tmp_path / "store"
    inside = {str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()}
    assert {name for name in inside if not name.startswith(STORE)} == set()
    changed = {case.name: differences(soak.first[case.name], soak.last[case.name]) for case in cases}
    assert not any(changed.values()), "\n".join(f"{name}: {what}" for name, found in changed.items() for what in found)
    assert [growth(phase) for phase in soak.phases] == [{}, {}]
