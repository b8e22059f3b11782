"""`shark run`: from the command line to the command itself.

What happens where: `start` runs in the process that becomes the command; before that forks off a supervisor
(tracing.py), which sees all that the command does and journals it, and a scribe (scribe.py), which makes the record
out of the journal. Nothing that goes wrong in those two may change the command: it becomes a warning.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time

from shark.capture import launcher
from shark.errors import EXIT_RUN, SharkError
from shark.recorder import tiering as recorder
from shark.scribe import Scribe
from shark.store.ids import is_run_id, uuid7
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final, NoReturn

    from shark.plan import Plan

RUN_ID_VARIABLE = "SHARK_RUN_ID"

_DESCRIPTORS: Final = 24
"""So many a process of shark must be able to open: 16 were enough for whole records of small runs, 12 for none."""


def start(plan: Plan) -> NoReturn:
    """Become the command, traced. Raises SharkError (exit code 125) if it cannot be traced at all."""
    check_kernel()
    check_proc()
    check_json(plan.json)
    if plan.json:
        from shark.delivering import hold

        plan = plan._replace(json_held=hold(plan.json))
    if plan.require_clean:
        from shark.circumstances import check_clean

        check_clean(plan.cwd)
    _fill_standard_streams()
    if not os.environ.get("SHARK_HOME", "/").startswith("/"):
        from shark.store import places

        places.settle(os.environ)  # for the command too: `shark record` may be called in any directory
    environ = _environment()
    run = uuid7(time.time_ns(), os.urandom(10))
    parent = environ.get(RUN_ID_VARIABLE.encode(), b"").decode("ascii", "replace")
    if not is_run_id(parent):
        parent = ""  # somebody else's variable of this name
    environ[RUN_ID_VARIABLE.encode()] = run.encode()
    within = _tracer_pid() > 0
    if not within:
        check_descriptors()
    around = None
    if plan.extras is not None:
        from shark.around import Around

        around = Around.before(plan.extras, environ, plan.cwd, within=within, quiet=plan.quiet)
    if within:
        _start_within(plan, environ, run, parent)
    front = None
    if plan.strict:
        from shark.front import Front

        front = Front.split()
    scribe = Scribe.split(plan, parent, around)
    # From here on the two get ready at the same time.
    from shark.capture.abi import conventions
    from shark.capture.filter import compile_filter
    from shark.tracing import supervise

    full = not plan.seccomp
    program = b""
    if not full:
        let_through = plan.recorder > 0 and recorder.is_built()
        program = compile_filter(conventions(), deny_io_uring=plan.io_uring == "deny", let_through=let_through)
    capturing, dress = None, None
    if plan.extras is not None and plan.extras.capture_output:
        from shark.capturing import Capturing

        capturing = Capturing(plan.extras.capture_limit)
        dress = capturing.dress

    def live(link: launcher.Link) -> None:
        supervise(plan, run, link, front, scribe, capturing)

    launcher.launch(plan.argv, environ, program, live, dress)


def _environment() -> dict[bytes, bytes]:
    """The environment that shark was started with: Python, where it finds the C locale, sets LC_CTYPE (PEP 538)."""
    environ = dict(os.environb)
    try:
        with open("/proc/self/environ", "rb") as file:  # as the kernel laid it down
            given = [entry for entry in file.read().split(b"\0") if entry.startswith(b"LC_CTYPE=")]
    except OSError:
        return environ
    environ.pop(b"LC_CTYPE", None)
    if given:
        environ[b"LC_CTYPE"] = given[0].removeprefix(b"LC_CTYPE=")
    return environ


def _start_within(plan: Plan, environ: dict[bytes, bytes], run: str, parent: str) -> NoReturn:
    """Inside a traced run: it cannot be traced twice, so the outer run records it, in its store, as a sub-run."""
    from shark.within import ask

    outer = ask()
    if not parent and outer is None:
        raise SharkError(
            f"this process is traced already, by process {_tracer_pid()}, and Linux allows one tracer only",
            "Call shark without that tracer.",
            EXIT_RUN,
        )
    from shark.capture.opens import SUBRUN_MARK
    from shark.store import said
    from shark.store.home import Store

    with contextlib.suppress(SharkError, OSError):  # then `shark record` will say that it cannot
        said.expect(outer.store if outer else Store.open(os.environ), run, plan.name, plan.tags)
    try:
        os.close(os.open(SUBRUN_MARK + run.encode(), os.O_RDONLY))
    except OSError:
        launcher.execute(plan.argv, environ)
    raise SharkError(f"{os.fsdecode(SUBRUN_MARK)} exists, which no kernel provides", "", EXIT_RUN)


def _fill_standard_streams() -> None:
    """Put /dev/null where a standard stream is closed, until the exec: else shark's own pipes would take its place."""
    while (fd := os.open(os.devnull, os.O_RDWR)) < 3:  # closed again by the exec, as all that Python opens
        pass
    os.close(fd)


def _tracer_pid() -> int:
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"TracerPid:"):
                return int(line[10:])
    return 0


def check_json(path: str) -> None:
    """Say at once, and not after hours, that the record could not be written there."""
    directory = os.path.dirname(path)
    if path and (os.path.isdir(path) or not os.path.isdir(directory)):
        what = f"{path} is a directory" if os.path.isdir(path) else f"there is no directory {directory}"
        raise SharkError(f"--json: {what}", "Say a file that can be written.", EXIT_RUN)


def check_descriptors() -> None:
    """See that the supervisor and the scribe, who raise the limit as far as they may, can open what they need: else the
    record would be lost at the end, or have holes. Raises SharkError.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= hard < _DESCRIPTORS:  # no limit at all is -1
        raise SharkError(
            f"too few files may be open at once: {hard}, and shark needs {_DESCRIPTORS}",
            "`ulimit -Hn` tells the limit, which only root can raise.",
            EXIT_RUN,
        )


def check_kernel() -> None:
    """See that the kernel tells what is needed. Raises SharkError."""
    release = os.uname().release
    numbers = tuple(int(part) if part.isdigit() else 0 for part in release.split("-")[0].split(".")[:2])
    if numbers < (5, 3):
        raise SharkError(
            f"Linux {release} is too old: shark needs 5.3 or newer (PTRACE_GET_SYSCALL_INFO)", "", EXIT_RUN
        )


def check_proc() -> None:
    """All that is seen of a process is seen in /proc, which must be there, and be that of our own process ids."""
    try:
        itself = os.readlink("/proc/self")
    except OSError as problem:
        raise SharkError(
            f"/proc cannot be read: {problem.strerror}", "mount -t proc proc /proc makes it.", EXIT_RUN
        ) from None
    if itself != str(os.getpid()):
        raise SharkError(
            "/proc shows another PID namespace than the one shark is in, so that it would look at the wrong processes",
            "Mount the right one: unshare --mount-proc, or mount -t proc proc /proc",
            EXIT_RUN,
        )
