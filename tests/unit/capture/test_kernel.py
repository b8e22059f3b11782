"""What the kernel answers goes through buffers that are used again: each thread must get its own answers."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shark.capture import kernel

ROUNDS = 20_000


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads take turns as often as can be."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def both(*asks: Callable[[], bool]) -> list[int]:
    """How often each was answered wrong, asked by a thread of its own."""
    wrong = [0] * len(asks)

    def ask(n: int) -> None:
        wrong[n] = sum(not asks[n]() for _ in range(ROUNDS))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(asks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


@pytest.mark.usefixtures("hurried")
def test_states_are_of_the_file_that_was_asked_for(tmp_path: Path) -> None:
    """A worker that hashes what a call is about to change asks while the loop asks for other files."""
    files = [os.fsencode(tmp_path / name) for name in "ab"]
    for file in files:
        Path(os.fsdecode(file)).write_bytes(file)
    inodes = [os.stat(file).st_ino for file in files]

    def right(n: int) -> bool:
        stat = kernel.statx(files[n])
        return stat is not None and stat.id.ino == inodes[n]

    assert both(lambda: right(0), lambda: right(1)) == [0, 0]


@pytest.mark.usefixtures("hurried")
def test_names_are_those_that_were_asked_for() -> None:
    """With a FUSE daemon in the run, workers read the names that calls have."""
    names = [ctypes.create_string_buffer(name * 40) for name in (b"a", b"b")]

    def right(n: int) -> bool:
        return kernel.read_path(os.getpid(), ctypes.addressof(names[n])) == names[n].value

    assert both(lambda: right(0), lambda: right(1)) == [0, 0]
