"""`shark run`: the wiring of capture, model, content and store around one command.

What happens where: `start` runs in the process that becomes the command, `_supervise` in the supervisor. Nothing that
goes wrong in the supervisor may change the command: it becomes a warning, and the journal stays for `shark recover`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from shark import __version__
from shark.capture import kernel, launcher
from shark.capture.abi import conventions
from shark.capture.filter import compile_filter
from shark.capture.journal import JournalWriter
from shark.capture.opens import SUBRUN_MARK
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.capture.waiting import Waiter
from shark.content.context import Gatherer
from shark.errors import EXIT_RUN, SharkError
from shark.events import Event, GapSeen, ImageStarted, RunEnded, RunStarted, SubRun
from shark.model.facts import Header, text
from shark.model.run import RunModel
from shark.store.home import Store
from shark.store.ids import is_run_id, uuid7
from shark.values import Gap
from shark.voice import Voice

if TYPE_CHECKING:
    from shark.front import Front

_CONTEXT_SECONDS = 2.0
"""How long the context may take after the command's end; what is not there by then is left out, with a gap."""

RUN_ID_VARIABLE = "SHARK_RUN_ID"


class Plan(NamedTuple):
    """What was asked of `shark run`. `cwd` and `json` are absolute; `json` is "" for none; `linger` is in seconds."""

    argv: tuple[bytes, ...]
    cwd: bytes
    attach: Literal["auto", "xattr", "sidecar", "none"] = "auto"
    hash: Literal["auto", "full", "off"] = "auto"
    linger: float = 5.0
    seccomp: bool = True
    io_uring: Literal["gap", "deny"] = "gap"
    ignore: tuple[str, ...] = ()
    strict: bool = False
    name: str = ""
    tags: Mapping[str, str] = MappingProxyType({})
    json: str = ""
    quiet: bool = False
    verbose: bool = False


def start(plan: Plan) -> NoReturn:
    """Become the command, traced. Raises SharkError (exit code 125) if it cannot be traced at all."""
    _check_kernel()
    _check_proc()
    _check_json(plan.json)
    _fill_standard_streams()
    environ = _environment()
    run = uuid7(time.time_ns(), os.urandom(10))
    parent = environ.get(RUN_ID_VARIABLE.encode(), b"").decode("ascii", "replace")
    if not is_run_id(parent):
        parent = ""  # somebody else's variable of this name
    environ[RUN_ID_VARIABLE.encode()] = run.encode()
    if _tracer_pid():
        _start_within(plan, environ, run, parent)
    full = not plan.seccomp
    program = b"" if full else compile_filter(conventions(), deny_io_uring=plan.io_uring == "deny")
    front = None
    if plan.strict:
        from shark.front import Front

        front = Front.split()
    launcher.launch(plan.argv, environ, program, lambda link: _supervise(plan, run, parent, link, front))


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
    """Inside a traced run: it cannot be traced twice, so the outer run records it as a sub-run of its own."""
    if not parent:
        raise SharkError(
            f"this process is traced already, by process {_tracer_pid()}, and Linux allows one tracer only",
            "Call shark without that tracer.",
            EXIT_RUN,
        )
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


def _check_json(path: str) -> None:
    """Say at once, and not after hours, that the record could not be written there."""
    directory = os.path.dirname(path)
    if path and (os.path.isdir(path) or not os.path.isdir(directory)):
        what = f"{path} is a directory" if os.path.isdir(path) else f"there is no directory {directory}"
        raise SharkError(f"--json: {what}", "Say a file that can be written.", EXIT_RUN)


def _check_kernel() -> None:
    release = os.uname().release
    numbers = tuple(int(part) if part.isdigit() else 0 for part in release.split("-")[0].split(".")[:2])
    if numbers < (5, 3):
        raise SharkError(
            f"Linux {release} is too old: shark needs 5.3 or newer (PTRACE_GET_SYSCALL_INFO)", "", EXIT_RUN
        )


def _check_proc() -> None:
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


# --- in the supervisor


def _supervise(plan: Plan, run: str, parent: str, link: launcher.Link, front: Front | None) -> None:
    voice = Voice.take(plan.quiet, plan.verbose)
    kept = [*link.descriptors, *voice.descriptors, *(front.descriptors if front else ())]
    launcher.detach(kept)
    try:
        tracing = _Tracing(plan, run, parent, voice)
    except Exception as problem:  # noqa: BLE001  whatever it is, the command must be told instead of waiting for ever
        link.answer(f"the supervisor could not be prepared: {problem}")
        return
    try:
        tracing.seize(link)
    except kernel.Failed as problem:
        tracing.abandon()
        link.answer(_why_not(problem))
        return
    if front:
        tracing.serve(front)
    try:
        tracing.trace()
    except Exception as problem:  # noqa: BLE001  said, and the command's parent not left waiting for its end
        voice.fault(problem)
        tracing.let_go()


def _why_not(problem: kernel.Failed) -> str:
    scope = _yama_scope()
    if scope >= 2:
        return f"tracing is forbidden: kernel.yama.ptrace_scope is {scope} (1 or 0 is needed, or root for 2)"
    return f"tracing is forbidden here: ptrace failed with {problem} (a container profile, or a process that traces it)"


def _yama_scope() -> int:
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def _hash_descriptor(fd: int) -> Hashed:
    """Digest a version that is about to be lost."""
    import hashlib

    from shark.content.hashing import DEFAULT_LIMIT

    if os.fstat(fd).st_size > DEFAULT_LIMIT:
        return Hashed("", "it is over the limit for hashing")
    with open(fd, "rb", closefd=False) as file:
        return Hashed(hashlib.file_digest(file, "sha256").hexdigest(), "")


def _masked(event: Event) -> Event:
    """An event without the secrets of a command line: nothing of those is ever written."""
    if not isinstance(event, ImageStarted | RunStarted | SubRun):
        return event
    from shark.content.masking import mask_argv

    masked = mask_argv([text(argument) for argument in event.argv])
    return event._replace(argv=tuple(argument.encode("utf-8", "surrogateescape") for argument in masked))


class _Tracing:
    """One run, from the seizing of its command to the last record. Lives in the supervisor."""

    def __init__(self, plan: Plan, run: str, parent: str, voice: Voice) -> None:
        Waiter.block()
        self.front: Front | None = None
        self._plan = plan
        self._run = run
        self._parent = parent
        self._voice = voice
        self._store = Store.open(os.environ, write=True)
        self._journal: JournalWriter | None = None
        self._journal_path = self._store.journal_path(run)
        self._model = RunModel()
        self._held_back: list[Event] | None = None
        self._open_journal()
        options = Options(not plan.seccomp, plan.io_uring == "deny", plan.linger, plan.hash != "off")
        self._supervisor = Supervisor([self._write, self._observe], options, _hash_descriptor)
        self._supervisor.on_root_exit = self._on_root_exit
        self._supervisor.on_fault = self._on_fault
        self._seconds = 0.0
        self._done = False
        self._failed = False
        self._continues = ""
        self._gatherer = Gatherer()
        self._context: tuple[dict[str, Any], list[Gap]] | None = None
        self._recorded: frozenset[tuple[str, str]] = frozenset()

    def _open_journal(self) -> None:
        self._journal_full = False
        try:
            self._journal = JournalWriter(self._journal_path)
        except OSError as problem:
            self._voice.warn(f"no journal is kept, so a crash would lose the run: {problem.strerror}")

    def _write(self, event: Event) -> None:
        if type(event) is GapSeen and event.kind == "nested-ptrace":
            self._voice.warn("the command uses ptrace itself, which fails under a tracer; see `shark doctor`")
        if self._journal is None or self._journal_full:
            return
        try:
            self._journal.write(_masked(event))
        except OSError as problem:
            self._journal_full = True  # what it holds stays, and stays locked, in case that shark is killed
            self._voice.warn(f"the journal could not be continued: {problem.strerror}; a crash would now lose the run")
            self._observe(GapSeen(event.begin, event.end, 0, "journal-lost", problem.strerror or ""))

    def _observe(self, event: Event) -> None:
        if self._held_back is None:
            self._model.observe(event)
        else:
            self._held_back.append(event)

    def seize(self, link: launcher.Link) -> None:
        """Take hold of the command, and let it start. Raises kernel.Failed."""
        link.ask()
        self._supervisor.attach(link.target)
        begin = self._supervisor.tick()
        self._supervisor.emit(RunStarted(begin, begin, time.time_ns(), self._run, self._plan.argv, self._plan.cwd))
        self._clock = time.monotonic()
        link.answer()
        self._start_gathering()

    def _start_gathering(self) -> None:
        try:
            self._gatherer.start(os.fsdecode(self._plan.cwd), os.environ)
        except OSError as problem:
            self._voice.warn(f"the context of the run is not gathered: {problem.strerror}")

    def serve(self, front: Front) -> None:
        """Tell a front process how it went, and let signals that came two ways through once."""
        self.front = front
        self._supervisor.lets_through = front.lets_through

    def abandon(self) -> None:
        """Nothing was traced: leave nothing behind."""
        self._drop_journal()

    def trace(self) -> None:
        """Trace to the end; write manifests and record before the command's parent learns of its end."""
        supervisor = self._supervisor
        supervisor.run()
        if not self._done:
            self._end_root()
            if supervisor.root_started:
                self._finish_beside()
            else:
                self._drop_journal()
        if self.front:
            self.front.done()
        supervisor.release_root()
        self._voice.close()
        if supervisor.alive and not self._failed:
            self._go_on()

    def let_go(self) -> None:
        """Something is broken in here: stay with the command, since without a tracer its calls would fail."""
        self._held_back = []
        self._supervisor.run_on()
        if self.front:
            self.front.failed()
            self.front.done()
        self._supervisor.release_root()

    def _end_root(self) -> None:
        self._seconds = (self._supervisor.root_ending or time.monotonic()) - self._clock
        self._supervisor.note_root_ended()
        now = self._supervisor.tick()
        self._supervisor.emit(RunEnded(now, now, time.time_ns()))

    def _on_root_exit(self) -> None:
        self._voice.borrow(self._supervisor.root_pid, for_long=self._supervisor.alive == 1)
        if self._supervisor.root_pid == 1 and self._supervisor.root_started:
            # The end of process 1 kills all the others of its namespace, this one included: write before it happens.
            self._done = True
            self._end_root()
            self._finish()

    def _on_fault(self, problem: Exception) -> None:
        self._voice.fault(problem)

    def _finish_beside(self) -> None:
        """Finish while descendants of the command, if any, go on: one of them may serve the files that are looked at.

        What they do meanwhile is the next record's business.
        """
        self._held_back = []
        self._supervisor.serve_while(self._finish)
        held_back, self._held_back = self._held_back, None
        for event in held_back:
            self._model.observe(event)

    def _finish(self) -> None:
        """Everything after the command: facts, record, manifests. Trouble is told, and leaves the journal."""
        if self._journal_full:
            self._drop_journal()  # it is a part only, and the record needs the room
        try:
            self._record()
        except (SharkError, OSError) as problem:
            self._lost(str(problem))
        except Exception as problem:  # noqa: BLE001  the command's own result must come through all the same
            self._voice.fault(problem)
            self._lost("its record could not be made")

    def _lost(self, why: str) -> None:
        self._failed = True
        rest = f"its journal is kept: shark recover {self._run}" if self._journal else "nothing of it is kept"
        self._voice.warn(f"no record of this run: {why}; {rest}")
        if self.front:
            self.front.failed()

    def _record(self) -> None:
        from shark import record
        from shark.content.masking import mask_environment, mask_text

        if self._context is None:
            self._context = self._gatherer.collect(_CONTEXT_SECONDS)
        context, gaps = self._context
        name, tags = mask_text(self._plan.name), mask_environment(self._plan.tags)
        header = Header(id=self._run, shark=__version__, name=name, tags=tags)
        header.parent, header.continues = self._parent, self._continues
        settings = record.Settings(
            attach=self._plan.attach,
            hash=self._plan.hash,
            ignore=self._plan.ignore,
            cwd=self._plan.cwd,
            recorded=self._recorded,
        )
        outcome = record.finish(
            self._model, header, self._store, settings, context=context, gaps=gaps, seconds=self._seconds
        )
        self._recorded = frozenset(record.versions_of(outcome.record))
        self._drop_journal()
        if self._plan.json:
            try:
                record.write_json(outcome.record, self._plan.json)
            except OSError as problem:
                self._voice.warn(f"the record could not be written to {self._plan.json}: {problem.strerror}")
        for warning in (*self._store.warnings, *outcome.warnings):
            self._voice.warn(warning)
        if self.front and outcome.unattached:
            self.front.failed()
        self._voice.summary(outcome.record)

    def _drop_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            os.unlink(self._journal_path)

    def _go_on(self) -> None:
        """The command's descendants outlive it: stay with them, and write what they do into a second record."""
        first, self._run = self._run, uuid7(time.time_ns(), os.urandom(10))
        self._journal_path = self._store.journal_path(self._run)
        self._open_journal()
        self._supervisor.run_on()
        self._seconds = time.monotonic() - self._clock
        self._continues = first
        self._finish()
