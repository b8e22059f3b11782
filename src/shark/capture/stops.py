"""Wait statuses, typed: what happened to a thread, as waitpid(2) and ptrace(2) encode it."""

from __future__ import annotations

import signal
from enum import IntEnum

from shark.capture import kernel
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final


class Stop(IntEnum):
    """What a wait status tells. The comment says what the loop owes the thread next."""

    SECCOMP = 1  # a traced call begins: decode, resume to its exit
    SYSCALL = 2  # a call begins or ends: believe GET_SYSCALL_INFO which
    FORK = 3  # a child was made (fork, vfork or clone): enter it, resume
    EXEC = 4  # a new image: look at it, resume
    EXIT = 5  # about to end, descriptors still there: look, resume
    GROUP = 6  # stopped by a stopping signal: PTRACE_LISTEN, so that it stays stopped
    STARTED = 7  # a new thread's first stop, or the end of a group stop: resume
    SIGNAL = 8  # a signal is about to be delivered: resume with it
    OTHER = 9  # an event that asks for nothing: resume
    ENDED = 10  # gone: forget it


_TRAP = int(signal.SIGTRAP)
_STOPPING = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

_BY_CODE: Final[dict[int, Stop]] = {
    _TRAP | 0x80: Stop.SYSCALL,
    _TRAP | kernel.PTRACE_EVENT_SECCOMP << 8: Stop.SECCOMP,
    _TRAP | kernel.PTRACE_EVENT_FORK << 8: Stop.FORK,
    _TRAP | kernel.PTRACE_EVENT_VFORK << 8: Stop.FORK,
    _TRAP | kernel.PTRACE_EVENT_CLONE << 8: Stop.FORK,
    _TRAP | kernel.PTRACE_EVENT_EXEC << 8: Stop.EXEC,
    _TRAP | kernel.PTRACE_EVENT_EXIT << 8: Stop.EXIT,
    _TRAP | kernel.PTRACE_EVENT_STOP << 8: Stop.STARTED,
    **{int(number) | kernel.PTRACE_EVENT_STOP << 8: Stop.GROUP for number in _STOPPING},
}

SECCOMP_STATUS: Final = (_TRAP | kernel.PTRACE_EVENT_SECCOMP << 8) << 8 | 0x7F
"""The whole wait status of a seccomp stop."""

SYSCALL_STATUS: Final = (_TRAP | 0x80) << 8 | 0x7F
"""The whole wait status of a syscall stop."""


def classify(status: int) -> Stop:
    """What a status from waitpid means.

    >>> classify(0x0F7F).name  # SIGTERM, about to be delivered
    'SIGNAL'
    """
    if status & 0xFF != 0x7F:
        return Stop.ENDED
    code = status >> 8
    known = _BY_CODE.get(code)
    if known is not None:
        return known
    return Stop.SIGNAL if code < 0x100 else Stop.OTHER
