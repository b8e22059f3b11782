"""`shark status` as a user calls it, on real runs."""

from __future__ import annotations

import os

import pytest

from .conftest import Shark


@pytest.fixture
def chain(shark: Shark) -> Shark:
    """raw.csv → sorted.csv → sub/top.csv, each made by a run of its own."""
    (shark.work / "sub").mkdir()
    (shark.work / "raw.csv").write_text("3\n1\n2\n")
    shark.run("sort", "raw.csv", "-o", "sorted.csv")
    shark.run("sh", "-c", "head -n 1 sorted.csv > sub/top.csv")
    return shark


def said(shark: Shark, *arguments: str, status: int) -> str:
    done = shark("status", *arguments)
    assert done.returncode == status, done.stderr.decode()
    return done.stdout.decode()


def test_up_to_date(chain: Shark) -> None:
    assert said(chain, status=0) == "✓ 2 outputs up to date\n"
    assert said(chain, "-q", status=0) == ""


def test_what_is_no_regular_file_any_more(chain: Shark) -> None:
    """An output in whose place a FIFO stands now is no output of which nothing is known: it is said what is there."""
    (chain.work / "sorted.csv").unlink()
    os.mkfifo(chain.work / "sorted.csv")
    done = chain("status", "sorted.csv")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"shark: sorted.csv: not a regular file")


def test_stale(chain: Shark) -> None:
    """What changed is named, and through which files it comes; steps that are run again are up to date again."""
    (chain.work / "raw.csv").write_text("3\n1\n0\n")
    text = said(chain, status=1)
    assert "✗ sorted.csv   stale  raw.csv changed\n" in text
    assert "✗ sub/top.csv  stale  raw.csv changed (via sorted.csv)\n" in text
    assert text.endswith("2 outputs: 2 stale\n")
    [found] = chain.json("status", "--json", "sub", status=1)["files"]
    assert [cause["chain"] for cause in found["causes"]] == [[str(chain.work / "sorted.csv")]]
    chain.run("sort", "raw.csv", "-o", "sorted.csv")
    assert "✗ sub/top.csv  stale  sorted.csv changed" in said(chain, status=1)
    chain.run("sh", "-c", "head -n 1 sorted.csv > sub/top.csv")
    assert said(chain, status=0) == "✓ 2 outputs up to date\n"


def test_maybe_stale(shark: Shark) -> None:
    """A glob that would match more now, and a settings file that was not there: shown, but no failure."""
    (shark.work / "parts").mkdir()
    (shark.work / "parts" / "a.csv").write_text("1\n")
    shark.run("sh", "-c", "cat parts/*.csv > all.csv; cat settings.ini 2>/dev/null || true")
    assert said(shark, status=0) == "✓ 1 output up to date\n"
    (shark.work / "parts" / "b.csv").write_text("2\n")
    text = said(shark, status=0)
    assert "? all.csv  maybe-stale  parts/b.csv is new in a listed directory" in text
    assert text.endswith("1 output: 1 maybe stale\n")
    (shark.work / "parts" / "b.csv").unlink()
    (shark.work / "settings.ini").write_text("x=1\n")
    assert "settings.ini was not there" in said(shark, status=0)


def test_not_by_software(chain: Shark) -> None:
    """Programs and libraries are recorded, but a newer one alone makes nothing stale."""
    record = chain.json("show", "--json", "@1")
    assert record["software"]
    assert said(chain, status=0) == "✓ 2 outputs up to date\n"


def test_nothing_there(shark: Shark) -> None:
    assert said(shark, status=0) == "? no outputs of recorded runs there\n"
    done = shark("status", "nowhere")
    assert done.returncode == 2
    assert b"shark: nowhere: no such file or directory" in done.stderr


def test_modified_outputs_are_counted(chain: Shark) -> None:
    (chain.work / "sub" / "top.csv").write_text("by hand\n")
    assert said(chain, status=0) == "✓ 1 output up to date; 1 changed since they were made (see `shark verify`)\n"


@pytest.mark.parametrize("words", [("status",), ("verify", "."), ("impact", "in")])
def test_a_record_that_turns_out_to_be_damaged(shark: Shark, words: tuple[str, ...]) -> None:
    """The index finds it while the question is answered: no reason to answer nothing, nor otherwise than later."""
    store = shark.root / "store"
    (shark.work / "in").write_text("1\n")
    shark.run("sh", "-c", "cat in > out")  # a copy: whoever has the content may have made it
    for file in store.glob("index.sqlite*"):
        file.unlink()
    assert shark("log").returncode == 0  # the index has the run now, and not yet what it used
    [record] = store.glob("runs/**/*.json.gz")
    record.chmod(0o600)
    record.write_bytes(b"junk")
    first, second = shark(*words), shark(*words)
    assert b"not in the store" not in first.stderr
    assert (first.returncode, first.stdout) == (second.returncode, second.stdout)


@pytest.mark.parametrize(("link", "name"), [("latest", "latest"), ("data", "data/in.csv")])
def test_a_link_that_leads_elsewhere_now(shark: Shark, link: str, name: str) -> None:
    """Running the command again would read another file, though the one that it has read is as it was."""
    for version in ("one", "two"):
        (shark.work / version).mkdir()
        (shark.work / version / "in.csv").write_text(f"{version}\n")
    below = "" if "/" in name else "/in.csv"
    (shark.work / link).symlink_to(f"one{below}")
    shark.run("sort", name, "-o", "out.csv")
    assert said(shark, status=0) == "✓ 1 output up to date\n"
    (shark.work / link).unlink()
    (shark.work / link).symlink_to(f"two{below}")
    assert f"✗ out.csv  stale  {name} changed\n" in said(shark, status=1)
    [found] = shark.json("verify", "--json", "out.csv", status=1)["files"]
    assert (found["state"], found["inputs"][0]["path"]) == ("input-modified", str(shark.work / name))
    (shark.work / "two" / "in.csv").write_text("one\n")
    assert said(shark, status=0) == "✓ 1 output up to date\n", "another file with the same content"


def test_a_link_that_the_run_itself_turned(shark: Shark) -> None:
    """It is as the run left it."""
    for version in ("one", "two"):
        (shark.work / version).write_text(f"{version}\n")
    (shark.work / "latest").symlink_to("one")
    shark.run("sh", "-c", "cat latest > out; ln -sfn two latest")
    assert said(shark, status=0) == "✓ 1 output up to date\n"


def test_what_came_by_standard_input(shark: Shark) -> None:
    """What /dev/stdin is to whoever asks has nothing to do with it."""
    (shark.work / "in").write_text("1\n")
    (shark.work / "other").write_text("2\n")
    shark.run("sh", "-c", "cat /dev/stdin < in > out")
    with (shark.work / "other").open("rb") as other:
        done = shark("status", stdin=other)
    assert (done.returncode, done.stdout.decode()) == (0, "✓ 1 output up to date\n")
