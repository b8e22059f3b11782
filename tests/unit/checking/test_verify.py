"""Each state of a file, wherever the file, its inputs and its manifest have gone."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shark import jsontext
from shark.checking.verify import Checked, Verification, verify
from shark.model.manifest import summary

from .world import World


def ask(world: World, *paths: str | Path, full: bool = False) -> Verification:
    with world.records() as records:
        arguments = [os.fsencode(world.files / path) for path in paths]
        answer = verify(arguments, world.contents(full=full), records)
        assert not records.problems
        return answer


def one(world: World, path: str | Path) -> Checked:
    [found] = ask(world, path).files
    return found


def states(answer: Verification, world: World) -> dict[str, str]:
    return {os.path.relpath(file.file, world.files): file.state for file in answer.files}


def chain(world: World) -> None:
    """in.csv → mid.csv → out.csv, with a script that is read for the second."""
    world.put("in.csv", "raw\n")
    world.put("fit.py", "code\n")
    world.run(["in.csv"], {"mid.csv": "mid\n"})
    world.run(["mid.csv", "fit.py"], {"out.csv": "out\n"})


ATTACH = ["auto", "sidecar", "none"]


@pytest.mark.parametrize("attach", ATTACH)
class TestStates:
    def make(self, world: World, attach: str) -> None:
        world.put("in.csv", "raw\n")
        world.run(["in.csv"], {"out.csv": "out\n"}, attach=attach)

    def test_ok(self, world: World, attach: str) -> None:
        self.make(world, attach)
        assert one(world, "out.csv").state == "ok"

    def test_modified(self, world: World, attach: str) -> None:
        self.make(world, attach)
        world.put("out.csv", "OUT\n")  # of the same size: only the digest tells
        assert one(world, "out.csv").state == "modified"
        assert states(ask(world, "."), world) == {"out.csv": "modified"}

    def test_missing(self, world: World, attach: str) -> None:
        self.make(world, attach)
        world.path("out.csv").unlink()
        assert one(world, "out.csv").state == "missing"

    def test_input_modified(self, world: World, attach: str) -> None:
        self.make(world, attach)
        world.put("in.csv", "RAW\n")
        found = one(world, "out.csv")
        assert found.state == "input-modified"
        assert [(i.path, i.state) for i in found.inputs] == [(str(world.path("in.csv")), "modified")]

    def test_input_missing(self, world: World, attach: str) -> None:
        self.make(world, attach)
        world.path("in.csv").unlink()
        assert one(world, "out.csv").state == "input-missing"

    def test_another_size_is_not_read(self, world: World, attach: str) -> None:
        self.make(world, attach)
        world.put("in.csv", "longer than before\n")
        assert one(world, "out.csv").state == "input-modified"


def test_what_nothing_is_known_of(world: World) -> None:
    world.put("stranger")
    found = one(world, "stranger")
    assert (found.state, found.hindered) == ("unknown", False)
    answer = ask(world, "nowhere")
    assert not answer.files
    assert [name for name, _ in answer.unlisted] == [str(world.path("nowhere"))]


def test_an_output_that_was_not_hashed(world: World) -> None:
    """A cache, or what was to be ignored, has no digest and nothing attached: it is judged by its size and time."""
    world.put("in.csv")
    world.run(["in.csv"], {"cache": "one\n"}, attach="none", unhashed=["cache"])
    assert (one(world, "cache").state, one(world, "cache").source) == ("ok", "store")
    assert states(ask(world, "."), world) == {"cache": "ok"}
    os.utime(world.path("cache"), (1, 1))
    touched = one(world, "cache")
    assert (touched.state, touched.hindered) == ("unknown", False)
    assert "not hashed" in touched.problem
    world.put("cache", "longer than before\n")
    assert one(world, "cache").state == "modified"


@pytest.mark.parametrize("attach", ["auto", "none"])
def test_what_was_not_hashed_is_not_read_for_nothing(
    world: World, attach: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be terabytes, and there is no digest to compare its own with until an output of its size has one."""
    monkeypatch.setattr("shark.lookup._MUCH", 1)

    def read() -> list[int]:
        sizes: list[int] = []
        contents = world.contents(full=True)
        contents._progress = sizes.append
        with world.records() as records:
            answer = verify([os.fsencode(world.files)], contents, records)
        assert states(answer, world)["large"] == state
        return [size for size in sizes if size == 6]

    world.run([], {"large": "large\n", "other": "another\n"}, attach=attach, unhashed=["large"])
    state = "ok"
    assert read() == []
    os.utime(world.path("large"), (1, 1))
    state = "unknown"
    assert read() == []
    world.run([], {"twin": "LARGE\n"}, attach="none")
    assert read() == [6, 6]


def test_caches_are_left_out_of_a_directory(world: World) -> None:
    """They carry no manifest, and whoever needs one makes it anew; of one that is named itself there is an answer."""
    cache = "__pycache__/m.pyc"
    world.put("in.csv")
    world.run(["in.csv"], {"out.csv": "one\n", cache: "two\n"}, attach="none", unhashed=[cache])
    assert states(ask(world, "."), world) == {"out.csv": "ok"}
    assert one(world, cache).state == "ok"
    world.put(cache, "longer than before\n")
    assert states(ask(world, "."), world) == {"out.csv": "ok"}
    assert one(world, cache).state == "modified"
    world.path(cache).unlink()
    assert states(ask(world, "."), world) == {"out.csv": "ok"}
    assert one(world, cache).state == "missing"


def test_a_modified_file_that_another_run_made(world: World) -> None:
    """A stale attribute (copied over, say) does not hide that the store knows who made the present content."""
    world.put("in.csv")
    world.run(["in.csv"], {"out.csv": "one\n"})
    second = world.run(["in.csv"], {"other.csv": "two\n"}, attach="none")
    world.path("out.csv").write_text("one\n")
    world.path("other.csv").write_text("two\n")
    found = one(world, "other.csv")
    assert (found.state, found.run, found.source) == ("ok", second, "store")


def test_a_directory(world: World) -> None:
    """Outputs are compared, other files counted, sidecars are none; order is that of the paths."""
    chain(world)
    world.put("stranger")
    world.run(["in.csv"], {"sub/deep.csv": "deep\n"}, attach="sidecar")
    answer = ask(world, ".")
    assert states(answer, world) == {"mid.csv": "ok", "out.csv": "ok", "sub/deep.csv": "ok"}
    assert answer.without == 3
    assert answer.counts() == {"ok": 3}


def test_an_output_that_is_lacking(world: World) -> None:
    """A directory lacks what a run made there of which other files are left."""
    world.put("in.csv")
    world.run(["in.csv"], {"a.csv": "a\n", "b.csv": "b\n"})
    world.run(["in.csv"], {"gone.csv": "gone\n"})
    world.path("b.csv").unlink()
    world.path("gone.csv").unlink()  # all of that run is gone: cleared away
    assert states(ask(world, "."), world) == {"a.csv": "ok", "b.csv": "missing"}


def test_an_output_that_was_renamed_or_used_up_is_not_lacking(world: World) -> None:
    world.put("in.csv")
    world.run(["in.csv"], {"a.csv": "a\n", "b.csv": "b\n", "c.csv": "c\n"})
    world.path("b.csv").rename(world.path("renamed.csv"))
    world.run(["c.csv"], {"d.csv": "d\n"}, removes=["c.csv"])
    found = states(ask(world, "."), world)
    assert found == {"a.csv": "ok", "renamed.csv": "ok", "d.csv": "ok"}


class TestInputsOfTheSameRun:
    def test_changed_afterwards(self, world: World) -> None:
        """What the run read first and changed then is current while it is as the run left it."""
        world.put("log", "1\n")
        world.run(["log"], {"out.csv": "out\n"}, {"log": "1\n2\n"})
        assert one(world, "out.csv").state == "ok"
        assert one(world, "log").state == "ok"
        world.put("log", "1\n2\n3\n")
        assert one(world, "out.csv").state == "input-modified"
        assert one(world, "log").state == "modified"

    def test_changed_afterwards_without_the_record(self, world: World) -> None:
        """Then the manifest that the changed file carries says so."""
        world.put("log", "1\n")
        world.run(["log"], {"out.csv": "out\n"}, {"log": "1\n2\n"})
        shutil.rmtree(world.directory / "store")
        assert one(world, "out.csv").state == "ok"
        world.put("log", "1\n2\n3\n")
        assert one(world, "out.csv").state == "input-modified"

    def test_removed(self, world: World) -> None:
        world.put("tmp.csv")
        world.run(["tmp.csv"], {"out.csv": "out\n"}, removes=["tmp.csv"])
        assert one(world, "out.csv").state == "ok"
        world.put("tmp.csv", "somebody else's\n")
        assert one(world, "out.csv").state == "input-modified"


class TestMoved:
    def test_tree(self, world: World) -> None:
        """Of a tree that was moved, inputs are found where they are relative to the output."""
        world.put("old/in/a.csv", "a\n")
        world.put("old/b.csv", "b\n")
        world.run(["old/in/a.csv", "old/b.csv"], {"old/out/plot.png": "plot\n"})
        world.path("old").rename(world.path("new"))
        found = one(world, "new/out/plot.png")
        assert (found.state, found.recorded) == ("ok", str(world.path("old/out/plot.png")))
        world.put("new/in/a.csv", "A\n")
        assert one(world, "new/out/plot.png").state == "input-modified"
        world.path("new/in/a.csv").unlink()
        assert one(world, "new/out/plot.png").state == "input-missing"

    def test_tree_with_another_in_its_place(self, world: World) -> None:
        """What stands now where an input was does not matter while the input itself is beside the output."""
        world.put("old/in.csv", "a\n")
        world.run(["old/in.csv"], {"old/out.csv": "out\n"})
        world.path("old").rename(world.path("new"))
        world.put("old/in.csv", "next year's\n")
        assert one(world, "new/out.csv").state == "ok"

    @pytest.mark.parametrize("attributes", [True, False])
    def test_copy(self, world: World, attributes: bool) -> None:
        """Of a copy, the originals count as long as they are there; without attributes the store knows the bytes."""
        world.put("old/in.csv", "a\n")
        world.run(["old/in.csv"], {"old/out.csv": "out\n"}, attach="xattr")
        shutil.copytree(
            world.path("old"), world.path("copy"), copy_function=shutil.copy2 if attributes else shutil.copyfile
        )
        assert one(world, "copy/out.csv").state == "ok"
        assert one(world, "copy/out.csv").source == ("xattr" if attributes else "digest")
        shutil.rmtree(world.path("old"))
        assert one(world, "copy/out.csv").state == "ok"
        world.put("copy/in.csv", "b\n")
        assert one(world, "copy/out.csv").state == "input-modified"
        assert states(ask(world, "copy"), world) == {"copy/out.csv": "input-modified"}

    def test_input_alone(self, world: World) -> None:
        """An input that some run made, and that was moved, is found by its digest where the store knows it."""
        world.put("raw", "raw\n")
        world.run(["raw"], {"first.csv": "same\n"})
        world.run(["raw"], {"second.csv": "same\n"})
        world.run(["first.csv"], {"out.csv": "out\n"})
        world.path("first.csv").unlink()
        found = one(world, "out.csv")
        assert found.state == "ok"
        world.put("second.csv", "SAME\n")
        assert one(world, "out.csv").state == "input-missing"

    def test_input_that_the_store_keeps(self, world: World) -> None:
        world.put("in.csv", "kept\n")
        world.run(["in.csv"], {"out.csv": "out\n"})
        world.path("in.csv").unlink()
        world.store.put_object(b"kept\n")
        assert one(world, "out.csv").state == "ok"

    def test_empty_input(self, world: World) -> None:
        """Every empty file has the same digest, which tells nothing."""
        world.put("empty", "")
        world.run(["empty"], {"out.csv": "out\n"})
        world.run([], {"other": ""})
        world.path("empty").unlink()
        assert one(world, "out.csv").state == "input-missing"


@pytest.mark.parametrize("name", ["results", "results/"])
def test_a_directory_that_is_gone(world: World, name: str) -> None:
    """All outputs below it are missing, but not what a later run used up."""
    world.run([], {"results/a.csv": "a\n", "results/deep/b.csv": "b\n", "results/tmp.csv": "tmp\n"})
    world.run(["results/tmp.csv"], {"c.csv": "c\n"}, removes=["results/tmp.csv"])
    shutil.rmtree(world.path("results"))
    answer = ask(world, f"{world.files}/{name}")
    assert states(answer, world) == {"results/a.csv": "missing", "results/deep/b.csv": "missing"}
    nothing = verify([b""], world.contents(), world.records())
    assert (nothing.files, len(nothing.unlisted)) == ([], 1)


def test_version_control_is_left_out(world: World) -> None:
    """As by inspect: its files are no files without a manifest, and none of them is missing."""
    chain(world)
    world.put(".git/HEAD", "ref: refs/heads/main\n")
    world.run([], {".git/index": "index\n", "made.csv": "made\n"}, attach="none")
    world.path(".git/index").unlink()
    answer = ask(world, ".")
    assert states(answer, world) == {"mid.csv": "ok", "out.csv": "ok", "made.csv": "ok"}
    assert answer.without == 2  # in.csv and fit.py


class TestWithoutStore:
    def test_attributes_alone(self, world: World) -> None:
        chain(world)
        shutil.rmtree(world.directory / "store")
        assert states(ask(world, "."), world) == {"mid.csv": "ok", "out.csv": "ok"}
        world.put("mid.csv", "changed\n")
        assert states(ask(world, "."), world) == {"mid.csv": "modified", "out.csv": "input-modified"}

    def test_summary(self, world: World) -> None:
        """Of a summary without its run the inputs are not known, which is said."""
        names = [f"in/{n:04}" for n in range(200)]
        for name in names:
            world.put(name, name)
        world.run(names, {"out.csv": "out\n"}, attach="xattr")
        path = os.fsencode(world.path("out.csv"))
        assert json.loads(os.getxattr(path, "user.shark"))["summary"]
        world.put("in/0007", "x")
        assert one(world, "out.csv").state == "input-modified"
        world.put("in/0007", "in/0007")
        assert one(world, "out.csv").state == "ok"
        if "user.shark.zlib" in os.listxattr(path):
            os.removexattr(path, "user.shark.zlib")
        shutil.rmtree(world.directory / "store")
        found = one(world, "out.csv")
        assert found.state == "ok"
        assert "summary" in found.problem


class TestSummaries:
    """Of outputs whose whole manifest does not fit into an attribute, as is usual for R and GDAL on ext4."""

    def make(self, world: World, *, compressed: bool) -> None:
        chain(world)
        for name in ("mid.csv", "out.csv"):
            summarise(world.path(name), compressed=compressed)

    @pytest.mark.parametrize("compressed", [True, False])
    @pytest.mark.parametrize("store", [True, False])
    def test_a_tree_that_was_moved(self, world: World, tmp_path: Path, compressed: bool, store: bool) -> None:
        """Inputs are found relative to the output, wherever it is known where that was."""
        self.make(world, compressed=compressed)
        if not store:
            shutil.rmtree(world.directory / "store")
        shutil.move(world.files, tmp_path / "moved")
        world.files = tmp_path / "moved"
        assert states(ask(world, "."), world) == {"mid.csv": "ok", "out.csv": "ok"}
        world.put("fit.py", "other\n")
        known = compressed or store
        assert one(world, "out.csv").state == ("input-modified" if known else "ok")
        assert ("summary" in one(world, "out.csv").problem) != known

    def test_a_sidecar_has_the_rest(self, world: World) -> None:
        """Without the store, a summary whose whole manifest lies beside the file is as good as that."""
        chain(world)
        text = os.getxattr(world.path("out.csv"), "user.shark")
        world.put(".out.csv.shark", text.decode())
        summarise(world.path("out.csv"), compressed=False)
        shutil.rmtree(world.directory / "store")
        world.put("fit.py", "other\n")
        assert one(world, "out.csv").state == "input-modified"

    def test_of_another_run(self, world: World) -> None:
        """A compressed manifest that is not of the summary's run is told, and the store's record goes before it."""
        self.make(world, compressed=True)
        os.setxattr(world.path("out.csv"), "user.shark.zlib", os.getxattr(world.path("mid.csv"), "user.shark.zlib"))
        world.put("fit.py", "other\n")
        found = one(world, "out.csv")
        assert found.state == "input-modified"
        assert "another run" in found.problem


def summarise(path: Path, *, compressed: bool) -> None:
    """Put a summary in the place of a manifest, as where the file system has little room."""
    text = os.getxattr(path, "user.shark")
    os.setxattr(path, "user.shark", jsontext.dumps(summary(json.loads(text), text)))
    if compressed:
        os.setxattr(path, "user.shark.zlib", zlib.compress(text))


class TestFolded:
    def make(self, world: World) -> None:
        names = [f"in/{n:04}.csv" for n in range(2000)]
        for name in names:
            world.put(name, name)
        world.run(names, {"out.csv": "out\n"}, attach="sidecar")
        manifest = json.loads(world.path(".out.csv.shark").read_bytes())
        assert [entry.get("files") for entry in manifest["inputs"]] == [2000]

    def test_with_the_record(self, world: World) -> None:
        """The record has the inputs one by one: the one that changed is named."""
        self.make(world)
        assert one(world, "out.csv").state == "ok"
        world.put("in/0042.csv", "changed\n")
        found = one(world, "out.csv")
        assert [(i.path, i.state) for i in found.inputs] == [(str(world.path("in/0042.csv")), "modified")]

    def test_without_the_record(self, world: World) -> None:
        """The files that are there are they if their digests together are; else it cannot be told."""
        self.make(world)
        shutil.rmtree(world.directory / "store")
        assert one(world, "out.csv").state == "ok"
        assert not one(world, "out.csv").inputs
        world.put("in/0042.csv", "changed\n")
        assert [i.state for i in one(world, "out.csv").inputs] == ["unchecked"]
        world.put("in/more", "")
        assert [i.state for i in one(world, "out.csv").inputs] == ["unchecked"]


class TestCandidates:
    def test_the_run_whose_inputs_are_there(self, world: World) -> None:
        """Of several runs that made the same bytes, one whose inputs are as they were is enough."""
        world.put("a", "a\n")
        world.put("b", "b\n")
        world.run(["a"], {"one": "same\n"}, attach="none")
        world.run(["b"], {"two": "same\n"}, attach="none")
        shutil.copyfile(world.path("one"), world.path("copy"))
        world.put("b", "changed\n")
        assert one(world, "copy").state == "ok"
        world.put("a", "changed\n")
        assert one(world, "copy").state == "input-modified"


class TestOdd:
    def test_unhashed_input(self, world: World) -> None:
        """What has no digest is compared by size, and named as not compared."""
        world.put("in.csv", "raw\n")
        world.run(["in.csv"], {"out.csv": "out\n"}, unhashed=["in.csv"])
        found = one(world, "out.csv")
        assert (found.state, [i.state for i in found.inputs]) == ("ok", ["unchecked"])
        assert [i.why for i in found.inputs] == ["no digest was recorded: its size and time are the same"]
        world.put("in.csv", "longer\n")
        assert one(world, "out.csv").state == "input-modified"

    def test_unhashed_input_with_another_time(self, world: World) -> None:
        """The same size proves nothing where the time is another: then it cannot be told, and that is no good state."""
        world.put("in.csv", "raw\n")
        world.run(["in.csv"], {"out.csv": "out\n"}, unhashed=["in.csv"])
        world.put("in.csv", "RAW\n")
        os.utime(world.path("in.csv"), (1, 1))
        found = one(world, "out.csv")
        assert (found.state, [i.state for i in found.inputs]) == ("unknown", ["touched"])
        assert found.hindered is False
        assert "in.csv" in found.problem

    def test_unhashed_input_that_the_run_itself_changed(self, world: World) -> None:
        """It is as the run left it, as far as size and time tell."""
        world.put("in.csv", "raw\n")
        world.run(["in.csv"], {"out.csv": "out\n", "in.csv": "RAW\n"}, unhashed=["in.csv"])
        assert (one(world, "out.csv").state, [i.state for i in one(world, "out.csv").inputs]) == ("ok", ["unchecked"])

    def test_unhashed_input_without_the_record(self, world: World) -> None:
        """Nothing but the size can be looked at, and no more is claimed."""
        world.put("in.csv", "raw\n")
        world.run(["in.csv"], {"out.csv": "out\n"}, unhashed=["in.csv"])
        shutil.rmtree(world.store.root)
        os.utime(world.path("in.csv"), (1, 1))
        found = one(world, "out.csv")
        assert (found.state, [i.why for i in found.inputs]) == (
            "ok",
            ["no digest was recorded, and its run is not in the store: only its size was compared"],
        )

    def test_names_that_are_not_text(self, world: World) -> None:
        name = os.fsdecode(b"a\xff\xfe.csv")
        world.put(name, "raw\n")
        world.run([name], {name + ".out": "out\n"})
        assert one(world, name + ".out").state == "ok"
        world.put(name, "RAW\n")
        found = one(world, name + ".out")
        assert [i.path for i in found.inputs] == [str(world.path(name))]

    def test_input_became_a_directory_or_a_link(self, world: World) -> None:
        world.put("in.csv", "raw\n")
        world.run(["in.csv"], {"out.csv": "out\n"})
        world.path("in.csv").rename(world.path("elsewhere.csv"))
        world.path("in.csv").symlink_to("elsewhere.csv")
        assert one(world, "out.csv").state == "ok"  # whoever made it again would read the same
        world.path("in.csv").unlink()
        world.path("in.csv").mkdir()
        assert one(world, "out.csv").state == "input-modified"

    def test_full_does_not_believe_the_cache(self, world: World) -> None:
        """A change that leaves the stat as it was is seen by reading."""
        world.put("in.csv", "raw\n")
        os.utime(world.path("in.csv"), (1e9, 1e9))
        world.run(["in.csv"], {"out.csv": "out\n"})
        read: list[int] = []
        contents = world.contents()
        contents._progress = read.append
        with world.records() as records:
            verify([os.fsencode(world.path("out.csv"))], contents, records)
            first = len(read)
            again = world.contents()
            again._progress = read.append
            verify([os.fsencode(world.path("out.csv"))], again, records)
            cached = len(read) - first
            full = world.contents(full=True)
            full._progress = read.append
            verify([os.fsencode(world.path("out.csv"))], full, records)
        assert (first, cached, len(read) - first - cached) == (2, 1, 2)  # out.csv is too new to be believed

    @pytest.mark.parametrize(
        "text",
        [
            b"",
            b"not json",
            b'{"schema":"shark/manifest/1"}',
            b'{"schema":"shark/manifest/9","output":{}}',
            b'{"schema":"shark/manifest/1","run":"x","output":{"sha256":"0"},"inputs":[',
            b'{"schema":"shark/manifest/1","run":"x","output":{"sha256":7,"size":4},"inputs":[]}',
            b'{"schema":"shark/manifest/1","run":"../../x","output":{"path":7,"sha256":"00","size":4},"inputs":[{"path":4}]}',
            b'{"schema":"shark/manifest/1","run":"x","output":{"inner":{"a":1,"inputs":[]},"size":4},"inputs":{}}',
        ],
    )
    def test_broken_manifests(self, world: World, text: bytes) -> None:
        """None of them is believed, and none ends the work on the others."""
        chain(world)
        os.setxattr(world.path("mid.csv"), "user.shark", text)
        found = {os.path.basename(file.file): file for file in ask(world, ".").files}
        assert found["out.csv"].state == "ok"
        # The store knows the file by path and content, whatever its attribute says.
        assert (found["mid.csv"].state, found["mid.csv"].source) == ("ok", "store")
        shutil.rmtree(world.directory / "store")
        assert one(world, "mid.csv").state in {"unknown", "modified"}

    def test_damaged_record(self, world: World) -> None:
        """A record that cannot be read is told of, and attributes go on to answer."""
        world.put("in.csv")
        run = world.run(["in.csv"], {"out.csv": "out\n"})
        Path(os.fsdecode(world.store.record_path(run))).write_bytes(b"\x1f\x8bshort")
        world.put("in.csv", "HELLO\n")
        with world.records() as records:
            answer = verify([os.fsencode(world.path("out.csv"))], world.contents(), records)
            assert [file.state for file in answer.files] == ["input-modified"]
            assert any("damaged" in problem for problem in records.problems)

    def test_pyshark(self, world: World) -> None:
        """Manifests of the predecessor are compared by SHA-1, their inputs too."""
        world.put("in.csv", "raw\n")
        world.put("out", "hello\n")
        manifest: dict[str, Any] = {
            "args": ["x.py"],
            "start": "2023-05-01T10:00:00+00:00",
            "inputs": [
                {"path": str(world.path("in.csv")), "sha": "83b35a2d8eff9c5dd5ef8d1fb09ddfb1b6c0f8b1"},
                {"url": "https://example.org/x"},
            ],
            "outputs": [{"path": "out", "sha": "f572d396fae9206628714fb2ce00f72e94f2258f"}],
        }
        import hashlib

        manifest["inputs"][0]["sha"] = hashlib.sha1(b"raw\n").hexdigest()
        world.path(".out.shark").write_text(json.dumps(manifest))
        found = one(world, "out")
        assert (found.state, [i.state for i in found.inputs]) == ("ok", ["unchecked"])
        world.put("in.csv", "RAW\n")
        assert one(world, "out").state == "input-modified"
        world.put("out", "HELLO\n")
        assert one(world, "out").state == "modified"


@pytest.fixture
def strangers_world() -> Iterator[World]:
    """A world that a stranger may enter, for tests in which this process becomes one for a moment."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        os.chmod(directory, 0o755)
        yield World(Path(directory))


def test_unreadable(strangers_world: World) -> None:
    """A file that may not be read is no verdict but trouble; neither is an input, which is said."""
    world = strangers_world
    chain(world)
    for name in ("out.csv", "in.csv"):
        world.path(name).chmod(0o600)
    world.put("locked/x")
    world.path("locked").chmod(0o700)
    os.seteuid(65534)
    try:
        world.environ.update(SHARK_HOME="/nonexistent", XDG_CACHE_HOME="/nonexistent")
        answer = ask(world, ".")
    finally:
        os.seteuid(0)
    found = {os.path.basename(file.file): file for file in answer.files}
    assert (found["out.csv"].state, found["out.csv"].hindered) == ("unknown", True)
    assert (found["mid.csv"].state, [i.state for i in found["mid.csv"].inputs]) == ("ok", ["unchecked"])
    assert [os.path.basename(name) for name, _ in answer.unlisted] == ["locked"]


def test_documents_are_of_the_files_that_are_not_ok(world: World) -> None:
    chain(world)
    world.put("in.csv", "RAW\n")
    answer = ask(world, ".")
    assert [file["state"] for file in answer.document()["files"]] == ["input-modified", "ok"]
    assert [file["state"] for file in answer.document(whole=False)["files"]] == ["input-modified"]
    assert answer.document(whole=False)["counts"] == {"input-modified": 1, "ok": 1}


def test_the_source_of_a_copy_is_no_output(world: World) -> None:
    """An input with the same bytes as an output was not made by that run."""
    world.put("in.csv", "same\n")
    world.run(["in.csv"], {"out.csv": "same\n"})
    answer = ask(world, ".")
    assert states(answer, world) == {"out.csv": "ok"}
    assert answer.without == 1


def copies(world: World) -> None:
    """Of each of two inputs, a run made a copy; the texts are too long to be the same by chance."""
    for n in "12":
        world.put(f"a/in{n}", n * 100)
    for n in "12":
        world.run([f"a/in{n}"], {f"a/o{n}": n * 100})


def test_inputs_that_were_swapped_are_no_outputs(world: World) -> None:
    """Each has the bytes of an output then, whose run had found them already."""
    copies(world)
    world.put("a/in1", "2" * 100)
    world.put("a/in2", "1" * 100)
    answer = ask(world, "a")
    assert states(answer, world) == {"a/o1": "input-modified", "a/o2": "input-modified"}
    assert answer.without == 2


def test_inputs_in_a_folder_that_was_moved_are_no_outputs(world: World) -> None:
    """Nor is one that was changed in its place to what its run made of it."""
    copies(world)
    world.run(["a/in1", "a/in2"], {"a/sum": "3" * 100})
    world.put("a/in1", "3" * 100)
    world.path("a").rename(world.path("b"))
    answer = ask(world, "b")
    assert states(answer, world) == {"b/o1": "input-modified", "b/o2": "ok", "b/sum": "input-modified"}
    assert answer.without == 2


def test_a_copy_of_a_copy_is_known_by_its_name(world: World) -> None:
    """Where a run copied, its input has the same bytes; a file that is called as the output is that one's copy."""
    copies(world)
    world.put("elsewhere/o1", "1" * 100)
    world.put("elsewhere/other", "1" * 100)
    assert states(ask(world, "elsewhere"), world) == {"elsewhere/o1": "ok"}
