"""What changes and moves a file: updates, pre-images, renames, intermediates (TRACING, same heading)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from harness import SHARK, Compiler, Run, World, attached, digest

Trace = Callable[..., Run]
SharkRun = Callable[..., Run]

CONTENT = b"the input\n"
OLD = b"old content\n"


@pytest.mark.parametrize(
    "how",
    ["append", "update", "creat-alone", "same-bytes", "same-size-kept-mtime", "truncate", "ftruncate", "fallocate"],
)
def test_a_change_in_place(trace: Trace, world: World, how: str) -> None:
    """A file changed without O_TRUNC is an output, and with its old digest an input of itself."""
    old = world.write("data", OLD)
    run = trace("in_place", how)
    assert run.outputs == {"data": digest(world.read("data"))}
    assert run.inputs("data") == {"data": old}
    assert run.gaps == set()


@pytest.mark.parametrize("how", ["trunc", "trunc-only", "trunc-same-bytes"])
def test_a_truncating_open(trace: Trace, world: World, how: str) -> None:
    """With O_TRUNC the earlier content is gone unread: an output, and no input."""
    world.write("data", OLD)
    run = trace("in_place", how)
    assert run.outputs == {"data": digest(world.read("data"))}
    assert run.inputs("data") == {}


@pytest.mark.parametrize("how", ["unchanged", "unchanged-chmod", "touch"])
def test_opened_for_writing_but_not_changed(trace: Trace, world: World, how: str) -> None:
    """Opened for writing, chmod-ed, linked or touched: the content is the same, so it is no output."""
    world.write("data", OLD)
    run = trace("in_place", how)
    assert run.outputs == {}
    assert attached(world.work / "data") is None


@pytest.mark.parametrize("what", ["overwrite", "update", "truncate", "unlink", "recreate", "replace", "unlink-open"])
def test_an_input_destroyed_after_reading(trace: Trace, world: World, what: str) -> None:
    """What was read keeps the digest of what was read, though the run itself changed, replaced or removed it."""
    sha = world.write("in", CONTENT)
    run = trace("input_then", what)
    assert run.reads >= {"in"}
    entries = [e for e in run.manifest("out")["inputs"] if e.get("sha256") == sha]
    assert [e["path"] for e in entries] == [f"{world.work}/in"]
    assert run.gaps == set()
    left = {"overwrite", "update", "truncate", "recreate", "replace"}
    assert set(run.outputs) == ({"in", "out"} if what in left else {"out"})
    if what in {"update", "truncate"}:
        assert run.inputs("in") == {"in": sha}


@pytest.mark.parametrize(("what", "now"), [("rename", "moved"), ("link", "in"), ("chmod", "in"), ("touch", "in")])
def test_an_input_moved_after_reading(trace: Trace, world: World, what: str, now: str) -> None:
    """An input that is renamed, linked, chmod-ed or touched after reading is still the one input, by its one digest."""
    sha = world.write("in", CONTENT)
    run = trace("input_then", what)
    inputs = run.inputs("out")
    assert list(inputs.values()) == [sha]
    assert set(inputs) <= {"in", now}
    assert set(run.outputs) == {"out"}
    assert run.gaps == set()


def test_an_input_exchanged_after_reading(trace: Trace, world: World) -> None:
    """RENAME_EXCHANGE swaps the names, not the contents."""
    sha = world.write("in", CONTENT)
    run = trace("input_then", "exchange")
    assert sha in run.inputs("out").values()
    assert run.outputs == {"in": digest(b"the other one\n"), "out": sha}


@pytest.mark.parametrize(
    ("how", "existing"),
    [
        *((how, False) for how in ("tmp", "tmp-open", "renameat", "noreplace", "whiteout", "link")),
        *((how, True) for how in ("tmp", "tmp-open", "renameat", "exchange")),
    ],
    ids=lambda value: {True: "over", False: "new"}.get(value, value),
)
def test_written_aside_and_put_in_place(trace: Trace, world: World, how: str, existing: bool) -> None:
    """Write x.tmp, put it at x by rename or link: one output x, and no x.tmp anywhere."""
    sha = world.write("in", CONTENT)
    (world.work / "sub").mkdir()
    if existing:
        world.write("out", OLD)
    run = trace("renames", how)
    assert run.outputs == {"out": sha}
    assert run.inputs("out") == {"in": sha}
    assert not (world.work / "out.tmp").exists()
    assert list(world.work.rglob(".*.shark")) == []


def test_a_directory_renamed(trace: Trace, world: World) -> None:
    """Renaming a directory moves everything below it."""
    sha = world.write("in", CONTENT)
    run = trace("renames", "directory")
    assert run.outputs == {"d/deep/out": sha}
    assert run.inputs("d/deep/out") == {"in": sha}


def test_a_directory_exchanged(trace: Trace, world: World) -> None:
    """Exchanged directories: the output is where it is now; what was there before is not an output."""
    sha = world.write("in", CONTENT)
    world.write("sub/old", OLD)
    run = trace("renames", "directory-exchange")
    assert run.outputs == {"sub/out": sha}
    assert (world.work / "d.tmp/old").read_bytes() == OLD


def test_a_backup_is_no_output(trace: Trace, world: World) -> None:
    """`old` moved to `old~`, and written anew: one output; the backup was only renamed."""
    sha = world.write("in", CONTENT)
    world.write("old", OLD)
    run = trace("renames", "backup")
    assert run.outputs == {"old": sha}
    assert attached(world.work / "old~") is None


def test_only_renamed(trace: Trace, world: World) -> None:
    """A file that the run only renamed is no output."""
    world.write("in", CONTENT)
    run = trace("renames", "only-renamed")
    assert run.outputs == {}
    assert attached(world.work / "elsewhere") is None


def test_two_names(trace: Trace, world: World) -> None:
    """An output with two hard links is one file, and has one manifest, which both names show."""
    sha = world.write("in", CONTENT)
    run = trace("renames", "two-names")
    assert len(run.record["outputs"]) == 1
    assert set(run.outputs.values()) == {sha}
    first, second = attached(world.work / "out"), attached(world.work / "out2")
    assert first
    assert first == second or second is None


def test_renamed_twice(trace: Trace, world: World) -> None:
    """a becomes b becomes out, and a new a is written: two outputs."""
    sha = world.write("in", CONTENT)
    run = trace("renames", "twice")
    assert run.outputs == {"out": sha, "a": digest(b"another file\n")}
    assert run.inputs("out") == {"in": sha}


def test_a_sidecar_moves_with_its_file(shark_run: SharkRun, world: World) -> None:
    """A file only renamed keeps its manifest; its sidecar goes with it."""
    world.write("in", CONTENT)
    shark_run(["cp", "in", "a"], "--attach", "sidecar")
    assert (world.work / ".a.shark").exists()
    run = shark_run(["mv", "a", "b"])
    assert run.outputs == {}
    assert (world.work / ".b.shark").exists()
    assert not (world.work / ".a.shark").exists()


@pytest.mark.parametrize("how", ["unlink", "unlink-open", "removed-tree"])
def test_intermediates(trace: Trace, world: World, how: str) -> None:
    """A file made and removed inside the run is neither output nor input, and the flow goes through it."""
    sha = world.write("in", CONTENT)
    run = trace("intermediates", how)
    assert run.outputs == {"out": sha}
    assert run.inputs("out") == {"in": sha}
    assert run.gaps == set()


def test_an_inode_number_taken_over(trace: Trace, world: World) -> None:
    """A removed file's inode number that the output takes over is another file: the output is still one."""
    run = trace("intermediates", "inode-reuse")
    assert run.outputs == {"out": digest(b"fresh\n")}
    assert run.inputs("out") == {}


def test_an_inputs_inode_number_taken_over(trace: Trace, world: World) -> None:
    """The input was removed, and its number may be the output's now: the input keeps its path and digest."""
    sha = world.write("in", CONTENT)
    run = trace("intermediates", "input-inode-reuse")
    assert run.outputs == {"out": digest(b"fresh\n")}
    assert run.inputs("out") == {"in": sha}


def test_an_output_overwritten_by_the_same_run(trace: Trace, world: World) -> None:
    """The last version counts; the run's own earlier version of it is no input."""
    sha = world.write("in", CONTENT)
    run = trace("intermediates", "overwritten-output")
    assert run.outputs == {"out": sha}
    assert run.inputs("out") == {"in": sha}


def test_changed_by_someone_outside(world: World, tracee: Compiler, mode: str) -> None:
    """An input that someone else changed after it was read is listed without a digest that would be a lie."""
    world.write("in", CONTENT)
    document = world.root / "document.json"
    command = world.command([tracee("changed_outside")], "--json", str(document), mode=mode)
    with subprocess.Popen(
        command, cwd=world.work, env=world.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stdout.read(1) == b"x"
        (world.work / "in").write_bytes(b"changed by another hand meanwhile\n")
        out, err = process.communicate(b"x", timeout=60)
    run = world.finished(process.returncode, out, err, document)
    assert run.status == 0, err
    assert "changed-outside" in run.gaps
    assert run.inputs("out") == {"in": None}


def test_an_output_removed_by_the_run(shark_run: SharkRun, world: World) -> None:
    """What does not exist when the run ends is no output."""
    run = shark_run(["sh", "-c", "echo 1 > a; echo 2 > b; rm a"])
    assert set(run.outputs) == {"b"}


def test_copied_by_rename_over_an_input(shark_run: SharkRun, world: World) -> None:
    """`sort x > y; mv y x` (as sed -i does): the new x comes from the old x."""
    sha = world.write("x", b"b\na\n")
    run = shark_run(["sh", "-c", "sort x > y && mv y x"])
    assert run.outputs == {"x": digest(b"a\nb\n")}
    assert run.inputs("x") == {"x": sha}


def test_attaching_changes_nothing_else(shark_run: SharkRun, world: World) -> None:
    """Content, mtime, mode and owner of an output are what the command left."""
    run = shark_run(["sh", "-c", "umask 027; echo 1 > out; touch -d 2020-01-02T03:04:05Z out"])
    assert run.status == 0
    status = os.stat(world.work / "out")
    assert status.st_mtime_ns == 1_577_934_245_000_000_000
    assert status.st_mode & 0o7777 == 0o640
    assert run.manifest("out")["output"]["sha256"] == digest(b"1\n")


def test_a_name_that_no_call_used(shark_run: SharkRun, world: World) -> None:
    """A file changed by one name, which is then removed, lives on by a name that nobody mentioned: that is said."""
    world.write("c")
    os.link(world.work / "c", world.work / "h")
    run = shark_run(["sh", "-c", "echo more >> h; rm h"])
    assert "other" in run.gaps
    [gap] = run.record["coverage"]["gaps"]
    assert gap["detail"].startswith(f"{world.work}/h was changed, and lives on")


MADE_TO_BE_READ = """
import os
lock = os.open("lock", os.O_RDONLY | os.O_CREAT, 0o600)
os.mkfifo("fifo")
fifo = os.open("fifo", os.O_RDONLY | os.O_NONBLOCK)
os.read(lock, 10), os.read(fifo, 10)
with open("in", "rb") as source, open("out", "wb") as out:
    out.write(source.read())
os.unlink("fifo")
"""


def test_made_by_an_open_for_reading(shark_run: Callable[..., Run], world: World) -> None:
    """A lock file that is made by being opened (flock does so) is the run's own; so is a FIFO that it only reads."""
    world.write("in", CONTENT)
    run = shark_run(["python3", "-c", MADE_TO_BE_READ])
    assert run.status == 0, run.stderr
    assert set(run.inputs("out")) == {"in"}
    assert run.outputs == {"lock": digest(b""), "out": digest(CONTENT)}
    assert run.gaps == set()
    verified = subprocess.run([*SHARK, "verify", "out", "lock"], cwd=world.work, env=world.env, capture_output=True)
    assert verified.returncode == 0, verified.stdout
