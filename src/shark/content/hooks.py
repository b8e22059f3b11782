"""Commands that settings want to be run before or after a run, with their output kept (`uv pip freeze`)."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

OUTPUT_LIMIT = 4 << 20
"""So many bytes of each stream are kept."""


class Ran(NamedTuple):
    """How a command went: its exit status as shells tell it (128 + N for signal N), -1 if there is none; then `why`."""

    status: int
    why: str
    seconds: float
    stdout: bytes
    stderr: bytes
    cut: bool


def run_hook(
    argv: Sequence[str], *, cwd: str | bytes, environ: Mapping[bytes, bytes], seconds: float, stdin: bytes = b""
) -> Ran:
    """Run a command in `cwd`, for so many `seconds` at most, with `stdin` to read; never raises for its sake."""
    import subprocess

    began = time.monotonic()
    telling, status = os.pipe()
    # The status comes through a pipe: whoever else waits for any child of this process may reap it.
    # Shells redirect single-digit descriptors only, hence the path.
    command = ["/bin/sh", "-c", f'"$@"; echo "$?" >/proc/self/fd/{status}', "sh", *argv]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environ,
            pass_fds=(status,),
            start_new_session=True,
            preexec_fn=_unblock if signal.pthread_sigmask(signal.SIG_BLOCK, ()) else None,  # noqa: PLW1509
        )
    except (OSError, ValueError) as problem:
        os.close(telling)
        os.close(status)
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        return Ran(-1, f"it could not be started: {reason}", 0.0, b"", b"", cut=False)
    os.close(status)
    try:
        return _awaited(process, telling, stdin, began, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.wait()
        os.close(telling)


def _unblock() -> None:
    """A tracer waits for signals that it has blocked; a command of the user's should not be started with that."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _awaited(process: object, telling: int, stdin: bytes, began: float, seconds: float) -> Ran:
    """Read what the command says until it has told its status, or its time is up."""
    from subprocess import Popen

    assert isinstance(process, Popen)
    assert process.stdout is not None
    assert process.stderr is not None
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(stdin)  # a body fits into a pipe, or the command reads it
            process.stdin.close()
        process.stdin = None
    said: dict[int, bytearray] = {telling: bytearray()}
    kept = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    said.update(kept)
    cut = False
    poll = select.poll()
    for fd in said:
        poll.register(fd, select.POLLIN)
    waiting = set(said)
    until = began + seconds
    while waiting:
        told = telling not in waiting or said[telling].endswith(b"\n")
        left = until - time.monotonic()
        ready = poll.poll(0 if told else max(0, int(left * 1000)))
        if not ready and (told or left <= 0):
            break  # what a background child of its own may still say is not waited for
        for fd, _ in ready:
            part = os.read(fd, 1 << 16)
            if not part:
                poll.unregister(fd)
                waiting.discard(fd)
            elif len(said[fd]) < OUTPUT_LIMIT:
                said[fd] += part
            else:
                cut = True
    status, why = _status(bytes(said[telling]), timed_out=telling in waiting, seconds=seconds)
    out, err = (bytes(text) for text in kept.values())
    return Ran(status, why, time.monotonic() - began, out, err, cut=cut)


def _status(told: bytes, *, timed_out: bool, seconds: float) -> tuple[int, str]:
    if told.strip().isdigit():
        return int(told), ""
    return -1, f"it took longer than {seconds:g} s" if timed_out else "it was killed"
