"""`shark run --pid PID`: records a process that runs already, until ^C or its end, and leaves it as it was."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from typing import TYPE_CHECKING

from shark.errors import EXIT_RUN, SharkError
from shark.wire import Document, Wire

if TYPE_CHECKING:
    from shark.plan import Plan

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXIT_INTERRUPTED = 130
"""As shells tell of a command that ^C ended."""


def follow(pid: int, plan: Plan) -> int:
    """Record process `pid`; gives the exit status: its own if it ended, 128 + N for a signal, 0 if it lives on.

    Raises SharkError (125) if it cannot be traced.
    """
    from shark.running import check_json, check_kernel, check_proc
    from shark.store import places

    places.settle(os.environ)
    check_kernel()
    check_proc()
    check_json(plan.json)
    about = _about(pid, plan)
    if plan.require_clean:
        from shark.circumstances import check_clean

        check_clean(os.fsencode(about["cwd"]))
    with _Interruptions() as interruptions:
        done = _follow(pid, about, interruptions)
    return _told(done, plan)


class _Interruptions:
    """The signals that ask for the end, as something that can be waited for: a handler alone could come too early."""

    def __enter__(self) -> _Interruptions:
        self._reading, self._writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._former = signal.set_wakeup_fd(self._writing)
        self._handlers = {number: signal.signal(number, lambda *_: None) for number in _ENDING}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._former)
        os.close(self._reading)
        os.close(self._writing)

    def come_before(self, wire: Wire) -> bool:
        """Wait: True if somebody wants the end, False if there is something to hear."""
        heard, _, _ = select.select([self._reading, wire.fileno()], [], [])
        if self._reading in heard:
            os.read(self._reading, 64)
        return self._reading in heard


def _follow(pid: int, about: Document, interruptions: _Interruptions) -> Document:
    control, theirs = socket.socketpair()
    ours, passed = socket.socketpair()
    tracer = _fork_tracer(pid, theirs, (control, ours, passed))
    theirs.close()
    conversation, wire = Wire(control), Wire(ours)
    try:
        conversation.receive()
        conversation.pass_on(passed)
        passed.close()
        wire.send("begin", **about)
        return _listen(wire, pid, interruptions, talks=about["options"]["verbose"])
    except OSError:
        raise SharkError("the tracing process did not start", "", EXIT_RUN) from None
    finally:
        conversation.close()
        wire.close()
        os.waitpid(tracer, 0)


def _fork_tracer(pid: int, end: socket.socket, others: tuple[socket.socket, ...]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    front = os.getpid()
    child = os.fork()
    if child == 0:
        from shark.hosting import apart, supervise

        signal.set_wakeup_fd(-1)
        for other in others:
            other.close()
        apart(lambda: supervise(end.fileno(), pid, {front}))
    return child


def _listen(wire: Wire, pid: int, interruptions: _Interruptions, *, talks: bool) -> Document:
    """Hear of the beginning and the end; ask for the end when interrupted."""
    run = ""
    while True:
        if interruptions.come_before(wire):
            if not run:
                raise SharkError("interrupted before the recording began", "", EXIT_INTERRUPTED)
            wire.send("end")
            continue
        said = wire.receive()
        if said is None:
            hint = f"The process is unharmed; `shark recover {run}` makes what can be made." if run else ""
            raise SharkError("the tracing process ended unexpectedly", hint, EXIT_RUN)
        word, what = said
        if word == "refused":
            raise SharkError(what["why"], what["hint"], EXIT_RUN)
        if word == "run":
            run = what["id"]
            if talks:
                sys.stderr.write(f"shark: recording process {pid} as run {run[-8:]} until it ends, or ^C\n")
                sys.stderr.flush()
        elif word == "done":
            return what


def _about(pid: int, plan: Plan) -> Document:
    from shark.delivering import from_elsewhere
    from shark.extras import to_whole_document

    options = {key: value for key, value in plan._asdict().items() if key not in {"argv", "cwd", "quiet", "extras"}}
    options["verbose"] = not plan.quiet and (plan.verbose or os.isatty(2))
    options["tags"] = dict(plan.tags)
    options["json"] = from_elsewhere(plan.json)
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            argv = [os.fsdecode(word) for word in file.read().split(b"\0")[:-1]]
        cwd = os.readlink(f"/proc/{pid}/cwd")
        with open(f"/proc/{pid}/environ", "rb") as file:
            environ = dict(
                os.fsdecode(entry).partition("=")[::2] for entry in file.read().split(b"\0") if b"=" in entry
            )
    except (FileNotFoundError, ProcessLookupError):
        raise SharkError(f"there is no process {pid}", "`ps` lists those that there are.", EXIT_RUN) from None
    except PermissionError:
        argv, cwd, environ = [], "/", {}  # tracing will be refused too, with the reason
    return {
        "argv": argv,
        "cwd": cwd,
        "guest": True,
        "environ": environ,
        "options": options,
        "extras": plan.extras and to_whole_document(plan.extras),
        "recording": {"kind": "process"},
    }


def _told(done: Document, plan: Plan) -> int:
    if not plan.quiet:
        for line in done["lines"]:
            sys.stderr.write(f"{line}\n")
    failed = not done["kept"] or done["unattached"]
    status: int = done["exit"] if done["exit"] >= 0 else 128 + done["signal"] if done["signal"] > 0 else 0
    return EXIT_RUN if plan.strict and failed and status == 0 else status
