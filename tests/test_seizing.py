"""`shark run --pid`: a process that runs already is recorded from then on, and is afterwards as it would have been."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import NOBODY, Compiler, Run, World, need_root
from shark.capture import interrupting

WAITS = [
    *("read", "poll", "select", "epoll_wait", "recv", "accept"),
    *("semop", "semtimedop", "sigwait", "futex", "pause", "nanosleep"),
]


class Guest:
    """A program that was started without shark."""

    def __init__(self, world: World, argv: Sequence[Any], **popen: Any) -> None:
        self.world = world
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, cwd=world.work, env=world.env, stdin=pipe, stdout=pipe, **popen)
        self.pid = self.process.pid
        self.expect("ready")

    def line(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], 60)[0], "the program says nothing"
        return self.process.stdout.readline().decode().strip()

    def expect(self, line: str) -> None:
        assert self.line() == line

    def send(self, text: bytes = b"x") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def end(self) -> tuple[int, str]:
        """Close its input, and wait: its status, and what else it said."""
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out.decode()

    def status(self, field: str) -> str:
        with open(f"/proc/{self.pid}/status") as status:
            return next(line.split(None, 1)[1].strip() for line in status if line.startswith(f"{field}:"))

    @property
    def tracer(self) -> int:
        return int(self.status("TracerPid").split()[0])

    @property
    def state(self) -> str:
        return self.status("State")[0]


class Recorder:
    """A `shark run --pid` that has begun."""

    def __init__(self, world: World, pid: int, *options: str, **popen: Any) -> None:
        self.world = world
        self.known = set(world.record_paths())
        command = [*world.shark, "run", "--pid", str(pid), "-v", *options]
        self.process = subprocess.Popen(command, cwd=world.work, env=world.env, stderr=subprocess.PIPE, **popen)
        self.said = b""

    def begin(self) -> Recorder:
        assert self.process.stderr is not None
        assert select.select([self.process.stderr], [], [], 60)[0], "shark says nothing"
        line = self.process.stderr.readline()
        assert line.startswith(b"shark: recording process"), line + self.process.stderr.read()
        return self

    def wait(self) -> Run:
        _, err = self.process.communicate(timeout=60)
        return self.world.finished(self.process.returncode, b"", err, None, self.known)

    def stop(self) -> Run:
        self.process.send_signal(signal.SIGINT)
        return self.wait()


@pytest.fixture
def start(world: World, tracee: Compiler) -> Iterator[Callable[..., Guest]]:
    """`start(name, *arguments)` starts a tracee without shark, and waits until it is ready."""
    started: list[Guest] = []
    world.write("in")

    def begin(name: str, *arguments: str, **popen: Any) -> Guest:
        started.append(Guest(world, [tracee(name), *arguments], **popen))
        return started[-1]

    yield begin
    for guest in started:
        guest.process.kill()
        guest.process.communicate()


def python(world: World, code: str, **popen: Any) -> Guest:
    """Start a Python program that says "ready" when it is."""
    return Guest(world, [world.shark[0], "-c", code], **popen)


@pytest.mark.parametrize("call", ["write", "send", "recv", "recvmmsg", "epoll_wait"])
def test_what_would_be_cut_short_is_waited_for(start: Callable[..., Guest], call: str) -> None:
    """Before a process is interrupted its threads get time to leave such calls: here the rest comes meanwhile."""
    guest = start("transfers", call, "ready")
    looks = 0

    def threads() -> list[tuple[int, int]]:
        nonlocal looks
        looks += 1
        if looks == 3:
            guest.send()
        return [(guest.pid, int(tid)) for tid in os.listdir(f"/proc/{guest.pid}/task")]

    limit = call == "epoll_wait"
    assert not interrupting.wait_until_harmless(threads, 60 if limit else 0, 0)
    assert interrupting.wait_until_harmless(threads, 60, 60 if limit else 0)
    assert looks >= 3
    assert guest.end() == (0, f"{call}: {1 << 20}\n")


@pytest.mark.parametrize("kind", WAITS)
def test_a_waiting_process_notices_nothing(world: World, start: Callable[..., Guest], kind: str) -> None:
    """Whatever call a process waits in, neither the beginning nor the end of the recording ends the call."""
    guest = start("guest_waits", kind)
    recorder = Recorder(world, guest.pid).begin()
    assert guest.tracer
    run = recorder.stop()
    assert (run.status, run.outputs, guest.tracer) == (0, {}, 0)
    guest.send()
    assert guest.end() == (0, f"{kind}: woken\n")


@pytest.mark.parametrize("kind", WAITS)
def test_a_waiting_process_is_recorded(world: World, start: Callable[..., Guest], kind: str) -> None:
    """What a process does after the call that it waited in is recorded; the exit status is its own."""
    guest = start("guest_waits", kind)
    recorder = Recorder(world, guest.pid).begin()
    guest.send()
    assert guest.end() == (0, f"{kind}: woken\n")
    run = recorder.wait()
    assert (run.status, set(run.outputs), run.gaps) == (0, {"out"}, set())
    assert set(run.inputs("out")) == {"in"}
    assert run.record["recording"] == {"kind": "process", "outcome": "ended"}


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_all_of_a_growing_process_is_seized(world: World, start: Callable[..., Guest], kind: str) -> None:
    """No thread or process escapes that is started while its process is being seized."""
    guest = start("guest_grows", kind)
    recorder = Recorder(world, guest.pid).begin()
    assert guest.end() == (0, "")
    run = recorder.wait()
    assert (run.status, set(run.outputs)) == (0, {"out"})
    assert set(run.inputs("out")) == {"in"}


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_a_growing_process_is_let_go(world: World, start: Callable[..., Guest], kind: str) -> None:
    """All threads and processes are let go of, also those that are being started."""
    guest = start("guest_grows", kind)
    for _ in range(3):
        Recorder(world, guest.pid).begin().stop()
        assert set(tracers(guest.pid)) == {0}
    assert guest.end() == (0, "")


def tracers(pid: int) -> Iterator[int]:
    for tid in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{pid}/task/{tid}/status").read_text()
            yield int(re.search(r"TracerPid:\s+(\d+)", text)[1])  # type: ignore[index]


@pytest.mark.parametrize("rounds", [0, 1, 2, 5, 9, 14])
def test_the_tracer_is_killed(world: World, start: Callable[..., Guest], rounds: int) -> None:
    """A process that checks itself goes on unharmed when its tracer is killed, and what was seen can be recovered."""
    guest = start("guest_busy")
    recorder = Recorder(world, guest.pid).begin()
    for _ in range(rounds):
        guest.line()
    os.kill(guest.tracer, signal.SIGKILL)
    run = recorder.wait()
    assert run.status == 125
    assert b"unharmed" in run.stderr
    assert guest.end()[1].endswith("all well\n")
    assert guest.process.returncode == 0
    assert subprocess.run([*world.shark, "recover"], env=world.env, capture_output=True).returncode == 0
    [record] = world.finished(0, b"", b"").records
    assert record["command"]["argv"][0].endswith("guest_busy")
    assert record["coverage"]["gaps"][0]["kind"] == "journal-lost"


def test_the_tracer_is_killed_while_it_seizes(world: World, start: Callable[..., Guest]) -> None:
    """The first thread that is seized is not lost when the tracer dies before the last one is."""
    guest = start("guest_grows", "threads")
    recorder = Recorder(world, guest.pid)
    while not (tracer := guest.tracer) and recorder.process.poll() is None:
        pass
    os.kill(tracer, signal.SIGKILL)
    assert recorder.wait().status == 125
    assert guest.end() == (0, "")
    for journal in (world.store / "journals").glob("*"):
        journal.unlink()


def test_shark_itself_is_killed(world: World, start: Callable[..., Guest]) -> None:
    """When the command that was called is killed, the recording ends as if it had been asked to."""
    guest = start("guest_waits", "read")
    recorder = Recorder(world, guest.pid).begin()
    recorder.process.kill()
    recorder.process.communicate()
    assert world.settle(but=[guest.pid]) == []
    assert guest.tracer == 0
    [record] = world.finished(0, b"", b"").records
    assert record["coverage"]["complete"]
    guest.send()
    assert guest.end() == (0, "read: woken\n")


def test_signals_that_are_pending_stay(world: World) -> None:
    """Signals that wait to be delivered, at the beginning or at the end, are delivered once, afterwards, in order."""
    guest = python(
        world,
        "import signal, sys\n"
        "every = {signal.SIGUSR1, signal.SIGRTMIN}\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, every)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "while got := signal.sigtimedwait(every, 0): print(got.si_signo)\n",
    )
    for number in (signal.SIGUSR1, signal.SIGRTMIN, signal.SIGRTMIN):
        os.kill(guest.pid, number)
    recorder = Recorder(world, guest.pid).begin()
    os.kill(guest.pid, signal.SIGRTMIN)
    recorder.stop()
    guest.send(b"\n")
    first, other = int(signal.SIGUSR1), int(signal.SIGRTMIN)
    assert guest.end() == (0, f"{first}\n{other}\n{other}\n{other}\n")


def test_a_stopped_process_stays_stopped(world: World, start: Callable[..., Guest]) -> None:
    """A process that is stopped (^Z) is recorded and let go of without being continued; its parent hears nothing."""
    guest = start("guest_waits", "read")
    os.kill(guest.pid, signal.SIGSTOP)
    assert os.waitid(os.P_PID, guest.pid, os.WSTOPPED).si_status == signal.SIGSTOP  # type: ignore[union-attr]
    Recorder(world, guest.pid).begin().stop()
    assert (guest.state, guest.tracer) == ("T", 0)
    assert os.waitid(os.P_PID, guest.pid, os.WSTOPPED | os.WCONTINUED | os.WNOHANG) is None
    os.kill(guest.pid, signal.SIGCONT)
    assert os.waitid(os.P_PID, guest.pid, os.WCONTINUED).si_code == os.CLD_CONTINUED  # type: ignore[union-attr]
    guest.send()
    assert guest.end() == (0, "read: woken\n")


def test_stopped_and_continued_meanwhile(world: World, start: Callable[..., Guest]) -> None:
    """A process can be stopped and continued while it is recorded, and be let go of while it is stopped."""
    guest = start("guest_waits", "epoll_wait")
    recorder = Recorder(world, guest.pid).begin()
    for number, seen in ((signal.SIGSTOP, os.WSTOPPED), (signal.SIGCONT, os.WCONTINUED), (signal.SIGSTOP, os.WSTOPPED)):
        os.kill(guest.pid, number)
        assert os.waitid(os.P_PID, guest.pid, seen) is not None
    recorder.stop()
    assert (guest.state, guest.tracer) == ("T", 0)
    os.kill(guest.pid, signal.SIGCONT)
    guest.send()
    status, said = guest.end()
    assert status == 0
    assert said in ("epoll_wait: woken\n", "epoll_wait: Interrupted system call\n")  # SIGSTOP does that by itself


def test_what_it_holds_is_inherited(world: World) -> None:
    """Descriptors and mappings from before are accesses of the recorded process."""
    world.write("read", "0123456789")
    world.write("mapped", "x" * 4096)
    world.write("log", "line\n")
    guest = python(
        world,
        "import mmap, sys\n"
        "held = open('read'); held.read(3)\n"
        "log = open('log', 'a')\n"
        "with open('mapped', 'r+b') as f: m = mmap.mmap(f.fileno(), 4096)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "m[0:1] = b'y'; m.flush(); log.write('more\\n'); log.flush()\n"
        "open('out', 'w').write(held.read())\n",
    )
    recorder = Recorder(world, guest.pid).begin()
    guest.send(b"\n")
    assert guest.end() == (0, "")
    run = recorder.wait()
    assert {"out", "mapped"} <= set(run.outputs)
    assert {"read", "mapped"} <= set(run.inputs("out"))
    inherited = {edge["file"] for edge in run.record["edges"] if edge.get("inherited")}
    names = {run.name(file["path"]) for file in run.record["files"] if file["n"] in inherited}
    assert {"read", "log", "mapped"} <= names


def test_the_script_that_it_runs_is_an_input(world: World) -> None:
    """The script of an interpreter that was read long before is an input, with role code; its packages are software."""
    world.write(
        "script.py", "import sys\nprint('ready', flush=True)\nsys.stdin.readline()\nopen('out', 'w').write('x')\n"
    )
    guest = Guest(world, [sys.executable, "script.py"])
    recorder = Recorder(world, guest.pid).begin()
    guest.send(b"\n")
    guest.end()
    run = recorder.wait()
    assert set(run.inputs("out", "code")) == {"script.py"}
    assert any(name.startswith("python") for _, name in run.software)


def test_children_from_before_are_followed(world: World) -> None:
    """Processes that it had started before, and theirs, belong to it."""
    guest = python(
        world,
        "import os, sys\n"
        "r, w = os.pipe()\n"
        "if not os.fork():\n"
        "    if not os.fork():\n"
        "        os.close(w); os.read(r, 1); open('grandchild', 'w').write('x'); os._exit(0)\n"
        "    os.close(w); os.wait(); os._exit(0)\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "os.close(w); os.close(r); os.wait(); open('parent', 'w').write('x')\n",
    )
    recorder = Recorder(world, guest.pid).begin()
    guest.send(b"\n")
    guest.end()
    run = recorder.wait()
    assert set(run.outputs) == {"grandchild", "parent"}
    assert [p["parent"] for p in run.processes] == [0, 1, 2]


def test_what_was_shared_before_is_not_known(world: World) -> None:
    """Memory that two processes had in common before nobody can tell of: so the inputs are those of the whole run."""
    world.write("secret", "0123456789")
    guest = python(
        world,
        "import mmap, os, sys\n"
        "m = mmap.mmap(-1, 4096); r, w = os.pipe(); a, b = os.pipe()\n"
        "if not os.fork():\n"
        "    os.read(r, 1); f = open('secret', 'rb'); m[:10] = f.read(); os.write(b, b'x'); os._exit(0)\n"
        "print('ready', flush=True); sys.stdin.readline(); os.write(w, b'x'); os.read(a, 1)\n"
        "if not os.fork(): os._exit(0)\n"
        "open('out', 'wb').write(m[:10]); os.wait(); os.wait()\n",
    )
    recorder = Recorder(world, guest.pid).begin()
    guest.send(b"\n")
    assert guest.end() == (0, "")
    run = recorder.wait()
    assert world.read("out") == b"0123456789"
    assert "secret" in run.inputs("out")
    assert run.manifest("out")["scope"] == "run"


def test_a_file_that_is_still_open(world: World) -> None:
    """An output that is open for writing when the recording ends is one, with a gap that names it."""
    guest = python(
        world,
        "import sys\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "f = open('out', 'w'); f.write('one'); f.flush()\n"
        "print('written', flush=True); sys.stdin.readline()\n",
    )
    recorder = Recorder(world, guest.pid).begin()
    guest.send(b"\n")
    guest.expect("written")
    run = recorder.stop()
    assert set(run.outputs) == {"out"}
    [gap] = run.record["coverage"]["gaps"]
    assert gap["kind"] == "still-running"
    assert "out was still open for writing" in gap["detail"]
    guest.end()


def test_its_end_is_seen_when_manifests_are_there(world: World) -> None:
    """Whoever waits for the process hears of its end, with its own status, when its manifests are written."""
    guest = python(
        world, "import sys\nprint('ready', flush=True); sys.stdin.readline()\nopen('out', 'w').write('x')\nsys.exit(7)"
    )
    recorder = Recorder(world, guest.pid).begin()
    guest.send(b"\n")
    assert guest.process.wait(60) == 7
    assert os.getxattr(world.work / "out", "user.shark")
    assert recorder.wait().status == 7
    guest.end()


def test_killed_by_a_signal(world: World, start: Callable[..., Guest]) -> None:
    """The exit status for a process that a signal ended is the shell's, 128 and the signal's number."""
    guest = start("guest_waits", "read")
    recorder = Recorder(world, guest.pid).begin()
    os.kill(guest.pid, signal.SIGTERM)
    assert guest.process.wait(60) == -signal.SIGTERM
    run = recorder.wait()
    assert run.status == 128 + signal.SIGTERM
    assert run.record["command"]["signal"] == signal.SIGTERM


def test_it_cannot_be_traced_twice(world: World, start: Callable[..., Guest]) -> None:
    """A second recording of the same process is refused with the reason, and harms neither."""
    guest = start("guest_waits", "read")
    recorder = Recorder(world, guest.pid).begin()
    second = subprocess.run(
        [*world.shark, "run", "--pid", str(guest.pid)], env=world.env, capture_output=True, text=True
    )
    assert second.returncode == 125
    assert f"process {guest.pid} is traced already, by process {guest.tracer}" in second.stderr
    guest.send()
    assert guest.end() == (0, "read: woken\n")
    assert set(recorder.wait().outputs) == {"out"}


def test_refused(world: World, start: Callable[..., Guest], tmp_path: Path) -> None:
    """Another user's process may not be traced: status 125, a clear message, and nothing is left behind."""
    need_root()
    guest = start("guest_waits", "read")
    who = world.become_nobody()
    done = subprocess.run(
        [*world.shark, "run", "--pid", str(guest.pid)], env=world.env, capture_output=True, text=True, cwd="/", **who
    )
    assert done.returncode == 125
    assert f"process {guest.pid} may not be traced" in done.stderr
    guest.send()
    assert guest.end() == (0, "read: woken\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pid", "0"], "--pid takes a process id"),
        (["--pid", "x"], "--pid takes a process id"),
        (["--pid", "4194305"], "there is no process 4194305"),
        (["--pid", "1", "--", "true"], "no command can follow"),
        (["--pid", "1", "--io-uring=deny"], "--io-uring=deny cannot be had"),
    ],
)
def test_bad_options(world: World, options: list[str], said: str) -> None:
    """What cannot be meant is refused with status 125 and a hint."""
    done = subprocess.run([*world.shark, "run", *options], env=world.env, capture_output=True, text=True)
    assert done.returncode == 125
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_record_file_and_name(world: World, start: Callable[..., Guest], tmp_path: Path) -> None:
    """The options of `shark run` hold for a process that runs already."""
    guest = start("guest_waits", "read")
    place = tmp_path / "record.json"
    recorder = Recorder(
        world, guest.pid, "--name", "guest", "--tag", "a=b", "--attach", "none", "--json", str(place)
    ).begin()
    guest.send()
    guest.end()
    run = recorder.wait()
    document = json.loads(place.read_text())
    assert (document["name"], document["tags"], document["id"]) == ("guest", {"a": "b"}, run.record["id"])
    assert document["outputs"][0]["attached"] == "none"


def test_another_users_shark(world: World) -> None:
    """An unprivileged user records a process of their own."""
    need_root()
    who = world.become_nobody()
    guest = python(
        world, "import sys\nprint('ready', flush=True); sys.stdin.readline()\nopen('out', 'w').write('x')\n", **who
    )
    assert guest.status("Uid").split()[0] == str(NOBODY)
    recorder = Recorder(world, guest.pid, **who).begin()
    guest.send(b"\n")
    guest.end()
    assert set(recorder.wait().outputs) == {"out"}


def test_settings_hold(world: World, start: Callable[..., Guest]) -> None:
    """Settings hold for a process that runs already, what shall not be known among them."""
    (world.work / "shark.toml").write_text('redact = ["user", "host"]\ntags = {project = "fish"}\n')
    guest = start("guest_waits", "read")
    recorder = Recorder(world, guest.pid).begin()
    guest.send()
    guest.end()
    run = recorder.wait()
    assert run.record["tags"] == {"project": "fish"}
    assert "user" not in run.record.get("host", {})
    assert [output["path"].rpartition("/")[2] for output in run.record["outputs"]] == ["out"]


def test_commands_and_kept_files_are_around_a_process(world: World, start: Callable[..., Guest]) -> None:
    """What settings want around a run is done around what is recorded of a process that runs already, too."""
    place = Path(world.env["XDG_CONFIG_HOME"]) / "shark" / "shark.toml"
    place.parent.mkdir(parents=True)
    place.write_text(
        'keep = ["*.lock"]\nbefore = ["echo before"]\nafter = ["echo after"]\n'
        f"notify = [{{command = \"sh -c 'cat > {world.root}/told'\"}}]\n"
    )
    world.write("uv.lock")
    guest = start("guest_waits", "read")
    recorder = Recorder(world, guest.pid).begin()
    guest.send()
    guest.end()
    run = recorder.wait()
    assert [(hook["when"], hook["exit"]) for hook in run.record["hooks"]] == [("before", 0), ("after", 0)]
    assert [os.path.basename(kept["path"]) for kept in run.record["kept"]] == ["uv.lock"]
    assert not [
        image for process in run.record["processes"] for image in process["images"] if image["argv"][0] == "echo"
    ]
    world.settle(60)
    assert json.loads((world.root / "told").read_text())["failed"] is False


def test_a_process_is_not_recorded_unless_what_must_succeed_does(world: World, start: Callable[..., Guest]) -> None:
    """125 with the reason, before the process is touched."""
    place = Path(world.env["XDG_CONFIG_HOME"]) / "shark" / "shark.toml"
    place.parent.mkdir(parents=True)
    place.write_text('before = [{command = "false", required = true}]\n')
    guest = start("guest_waits", "read")
    done = subprocess.run(
        [*world.shark, "run", "--pid", str(guest.pid)], cwd=world.work, env=world.env, capture_output=True, text=True
    )
    assert done.returncode == 125
    assert "'false' must succeed" in done.stderr
    guest.send()
    guest.end()
    assert world.record_paths() == []
