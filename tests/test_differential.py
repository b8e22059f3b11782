"""shark against strace: the same deterministic command, the same files opened for reading and for writing.

Each command runs twice in the same place: under `strace -ff -y --seccomp-bpf`, and, with everything set up anew, under
shark. What differs must be explained by one of the rules below, or shark has missed something (or invented it).
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import Run, World, need

CALLS = "open,openat,openat2,creat"

LINE = re.compile(
    r"^(?:open|openat|openat2|creat)\((?P<arguments>.*)\) += \d+<(?P<path>/.*?)>(?P<deleted>\(deleted\))?$"
)

FLAGS = re.compile(r"\bO_[A-Z_|]+")

TEMPORARY = [
    (re.compile(r"/cc[A-Za-z0-9]{6}(?=[./]|$)"), "/cc*"),  # gcc
    (re.compile(r"/tmp_obj_[A-Za-z0-9]{6}$"), "/tmp_obj_*"),  # git
    (re.compile(r"/sed[A-Za-z0-9]{6}$"), "/sed*"),
    (re.compile(r"/\.([^/]+)\.[A-Za-z0-9]{6}$"), r"/.\1.*"),  # rsync
    (re.compile(r"/Rtmp[A-Za-z0-9]{6}(?=/|$)"), "/Rtmp*"),
    (re.compile(r"/RtmpgL?[A-Za-z0-9]+(?=/|$)"), "/Rtmp*"),
    (re.compile(r"/Rf[A-Za-z0-9]+$"), "/Rf*"),
    (re.compile(r"^/proc/\d+(?=/|$)"), "/proc/*"),
    (re.compile(r"^/proc/\*/task/\d+(?=/|$)"), "/proc/*/task/*"),
    (re.compile(r"/Rscript[0-9a-f]+\.[A-Za-z0-9]{6}$"), "/Rscript*"),
    (re.compile(r"/sort[A-Za-z0-9]{6}$"), "/sort*"),
    (re.compile(r"/st[A-Za-z0-9]{6}$"), "/st*"),  # ar
    (re.compile(r"/XX[A-Za-z0-9]{6}$"), "/XX*"),  # perl
    (re.compile(r"/\.git/t[A-Za-z0-9]{6}$"), "/.git/t*"),
]
"""Rule 1: names that hold a random part or a process id are the same file in both runs when the rest is the same."""


class Case(NamedTuple):
    """A command, and the programs that it needs."""

    name: str
    script: str
    needs: tuple[str, ...]


PYTHON = shlex.quote(sys.executable)

CASES = [
    Case(
        "pipeline", "awk '{ print $2, $1 }' table | sort > sorted; wc -l < sorted >> count; rm count", ("awk", "sort")
    ),
    Case("gcc", "gcc -O1 -o program main.c && ./program > said", ("gcc",)),
    Case("make", "make -j2 -s", ("make", "gcc", "ar")),
    Case("git", "git init -q r && cd r && cp ../table . && git add -A && git commit -qm x && git status -s", ("git",)),
    Case("tar", "tar czf d.tgz d && mkdir x && tar xzf d.tgz -C x", ("tar", "gzip")),
    Case("python", f"{PYTHON} work.py", ()),
    Case(
        "sqlite3",
        "sqlite3 base.db 'create table t (x); insert into t values (1)' && sqlite3 base.db .dump > sql",
        ("sqlite3",),
    ),
    Case("rsync", "rsync -a d/ e/ && echo more >> d/one && rsync -a d/ e/", ("rsync",)),
    Case("Rscript", 'Rscript -e \'write.csv(colMeans(read.table("numbers")), "means.csv")\'', ("Rscript",)),
    Case("gdal", "gdal_translate -q grid.asc grid.tif && gdaladdo -q grid.tif 2", ("gdal_translate", "gdaladdo")),
    Case(
        "find-grep", "find d -type f -print0 | xargs -0 grep -l one > found; grep -r two d >> found", ("find", "grep")
    ),
    Case("perl", "perl -pi.bak -e 's/a/A/' table && perl -MFile::Copy -e 'copy(\"table\", \"table2\")'", ("perl",)),
    Case("sed", "sed -i s/a/b/ table && sed -n 1p table > first && mv first d/first", ("sed",)),
    Case("busybox", "busybox sh -c 'busybox sort table | busybox uniq -c > counts; busybox cp -r d e'", ("busybox",)),
]

MAKEFILE = "lib.a: one.o two.o\n\tar rcs $@ $^\n%.o: %.c common.h\n\tgcc -c -o $@ $<\n"

WORK = """
import json, shutil
table = [line.split() for line in open("table")]
json.dump(table, open("table.json", "w"))
with open("table.json", "r+") as both:
    both.seek(0, 2)
    both.write("\\n")
shutil.copytree("d", "copied")
"""

GRID = "ncols 32\nnrows 32\nxllcorner 0\nyllcorner 0\ncellsize 1\n" + ("1 " * 32 + "\n") * 32


def furnish(world: World) -> None:
    """Put everything that the commands read into a fresh working directory."""
    shutil.rmtree(world.work)
    world.work.mkdir()
    world.write("table", "a 1\nb 2\nc 3\n")
    world.write("numbers", "1 2\n3 4\n")
    world.write("d/one", "one\n")
    world.write("d/two", "two\n")
    world.write("main.c", '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n')
    world.write("common.h", "int f(void);\n")
    world.write("one.c", '#include "common.h"\nint f(void) { return 1; }\n')
    world.write("two.c", '#include "common.h"\nint g(void) { return f(); }\n')
    world.write("Makefile", MAKEFILE)
    world.write("work.py", WORK)
    world.write("grid.asc", GRID)


class Opened(NamedTuple):
    """Files opened for reading and for writing; each as the set of names by which it may be known."""

    reads: list[frozenset[str]]
    writes: list[frozenset[str]]


def plain(path: str) -> str:
    """Apply rule 1."""
    for pattern, name in TEMPORARY:
        path = pattern.sub(name, path)
    return path


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
    reads, writes = set(), set()
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
    return Opened(sorted(reads, key=sorted), sorted(writes, key=sorted))


def by_shark(run: Run) -> Opened:
    """The same from a run record: every name by which a file was used, since renames give it others."""
    files = {file["n"]: file for file in run.record["files"]}
    found: dict[str, set[frozenset[str]]] = {"read": set(), "write": set()}
    used: dict[int, set[str]] = {}
    for edge in run.record["edges"]:
        used.setdefault(edge["file"], set()).update(filter(None, [edge.get("as")]))
    for edge in run.record["edges"]:
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
    for who in ("AUTHOR", "COMMITTER"):
        world.env.update({f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@example"})
        world.env[f"GIT_{who}_DATE"] = "2026-01-01T00:00:00Z"
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
    assert absent(got.writes, expected.writes) == [], "written in shark's record, not under strace"


def test_the_log_is_understood() -> None:
    """The parser of this test reads what strace prints."""
    found = LINE.match('openat(AT_FDCWD</a b>, "x, O_RDWR", O_RDONLY|O_CLOEXEC) = 3</a b/x>')
    assert found
    assert found["path"] == "/a b/x"
    assert Path(found["path"]).name == "x"
