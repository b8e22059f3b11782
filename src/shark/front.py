"""A front process, for what needs somebody between the command and its parent: `--strict` changes the exit status.

The command runs as the front's child, in the same process group. A signal that somebody sends to the front is passed
on; one that the terminal or a `kill` of the group sent reaches the command by itself as well. To keep the two apart,
the front passes a signal on together with its sender's id, and the supervisor, which sees each signal before the
command does, lets every sender's n-th signal through once, whichever way it comes first.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections import Counter

from shark.errors import EXIT_RUN
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_SI_QUEUE: Final = -1
_TWIN_SECONDS: Final = 1.0
"""How long after one of a signal's two ways the other is still expected."""
_PASSED_ON: Final = (
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
    signal.SIGWINCH,
    signal.SIGTSTP,
    signal.SIGCONT,
)


class Front:
    """The supervisor's and the command's side of it: made by `split`, which returns in the command's process only."""

    def __init__(self, pid: int, verdict: int) -> None:
        self.pid = pid
        self._verdict = verdict
        self._direct: Counter[tuple[int, int]] = Counter()
        self._passed: Counter[tuple[int, int]] = Counter()
        self._last: dict[tuple[int, int], float] = {}

    @classmethod
    def split(cls) -> Front:
        """Fork: the parent stays as the front until the child has ended, and never returns; the child goes on."""
        reading, writing = os.pipe()
        front = os.getpid()
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
        about_children = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would never tell
        child = os.fork()
        if child:
            os.close(writing)
            _wait(child, reading)
        os.close(reading)
        signal.signal(signal.SIGCHLD, about_children)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != front:
            os._exit(EXIT_RUN)
        return cls(front, writing)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What the supervisor has to keep open."""
        return (self._verdict,)

    def failed(self) -> None:
        """Tell the front that a manifest could not be written."""
        try:
            os.write(self._verdict, b"x")
        except BrokenPipeError:
            return

    def done(self) -> None:
        """Tell the front that there is nothing more to tell."""
        os.close(self._verdict)

    def lets_through(self, number: int, code: int, sender: int, value: int) -> bool:
        """True if a signal about to reach the command is the first of its two ways.

        The arguments are siginfo's si_signo, si_code, si_pid and si_value.
        """
        passed_on = sender == self.pid and code == _SI_QUEUE
        key = (number, value if passed_on else sender if code <= 0 else 0)
        now = time.monotonic()
        if now - self._last.get(key, 0.0) > _TWIN_SECONDS:
            # The twin of the one before will not come any more: while it was blocked, the two became one.
            self._passed[key] = self._direct[key] = 0
        self._last[key] = now
        mine, other = (self._passed, self._direct) if passed_on else (self._direct, self._passed)
        mine[key] += 1
        return mine[key] > other[key]


def _wait(child: int, verdict: int) -> NoReturn:
    """Be the front: pass signals on, stop when the command stops, end as it ends."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        info = signal.sigwaitinfo({*_PASSED_ON, signal.SIGCHLD})
        if info.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
            if pid and os.WIFSTOPPED(status):
                os.kill(os.getpid(), signal.SIGSTOP)  # as the command did; whoever continues us continues both
                os.kill(child, signal.SIGCONT)
            elif pid:
                _end(status, verdict)
        elif info.si_signo not in {signal.SIGTSTP, signal.SIGCONT} or info.si_code <= 0:
            sender = info.si_pid if info.si_code <= 0 else 0
            _queue(child, info.si_signo, sender)


def _queue(pid: int, number: int, value: int) -> None:
    """Call sigqueue(3): a signal with a value, here its first sender."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sigqueue(ctypes.c_int(pid), ctypes.c_int(number), ctypes.c_void_p(value))


def _end(status: int, verdict: int) -> NoReturn:
    failed = bool(os.read(verdict, 1))
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, set(signal.valid_signals()))
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        os.kill(os.getpid(), number)
    code = os.WEXITSTATUS(status)
    os._exit(EXIT_RUN if failed and code == 0 else code)
