"""Where Yama (or whatever else) forbids tracing: what is said, with which status, and that nothing else comes of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import World, need_root

Forbidden = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def forbidden(world: World) -> Forbidden:
    """Runs `shark ARGUMENTS` where tracing is forbidden and Yama's scope is the one given."""
    need_root()

    def run(scope: int, *arguments: str, command: list[str] | None = None) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, str(Path(__file__).with_name("forbidden.py")), str(scope)]
        return subprocess.run(
            [*words, *(command or [*world.shark, *arguments])],
            cwd=world.work,
            env=world.env,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (0, "tracing is forbidden here: ptrace failed with"),
        (1, "tracing is forbidden here: ptrace failed with"),
        (2, "tracing is forbidden: kernel.yama.ptrace_scope is 2"),
        (3, "tracing is forbidden: kernel.yama.ptrace_scope is 3"),
    ],
)
def test_a_run_is_refused(forbidden: Forbidden, world: World, scope: int, said: str) -> None:
    """125, the reason and what to do; the command is not run, and no record or journal is left."""
    done = forbidden(scope, "run", "--", "touch", "made")
    assert done.returncode == 125
    message, hint = done.stderr.splitlines()
    assert message.startswith(f"shark: {said}")
    assert "shark doctor" in hint
    assert not (world.work / "made").exists()
    assert world.settle() == []
    assert world.record_paths() == []
    assert not list(world.root.rglob("*.journal"))


@pytest.mark.parametrize(
    ("scope", "hint"),
    [(1, "Only root may trace what it did not start"), (2, "Only root may trace: try it"), (3, "until the next boot")],
)
def test_a_process_that_runs_already_is_not_touched(forbidden: Forbidden, world: World, scope: int, hint: str) -> None:
    """125, the scope and what to do about it; the process goes on as if nobody had asked."""
    guest = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=world.work)
    done = forbidden(scope, "run", "--pid", str(guest.pid))
    assert done.returncode == 125
    assert f"process {guest.pid} may not be traced" in done.stderr
    assert f"(kernel.yama.ptrace_scope is {scope})" in done.stderr
    assert hint in done.stderr
    assert guest.communicate(b"x\n", timeout=60) == (b"x\n", None)
    assert guest.returncode == 0
    assert world.record_paths() == []


@pytest.mark.parametrize("scope", [1, 2])
def test_a_block_is_run_without_its_record(forbidden: Forbidden, world: World, scope: int) -> None:
    """A warning says why; `strict` makes an error of it."""
    world.write(
        "program.py",
        """\
import pathlib, warnings, shark
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    with shark.recording("block") as rec:
        pathlib.Path("made").write_text("x")
print(rec.id, *(one.message for one in heard), sep="\\n")
try:
    with shark.recording("block", strict=True): print("not reached")
except shark.SharkError as problem:
    print(problem.exit_code, problem.message)
""",
    )
    done = forbidden(scope, command=[world.shark[0], "program.py"])
    assert done.returncode == 0, done.stderr
    run, warning, error = done.stdout.splitlines()
    assert run == "None"
    assert "not recorded" in warning
    assert f"kernel.yama.ptrace_scope is {scope}" in warning
    assert error.startswith("125 ")
    assert (world.work / "made").read_text() == "x"
    assert world.record_paths() == []


@pytest.mark.parametrize(
    ("scope", "advice"),
    [(2, "as root, sysctl kernel.yama.ptrace_scope=1"), (3, "until the next boot: set kernel.yama.ptrace_scope=1")],
)
def test_the_doctor_knows_the_remedy(forbidden: Forbidden, scope: int, advice: str) -> None:
    """It tells what forbids it, and what would allow it."""
    done = forbidden(scope, "doctor")
    assert done.returncode == 1
    assert f"tracing is forbidden: Operation not permitted (Yama scope {scope})" in " ".join(done.stdout.split())
    assert advice in " ".join(done.stdout.split())


def test_a_process_that_hides_its_memory(world: World) -> None:
    """Whoever made itself undumpable (prctl(2)) is for root alone to trace: refused for others, with the reason."""
    need_root()
    who = world.become_nobody()
    code = "import ctypes, sys; ctypes.CDLL(None).prctl(4, 0); print('ready', flush=True); sys.stdin.read()"
    python = world.shark[0]
    guest = subprocess.Popen([python, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", **who)
    assert guest.stdout is not None
    assert guest.stdout.readline() == b"ready\n"
    done = subprocess.run(
        [*world.shark, "run", "--pid", str(guest.pid)], env=world.env, capture_output=True, text=True, cwd="/", **who
    )
    assert done.returncode == 125
    assert f"process {guest.pid} may not be traced" in done.stderr
    assert "has more privileges than you" in done.stderr
    guest.communicate(b"", timeout=60)
    assert guest.returncode == 0
