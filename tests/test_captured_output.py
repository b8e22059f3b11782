"""`--capture-output`: every byte is kept, and neither the command nor who reads its output can tell."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import json
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import SHARK, Run, World, attached, wait_for_end

CAPTURE = "--capture-output"
pytestmark = pytest.mark.parametrize("mode", ["filter"], indirect=True)
SharkRun = Callable[..., Run]


def object_of(world: World, sha256: str) -> bytes:
    """An object's content, by the contract alone."""
    return (world.store / "objects" / sha256[:2] / sha256).read_bytes()


def kept(world: World, run: Run, name: str = "stdout") -> bytes:
    """What the record says of a stream."""
    return object_of(world, run.record["streams"][name]["sha256"])


def show(world: World, *options: str) -> bytes:
    """What `shark show` writes of the latest run."""
    return subprocess.run([*SHARK, "show", *options, "@1"], env=world.env, stdout=subprocess.PIPE, check=True).stdout


EVERY_BYTE = "import os, sys; os.write(1, bytes(range(256)) * 4096)"


def test_every_byte_is_kept(shark_run: SharkRun, world: World) -> None:
    """Binary data, a megabyte of it, of two streams."""
    run = shark_run(["python3", "-c", EVERY_BYTE + "; os.write(2, b'\\xff\\r\\n\\0')"], CAPTURE)
    assert run.stdout == kept(world, run) == show(world, "--stdout") == bytes(range(256)) * 4096
    assert run.stderr == kept(world, run, "stderr") == show(world, "--stderr") == b"\xff\r\n\0"
    assert run.record["streams"]["stdout"] == {
        "through": "pipe",
        "sha256": run.record["streams"]["stdout"]["sha256"],
        "size": 1 << 20,
    }


def test_nothing_is_kept_without_being_asked(shark_run: SharkRun) -> None:
    """The command's descriptors are then those that shark got."""
    reading, writing = os.pipe()
    inode = os.fstat(writing).st_ino
    run = shark_run(["stat", "-L", "-c", "%i", "/dev/stdout"], stdout=writing)
    os.close(writing)
    assert os.read(reading, 100) == b"%d\n" % inode
    os.close(reading)
    assert "streams" not in run.record


@pytest.mark.parametrize("status", [0, 3, 125])
def test_the_exit_status_is_the_commands(shark_run: SharkRun, status: int) -> None:
    assert shark_run(["sh", "-c", f"echo x; exit {status}"], CAPTURE).status == status


def test_a_killed_command_is_seen_as_killed(shark_run: SharkRun, world: World) -> None:
    run = shark_run(["sh", "-c", "echo before; kill -TERM $$"], CAPTURE)
    assert (run.status, run.stdout, kept(world, run)) == (-signal.SIGTERM, b"before\n", b"before\n")


def test_a_command_that_cannot_be_executed(shark_run: SharkRun, world: World) -> None:
    """Its message comes through, there is no record, and nothing is left."""
    run = shark_run(["no-such-command"], CAPTURE)
    assert (run.status, run.stderr, run.record) == (127, b"shark: no-such-command: command not found\n", {})
    assert list((world.store / "journals").iterdir()) == []


def test_streams_that_go_to_one_place_keep_their_order(shark_run: SharkRun, world: World) -> None:
    """With 2>&1 there is one pipe, in which the order is exact."""
    code = "import os\nfor n in range(2000): os.write(1 + n % 2, b'%d ' % n)"
    run = shark_run(["python3", "-c", code], CAPTURE, stderr=subprocess.STDOUT)
    assert run.stdout == kept(world, run) == b"".join(b"%d " % n for n in range(2000))
    assert run.record["streams"]["stderr"] == {"through": "pipe", "same_as": "stdout"}
    assert show(world, "--stderr") == run.stdout


def test_the_order_of_two_streams_is_that_of_their_arrival(world: World, mode: str) -> None:
    """Each part is read by us before the command goes on, so the arrival is known."""
    code = "import os\nfor n in range(20):\n os.write(1 + n % 2, b'%d ' % n)\n os.read(0, 1)"
    command = world.command(["python3", "-c", code], CAPTURE, mode=mode)
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=world.env, cwd=world.work, **how) as process:
        assert process.stdin is not None
        for n in range(20):
            stream = process.stderr if n % 2 else process.stdout
            assert stream is not None
            assert os.read(stream.fileno(), 100) == b"%d " % n
            process.stdin.write(b".")
            process.stdin.flush()
    assert process.returncode == 0
    assert show(world, "--stdout", "--stderr") == b"".join(b"%d " % n for n in range(20))


def test_a_stream_into_a_file_is_left_alone(shark_run: SharkRun, world: World) -> None:
    """The file is an output with its manifest; what was added to it is kept."""
    world.write("out", "earlier\n")
    with (world.work / "out").open("ab") as out:
        run = shark_run(["sh", "-c", "echo new; test -f /dev/stdout && echo file"], CAPTURE, stdout=out)
    assert (world.work / "out").read_text() == "earlier\nnew\nfile\n"
    assert run.record["streams"]["stdout"]["through"] == "file"
    assert kept(world, run) == b"new\nfile\n"
    with (world.work / "made").open("wb") as made:
        again = shark_run(["echo", "x"], CAPTURE, stdout=made)
    assert "made" in again.outputs
    assert attached(world.work / "made") is not None
    assert kept(world, again) == b"x\n"


def test_a_closed_stream_stays_closed(shark_run: SharkRun, world: World) -> None:
    inner = " ".join([*world.shark, "run", CAPTURE, "--", "sh", "-c", "'echo x || echo closed >&2'"])
    done = subprocess.run(["sh", "-c", f"{inner} >&-"], env=world.env, cwd=world.work, capture_output=True)
    assert b"closed" in done.stderr
    [path] = world.record_paths()
    assert set(json.loads(gzip.decompress(path.read_bytes()))["streams"]) == {"stderr"}


@pytest.mark.parametrize(("limit", "size"), [(100, 100), (101, 101), (100, 101), (100, 100_000), (0, 10)])
def test_the_beginning_and_the_end_are_kept(shark_run: SharkRun, world: World, limit: int, size: int) -> None:
    whole = (bytes(range(256)) * 400)[:size]
    code = f"import sys; sys.stdout.buffer.write((bytes(range(256)) * 400)[:{size}])"
    run = shark_run(["python3", "-c", code], CAPTURE, env={"SHARK_CAPTURE_LIMIT": str(limit)})
    assert run.stdout == whole
    half = limit // 2
    expected = whole if size <= limit else whole[: limit - half] + (whole[-half:] if half else b"")
    assert kept(world, run) == expected
    if size > limit and half:
        assert run.record["streams"]["stdout"]["cut"] == {"at": limit - half, "bytes": size - limit}
        done = subprocess.run([*SHARK, "show", "--stdout", "@1"], env=world.env, capture_output=True)
        assert done.stdout == expected
        assert b"were not kept" in done.stderr


class TestReaders:
    """Who reads the output, and what the command notices of it."""

    @contextlib.contextmanager
    def started(self, world: World, *argv: str, **how: Any) -> Iterator[subprocess.Popen[bytes]]:
        how.setdefault("stdout", subprocess.PIPE)
        with subprocess.Popen(world.command(argv, CAPTURE), env=world.env, cwd=world.work, **how) as process:
            yield process

    def test_a_reader_that_closes_ends_the_command_by_sigpipe(self, world: World, mode: str) -> None:
        with self.started(world, "yes") as process:
            assert process.stdout is not None
            assert os.read(process.stdout.fileno(), 2) == b"y\n"
            process.stdout.close()
            assert process.wait(30) == -signal.SIGPIPE

    def test_a_reader_that_is_gone_is_noticed_without_any_data(self, world: World, mode: str) -> None:
        """The very next write must fail, even long after."""
        script = "trap '' PIPE; read x; echo y || exit 7"
        with self.started(world, "bash", "-c", script, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            process.stdout.close()
            deadline = time.monotonic() + 20
            while self.pipe_ends(process.pid) and time.monotonic() < deadline:
                select.select([], [], [], 0.01)  # until the closing has come through
            process.stdin.write(b"\n")
            process.stdin.close()
            assert process.wait(30) == 7

    @staticmethod
    def pipe_ends(pid: int) -> list[int]:
        """Processes that hold the other end of the command's stdout for reading."""
        with contextlib.suppress(OSError):
            inode = os.readlink(f"/proc/{pid}/fd/1")
            found = []
            for other in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError):
                    fds = os.listdir(f"/proc/{other}/fd")
                    if int(other) != pid and any(os.readlink(f"/proc/{other}/fd/{fd}") == inode for fd in fds):
                        found.append(int(other))
            return found
        return [0]

    def test_the_end_of_file_comes_when_the_command_closes(self, world: World, mode: str) -> None:
        """Not when it ends: it still runs."""
        with self.started(world, "sh", "-c", "echo a; exec >&-; read x; exit 5", stdin=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.read() == b"a\n"
            assert process.poll() is None
            process.stdin.close()
            assert process.wait(30) == 5

    def test_a_slow_reader_loses_nothing(self, world: World, mode: str) -> None:
        """More than all buffers hold: the command must wait for the reader."""
        with self.started(world, "sh", "-c", "seq 200000; echo done >&2", stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert not select.select([process.stderr], [], [], 1)[0]
            assert process.stdout.read() == b"".join(b"%d\n" % n for n in range(1, 200001))
            assert process.stderr.read() == b"done\n"
            assert process.wait(30) == 0

    def test_a_reader_who_waits_on_stdout_does_not_hold_up_stderr(self, world: World, mode: str) -> None:
        script = "seq 200000 & echo now >&2; wait"
        with self.started(world, "sh", "-c", script, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert process.stderr.readline() == b"now\n"
            process.stdout.read()
            assert process.wait(30) == 0

    def test_what_was_written_has_arrived_when_the_command_ends(self, world: World, mode: str) -> None:
        """Even if nobody has read it yet."""
        reading, writing = os.pipe()
        with self.started(world, "echo", "there", stdout=writing) as process:
            os.close(writing)
            assert process.wait(30) == 0
            assert select.select([reading], [], [], 0)[0]
            assert os.read(reading, 100) == b"there\n"
        os.close(reading)

    def test_a_place_that_does_not_block_is_waited_for(self, world: World, mode: str) -> None:
        """Somebody else who shares the pipe may have made it so (Node does)."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        script = "import os\nfor n in range(10): os.write(1, b'y' * 4000)"
        with self.started(world, "python3", "-c", script, stdout=writing) as process:
            os.close(writing)
            with open(reading, "rb") as end:
                assert end.read() == b"y" * 40000
            assert process.wait(30) == 0


def test_what_descendants_write_later_is_in_the_second_record(world: World, mode: str) -> None:
    script = "exec 3<&0; (echo first; read x; echo later) <&3 & echo now"
    reading, writing = os.pipe()
    command = world.command(["sh", "-c", script], CAPTURE, "--linger", "0")
    with subprocess.Popen(command, env=world.env, cwd=world.work, stdout=subprocess.PIPE, stdin=reading) as process:
        os.close(reading)
        assert process.wait(30) == 0
        os.close(writing)
        assert process.stdout is not None
        out = process.stdout.read()
    world.settle()
    records = sorted((json.loads(gzip.decompress(p.read_bytes())) for p in world.record_paths()), key=lambda r: r["id"])
    streams = [object_of(world, record["streams"]["stdout"]["sha256"]) for record in records]
    assert b"".join(streams) == out
    assert b"later\n" in streams[1]
    assert b"now\n" in streams[0]


def test_what_was_captured_before_a_crash_is_recovered(world: World, mode: str) -> None:
    """The supervisor is killed, and the command with it; what it had written is in the recovered record."""
    command = world.command(["sh", "-c", "echo one; echo two >&2; echo x > out; read x"], CAPTURE)
    how = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=world.env, cwd=world.work, **how) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"one\n"
        assert process.stderr.readline() == b"two\n"
        deadline = time.monotonic() + 20
        while not (world.work / "out").exists() and time.monotonic() < deadline:
            select.select([], [], [], 0.01)
        tracer = int(Path(f"/proc/{process.pid}/status").read_text().partition("TracerPid:")[2].split()[0])
        os.kill(tracer, signal.SIGKILL)
        assert process.wait(30) == -signal.SIGKILL
        wait_for_end(tracer, 20)
        assert process.stdout.read() == b""
    world.settle()
    subprocess.run([*SHARK, "recover"], env=world.env, check=True, stdout=subprocess.DEVNULL)
    [path] = world.record_paths()
    streams = json.loads(gzip.decompress(path.read_bytes()))["streams"]
    assert object_of(world, streams["stdout"]["sha256"]) == b"one\n"
    assert object_of(world, streams["stderr"]["sha256"]) == b"two\n"
    assert "there may be more" in streams["stdout"]["why"]


KILLS_ITS_KEEPER = """
import glob, os, signal
os.write(1, b"one\\n")
pipe = os.readlink("/proc/self/fd/1")
def reads(pid):
    try:
        links = [os.readlink(fd) for fd in glob.glob(f"/proc/{pid}/fd/*")]
    except OSError:
        return False
    return pipe in links
keepers = [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid() and reads(p)]
kept = os.environ["SHARK_HOME"] + "/journals/*.output.*"
while not any(b"one" in open(p, "rb").read() for p in glob.glob(kept)): pass
for keeper in keepers: os.kill(keeper, signal.SIGKILL)
try:
    for _ in range(1000): os.write(1, b"two\\n")
except BrokenPipeError:
    open("out", "w").close()
"""


def test_what_was_lost_with_its_keeper_is_a_gap(world: World, shark_run: SharkRun) -> None:
    """The process that keeps the output is killed: what it had is in the record, and that there may be more."""
    world.write("kills.py", KILLS_ITS_KEEPER)
    run = shark_run([SHARK[0], "kills.py"], CAPTURE)
    assert run.status == 0, run.stderr
    assert kept(world, run).startswith(b"one\n")
    assert "there may be more" in run.record["streams"]["stdout"]["why"]
    details = [gap["detail"] for gap in run.record["coverage"]["gaps"]]
    assert [
        detail for detail in details if detail.startswith("what the command wrote to its stdout was not kept whole")
    ]


class Terminal:
    """A terminal with a session in it."""

    def __init__(self, world: World, argv: list[str], rows: int = 30, columns: int = 90) -> None:
        self.master, slave = os.openpty()
        termios.tcsetwinsize(slave, (rows, columns))

        def own() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            argv, env=world.env, cwd=world.work, stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=own,  # noqa: PLW1509
        )  # fmt: skip
        os.close(slave)
        self.seen = b""

    def until(self, text: bytes, seconds: float = 30) -> bytes:
        """Read until `text` comes; gives what came with it."""
        end = time.monotonic() + seconds
        found = b""
        while text not in found:
            assert select.select([self.master], [], [], max(0.0, end - time.monotonic()))[0], (text, self.seen)
            try:
                found += os.read(self.master, 65536)
            except OSError:
                break
        self.seen += found
        return found

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def close(self) -> None:
        os.close(self.master)


@pytest.mark.serial
class TestTerminal:
    """What a person at a terminal sees."""

    def test_size_colour_and_interrupt(self, world: World, mode: str) -> None:
        script = (
            'stty size <&1; test -t 1 && test -t 2 && echo tty; printf "\\033[31mred\\033[0m\\n"; '
            'trap "stty size <&1" WINCH; echo ready; while :; do read x; done'
        )
        terminal = Terminal(world, [*world.shark, "run", CAPTURE, "--", "sh", "-c", script])
        seen = terminal.until(b"ready\r\n")
        assert seen == b"30 90\r\ntty\r\n\x1b[31mred\x1b[0m\r\nready\r\n"
        termios.tcsetwinsize(terminal.master, (40, 100))
        terminal.until(b"40 100\r\n")
        terminal.type(b"\x03")
        assert terminal.process.wait(30) == -signal.SIGINT
        terminal.until(b"shark show")  # the line that a terminal gets from shark itself
        terminal.close()
        assert show(world, "--stdout") == b"30 90\ntty\n\x1b[31mred\x1b[0m\nready\n40 100\n"
        [path] = world.record_paths()
        assert json.loads(gzip.decompress(path.read_bytes()))["streams"]["stdout"]["through"] == "terminal"

    def test_job_control(self, world: World, mode: str) -> None:
        terminal = Terminal(world, ["bash", "--norc", "--noediting", "-i"])
        terminal.type(b"PS1='ready: '; stty -echo\n")
        terminal.until(b"ready: ")
        command = " ".join(
            [*world.shark, "run", "-q", CAPTURE, "--", "sh", "-c", "'echo started; read x; echo got $x'"]
        )
        terminal.type(command.encode() + b"\n")
        terminal.until(b"started\r\n")
        terminal.type(b"\x1a")
        assert b"Stopped" in terminal.until(b"ready: ")
        terminal.type(b"fg\n")
        terminal.until(b"read x")
        terminal.type(b"word\n")
        terminal.until(b"got word\r\n")
        terminal.type(b"echo status $?\n")
        terminal.until(b"status 0\r\n")
        terminal.type(b"exit\n")
        terminal.process.wait(30)
        terminal.close()
        assert show(world, "--stdout") == b"started\ngot word\n"

    def test_the_output_comes_before_the_prompt(self, world: World, mode: str) -> None:
        command = " ".join([*world.shark, "run", "-q", CAPTURE, "--", "seq", "3000"])
        terminal = Terminal(world, ["sh", "-c", f"{command}; echo prompt"])
        seen = terminal.until(b"prompt\r\n")
        terminal.process.wait(30)
        terminal.close()
        assert seen == b"".join(b"%d\r\n" % n for n in range(1, 3001)) + b"prompt\r\n"


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_large_stream_takes_little_memory(world: World, mode: str) -> None:
    """A gigabyte goes through; the process that passes it on stays small, and so does what is kept."""
    command = world.command(["head", "-c", "1G", "/dev/zero"], CAPTURE)
    with subprocess.Popen(command, env=world.env, cwd=world.work, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        size = peak = 0
        while part := process.stdout.read(1 << 24):
            size += len(part)
            for pid in world.processes():
                with contextlib.suppress(OSError, IndexError, ValueError):
                    status = Path(f"/proc/{pid}/status").read_text()
                    peak = max(peak, int(status.partition("VmHWM:")[2].split()[0]))
        assert process.wait(60) == 0
    assert size == 1 << 30
    assert peak < 150_000, f"{peak} kB"
    assert len(show(world, "--stdout")) == 64 << 20
