"""A process has itself recorded: one tracer serves all its blocks, called for the first, gone after the last.

A process inside of a `shark run` has a tracer already, and asks that one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from typing import IO

from shark.errors import EXIT_RUN, ConditionFailed, SharkError
from shark.wire import Document, Wire

_TRACE = """
import os
if os.fork(): os._exit(0)
from shark.hosting import supervise
supervise(int(sys.argv[2]), int(sys.argv[3]))
"""
"""What the tracer's interpreter runs: its process is nobody's child here, so that no wait for a child meets it."""

_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_BLOCK_MARK = b"/proc/self/shark-block/"  # capture/opens.py has it too, which a program need not import


class _Session:
    """The tracer that was called, and how many blocks it has."""

    def __init__(self, control: Wire) -> None:
        self.control = control
        self.blocks = 0


_lock = threading.Lock()
_session: _Session | None = None


def _forget() -> None:
    """In a forked child: its parent's tracer is its own too, but the conversation is the parent's."""
    global _lock, _session  # noqa: PLW0603  there is one tracer for a process
    _lock = threading.Lock()
    _session = None


os.register_at_fork(after_in_child=_forget)


class Asked:
    """A block that is being recorded: its run's id, and the conversation about it."""

    def __init__(self, run: str, wire: Wire, own: bool) -> None:
        self.run = run
        self._wire = wire
        self._own = own
        self._pid = os.getpid()

    def end(self, about: Document) -> Document:
        """Tell that the block is over, and wait for its record and manifests; what is told of those.

        Raises SharkError if the tracer is gone.
        """
        if os.getpid() != self._pid:
            return {}  # a forked child leaves the block too: it is its parent's
        try:
            if self._own:
                with _lock:
                    self._let_go(about)
            else:
                self._wire.send("end", **about)
            while (said := self._wire.receive()) is not None:
                if said[0] == "done":
                    return said[1]
        finally:
            self._wire.close()
        raise SharkError(
            "the process that recorded the block is gone", f"`shark recover {self.run}` makes what can be made."
        )

    def _let_go(self, about: Document) -> None:
        """End it; if it was the last block, this process is traced by nobody when this returns."""
        global _session  # noqa: PLW0603
        self._wire.send("end", **about)
        if _session is None:
            return
        _session.blocks -= 1
        if _session.blocks == 0:
            self._wire.receive()  # "released"
            _session.control.close()
            _session = None
            _allow(0)


def ask(about: Document) -> Asked:
    """Have a block recorded from now on. Raises SharkError if that is not possible."""
    global _session  # noqa: PLW0603
    with _lock:
        # Asked for within: a block that another thread ends just now has a tracer that is gone when it has ended.
        tracer = tracer_of_this() if _session is None else 0
        if tracer:
            wire = _ask_tracer(tracer)
            own = False
        else:
            _session = _session or _call()
            ours, theirs = socket.socketpair()
            try:
                _session.control.pass_on(theirs)
            except OSError:
                _session = None
                raise SharkError("the process that records this one is gone", "Try again.", EXIT_RUN) from None
            finally:
                theirs.close()
            wire, own = Wire(ours), True
            _session.blocks += 1
        return _begin(wire, about, own)


def _begin(wire: Wire, about: Document, own: bool) -> Asked:
    global _session  # noqa: PLW0603
    began = False
    try:
        wire.send("begin", **about)
        said = wire.receive()
        began = said is not None and said[0] == "run"
    finally:
        if not began:
            wire.close()
            if own and _session is not None:
                _session.blocks -= 1
                if not _session.blocks:
                    _session.control.close()
                    _session = None
    if said is None:
        raise SharkError("the process that should record this one has ended", "Try again.", EXIT_RUN)
    if not began:
        kind = ConditionFailed if said[1].get("condition") else SharkError
        raise kind(said[1]["why"], said[1]["hint"], EXIT_RUN)
    return Asked(said[1]["id"], wire, own)


def tracer_of_this() -> int:
    """The process that traces this one, 0 if none does."""
    with open("/proc/self/status", "rb") as status:
        for line in status:
            if line.startswith(b"TracerPid:"):
                return int(line[10:])
    return 0


def _ask_tracer(tracer: int) -> Wire:
    """Begin a conversation with the shark that traces this process."""
    ours, theirs = socket.socketpair()
    with theirs:
        with contextlib.suppress(OSError):  # no kernel has it, but a tracer that knows it has answered meanwhile
            os.close(os.open(_BLOCK_MARK + b"%d" % theirs.fileno(), os.O_RDONLY))
        wire = Wire(ours)
        if wire.poll() is None:
            wire.close()
            raise SharkError(
                f"this process is traced already, by process {tracer}, and Linux allows one tracer only",
                "Call it without that tracer.",
                EXIT_RUN,
            )
    return wire


def _call() -> _Session:
    """Start the tracer, and allow it to trace this process."""
    ours, theirs = socket.socketpair()
    control = Wire(ours)
    try:
        complaints = _spawn(theirs)
        said = control.receive()
    except BaseException:
        control.close()
        raise
    if said is None:
        control.close()
        with complaints:
            lines = complaints.read().decode(errors="replace").strip().splitlines()
        why = f": {lines[-1]}" if lines else ""
        raise SharkError(f"the process that should record this one did not start{why}", "", EXIT_RUN)
    complaints.close()
    _allow(said[1]["pid"])
    return _Session(control)


def _spawn(end: socket.socket) -> IO[bytes]:
    """Start the tracer with its end of the conversation; gives what it says when it fails."""
    import subprocess

    from shark.store import places

    environ = dict(os.environ)
    places.settle(environ)
    adopts = _adopts_orphans()
    command = [*interpreter(_TRACE), str(end.fileno()), str(os.getpid())]
    null = subprocess.DEVNULL
    try:
        with end:
            started = subprocess.Popen(
                command, stdin=null, stdout=null, stderr=subprocess.PIPE, pass_fds=[end.fileno()], cwd="/", env=environ
            )
        started.wait()
    except OSError as problem:
        raise SharkError(f"{command[0]} could not be started: {problem.strerror}", "", EXIT_RUN) from None
    finally:
        if adopts:
            _adopt_orphans(adopt=True)
    assert started.stderr is not None
    return started.stderr


def interpreter(code: str) -> list[str]:
    """A command that runs Python code with this very shark, and all that this program can import; it has `sys`.

    What follows the command begins at sys.argv[2]. Raises SharkError if no interpreter is found.
    """
    import json

    import shark

    path = [os.path.dirname(os.path.dirname(os.path.abspath(shark.__file__))), *filter(os.path.isabs, sys.path)]
    start = f"import json, sys; sys.path[:] = json.loads(sys.argv[1])\n{code}"
    return [_python(), "-I", "-S", "-c", start, json.dumps(path)]


def _python() -> str:
    """The interpreter, also of a Python that lives in another program."""
    candidates = [
        sys.executable,
        os.path.join(sys.prefix, "bin", "python3"),
        os.path.join(sys.base_prefix, "bin/python3"),
    ]
    for path in candidates:
        if path and os.path.basename(path).startswith(("python", "pypy")) and os.access(path, os.X_OK):
            return path
    raise SharkError(
        "no Python interpreter to start the recording process with is found", "Set sys.executable.", EXIT_RUN
    )


def _adopts_orphans() -> bool:
    """Stop adopting orphans, if this process does: the tracer must not become its child. Tells whether it did."""
    from shark.capture import kernel

    adopts = kernel.adopts_orphans()
    if adopts:
        kernel.adopt_orphans(adopt=False)
    return adopts


def _adopt_orphans(*, adopt: bool) -> None:
    from shark.capture import kernel

    kernel.adopt_orphans(adopt=adopt)


def _allow(tracer: int) -> None:
    """Let a process trace this one, where Yama asks for that; 0 takes it back."""
    if os.path.exists(_YAMA):
        from shark.capture import kernel

        kernel.allow_tracer(tracer)
