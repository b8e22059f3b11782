"""`shark verify` as a user calls it: pages, documents, exit statuses, real runs."""

from __future__ import annotations

import os
import shutil

import pytest

from .conftest import Shark


@pytest.fixture
def chain(shark: Shark) -> Shark:
    """raw.csv → sorted.csv → top.csv, each made by a run of its own."""
    (shark.work / "raw.csv").write_text("3\n1\n2\n")
    shark.run("sort", "raw.csv", "-o", "sorted.csv")
    shark.run("sh", "-c", "head -n 1 sorted.csv > top.csv")
    return shark


def said(shark: Shark, *arguments: str, status: int) -> str:
    done = shark(*arguments)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode()


def test_all_is_well(chain: Shark) -> None:
    assert said(chain, "verify", "top.csv", "sorted.csv", status=0) == "✓ 2 files as recorded\n"
    assert said(chain, "verify", ".", status=0) == "✓ 2 files as recorded; 1 file without a manifest\n"
    assert said(chain, "verify", "-v", "top.csv", status=0).startswith("✓ top.csv  ok")
    assert said(chain, "verify", "-q", "top.csv", status=0) == ""
    assert said(chain, "verify", "--full", "top.csv", status=0) == "✓ 1 file as recorded\n"


def test_what_is_not(chain: Shark) -> None:
    (chain.work / "sorted.csv").write_text("1\n2\n4\n")
    text = said(chain, "verify", ".", status=1)
    assert "✗ sorted.csv  modified" in text
    assert "✗ top.csv     input-modified  sorted.csv changed" in text
    assert text.endswith("2 files: 1 modified, 1 input-modified; 1 file without a manifest\n")
    document = chain.json("verify", "--json", "top.csv", status=1)
    [found] = document["files"]
    assert (found["state"], found["inputs"][0]["state"]) == ("input-modified", "modified")
    (chain.work / "top.csv").unlink()
    assert "✗ top.csv  missing" in said(chain, "verify", "top.csv", status=1)


def test_nothing_to_verify(shark: Shark) -> None:
    """That nothing is known is no good news, and no trouble either."""
    (shark.work / "stranger").write_text("x")
    assert "? stranger  unknown" in said(shark, "verify", "stranger", status=1)
    assert said(shark, "verify", ".", status=1) == "? nothing to verify; 1 file without a manifest\n"
    assert not (shark.root / "store").exists()


def test_of_what_no_digest_was_recorded(shark: Shark) -> None:
    """Where size and time do not tell either, it is said why nothing can be."""
    shark.run("sh", "-c", "echo 1 > out", options=("--hash", "off"))
    (shark.work / "out").write_text("2\n")
    os.utime(shark.work / "out", (1, 1))
    done = shark("verify", "out")
    why = b"its content was not hashed when it was recorded, and its time has changed"
    assert (done.returncode, done.stdout) == (2, b"? out  unknown  " + why + b"\n1 file: 1 unknown\n")
    assert done.stderr == (
        b"shark: out could not be compared: " + why + b"\nIts run did not hash it: see --hash of `shark run`.\n"
    )
    assert said(shark, "status", status=0) == "? no outputs to compare; 1 of which it cannot be told\n"


def test_an_input_that_was_changed_during_the_run(shark: Shark) -> None:
    """There is no digest of what was read; that the size is the same proves nothing, and the time is another."""
    (shark.work / "in").write_text("old\n")
    shark.run("sh", "-c", "cat in > out; sleep 0.1; echo new > in", options=("--hash", "off"))
    assert "in not compared (no digest was recorded: its size and time are the same)" in said(
        shark, "verify", "-v", "out", status=0
    )
    (shark.work / "in").write_text("odd\n")
    done = shark("verify", "out")
    assert (done.returncode, done.stdout.decode()[:16]) == (2, "? out  unknown  ")
    assert b"/in, and the time has changed" in done.stdout
    assert b"See the gaps in `shark show " in done.stderr
    text = said(shark, "status", "out", status=0)
    assert text.startswith("? out  maybe-stale  in has another time, and no digest of it was recorded\n")


def test_trouble(chain: Shark) -> None:
    """What is not there, and no directory or regular file, is told; the others are compared nevertheless."""
    os.mkfifo(chain.work / "fifo")
    done = chain("verify", "nowhere", "fifo", "top.csv")
    assert done.returncode == 2
    assert b"shark: nowhere: no such file" in done.stderr
    assert b"shark: fifo: not a regular file" in done.stderr
    assert done.stdout == "✓ 1 file as recorded\n".encode()


def test_a_tree_that_was_moved_without_its_store(chain: Shark) -> None:
    shutil.rmtree(chain.root / "store")
    chain.work.rename(chain.root / "moved")
    done = chain("verify", ".", cwd=chain.root / "moved")
    assert done.returncode == 0, done.stdout
    (chain.root / "moved" / "raw.csv").write_text("9\n")
    assert chain("verify", ".", cwd=chain.root / "moved").returncode == 1


@pytest.mark.parametrize(("patience", "shown"), [(-1.0, True), (1e9, False)])
def test_a_bar_for_a_person_who_waits(chain: Shark, patience: float, shown: bool) -> None:
    """On a terminal, and only when it takes long, there is a bar."""
    code = f"""if True:
        import sys, shark.cli.app, shark.cli.progress
        shark.cli.progress.PATIENCE = {patience}
        sys.exit(shark.cli.app.main(sys.argv[1:]))"""
    text = chain.terminal("verify", "--full", ".", program=("-c", code))
    assert "✓ 2 files as recorded" in text
    assert ("reading files" in text) == shown
