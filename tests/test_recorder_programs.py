"""Programs of many makes with everything hot: they do what they do without shark, and it sees what they read."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness import MISSING_PROGRAM, TRACEES, Compiler, Run, World, need, need_root

ALL = {"in", "in2", "in3"}


@pytest.fixture(autouse=True)
def inputs(world: World) -> None:
    """What the programs read."""
    for name in sorted(ALL):
        world.write(name)
    os.mkfifo(world.work / "fifo")


def alike(world: World, argv: list[Any], *, env: dict[str, str] | None = None, **how: Any) -> Run:
    """Run a command bare and with everything hot; both must have said the same, and ended so."""
    bare = subprocess.run(
        argv,
        cwd=world.work,
        env={**world.env, **(env or {})},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    run = world.run(argv, mode="recorder", env=env, **how)
    assert (run.status, run.stdout, run.stderr) == (bare.returncode, bare.stdout, bare.stderr)
    return run


def compiled(world: World, *command: str) -> Path:
    """Compile opens.c; skips where the compiler has no such way."""
    need(command[0])
    program = world.root / "opens"
    built = subprocess.run(
        [*command, "-O1", "-pthread", "-o", str(program), str(TRACEES / "opens.c")], capture_output=True, text=True
    )
    if built.returncode:
        pytest.skip(f"{MISSING_PROGRAM}'s way to compile: {' '.join(command)}: {built.stderr[:200]}")
    return program


RECORDED = [
    ("gcc",),
    ("gcc", "-static"),
    ("gcc", "-static-pie"),
    ("gcc", "-no-pie"),
    ("gcc", "-fsanitize=address"),
    ("gcc", "-fsanitize=undefined"),
    ("gcc", "-fsanitize=thread"),
]
HALF = [("musl-gcc",), ("musl-gcc", "-static")]
"""Of these one of two opens goes through the recorder: there is no room for a jump in musl's fopen."""


@pytest.mark.parametrize("command", RECORDED + HALF, ids=" ".join)
def test_compiled(world: World, command: tuple[str, ...]) -> None:
    """C programs of each make are recorded, sanitizers report what they do without shark: nothing."""
    run = alike(world, [compiled(world, *command)], env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert (run.status, run.stdout) == (0, b"fine\n")
    assert run.reads >= ALL
    assert run.gaps == set()
    assert run.record["traced"]["recorded"] > (50 if command in HALF else 100)


@pytest.mark.parametrize("command", [("gcc", "-m32")], ids=" ".join)
def test_compiled_with_plain_stops(world: World, command: tuple[str, ...]) -> None:
    """Where calls are 32 bits wide, all is seen by stops as before."""
    run = alike(world, [compiled(world, *command)])
    assert (run.status, run.stdout) == (0, b"fine\n")
    assert run.reads >= ALL
    assert run.gaps == set()


LUA = 'for i = 1, 200 do local f = io.open("in"); f:read("*a"); f:close() end print("fine")'
NODE = 'const fs = require("fs"); for (let i = 0; i < 200; i++) fs.readFileSync("in"); console.log("fine")'
PERL = 'for (1..200) { open F, "in"; close F } print "fine\\n"'
INTERPRETERS = {
    "luajit": ["-e", LUA],
    "node": ["-e", NODE],
    "perl": ["-e", PERL],
    "busybox": ["grep", "-r", "input", "in", "in2", "in3"],
}


@pytest.mark.parametrize("program", INTERPRETERS)
def test_interpreters(world: World, program: str) -> None:
    """Those that compile at run time, and others, say the same."""
    if program not in ("perl", "busybox") and shutil.which(program) is None:
        pytest.skip(f"there is no {program} here")
    need(program)
    run = alike(world, [program, *INTERPRETERS[program]])
    assert run.status == 0
    assert "in" in run.reads
    assert run.gaps == set()


def test_valgrind(world: World) -> None:
    """A program under valgrind, which reads the program's text and calls in its place, gets the same answers."""
    need("valgrind")
    run = alike(world, ["valgrind", "-q", compiled(world, "gcc")], timeout=110)
    assert (run.status, run.stdout) == (0, b"fine\n")
    assert run.reads >= ALL


def test_storm(world: World, mode: str, tracee: Compiler) -> None:
    """Thousands of signals while files are opened: no handler sees anything of shark, no open goes astray."""
    run = world.run([tracee("storm"), "2"], mode=mode)
    assert (run.status, run.stdout, run.stderr) == (0, b"many signals\n", b"")
    assert {"in", "in2"} <= run.reads
    assert run.gaps == set()


def test_killed_in_the_middle(world: World, mode: str, tracee: Compiler) -> None:
    """Processes that are killed while they write records harm no others: what those read is told."""
    run = world.run([tracee("killed_while_reading")], mode=mode)
    assert (run.status, run.stdout, run.stderr) == (0, b"", b"")
    assert run.reads == ALL
    assert run.gaps <= ({"journal-lost"} if mode == "recorder" else set())
    readers = [process["n"] for process in run.processes if process.get("exit") == 0 and process["n"] > 1]
    assert len(readers) == 40
    assert [n for n in readers if run.accessed("read", process=n) != {"in3"}] == []


def test_core(world: World, tracee: Compiler) -> None:
    """A core shows the program where it was, not the recorder's code."""
    need("gdb")
    if Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core":
        pytest.skip("cores go elsewhere here")
    run = world.run(["sh", "-c", 'ulimit -c unlimited; exec "$0" crash', tracee("hot", "-g")], mode="recorder")
    assert run.status == -signal.SIGABRT
    shown = subprocess.run(
        ["gdb", "-q", "-batch", "-ex", "bt", tracee("hot", "-g"), world.work / "core"], capture_output=True, text=True
    )
    assert "abort ()" in shown.stdout
    assert "main (" in shown.stdout


# --- places where the ring cannot be, or cannot be reached


def in_namespace(world: World, setup: str, command: str, mode: str = "recorder") -> Run:
    """Run shark in a mount namespace of its own, which is furnished first."""
    need_root()
    need("unshare")
    inner = " ".join(map(str, world.command(["sh", "-c", f"'{command}'"], mode=mode)))
    bare = subprocess.run(["unshare", "-m", "sh", "-c", setup], capture_output=True)
    if bare.returncode:
        pytest.skip(f"not possible here: {bare.stderr.decode()}")
    known = set(world.record_paths())
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{setup} && exec {inner}"],
        cwd=world.work,
        env=world.env,
        capture_output=True,
        timeout=60,
    )
    return world.finished(done.returncode, done.stdout, done.stderr, None, known)


READS = "cat in in2 in3 >/dev/null; cat in in2 in3 >/dev/null"


@pytest.mark.parametrize(
    "setup",
    [
        "mount -t tmpfs -o size=1m none /dev/shm",
        "mount -t tmpfs -o ro none /dev/shm",
        "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3",
    ],
    ids=["full", "read-only", "absent"],
)
def test_no_place_for_the_ring(world: World, setup: str) -> None:
    """Without room in memory for the ring there are plain stops, and nothing else is amiss."""
    run = in_namespace(world, setup, READS)
    assert (run.status, run.stderr) == (0, b"")
    assert run.reads == ALL
    assert run.gaps == set()


def test_another_shm(world: World) -> None:
    """A process that cannot reach the ring, as it has another /dev/shm, has plain stops."""
    need_root()
    need("bwrap")
    argv = ["bwrap", "--bind", "/", "/", "--dev", "/dev", "--tmpfs", "/dev/shm", "sh", "-c", READS]
    run = world.run(argv, mode="recorder")
    if run.status and b"bwrap" in run.stderr:
        pytest.skip(f"not possible here: {run.stderr.decode()}")
    assert (run.status, run.stderr) == (0, b"")
    assert run.reads == ALL
    assert run.gaps <= {"namespace"}  # bwrap's own doing


def test_chroot(world: World) -> None:
    """What is read in another root is told by its path outside."""
    need_root()
    need("busybox")
    root = world.work / "root"
    root.mkdir()
    shutil.copy(shutil.which("busybox") or "", root / "busybox")
    (root / "inner").write_text("inner\n")
    script = "/busybox cat /inner /inner; for i in 1 2 3; do /busybox cat /inner; done"
    run = world.run(["chroot", root, "/busybox", "sh", "-c", script], mode="recorder")
    assert (run.status, run.stdout) == (0, b"inner\n" * 5)
    assert "root/inner" in run.reads
    assert run.gaps == set()


def test_private_mount(world: World, mode: str) -> None:
    """A file that only a mount namespace of the run has is told as in the mode without the recorder."""
    need_root()
    need("unshare")
    script = "mount -t tmpfs none /mnt && echo x > /mnt/y && cat /mnt/y /mnt/y in && cat in2 /mnt/y && cat in3"
    run = world.run(["unshare", "-m", "sh", "-c", script], mode=mode)
    if run.status and b"mount" in run.stderr:
        pytest.skip(f"not possible here: {run.stderr.decode()}")
    assert run.status == 0, run.stderr
    assert run.reads == ALL
    assert {gap for gap in run.gaps if gap != "namespace"} == set()


def test_memory_limit_of_a_group(world: World) -> None:
    """The ring counts as memory of the run's control group; there is room for it or there are plain stops."""
    groups = Path("/sys/fs/cgroup")
    need_root()
    if not (groups / "cgroup.procs").exists() or "memory" not in (groups / "cgroup.subtree_control").read_text():
        pytest.skip("control groups cannot be made here")
    group = groups / world.token
    try:
        group.mkdir()
        (group / "memory.max").write_text(str(96 << 20))
    except OSError as problem:
        pytest.skip(f"control groups cannot be made here: {problem}")
    try:
        run = world.run(["sh", "-c", f"echo $$ > {group}/cgroup.procs; {READS}"], mode="recorder")
        assert run.status == 0, run.stderr
        assert run.reads >= ALL
    finally:
        world.settle()
        group.rmdir()


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_that_looks_in_vain(world: World, shell: str) -> None:
    """Its loader looks for libraries where none are: that stops it no more; what it opens itself is seen as ever."""
    need(shell)
    where = ":".join(f"{world.work}/lib{n}" for n in range(4))
    script = (
        "read x < in; cat < in2 > out; while read y; do echo $x $y; done < in3 >> out; cat fifo & echo > fifo; wait"
    )
    runs = {}
    for mode in ("filter", "recorder"):
        argv = [shell, "-c", script]
        run = runs[mode] = world.run(argv, mode=mode, env={"LD_LIBRARY_PATH": where})
        assert run.status == 0
        assert run.inputs("out").keys() == ALL
        (world.work / "out").unlink()
    plain, hot = runs["filter"], runs["recorder"]
    assert hot.missing == plain.missing
    assert len(plain.missing) > 20
    assert idle(hot) == idle(plain) == {"in2", "out"}
    assert hot.record["traced"]["stops"] < plain.record["traced"]["stops"] - len(plain.missing)


def idle(run: Run) -> set[str]:
    """What below the working directory a shell opened for others only."""
    files = {file["n"]: file["path"] for file in run.record["files"]}
    named = (run.name(files[edge["file"]]) for edge in run.record["edges"] if edge.get("idle"))
    return {name for name in named if name is not None}


LEADING = """
import os
open("link/in").read()
open("link/none") if os.path.exists("link/none") else None
os.mkdir("three")
os.link("three/../in3", "three/in3")
open("link/only1").read()
os.unlink("link")
os.symlink("two", "link")
open("link/same").read()
os.rename("one", "four")
os.rename("two", "one")
open("one/only2").read()
open("four/same4").read()
os.chdir("one")
open("in2").read()
os.chdir("..")
open("in2").read()
os.replace("three", "empty")
open("empty/in3").read()
open("out", "w").close()
"""


def test_directories_that_are_called_otherwise(world: World) -> None:
    """What is known of a directory is forgotten with its name: of a file with two names, the one it had is told."""
    python = shutil.which("python3") or ""
    need("python3")
    seen = []
    for mode in ("filter", "recorder"):
        for folder in ("one", "two", "empty"):
            (world.work / folder).mkdir()
        for name in ("one/in", "one/only1", "two/only2", "two/in2", "one/same", "one/same4"):
            world.write(name, f"{name}\n")
        os.link(world.work / "one/same", world.work / "two/same")
        (world.work / "link").symlink_to("one")
        run = world.run([python, "-S", "-c", LEADING], mode=mode)
        assert (run.status, run.stderr) == (0, b"")
        files = {file["n"]: file for file in run.record["files"]}
        edges = [e for e in run.record["edges"] if "file" in e and e["access"] in ("read", "missing")]
        named = {(run.name(files[e["file"]]["path"]), run.name(e.get("as", "")) if "as" in e else "") for e in edges}
        seen.append(sorted((path, shown) for path, shown in named if path is not None))
        for folder in ("one", "two", "three", "four", "empty"):
            shutil.rmtree(world.work / folder, ignore_errors=True)
        (world.work / "link").unlink()
    assert seen[0] == seen[1]
    assert ("one/same", "link/same") in seen[0]
