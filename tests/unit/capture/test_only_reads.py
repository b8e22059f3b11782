"""Which calls are known to change no file and no name, whatever comes of them."""

from __future__ import annotations

import os

import pytest

from shark.capture import kernel, opens
from shark.capture.abi import AUDIT_X86_64, OPENAT, X32_BIT
from shark.capture.supervisor import Supervisor
from shark.capture.tasks import Process, Task

NAME = 0x7FFD_0000_1000
"""Where in memory the call's path lies."""


@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_RDONLY | os.O_CREAT, os.O_WRONLY, os.O_RDWR])
@pytest.mark.parametrize("number", [2, 2 | X32_BIT, OPENAT, OPENAT | X32_BIT])
def test_an_open_only_reads_by_its_flags(number: int, flags: int) -> None:
    supervisor = Supervisor.__new__(Supervisor)
    supervisor.tiering = None
    task = Task(1, Process(1, 1))
    arguments = (NAME, flags, 0o644) if number & ~X32_BIT == 2 else (kernel.AT_FDCWD, NAME, flags)
    supervisor._is_recorded(task, opens.enter_open, (kernel.INFO_SECCOMP, AUDIT_X86_64, number, *arguments, 0, 0, 0))
    assert task.only_reads == (flags == os.O_RDONLY)
