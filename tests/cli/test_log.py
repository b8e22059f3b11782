"""`shark log` chooses among runs; and what it, and all that look, do with a store in a bad or odd state."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shark.store.home import Store
from shark.store.ids import uuid7

from .conftest import Shark

DAY = 86_400_000_000_000
BEGIN = 1_790_000_000_000_000_000
"""2026-09-21 14:13:20 UTC."""


def kept(shark: Shark, n: int, argv: list[str], **more: Any) -> str:
    """Put a record into the store by hand: of a run that began `n` days later, with `used` and `made` files."""
    run = uuid7(BEGIN + n * DAY, n.to_bytes(8, "big"))
    used, made = more.pop("used", []), more.pop("made", [])
    files = [
        {"n": k, "path": str(shark.work / name), "role": "data", "versions": [{"n": 1, "origin": "before"}]}
        for k, name in enumerate(used, 1)
    ]
    record = {
        "schema": "shark/run/1",
        "id": run,
        "command": {"argv": argv, "cwd": "/", "exit": 0, **more.pop("command", {})},
        "processes": [],
        "files": files,
        "channels": [],
        "edges": [
            {"process": 1, "image": 0, "file": file["n"], "version": 1, "access": "read", "order": [1, 2]}
            for file in files
        ],
        "software": [],
        "coverage": {"complete": True, "gaps": []},
        "outputs": [{"file": 99, "version": 1, "path": str(shark.work / name), "role": "data"} for name in made],
        "shark": "0",
        **more,
    }
    Store.open(shark.environ, write=True).write_record(record)
    return run


@pytest.fixture
def three(shark: Shark) -> Shark:
    """Three runs on three days."""
    kept(shark, 0, ["Rscript", "a b.R"], used=["in.csv"], made=["out/x", "out/y"], name="one", tags={"k": "v", "x": ""})
    kept(shark, 1, ["make", "-j2"], used=["in.csv", "sub/in.csv"], tags={"k": "w"}, command={"exit": 2})
    kept(shark, 2, ["sort"], used=["out/x"], made=["z"], name="oné", command={"exit": -1, "signal": 9})
    return shark


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), "sort make Rscript"),
        (("-n", "1"), "sort"),
        (("--limit", "2"), "sort make"),
        (("--since", "2026-09-22"), "sort make"),
        (("--since", "2026-09-22 15:00"), "sort"),
        (("--until", "2026-09-21"), "Rscript"),
        (("--until", "2026-09-22 15:00"), "make Rscript"),
        (("--since", "2026-09-22", "--until", "2026-09-22"), "make"),
        (("--since", "2999-01-01"), ""),
        (("--name", "one"), "Rscript"),
        (("--name", "oné"), "sort"),
        (("--name", "on"), ""),
        (("--tag", "k"), "make Rscript"),
        (("--tag", "k=v"), "Rscript"),
        (("--tag", "k=v", "--tag", "x="), "Rscript"),
        (("--tag", "k=v", "--tag", "k=w"), ""),
        (("--tag", "v"), ""),
        (("--command", "b.R"), "Rscript"),
        (("--command", "Rscript a b.R"), "Rscript"),
        (("--command", "ma*"), "make"),
        (("--command", "*j[23]"), "make"),
        (("--command", "MAKE"), ""),
        (("--output", "out/x"), "Rscript"),
        (("--output", "out"), "Rscript"),
        (("--output", "ou"), ""),
        (("--output", "out/x", "--output", "out/y"), "Rscript"),
        (("--output", "out/x", "--output", "z"), ""),
        (("--input", "in.csv"), "make Rscript"),
        (("--input", "."), "sort make Rscript"),
        (("--input", "sub"), "make"),
        (("--input", "in.csv", "--input", "sub/in.csv"), "make"),
        (("--input", "in.csv", "--failed"), "make"),
        (("--failed",), "sort make"),
    ],
    ids=" ".join,
)
def test_options_choose(three: Shark, options: tuple[str, ...], expected: str) -> None:
    """Each option alone and some together; 1 where they leave nothing."""
    status = 1 if options and not expected else 0
    found = three.json("log", "--json", *options, status=status)["runs"]
    assert [run["command"]["argv"][0] for run in found] == expected.split()


def test_blocks_say_how_they_ended(shark: Shark) -> None:
    """A block of a program that an exception left is listed as that, and as failed; a whole one is neither."""
    kept(shark, 0, ["python", "good"], command={"exit": -1}, recording={"kind": "block", "outcome": "returned"})
    raised = {"type": "ValueError", "message": "secret", "traceback": "…"}
    bad = {"kind": "function", "function": "f", "outcome": "raised", "exception": raised}
    kept(shark, 1, ["python", "bad"], command={"exit": -1}, recording=bad)
    good, failed = reversed(shark.json("log", "--json")["runs"])
    assert good["recording"] == {"outcome": "returned"}
    assert failed["recording"] == {"outcome": "raised", "exception": {"type": "ValueError"}}
    assert [run["id"] for run in shark.json("log", "--json", "--failed")["runs"]] == [failed["id"]]
    listed = shark("log").stdout.decode().splitlines()
    assert "raised ValueError" in listed[0]
    assert "?" not in "".join(listed)


def test_links_lead_to_the_files_themselves(three: Shark) -> None:
    """A file is known by its true path, however it is named."""
    (three.work / "out").mkdir()
    (three.work / "link").symlink_to("out")
    assert len(three.json("log", "--json", "--output", "link/x")["runs"]) == 1
    assert len(three.json("log", "--json", "--output", "out/../out/x")["runs"]) == 1


@pytest.mark.parametrize("options", [("--since", "foo"), ("--tag", "=v"), ("-n", "x"), ("--until", "")], ids=" ".join)
def test_wrong_options(three: Shark, options: tuple[str, ...]) -> None:
    """2, and two lines that help."""
    done = three("log", *options)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"shark: ")
    assert len(done.stderr.splitlines()) == 2


def test_stores_that_are_merged_are_noticed(three: Shark, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Records that come from elsewhere, many at once, and that go again, need no command of their own."""
    assert len(three.json("log", "--json")["runs"]) == 3
    other = Shark(tmp_path_factory.mktemp("other"))
    other.work.mkdir()
    for n in range(1, 701):
        run = uuid7(BEGIN + n * 1_000_000_000, n.to_bytes(8, "big"))
        kept(other, 0, ["theirs", str(n)], id=run)
    theirs = other.root / "store" / "runs"
    shutil.copytree(theirs, three.root / "store" / "runs", dirs_exist_ok=True, copy_function=shutil.copy2)
    assert len(three.json("log", "--json", "-n", "0")["runs"]) == 703
    for path in theirs.rglob("*.json.gz"):
        (three.root / "store" / "runs" / path.relative_to(theirs)).unlink()
    assert len(three.json("log", "--json", "-n", "0", "--input", ".")["runs"]) == 3


def test_a_record_that_breaks_off_is_told_and_the_others_served(three: Shark) -> None:
    """As a full disk leaves it: a warning, the rest, and `shark index` says which."""
    path = max((three.root / "store" / "runs").rglob("*.json.gz"))
    path.write_bytes(path.read_bytes()[:-20])
    done = three("log", "--json", "--input", ".")
    assert [run["command"]["argv"][0] for run in json.loads(done.stdout)["runs"]] == ["make", "Rscript"]
    assert b"1 record cannot be read; `shark index` tells why" in done.stderr
    assert [entry["run"] for entry in three.json("index", "--json", status=1)["damaged"]] == [path.name[:36]]
    path.unlink()
    assert three("log").stderr == b""


@pytest.mark.parametrize("left", [b"", b"junk", None])
def test_a_record_that_is_damaged_later_is_found(three: Shark, left: bytes | None) -> None:
    """By `shark index`, which checks all of them: the others take it that records never change."""
    assert three("log", "--input", ".").returncode == 0  # all that was recorded is in the index
    path = max((three.root / "store" / "runs").rglob("*.json.gz"))
    data = path.read_bytes()
    path.write_bytes(data[:-20] if left is None else left)
    assert [entry["run"] for entry in three.json("index", "--json", status=1)["damaged"]] == [path.name[:36]]
    assert b"1 record cannot be read" in three("log").stderr
    path.write_bytes(data)
    assert three.json("index", "--json")["damaged"] == []
    assert len(three.json("log", "--json")["runs"]) == 3


def test_a_damaged_index_is_made_anew(three: Shark) -> None:
    """In whatever place it is damaged: the answer is that of a whole one."""
    expected = three("log", "--input", ".").stdout
    index = three.root / "store" / "index.sqlite"
    whole = index.read_bytes()
    for at in range(0, len(whole), len(whole) // 12):
        index.write_bytes(whole[:at] + b"\xff" * 2000 + whole[at + 2000 :])
        done = three("log", "--input", ".")
        if done.stdout != expected:
            # What cannot be told from a good one at once is told once it is met, with what to do.
            assert (done.returncode, done.stdout) == (2, b""), at
            assert b"shark index --rebuild" in done.stderr
            assert three("index", "--rebuild").returncode == 0
            assert three("log", "--input", ".").stdout == expected
    index.write_bytes(whole[: len(whole) // 2])
    three("index", "--rebuild")
    assert three("log", "--input", ".").stdout == expected


LOOKS = [
    ["log"],
    ["show", "@1"],
    ["inspect", "b"],
    ["lineage", "b"],
    ["impact", "a"],
    ["index"],
    ["log", "--input", "a"],
]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")
@pytest.mark.root
@pytest.mark.parametrize("cache", [True, False], ids=["cache", "memory"])
def test_a_store_on_a_read_only_medium(shark: Shark, cache: bool) -> None:
    """All that look work as before, with the index in the cache, or in memory where there is no cache either."""
    (shark.work / "a").write_text("2\n1\n")
    shark.run("sh", "-c", "sort a > b")
    expected = [shark(*arguments).stdout for arguments in LOOKS]
    (shark.root / "store" / "index.sqlite").unlink()
    home = shark.root / "home"
    shutil.rmtree(home)
    place = shark.root if not cache else shark.root / "store"
    if cache:
        home.mkdir()
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 99; cd "$2"; shift 2; exec "$@"'
    for arguments, whole in zip(LOOKS, expected, strict=True):
        environ = {**shark.environ} if cache else {**shark.environ, "HOME": str(shark.root / "none")}
        if not cache and home.exists():
            home.rmdir()
        command = [sys.executable, "-m", "shark", *arguments]
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", script, "sh", str(place), str(shark.work), *command],
            env=environ,
            capture_output=True,
            timeout=60,
        )
        if done.returncode == 99 or b"unshare" in done.stderr:
            pytest.skip("cannot mount here")
        assert (done.returncode, done.stderr) == (0, b""), arguments
        assert without_ages(done.stdout) == without_ages(whole)
    assert not (shark.root / "store" / "index.sqlite").exists()
    assert bool(list(Path(home).glob(".cache/shark/index-*.sqlite"))) == cache


def without_ages(text: bytes) -> list[bytes]:
    return [line for line in text.splitlines() if b"ago" not in line and b"just now" not in line]
