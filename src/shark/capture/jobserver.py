"""The job server of GNU make: a pipe or FIFO with one byte for each job that may run, and no data.

A make that runs others tells them of it in MAKEFLAGS: `--jobserver-auth=R,W` (two descriptors of a pipe; in make before
4.2 `--jobserver-fds=R,W`), or since make 4.4 `--jobserver-auth=fifo:PATH` (GNU make manual, "Sharing Job Slots with GNU
make"). Other tools offer or use the same (cargo in CARGO_MAKEFLAGS, gcc's link-time optimiser).
"""

from __future__ import annotations

import os

from shark.capture import look

_MARK = b"--jobserver-"
_TOLD = rb"--jobserver-(?:auth|fds)=(?:fifo:([^ \0]+)|(-?\d+),(-?\d+))"


def token_channels(tid: int) -> list[bytes]:
    """What the environment of a thread's program names as job server: pipes as `pipe:[INO]`, FIFOs by path.

    The path is not looked up: it may lie on a file system that a process of the run serves.
    """
    environ = look.slurp(b"/proc/%d/environ" % tid)
    if _MARK not in environ:
        return []
    import re

    names: dict[bytes, None] = {}
    for path, *numbers in re.findall(_TOLD, environ):
        if path:
            names[path] = None
            continue
        for number in numbers:
            try:
                link = os.readlink(b"/proc/%d/fd/%d" % (tid, int(number)))
            except OSError:
                continue
            if link.startswith(b"pipe:["):
                names[link] = None
    return list(names)
