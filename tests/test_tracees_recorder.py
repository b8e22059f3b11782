"""What the recorder must leave as it is in the processes that it works in, and what it must still tell of them."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from harness import Compiler, Run, World, need_root

Trace = Callable[..., Run]


@pytest.mark.parametrize("how", ["again", "moved", "shared", "twice"])
def test_code_of_the_programs_own(trace: Trace, world: World, how: str) -> None:
    """Code that a program maps anew, moves, or shares with others runs as it did, and its file is as it was."""
    world.write("in")
    world.write("in2")
    run = trace("code_again", how, timeout=20)
    assert {"in", "in2"} <= run.reads
    assert run.gaps == set()


@pytest.mark.parametrize("how", ["kill", "exec"])
def test_children_of_killed_parents(trace: Trace, world: World, how: str) -> None:
    """What a child opens is its own, also when its parent was killed before it could tell of the fork."""
    world.write("first")
    world.write("in")
    run = trace("adopted_reader", how)
    grandchildren = [p["n"] for p in run.processes if p.get("parent", 0) > 1 and "exit" in p]
    assert grandchildren
    assert [n for n in grandchildren if run.accessed("read", process=n) != {"in"}] == []


def test_a_program_that_reads_what_the_one_before_it_has_read(trace: Trace, world: World) -> None:
    """What was told of a process is told again once it is another program: that has read nothing yet."""
    world.write("in")
    run = trace("exec_reads_again")
    names = {file["n"]: run.name(file["path"]) for file in run.record["files"]}
    accesses = {(names[e["file"]], e["access"], e["image"]) for e in run.record["edges"] if "file" in e}
    assert {("in", "read", 0), ("in", "read", 1), ("none", "missing", 0), ("none", "missing", 1)} <= accesses
    assert set(run.inputs("out")) == {"in"}


@pytest.mark.parametrize(
    "name", ["/proc/mounts", "/proc/net/dev", "link", "folder/dev", "HERE/link", "HERE/folder/dev"]
)
def test_files_that_are_others_to_each_process(shark_run: Trace, world: World, name: str) -> None:
    """What leads through /proc/self leads where it does for the process that opened it, not where it does for shark."""
    (world.work / "link").symlink_to("../work/link2")
    (world.work / "link2").symlink_to("/proc/self/mounts")
    (world.work / "folder").symlink_to("/proc/net")
    name = name.replace("HERE", str(world.work))
    run = shark_run([sys.executable, "-c", f"import os; print(os.getpid()); open({name!r}).close(); open('in', 'w')"])
    assert run.status == 0
    own = f"/proc/{int(run.stdout)}/"
    shown = {file["path"] for file in run.record["files"] if file["path"].startswith("/proc/")}
    assert own + ("net/dev" if "dev" in name else "mounts") in shown
    assert [path for path in shown if path[6:7].isdigit() and not path.startswith(own)] == []
    assert run.gaps == set()


@pytest.mark.parametrize("name", ["there/in", "HERE/there/in", "HERE/there/d"])
def test_links_to_where_a_process_is(shark_run: Trace, world: World, name: str) -> None:
    """The same where /proc/self leads out of /proc again."""
    (world.work / "there").symlink_to("/proc/self/cwd")
    world.write("in")
    (world.work / "d").mkdir()
    name = name.replace("HERE", str(world.work))
    run = shark_run([sys.executable, "-c", f"import os; os.close(os.open({name!r}, 0)); open('out', 'w')"])
    assert run.status == 0
    opened = {run.name(file["path"]) for file in run.record["files"]}
    assert os.path.basename(name) in opened
    assert not any("there" in file["path"] for file in run.record["files"])
    assert run.gaps == set()


THREAD = """
import os, threading
def read():
    print(os.getpid(), threading.get_native_id())
    for name in ("/proc/self/stat", "/proc/thread-self/stat"): open(name).close()
thread = threading.Thread(target=read)
thread.start()
thread.join()
"""


def test_what_threads_read_of_themselves(shark_run: Trace) -> None:
    """A thread's /proc/self is its process's."""
    run = shark_run([sys.executable, "-c", THREAD])
    pid, tid = map(int, run.stdout.split())
    shown = {file["path"] for file in run.record["files"] if file["path"].endswith("/stat")}
    assert (shown, run.gaps) == ({f"/proc/{pid}/stat", f"/proc/{pid}/task/{tid}/stat"}, set())


MAPPED = """
names = {line.split()[-1] for line in open("/proc/self/maps") if "/" in line}
for name in names: open(name, "rb").close()
print(sum(name.endswith(".ring") for name in names))
"""


def test_who_opens_all_that_is_mapped(shark_run: Trace, mode: str) -> None:
    """As debuggers do: the ring is none of the program's files."""
    run = shark_run([sys.executable, "-c", MAPPED])
    assert int(run.stdout) == (mode == "recorder")
    assert [file["path"] for file in run.record["files"] if ".ring" in file["path"]] == []
    assert run.gaps == set()


ALL = {"in", "in2", "in3"}
HOT = {
    "closes_all": {"in", "in2"},
    "kills_on_statx": ALL,
    "kills_on_statx_in_threads": ALL,
    "small_stack": {"in", "in2"},
    "many_threads": ALL,
    "many_threads_at_once": ALL,
    "forks_beside_opens": ALL,
    "spawns": ALL,
    "vforks": ALL,
    "shares_memory": ALL,
    "exec_from_thread": ALL,
    "limited_memory": ALL,
    "locked_memory": ALL,
    "hides": ALL,
    "dispatches": ALL,
    "forks_in_vfork": ALL,
    "bomb": ALL,
}
"""What a hot process does in tests/tracees/hot.c, and what it reads."""


@pytest.fixture
def inputs(world: World) -> None:
    """The files that the tracees read."""
    for name in sorted(ALL):
        world.write(name)


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("does", HOT)
def test_hot(trace: Trace, does: str) -> None:
    """Whatever a program does after it was hot, it goes as without shark, and all that it reads is told."""
    run = trace("hot", does)
    assert run.reads == HOT[does]
    assert run.gaps == set()


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("does", ["takes_the_place", "calls_from_the_place", "limited_memory", "locked_memory"])
def test_hot_later(trace: Trace, does: str) -> None:
    """A process that makes it impossible before it is hot keeps its plain stops, and what it has mapped."""
    run = trace("hot", does, mode="usual", env={"SHARK_RECORDER": "30"})
    assert run.reads == HOT.get(does, {"in", "in2"})
    assert run.gaps == set()


@pytest.mark.usefixtures("inputs")
def test_another_user(trace: Trace, world: World, tracee: Compiler) -> None:
    """A process that becomes another user goes on telling, and so do its children."""
    need_root()
    world.become_nobody(tracee("hot"))  # its files; shark itself stays root
    run = trace("hot", "becomes_nobody")
    assert run.reads == ALL
    assert run.gaps == set()


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("does", ["hides", "many_threads", "bomb"])
def test_as_nobody(world: World, mode: str, tracee: Compiler, does: str) -> None:
    """An ordinary user's processes are recorded as well as root's, but for those that hide from him."""
    need_root()
    program = tracee("hot")
    who = world.become_nobody(program)
    run = world.run([program, does], mode=mode, **who)
    assert run.status == 0, run.stderr
    if does != "hides":
        assert run.reads == ALL
        assert run.gaps == set()
    if does == "hides" and mode == "recorder":
        assert "in" in run.reads


@pytest.mark.usefixtures("inputs")
def test_a_crash(trace: Trace) -> None:
    """A program that aborts does so by the same signal, and what it has read is told."""
    run = trace("hot", "crash", status=-signal.SIGABRT)
    assert run.reads == {"in"}


RING = "/dev/shm/shark-{uid}-$SHARK_RUN_ID.ring"


@pytest.mark.usefixtures("inputs")
def test_the_ring_is_removed(world: World) -> None:
    """A command that empties /dev/shm harms nothing."""
    script = f"cat in >/dev/null; rm -f {RING.format(uid=os.getuid())}; cat in2 >/dev/null; cat in3 >/dev/null"
    run = world.run(["sh", "-c", script], mode="recorder")
    assert (run.status, run.stderr) == (0, b"")
    assert run.reads == ALL
    assert run.gaps == set()


@pytest.mark.usefixtures("inputs")
def test_nothing_is_left(world: World) -> None:
    """The ring is gone when the run is over, also when every process of it was killed at once."""
    script = "cat in >/dev/null; echo $SHARK_RUN_ID; kill -9 $$"
    run = world.run(["sh", "-c", script], mode="recorder")
    assert run.status == -signal.SIGKILL
    name = run.stdout.decode().strip()
    assert name
    assert world.settle() == []
    assert [path for path in os.listdir("/dev/shm") if name in path] == []
    assert run.reads == {"in"}


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("after", ["1", "30", "60", "100"])
def test_sleeping_threads(trace: Trace, after: str) -> None:
    """Calls in which threads wait are not ended when their process gets the recorder, or another place is patched."""
    run = trace("sleepers", mode="usual", env={"SHARK_RECORDER": after})
    assert run.stdout == b"fine\n"
    assert run.reads == ALL
    assert run.gaps == set()


@pytest.mark.parametrize("mode", ["recorder"])
def test_a_mapping_that_grows_downwards(trace: Trace, world: World) -> None:
    """Nothing is put in its way as long as there is room elsewhere."""
    world.write("in")
    run = trace("grows", mode="usual", env={"SHARK_RECORDER": "20"})
    assert (run.status, run.stdout, run.record["traced"]["hot"]) == (0, b"grown\n", 1)
    assert run.reads == {"in"}


def test_more_hot_processes_than_descriptors(trace: Trace, world: World) -> None:
    """What shark keeps open does not grow with the number of processes: it sees all the same who held what."""
    for name in ("in", "in1", "in2"):
        world.write(name, name)
    world.shark = ("sh", "-c", 'ulimit -n 56; exec "$@"', "sh", *world.shark)
    run = trace("many_hot", "60")
    assert (set(run.inputs("out1")), set(run.inputs("out2"))) == ({"in1"}, {"in2"})
    assert run.gaps == set()


@pytest.mark.usefixtures("inputs")
@pytest.mark.parametrize("mode", ["recorder"])
@pytest.mark.parametrize("after", ["1", "25"])
def test_a_child_of_a_guest_in_the_same_memory(trace: Trace, after: str) -> None:
    """What it reads is its own, whether the owner of the memory was hot before it or would be later."""
    run = trace("clone_in_vfork", mode="usual", env={"SHARK_RECORDER": after})
    assert [run.accessed("read", process=n) for n in (1, 2, 3)] == [{"in"}, set(), {"in3"}]
    assert run.gaps == set()


TRANSFERS = ["write", "writev", "send", "sendmsg", "sendfile", "limit", "recv", "recvmmsg", "epoll_wait"]


@pytest.mark.parametrize("mode", ["recorder"])
@pytest.mark.parametrize("call", TRANSFERS)
def test_a_thread_in_the_middle_of_a_transfer(trace: Trace, world: World, call: str) -> None:
    """No call is cut short, and no time limit begins anew, for the recorder's sake: that waits until it is over."""
    world.write("in")
    world.write("in2")
    run = trace("transfers", call, mode="usual", env={"SHARK_RECORDER": "30"})
    assert run.stdout == f"{call}: {1 << 20}\n".encode()
    assert run.reads == {"in", "in2"}
    assert run.record["traced"]["hot"] == 1
    assert run.gaps == set()


def test_a_worker_that_holds_a_pipe(trace: Trace, world: World) -> None:
    """Its thousands of openings by a number below the pipe's are not looked at one by one, and nothing flows less."""
    given = [f"in.{n}" for n in range(200)]
    for name in (*given, "late", "later"):
        world.write(name)
    run = trace("worker", str(len(given)))
    assert run.gaps == set()
    listed = {name: {os.path.basename(entry["path"]) for entry in run.manifest(name)["inputs"]} for name in OUTPUTS}
    assert set(given) <= listed["out"]
    assert "later" not in listed["out"]  # it was closed, and that was seen, before
    assert {*given, "late", "later"} <= listed["last"]
    if run.record["traced"]["hot"]:
        assert run.record["traced"]["stops"] < len(given)


def test_a_worker_whose_main_thread_has_ended(trace: Trace, world: World) -> None:
    """What a process holds is asked of a thread of it that is alive."""
    given = [f"{name}.{n}" for name in ("in", "late") for n in range(40)]
    for name in (*given, *(f"first.{n}" for n in range(40))):
        world.write(name)
    run = trace("worker_thread", "40")
    assert set(given) <= set(run.inputs("out", role=None))


OUTPUTS = ["out", "own", "last"]
"""Of tests/tracees/worker.c."""


def test_names_change_by_other_calls(trace: Trace, world: World) -> None:
    """Directories are forgotten whatever kind of call changes their names, also before anything else does."""
    for name in ("in", "one/in", "one/in2", "two/in", "two/in2"):
        world.write(name, name)
    run = trace("by32", "link")
    assert run.reads == {"in", "one/in", "one/in2", "two/in", "two/in2"}
    (world.work / "one").unlink()
    for name in ("one/in", "one/in2"):
        world.write(name, name)
    run = trace("by32", "chdir")
    assert run.reads == {"in", "one/in", "one/in2"}
    assert run.missing == ["none", "one/none"]


READS_AND_WAITS = "import sys; [open(f'in{n}').close() for n in range(20)]; print('read', flush=True); sys.stdin.read()"


def test_what_is_read_is_told_while_nobody_stops(world: World) -> None:
    """A process that has no stop for long is not waited for: what it has opened is in the journal soon after."""
    names = [f"in{n}" for n in range(20)]
    for name in names:
        world.write(name)
    command = world.command([sys.executable, "-S", "-c", READS_AND_WAITS], mode="recorder")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=world.work, env=world.env, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"read\n"
        (journal,) = (world.store / "journals").glob("*.journal")
        until = time.monotonic() + 60
        untold = names
        while untold and time.monotonic() < until:
            select.select([process.stdout], [], [], 0.01)  # there is nothing to be read
            text = journal.read_bytes()
            untold = [name for name in names if f'/{name}"'.encode() not in text]
        assert process.communicate(b"", timeout=60) == (b"", b"")
    assert untold == []


BLOCK_THEN_READS_AND_WAITS = (
    "import shark, sys, time\n"
    "with shark.recording('first'): open('in0').close()\n"
    "time.sleep(1)  # the fork that keeps the block's record has ended: its end has the ring read, too\n"
    "[open(f'in{n}').close() for n in range(1, 20)]; print('read', flush=True); sys.stdin.read()"
)


def test_what_is_read_is_told_while_nobody_stops_after_a_block(world: World) -> None:
    """The same, once a block of the run has been served: the loop sleeps elsewhere from then on."""
    names = [f"in{n}" for n in range(1, 20)]
    for name in ("in0", *names):
        world.write(name)
    command = world.command([sys.executable, "-c", BLOCK_THEN_READS_AND_WAITS], mode="recorder")
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=world.work, env=world.env, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"read\n"
        untold, until = names, time.monotonic() + 10
        while untold and time.monotonic() < until:
            time.sleep(0.05)
            text = b"".join(journal.read_bytes() for journal in (world.store / "journals").glob("*.journal"))
            untold = [name for name in names if f'/{name}"'.encode() not in text]
        process.communicate(b"", timeout=60)
    assert untold == []


@pytest.mark.parametrize("mode", ["recorder"])
def test_descriptors_are_swapped_while_the_ring_is_read(trace: Trace, world: World) -> None:
    """The path and the identity of what is behind a descriptor are of one file, though the process runs meanwhile."""
    world.write("other")
    for n in range(300):
        world.write(f"in{n}", str(n).encode())
    (world.work / "link").symlink_to("/proc/self/fd/50")
    run = trace("swapped_while_read")
    assert "other" not in run.reads


@pytest.mark.parametrize("answer", [errno.EPERM, errno.ENOSYS, 0])
def test_a_filter_around_the_run(shark_run: Trace, world: World, tracee: Compiler, answer: int) -> None:
    """What a container's filter refuses, or kills for, the recorder's code does not do: here its trap, openat2."""
    for n in range(12):
        world.write(f"in{n}")
    world.shark = (str(tracee("confined")), "437", str(answer), *world.shark)
    run = shark_run([sys.executable, "-c", "data = [open(f'in{n}').read() for n in range(12)]; open('out', 'w')"])
    assert run.status == 0
    assert {f"in{n}" for n in range(12)} <= set(run.inputs("out"))
    assert run.gaps == set()


@pytest.mark.parametrize(("call", "answer"), [(332, errno.EPERM), (28, errno.ENOSYS), (2, errno.EACCES), (437, 0)])
def test_a_filter_that_answers_the_recorders_calls(tracee: Compiler, call: int, answer: int) -> None:
    """Each of them is asked for: statx, madvise, open and the trap; other calls may be refused."""
    ask = [sys.executable, "-c", "from shark.recorder.sandbox import require_its_calls; require_its_calls()"]
    confined = str(tracee("confined"))
    refused = subprocess.run([confined, str(call), str(answer), *ask], capture_output=True, text=True)
    assert "a seccomp filter from outside" in refused.stderr
    swapping = 167  # swapon
    subprocess.run([confined, str(swapping), str(errno.EPERM), *ask], check=True)


def test_a_fuse_daemon_while_an_open_waits(trace: Trace, world: World) -> None:
    """No process is hot any more once there may be a FUSE daemon; what one waited for then is seen all the same."""
    need_root()
    world.write("in")
    world.write("source", "the source\n")
    assert "source" in trace("fuse_meanwhile").inputs("out")


@pytest.mark.parametrize("others", [(), ("vfork",)])
def test_confined_while_an_open_waits(trace: Trace, world: World, others: tuple[str, ...]) -> None:
    """A thread that waits in the recorder's code is taken out of it before a filter can punish what that does next,
    also while others cannot stop.
    """
    world.write("in")
    world.write("source", "the source\n")
    assert "source" in trace("confined_while_opening", *others, timeout=20).inputs("out")
