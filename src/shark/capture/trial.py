"""Trying out, in a child, what `shark run` will do: SEIZE a process, install the filter, see one traced call.

Whether tracing is allowed depends on Yama, capabilities, container profiles, security modules and the kernel itself;
only the attempt tells. It is made as `run` makes it: the tracer is a child of the process that it traces.
"""

from __future__ import annotations

import os
import select
import signal
from typing import NamedTuple

from shark.capture import kernel
from shark.capture.abi import conventions
from shark.capture.filter import compile_filter
from shark.capture.stops import Stop, classify

SECONDS = 10
"""How long the attempt may take before it counts as failed: it takes milliseconds, unless the machine stands still."""


class Trial(NamedTuple):
    """How far the attempt came. `seize` and `filter` are 0 or an errno, None if it did not come to that; `seen` is true
    if a traced call stopped the process, and the kernel told which call it was.
    """

    seize: int | None
    filter: int | None
    seen: bool


def attempt() -> Trial:
    """Make the attempt, in children that are gone afterwards. Raises SharkError on an unknown machine."""
    program = compile_filter(conventions())
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        _never_return(_traced, program, writer)
    os.close(writer)
    try:
        said = _read_all(reader)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)  # it is a zombie at most until the next line: the id cannot be another's
        os.waitpid(child, 0)
    facts = dict(word.split(b"=", 1) for word in said.split())
    return Trial(_number(facts, b"seize"), _number(facts, b"filter"), facts.get(b"seen") == b"1")


def _number(facts: dict[bytes, bytes], key: bytes) -> int | None:
    return int(facts[key]) if key in facts else None


def _read_all(reader: int) -> bytes:
    said = b""
    while select.select([reader], [], [], SECONDS)[0]:
        part = os.read(reader, 4096)
        if not part:
            break
        said += part
    return said


def _never_return(work: object, *arguments: object) -> None:
    """Do the work of a forked child, and end it without running anything that its parent has set up."""
    try:
        if callable(work):
            work(*arguments)
    finally:
        os._exit(0)


def _traced(program: bytes, writer: int) -> None:
    """Be the traced process: wait until the tracer has it, install the filter, make a call that the filter stops."""
    ready, seized = os.pipe(), os.pipe()
    me = os.getpid()
    tracer = os.fork()
    if tracer == 0:
        os.close(ready[1])
        os.close(seized[0])
        _never_return(_tracer, me, ready[0], seized[1], writer)
    os.close(seized[1])
    kernel.allow_tracer(tracer)
    os.write(ready[1], b"1")
    if os.read(seized[0], 1) == b"1":
        refused = kernel.install_filter(program, os.uname().machine)
        os.write(writer, b"filter=%d " % refused)
        os.close(os.open("/dev/null", os.O_RDONLY))
    os.close(writer)
    os._exit(0)


def _tracer(tracee: int, ready: int, seized: int, writer: int) -> None:
    """Be the tracer: seize, and resume the tracee until it ends, looking out for the traced call."""
    os.read(ready, 1)
    try:
        kernel.seize(tracee)
    except kernel.Failed as refused:
        os.write(writer, b"seize=%d " % refused.number)
        return
    os.write(writer, b"seize=0 ")
    os.write(seized, b"1")
    seen = False
    while True:
        _, status = os.waitpid(tracee, kernel.WALL)
        stop = classify(status)
        if stop is Stop.ENDED:
            break
        if stop is Stop.SECCOMP and not seen:
            seen = kernel.syscall_entry(tracee)[0] == kernel.INFO_SECCOMP
            os.write(writer, b"seen=%d " % seen)
        number = status >> 8 if stop is Stop.SIGNAL else 0
        kernel.resume(kernel.PTRACE_CONT, tracee, number)
