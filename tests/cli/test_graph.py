"""`shark graph`: formats, places, troubles."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness import need

from .conftest import Shark


@pytest.fixture
def without_dot(tmp_path: Path) -> dict[str, str]:
    """An environment in which graphviz is not installed."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("sh", "sort", "cp", "uname"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    return {"PATH": str(programs)}


def test_dot_is_what_comes_without_options(runs: Shark):
    """On stdout, and nothing else; in a terminal there is a hint as well."""
    done = runs("graph", "b.csv")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"digraph shark {\n")
    shown = runs.terminal("graph", "b.csv")
    assert "digraph shark {" in shown
    assert "-o graph.html makes a page" in shown
    assert "-o graph.html" not in runs.terminal("graph", "-q", "b.csv")


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("x.dot", b"digraph"),
        ("x.gv", b"digraph"),
        ("x.mmd", b"flowchart LR\n"),
        ("x.SVG", b"<?xml"),
        ("x.png", b"\x89PNG"),
        ("x.html", b"<!DOCTYPE html>"),
    ],
)
def test_the_ending_says_the_format(runs: Shark, tmp_path: Path, name, begin):
    """Of a run, written where -o says, with the permissions of any new file; nothing on stdout."""
    need("dot")
    os.umask(mask := os.umask(0))
    done = runs("graph", "@1", "-o", str(tmp_path / name))
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    written = tmp_path / name
    assert written.read_bytes().startswith(begin)
    assert stat.S_IMODE(written.stat().st_mode) == 0o666 & ~mask
    assert os.listdir(tmp_path) == [name]


def test_a_lineage_goes_across_runs(runs: Shark):
    """c.csv was copied from b.csv, which was sorted from a.csv."""
    graph = runs.json("graph", "--json", "c.csv")
    labels = {node["id"]: node["label"] for node in graph["nodes"]}
    assert {(labels[edge["from"]], labels[edge["to"]]) for edge in graph["edges"] if edge["kind"] != "same"} == {
        ("a.csv", "sh"),
        ("sh", "b.csv"),
        ("b.csv", "cp"),
        ("cp", "c.csv"),
    }


def test_a_file_that_is_gone(shark: Shark):
    """Is drawn from what the store knows of it."""
    shark.run("sh", "-c", "echo x > gone.txt")  # "a" alone may well be the end of a run's id
    (shark.work / "gone.txt").unlink()
    assert [node["label"] for node in shark.json("graph", "--json", "gone.txt")["nodes"]] == ["gone.txt", "sh"]


def test_a_run(runs: Shark):
    """By its number; with all that the record knows, unless less is asked for."""
    graph = runs.json("graph", "--json", "@4")
    assert {node["label"] for node in graph["nodes"]} >= {"sort", "a.csv", "b.csv", "libc.so.6"}
    less = runs.json("graph", "--json", "--detail", "files", "@4")
    assert {node["label"] for node in less["nodes"] if node["kind"] == "file"} == {"a.csv", "b.csv"}


def test_json_and_a_picture(runs: Shark, tmp_path: Path):
    """Both, if both are asked for."""
    assert runs.json("graph", "--json", "@4", "-o", str(tmp_path / "x.mmd"))["run"]
    assert (tmp_path / "x.mmd").read_text().startswith("flowchart")


def test_without_graphviz(runs: Shark, tmp_path: Path, without_dot):
    """SVG is laid out by shark; PNG is refused with what to do."""
    done = runs("graph", "@4", "-o", str(tmp_path / "x.svg"), environ=without_dot)
    assert (done.returncode, done.stderr) == (0, b"")
    assert ET.parse(tmp_path / "x.svg").getroot().get("role") == "img"
    done = runs("graph", "@4", "-o", str(tmp_path / "x.png"), environ=without_dot)
    assert done.returncode == 2
    assert done.stderr.startswith(b"shark: PNG pictures are made by graphviz, which is not installed\nInstall graphviz")
    assert not (tmp_path / "x.png").exists()


def test_a_graphviz_that_fails(runs: Shark, tmp_path: Path, without_dot):
    """Its first words are told; an SVG is made without it."""
    dot = tmp_path / "programs" / "dot"
    dot.write_text("#!/bin/sh\necho no fonts >&2\nexit 3\n")
    dot.chmod(0o755)
    done = runs("graph", "@4", "--format", "png", environ=without_dot)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"shark: dot failed: no fonts\n")
    assert runs("graph", "@4", "--format", "svg", environ=without_dot).stdout.startswith(b"<svg")


def test_a_dash_is_standard_output(runs: Shark):
    """As other programs have it, and no file of that name."""
    assert runs("graph", "@4", "-o", "-", "--format", "mmd").stdout.startswith(b"flowchart LR\n")
    assert not (runs.work / "-").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("nowhere.png",), 1, "'nowhere.png' is neither a file nor a run"),
        (("a.csv",), 1, "a.csv: nothing is known of where it comes from"),
        (("@4", "-o", "x.jpg"), 2, "the ending does not say which format is meant"),
        (("@4", "-o", "x"), 2, "the ending does not say which format is meant"),
        (("b.csv", "-o", "./b.csv", "--format", "dot"), 2, "is the file that is to be drawn"),
        (("@4", "-o", ".", "--format", "dot"), 2, ". is a directory"),
        (("@4", "-o", "no/such/x.dot"), 2, "no/such"),
        (("@4", "--format", "gif"), 2, "gif"),
        (("@99",), 1, "'@99' is neither"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_troubles(runs: Shark, arguments, status, said):
    """Say what was wrong and what to do, and write nothing."""
    before = sorted(os.listdir(runs.work))
    done = runs("graph", *arguments)
    assert (done.returncode, done.stdout) == (status, b"")
    message = done.stderr.decode()
    assert message.startswith("shark: ")
    assert said in message
    assert len(message.splitlines()) == 2
    assert sorted(os.listdir(runs.work)) == before


def test_existing_targets(runs: Shark, tmp_path: Path):
    """A file is replaced; a link and a device are written into."""
    plain, link = tmp_path / "x.dot", tmp_path / "link.dot"
    plain.write_text("old")
    link.symlink_to("x.dot")
    assert runs("graph", "@4", "-o", str(link)).returncode == 0
    assert link.is_symlink()
    assert plain.read_text().startswith("digraph")
    done = runs("graph", "@4", "-o", "/dev/stdout", "--format", "mmd")
    assert done.stdout.startswith(b"flowchart")


def test_a_terminal_gets_no_png(runs: Shark):
    """It could not show it."""
    need("dot")
    assert "a terminal cannot show a PNG" in runs.terminal("graph", "@4", "--format", "png")


def test_mermaid_beyond_its_limits(shark: Shark):
    """Is written with a warning."""
    script = "import os\nfor n in range(600): open(f'in{n}.x', 'w').close()"
    shark.run(sys.executable, "-c", script)
    done = shark("graph", "@1", "--format", "mmd", "--detail", "files")
    assert done.returncode == 0
    assert b"Mermaid draws nothing so large" in done.stderr
    assert shark("graph", "@1", "--format", "mmd").stderr == b""


def test_names_of_any_bytes(shark: Shark):
    """Every format of a run, and of a file, whose names are not text."""
    name = b"a\xff\n<b>.csv"
    (shark.work / "in").write_text("1\n")
    shark.run("sh", "-c", 'cat in > "$(printf "a\\377\\n<b>.csv")"')
    for what in ("@1", name):
        for form in ("dot", "mmd", "svg", "html"):
            done = shark("graph", what, "--format", form)
            assert (done.returncode, done.stderr) == (0, b""), (what, form)
            assert b"\xff" not in done.stdout
            assert form == "dot" or b"<b>" not in done.stdout
    assert json.loads(shark("graph", name, "--json").stdout)["file"] == os.fsdecode(name)
