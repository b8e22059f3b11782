"""`shark diff` as a user calls it, on real runs: the first line is the reason."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from .conftest import Shark


@pytest.fixture
def twice(shark: Shark) -> Shark:
    """The same command twice, on the same input: out.csv, of the first run kept as old.csv with its attributes."""
    (shark.work / "in.csv").write_text("3\n1\n2\n")
    (shark.work / "s.sh").write_text("sort in.csv > out.csv\n")
    shark.run("sh", "s.sh")
    keep(shark)
    shark.run("sh", "s.sh")
    return shark


def keep(shark: Shark) -> None:
    """A copy as `cp -a` makes it."""
    shutil.copy2(shark.work / "out.csv", shark.work / "old.csv")


def said(shark: Shark, *arguments: str, status: int = 1) -> str:
    done = shark("diff", *arguments)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode()


def first(shark: Shark, *arguments: str) -> tuple[str, str]:
    """Section and name of the likeliest reason."""
    found = shark.json("diff", "--json", *arguments, status=1)["differences"][0]
    return found["section"], os.path.basename(found["name"])


def test_equal(twice: Shark) -> None:
    text = said(twice, "@2", "@1", status=0)
    assert text.startswith("✓ 1 output, identical\n")
    assert "✓ nothing was different" in text
    assert said(twice, "old.csv", "out.csv", status=0).startswith("✓ the contents are identical\n")
    assert twice.json("diff", "--json", "out.csv", "out.csv")["equal"] is True
    assert said(twice, "-q", "@2", "@1", status=0) == ""


def test_input(twice: Shark) -> None:
    """With the lines that differ, since the older content is in no place any more: not with them."""
    (twice.work / "in.csv").write_text("9\n")
    twice.run("sh", "s.sh")
    assert first(twice, "@2", "@1") == ("inputs", "in.csv")
    text = said(twice, "old.csv", "out.csv")
    assert text.startswith("✗ the contents differ\n")
    assert "\nInputs\n  in.csv  " in text
    assert "@@" not in text


def test_code_and_its_diff(twice: Shark) -> None:
    """Of code in git: the lines that differ, from the commit, and what was not committed."""
    for words in (["init", "-q"], ["add", "s.sh"], ["-c", "user.name=n", "-c", "user.email=n@x", "commit", "-qm", "1"]):
        subprocess.run(["git", *words], cwd=twice.work, check=True)
    twice.run("sh", "s.sh")
    (twice.work / "s.sh").write_text("sort -r in.csv > out.csv\n")
    twice.run("sh", "s.sh")
    text = said(twice, "@2", "@1")
    assert "\nCode\n  s.sh  " in text
    assert "    -sort in.csv > out.csv\n    +sort -r in.csv > out.csv\n" in text
    # Now neither content is in a file or a commit: the patches tell.
    (twice.work / "s.sh").write_text("sort -n in.csv > out.csv\n")
    twice.run("sh", "s.sh")
    (twice.work / "s.sh").write_text("true\n")
    text = said(twice, "@2", "@1")
    assert "-+sort -r in.csv > out.csv\n" in text
    assert "++sort -n in.csv > out.csv\n" in text


def test_between_commits(twice: Shark) -> None:
    """Both contents from their commits, though the file has changed since."""
    git = ["git", "-c", "user.name=n", "-c", "user.email=n@x"]
    subprocess.run(["git", "init", "-q"], cwd=twice.work, check=True)
    for text in ("sort in.csv > out.csv\n", "sort -r in.csv > out.csv\n"):
        (twice.work / "s.sh").write_text(text)
        subprocess.run(["git", "add", "s.sh"], cwd=twice.work, check=True)
        subprocess.run([*git, "commit", "-qm", "x"], cwd=twice.work, check=True)
        twice.run("sh", "s.sh")
    (twice.work / "s.sh").write_text("true\n")
    text = said(twice, "@2", "@1")
    assert "-sort in.csv > out.csv" in text
    assert "+sort -r in.csv > out.csv" in text


def test_command_and_environment(twice: Shark) -> None:
    twice.run("sh", "-c", "sort -r in.csv > out.csv")
    assert first(twice, "@2", "@1") == ("command", "argv")
    done = twice("run", "--", "sh", "-c", "sort -r in.csv > out.csv", environ={"LANG": "de_DE.UTF-8"})
    assert done.returncode == 0
    assert first(twice, "@2", "@1") == ("environment", "LANG")
    assert said(twice, "@2", "@1").startswith("✓ 1 output, identical\n")


def test_names_of_outputs_are_no_reason(twice: Shark) -> None:
    (twice.work / "b.csv").write_text("7\n")
    twice.run("sort", "in.csv", "-o", "x.csv")
    twice.run("sort", "in.csv", "-o", "y.csv")
    text = said(twice, "x.csv", "y.csv")
    assert text.startswith("✓ the contents are identical\n")
    assert "\nAlso different  of little or no effect\n  - command: sort in.csv -o x.csv\n" in text


def test_files_without_the_store(twice: Shark) -> None:
    """What files carry is enough."""
    (twice.work / "in.csv").write_text("9\n")
    twice.run("sh", "s.sh")
    shutil.rmtree(twice.root / "store")
    assert first(twice, "old.csv", "out.csv") == ("inputs", "in.csv")


def test_a_file_that_has_changed_since(twice: Shark) -> None:
    (twice.work / "old.csv").write_text("by hand\n")
    assert "the file has changed since" in said(twice, "old.csv", "out.csv", status=0)


@pytest.mark.parametrize("what", ["nowhere", "@9", ".", "in.csv"])
def test_trouble_is_no_difference(twice: Shark, what: str) -> None:
    """Exit status 2, not the 1 that says they differ."""
    (twice.work / "in.csv").write_text("never made by a run\n")
    done = twice("diff", what, "@1")
    assert done.returncode == 2
    assert done.stderr.startswith(b"shark: ")
    assert done.stdout == b""
