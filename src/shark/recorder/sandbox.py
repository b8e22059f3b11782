"""Whether the recorder's code may make its calls here: a filter from outside of the run may answer them.

Of several seccomp filters the strictest answer counts (seccomp(2)), and a refusal is stricter than a stop. So where a
container or a service manager refuses openat2 or statx, as older ones do, the trap by which the recorder's code calls
the supervisor would never be seen, or would even kill the program.
"""

from __future__ import annotations

import errno
import os

from shark.capture import kernel, look
from shark.recorder import layout

_CALLS = {"open": 2, "madvise": 28, "statx": 332}  # of x86-64

_REFUSALS = frozenset({errno.EPERM, errno.EACCES, errno.ENOSYS})
"""What filters answer; the calls themselves would find fault with the arguments first."""


def require_its_calls() -> None:
    """Raises OSError if a filter that this process has inherited, as the command has, answers the recorder's calls.

    They are made with arguments that lead to nothing, in a child: there are filters that kill.
    """
    if look.figure(look.slurp(b"/proc/self/status"), b"\nSeccomp:") <= 0:
        return
    child = os.fork()
    if child == 0:
        try:
            refused = any(kernel.vain_call(number) in _REFUSALS for number in _CALLS.values())
            os._exit(int(refused or kernel.vain_call(layout.TRAP_CALL) != errno.EINVAL))  # its size is 0 (openat2(2))
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise OSError("a seccomp filter from outside of the run answers calls that the recorder makes")
