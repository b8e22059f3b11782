"""What goes wrong around a run: a clear message, the right exit code, nothing lost, the command's result untouched."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import SHARK, Compiler, Run, World, digest, need_root
from test_crash import tmpfs

CONTENT = b"the input\n"


def inspect(world: World, *files: Any) -> tuple[int, list[dict[str, Any]], bytes]:
    """Exit status, document and complaints of `shark inspect --json`."""
    command = [*SHARK, "inspect", "--json", "--", *files]
    done = subprocess.run(command, cwd=world.work, env=world.env, capture_output=True, timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else [], done.stderr


def quiet(run: Run) -> None:
    """The run said nothing."""
    assert run.stderr == b""


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["no-such-command"], 127, b"no-such-command"),
        (["./no/such"], 127, b"./no/such"),
        (["./plain"], 126, b"./plain"),
        (["."], 126, b"."),
        ([""], 127, b""),
    ],
    ids=["unknown", "no such path", "not executable", "directory", "empty"],
)
def test_a_command_that_cannot_be_executed(world: World, mode: str, argv: list[str], status: int, said: bytes) -> None:
    """The shell's exit codes, one line that names it, and no record of nothing."""
    world.write("plain", CONTENT, mode=0o644)
    run = world.run(argv, mode=mode)
    assert run.status == status
    assert said in run.stderr
    assert b"Traceback" not in run.stderr
    assert run.records == []


@pytest.mark.root
def test_a_working_directory_that_may_not_be_read(world: World, mode: str) -> None:
    """The command works where it may not list."""
    need_root()
    who = world.become_nobody()
    world.write("in", CONTENT)
    os.chmod(world.work, 0o733)  # to be entered and written, not listed
    run = world.run(["sh", "-c", "cat in > out; ls; exit 4"], mode=mode, **who)
    os.chmod(world.work, 0o755)
    assert run.status in {2, 4}
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.manifest("out")["output"]["sha256"] == digest(CONTENT)


NAMES = [
    b"not \xff\xfe utf-8",
    b"new\nline\n",
    b" blank ",
    b"-n",
    b"\x1b[31mred",
    b"a\\b'\"",
    "ä€😀".encode(),
    b"x" * 255,
]


def test_names_of_any_bytes(world: World, mode: str) -> None:
    """Paths that are not UTF-8, that hold newlines or control characters: recorded, attached, and found again."""
    directory = os.fsencode(world.work)
    for number, name in enumerate(NAMES):
        path = directory + b"/" + name
        with open(path, "wb") as file:
            file.write(b"%d\n" % number)
        os.utime(path, (1, 1))
    outputs = [b"out" + name[:200] for name in NAMES]
    pairs = [word for pair in zip(NAMES, outputs, strict=True) for word in pair]
    run = world.run(["sh", "-c", 'while [ $# -gt 0 ]; do cat < "$1" > "$2"; shift 2; done', "sh", *pairs], mode=mode)
    assert run.status == 0
    quiet(run)
    assert run.outputs == {os.fsdecode(name): digest(b"%d\n" % number) for number, name in enumerate(outputs)}
    for name in outputs:
        assert run.inputs(os.fsdecode(name)).items() >= {
            (os.fsdecode(n), digest(b"%d\n" % i)) for i, n in enumerate(NAMES) if b"out" + n[:200] == name
        }
    status, document, complaints = inspect(world, *outputs)
    assert (status, complaints) == (0, b"")
    assert [entry["state"] for entry in document] == ["current"] * len(outputs)


@pytest.mark.root
def test_a_full_disk_below_the_output(world: World, mode: str) -> None:
    """The command sees its own error; what it could write is recorded; a sidecar that has no room is a warning."""
    need_root()
    world.write("in", CONTENT)
    with tmpfs(world.work / "small", "64k"):
        script = "cat in > small/out; head -c 1000000 /dev/zero > small/full 2>/dev/null; exit 5"
        run = world.run(["sh", "-c", script], "--attach", "sidecar", mode=mode)
        assert run.status == 5
        assert b"no space left on device" in run.stderr.lower()
        assert b"Traceback" not in run.stderr
        assert run.outputs["small/out"] == digest(CONTENT)
        assert run.outputs["small/full"] == digest((world.work / "small/full").read_bytes())
        assert world.leftovers() == []


@pytest.mark.root
def test_a_read_only_output_directory(world: World, mode: str) -> None:
    """Where no manifest can be written, the store alone has it: a warning, 125 if strict."""
    need_root()
    directory = world.work / "fixed"
    directory.mkdir()
    (directory / "out").write_bytes(b"old\n")
    who = world.become_nobody()
    directory.chmod(0o555)
    for options, status in (((), 0), (("--strict",), 125)):
        run = world.run(["sh", "-c", "echo new > fixed/out"], "--attach", "sidecar", *options, mode=mode, **who)
        assert run.status == status
        assert b"fixed/out" in run.stderr
        assert b"Traceback" not in run.stderr
        assert run.outputs == {"fixed/out": digest(b"new\n")}
        assert (directory / "out").read_bytes() == b"new\n"
    status, [entry], _ = inspect(world, "fixed/out")
    assert (status, entry["source"], entry["state"]) == (0, "store", "current")


GARBAGE = {
    "truncated": b'{"schema": "shark/manifest/1", "run": "0193',
    "wrong types": b'{"schema": "shark/manifest/1", "run": 7, "inputs": {"a": []}, "output": "x", "command": [1]}',
    "not JSON": b"\xff\x00garbage",
    "another schema": b'{"schema": "shark/manifest/99"}',
    "a list": b"[1, 2]",
}


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_damaged_attribute(world: World, garbage: bytes) -> None:
    """On an input it is no obstacle, on an output it is replaced; inspect says what it is."""
    world.write("in", CONTENT)
    (world.work / "out").write_bytes(b"old\n")
    for name in ("in", "out"):
        os.setxattr(world.work / name, "user.shark", garbage)
        os.setxattr(world.work / name, "user.shark.zlib", b"x\x9cgarbage")
    run = world.run(["sh", "-c", "cat in > out; exit 6"])
    assert run.status == 6
    assert b"Traceback" not in run.stderr
    assert run.manifest("out")["output"]["sha256"] == digest(CONTENT)
    assert run.inputs("out") == {"in": digest(CONTENT)}
    status, [entry], complaints = inspect(world, "in")
    assert status == 1
    assert entry["problem"]
    assert b"Traceback" not in complaints


@pytest.mark.parametrize(
    "garbage", [*GARBAGE.values(), os.urandom(1 << 20), b"[" * (1 << 20)], ids=[*GARBAGE, "a megabyte", "deep"]
)
def test_a_damaged_sidecar(world: World, garbage: bytes) -> None:
    """What does not parse as a manifest may be somebody's own file: it stays, and is told."""
    world.write("in", CONTENT)
    sidecar = world.work / ".out.shark"
    sidecar.write_bytes(garbage)
    run = world.run(["sh", "-c", "cat in > out; exit 6"], "--attach", "sidecar")
    assert run.status == 6
    assert b"Traceback" not in run.stderr
    assert run.outputs == {"out": digest(CONTENT)}
    if sidecar.read_bytes() == garbage:
        assert b"out" in run.stderr
        status, [entry], complaints = inspect(world, "out")
        assert (status, entry["source"], entry["state"]) == (0, "store", "current")
        assert b"Traceback" not in complaints
        sidecar.unlink()
    else:
        assert json.loads(sidecar.read_bytes())["run"] == run.record["id"]


def test_an_output_is_deleted_before_its_manifest_is_attached(world: World, mode: str) -> None:
    """Someone outside is quicker than shark: the others are attached, and the record says what became of this one."""
    big = world.work / "big"
    with open(big, "wb") as file:
        file.truncate(1 << 30)  # its hashing takes most of a second, in which the outputs wait
    os.utime(big, (1, 1))
    command = world.command(["sh", "-c", "exec 3< big; echo 1 > gone; echo 2 > stays; exit 7"], mode=mode)
    with subprocess.Popen(command, cwd=world.work, env=world.env, stderr=subprocess.PIPE) as process:
        until_ended(process.pid)
        (world.work / "gone").unlink()
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 7
    assert b"Traceback" not in complaints
    assert world.settle() == []
    run = world.finished(7, b"", complaints)
    assert run.outputs["stays"] == digest(b"2\n")
    assert run.manifest("stays")["output"]["sha256"] == digest(b"2\n")
    gone = [entry for entry in run.record["outputs"] if entry["path"].endswith("/gone")]
    assert all(entry["attached"] == "none" and entry["why"] for entry in gone)


def until_ended(pid: int) -> None:
    """Wait until the process is a zombie, which its supervisor holds back."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
    pytest.fail("it never ended")


@pytest.mark.root
def test_a_store_that_cannot_be_written(world: World, mode: str) -> None:
    """A temporary one takes the record, with a warning that says where it is."""
    need_root()
    world.write("in", CONTENT)
    world.store.mkdir(mode=0o500)
    who = world.become_nobody()
    os.chown(world.store, 0, 0)
    run = world.run(["sh", "-c", "cat in > out; exit 3"], mode=mode, **who)
    assert run.status == 3
    assert run.stderr.startswith(b"shark: warning: ")
    kept = list(world.root.rglob("*.json.gz"))
    assert len(kept) == 1, run.stderr
    assert os.fsencode(kept[0].parents[4]) in run.stderr
    assert run.manifest("out")["output"]["sha256"] == digest(CONTENT)
    shutil.rmtree(kept[0].parents[4])


# A command that has closed its standard error by its end, as all of GNU's do that end by close_stdout

CLOSES = "cat in > out; exec 2>&-; exit 3"


@pytest.fixture
def hindered(world: World) -> Iterator[World]:
    """With an input, and with something where its output's sidecar would be, which is a warning."""
    world.write("in", CONTENT)
    (world.work / ".out.shark").mkdir()
    yield world
    (world.work / ".out.shark").rmdir()


def test_a_warning_to_a_file_that_the_command_has_closed(hindered: World, mode: str) -> None:
    """A file has no reader who waits for its end: it is kept. What stands behind the command's own words, in order."""
    with open(hindered.work / "log", "wb") as log:
        script = f"echo first >&2; {CLOSES}"
        run = hindered.run(["sh", "-c", script], "--attach", "sidecar", mode=mode, stderr=log)
    assert run.status == 3
    first, rest = (hindered.work / "log").read_text().split("\n", 1)
    assert first == "first"
    assert re.fullmatch(r"shark: warning: no manifest on .*/out: .*\n", rest)


def test_a_warning_to_a_pipe_that_the_command_has_closed(hindered: World, mode: str) -> None:
    """Whoever started shark has it still, and lends it for a line."""
    command = hindered.command(["sh", "-c", CLOSES], "--attach", "sidecar", mode=mode)
    done = subprocess.run(
        ["sh", "-c", '"$@"; echo "status $?" >&2', "sh", *command],
        cwd=hindered.work, env=hindered.env, capture_output=True, timeout=60,
    )  # fmt: skip
    assert re.fullmatch(rb"shark: warning: no manifest on .*/out: .*\nstatus 3\n", done.stderr)


def test_a_warning_under_strict_to_a_pipe_that_the_command_has_closed(hindered: World, mode: str) -> None:
    """The exit status of shark itself is explained."""
    run = hindered.run(["sh", "-c", CLOSES.replace("exit 3", "exit 0")], "--attach", "sidecar", "--strict", mode=mode)
    assert run.status == 125
    assert re.fullmatch(rb"shark: warning: no manifest on .*/out: .*\n", run.stderr)


def test_a_warning_by_another_descriptor_of_the_command(hindered: World, mode: str) -> None:
    """Its standard output was the same pipe, and is open still."""
    run = hindered.run(["sh", "-c", CLOSES], "--attach", "sidecar", mode=mode, stderr=subprocess.STDOUT)
    assert run.status == 3
    assert re.fullmatch(rb"shark: warning: no manifest on .*/out: .*\n", run.stdout)


def test_what_is_known_before_the_command_starts_is_said_then(world: World, mode: str) -> None:
    """Standard error is shark's own until then; the record is in a temporary store, which is told."""
    world.write("in", CONTENT)
    script = f"echo first >&2; {CLOSES}"
    env = {"SHARK_HOME": "/proc/nowhere", "TMPDIR": str(world.root)}
    run = world.run(["sh", "-c", script], mode=mode, env=env)
    assert run.status == 3
    said = rb"shark: warning: the store /proc/nowhere cannot be written .*: recording in (.*), which may .*\nfirst\n"
    found = re.fullmatch(said, run.stderr)
    assert found, run.stderr
    assert list(Path(os.fsdecode(found[1])).rglob("*.json.gz"))


def test_two_runs_write_the_same_file_at_once(world: World, tmp_path: Path, mode: str) -> None:
    """Both are recorded; the file's manifest is whole, and of one of them."""
    script = f"exec 3> out; read go < {tmp_path}/gate-$0; echo $0 >&3"
    names = ("first", "second")
    for name in names:
        os.mkfifo(tmp_path / f"gate-{name}")
    runs = [
        subprocess.Popen(world.command(["sh", "-c", script, name], mode=mode), cwd=world.work, env=world.env)
        for name in names
    ]
    for name in names:
        (tmp_path / f"gate-{name}").write_bytes(b"go\n")  # opened when the other end is
    for process in runs:
        assert process.wait(60) == 0
    assert world.settle() == []
    run = world.finished(0, b"", b"")
    assert len(run.records) == 2
    content = (world.work / "out").read_bytes()
    for record in run.records:
        assert [entry["path"] for entry in record["outputs"]] == [f"{world.work}/out"]
    manifest = run.manifest("out")
    assert manifest["run"] in {record["id"] for record in run.records}
    assert digest(content) in {record["outputs"][0].get("sha256") for record in run.records}


def test_ten_thousand_outputs(world: World) -> None:
    """Each has its digest and its manifest."""
    run = world.run(["sh", "-c", "i=0; while [ $i -lt 10000 ]; do echo $i > out$i; i=$((i + 1)); done"], timeout=100)
    assert run.status == 0
    quiet(run)
    outputs = run.outputs
    assert len(outputs) == 10_000
    assert all(outputs[f"out{i}"] == digest(b"%d\n" % i) for i in range(10_000))
    assert all(run.manifest(f"out{i}")["output"]["sha256"] == digest(b"%d\n" % i) for i in range(0, 10_000, 97))


def test_a_command_line_of_100_kilobytes(world: World, mode: str) -> None:
    """It is kept whole, in the record and in the manifest, wherever that fits."""
    world.write("in", CONTENT)
    words = ["x" * 100_000, *(f"word-{number}" for number in range(20_000))]
    run = world.run(["sh", "-c", "cat in > out; exit 8", "sh", *words], mode=mode)
    assert run.status == 8
    quiet(run)
    assert run.record["command"]["argv"][4:] == words
    assert run.manifest("out")["command"]["argv"][4:] == words
    status, [entry], _ = inspect(world, "out")
    assert (status, entry["state"]) == (0, "current")


def test_an_argument_that_is_no_utf_8(world: World, mode: str) -> None:
    """It comes back as it was."""
    run = world.run([b"sh", b"-c", b"echo > out", b"\xff\xfe\n"], mode=mode)
    assert run.status == 0
    assert os.fsencode(run.manifest("out")["command"]["argv"][3]) == b"\xff\xfe\n"


DEEP = """
import os
for _ in range(25):
    os.mkdir("d" * 200)
    os.chdir("d" * 200)
with open("in", "w") as file:
    file.write("some")
with open("in") as file, open("out", "w") as out:
    out.write(file.read())
os.rename("out", "result")
os.unlink("in")
"""


def test_a_path_that_the_kernel_does_not_tell(shark_run: Callable[..., Run], world: World) -> None:
    """Below directories whose names are over 4,095 bytes together, what is opened is a gap, and no fault of shark."""
    run = shark_run(["python3", "-c", DEEP], "-v")
    shutil.rmtree(world.work / ("d" * 200))  # what looks for leftovers could not
    assert run.status == 0
    assert b"fault" not in run.stderr
    details = [gap["detail"] for gap in run.record["coverage"]["gaps"]]
    assert any("over 4095 bytes" in detail for detail in details), details
    assert not any("fault" in detail for detail in details), details


FAULTY = """
import sys
from shark.capture.holdings import Holdings
def fault(self, task):
    raise ValueError("a fault")
Holdings.at_fork = Holdings.at_birth = fault
from shark.__main__ import main
sys.exit(main())
"""


def test_a_fault_of_shark_at_a_fork(shark_run: Callable[..., Run], world: World, tracee: Compiler) -> None:
    """The child goes on, and shark says what went wrong."""
    world.write("in")
    world.shark = (sys.executable, "-c", FAULTY)
    run = shark_run(["sh", "-c", f"cat in > again; {tracee('closed_after_fork')}"])  # which has threads, too
    assert run.status == 0
    assert b"a fault of shark itself" in run.stderr
    assert set(run.outputs) == {"out", "again"}
