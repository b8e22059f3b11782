"""Starting: the process that the user started becomes the command; a re-parented grandchild of it is the supervisor.

Only so are ^C, ^Z, fg, kill, job control and the exit status of the command exactly what they are without shark: nobody
stands between it and its parent. The steps, over two pipes that close themselves at the exec:

    command process                      supervisor (double-forked, a session of its own, in /)
                            <── pid ───
    PR_SET_PTRACER (Yama)   ─── go ───>
                                         PTRACE_SEIZE with all options
                            <── "" ────  (or why it could not be)
    restore signals, filter, exec

SEIZE rather than TRACEME or ATTACH: those stop the process with signals that its parent would see (ptrace(2)).
"""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from shark.capture import kernel
from shark.errors import EXIT_NOT_EXECUTABLE, EXIT_NOT_FOUND, EXIT_RUN, SharkError
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NoReturn


class Link:
    """The supervisor's side of the hand-shake with the process that becomes the command."""

    def __init__(self, target: int, reading: int, writing: int) -> None:
        self.target = target
        self._reading = reading
        self._writing = writing

    @property
    def descriptors(self) -> tuple[int, int]:
        """What must stay open until the hand-shake is over."""
        return self._reading, self._writing

    def ask(self) -> None:
        """Say who is going to trace, and wait until that is allowed. Raises EOFError when the other side is gone."""
        os.write(self._writing, b"%d\n" % os.getpid())
        if not os.read(self._reading, 1):
            raise EOFError

    def answer(self, problem: str = "") -> None:
        """Let the command start, or say why it must not; the link is closed by it."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self._writing, problem.encode() + b"\0")
        os.close(self._writing)
        os.close(self._reading)


def detach(keep: Sequence[int]) -> None:
    """Become a process of one's own: session, directory, signals, limits, and no descriptor but those in `keep`.

    An inherited descriptor that is kept would delay a reader's end of file, or keep a lock.
    """
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGTSTP):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would not tell of stops, nor leave zombies
    for kind in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE):
        _raise_limit(kind)
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        if fd not in keep:
            os.dup2(null, fd)
    kept = sorted({*keep, 0, 1, 2})
    for low, high in zip(kept, [*kept[1:], resource.getrlimit(resource.RLIMIT_NOFILE)[0]], strict=True):
        os.closerange(low + 1, high)


def _raise_limit(kind: int) -> None:
    """The command's limits do not bind the supervisor: as far up as the hard limit, or beyond it for root."""
    _, hard = resource.getrlimit(kind)
    finite = kind == resource.RLIMIT_NOFILE  # which nobody can set to no limit at all
    for limit in [hard] if finite else [resource.RLIM_INFINITY, hard]:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (limit, limit))
            return


def fork_apart(live: Callable[[], None]) -> None:
    """Do `live` in a process that is nobody's child here: forked twice, so that no wait of the command's ever finds it.

    Raises SharkError if there can be no process.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # it is None where the descriptor was closed at the start
            stream.flush()
    adopts = kernel.adopts_orphans()
    if adopts:
        kernel.adopt_orphans(adopt=False)  # else it would be the command's child all the same
    try:
        middle = os.fork()
    except OSError as failure:
        raise SharkError(f"the supervisor could not be started: {failure.strerror}", "", EXIT_RUN) from failure
    if middle == 0:
        _live_apart(live)
    with contextlib.suppress(ChildProcessError):  # whoever ignores SIGCHLD has no zombies: it has ended either way
        os.waitpid(middle, 0)
    if adopts:
        kernel.adopt_orphans(adopt=True)


def _live_apart(live: Callable[[], None]) -> NoReturn:
    code = 1
    try:
        if os.fork():
            os._exit(0)
        live()
        code = 0
    finally:
        os._exit(code)


def launch(
    argv: Sequence[bytes],
    environ: Mapping[bytes, bytes],
    program: bytes,
    supervise: Callable[[Link], None],
    dress: Callable[[], None] | None = None,
) -> NoReturn:
    """Become the command `argv`, traced by a supervisor that runs `supervise`. Never returns.

    `program` is the seccomp filter, b"" for none. `dress` is called last of all before the command takes over. Raises
    SharkError when tracing is not possible; a command that cannot be executed ends the process with 127 or 126 and the
    shell's message.
    """
    reading, their_writing = os.pipe()
    their_reading, writing = os.pipe()
    link = Link(os.getpid(), their_reading, their_writing)

    def live() -> None:
        os.close(reading)
        os.close(writing)
        supervise(link)

    fork_apart(live)
    os.close(their_reading)
    os.close(their_writing)
    paths = candidates(argv[0], environ)  # before the filter: each that is not there would be two stops
    problem = _hand_shake(reading, writing)
    if problem:
        raise SharkError(problem, "`shark doctor` tells what this machine allows.", EXIT_RUN)
    _restore_signals()
    if program:
        failed = kernel.install_filter(program, os.uname().machine)
        if failed:
            raise SharkError(
                f"the seccomp filter could not be installed: {os.strerror(failed)}",
                "Try `shark run --no-seccomp`.",
                EXIT_RUN,
            )
    if dress is not None:
        dress()
    execute(argv, environ, paths)


def _hand_shake(reading: int, writing: int) -> str:
    with os.fdopen(reading, "rb") as answers:
        pid = answers.readline()
        if not pid:
            return "the supervisor could not be started"
        if not pid.strip().isdigit():  # it failed before it could say who it is
            return pid.rstrip(b"\0\n").decode(errors="replace")
        kernel.allow_tracer(int(pid))
        with contextlib.suppress(BrokenPipeError):  # killed by now: that it does not answer says so
            os.write(writing, b".")
        os.close(writing)
        answer = answers.read()
    if not answer.endswith(b"\0"):
        return "the supervisor ended unexpectedly"
    return answer[:-1].decode()


def _restore_signals() -> None:
    """Undo what Python changed: it ignores SIGPIPE and SIGXFSZ, and ignored signals stay so across an exec.

    Python does not remember what they were. They are left ignored where the parent process ignores them and is no
    Python itself (which would ignore them in any case, and restore them in its children): `trap '' PIPE` in a shell.
    """
    ignored = _ignored_by_parent()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        if not ignored & 1 << (number - 1):
            signal.signal(number, signal.SIG_DFL)


def _ignored_by_parent() -> int:
    parent = os.getppid()
    try:
        if os.path.basename(os.readlink(f"/proc/{parent}/exe")).startswith("python"):
            return 0
        with open(f"/proc/{parent}/status", "rb") as status:
            for line in status:
                if line.startswith(b"SigIgn:"):
                    return int(line[7:], 16)
    except OSError:
        return 0
    return 0


def execute(argv: Sequence[bytes], environ: Mapping[bytes, bytes], paths: Sequence[bytes] | None = None) -> NoReturn:
    """Become `argv`, found along PATH as execvp(3) finds it; ends with 127 or 126 if that fails.

    `paths` are the `candidates`, if they are known already.
    """
    name = argv[0]
    problem = OSError(errno.ENOENT, "")
    for path in candidates(name, environ) if paths is None else paths:
        try:
            os.execve(path, list(argv), environ)
        except OSError as failed:
            if failed.errno == errno.ENOEXEC:
                # No format that the kernel knows: a script without `#!`, which execvp gives to the shell.
                with contextlib.suppress(OSError):
                    os.execve(b"/bin/sh", [b"/bin/sh", path, *argv[1:]], environ)
            if failed.errno not in (errno.ENOENT, errno.ENOTDIR) or b"/" in name:
                problem = failed
    refuse(name, problem)


def refuse(name: bytes, problem: OSError) -> NoReturn:
    """End as a shell does when a command cannot be executed."""
    absent = problem.errno in (errno.ENOENT, errno.ENOTDIR)
    reason = os.strerror(problem.errno or 0) if b"/" in name or not absent else "command not found"
    from shark.escaping import escape

    with contextlib.suppress(OSError):  # standard error may be closed; the status tells all the same
        shown = "".join(c if c.isprintable() else escape(c) for c in os.fsdecode(name)) or "''"
        os.write(2, f"shark: {shown}: {reason}\n".encode())
    os._exit(EXIT_NOT_FOUND if absent else EXIT_NOT_EXECUTABLE)


def candidates(name: bytes, environ: Mapping[bytes, bytes]) -> list[bytes]:
    """The paths that may be what a command's name means, in order. Along PATH, those at which there is nothing are left
    out; all else, a directory that may not be searched too, is for execve(2) to judge.
    """
    if b"/" in name or not name:
        return [name] if name else []
    path = environ.get(b"PATH", os.fsencode(os.defpath))
    found = (os.path.join(directory or b".", name) for directory in path.split(b":"))
    return [path for path in found if not _absent(path)]


def _absent(path: bytes) -> bool:
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        pass  # what is wrong with it, execve(2) will say
    return False
