"""Becoming the command, or ending as a shell does when that cannot be."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from shark.capture.launcher import Link, candidates, launch
from shark.errors import EXIT_RUN, SharkError

SCRIPT = """
import os, sys
from shark.capture.launcher import execute
path = os.environb.pop(b"SEARCH", None)
environ = dict(os.environb)
environ.pop(b"PATH", None)
if path is not None:
    environ[b"PATH"] = path
execute([os.fsencode(a) for a in sys.argv[1:]], environ)
"""


def execute(*argv: str | bytes, cwd: Path, search: str | None = None) -> tuple[int, bytes, str]:
    environ = {**os.environ, "SEARCH": search} if search is not None else {**os.environ}
    done = subprocess.run([sys.executable, "-c", SCRIPT, *argv], cwd=cwd, env=environ, capture_output=True)
    return done.returncode, done.stdout, done.stderr.decode()


def program(path: Path, text: str = "#!/bin/sh\necho $0 $1\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("last", ["before it is heard", "after it is heard"])
def test_a_supervisor_that_is_killed_during_the_hand_shake(last: str) -> None:
    """The command does not start, and whoever started it is told why."""

    def supervise(link: Link) -> None:
        if last == "after it is heard":
            link.ask()
        else:
            os.close(link.descriptors[0])  # what is written to it from now on finds nobody
            os.write(link.descriptors[1], b"%d\n" % os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SharkError) as failed:
        launch([b"true"], {}, b"", supervise)
    assert failed.value.message == "the supervisor ended unexpectedly"
    assert failed.value.exit_code == EXIT_RUN


def test_by_path(tmp_path: Path) -> None:
    """A name with a slash is looked for nowhere else."""
    program(tmp_path / "prog")
    assert execute("./prog", "x", cwd=tmp_path, search="/nowhere") == (0, b"./prog x\n", "")


def test_along_path(tmp_path: Path) -> None:
    """The first one that can be executed wins; an empty entry is the working directory."""
    program(tmp_path / "a" / "prog", mode=0o644)
    program(tmp_path / "b" / "prog")
    program(tmp_path / "prog")
    search = f"{tmp_path}/absent:{tmp_path}/a:{tmp_path}/b"
    assert execute("prog", "x", cwd=tmp_path, search=search) == (0, f"{tmp_path}/b/prog x\n".encode(), "")
    assert execute("prog", "x", cwd=tmp_path, search=":/nowhere")[0] == 0


def test_what_is_tried(tmp_path: Path) -> None:
    """Only what is there: under the filter each attempt would cost two stops."""
    program(tmp_path / "a" / "prog", mode=0o644)
    program(tmp_path / "b" / "prog")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "prog").symlink_to("nothing")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "prog").symlink_to("prog")
    (tmp_path / "file").touch()
    folders = [os.fsencode(tmp_path / name) for name in ("absent", "file", "c", "a", "d", "b")]
    environ = {b"PATH": b":".join(folders)}
    assert candidates(b"prog", environ) == [b"%b/prog" % folder for folder in folders[3:]]
    assert candidates(b"./absent", environ) == [b"./absent"]
    assert candidates(b"", environ) == []


def test_without_path(tmp_path: Path) -> None:
    """The system's default is searched, as execvp(3) does."""
    assert execute("true", cwd=tmp_path) == (0, b"", "")


def test_a_script_without_its_first_line(tmp_path: Path) -> None:
    """Goes to the shell, as with execvp(3)."""
    program(tmp_path / "prog", "echo $1\n")
    assert execute("./prog", "x", cwd=tmp_path) == (0, b"x\n", "")
    assert execute("prog", "x", cwd=tmp_path, search=str(tmp_path)) == (0, b"x\n", "")


def test_not_found(tmp_path: Path) -> None:
    """127, with the shell's words."""
    assert execute("prog", cwd=tmp_path, search="/nowhere") == (127, b"", "shark: prog: command not found\n")
    assert execute("./prog", cwd=tmp_path) == (127, b"", "shark: ./prog: No such file or directory\n")
    assert execute("", cwd=tmp_path) == (127, b"", "shark: '': command not found\n")
    (tmp_path / "file").touch()
    assert execute("file/prog", cwd=tmp_path) == (127, b"", "shark: file/prog: Not a directory\n")
    program(tmp_path / "orphan", "#!/no/such/interpreter\n")
    assert execute("./orphan", cwd=tmp_path) == (127, b"", "shark: ./orphan: No such file or directory\n")


def test_not_executable(tmp_path: Path) -> None:
    """126, and why; a file that may not be executed is told before one that is absent."""
    program(tmp_path / "a" / "prog", mode=0o644)
    denied = (126, b"", "shark: prog: Permission denied\n")
    assert execute("prog", cwd=tmp_path, search=f"{tmp_path}/a:/nowhere") == denied
    assert execute("a/prog", cwd=tmp_path) == (126, b"", "shark: a/prog: Permission denied\n")
    assert execute(str(tmp_path), cwd=tmp_path) == (126, b"", f"shark: {tmp_path}: Permission denied\n")
    program(tmp_path / "loop", f"#!{tmp_path}/loop\n")
    status, _, message = execute("./loop", cwd=tmp_path)
    assert (status, message) == (126, "shark: ./loop: Too many levels of symbolic links\n")


@pytest.mark.parametrize("name", [b"\xff", b"a b"])
def test_odd_names(tmp_path: Path, name: bytes) -> None:
    """Any bytes are a name."""
    path = os.path.join(os.fsencode(tmp_path), name)
    Path(os.fsdecode(path)).write_text("#!/bin/sh\nexit 3\n")
    os.chmod(path, stat.S_IRWXU)
    assert execute(b"./" + name, cwd=tmp_path)[0] == 3


def test_a_closed_standard_error(tmp_path: Path) -> None:
    """The status comes through, though nobody can be told why."""
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", SCRIPT, "./absent"],
        cwd=tmp_path,
        capture_output=True,
    )
    assert done.returncode == 127
