"""A shark inside of a `shark run` asks the one that traces it which run that is, and where its store lies.

The environment may tell neither (`env -i`, tox, sudo), or something else (a SHARK_HOME of one's own), but the tracer
sees a path that no kernel has, with the number of a descriptor of a pipe, and answers through that before the call
returns.
"""

from __future__ import annotations

import contextlib
import os
from stat import S_ISFIFO

from shark.jsontext import dumps, loads
from shark.store.home import Store
from shark.tuples import NamedTuple

_ASK_MARK = b"/proc/self/shark-asks/"  # capture/opens.py has it too, which takes long to import


class Outer(NamedTuple):
    """The run around this process, and its store."""

    run: str
    store: Store


def ask() -> Outer | None:
    """Ask the tracer; None if this process has none, or one that does not know."""
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        try:
            os.close(os.open(_ASK_MARK + b"%d" % writing, os.O_RDONLY))
        except OSError:
            pass  # as ever: whoever knows it has answered meanwhile
        finally:
            os.close(writing)
        with contextlib.suppress(BlockingIOError):
            text = os.read(reading, 1 << 16)
            if text.endswith(b"\n"):
                return _understood(text)
        return None
    finally:
        os.close(reading)


def _understood(text: bytes) -> Outer:
    told = loads(text)
    return Outer(told["run"], Store(os.fsencode(told["root"]), os.fsencode(told["local"]), os.environ))


def answer(pid: int, fd: int, run: str, store: Store) -> None:
    """Tell process `pid` through its descriptor `fd`, if that is a pipe that keeps nobody waiting."""
    from shark.capture import kernel

    copy = kernel.take_descriptor(pid, fd)
    if copy is None:
        return
    told = {"run": run, "root": os.fsdecode(store.root), "local": os.fsdecode(store.local)}
    try:
        if S_ISFIFO(os.fstat(copy).st_mode) and not os.get_blocking(copy):
            with contextlib.suppress(OSError):  # it is the asker's own pipe, and may be full or closed
                os.write(copy, dumps(told) + b"\n")
    finally:
        os.close(copy)
