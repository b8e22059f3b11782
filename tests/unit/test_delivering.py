"""A record for who asked for it: by descriptor, by FIFO, and to those who do not read."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from shark import delivering
from shark.errors import SharkError

RECORD: dict[str, Any] = {"id": "x" * 300_000}
"""More than a pipe holds."""


def test_names_of_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the ways in which they are called; a file's name is another thing, be it a number."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("/proc/self/fd/2")
    for path in ("/dev/stderr", "/dev/fd/2", f"/proc/{os.getpid()}/fd/2", str(tmp_path / "link")):
        held = delivering.hold(path)
        assert os.path.sameopenfile(held, 2)
        assert not os.get_inheritable(held)
        os.close(held)
    assert delivering.hold(str(tmp_path / "2")) == -1
    with pytest.raises(SharkError, match="no open descriptor 987"):
        delivering.hold("/dev/fd/987")


def test_a_file_behind_a_descriptor_goes_on(tmp_path: Path) -> None:
    """What is written there already, by the command for one, stays."""
    with (tmp_path / "out").open("wb", buffering=0) as file:
        file.write(b"before\n")
        delivering.write_json({}, "/dev/fd/x", os.dup(file.fileno()))
        file.write(b"after\n")
    assert (tmp_path / "out").read_bytes() == b"before\n{}\nafter\n"


def test_who_takes_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said how much was taken; how others use the pipe is not changed."""
    monkeypatch.setattr(delivering, "_STANDSTILL", 0.1)
    reading, writing = os.pipe()
    with pytest.raises(OSError, match="took 65,536 of 300,") as trouble:
        delivering.write_json(RECORD, "", os.dup(writing))
    assert trouble.value.errno == errno.ETIMEDOUT
    assert os.get_blocking(writing)
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        delivering.write_json(RECORD, "", os.dup(writing))
    os.close(writing)
