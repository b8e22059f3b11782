"""Runs that end badly: the supervisor killed at any moment, processes killed and stopped, disks and memory full.

Whatever happens, what was seen until then can be had, outputs are as the command left them, nothing is half written.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import shark
from harness import MODES, SHARK, Run, World, digest, need_root, sha256
from shark.errors import EXIT_RUN

CONTENT = b"the input\n"
FILES = 120
SCRIPT = f"""
i=0
while [ $i -lt {FILES} ]; do
    echo "line $i" > out$i
    echo "line $i" > tmp$i && mv tmp$i moved$i
    [ $((i % 20)) = 0 ] && cat in > copy$i
    i=$((i + 1))
done
"""
SEED = int(os.environ.get("SHARK_FUZZ_SEED", "") or random.randrange(1 << 32))
CGROUP = Path("/sys/fs/cgroup/memory")


@cache
def schema() -> dict[str, Any]:
    """The run record's schema, as it is shipped."""
    path = Path(shark.__file__).parent / "schemas" / "run-1.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@contextlib.contextmanager
def tmpfs(path: Path, size: str) -> Iterator[Path]:
    """A small file system of its own."""
    path.mkdir(parents=True, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", path], capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


# The supervisor is killed


def supervisor_of(process: subprocess.Popen[bytes]) -> int:
    """A pidfd of the tracer, as soon as there is one; -1 if the command ended before."""
    while process.poll() is None:
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("TracerPid:") and (number := int(line.split()[1])):
                return os.pidfd_open(number)
    return -1


def stand_still(process: int) -> None:
    """Stop a process, given by its pidfd, and wait until it has stopped."""
    signal.pidfd_send_signal(process, signal.SIGSTOP)
    about = Path(f"/proc/self/fdinfo/{process}").read_text()
    until_stopped(next(int(line.split()[1]) for line in about.splitlines() if line.startswith("Pid:")))


def killed_run(world: World, after: float, mode: str, *options: str) -> int:
    """Run the script under shark, and kill the supervisor `after` seconds; returns the status that a parent sees."""
    command = world.command(["sh", "-c", SCRIPT], *options, mode=mode)
    with subprocess.Popen(command, cwd=world.work, env=world.env, stdin=subprocess.DEVNULL) as process:
        supervisor = supervisor_of(process)
        if supervisor >= 0:
            time.sleep(after)
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(supervisor, signal.SIGKILL)
            os.close(supervisor)
        return process.wait(60)


def recover(world: World) -> Run:
    """`shark recover`, which must succeed, and the records that are there then."""
    done = subprocess.run([*SHARK, "recover"], env=world.env, cwd=world.work, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    return world.finished(done.returncode, done.stdout, done.stderr)


def test_what_was_asked_of_a_killed_run(world: World, mode: str) -> None:
    """Its name and tags are in the record, and its manifests go where they were to go, if anywhere."""
    told = world.work / "told"
    os.mkfifo(told)
    script = "echo a > kept; echo b > left.log; echo ready > told; exec sleep 60"
    options = ["--name", "nightly", "--tag", "site=a", "--attach", "sidecar", "--ignore", "*.log"]
    command = world.command(["sh", "-c", script], *options, mode=mode)
    with subprocess.Popen(command, cwd=world.work, env=world.env, stdin=subprocess.DEVNULL) as process:
        assert told.read_bytes() == b"ready\n"
        supervisor = supervisor_of(process)
        signal.pidfd_send_signal(supervisor, signal.SIGKILL)
        os.close(supervisor)
        process.wait(60)
    record = recover(world).record
    assert (record["name"], record["tags"]) == ("nightly", {"site": "a"})
    attached = {os.path.basename(output["path"]): output["attached"] for output in record["outputs"]}
    assert attached == {"kept": "sidecar", "left.log": "none"}
    assert list((world.store / "journals").iterdir()) == []


def test_an_output_that_was_edited_before_the_recovery(world: World, mode: str) -> None:
    """What somebody has written since is not the run's: it gets neither a digest nor a manifest, and others do."""
    told = world.work / "told"
    os.mkfifo(told)
    world.write("in", CONTENT)
    script = "cat in > edited; cat in > kept; echo ready > told; exec sleep 60"
    with subprocess.Popen(
        world.command(["sh", "-c", script], mode=mode), cwd=world.work, env=world.env, stdin=subprocess.DEVNULL
    ) as process:
        assert told.read_bytes() == b"ready\n"
        supervisor = supervisor_of(process)
        signal.pidfd_send_signal(supervisor, signal.SIGKILL)
        os.close(supervisor)
        process.wait(60)
    world.settle()
    world.write("edited", b"by hand\n")
    later = time.time_ns() + 1_000_000_000
    os.utime(world.work / "edited", ns=(later, later))
    run = recover(world)
    edited, kept = sorted(run.record["outputs"], key=lambda output: str(output["path"]))
    assert (edited["attached"], edited["why"], "sha256" in edited) == ("none", "changed later", False)
    assert kept["sha256"] == sha256(world.work / "kept")
    assert kept["attached"] != "none"
    assert not os.listxattr(world.work / "edited")
    assert "changed-outside" in run.gaps
    done = subprocess.run(
        [*SHARK, "inspect", "--json", "edited"], env=world.env, cwd=world.work, capture_output=True, timeout=60
    )
    assert json.loads(done.stdout)[0]["state"] != "current"


def test_the_log_says_that_a_run_was_broken_off(world: World, mode: str) -> None:
    """While it goes on it is not; nor when it was finished."""
    told = world.work / "told"
    os.mkfifo(told)
    command = world.command(["sh", "-c", "echo ready > told; exec sleep 60"], mode=mode)
    with subprocess.Popen(command, cwd=world.work, env=world.env, stdin=subprocess.DEVNULL) as process:
        assert told.read_bytes() == b"ready\n"
        assert warned(world) == "shark: no runs yet: `shark run -- CMD` makes one\n"
        supervisor = supervisor_of(process)
        signal.pidfd_send_signal(supervisor, signal.SIGKILL)
        os.close(supervisor)
        process.wait(60)
    world.settle()  # its scribe ends, too, and lets go of the journal
    said = warned(world).splitlines()
    assert said[0] == "shark: 1 run was broken off as shark was killed: see `shark recover`"
    recover(world)
    assert warned(world) == ""


def warned(world: World) -> str:
    """What `shark log` says on stderr, when every journal is older than moments."""
    for journal in (world.store / "journals").glob("*.journal"):
        past = time.time() - 60
        os.utime(journal, (past, past))
    done = subprocess.run([*SHARK, "log"], env=world.env, cwd=world.work, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stderr


READER = """
import os, sys
os.chdir("below")
for n in range(40):
    with open(f"../in{n}", "rb") as file:
        file.read()
directory = os.open("..", os.O_RDONLY | os.O_DIRECTORY)
os.close(os.open("relative", os.O_RDONLY, dir_fd=directory))
os.write(1, b"read")
sys.stdin.read()
"""


@pytest.mark.parametrize("everything", [False, True], ids=["supervisor", "everything"])
def test_what_only_the_ring_knows(world: World, everything: bool) -> None:
    """What a hot process wrote down, and nobody had read when all was killed, is in the recovered record."""
    names = {*(f"in{n}" for n in range(40)), "relative"}
    for name in names:
        world.write(name)
    (world.work / "below").mkdir()
    command = world.command([sys.executable, "-c", READER], mode="recorder")
    with subprocess.Popen(
        command, cwd=world.work, env=world.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(4) == b"read"
        supervisor = supervisor_of(process)
        if everything:
            stand_still(supervisor)  # it would tidy up when the others are gone, if it is not its turn at once
            for pid in world.processes():
                os.kill(pid, signal.SIGKILL)
        signal.pidfd_send_signal(supervisor, signal.SIGKILL)
        os.close(supervisor)
        assert process.wait(60) == -signal.SIGKILL
    assert world.settle() == []
    assert world.rings()
    run = recover(world)
    assert not world.rings()
    assert run.reads >= names
    assert run.gaps == {"journal-lost"}


def test_killed_when_the_record_was_there(world: World) -> None:
    """What a supervisor leaves that had only to tidy up is tidied up, and the record stays as it is."""
    run = world.run(["true"], mode="recorder")
    assert world.settle() == []
    name = run.record["id"]
    journal = world.store / "journals" / f"{name}.journal"
    ring = Path(f"/dev/shm/shark-{os.getuid()}-{name}.ring")
    try:
        journal.touch()
        ring.touch()
        assert recover(world).record == run.record
        assert not journal.exists()
        assert not ring.exists()
    finally:
        ring.unlink(missing_ok=True)


def check(world: World, run: Run, status: int) -> None:
    """The record is valid and true, and so is each manifest; nothing is damaged, nothing lies about."""
    for record in run.records:
        jsonschema.validate(record, schema())
    assert len(run.records) <= 1
    there = {path.name: path.read_bytes() for path in world.work.iterdir() if not path.name.endswith(".shark")}
    for name, content in there.items():
        number = name.lstrip("abcdefghijklmnopqrstuvwxyz")
        whole = CONTENT if name == "in" or name.startswith("copy") else f"line {number}\n".encode()
        assert content in {b"", whole}
    # A file is seen before anything can be written into it: only an empty one may be unknown. A rename that was done,
    # but not yet told of, when the supervisor died is explained by nobody: the record says that the file has gone.
    written = {name for name, content in there.items() if content and name != "in"}
    if written:
        assert run.records
        unexplained = written - run.outputs.keys()
        assert len(unexplained) <= 1
        assert all(name.startswith("moved") for name in unexplained)
        told = [gap["detail"] for gap in run.record["coverage"]["gaps"]]
        assert all(any(name.replace("moved", "tmp") in detail for detail in told) for name in unexplained)
        written -= unexplained
    outputs = run.outputs if run.records else {}  # there is none of a run that was killed before its command started
    for name in written:
        assert outputs.get(name) == digest(there[name]), name
        assert run.manifest(name)["output"]["sha256"] == digest(there[name])
    if status == 0:
        assert len(run.outputs) == 2 * FILES + FILES // 20
    assert world.leftovers() == []


def moments(top: Path, times: int, mode: str) -> None:
    """Kill the supervisor at `times` random moments, from its first breath to its last, in a world of its own each."""
    chance = random.Random(SEED)
    print(f"again: SHARK_FUZZ_SEED={SEED}")
    lasts = 0.0
    for number in range(times):
        world = World(make(top / str(number)))
        world.write("in", CONTENT)
        attach = chance.choice(("auto", "sidecar"))
        start = time.monotonic()
        # The first one is left to itself, to learn how long it takes.
        moment = chance.uniform(0, lasts) if number else 0.0
        if number:
            status = killed_run(world, moment, mode, "--attach", attach)
        else:
            status = world.run(["sh", "-c", SCRIPT], mode=mode).status
            lasts = time.monotonic() - start
        print(f"{number}: killed after {moment:.3f} s, attach {attach}, status {status}")
        assert status in {0, -signal.SIGKILL, EXIT_RUN}
        assert world.settle() == []
        if status == EXIT_RUN:  # killed before it could seize the process: the command did not start
            assert [path.name for path in world.work.iterdir()] == ["in"]
        check(world, recover(world), status)
        world.forget_rings()
        shutil.rmtree(world.root)


def make(path: Path) -> Path:
    """A new directory."""
    path.mkdir()
    return path


@pytest.mark.parametrize("mode", MODES)
def test_the_supervisor_is_killed_at_some_moments(tmp_path: Path, mode: str) -> None:
    """Journal and recovery give a true record, and no output is damaged."""
    moments(tmp_path, 3, mode)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
def test_the_supervisor_is_killed_at_many_moments(tmp_path: Path, mode: str) -> None:
    """The same, many times."""
    moments(tmp_path, 80, mode)


# The command's processes are killed and stopped


@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_a_process_of_the_command_is_killed(world: World, mode: str, name: str) -> None:
    """The command sees it as ever, and the record tells by what signal it ended."""
    number = getattr(signal, f"SIG{name}")
    run, status = with_child(world, mode, [number])
    assert status == 128 + number
    assert [process.get("signal") for process in run.processes].count(int(number)) == 1


def test_a_process_of_the_command_is_stopped_and_goes_on(world: World, mode: str) -> None:
    """STOP and CONT are no end."""
    run, status = with_child(world, mode, [signal.SIGSTOP, signal.SIGCONT])
    assert status == 0
    assert all("signal" not in process for process in run.processes)


def with_child(world: World, mode: str, signals: list[int]) -> tuple[Run, int]:
    """Run a shell with a child that waits, send that one signals; returns the run and the child's status in it."""
    world.write("in", CONTENT)
    os.mkfifo(world.root / "fifo")
    # The child is an image of its own: a copy of the shell would still have its handlers.
    script = f"cat in > before; cat {world.root}/fifo > within & echo $!; wait $!; echo $? > after"
    command = world.command(["sh", "-c", script], mode=mode)
    with subprocess.Popen(command, cwd=world.work, env=world.env, stdout=subprocess.PIPE) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        for number in signals:
            os.kill(child, number)
            if number == signal.SIGSTOP:
                until_stopped(child)
        if signal.SIGCONT in signals:
            (world.root / "fifo").write_bytes(CONTENT)
        assert process.wait(30) == 0
    assert world.settle() == []
    run = world.finished(0, b"", b"")
    assert {"before", "after"} <= run.outputs.keys() <= {"before", "within", "after"}
    assert all(run.outputs[name] == sha256(world.work / name) for name in run.outputs)
    return run, int(world.read("after"))


def until_stopped(pid: int) -> None:
    """Wait until a process has stopped."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state in {"T", "t"}:
            return
    pytest.fail("it never stopped")


# Disk and memory are full


MANY = 4000
MAKE_MANY = f"i=0; while [ $i -lt {MANY} ]; do echo $i > some-longer-name-for-an-output-$i; i=$((i + 1)); done; exit 3"


@pytest.mark.root
def test_the_disk_is_full_in_the_middle_of_the_journal(world: World, mode: str) -> None:
    """The command goes on, the record is kept all the same, and says that a crash would have lost the run."""
    need_root()
    with tmpfs(world.store, "1280k"):
        run = world.run(["sh", "-c", MAKE_MANY], mode=mode)
        assert run.status == 3
        assert b"journal could not be continued: No space left on device" in run.stderr
        assert b"Traceback" not in run.stderr
        assert run.records, run.stderr
        assert "journal-lost" in run.gaps
        assert len(run.outputs) == MANY
        assert run.manifest("some-longer-name-for-an-output-7")["output"]["sha256"] == digest(b"7\n")
        assert world.leftovers() == []
        assert world.settle() == []


FILL_AND_SAY = """
import os, sys
with open(sys.argv[1] + "/ballast", "wb", buffering=0) as ballast:
    try:
        while True:
            ballast.write(bytes(4096))
    except OSError:
        ballast.truncate(max(0, ballast.tell() - (200 << 10)))
said = b"".join(b"%06d\\n" % n for n in range(50_000))
os.write(1, said[:7])
while said := said[1000:]:
    os.write(1, said[:1000])
os.unlink(sys.argv[1] + "/ballast")
"""


@pytest.mark.root
def test_the_disk_is_full_while_output_is_kept(world: World, mode: str) -> None:
    """What was kept is the beginning, not what comes later put together with it; that it is not whole is said."""
    need_root()
    with tmpfs(world.store, "6m"):
        options = ("--capture-output",)
        run = world.run(["python3", "-c", FILL_AND_SAY, str(world.store)], *options, mode=mode)
        assert run.status == 0, run.stderr
        stream = run.record["streams"]["stdout"]
        assert "No space left on device" in stream["why"]
        assert "other" in run.gaps
        kept = (world.store / "objects" / stream["sha256"][:2] / stream["sha256"]).read_bytes()
        assert run.stdout.startswith(kept)
        assert len(kept) < len(run.stdout)
        assert world.settle() == []


LOOK_FOR_MANY = """
import os, sys
def look_for(*numbers):
    for number in numbers:
        try:
            os.open(f"{number:0240}", os.O_RDONLY)
        except FileNotFoundError:
            pass
open("out", "w").write(open("in").read())
look_for(*range(12000))
open("late", "w").write("x")
sys.exit(3)
"""


def limit_files(size: int = 1100 << 10) -> None:
    """Let no file become larger than a chunk of the journal, for good: also as root."""
    ctypes.CDLL(None).prctl(24, 24)  # PR_CAPBSET_DROP, CAP_SYS_RESOURCE
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_neither_disk_nor_memory_takes_the_journal(world: World, mode: str) -> None:
    """Under a hard limit of the size of files the command goes on; the record says that its rest is missing."""
    world.write("in", b"x\n")
    run = world.run([sys.executable, "-B", "-c", LOOK_FOR_MANY], mode=mode, preexec_fn=limit_files)
    assert run.status == 3
    assert world.read("late") == b"x"
    assert b"the rest of the run is not recorded" in run.stderr
    assert b"Traceback" not in run.stderr
    assert "journal-lost" in run.gaps
    assert run.record["command"]["exit"] == 3
    assert run.inputs("out") == {"in": digest(b"x\n")}
    assert world.settle() == []


LOOK_FOR_USUAL_AND_OTHERS = """
import os, sys
for number in range(26000):
    for name in (f"{number:0120}", f"\xe9{number}"):
        try:
            os.open("none/" + name, os.O_RDONLY)
        except FileNotFoundError:
            pass
sys.exit(3)
"""


def test_neither_takes_lines(world: World) -> None:
    """The same while a busy process is told of, part by part: what does not fit is told once, and the end is known."""
    argv = [sys.executable, "-B", "-S", "-c", LOOK_FOR_USUAL_AND_OTHERS]
    run = world.run(argv, mode="recorder", preexec_fn=lambda: limit_files(2500 << 10))
    assert (run.status, run.record["command"]["exit"]) == (3, 3)
    assert run.stderr.count(b"the rest of the run is not recorded") == 1
    assert run.gaps == {"journal-lost"}
    assert world.settle() == []


def test_a_daemon_outlives_the_process_that_makes_the_record(world: World, mode: str) -> None:
    """No record can be made, but the journal is kept; what the command left running goes on to its end."""
    world.write("in", b"x\n")
    os.mkfifo(world.work / "start")
    os.mkfifo(world.work / "go")
    script = "(read x < go; cat in > late) > log 2>&1 & read x < start; exit 3"
    command = world.command(["sh", "-c", script], "--linger", "0.1", mode=mode)
    # The FIFO is opened when the command has opened it.
    with subprocess.Popen(command, cwd=world.work, env=world.env) as process, open(world.work / "start", "wb"):
        os.kill(scribe(world, process.pid), signal.SIGKILL)
    assert process.returncode == 3
    with open(world.work / "go", "wb"):
        pass
    assert world.settle() == []
    assert world.read("late") == b"x\n"
    kept = {path.suffix: path for path in (world.store / "journals").iterdir()}
    assert ".journal" in kept
    for path in kept.values():
        path.unlink()


def scribe(world: World, command: int) -> int:
    """The process that makes the record: of shark's own ones it has a child, which looks up the circumstances."""
    stats = {pid: Path(f"/proc/{pid}/stat").read_text() for pid in world.processes()}
    parents = {pid: int(stat.rpartition(")")[2].split()[1]) for pid, stat in stats.items()}
    named = {pid for pid in parents if b"--linger" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    [found] = {parents[pid] for pid in named} & named - {command}
    return found


@pytest.mark.root
def test_the_disk_of_the_store_is_full(world: World, mode: str) -> None:
    """The record goes where there is room, which is said; the manifest is on the file."""
    need_root()
    world.write("in", CONTENT)
    with tmpfs(world.store, "64k"):
        with contextlib.suppress(OSError), open(world.store / "ballast", "wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))
        run = world.run(["sh", "-c", "cat in > out; exit 3"], mode=mode)
        assert run.status == 3
        assert run.stderr.startswith(b"shark: ")
        assert b"Traceback" not in run.stderr
        assert run.manifest("out")["output"]["sha256"] == digest(CONTENT)
        kept = list((world.root / "tmp").rglob("*.json.gz")) + list((world.root / "runtime").rglob("*.json.gz"))
        assert len(kept) == 1
        assert os.fsencode(kept[0].parents[4]) in run.stderr
        assert world.settle() == []
    shutil.rmtree(kept[0].parents[4])


def remove_group(group: Path) -> None:
    """Remove a cgroup once the last of its processes is gone: a killed one may leave it after its parent knows."""
    end = time.monotonic() + 30
    while True:
        try:
            return group.rmdir()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


@pytest.mark.root
@pytest.mark.parametrize("whole", [False, True], ids=["command", "shark too"])
def test_memory_is_full(world: World, mode: str, whole: bool) -> None:
    """The kernel kills the process that wants too much; what was made before is recorded."""
    need_root()
    world.write("in", CONTENT)
    group = CGROUP / world.token
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text("160M" if whole else "64M")
    except OSError:
        pytest.skip("may not limit memory by cgroup (version 1) here")
    join = f"echo $$ > {group}/cgroup.procs"
    hog = "cat in > out; exec python3 -c 'bytearray(1 << 30)'"
    command = world.command(["sh", "-c", hog if whole else f"{join}; {hog}"], mode=mode)
    text = " ".join(f"'{os.fspath(word)}'" for word in command[:-1])
    start = ["sh", "-c", f'{join if whole else ":"}; exec {text} "$0"', command[-1]]
    try:
        done = subprocess.run(start, cwd=world.work, env=world.env, capture_output=True, timeout=60)
        assert world.settle() == []
    finally:
        world.kill()
        remove_group(group)
    assert done.returncode == -signal.SIGKILL, done.stderr
    run = world.finished(done.returncode, done.stdout, done.stderr)
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.manifest("out")["command"]["signal"] == signal.SIGKILL
