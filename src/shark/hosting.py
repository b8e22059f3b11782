"""Who serves the blocks of a process: the tracer that was called for them, or that of a `shark run` around them.

When a block is over, a fork of the tracer makes its record and its manifests, while the tracer goes on. If that was the
last block of a process that was seized for it, the tracer ends, which is how the kernel lets go of all threads at once
(capture/seizing.py).
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import socket
from collections.abc import Callable, Collection
from typing import NoReturn

from shark.blocks import Block
from shark.capture import kernel, launcher, seizing
from shark.capture.seizing import Refused
from shark.capture.supervisor import Options, Supervisor
from shark.capture.tasks import Process
from shark.capture.waiting import Waiter
from shark.errors import ConditionFailed, SharkError
from shark.preparing import Prepared, prepare
from shark.tracing import hash_descriptor, yama_scope
from shark.wire import Document, Wire

_SETTLING = 1.0
"""Seconds that threads have to come to a point at which nothing is changed in them."""


class Host:
    """Serves blocks beside whatever else the supervisor does. `outer` is the id of the run around them."""

    def __init__(self, supervisor: Supervisor, outer: str = "") -> None:
        self.supervisor = supervisor
        self.blocks: list[Block] = []
        self._outer = outer
        self._asking: list[tuple[Wire, Process]] = []
        supervisor.waiter.requests = frozenset({int(signal.SIGIO)})
        supervisor.loop.on_request = self.attend

    def admit(self, process: Process, fd: int) -> None:
        """A process of the run asks for a block, by the descriptor of its end of a conversation."""
        copy = kernel.take_descriptor(process.pid, fd)
        if copy is None:
            return
        wire = Wire(socket.socket(fileno=copy))
        wire.send("tracer", pid=os.getpid())
        self._asking.append((wire, process))
        watch(wire)

    def attend(self) -> None:
        """Look at what was said."""
        for wire, process in tuple(self._asking):
            said = wire.poll()
            if said is None and not wire.closed:
                continue
            self._asking.remove((wire, process))
            if said is not None:
                self.begin(wire, process, said[1])
        for block in tuple(self.blocks):
            said = block.wire.poll()
            if said is not None:
                self._over(block, said[1])
            elif block.ended:
                self._over(block, {"recording": {"outcome": "ended"}})
            elif block.wire.closed and block.guest:
                self._over(block, {})
            elif block.wire.closed and not block.is_replaced() and not seizing.is_ending(block.pid):
                self._over(block, {"recording": {"outcome": "lost"}})

    def begin(self, wire: Wire, process: Process, about: Document, prepared: Prepared | None = None) -> Block | None:
        """Begin a block, or say why there is none."""
        if self._outer:
            about["options"]["attach"] = "none"  # the outer run will, when it ends
        try:
            prepared = prepared or prepare(about, within=True)
            block = Block(self.supervisor, wire, about, prepared, self._outer)
        except (SharkError, OSError) as problem:
            refuse(wire, problem)
            return None
        block.begin(process, about.get("sources", ()))
        self.blocks.append(block)
        wire.send("run", id=block.run)
        watch(wire)
        return block

    def _over(self, block: Block, about: Document) -> None:
        self.blocks.remove(block)
        block.end(about)
        self.keep(block)

    def keep(self, block: Block) -> None:
        """Have the record made by a fork, while the loop goes on."""
        block.wire.send("released")
        try:
            child = os.fork()
        except OSError:
            block.keep()
            return
        if child == 0:
            self._keep_here(block)
        block.leave()

    def _keep_here(self, block: Block) -> NoReturn:
        """Do it in this process, a fork, which ends with it."""
        try:
            for other in self.blocks:
                other.leave()
            block.keep()
        finally:
            os._exit(0)

    def end_all(self) -> None:
        """Nothing more will happen: the blocks that are left are over."""
        for block in tuple(self.blocks):
            self._over(block, {"recording": {"outcome": "ended"}})


class Session(Host):
    """The tracer that was called to record process `pid`. `control` leads to who called, and brings further blocks."""

    def __init__(self, pid: int, control: Wire, spared: Collection[int]) -> None:
        Waiter.block()
        super().__init__(Supervisor([], Options(full=True), hash_descriptor))
        self.supervisor.on_block = self.admit
        self.supervisor.on_fault = self._on_fault
        self._pid = pid
        self._control = control
        self._spared = spared
        self._last: Block | None = None

    def serve(self) -> None:
        """Serve blocks, from the first one on, until there is none left or the process has ended."""
        self._control.send("tracer", pid=os.getpid())
        wire = self._first()
        said = wire.receive() if wire else None
        if wire is None or said is None:
            return
        self.supervisor.loop.linger = said[1]["options"].get("linger", 5.0)
        try:
            prepared = prepare(said[1], within=False)
        except (SharkError, OSError) as problem:
            refuse(wire, problem)
            return
        try:
            hold = seizing.seize(self.supervisor, self._pid, self._spared)
        except Refused as problem:
            why, hint = explained(self._pid, problem)
            wire.send("refused", why=why, hint=hint)
            return
        root = self.supervisor.tree.processes()[0]
        block = self.begin(wire, root, said[1], prepared)
        if block is None:
            return
        for trouble in hold.troubles:
            self.supervisor.gap(0, "privilege", trouble)
        hold.go()
        watch(self._control)
        self._trace()

    def _first(self) -> Wire | None:
        while not self._control.closed:
            select.select([self._control], [], [])
            for end in self._control.take_passed():
                return Wire(end)
        return None

    def attend(self) -> None:
        """Look at what was said, and at who has more to say."""
        for end in self._control.take_passed():
            self._asking.append((Wire(end), self.supervisor.tree.processes()[0]))
            watch(self._asking[-1][0])
        super().attend()

    def keep(self, block: Block) -> None:
        """As any host does; with the last block the tracer ends."""
        if self.blocks or self._asking:
            super().keep(block)
        else:
            self._last = block
            self.supervisor.loop.leaving = True

    def _trace(self) -> None:
        supervisor = self.supervisor
        try:
            supervisor.loop.run()
        except Exception as problem:  # noqa: BLE001  told; the process is let go of by our end
            self._on_fault(problem)
        if self._last is not None:
            self._leave(self._last)
            return
        supervisor.command.note_ended()
        blocks, self.blocks = self.blocks, []
        for block in blocks:
            block.end({"recording": {"outcome": "ended"}})
        supervisor.loop.serve_while(lambda: _keep_all(blocks))
        supervisor.command.release()

    def _leave(self, block: Block) -> None:
        """Let the process go, then make the record."""
        self.supervisor.loop.wind_down(_SETTLING)
        ended = os.pidfd_open(os.getpid())
        try:
            if os.fork():
                os._exit(0)
        except OSError:
            block.wire.send("released")
            block.keep()
            return
        select.select([ended], [], [])
        block.wire.send("released")
        self._keep_here(block)

    def _on_fault(self, problem: Exception) -> None:
        for block in self.blocks:
            block.voice.fault_of(problem)


def _keep_all(blocks: Collection[Block]) -> None:
    for block in blocks:
        block.keep()


def refuse(wire: Wire, problem: Exception) -> None:
    """Say why there is no block."""
    condition = isinstance(problem, ConditionFailed)
    wire.send("refused", why=str(problem), hint=getattr(problem, "hint", ""), condition=condition)
    wire.close()


def watch(wire: Wire) -> None:
    """Have SIGIO tell when there is something to hear; once more for what is there already."""
    fcntl.fcntl(wire, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(wire, fcntl.F_SETFL, fcntl.fcntl(wire, fcntl.F_GETFL) | os.O_ASYNC)
    os.kill(os.getpid(), signal.SIGIO)


def explained(pid: int, problem: Refused) -> tuple[str, str]:
    """Why a process cannot be recorded, and what to do about it."""
    if problem.number == errno.ESRCH:
        return f"there is no process {pid}", "`ps` lists those that there are."
    if problem.tracer:
        name = _read(f"/proc/{problem.tracer}/comm").strip()
        who = f"process {problem.tracer}" + (f" ({name})" if name else "")
        return f"process {pid} is traced already, by {who}", "Linux allows one tracer only: end that one first."
    scope = yama_scope()
    why = f"process {pid} may not be traced: {problem}"
    if scope == 1:
        return f"{why} (kernel.yama.ptrace_scope is 1)", "Only root may trace what it did not start: try it as root."
    if scope == 2:
        return f"{why} (kernel.yama.ptrace_scope is 2)", "Only root may trace: try it as root."
    if scope > 2:
        hint = "Nobody may until the next boot: set kernel.yama.ptrace_scope=1 in /etc/sysctl.d, and reboot."
        return f"{why} (kernel.yama.ptrace_scope is {scope})", hint
    return why, "It is another user's, has more privileges than you, or this container forbids it; see `shark doctor`."


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def supervise(end: int, pid: int, spared: Collection[int] = ()) -> None:
    """Be the tracer of `pid`; `end` is the descriptor of the conversation with who asks for it."""
    control = Wire(socket.socket(fileno=end))
    launcher.detach([end])
    _import_what_workers_need()
    Session(pid, control, spared).serve()


def _import_what_workers_need() -> None:
    """A fork of this process must find no import half done by a thread."""
    import importlib

    for name in ("hashlib", "shark.content.hashing"):
        importlib.import_module(name)


def apart(work: Callable[[], None]) -> NoReturn:
    """Do `work` as the whole rest of this process's life."""
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)
