"""Where the supervisor finds the standard error that it does not keep."""

from __future__ import annotations

import os

from shark.borrowing import from_process, parent_of


def identity(fd: int) -> tuple[int, int]:
    about = os.fstat(fd)
    return about.st_dev, about.st_ino


def test_a_pipe_by_its_reading_end() -> None:
    """Both ends are one file; only one to which can be written is of use, and is opened anew."""
    reading, writing = os.pipe()
    os.close(writing)
    fd = from_process(os.getpid(), identity(reading))
    assert fd is not None
    os.write(fd, b"heard")
    assert os.read(reading, 9) == b"heard"
    os.close(fd)
    assert os.read(reading, 9) == b""
    os.close(reading)


def test_another_file() -> None:
    """Who has it not, or is gone, gives nothing."""
    reading, writing = os.pipe()
    wanted = identity(reading)
    os.close(reading)
    os.close(writing)
    assert from_process(os.getpid(), wanted) is None
    assert from_process(1 << 30, wanted) is None


def test_parent() -> None:
    """Also of one whose end is not noticed yet."""
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert parent_of(child) == os.getpid()
    os.waitpid(child, 0)
    assert parent_of(1 << 30) == 0
