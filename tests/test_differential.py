"""shark against strace: the same deterministic command, the same files opened for reading and for writing.

Each command runs twice in the same place: under `strace -ff -y --seccomp-bpf`, and, with everything set up anew, under
shark. What differs must be explained by one of the rules below, or shark has missed something (or invented it).
Rule 1 is `real_commands.plain`: names that hold a random part or a process id are the same file in both runs when the
rest is the same.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import Run, World, need
from real_commands import CASES, Case, furnish, plain

CALLS = "open,openat,openat2,creat"

LINE = re.compile(
    r"^(?:open|openat|openat2|creat)\((?P<arguments>.*)\) += \d+<(?P<path>/.*?|pipe:\[\d+\])>(?P<deleted>\(deleted\))?$"
)

FLAGS = re.compile(r"\bO_[A-Z_|]+")


class Opened(NamedTuple):
    """Files opened for reading and for writing; each as the set of names by which it may be known.

    `made` are those that an open for reading made, if they were not there.
    """

    reads: list[frozenset[str]]
    writes: list[frozenset[str]]
    made: Sequence[frozenset[str]] = ()


def uninteresting(path: str) -> bool:
    """Rules 2 and 3: devices and what the kernel makes up hold no data; a memfd or a pipe has no path."""
    return path.startswith(("/dev/", "/proc/", "/sys/")) or not path.startswith("/")


def by_strace(world: World, script: str) -> Opened:
    """Run the command under strace, and read its logs: one for each process, so that no call is split."""
    logs = world.root / "strace"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    command = ["strace", "-ff", "-y", "-s", "4096", "--seccomp-bpf", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none"]
    command += ["-e", "status=successful", "-o", str(logs / "log"), "sh", "-c", script]
    done = subprocess.run(
        command, cwd=world.work, env=world.env, capture_output=True, timeout=110, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    reads, writes, made = set(), set(), set()
    for log in sorted(logs.iterdir()):
        for line in log.read_text(errors="surrogateescape").splitlines():
            found = LINE.match(line)
            assert found, f"not understood: {line}"
            flags = set(FLAGS.findall(found["arguments"])[0].split("|")) if "O_" in found["arguments"] else {"O_WRONLY"}
            path = found["path"]
            if flags & {"O_PATH", "O_DIRECTORY"} or os.path.isdir(path) or uninteresting(path):
                continue
            name = frozenset([plain(path)])
            if not flags & {"O_WRONLY"}:
                reads.add(name)
            if flags & {"O_WRONLY", "O_RDWR"}:
                writes.add(name)
            elif "O_CREAT" in flags:
                made.add(name)
    return Opened(sorted(reads, key=sorted), sorted(writes, key=sorted), sorted(made, key=sorted))


def by_shark(run: Run) -> Opened:
    """The same from a run record: every name by which a file was used, since renames give it others."""
    files = {file["n"]: file for file in run.record["files"]}
    found: dict[str, set[frozenset[str]]] = {"read": set(), "write": set()}
    used: dict[int, set[str]] = {}
    edges = [edge for edge in run.record["edges"] if "file" in edge]
    for edge in edges:
        used.setdefault(edge["file"], set()).update(filter(None, [edge.get("as")]))
    for edge in edges:
        kind = {"create": "write"}.get(edge["access"], edge["access"])
        file = files[edge["file"]]
        if kind not in found or file.get("kind", "file") != "file" or edge.get("inherited"):
            continue  # rule 4: what was inherited was opened by the parent
        names = {file["path"], *file.get("names", []), *used[edge["file"]]}
        if not all(map(uninteresting, names)):
            found[kind].add(frozenset(map(plain, names)))
    return Opened(*(sorted(found[kind], key=sorted) for kind in ("read", "write")))


def absent(wanted: Iterable[frozenset[str]], given: Iterable[frozenset[str]]) -> list[str]:
    """Files of `wanted` that share no name with a file of `given`."""
    known = set().union(*given)
    return [" = ".join(sorted(names)) for names in wanted if not names & known]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_files_as_strace(shark_run: Callable[..., Run], world: World, case: Case) -> None:
    """No file opened under strace is absent from shark's record, and none is in it that strace did not see."""
    need("strace", *case.needs)
    furnish(world)
    expected = by_strace(world, case.script)
    furnish(world)
    run = shark_run(["sh", "-c", case.script])
    assert run.status == 0, run.stderr
    got = by_shark(run)
    assert expected.reads
    assert absent(expected.reads, got.reads) == [], "read under strace, not in shark's record"
    assert absent(expected.writes, got.writes) == [], "written under strace, not in shark's record"
    assert absent(got.reads, expected.reads) == [], "read in shark's record, not under strace"
    assert absent(got.writes, [*expected.writes, *expected.made]) == [], "written in shark's record, not under strace"


def test_the_log_is_understood() -> None:
    """The parser of this test reads what strace prints."""
    found = LINE.match('openat(AT_FDCWD</a b>, "x, O_RDWR", O_RDONLY|O_CLOEXEC) = 3</a b/x>')
    assert found
    assert found["path"] == "/a b/x"
    assert Path(found["path"]).name == "x"
