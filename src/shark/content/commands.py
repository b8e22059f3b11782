"""Other programs' answers: run with a time limit, without a terminal, and without a trace left behind."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping, Sequence


def output_of(
    argv: Sequence[str], *, seconds: float, environ: Mapping[str, str] | None = None, any_status: bool = False
) -> bytes | None:
    """What `argv` writes to its standard output; None if it is absent, fails (unless `any_status`) or takes too long.

    Messages are in English (LC_ALL=C).
    """
    result = run_limited(argv, seconds=seconds, environ=environ)
    return result[1] if result[0] == 0 or (any_status and result[0] > 0) else None


def run_limited(
    argv: Sequence[str], *, seconds: float, environ: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    """(exit status, standard output, standard error) of `argv`, run in a session of its own with no standard input.

    The status is -1 when it could not be started or had to be ended: after `seconds`, or when this process is told to
    end (SystemExit from a signal handler passes through). Then the whole of its process group is killed.
    """
    import subprocess

    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**(os.environ if environ is None else environ), "LC_ALL": "C"},
            start_new_session=True,
        )
    except FileNotFoundError:
        return -1, b"", f"{argv[0]} is not installed"
    except (OSError, ValueError) as error:
        return -1, b"", f"{argv[0]} could not be started: {error}"
    try:
        output, errors = process.communicate(timeout=max(seconds, 0.01))
    except subprocess.TimeoutExpired:
        return -1, b"", f"{argv[0]} took longer than {seconds:.1f} s"
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
            process.wait()
    return process.returncode, output, errors.decode("utf-8", "replace")
