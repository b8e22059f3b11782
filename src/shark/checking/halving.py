"""Work on many files, a half of it in a second process: what such work waits for is the interpreter and the kernel."""

from __future__ import annotations

import marshal
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

LEAST = 4000
"""Items that are worth a second process, which takes some 10 ms."""

_T = TypeVar("_T")
_R = TypeVar("_R")


def halved(work: Callable[[Sequence[_T]], _R], items: Sequence[_T], *, least: int | None = None) -> list[_R]:
    """What `work` says of `items`: of all, or of each half, in order.

    A second process is worth it from `least` items on (LEAST, if that is None). `work` must only look, and not use what
    was opened before; it returns what marshal can write. Should the second process fail, its half is done here. Raises
    what `work` raises, and KeyboardInterrupt.
    """
    if len(items) < (LEAST if least is None else least) or len(os.sched_getaffinity(0)) < 2:
        return [work(items)]
    middle = len(items) // 2
    try:
        child, pipe = _begin(work, items[middle:])
    except OSError:  # no process or descriptor to be had
        return [work(items)]
    try:
        first = work(items[:middle])
        second = _result(pipe)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(pipe)
        os.waitpid(child, 0)
    return [first, work(items[middle:]) if second is None else second[0]]


def _begin(work: Callable[[Sequence[_T]], _R], items: Sequence[_T]) -> tuple[int, int]:
    """Start the second process: its id, and the descriptor from which its answer can be read."""
    readable, writable = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(readable)
        os.close(writable)
        raise
    if child:
        os.close(writable)
        return child, readable
    status = 1
    try:  # nothing of what follows a normal end of Python may happen here: there are two of everything
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.close(readable)
        answer: Any = (work(items),)
        with open(writable, "wb") as stream:
            marshal.dump(answer, stream)
        status = 0
    finally:
        os._exit(status)


def _result(pipe: int) -> tuple[Any] | None:
    """The answer of the second process, None if it broke off."""
    with open(pipe, "rb", closefd=False) as stream:
        data = stream.read()
    try:
        found: tuple[Any] = marshal.loads(data)  # our own child wrote it
    except (EOFError, ValueError, TypeError):
        return None
    return found
