"""The job server of GNU make: a pipe or FIFO with one byte for each job that may run, and no data.

A make that runs others tells them of it in MAKEFLAGS: `--jobserver-auth=R,W` (two descriptors of a pipe; in make before
4.2 `--jobserver-fds=R,W`), or since make 4.4 `--jobserver-auth=fifo:PATH` (GNU make manual, "Sharing Job Slots with GNU
make"). Other tools offer or use the same (cargo in CARGO_MAKEFLAGS, gcc's link-time optimiser).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from shark.capture import look
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_MARK: Final = b"--jobserver-"
_MAKES: Final = frozenset({b"make", b"gmake", b"remake"})
_GENERATIONS: Final = 64
"""So many ancestors are asked at most: a make runs a shell, which runs a make, and so on."""

_TOLD: Final = rb"--jobserver-(?:auth|fds)=(?:fifo:([^ \0]+)|(-?\d+),(-?\d+))"


def token_channels(tid: int) -> list[bytes]:
    """What the environment of a thread's program names as job server: pipes as `pipe:[INO]`, FIFOs by path.

    The path is not looked up: it may lie on a file system that a process of the run serves. Descriptors are believed
    only if they are those of the make that tells of them: it tells all that it runs, but gives them to other makes
    alone, and what is open under these numbers in another program may be a pipe of data.
    """
    environ = look.slurp(b"/proc/%d/environ" % tid)
    if _MARK not in environ:
        return []
    import re

    names: dict[bytes, None] = {}
    for path, *numbers in re.findall(_TOLD, environ):
        pipe = path or _pipe(tid, numbers)
        if path or (pipe and _is_of_maker(tid, numbers, pipe)):
            names[pipe] = None
    return list(names)


def _pipe(tid: int, numbers: Sequence[bytes]) -> bytes:
    """The pipe whose two ends these descriptors of a thread are; b"" if there is no such."""
    links = set()
    for number in numbers:
        try:
            links.add(os.readlink(b"/proc/%d/fd/%d" % (tid, int(number))))
        except OSError:
            return b""
    pipe = links.pop()
    return pipe if not links and pipe.startswith(b"pipe:[") else b""


def _is_of_maker(tid: int, numbers: Sequence[bytes], pipe: bytes) -> bool:
    """Whether an ancestor holds the pipe under the same numbers who is a make, or was not told of it by another one."""
    for _ in range(_GENERATIONS):
        _, tid = look.family(tid)
        if not tid:
            return False
        told = _MARK in look.slurp(b"/proc/%d/environ" % tid)
        makes = not told or look.program(tid).rpartition(b"/")[2] in _MAKES
        if makes and _pipe(tid, numbers) == pipe:
            return True
        if not told:
            return False
    return False
