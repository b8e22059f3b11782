"""The job server of make is found in the environment of a program."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from shark.capture.jobserver import token_channels


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("-j4 --jobserver-auth={r},{w}", "pipe"),
        (" -j --jobserver-fds={r},{w} -- X=1", "pipe"),
        ("-j4 --jobserver-auth=fifo:/tmp/GMfifo12", "/tmp/GMfifo12"),
        ("-j4 --jobserver-auth=-2,-2", ""),
        ("-j4 --jobserver-auth=77,78", ""),
        ("k", ""),
    ],
)
def test_what_the_environment_names(flags: str, expected: str) -> None:
    """Descriptors that are pipes, or the path of a FIFO; nothing where make says that it has none to give."""
    r, w = os.pipe()
    try:
        inode = os.fstat(r).st_ino
        with subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()"],
            env={"MAKEFLAGS": flags.format(r=r, w=w)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(r, w),
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()  # it runs: Popen may return before the new environment is in place
            found = token_channels(process.pid)
            process.communicate(b"\n")
    finally:
        os.close(r)
        os.close(w)
    assert found == {"pipe": [b"pipe:[%d]" % inode], "": []}.get(expected, [expected.encode()])
