"""Many runs at once share one store, and one run may leave many files."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from harness import Run, World, load, need, sha256

ONE_FILE = """
exec 3> meet-$1; read line < go-$1
for n in 1 2 3 4 5 6 7 8 9 10; do printf '%s\\n' "$1 $n" > shared; done
"""
"""A run that waits until the other has started too, then writes `shared` ten times."""


def start(world: World, argv: list[str], *options: str, **how: Any) -> subprocess.Popen[bytes]:
    """Start a `shark run` and do not wait for it."""
    return subprocess.Popen(
        world.command(argv, *options),
        cwd=world.work,
        env=world.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **how,
    )


def finish(processes: list[subprocess.Popen[bytes]]) -> list[tuple[int, bytes, bytes]]:
    """Wait for all; their statuses and what they said."""
    return [(process.returncode, *said) for process in processes for said in [process.communicate(timeout=240)]]


def run_many(world: World, count: int) -> None:
    """`count` runs at once: each says nothing, and each leaves a whole record with an id of its own."""
    argvs = [["true", str(n)] for n in range(count)]
    ended = finish([start(world, argv) for argv in argvs])
    assert set(ended) == {(0, b"", b"")}
    records = [load(path) for path in world.record_paths()]
    assert len({record["id"] for record in records}) == count
    assert sorted(record["command"]["argv"] for record in records) == sorted(argvs)
    assert [record["coverage"]["gaps"] for record in records if not record["coverage"]["complete"]] == []


@pytest.mark.timeout(240)
def test_a_hundred_runs_at_once(world: World) -> None:
    """A hundred runs at once each leave their record."""
    run_many(world, 100)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_hundred_runs_at_once(world: World) -> None:
    """Two hundred runs at once each leave their record."""
    run_many(world, 200)


@pytest.mark.long
@pytest.mark.timeout(400)
def test_many_runs_end_while_others_look(world: World) -> None:
    """Two hundred runs that look up who made their inputs, and commands that ask, at once: no lock is in the way."""
    assert world.run(["sh", "-c", "echo 1 > first"]).status == 0
    runs = [start(world, ["sh", "-c", f"cat first > out-{n}"]) for n in range(200)]
    asking = [["log", "--input", "first"], ["lineage", "first"], ["impact", "first"], ["index", "--rebuild"]] * 5
    looks = [
        subprocess.Popen(
            [*world.shark, *arguments], cwd=world.work, env=world.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for arguments in asking
    ]
    assert {(status, out, err) for status, out, err in finish(runs)} == {(0, b"", b"")}
    for arguments, (status, _, err) in zip(asking, finish(looks), strict=True):
        assert status in ((0, 1) if arguments[0] in ("log", "impact") else (0,)), arguments
        assert b"lock" not in err
    assert len(world.record_paths()) == 201
    found = subprocess.run(
        [*world.shark, "impact", "--json", "first"], cwd=world.work, env=world.env, capture_output=True, check=True
    )
    made = {node["path"] for node in json.loads(found.stdout)["nodes"] if node["kind"] == "file" and node["depth"] == 1}
    assert made >= {str(world.work / f"out-{n}") for n in range(200)}


def test_two_runs_write_one_file(world: World) -> None:
    """Two runs that write the same file at once both succeed; the file's manifest is a whole one, of one of them."""
    for name in "ab":
        os.mkfifo(world.work / f"meet-{name}")
        os.mkfifo(world.work / f"go-{name}")
    runs = [start(world, ["sh", "-c", ONE_FILE, "sh", name]) for name in "ab"]
    for name in "ab":
        (world.work / f"meet-{name}").open("rb").close()  # returns when the run has opened it
    for name in "ab":
        (world.work / f"go-{name}").write_bytes(b"go\n")
    assert [status for status, _, _ in finish(runs)] == [0, 0]
    records = {record["id"]: record for record in map(load, world.record_paths())}
    assert len(records) == 2
    content = world.read("shared").decode()
    assert content in ("a 10\n", "b 10\n")
    manifest = Run(0, b"", b"", None, {}, [], world.work).manifest("shared")
    assert manifest["run"] in records
    assert manifest["output"]["path"] == str(world.work / "shared")
    wrote = [entry for record in records.values() for entry in record["outputs"] if entry["path"].endswith("/shared")]
    assert sha256(world.work / "shared") in {entry.get("sha256") for entry in wrote}


OUTPUTS = 10_000

MANY = """
import os
for n in range({count}):
    os.makedirs(f"out/{{n // 100:03}}", exist_ok=True)
    with open(f"out/{{n // 100:03}}/{{n}}", "w") as out:
        out.write(f"{{n}}\\n")
"""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_ten_thousand_outputs(world: World) -> None:
    """Every one of ten thousand outputs is in the record and carries its manifest."""
    need("python3")
    world.write("many.py", MANY.format(count=OUTPUTS))
    run = world.run(["python3", "many.py"], timeout=280)
    assert (run.status, run.stderr) == (0, b"")
    names = {f"out/{n // 100:03}/{n}": n for n in range(OUTPUTS)}
    assert run.outputs.keys() == names.keys()
    listed = subprocess.run(
        ["sh", "-c", "find out -type f -name '[0-9]*' -print0 | xargs -0 sha256sum"],
        cwd=world.work, capture_output=True, check=True, text=True,
    ).stdout  # fmt: skip
    truth = {name: digest for digest, name in map(str.split, listed.splitlines())}
    assert run.outputs == truth
    for name in names:
        manifest = run.manifest(name)
        assert manifest["run"] == run.record["id"]
        assert manifest["output"]["sha256"] == truth[name]
    assert {Path(path).name for path in run.inputs("out/000/0", role="code")} == {"many.py"}


@pytest.mark.parametrize(
    ("begin", "seen"),
    [
        ("cat in > out", True),
        ("cat in >> out", True),
        ("exec 4> out; cat in >&4", False),  # who can write still, may have written
        ("exec 4> out; cat in >&4; exec 4>&-", True),
    ],
)
def test_somebody_else_writes_to_an_output_during_the_run(world: World, begin: str, seen: bool) -> None:
    """What came into an output after all of the run that could write to it had ended is not of the run's making."""
    world.write("in")
    for name in ("meet", "go"):
        os.mkfifo(world.work / name)
    process = start(world, ["sh", "-c", f"{begin}; /bin/true; echo > meet; read line < go"])
    (world.work / "meet").read_bytes()
    with (world.work / "out").open("ab") as out:
        out.write(b"of somebody else\n")
    if seen:
        later = time.time_ns() + 1_000_000_000  # some clocks tick a hundred times a second only
        os.utime(world.work / "out", ns=(later, later))
    (world.work / "go").write_bytes(b"on\n")
    assert finish([process]) == [(0, b"", b"")]
    gaps = load(world.record_paths()[0])["coverage"]["gaps"]
    assert [gap["kind"] for gap in gaps] == (["changed-outside"] if seen else [])
    assert all(gap["detail"].startswith(f"{world.work / 'out'}: written to by someone outside") for gap in gaps)
