"""What is stale, upstream included, and what may be; in circles, moved trees, and without a store."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest

from shark.checking.status import Answer, status
from shark.model.facts import time_text

from .test_verify import chain
from .world import World


def ask(world: World, path: str = ".") -> Answer:
    with world.records() as records:
        answer = status(os.fsencode(world.files / path), world.contents(), records)
        assert not records.problems
        return answer


def told(world: World, path: str = ".") -> dict[str, tuple[str, list[str]]]:
    """File → (state, [how: path < through < through]), relative to the world's folder."""
    near = lambda name: os.path.relpath(name, world.files)  # noqa: E731
    return {
        near(file.file): (
            file.state,
            [f"{c.change}: {' < '.join(map(near, (c.path, *c.chain)))}" for c in file.causes],
        )
        for file in ask(world, path).files
    }


def test_all_is_well(world: World) -> None:
    chain(world)
    answer = ask(world)
    assert not answer.files
    assert answer.counts == {"current": 2}


def test_caches_are_not_looked_at(world: World) -> None:
    """Nobody asks whether they should be made again, and what a later program made of them says nothing of a run."""
    cache = "__pycache__/m.pyc"
    world.put("in.csv")
    world.run(["in.csv"], {"out.csv": "one\n", cache: "two\n"}, attach="none", unhashed=[cache])
    assert ask(world).counts == {"current": 1}
    world.put(cache, "longer than before\n")
    assert ask(world).counts == {"current": 1}


def test_a_changed_input_reaches_all_that_derives_from_it(world: World) -> None:
    chain(world)
    world.put("in.csv", "RAW\n")
    assert told(world) == {
        "mid.csv": ("stale", ["modified: in.csv"]),
        "out.csv": ("stale", ["modified: in.csv < mid.csv"]),
    }


def test_code_counts_as_any_input(world: World) -> None:
    chain(world)
    world.put("fit.py", "better\n")
    assert told(world) == {"out.csv": ("stale", ["modified: fit.py"])}


def test_made_anew(world: World) -> None:
    """A step that was run again is up to date; what was made from its former output is stale."""
    chain(world)
    world.put("in.csv", "new raw\n")
    world.run(["in.csv"], {"mid.csv": "new mid\n"})
    found = told(world)
    assert list(found) == ["out.csv"]
    assert found["out.csv"][1][0] == "modified: mid.csv"
    world.run(["mid.csv", "fit.py"], {"out.csv": "new out\n"})
    assert told(world) == {}


def test_run_again_with_the_same_result(world: World) -> None:
    """Two runs that made the same bytes: as long as one of them could do so still, all is well."""
    world.put("a", "a\n")
    world.put("b", "b\n")
    world.run(["a"], {"mid": "same\n"}, attach="none")
    world.run(["b"], {"mid": "same\n"}, attach="none")
    world.run(["mid"], {"out": "out\n"}, attach="none")
    world.put("a", "changed\n")
    assert told(world) == {"mid": ("stale", ["modified: a"])} or told(world) == {}
    world.put("b", "changed\n")
    found = told(world)
    assert found["out"] == ("stale", ["modified: b < mid"])


def test_a_lost_intermediate_is_judged_by_what_it_was_made_from(world: World) -> None:
    chain(world)
    world.path("mid.csv").unlink()
    assert told(world) == {}
    world.put("in.csv", "RAW\n")
    assert told(world) == {"out.csv": ("stale", ["modified: in.csv < mid.csv"])}


def test_a_lost_source_is_a_doubt(world: World) -> None:
    chain(world)
    world.path("in.csv").unlink()
    assert told(world) == {
        "mid.csv": ("maybe-stale", ["missing: in.csv"]),
        "out.csv": ("maybe-stale", ["missing: in.csv < mid.csv"]),
    }


class TestInPlace:
    def test_updated_twice(self, world: World) -> None:
        """Former contents of a file that is updated in place are gone, and that is as it should be."""
        world.put("raw")
        world.run(["raw"], {"map": "1\n"})
        world.run([], changes={"map": "1\n2\n"})
        world.run([], changes={"map": "1\n2\n3\n"})
        assert told(world) == {}
        world.put("raw", "changed\n")
        assert told(world) == {"map": ("stale", ["modified: raw < map < map"])}

    def test_what_was_made_from_a_former_content(self, world: World) -> None:
        world.put("raw")
        world.run(["raw"], {"map": "1\n"})
        world.run(["map"], {"picture": "p\n"})
        world.run([], changes={"map": "1\n2\n"})
        assert told(world) == {"picture": ("stale", ["modified: map"])}

    def test_read_and_then_changed_by_the_same_run(self, world: World) -> None:
        world.put("log", "1\n")
        world.run(["log"], {"out": "out\n"}, {"log": "1\n2\n"})
        assert told(world) == {}
        world.run(["log"], {"next": "next\n"}, {"log": "1\n2\n3\n"})
        assert told(world) == {"out": ("stale", ["modified: log"])}  # it was made from an earlier log

    def test_derived_from_the_changed_one_too(self, world: World) -> None:
        """An output that derives from a later content of the file is no staler for the earlier one."""
        world.put("log", "1\n")
        world.run(["log"], {"first": "first\n"})
        world.run(["first"], {}, {"log": "1\n2\n"})
        world.run(["first", "log"], {"second": "second\n"})
        assert told(world) == {"first": ("stale", ["modified: log"])}

    def test_notes_of_the_last_turn(self, world: World) -> None:
        """A run that reads what it left last time, and the changed text too, has taken it in: a doubt is left."""
        world.put("text", "1\n")
        world.run(["text"], {"page": "p1\n", "notes": "n1\n"})
        world.run(["text", "notes"], {"page": "p1 n1\n"}, {"notes": "n2\n"})
        assert told(world) == {}
        world.put("text", "2\n")
        stale = ["modified: text"]
        assert told(world) == {"notes": ("stale", stale), "page": ("stale", stale)}
        for n in range(3, 6):
            world.run(["text", "notes"], {"page": f"p2 n{n}\n"}, {"notes": f"n{n}\n"})
            found = told(world)
            assert {name: state for name, (state, _) in found.items()} == dict.fromkeys(
                ("notes", "page"), "maybe-stale"
            )
        assert found["page"][1] == ["modified: text < notes < notes < notes"]

    def test_notes_that_stay_as_they_were(self, world: World) -> None:
        """The same where the notes are written anew with the content that they had."""
        world.put("text", "1\n")
        world.run(["text"], {"page": "p1\n", "notes": "n\n"})
        world.put("text", "2\n")
        world.run(["text", "notes"], {"page": "p2\n", "notes": "n\n"})
        found = told(world)
        assert found["page"] == ("maybe-stale", ["modified: text < notes"])

    def test_what_derives_from_notes_of_the_last_turn(self, world: World) -> None:
        """The doubt goes on to what was made from it; a former content of the text that came another way is none."""
        world.put("text", "1\n")
        world.run(["text"], {"notes": "n1\n", "copy": "c1\n"})
        world.put("text", "2\n")
        world.run(["text", "notes"], {}, {"notes": "n2\n"})
        world.run(["notes"], {"print": "n2!\n"})
        world.run(["notes", "copy"], {"both": "n2 c1\n"})
        found = told(world)
        assert found["print"] == ("maybe-stale", ["modified: text < notes < notes"])
        assert found["both"] == ("stale", ["modified: text < copy"])

    def test_notes_without_the_text(self, world: World) -> None:
        """A run that updates a file without reading the changed text has not taken the change in."""
        world.put("text", "1\n")
        world.put("other", "o\n")
        world.run(["text"], {"notes": "n1\n"})
        world.run(["other", "notes"], {}, {"notes": "n2\n"})
        world.run(["other", "notes"], {}, {"notes": "n3\n"})
        world.put("text", "2\n")
        assert told(world) == {"notes": ("stale", ["modified: text < notes < notes"])}

    def test_circles_end(self, world: World) -> None:
        """Two files, each made from the other in turn, with the same bytes again."""
        world.put("a", "x\n")
        world.run(["a"], {"b": "y\n"})
        world.run(["b"], {"a": "x\n"})
        world.run(["a"], {"b": "y\n"})
        assert told(world) == {}
        world.put("a", "changed\n")
        assert "b" in told(world)


def test_a_long_chain(world: World) -> None:
    """More runs than are remembered at once: each is looked at once nevertheless."""
    world.put("0", "0\n")
    for n in range(1, 301):
        world.run([str(n - 1)], {str(n): f"{n}\n"}, attach="none")
    assert ask(world).counts == {"current": 300}
    world.put("0", "changed\n")
    [found] = ask(world, "300").files
    assert [os.path.basename(path) for path in found.causes[0].chain] == [str(n) for n in range(1, 300)]


class TestMoved:
    def test_tree(self, world: World) -> None:
        for name in ("in.csv", "fit.py"):
            world.put(f"old/{name}", name)
        world.run(["old/in.csv"], {"old/mid.csv": "mid\n"})
        world.run(["old/mid.csv", "old/fit.py"], {"old/sub/out.csv": "out\n"})
        world.path("old").rename(world.path("new"))
        assert told(world) == {}
        world.put("new/in.csv", "changed\n")
        found = told(world)
        assert {name: state for name, (state, _) in found.items()} == {
            "new/mid.csv": "stale",
            "new/sub/out.csv": "stale",
        }
        [cause] = ask(world).document()["files"][0]["causes"]
        assert (cause["path"], cause["at"]) == (str(world.path("old/in.csv")), str(world.path("new/in.csv")))

    def test_without_the_store(self, world: World) -> None:
        """Attributes carry the chain: each names its inputs, and the run that made them."""
        world.put("in.csv", "raw\n")
        first = world.run(["in.csv"], {"mid.csv": "mid\n"})
        world.run(["mid.csv"], {"out.csv": "out\n"}, input_runs={"mid.csv": first})
        shutil.rmtree(world.directory / "store")
        assert told(world) == {}
        world.put("in.csv", "RAW\n")
        assert told(world)["out.csv"] == ("stale", ["modified: in.csv < mid.csv"])


def test_a_path_that_was_not_there(world: World) -> None:
    world.put("a")
    world.run(["a"], {"out": "out\n"}, missing=["settings", "out"])
    assert told(world) == {}
    world.put("settings")
    assert told(world) == {"out": ("maybe-stale", ["appeared: settings"])}
    assert ask(world).counts == {"maybe-stale": 1}
    world.put("a", "changed\n")
    assert told(world) == {"out": ("stale", ["modified: a"])}


@pytest.mark.parametrize("made", [False, True])
def test_a_new_entry_of_a_listed_directory(world: World, made: bool) -> None:
    """A file that came into it since; not one that was made from the output, nor shark's own, nor a cache."""
    world.put("parts/a", "a\n")
    run = world.run(["parts/a"], {"parts/all": "all\n"}, lists=["parts"])
    assert told(world) == {}
    if made:
        world.run(["parts/all"], {"parts/picture": "p\n"}, attach="sidecar", input_runs={"parts/all": run})
        world.put("parts/__pycache__/x.pyc")
        assert told(world) == {}
    else:
        world.put("parts/b", "b\n")
        assert told(world) == {"parts/all": ("maybe-stale", ["new-entry: parts/b"])}


def test_new_entries_that_would_not_be_taken(world: World) -> None:
    """Of another kind than the inputs from there; of a kind of which some were passed over; Python's modules."""
    world.put("parts/a.csv")
    world.put("parts/fit.py")
    world.put("logs/old.txt")
    world.run(["parts/a.csv", "parts/fit.py"], {"parts/out.png": "png\n"}, lists=["parts", "logs"])
    world.put("parts/notes.txt")
    world.put("parts/other.py")
    world.put("logs/new.txt")
    assert told(world) == {}
    world.put("parts/b.csv")
    assert told(world) == {"parts/out.png": ("maybe-stale", ["new-entry: parts/b.csv"])}


def test_a_run_that_chose_by_name(world: World) -> None:
    """It left a file of the kind aside: it will leave a new one aside, too."""
    world.put("parts/a.csv")
    world.put("parts/b.csv")
    time.sleep(0.02)  # longer than a tick of the clock that stamps files
    now = time_text(time.time_ns())
    command = {"argv": ["make"], "cwd": str(world.files), "exit": 0, "start": now, "end": now, "seconds": 0.0}
    world.run(["parts/a.csv"], {"out": "out\n"}, lists=["parts"], command=command)
    time.sleep(0.02)
    world.put("parts/c.csv")
    assert told(world) == {}
    world.path("parts/b.csv").unlink()
    assert told(world) == {"out": ("maybe-stale", ["new-entry: parts/c.csv"])}


def test_what_is_not_compared_is_counted(world: World) -> None:
    chain(world)
    world.put("out.csv", "by hand\n")
    assert ask(world).counts == {"current": 1, "modified": 1}


def test_names_that_are_not_text(world: World) -> None:
    name = os.fsdecode(b"a\xff")
    world.put(name)
    world.run([name], {name + "1": "1\n"})
    world.run([name + "1"], {name + "2": "2\n"})
    world.put(name, "changed\n")
    assert told(world) == {
        name + "1": ("stale", [f"modified: {name}"]),
        name + "2": ("stale", [f"modified: {name} < {name}1"]),
    }


def test_the_same_bytes_by_chance(world: World) -> None:
    """That some run made a file with the same few bytes elsewhere does not make an input derive from it."""
    world.put("raw")
    world.put("flag", "1\n")
    world.run(["raw"], {"other": "1\n"})
    world.run(["flag"], {"out": "out\n"})
    world.put("raw", "changed\n")
    assert told(world) == {"other": ("stale", ["modified: raw"])}


def test_records_that_came_later(world: World) -> None:
    """A store that is merged in connects runs whose records do not name each other."""
    world.put("raw")
    world.run(["raw"], {"mid": "mid\n"}, attach="none")
    world.run(["mid"], {"out": "out\n"}, attach="none")
    world.put("raw", "changed\n")
    assert told(world)["out"] == ("stale", ["modified: raw < mid"])


@pytest.mark.parametrize("entry", [{}, {"path": 7}, {"path": "\ud800", "sha256": "00"}, {"files": "x", "path": "/"}])
def test_broken_manifests(world: World, entry: dict[str, object]) -> None:
    """Inputs of no sense are no cause, and no hindrance."""
    chain(world)
    path = world.path("mid.csv")
    manifest = json.loads(os.getxattr(path, "user.shark"))
    manifest["inputs"].append(entry)
    os.setxattr(path, "user.shark", json.dumps(manifest).encode())
    assert told(world).keys() <= {"mid.csv", "out.csv"}
    world.put("in.csv", "RAW\n")
    assert told(world)["mid.csv"][0] == "stale"


def test_packages_are_software(world: World) -> None:
    """What is installed later is no ground for doubt."""
    world.put("venv/lib/python3.11/site-packages/a/x.txt")
    world.put("a")
    world.run(
        ["a"], {"out": "out\n"}, lists=["venv/lib/python3.11/site-packages"], missing=["venv/lib/python3.11/b.py"]
    )
    world.put("venv/lib/python3.11/site-packages/b/x.txt")
    world.put("venv/lib/python3.11/b.py")
    assert told(world) == {}


def test_an_input_without_a_digest_that_has_another_time(world: World) -> None:
    """Its size says nothing: it may have been changed, and so the output is maybe stale, and what derives from it."""
    world.put("in.csv", "raw\n")
    world.run(["in.csv"], {"mid.csv": "mid\n"}, unhashed=["in.csv"])
    world.run(["mid.csv"], {"out.csv": "out\n"})
    assert told(world) == {}
    world.put("in.csv", "RAW\n")
    os.utime(world.path("in.csv"), (1, 1))
    assert told(world) == {
        "mid.csv": ("maybe-stale", ["touched: in.csv"]),
        "out.csv": ("maybe-stale", ["touched: in.csv < mid.csv"]),
    }
