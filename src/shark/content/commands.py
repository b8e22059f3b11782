"""Other programs' answers: run with a time limit, without a terminal, and without a trace left behind.

By posix_spawn(3), since importing subprocess takes longer than git does to answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Mapping, Sequence

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Self

MAX_ERRORS = 1 << 16
"""So many bytes of a program's standard error are kept."""


class Answer(NamedTuple):
    """What a program said. `status` is -1 when it could not be started or had to be ended, -N after signal N."""

    status: int
    output: bytes
    errors: str


def output_of(
    argv: Sequence[str], *, seconds: float, environ: Mapping[str, str] | None = None, any_status: bool = False
) -> bytes | None:
    """What `argv` writes to its standard output; None if it is absent, fails (unless `any_status`) or takes too long.

    Messages are in English (LC_ALL=C).
    """
    result = run_limited(argv, seconds=seconds, environ=environ)
    return result.output if result.status == 0 or (any_status and result.status > 0) else None


def run_limited(
    argv: Sequence[str], *, seconds: float, environ: Mapping[str, str] | None = None, limit: int | None = None
) -> Answer:
    """The answer of `argv`, run in a session of its own with no standard input.

    It is ended, its whole process group, after `seconds`, after `limit` bytes of output, or when this process is told
    to end (SystemExit from a signal handler passes through).
    """
    with Asked(argv, environ=environ, limit=limit) as asked:
        return asked.answer(seconds)


class Asked:
    """A program that was started and whose answer is read later, so that several can be at work at once.

    Leaving its context ends it.
    """

    def __init__(
        self, argv: Sequence[str], *, environ: Mapping[str, str] | None = None, limit: int | None = None
    ) -> None:
        self._name = argv[0]
        self._limit = limit
        self._pid = self._pidfd = -1
        self._output = bytearray()
        self._errors = bytearray()
        self._streams: dict[int, bytearray] = {}
        self._problem = ""
        try:
            self._start(argv, {**(os.environ if environ is None else environ), "LC_ALL": "C"})
        except FileNotFoundError:
            self._problem = f"{argv[0]} is not installed"
        except (OSError, ValueError) as error:
            self._problem = f"{argv[0]} could not be started: {error}"

    def _start(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        program = _found(argv[0], environ)
        output, their_output = os.pipe()
        errors, their_errors = os.pipe()
        try:
            self._pid = os.posix_spawn(
                program,
                list(argv),
                environ,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, their_output, 1),
                    (os.POSIX_SPAWN_DUP2, their_errors, 2),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            )
            self._streams = {output: self._output, errors: self._errors}
        finally:
            for fd in (their_output, their_errors, *(() if self._streams else (output, errors))):
                os.close(fd)
        for fd in self._streams:
            os.set_blocking(fd, False)
        with contextlib.suppress(ProcessLookupError):  # somebody else waits for all children, and was quick
            self._pidfd = os.pidfd_open(self._pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def answer(self, seconds: float) -> Answer:
        """The answer, waited for `seconds` at most; then, or when it is too long, the program is ended."""
        until = time.monotonic() + max(seconds, 0.01)
        while not self._problem and self._pid >= 0:
            if self._limit is not None and len(self._output) > self._limit:
                self._problem = f"{self._name} wrote more than {self._limit:,} bytes"
            elif (left := until - time.monotonic()) <= 0:
                self._problem = f"{self._name} took longer than {seconds:.1f} s"
            elif self._is_over(left):
                return Answer(self._reap(), bytes(self._output), self._errors.decode("utf-8", "replace"))
        self.end()
        return Answer(-1, b"", self._problem or f"{self._name} was ended")

    def _is_over(self, seconds: float) -> bool:
        """Reads what there is, waiting for some; True once the program has ended and all it said is read."""
        poll = select.poll()
        for fd in (*self._streams, *([self._pidfd] if self._pidfd >= 0 else ())):
            poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(int(seconds * 1000) + 1)}
        ended = self._pidfd < 0 or self._pidfd in ready
        for fd in [fd for fd in self._streams if fd in ready or ended]:
            self._read(fd)
        # Its descendants may keep the pipes open for ever: what they say is not waited for.
        return ended and not any(self._has_more(fd) for fd in self._streams)

    def _read(self, fd: int) -> None:
        kept = self._streams[fd]
        with contextlib.suppress(BlockingIOError):
            part = os.read(fd, 1 << 20)
            if not part:
                os.close(fd)
                del self._streams[fd]
            elif kept is not self._errors or len(kept) < MAX_ERRORS:
                kept += part

    @staticmethod
    def _has_more(fd: int) -> bool:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return any(event & select.POLLIN for _, event in poll.poll(0))

    def _reap(self) -> int:
        try:
            _, status = os.waitpid(self._pid, 0)
        except ChildProcessError:  # reaped by whoever waits for any child: how it ended is not known
            status = 0
        self._pid = -1
        self._close()
        return os.waitstatus_to_exitcode(status)

    def end(self) -> None:
        """End the program and its process group, if it still is at work."""
        if self._pid >= 0:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = -1
        self._close()

    def _close(self) -> None:
        for fd in (*self._streams, *([self._pidfd] if self._pidfd >= 0 else ())):
            os.close(fd)
        self._streams = {}
        self._pidfd = -1


def _found(name: str, environ: Mapping[str, str]) -> str:
    """Where along the PATH of `environ` the program is. Raises FileNotFoundError."""
    if "/" in name:
        return name
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder or ".", name)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise FileNotFoundError(name)
