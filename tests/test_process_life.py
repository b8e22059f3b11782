"""Starting and ending: the command's parent cannot tell that shark is there (TRACING, "Starting and ending")."""

from __future__ import annotations

import ctypes
import fcntl
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import NOT_HERE, SHARK, Compiler, Run, World, attached, digest, need, need_root, wait_for_end

SharkRun = Callable[..., Run]

CONTENT = b"the input\n"
FATAL = ["HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM"]
FATAL += ["TERM", "XCPU", "XFSZ", "VTALRM", "PROF", "IO", "SYS"]


def no_core() -> None:
    """Keep a killed command from leaving a core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


# Exit statuses


@pytest.mark.parametrize("status", [0, 1, 2, 77, 124, 125, 126, 127, 128, 130, 137, 254, 255])
def test_exit_status(shark_run: SharkRun, status: int) -> None:
    """The command's exit status is shark's, and nothing is printed."""
    run = shark_run(["sh", "-c", f"exit {status}"])
    assert (run.status, run.stdout, run.stderr) == (status, b"", b"")
    assert run.record["command"]["exit"] == status
    assert run.record["processes"][0]["exit"] == status


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["filter"], indirect=True)
def test_every_exit_status(shark_run: SharkRun) -> None:
    """All of 0 to 255."""
    assert [shark_run(["sh", "-c", f"exit {status}"]).status for status in range(256)] == list(range(256))


@pytest.mark.parametrize("name", FATAL)
def test_killed_by_a_signal(shark_run: SharkRun, name: str) -> None:
    """The parent sees a command killed by a signal as killed by that signal, not as an exit of 128 and more."""
    number = getattr(signal, f"SIG{name}")
    run = shark_run(["sh", "-c", f"kill -{name} $$; exit 3"], preexec_fn=no_core)
    assert run.status == -number
    assert run.record["command"]["signal"] == number
    assert "exit" not in run.record["command"]
    assert run.stderr == b""


def test_a_real_time_signal(shark_run: SharkRun) -> None:
    """Real-time signals, too."""
    run = shark_run([sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 3)"])
    assert run.status == -(signal.SIGRTMIN + 3)


def test_output_of_a_failed_command(shark_run: SharkRun, world: World) -> None:
    """What a command wrote before it was killed has a manifest that tells so."""
    run = shark_run(["sh", "-c", "echo partial > out; kill -KILL $$"])
    assert run.outputs == {"out": digest(b"partial\n")}
    assert run.manifest("out")["command"]["signal"] == 9


def test_command_not_found(shark_run: SharkRun) -> None:
    """127, with a message such as the shell's."""
    run = shark_run(["no-such-command-anywhere"])
    assert run.status == 127
    assert b"no-such-command-anywhere" in run.stderr
    assert b"not found" in run.stderr
    assert b"Traceback" not in run.stderr


def test_path_not_found(shark_run: SharkRun) -> None:
    """A path that does not exist: 127."""
    run = shark_run(["./nowhere/program"])
    assert run.status == 127
    assert b"nowhere/program" in run.stderr


def test_command_not_executable(shark_run: SharkRun, world: World) -> None:
    """126, with a message."""
    world.write("plain", b"no program", mode=0o644)
    run = shark_run(["./plain"])
    assert run.status == 126
    assert b"plain" in run.stderr


def test_a_directory_is_not_executable(shark_run: SharkRun, world: World) -> None:
    """A directory as the command: 126."""
    (world.work / "sub").mkdir()
    assert shark_run(["./sub"]).status == 126


@pytest.mark.parametrize("arguments", [["--no-such-option", "--", "true"], [], ["--"], ["--linger", "x", "--", "true"]])
def test_wrong_usage(world: World, arguments: list[str]) -> None:
    """shark's own failure before the exec is 125, with a message and without a traceback."""
    done = subprocess.run([*SHARK, "run", *arguments], env=world.env, cwd=world.work, capture_output=True, timeout=60)
    assert done.returncode == 125
    assert done.stderr.startswith(b"shark: ")
    assert b"Traceback" not in done.stderr


def test_working_directory_that_is_gone(world: World) -> None:
    """A working directory that was removed: the command runs as it would without shark."""
    script = 'mkdir gone; cd gone; rmdir ../gone; exec "$@"'
    argv = ["sh", "-c", script, "sh", *map(str, world.command(["sh", "-c", "exit 4"]))]
    done = subprocess.run(argv, env=world.env, cwd=world.work, capture_output=True, timeout=60)
    assert done.returncode == 4, done.stderr


# What the command inherits


def state(world: World, program: Path, mode: str | None, prepare: Callable[[], None]) -> list[str]:
    """Run the tracee process_state, under shark in `mode` or without, with the same descriptors each time."""
    command = [program] if mode is None else world.command([program], mode=mode)
    done = subprocess.run(
        command,
        cwd=world.work,
        env=world.env,
        stdin=EXTRA,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=prepare,
        timeout=60,
        pass_fds=[EXTRA],
        restore_signals=False,
    )
    assert done.returncode == 0
    lines = done.stdout.decode().splitlines()
    # Each run has a pipe of its own as standard output.
    # SHARK_RUN_ID is the one thing that shark adds: by it a `shark run` inside a run knows where it is. By the other
    # variable this test chooses a mode.
    ours = ("fd 1 ", "argv0", "env SHARK_RUN_ID=", "env SHARK_RECORDER=")
    return [line for line in lines if not line.startswith(ours)]


EXTRA = 57


@pytest.fixture
def shared(world: World) -> Iterator[None]:
    """A file open at the number EXTRA, for reading and writing, in its middle."""
    world.write("shared", b"0123456789")
    fd = os.open(world.work / "shared", os.O_RDWR)
    os.lseek(fd, 5, os.SEEK_SET)
    os.dup2(fd, EXTRA, inheritable=True)
    os.close(fd)
    yield
    os.close(EXTRA)


def ordinary_state() -> None:
    """A process as a shell starts it: pytest itself, being Python, ignores these two."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def odd_state() -> None:
    """A process in a state that is nobody's default."""
    for number in (signal.SIGINT, signal.SIGTSTP, signal.SIGTTOU, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    ordinary_state()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGTERM})
    os.umask(0o027)
    os.nice(3)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_CPU, (100, 200))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, resource.RLIM_INFINITY))


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("prepare", [ordinary_state, odd_state], ids=["ordinary", "odd"])
def test_everything_inherited_is_as_without_shark(
    world: World, tracee: Compiler, mode: str, prepare: Callable[[], None]
) -> None:
    """Descriptors, offsets, flags, parent, group, session, signals, limits, mask, priority, affinity, environment."""
    program = tracee("process_state")
    assert state(world, program, mode, prepare) == state(world, program, None, prepare)


@pytest.mark.parametrize("mode", ["filter"], indirect=True)
@pytest.mark.parametrize(("trap", "expected"), [("trap '' PIPE", True), (":", False)])
def test_an_ignored_sigpipe(world: World, mode: str, trap: str, expected: bool) -> None:
    """A SIGPIPE that the calling shell ignores stays ignored, though Python ignores it in any case; else it is not.

    What a caller that is a Python itself had set cannot be known; it gets the default, as from subprocess.
    """
    command = world.command(["grep", "SigIgn", "/proc/self/status"], mode=mode)
    done = subprocess.run(
        ["sh", "-c", f'{trap}; "$@"; exit $?', "sh", *command],
        cwd=world.work,
        env=world.env,
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert bool(int(done.stdout.split()[1], 16) & 1 << (signal.SIGPIPE - 1)) is expected


def test_standard_input_is_not_touched(shark_run: SharkRun) -> None:
    """Every byte of standard input is the command's."""
    data = os.urandom(100_000)
    run = shark_run(["cat"], stdin=data)
    assert run.stdout == data


def test_closed_standard_streams(world: World, mode: str) -> None:
    """A command started without standard streams gets none from shark."""
    command = world.command(["sh", "-c", "ls /proc/self/fd > list"], mode=mode)
    quoted = " ".join(f"'{word}'" for word in command)
    done = subprocess.run(["sh", "-c", f"exec {quoted} <&- >&- 2>&-"], cwd=world.work, env=world.env, timeout=60)
    assert done.returncode == 0
    plain = ["sh", "-c", "exec sh -c 'ls /proc/self/fd > plain' <&- >&- 2>&-"]
    subprocess.run(plain, cwd=world.work, check=True, timeout=60)
    assert world.read("list") == world.read("plain")


def test_address_space_limit_binds_the_command_only(world: World, mode: str) -> None:
    """Under a limit of the address space in which Python just starts, the supervisor still does its work."""
    world.write("in", CONTENT)
    run = world.run(
        ["sort", "-o", "out", "in"],
        mode=mode,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (200 << 20, 200 << 20)),
    )
    assert run.status == 0, run.stderr
    assert run.inputs("out") == {"in": digest(CONTENT)}


def test_processor_time_limit_binds_the_command_only(world: World, mode: str) -> None:
    """The command has its limit; the supervisor may take as long as the command's descendants do."""
    os.mkfifo(world.work / "go")
    command = world.command(["sh", "-c", "ulimit -t; read line < go"], mode=mode)
    # A soft limit: not everyone who is root may go beyond a hard one.
    limited = ["sh", "-c", 'ulimit -St 60; exec "$@"', "sh", *command]
    with subprocess.Popen(limited, cwd=world.work, env=world.env, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"60\n"
        soft, hard = resource.prlimit(tracer(process.pid), resource.RLIMIT_CPU)
        (world.work / "go").write_bytes(b"\n")
        assert process.wait(60) == 0
    assert soft == hard == resource.RLIM_INFINITY


@pytest.mark.parametrize("limit", [6, 8, 12, 23])
def test_too_few_descriptors_to_start(world: World, mode: str, limit: int) -> None:
    """Where shark cannot open what it needs, now or at the end, it says so and ends with 125: nothing was started."""
    run = world.run(
        ["sh", "-c", "echo > out"],
        mode=mode,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )
    assert run.status == 125
    assert re.match(rb"shark: (the run could not be prepared: .*Too many open|too few files may be open)", run.stderr)
    assert b"Traceback" not in run.stderr
    assert not (world.work / "out").exists()


def test_just_enough_descriptors(world: World, mode: str) -> None:
    """With as many as shark asks for, the record is whole; the command's own limit stays."""
    world.write("in", CONTENT)
    run = world.run(
        ["sh", "-c", "ulimit -n; for i in 1 2 3; do cat < in | sort > out$i & done; wait"],
        mode=mode,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24)),
    )
    assert (run.status, run.stdout, run.stderr) == (0, b"24\n", b"")
    assert run.record["coverage"]["gaps"] == []
    assert [run.inputs(f"out{i}") for i in (1, 2, 3)] == [{"in": digest(CONTENT)}] * 3


def test_end_of_file_when_the_command_ends(world: World, tracee: Compiler, mode: str) -> None:
    """A reader of the command's output sees its end when the command ends, though a daemon of the run lives on."""
    world.write("in", CONTENT)
    with orphan(world, tracee("orphan"), "--linger", "60", mode=mode) as process:
        assert process.stdout
        assert process.stdout.read() == b""
        assert process.stderr
        assert process.stderr.read() == b""
        assert not (world.work / "late").exists()
        release(world)
        assert process.wait(60) == 3
    [record] = [world.finished(3, b"", b"").record]
    assert {Path(output["path"]).name for output in record["outputs"]} == {"out", "late"}


def test_locks_are_free_when_the_command_ends(world: World, tracee: Compiler, mode: str) -> None:
    """The supervisor holds no copy of an inherited descriptor, so a lock on it ends with the command."""
    os.mkfifo(world.work / "go")
    lock = os.open(world.work / "lock", os.O_RDWR | os.O_CREAT)
    command = world.command([tracee("locked")], "--linger", "60", mode=mode)
    argv = ["bash", "-c", f'exec "$@" 3<&{lock}-', "sh", *map(str, command)]
    with subprocess.Popen(argv, cwd=world.work, env=world.env, stdout=subprocess.PIPE, pass_fds=[lock]) as process:
        os.close(lock)
        assert process.stdout
        assert process.stdout.read() == b"locked\n"
        with open(world.work / "lock", "rb") as again:
            # Waits for the moment between the end of output and the end of the process; for no longer.
            fcntl.flock(again, fcntl.LOCK_EX)
        release(world)
        assert process.wait(60) == 0


# What lives on


@contextmanager
def orphan(world: World, program: Path, *options: str, mode: str) -> Iterator[subprocess.Popen[bytes]]:
    """The tracee orphan under shark: the command ends, its daemon waits for `release`."""
    os.mkfifo(world.work / "go")
    command = world.command([program], *options, mode=mode)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=world.work, env=world.env, **pipes) as process:
        yield process


def release(world: World) -> None:
    """Let the orphan's daemon go on: open the other side of the FIFO for which it waits."""
    os.close(os.open(world.work / "go", os.O_WRONLY))


def test_the_run_waits_for_background_work(world: World, tracee: Compiler, mode: str) -> None:
    """What a descendant writes within the linger belongs to the run, though the command has ended."""
    world.write("in", CONTENT)
    run = world.run([tracee("orphan"), "soon"], mode=mode)
    assert run.status == 3
    assert set(run.outputs) == {"out", "late"}
    assert run.inputs("late") == {"in": digest(CONTENT)}
    assert run.gaps == set()
    assert len(run.records) == 1


def test_after_the_linger(world: World, tracee: Compiler, mode: str) -> None:
    """After the linger the parent goes on, with a gap; what is written later goes into a second record."""
    world.write("in", CONTENT)
    with orphan(world, tracee("orphan"), "--linger", "0.1", mode=mode) as process:
        out, err = process.communicate(timeout=60)
    first = world.finished(process.returncode, out, err)
    known = world.record_paths()
    assert first.status == 3
    assert set(first.outputs) == {"out"}
    assert "still-running" in first.gaps
    assert world.processes() != []

    release(world)
    assert world.settle() == []
    second = world.finished(0, b"", b"", known=known)
    assert second.record["continues"] == first.record["id"]
    assert set(second.outputs) == {"late"}
    assert second.inputs("late")["in"] == digest(CONTENT)


def test_a_server_that_idles_is_not_waited_for(world: World, tracee: Compiler, mode: str) -> None:
    """The parent goes on at once; the server is traced on, with a gap, and what it writes later is recorded."""
    world.write("in", CONTENT)
    server = world.work / "gpg-agent"
    shutil.copy(tracee("orphan"), server)
    with orphan(world, server, "--linger", "3600", mode=mode) as process:
        out, err = process.communicate(timeout=60)
    first = world.finished(process.returncode, out, err)
    known = world.record_paths()
    assert set(first.outputs) == {"out"}
    assert first.gaps == {"still-running"}
    release(world)
    assert world.settle() == []
    second = world.finished(0, b"", b"", known=known)
    assert second.record["continues"] == first.record["id"]
    assert set(second.outputs) == {"late"}


def test_time_in_which_nobody_looks_is_no_linger(world: World, tracee: Compiler, mode: str) -> None:
    """A machine that stands still for longer than the linger makes no gap: descendants had no time either."""
    world.write("in", CONTENT)
    with orphan(world, tracee("orphan"), "--linger", "2", mode=mode) as process:
        assert process.stdout
        assert process.stdout.read() == b""
        supervisor = tracer(process.pid)
        os.kill(supervisor, signal.SIGSTOP)
        time.sleep(3)
        os.kill(supervisor, signal.SIGCONT)
        release(world)
        assert process.wait(60) == 3
    run = world.finished(3, b"", b"")
    assert set(run.outputs) == {"out", "late"}
    assert run.gaps == set()


def test_supervisor_killed(world: World, mode: str) -> None:
    """With the supervisor killed, the command ends too; `shark recover` makes a record of what was until then."""
    world.write("in", CONTENT)
    command = world.command(["sh", "-c", "cat in > out; echo ready; read line"], mode=mode)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=world.work, env=world.env, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        os.kill(tracer(process.pid), signal.SIGKILL)
        # Before its input is closed: at its end the command would go by itself.
        process.wait(60)
    assert process.returncode == -signal.SIGKILL
    assert world.record_paths() == []

    done = subprocess.run([*SHARK, "recover"], env=world.env, cwd=world.work, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    run = world.finished(done.returncode, done.stdout, done.stderr)
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.inputs("out") == {"in": digest(CONTENT)}
    assert not run.record["coverage"]["complete"]


def tracer(pid: int) -> int:
    """The process that traces `pid`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [number] = [int(line.split()[1]) for line in lines if line.startswith("TracerPid:")]
    assert number, "nobody traces the command"
    return number


# Signals


@contextmanager
def waiting(world: World, script: str, mode: str, **popen: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A shell script under shark in a process group of its own; it has said "ready" on its output."""
    command = world.command(["sh", "-c", script], mode=mode)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=world.work, env=world.env, process_group=0, **pipes, **popen) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process


def test_the_started_process_is_the_command(world: World, mode: str) -> None:
    """The process that the caller started is the command itself."""
    with waiting(world, "echo ready; echo $$; echo $PPID; read line", mode) as process:
        assert process.stdout
        assert int(process.stdout.readline()) == process.pid
        assert int(process.stdout.readline()) == os.getpid()
        process.communicate(b"\n", timeout=60)


def test_stop_and_continue(world: World, mode: str) -> None:
    """SIGSTOP stops the command, as its parent sees; SIGCONT continues it; its status is its own."""
    with waiting(world, "echo ready; read line; exit 9", mode) as process:
        for number in (signal.SIGSTOP, signal.SIGTSTP):
            os.kill(process.pid, number)
            pid, status = os.waitpid(process.pid, os.WUNTRACED)
            assert pid == process.pid
            assert os.WIFSTOPPED(status)
            assert os.WSTOPSIG(status) == number
            os.kill(process.pid, signal.SIGCONT)
            pid, status = os.waitpid(process.pid, os.WCONTINUED)
            assert os.WIFCONTINUED(status)
        process.communicate(b"\n", timeout=60)
    assert process.returncode == 9


def test_a_signal_to_the_group_arrives_once(world: World, mode: str) -> None:
    """A signal to the command's process group is delivered once to each of its processes."""
    script = "trap 'echo got' USR1; trap 'exit 8' TERM; echo ready; while :; do read line; done"
    with waiting(world, script, mode) as process:
        os.killpg(process.pid, signal.SIGUSR1)
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == b"got\n"
        os.killpg(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (8, b"", b"")


def test_kill_0(shark_run: SharkRun) -> None:
    """`kill 0` reaches the command's group, and not the supervisor: the run is recorded."""
    run = shark_run(["sh", "-c", "echo 1 > out; kill 0; echo 2 > out"], start_new_session=True)
    assert run.status == -signal.SIGTERM
    assert run.outputs == {"out": digest(b"1\n")}


def test_ignored_signals_stay_ignored(world: World) -> None:
    """A background job of a shell without job control ignores INT; under shark, too."""
    command = " ".join(f"'{word}'" for word in world.command(["sh", "-c", "kill -INT $$; exit 6"]))
    done = subprocess.run(["sh", "-c", f"{command} & wait $!"], env=world.env, cwd=world.work, timeout=60)
    assert done.returncode == 6


def test_sigpipe_ends_a_pipeline(world: World, mode: str) -> None:
    """`shark run -- yes | head -1` ends: SIGPIPE is the default's again, though Python had it ignored."""
    command = " ".join(f"'{word}'" for word in world.command(["yes"], mode=mode))
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"],
        env=world.env,
        cwd=world.work,
        capture_output=True,
        timeout=60,
    )
    assert done.stdout == b"y\n141\n"


def test_a_signal_while_the_supervisor_works(world: World, mode: str) -> None:
    """SIGTERM in the midst of ten thousand opens: killed as ever, and recorded."""
    world.write("in", CONTENT)
    script = "echo ready; while :; do read line < in; done"
    with waiting(world, script, mode) as process:
        os.kill(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM
    assert world.settle() == []
    run = world.finished(process.returncode, b"", b"")
    assert run.record["command"]["signal"] == signal.SIGTERM


# A terminal


PROMPT = "<prompt>"

ECHO = 'while read line; do echo "<$line>"; done; exit 4'
"""What a stopped job does. One process: a ^Z between vfork and exec would stop the child and hang its parent."""


class Terminal:
    """An interactive bash on a pseudo-terminal."""

    def __init__(self, world: World) -> None:
        environment = {**world.env, "PS1": PROMPT, "PS2": "", "TERM": "dumb", "HISTFILE": "", "ECHO": ECHO}
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(world.work)
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        self.seen = b""
        # Without bracketed paste and echo, what comes back is the programs' own output.
        self.send("bind 'set enable-bracketed-paste off' 2>/dev/null; set +o emacs; stty -echo; echo 'now ''begin'\n")
        self.expect("now begin")

    def send(self, text: str) -> None:
        """Type."""
        os.write(self.fd, text.encode())

    def expect(self, text: str) -> str:
        """Read until `text` came; return all before it."""
        import select
        import time

        end = time.monotonic() + 30
        wanted = text.encode()
        while wanted not in self.seen:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                pytest.fail(f"waited for {text!r}, got {self.seen!r}")
            self.seen += os.read(self.fd, 65536)
        before, _, self.seen = self.seen.partition(wanted)
        return before.decode(errors="replace")

    def status(self) -> int:
        """The exit status of the last command."""
        self.send("echo \"status=$? \"'end'\n")
        return int(self.expect(" end").rpartition("status=")[2])

    def close(self) -> None:
        """Hang up."""
        os.close(self.fd)
        os.waitpid(self.pid, 0)


@pytest.fixture
def terminal(world: World) -> Iterator[Terminal]:
    """A terminal, hung up in the end."""
    need("bash")
    here = Terminal(world)
    yield here
    if here.fd >= 0:
        here.close()


@pytest.fixture(params=["plain", "filter", "full"])
def prefix(request: pytest.FixtureRequest, world: World) -> str:
    """What stands before a command line: nothing (the truth that the tests must agree with), or shark."""
    if request.param == "plain":
        return ""
    return " ".join(f"'{word}'" for word in world.command([], mode=request.param)) + " "


@pytest.mark.serial
def test_interrupt_key(terminal: Terminal, prefix: str) -> None:
    """^C kills the command by SIGINT; bash sees 130."""
    terminal.send(f"{prefix}sh -c 'echo re''ady; exec cat'\n")
    terminal.expect("ready")
    terminal.send("\x03")
    # bash drops what was typed before it saw that its job was killed.
    terminal.expect(PROMPT)
    assert terminal.status() == 130


@pytest.mark.serial
def test_interrupt_key_is_delivered_once(terminal: Terminal, prefix: str, world: World) -> None:
    """A command that handles ^C gets it once, and ends as it likes."""
    script = 'trap "echo got >> log" INT; echo re""ady; while read line; do test "$line" = end && exit 5; done; exit 6'
    world.write("script", script)
    terminal.send(f"{prefix}bash script\n")
    terminal.expect("ready")
    terminal.send("\x03")
    terminal.send("end\n")
    assert terminal.status() == 5
    assert world.read("log") == b"got\n"


@pytest.mark.serial
def test_quit_key(terminal: Terminal, prefix: str) -> None:
    """^backslash: SIGQUIT, 131."""
    terminal.send(f"ulimit -c 0; {prefix}sh -c 'echo re''ady; exec cat'\n")
    terminal.expect("ready")
    terminal.send("\x1c")
    # bash drops what was typed before it saw that its job was killed.
    terminal.expect(PROMPT)
    assert terminal.status() == 131


@pytest.mark.serial
def test_suspend_key_and_foreground(terminal: Terminal, prefix: str) -> None:
    """^Z stops the job, `jobs` shows it, `fg` continues it, end of file ends it with its own status; all this twice."""
    terminal.send(f"{prefix}sh -c 'echo re''ady; '\"$ECHO\"\n")
    terminal.expect("ready")
    for word in ("first", "second"):
        terminal.send("\x1a")
        terminal.expect("Stopped")
        assert terminal.status() == 148
        terminal.send("jobs\n")
        terminal.expect("Stopped")
        terminal.send("fg\n")
        terminal.expect("$ECHO")
        terminal.send(f"{word} line\n")
        terminal.expect(f"<{word} line>")
    terminal.send("\x04")
    assert terminal.status() == 4


@pytest.mark.serial
def test_background(terminal: Terminal, prefix: str, world: World) -> None:
    """^Z, bg, wait: the job goes on in the background, and `wait` gives its status."""
    os.mkfifo(world.work / "fifo")
    terminal.send(f"{prefix}sh -c 'echo re''ady; read word < fifo; echo $word > out; exit 4'\n")
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.expect("Stopped")
    terminal.send("bg; echo do > fifo; wait %1\n")
    assert terminal.status() == 4
    assert world.read("out") == b"do\n"


@pytest.mark.serial
def test_reading_from_the_terminal_in_the_background(terminal: Terminal, prefix: str) -> None:
    """A background job that reads from the terminal is stopped (TTIN), and reads after `fg`."""
    terminal.send(f"{prefix}sh -c 'read line; echo \"<$line>\"; exit 4' &\n")
    terminal.send("echo wai''ting; while ! jobs | grep -q Stopped; do :; done; fg\n")
    terminal.expect("waiting")
    terminal.expect("exit 4")
    terminal.send("typed\n")
    terminal.expect("<typed>")
    assert terminal.status() == 4


@pytest.mark.serial
def test_stopped_by_someone_else(terminal: Terminal, prefix: str, world: World) -> None:
    """`kill -STOP` from elsewhere: the shell reports it, `fg` continues."""
    terminal.send(f"{prefix}sh -c 'echo pid $$ re''ady; '\"$ECHO\"\n")
    pid = int(terminal.expect(" ready").rpartition("pid ")[2])
    os.kill(pid, signal.SIGSTOP)
    terminal.expect("Stopped")
    terminal.send("fg\n")
    terminal.expect("$ECHO")
    terminal.send("line\n")
    terminal.expect("<line>")
    terminal.send("\x04")
    assert terminal.status() == 4


@pytest.mark.serial
def test_ignored_suspend(terminal: Terminal, prefix: str) -> None:
    """A command with TSTP ignored is not stopped by ^Z."""
    terminal.send(f"(trap '' TSTP; {prefix}sh -c 'echo re''ady; '\"$ECHO\")\n")
    terminal.expect("ready")
    terminal.send("\x1a")
    terminal.send("line\n")
    terminal.expect("<line>")
    terminal.send("\x04")
    assert terminal.status() == 4


@pytest.mark.serial
def test_isatty(terminal: Terminal, prefix: str) -> None:
    """The command's standard streams are the terminal, the same one, and its group is in the foreground."""
    program = "import os; print('is', *map(os.isatty, (0, 1, 2)), os.tcgetpgrp(0) == os.getpgrp(), os.ttyname(1))"
    terminal.send(f'{prefix}{sys.executable} -c "{program}"\n')
    assert terminal.expect("/dev/").split()[-4:] == ["True"] * 4
    assert terminal.status() == 0


@pytest.mark.serial
def test_the_terminal_is_closed(world: World, mode: str) -> None:
    """When the terminal goes, its jobs get HUP and end, and so does shark, with a record."""
    need("bash")
    terminal = Terminal(world)
    # Nobody reads the terminal: who does finds its end, and the script would be over before the signal has come.
    world.write("script", "echo 1 > out; mkfifo never; echo ready; cat never")
    command = " ".join(f"'{word}'" for word in world.command(["sh", "script"], mode=mode))
    terminal.send(f"{command}\n")
    terminal.expect("ready")
    terminal.close()
    assert world.settle() == []
    run = world.finished(0, b"", b"")
    assert run.record["command"]["signal"] == signal.SIGHUP
    assert run.outputs == {"out": digest(b"1\n")}


@pytest.mark.serial
def test_one_line_on_a_terminal(terminal: Terminal, world: World) -> None:
    """With a terminal as standard error, shark says one short line in the end; -q silences it."""
    command = " ".join(f"'{word}'" for word in (*SHARK, "run"))
    terminal.send(f"{command} -- sh -c 'echo 1 > out'; echo 'all ''done'\n")
    said = terminal.expect("all done").replace(PROMPT, "").strip().splitlines()
    assert len(said) == 1
    terminal.send(f"{command} -q -- sh -c 'echo 2 > out'; echo 'all ''done'\n")
    assert terminal.expect("all done").replace(PROMPT, "").strip() == ""


# Places where shark runs


def test_inside_another_run(shark_run: SharkRun, world: World) -> None:
    """`shark run` inside a run executes its command, keeps its status, and is a sub-run with an id of its own."""
    world.write("in", CONTENT)
    called = ["--name", "step", "--tag", "stage=2"]
    inner = " ".join(f"'{word}'" for word in world.command(["sh", "-c", "cat in > inner; exit 5"], *called))
    run = shark_run(["sh", "-c", f"{inner}; echo $?; cat inner > outer"])
    assert run.status == 0
    assert run.stdout == b"5\n"
    [outer] = [record for record in run.records if "subruns" in record]
    [subrun] = outer["subruns"]
    assert subrun["run"] != outer["id"]
    [step] = [record for record in run.records if record["id"] == subrun["run"]]
    assert (step["name"], step["tags"], step["parent"]) == ("step", {"stage": "2"}, outer["id"])
    assert "values" not in step
    assert {Path(output["path"]).name for output in outer["outputs"]} >= {"outer"}
    assert attached(world.work / "inner")
    assert attached(world.work / "outer")


@pytest.mark.root
def test_as_pid_1(world: World, mode: str) -> None:
    """shark as the first process of a pid namespace: the status comes out, the manifest is written, nothing hangs."""
    need_root()
    need("unshare")
    world.write("in", CONTENT)
    command = world.command(["sh", "-c", "cat in > out; (exit 1) & exit 5"], mode=mode)
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *command]
    done = subprocess.run(argv, cwd=world.work, env=world.env, capture_output=True, timeout=60)
    assert done.returncode == 5, done.stderr
    manifest = attached(world.work / "out")
    assert manifest
    assert [e["sha256"] for e in manifest["inputs"] if e["path"] == f"{world.work}/in"] == [digest(CONTENT)]
    assert len(world.record_paths()) == 1


@pytest.mark.root
def test_as_another_user(world: World, tracee: Compiler, mode: str) -> None:
    """Without root (and so with no_new_privs): everything as ever."""
    need_root()
    world.write("in", CONTENT)
    nobody = world.become_nobody(tracee.directory)
    for name, arguments in [("open_thread", []), ("clone_untraced", ["clone3"]), ("exec_memfd", []), ("vfork", [])]:
        world.write("early", b"for vfork")
        run = world.run([tracee(name), *arguments], mode=mode, **nobody)
        assert run.status in (0, NOT_HERE), run.stderr
        assert run.outputs == {"out": digest(CONTENT)}
        assert run.inputs("out")["in"] == digest(CONTENT)
        assert run.gaps == set()
        (world.work / "out").unlink()


@pytest.mark.root
def test_as_another_user_by_setpriv(world: World, mode: str) -> None:
    """setpriv --reuid changes the user before shark starts: exit statuses and signals as ever."""
    need_root()
    need("setpriv")
    world.become_nobody()
    for script, status in [("exit 7", 7), ("kill -KILL $$", -9)]:
        command = world.command(["sh", "-c", script], mode=mode)
        argv = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", *command]
        done = subprocess.run(argv, cwd=world.work, env=world.env, capture_output=True, timeout=60)
        assert (done.returncode, done.stderr) == (status, b"")


@pytest.mark.root
def test_standard_output_that_another_user_opened(world: World, mode: str) -> None:
    """A file in a folder that the user may not enter was not removed by anybody: what was written there is unknown."""
    need_root()
    world.write("in", CONTENT)
    nobody = world.become_nobody()
    hidden = world.work / "hidden"
    hidden.mkdir(mode=0o700)
    with (hidden / "log").open("wb") as log:
        run = world.run(["tee", "out"], mode=mode, stdin=CONTENT, stdout=log, **nobody)
    assert (run.status, (hidden / "log").read_bytes()) == (0, CONTENT)
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.gaps == {"unreadable"}


def test_nothing_stays_behind(world: World, mode: str) -> None:
    """When the parent goes on, the supervisor is about to end: nothing of the run is left after a moment."""
    run = world.run(["sh", "-c", "echo 1 > out"], mode=mode)
    assert run.status == 0
    for pid in world.processes():
        wait_for_end(pid, 5)
    assert world.processes() == []


def test_environment_in_the_c_locale(shark_run: SharkRun, world: World) -> None:
    """Python sets LC_CTYPE when it is started in the C locale; the command does not see that."""
    del world.env["LC_ALL"]
    for name in ("LANG", "LC_CTYPE"):
        world.env.pop(name, None)
    assert b"LC_CTYPE" not in shark_run(["env"]).stdout
    assert b"\nLC_CTYPE=POSIX\n" in shark_run(["env"], env={"LC_CTYPE": "POSIX"}).stdout


@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_parent_that_ignores_the_end_of_children(shark_run: SharkRun, options: tuple[str, ...]) -> None:
    """SIGCHLD ignored at the start, as daemons leave it, is ignored in the command, and of no consequence to shark."""

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    run = shark_run(["grep", "SigIgn", "/proc/self/status"], *options, preexec_fn=ignore, timeout=20)
    assert (run.status, run.stderr) == (0, b"")
    assert int(run.stdout.split()[1], 16) >> (signal.SIGCHLD - 1) & 1
    assert run.record["command"]["exit"] == 0


@pytest.mark.parametrize("options", [(), ("--strict",)])
def test_blocked_signals_stay_blocked(shark_run: SharkRun, options: tuple[str, ...]) -> None:
    """The command's signal mask is the one that shark was started with."""

    def block() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN})

    run = shark_run(["grep", "SigBlk", "/proc/self/status"], *options, preexec_fn=block)
    mask = int(run.stdout.split()[1], 16)
    assert mask == sum(1 << (number - 1) for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGRTMIN))


def test_command_that_adopts_orphans(shark_run: SharkRun) -> None:
    """A subreaper (PR_SET_CHILD_SUBREAPER holds across exec) has no child that it did not make, and waits for none."""

    def adopt() -> None:
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)

    program = "import os\nos.fork() or os._exit(0)\nos.wait()\ntry: os.wait()\nexcept ChildProcessError: print('alone')"
    run = shark_run([sys.executable, "-c", program], preexec_fn=adopt, timeout=20)
    assert (run.status, run.stdout) == (0, b"alone\n")


def test_proc_of_another_namespace(world: World, mode: str) -> None:
    """With the /proc of other process ids, shark would look at the wrong processes: it says so instead."""
    need_root()
    command = ["unshare", "--pid", "--fork", *world.command(["sh", "-c", "echo > out"], mode=mode)]
    done = subprocess.run(command, cwd=world.work, env=world.env, capture_output=True, timeout=60)
    assert done.returncode == 125
    assert b"PID namespace" in done.stderr
    assert not (world.work / "out").exists()


def test_threads_that_end_with_the_process(trace: Callable[..., Run]) -> None:
    """The record is there when the command's parent goes on, also if threads are killed in the middle of their end."""
    for _ in range(20):
        run = trace("threads_exit", status=7)
        assert run.document is not None
        assert run.record.get("id") == run.document["id"]
