"""`shark lineage` and `shark impact` over runs chained by files, whatever happened to files, index and store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from shark import jsontext

from .conftest import Shark
from .test_documents import check_named


class Graph:
    """A document of lineage or impact, in terms that tests speak: files by their path below `work`, runs by argv[0]."""

    def __init__(self, shark: Shark, document: Any) -> None:
        check_named(document)
        self.document = document
        self._work = f"{shark.work}/"
        self.nodes = {node["id"]: node for node in document["nodes"]}
        self.edges = document["edges"]

    def name(self, node: str) -> str:
        found = self.nodes[node]
        if found["kind"] == "file":
            return found["path"].removeprefix(self._work)
        return f"<{found['command']['argv'][0]}>" if "command" in found else "<?>"

    @property
    def flow(self) -> set[tuple[str, str, str]]:
        """(from, kind, to) of all edges, those that are not certain with a question mark."""
        return {
            (self.name(e["from"]), e["kind"] + ("" if e.get("certain", True) else "?"), self.name(e["to"]))
            for e in self.edges
        }

    @property
    def sources(self) -> set[str]:
        """The files at which knowledge ends, for want of a run."""
        return {self.name(n) for n, node in self.nodes.items() if node.get("end") == "source"}

    def file(self, name: str) -> dict[str, Any]:
        [found] = [node for n, node in self.nodes.items() if node["kind"] == "file" and self.name(n) == name]
        return found


def up(shark: Shark, *arguments: str, status: int = 0) -> Graph:
    return Graph(shark, shark.json("lineage", "--json", *arguments, status=status))


def down(shark: Shark, *arguments: str, status: int = 0) -> Graph:
    return Graph(shark, shark.json("impact", "--json", *arguments, status=status))


CHAIN = {
    ("raw.csv", "input", "<sort>"),
    ("<sort>", "output", "sorted.csv"),
    ("sorted.csv", "input", "<awk>"),
    ("<awk>", "output", "sums.csv"),
    ("sums.csv", "input", "<tac>"),
    ("<tac>", "output", "final.csv"),
}


@pytest.fixture
def chain(shark: Shark) -> Shark:
    """raw.csv -sort-> sorted.csv -awk-> sums.csv -tac-> final.csv, no two of which have the same bytes."""
    (shark.work / "raw.csv").write_text("b 2\na 1\n")
    shark.run("sort", "raw.csv", "-o", "sorted.csv")
    with (shark.work / "sums.csv").open("w") as sums:
        shark("run", "--", "awk", "{ s += $2; print $1, s }", "sorted.csv", stdout=sums, stderr=subprocess.PIPE)
    with (shark.work / "final.csv").open("w") as final:
        shark("run", "--", "tac", "sums.csv", stdout=final, stderr=subprocess.PIPE)
    assert (shark.work / "final.csv").read_text() == "b 3\na 1\n"
    return shark


def manifests_stay(path: Path) -> None:
    """Skip where the file system keeps no attributes and no copy could have any."""
    if "user.shark" not in os.listxattr(path):
        pytest.skip("this file system keeps no user attributes")


def test_upstream_and_downstream(chain: Shark):
    """The whole chain, from either end, from the middle, and no further than asked."""
    found = up(chain, "final.csv")
    assert found.flow == CHAIN
    assert found.sources == {"raw.csv"}
    assert [found.name(root) for root in found.document["roots"]] == ["final.csv"]
    assert found.file("raw.csv")["depth"] == 3
    found = down(chain, "raw.csv")
    assert found.flow == CHAIN
    assert found.sources == {"final.csv"}
    assert up(chain, "sums.csv").flow == {edge for edge in CHAIN if "final.csv" not in edge and edge[2] != "<tac>"}
    assert down(chain, "sums.csv").flow == {("sums.csv", "input", "<tac>"), ("<tac>", "output", "final.csv")}
    short = up(chain, "--depth", "1", "final.csv")
    assert short.flow == {("sums.csv", "input", "<tac>"), ("<tac>", "output", "final.csv")}
    assert short.file("sums.csv")["end"] == "depth"
    assert down(chain, "--depth", "0", "raw.csv").flow == set()


def test_what_nothing_is_known_of(chain: Shark):
    """1 for a file that no run made, or used; 2 for one that is not there, and never was."""
    assert up(chain, "raw.csv", status=1).sources == {"raw.csv"}
    assert down(chain, "final.csv", status=1).sources == {"final.csv"}
    (chain.work / "other").write_text("other")
    assert up(chain, "other", status=1).flow == set()
    for command in ("lineage", "impact"):
        done = chain(command, "never")
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(b"shark: never does not exist")


def test_after_moving_the_output(chain: Shark):
    """Its manifest goes with it; the store knows it by its content where that did not."""
    (chain.work / "sub").mkdir()
    (chain.work / "final.csv").rename(chain.work / "sub" / "paper.csv")
    found = up(chain, "sub/paper.csv")
    assert found.flow >= CHAIN
    assert found.sources == {"raw.csv"}


@pytest.mark.parametrize("attributes", [True, False])
def test_after_copying(chain: Shark, attributes: bool):
    """With its attributes a copy is as good as moved; without, the bytes lead to the runs that made them."""
    copy = chain.work / "copy.csv"
    shutil.copyfile(chain.work / "final.csv", copy)
    if attributes:
        manifests_stay(chain.work / "final.csv")
        os.setxattr(copy, "user.shark", os.getxattr(chain.work / "final.csv", "user.shark"))
    found = up(chain, "copy.csv")
    assert found.sources == {"raw.csv"}
    if attributes:
        assert found.flow == CHAIN
    else:
        assert ("final.csv", "same?", "copy.csv") in found.flow
        assert ("sums.csv", "input", "<tac>") in found.flow
    # A run that used the copy derives from what the file itself derives from.
    chain.run("cp", "copy.csv", "used.csv")
    assert CHAIN - {("<tac>", "output", "final.csv")} <= up(chain, "used.csv").flow
    assert "used.csv" in {name for edge in down(chain, "raw.csv").flow for name in edge}


def test_after_deleting_the_index(chain: Shark):
    """It is made again from the records."""
    assert up(chain, "final.csv").flow == CHAIN
    (chain.root / "store" / "index.sqlite").unlink()
    assert up(chain, "final.csv").flow == CHAIN
    (chain.root / "store" / "index.sqlite").write_bytes(b"no database")
    assert down(chain, "raw.csv").flow == CHAIN


def test_after_deleting_the_store(chain: Shark):
    """The manifests on the files carry it, also where all files moved together."""
    manifests_stay(chain.work / "final.csv")
    shutil.rmtree(chain.root / "store")
    found = up(chain, "final.csv")
    assert found.flow == CHAIN
    assert {node["source"] for node in found.nodes.values() if node["kind"] == "run"} == {"manifest"}
    moved = chain.root / "elsewhere"
    chain.work.rename(moved)
    chain.work.mkdir()
    assert up(chain, str(moved / "final.csv")).flow == CHAIN
    assert not (chain.root / "store").exists()


def test_a_file_of_somebody_else(chain: Shark, tmp_path_factory: pytest.TempPathFactory):
    """Lineage goes on through an input whose run is not in this store, by the manifest that the input carries."""
    manifests_stay(chain.work / "final.csv")
    mine = Shark(tmp_path_factory.mktemp("mine"))
    mine.work.mkdir()
    shutil.copytree(chain.work, mine.work / "theirs")
    mine.run("wc", "-l", "theirs/final.csv", options=("--json", "run.json"))
    mine.run("sh", "-c", "wc -l theirs/final.csv > lines")
    shutil.rmtree(chain.work)
    found = up(mine, "lines")
    assert {found.name(n) for n, node in found.nodes.items() if node.get("source") == "store"} == {"<sh>"}
    assert {found.name(n) for n, node in found.nodes.items() if node.get("source") == "manifest"} == {
        "<tac>",
        "<awk>",
        "<sort>",
    }
    for path in (mine.work / "theirs").iterdir():
        os.removexattr(path, "user.shark") if "user.shark" in os.listxattr(path) else None
    found = up(mine, "lines")
    assert [node["end"] for node in found.nodes.values() if node["kind"] == "run" and node["source"] == "none"] == [
        "unknown-run"
    ]


def test_runs_that_made_the_same_bytes(shark: Shark):
    """Both are candidates, and the one that made them at this path comes first."""
    for name in ("first", "second"):
        (shark.work / f"{name}.in").write_text(f"the same\n{name}\n")
        shark.run("sh", "-c", f"head -n 1 {name}.in > {name}.out", options=("--attach", "none", "--name", name))
    for name, other in (("first", "second"), ("second", "first")):
        found = up(shark, f"{name}.out")
        runs = [node for node in found.nodes.values() if node["kind"] == "run"]
        assert [run["name"] for run in runs] == [name, other]
        assert (f"{other}.out", "same?", f"{name}.out") in found.flow
        assert (f"{name}.in", "input", "<sh>") in found.flow
    (shark.work / "third.out").write_text("the same\n")
    found = up(shark, "third.out")
    assert {run["name"] for run in found.nodes.values() if run["kind"] == "run"} == {"first", "second"}
    assert found.sources == {"first.in", "second.in"}


def test_data_that_a_run_copied(shark: Shark):
    """Is where lineage ends: a run that made the same bytes out of a file did not make that file."""
    (shark.work / "raw.txt").write_text("".join(f"{n}\n" for n in range(1000)))
    shark.run("cp", "raw.txt", "copy.txt")
    shark.run("sort", "-n", "copy.txt", "-o", "sorted.txt")  # the same bytes once more
    flow = {
        ("raw.txt", "input", "<cp>"),
        ("<cp>", "output", "copy.txt"),
        ("copy.txt", "input", "<sort>"),
        ("<sort>", "output", "sorted.txt"),
    }
    found = up(shark, "sorted.txt")
    assert (found.flow, found.sources) == (flow, {"raw.txt"})
    assert up(shark, "raw.txt", status=1).flow == set()
    found = down(shark, "raw.txt")
    assert found.flow == flow
    assert not [node for node in found.nodes.values() if "candidates" in node]
    assert shark.json("inspect", "--json", "raw.txt", status=1)[0]["source"] == "none"
    assert shark.json("verify", "--json", ".")["counts"] == {"ok": 2}
    shutil.copy(shark.work / "sorted.txt", shark.work / "found.txt")  # of which no run knows: it may be from either
    assert len(shark.json("inspect", "--json", "found.txt", status=1)[0]["candidates"]) == 2


def test_a_pipeline_that_is_run_every_night(shark: Shark):
    """A file that carries its manifest has one maker, and so has an input whose run was recorded, made again or not."""
    (shark.work / "raw.txt").write_text("b\na\n")
    for night in ("first", "second", "third"):
        shark.run("sort", "raw.txt", "-o", "sorted.txt", options=("--name", night))
        shark.run("uniq", "sorted.txt", "last.txt", options=("--name", night))  # of the same bytes as sorted.txt
    found = up(shark, "last.txt")
    assert {n["name"] for n in found.nodes.values() if n["kind"] == "run"} == {"third"}
    assert found.flow == {
        ("raw.txt", "input", "<sort>"),
        ("<sort>", "output", "sorted.txt"),
        ("sorted.txt", "input", "<uniq>"),
        ("<uniq>", "output", "last.txt"),
    }
    assert "candidates" not in found.file("sorted.txt")
    [maker] = [edge["from"] for edge in found.edges if found.name(edge["to"]) == "sorted.txt"]
    shark("strip", "--quiet", "sorted.txt")
    shark("forget", "--quiet", maker)
    assert ("<sort>", "output?", "sorted.txt") in up(shark, "last.txt").flow  # nothing else is known of its maker


def test_an_empty_file_is_no_link(shark: Shark):
    """All empty files have the same bytes: they lead nowhere but to their own path."""
    shark.run("touch", "a.empty")
    shark.run("sh", "-c", "cat b.empty > made; touch c.empty; :", options=("--attach", "none"))
    (shark.work / "d.empty").write_bytes(b"")
    assert up(shark, "d.empty", status=1).flow == set()
    assert down(shark, "a.empty", status=1).flow == set()
    assert up(shark, "c.empty").flow == {("<sh>", "output", "c.empty")}


def test_what_is_no_regular_file_any_more(chain: Shark):
    """In whose place a FIFO stands now, that is gone: it is said what is there, and of what is told instead."""
    (chain.work / "sums.csv").unlink()
    os.mkfifo(chain.work / "sums.csv")
    for found in (up(chain, "sums.csv"), down(chain, "sums.csv")):
        [root] = [found.nodes[root] for root in found.document["roots"]]
        assert (root["state"], "no regular file" in root["why"]) == ("missing", True)
        assert not [edge for edge in found.flow if edge[1].endswith("?")]
    assert b"what is there now is no regular file" in chain("lineage", "sums.csv").stdout
    os.mkfifo(chain.work / "fifo")
    assert up(chain, "fifo", status=1).document["nodes"][0]["state"] == "unknown"


def test_updates_in_place_end(shark: Shark):
    """A file that is changed again and again is a chain of its contents, no circle; nor is one that stays the same."""
    (shark.work / "log").write_text("0\n")
    for n in range(3):
        shark.run("sh", "-c", f"echo {n} >> log")
    found = up(shark, "log")
    assert len([node for node in found.nodes.values() if node["kind"] == "run"]) == 3
    assert len([node for node in found.nodes.values() if node["kind"] == "file"]) == 4
    (shark.work / "sorted").write_text("1\n2\n")
    for _ in range(2):
        shark.run("sort", "-o", "sorted", "sorted")
    found = up(shark, "sorted")
    assert {node["kind"] for node in found.nodes.values()} == {"file", "run"}
    assert down(shark, "sorted").flow


def test_a_file_that_is_gone_or_changed(chain: Shark):
    """Impact is about what the file was when it was used; lineage about what it was when it was made."""
    (chain.work / "raw.csv").write_text("corrected\n")
    found = down(chain, "raw.csv")
    assert found.flow == CHAIN
    assert found.nodes[found.document["roots"][0]]["state"] == "modified"
    (chain.work / "raw.csv").unlink()
    found = down(chain, "raw.csv")
    assert found.flow == CHAIN
    assert found.nodes[found.document["roots"][0]]["state"] == "missing"
    with (chain.work / "final.csv").open("a") as final:
        final.write("more\n")
    found = up(chain, "final.csv")
    assert found.flow == CHAIN
    assert found.nodes[found.document["roots"][0]]["state"] == "modified"


def test_impact_of_an_output_that_was_edited_and_then_used(shark: Shark):
    """The manifest on it is about what it was; the run that used it had what it is."""
    (shark.work / "a").write_text("raw\n")
    shark.run("sh", "-c", "cat a > b")
    with (shark.work / "b").open("a") as file:
        file.write("by hand\n")
    shark.run("sh", "-c", "cat b > c")
    assert down(shark, "b").flow == {("b", "input", "<sh>"), ("<sh>", "output", "c")}
    with (shark.work / "b").open("a") as file:
        file.write("by hand again\n")
    assert down(shark, "b").flow == {("b", "input", "<sh>"), ("<sh>", "output", "c")}


def test_impact_of_what_the_same_run_used_again(shark: Shark):
    """An intermediate that stays: what its run made of it derives from it, and what others made of that; no more."""
    (shark.work / "a").write_text("1\n2\n")
    shark.run("sh", "-c", "sort a > b; sort -r b > c; sort a > other; tac c > d")
    shark.run("cp", "c", "e")
    inside = {("b", "input", "<sh>"), ("<sh>", "output", "c"), ("<sh>", "output", "d")}
    assert down(shark, "b").flow == inside | {("c", "input", "<cp>"), ("<cp>", "output", "e")}
    assert b"2 runs used it, 3 files derived from it" in shark("impact", "b").stdout
    assert down(shark, "--depth", "1", "b").flow == inside
    assert down(shark, "--depth", "0", "b").flow == set()
    assert down(shark, "other", status=1).flow == set()
    with (shark.work / "b").open("a") as file:
        file.write("by hand\n")
    assert down(shark, "b").flow >= inside


@pytest.mark.parametrize("put", ["cp", "mv"])
@pytest.mark.parametrize("was_used", [True, False])
def test_impact_of_a_file_that_was_replaced_by_a_known_one(shark: Shark, put: str, was_used: bool):
    """What was made from its earlier content stays told, whatever is known of the bytes that are there now."""
    (shark.work / "data").write_text("first\n")
    (shark.work / "source").write_text("second\n")
    shark.run("sh", "-c", "cat data > from-first")
    shark.run("sh", "-c", "cat source > other")
    if was_used:
        shark.run("sh", "-c", "cat other > from-other")
    subprocess.run([put, "other", "data"], cwd=shark.work, check=True)
    flow = down(shark, "data").flow
    assert ("<sh>", "output", "from-first") in flow
    assert (("<sh>", "output", "from-other") in flow) == was_used


def test_directories(chain: Shark):
    """All files below, each a root."""
    found = up(chain, ".", status=1)  # of raw.csv nothing is known
    assert {found.name(root) for root in found.document["roots"]} == {"raw.csv", "sorted.csv", "sums.csv", "final.csv"}
    assert found.flow == CHAIN


def test_files_without_digests(shark: Shark):
    """Where nothing was hashed, the path alone leads on, and that is not called certain."""
    (shark.work / "a").write_text("a\n")
    shark.run("sh", "-c", "cat a > b", options=("--hash", "off", "--attach", "none"))
    shark.run("sh", "-c", "cat b > last", options=("--hash", "off", "--attach", "none"))
    assert down(shark, "a").flow >= {("a", "input", "<sh>"), ("<sh>", "output", "b"), ("<sh>", "output", "last")}
    (shark.work / "last").unlink()  # "c" may well be the end of a run's id
    found = up(shark, "last")
    assert ("<sh>", "output?", "b") in found.flow
    assert found.file("a")["end"] == "unhashed"


def test_what_was_not_compared_is_not_said_to_be_the_same(shark: Shark):
    """Of a file without a digest, path, size and time speak for a run; or the path alone."""
    (shark.work / "a").write_text("a\n")
    shark.run("sh", "-c", "cat a > b", options=("--hash", "off"))
    said = shark("lineage", "b").stdout.decode()
    assert "? no digest was recorded: path, size and time are those of what a run made\n" in said
    os.utime(shark.work / "b", (1, 1))
    said = shark("lineage", "b").stdout.decode()
    assert "? runs are known that made a file at this path: whether it is still that one cannot be told\n" in said
    (shark.work / "b").write_text("longer than before\n")
    said = shark("lineage", "b").stdout.decode()
    assert "changed since" in said
    assert "same bytes" not in said


def test_names_that_are_not_text(shark: Shark):
    """Bytes that are no UTF-8 go through the index, the walk and both ways of showing it."""
    name = b"in\xff\n.csv"
    (shark.work / os.fsdecode(name)).write_text("1\n")
    shark.run("cp", os.fsdecode(name), "out")
    found = up(shark, "out")
    assert os.fsdecode(name) in found.sources
    assert b"in\\xff\\n.csv" in shark("lineage", "out").stdout
    assert shark("impact", name).returncode == 0


SCRIPT = "sort a | uniq > b; wc -l other > c; for f in $(cat list); do cp b d; done"
"""Three outputs that derive from different files, one of them by way of another, one decided on by a list."""


def test_outputs_of_one_run_have_their_own_lineage(shark: Shark):
    """As exact as the record is: what one output derives from is not said of the others."""
    for name in ("a", "other", "list"):
        (shark.work / name).write_text(f"{name}\n")
    shark.run("sh", "-c", SCRIPT)
    assert up(shark, "b").sources == {"a"}
    assert up(shark, "c").sources == {"other"}
    assert up(shark, "d").flow == {
        ("a", "input", "<sh>"),
        ("list", "control", "<sh>"),
        ("<sh>", "output", "d"),
    }
    assert down(shark, "other").flow == {("other", "input", "<sh>"), ("<sh>", "output", "c")}
    assert down(shark, "list").flow == {("list", "control", "<sh>"), ("<sh>", "output", "d")}
    every = up(shark, "b", "c", "d")
    assert sorted(node["part"] for node in every.nodes.values() if node["kind"] == "run") == [1, 2, 3]
    assert b"decided by" in shark("lineage", "d").stdout


def test_the_processes_of_a_run(shark: Shark):
    """Those that led to the output, by number; the others of the run are not among them."""
    for name in ("a", "other", "list"):
        (shark.work / name).write_text(f"{name}\n")
    shark.run("sh", "-c", SCRIPT)
    [run] = [node for node in up(shark, "--steps", "b").nodes.values() if node["kind"] == "run"]
    assert [step["argv"][0] for step in run["steps"]] == ["sh", "sort", "uniq"]
    assert "steps" not in next(node for node in up(shark, "b").nodes.values() if node["kind"] == "run")
    assert "2  sort a" in shark("lineage", "--steps", "b").stdout.decode()


def test_pages(chain: Shark):
    """Trees for people: plain where that is all that can be shown, folded to a terminal's width, quiet if asked."""
    text = chain("lineage", "final.csv").stdout.decode()
    lines = [line.split("  ")[1].strip() or line for line in text.splitlines() if "$" in line]
    assert "$ tac sums.csv" in text
    assert "└── raw.csv" in text
    assert text.splitlines()[-1] == "3 runs, 4 files, 1 file of which no run is known"
    assert len(lines) == 3
    plain = chain.terminal("impact", "raw.csv", environ={"LC_ALL": "C", "NO_COLOR": "1"})
    assert plain.isascii()
    assert "`-- final.csv" in plain
    assert "\x1b[" not in plain
    assert "\x1b[" in chain.terminal("lineage", "final.csv")
    narrow = chain.terminal("lineage", "final.csv", columns=60, environ={"NO_COLOR": "1"})
    assert max(len(line) for line in narrow.splitlines()) <= 60
    quiet = chain("lineage", "-q", "final.csv")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")


def test_many_inputs_are_folded_on_the_page(shark: Shark):
    """The first few files of which nothing further is known, and how many more there are; all of them if asked."""
    (shark.work / "in").mkdir()
    for n in range(30):
        (shark.work / "in" / f"{n:02}").write_text(str(n))
    shark.run("sh", "-c", "cat in/* > all")
    text = shark("lineage", "all").stdout.decode()
    assert "… and 22 more files" in text
    assert "in/29" not in text
    assert "in/29" in shark("lineage", "-v", "all").stdout.decode()


def test_a_damaged_record_ends_the_walk_and_says_so(chain: Shark):
    """The others are still served; with manifests on the files the walk goes on."""
    records = sorted((chain.root / "store" / "runs").rglob("*.json.gz"))
    records[1].write_bytes(records[1].read_bytes()[:100])
    (chain.root / "store" / "index.sqlite").unlink()
    for path in ("sorted.csv", "sums.csv"):
        chain("strip", path)
    done = chain("lineage", "--json", "final.csv")
    found = Graph(chain, json.loads(done.stdout))
    assert b"1 record" in done.stderr
    [damaged] = [node for node in found.nodes.values() if node.get("end") == "damaged"]
    assert "breaks off" in damaged["why"]
    assert ("sums.csv", "input", "<tac>") in found.flow


def test_a_manifest_that_stands_for_many_files(shark: Shark):
    """Without the store, a folded entry is where knowledge ends."""
    names = [f"a-rather-long-name-for-a-directory/{n:04}.csv" for n in range(900)]
    (shark.work / "a-rather-long-name-for-a-directory").mkdir()
    for name in names:
        (shark.work / name).write_text(name)
    shark.run("sh", "-c", "cat a-*/* > all", options=("--attach", "sidecar"))
    assert len(up(shark, "all").sources) == 900
    shutil.rmtree(shark.root / "store")
    found = up(shark, "all")
    [folded] = [node for node in found.nodes.values() if node.get("end") == "folded"]
    assert folded["files"] == 900


def test_index_of_a_newer_version(chain: Shark):
    """It is left alone; a warning says what to do, and the answer is the same."""
    import sqlite3

    up(chain, "final.csv")
    connection = sqlite3.connect(chain.root / "store" / "index.sqlite")
    connection.execute("PRAGMA user_version = 999")
    connection.commit()
    connection.close()
    done = chain("lineage", "--json", "final.csv")
    assert b"a newer shark made the index" in done.stderr
    assert Graph(chain, jsontext.loads(done.stdout)).flow == CHAIN
