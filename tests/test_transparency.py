"""Programs do under shark what they do without it: their own tests come out the same, and so does what they make.

Each command runs twice, bare and under shark, in the same place with the same environment.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import MISSING_PROGRAM, MODES, Run, World, need

pytestmark = [pytest.mark.long, pytest.mark.serial, pytest.mark.timeout(900)]

PYTHON = "/usr/bin/python3"
"""The system's own Python: its tests are those of Debian's libpython3.*-testsuite."""

SUITES = {
    "test_subprocess": MODES,
    "test_os": MODES,
    "test_signal": MODES,
    "test_shutil": ("filter", "recorder"),
    "test_threading": ("filter", "recorder"),
    "test_multiprocessing_fork": ("filter", "recorder"),
    "test_pty": ("filter", "recorder"),
    "test_faulthandler": ("filter", "recorder"),
    "test_asyncio": ("recorder",),
}
"""CPython's suites that start, signal and watch processes, and the modes in which each is run."""

DIFFERENT: dict[str, str] = {}
"""Tests that a tracer changes, with the reason; none is known. A key is a name as the JUnit file has it."""

TRIES = 3
"""How often a test that differs is repeated by itself before it counts: many of CPython's tests race with the clock."""


class Outcome(NamedTuple):
    """How a suite ended: regrtest's exit status, and of each test whether it passed, failed, broke or was skipped."""

    status: int
    tests: dict[str, str]


@pytest.fixture
def scratch() -> Iterator[str]:
    """A temporary directory with a short name: multiprocessing puts sockets there, and their names hold 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="s") as directory:
        yield directory
        assert os.listdir(directory) == []


def bare(world: World, argv: list[str], **how: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a command without shark, where and as `World.run` would run it."""
    how = {"cwd": world.work, "env": world.env, "stdin": subprocess.DEVNULL, "timeout": 600, **how}
    return subprocess.run(argv, capture_output=True, **how)


def fresh(world: World) -> None:
    """Empty the working directory."""
    shutil.rmtree(world.work)
    world.work.mkdir()


def contents(root: Path) -> dict[str, str]:
    """Digest, mode or target of everything below `root`, but for manifests."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[str(path.relative_to(root))] = os.readlink(path)
        elif path.is_file() and not path.name.endswith(".shark"):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(root))] = f"{path.stat().st_mode:o} {digest}"
    return found


# CPython


def outcome(status: int, report: Path) -> Outcome:
    """Read regrtest's JUnit file."""
    tests = {}
    for case in ET.parse(report).iter("testcase"):
        marks = [mark.tag for mark in case if mark.tag in ("failure", "error", "skipped")]
        tests[case.attrib["name"]] = marks[0] if marks else "passed"
    return Outcome(status, tests)


def regrtest(world: World, suite: str, *only: str) -> tuple[list[str], Path]:
    """The command that runs a suite, or some of its tests, and the file where its outcome will be."""
    report = world.root / "junit.xml"
    report.unlink(missing_ok=True)
    names = [part for name in only for part in ("-m", name)]
    return [PYTHON, "-m", "test", "--junit-xml", str(report), *names, suite], report


def untraced(world: World, suite: str, *only: str) -> Outcome:
    command, report = regrtest(world, suite, *only)
    return outcome(bare(world, command).returncode, report)


def traced(world: World, mode: str, suite: str, *only: str) -> Outcome:
    command, report = regrtest(world, suite, *only)
    run = world.run(command, mode=mode, timeout=800)
    assert run.status >= 0, run.stderr
    assert [record["command"]["argv"] for record in run.records] == [command], run.stderr
    return outcome(run.status, report)


def differences(one: Outcome, other: Outcome) -> dict[str, tuple[str | None, str | None]]:
    """Tests whose outcomes differ, those aside of which it is known."""
    names = (one.tests.keys() | other.tests.keys()) - DIFFERENT.keys()
    pairs = {name: (one.tests.get(name), other.tests.get(name)) for name in sorted(names)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


KNOWN: dict[str, Outcome] = {}
"""What the suites gave without shark; asked once for both modes."""


@pytest.mark.parametrize(("suite", "how"), [(suite, mode) for suite, modes in SUITES.items() for mode in modes])
def test_cpython(world: World, scratch: str, suite: str, how: str) -> None:
    """Every test of CPython's suite has the outcome that it has without shark."""
    if bare(world, [PYTHON, "-c", f"import test.{suite}"]).returncode:
        pytest.skip(f"{MISSING_PROGRAM} {PYTHON} with its own tests (libpython3-testsuite)")
    world.env["TMPDIR"] = scratch
    if suite not in KNOWN:
        KNOWN[suite] = untraced(world, suite)
    got = traced(world, how, suite)
    assert "passed" in got.tests.values()
    differ = differences(KNOWN[suite], got)
    for _ in range(TRIES):
        if not differ:
            return
        differ = differences(untraced(world, suite, *differ), traced(world, how, suite, *differ))
    assert differ == {}


# stress-ng

STRESSORS = {"fork": 200, "vfork": 200, "clone": 50, "exec": 48, "rename": 500, "open": 500, "signal": 1000}
UNCOUNTED = {"memthrash": 4}
"""Stressors that do about so many operations."""


def bogo_operations(metrics: str) -> dict[str, int]:
    """Operations done, by stressor, from stress-ng's YAML."""
    return {name: int(count) for name, count in re.findall(r"- stressor: (\S+)\s+bogo-ops: (\d+)", metrics)}


def test_stress_ng(world: World, mode: str) -> None:
    """Stressors that verify what they do find nothing wrong, and do as many operations as without shark."""
    need("stress-ng")
    how = world.become_nobody() if os.geteuid() == 0 else {}  # the exec stressor does not run as root
    command = [
        "stress-ng",
        "--verify",
        "--exec-max",
        "4",
        "--metrics",
        "--yaml",
        "metrics.yaml",
        "--temp-path",
        str(world.work),
    ]
    for name, operations in (STRESSORS | UNCOUNTED).items():
        command += [f"--{name}", "1", f"--{name}-ops", str(operations)]
    alone = bare(world, command, **how)
    expected = bogo_operations((world.work / "metrics.yaml").read_text())
    assert expected.keys() == STRESSORS.keys() | UNCOUNTED.keys()
    run = world.run(command, mode=mode, timeout=300, **how)
    assert run.status == alone.returncode == 0, run.stderr
    got = bogo_operations((world.work / "metrics.yaml").read_text())
    assert {name: got[name] for name in STRESSORS} == {name: expected[name] for name in STRESSORS}
    assert b"fail" not in alone.stderr + run.stderr


# git

GIT = """
set -e
git init -q -b main r
cd r
git config gc.auto 0
git config pack.threads 1
printf '%s\\n' 1 2 3 4 5 6 7 8 9 > numbers
mkdir d
cp numbers d/copy
ln -s d/copy link
git add -A
git commit -qm first
git branch topic
sed -i s/1/one/ numbers
git commit -qam second
git checkout -q topic
sed -i s/9/nine/ numbers
git commit -qam 'on the topic'
git checkout -q -b other main
echo more > more
git add more
git commit -qm more
git rebase -q topic
git checkout -q main
git merge -q --no-edit topic
git mv d/copy d/moved
git rm -q link
git stash -q
git stash apply -q
git commit -qam moved
git tag -a -m tagged v1
echo unfinished >> numbers
git stash -q
git cherry-pick other >/dev/null
git worktree add -q ../tree other
git gc -q
git repack -qadf
cd ..
git clone -q r clone
git clone -q --bare --no-local r bare.git
cd clone
git pull -q --rebase
echo pushed > pushed
git add pushed
git commit -qm pushed
git push -q ../bare.git HEAD:pushed
git archive -o ../archive.tar HEAD
git fsck --full
git log --all --graph --stat
git -C ../r log --all --graph --format=raw
git -C ../r stash list
git -C ../r status --porcelain
git -C ../r reflog --all
git -C ../bare.git log --all --oneline
"""

MOMENTARY = re.compile(r"(^|/)(index|gitdir|FETCH_HEAD)$")
"""git's index holds inode numbers and times."""


def test_git(shark_run: Callable[..., Run], world: World) -> None:
    """git's everyday commands make the same objects, trees, logs and working files."""
    need("git")
    for who in ("AUTHOR", "COMMITTER"):
        world.env |= {f"GIT_{who}_NAME": "x", f"GIT_{who}_EMAIL": "x@example"}
        world.env[f"GIT_{who}_DATE"] = "2026-01-01T00:00:00Z"
    alone = bare(world, ["sh", "-c", GIT])
    expected = contents(world.work)
    fresh(world)
    run = shark_run(["sh", "-c", GIT])
    assert run.status == alone.returncode == 0, run.stderr
    assert (run.stdout, run.stderr) == (alone.stdout, alone.stderr)
    got = contents(world.work)
    assert {name: value for name, value in got.items() if not MOMENTARY.search(name)} == {
        name: value for name, value in expected.items() if not MOMENTARY.search(name)
    }


# make

PARTS = 60

MAKEFILE = f"""
PARTS = $(foreach n,$(shell seq 0 {PARTS - 1}),part_$(n).o)
all: program libparts.a libparts.so said
program: main.o libparts.a
\tgcc -o $@ $^
libparts.a: $(PARTS)
\tar rcsD $@ $^
libparts.so: $(PARTS)
\tgcc -shared -o $@ $^
said: program
\t./program > $@
%.o: %.c parts.h
\tgcc -g -O2 -fPIC -pipe -MMD -c -o $@ $<
parts.h: parts.list
\tsed 's/.*/int &(int);/' $< > $@.tmp && mv $@.tmp $@
"""


def furnish(world: World) -> None:
    """A C project: a generated header, many parts, a static and a shared library, a program that is run."""
    names = [f"part_{n}" for n in range(PARTS)]
    world.write("Makefile", MAKEFILE)
    world.write("parts.list", "".join(f"{name}\n" for name in names))
    for n, name in enumerate(names):
        world.write(f"{name}.c", f'#include <stdlib.h>\n#include "parts.h"\nint {name}(int x) {{ return x + {n}; }}\n')
    calls = "".join(f"x = {name}(x); " for name in names)
    world.write("main.c", f'#include <stdio.h>\n#include "parts.h"\nint main(void) {{ int x = 0; {calls}\n'
                          'return printf("%d\\n", x) < 0; }\n')  # fmt: skip


def test_make(shark_run: Callable[..., Run], world: World) -> None:
    """A parallel build makes byte-identical files, and says the same."""
    need("make", "gcc", "ar")
    furnish(world)
    alone = bare(world, ["make", "-j4", "-O", "-s"])
    expected = contents(world.work)
    fresh(world)
    furnish(world)
    run = shark_run(["make", "-j4", "-O", "-s"], timeout=300)
    assert run.status == alone.returncode == 0, run.stderr
    assert (run.stdout, run.stderr) == (alone.stdout, alone.stderr)
    assert contents(world.work) == expected
    assert {"said", "program", "libparts.so"} <= run.outputs.keys()


# R

R_EXAMPLES = """
topics <- c(
    "lm", "glm", "nls", "optim", "uniroot", "integrate", "spline", "fft", "kmeans", "hclust", "prcomp", "loess",
    "predict.lm", "aggregate", "arima", "anova", "cutree", "density", "ecdf", "lowess", "TukeyHSD", "barplot",
    "boxplot", "contour", "coplot", "hist", "image", "layout", "matplot", "mosaicplot", "pairs", "persp", "symbols",
    "smoothScatter", "read.table", "read.fwf", "write.table", "head", "stack", "str", "merge", "apply", "strsplit",
    "sprintf", "readRDS", "dput", "textConnection"
)
for (topic in topics) {
    cat("==", topic, "\\n")
    set.seed(1)
    suppressWarnings(example(topic, character.only = TRUE, echo = TRUE, ask = FALSE))
}
library(parallel)
print(unlist(mclapply(1:8, function(n) sum(sin(seq_len(n))), mc.cores = 2)))
"""
"""The examples that come with R's own packages: statistics, graphics, files; and forked workers."""

R_MOMENTARY = re.compile(
    rb"/(Creation|Mod)Date \([^)]*\)|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*|Rtmp\w+|file[0-9a-f]{8,}|0x[0-9a-f]+"
)


@pytest.mark.parametrize("how", ["filter", "recorder"])
def test_r(world: World, how: str) -> None:
    """What R's examples print and plot is the same."""
    need("Rscript")
    command = ["Rscript", "--vanilla", "examples.R"]

    def plotted() -> bytes:
        return R_MOMENTARY.sub(b"", (world.work / "Rplots.pdf").read_bytes())

    world.write("examples.R", R_EXAMPLES)
    alone = bare(world, command)
    assert alone.returncode == 0, alone.stderr[-2000:]
    picture = plotted()
    (world.work / "Rplots.pdf").unlink()
    run = world.run(command, mode=how, timeout=300)
    assert run.status == 0, run.stderr
    assert R_MOMENTARY.sub(b"", run.stdout) == R_MOMENTARY.sub(b"", alone.stdout)
    assert plotted() == picture
    assert run.input("Rplots.pdf", "examples.R")["role"] == "code"
