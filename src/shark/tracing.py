"""The supervisor of a run: traces the command, journals what it does, and has the scribe make the record of it.

Nothing that goes wrong in here may change the command: it becomes a warning, and the journal stays for `shark recover`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time

from shark.borrowing import parent_of
from shark.capture import kernel, launcher
from shark.capture.journal import JournalWriter, line_of
from shark.capture.lines import Lines
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.capture.waiting import Waiter
from shark.content import suspicion
from shark.content.concealing import Concealer
from shark.content.suspicion import is_plain
from shark.events import Event, GapSeen, ImageStarted, Opened, ProcessEnded, RunEnded, RunStarted, SubRun, Traced
from shark.plan import asks_for_more
from shark.recorder import tiering
from shark.scribe import Report, Scribe
from shark.store import said
from shark.store.home import Store
from shark.store.ids import is_run_id, uuid7
from shark.tuples import TYPE_CHECKING
from shark.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from shark.capture.tasks import Process
    from shark.capturing import Capturing
    from shark.extras import Extras
    from shark.front import Front
    from shark.hosting import Host
    from shark.plan import Plan


def supervise(
    plan: Plan,
    run: str,
    link: launcher.Link,
    front: Front | None,
    scribe: Scribe,
    capturing: Capturing | None = None,
) -> None:
    """Trace the command at the other end of `link` from its start to its end: the whole life of a supervisor."""
    gc.freeze()
    gc.enable()
    voice = Voice.take(plan.quiet, plan.verbose)
    kept = [*link.descriptors, *voice.descriptors, *scribe.descriptors, *(front.descriptors if front else ())]
    launcher.detach([*kept, *(capturing.descriptors if capturing else ())])
    try:
        tracing = Tracing(plan, run, voice, scribe, capturing)
    except Exception as problem:  # noqa: BLE001  whatever it is, the command must be told instead of waiting for ever
        voice.close()
        link.answer(f"the supervisor could not be prepared: {problem}")
        return
    try:
        tracing.seize(link)
    except kernel.Failed as problem:
        tracing.abandon()
        voice.close()
        link.answer(_why_not(problem))
        return
    except (EOFError, BrokenPipeError):
        tracing.abandon()
        voice.close()
        link.answer("the process that makes the record could not be started")
        return
    if front:
        tracing.serve(front)
    try:
        tracing.trace()
    except Exception as problem:  # noqa: BLE001  said, and the command's parent not left waiting for its end
        voice.fault_of(problem)
        tracing.let_go()


def _why_not(problem: kernel.Failed) -> str:
    scope = yama_scope()
    if scope == 2:
        return "tracing is forbidden: kernel.yama.ptrace_scope is 2 (1 or 0 is needed, or root)"
    if scope > 2:
        return f"tracing is forbidden: kernel.yama.ptrace_scope is {scope}, until the next boot (1 or 0 is needed)"
    return f"tracing is forbidden here: ptrace failed with {problem} (a container profile, or a process that traces it)"


def yama_scope() -> int:
    """How far Yama restricts tracing (0 to 3), 0 also without Yama."""
    try:
        with open("/proc/sys/kernel/yama/ptrace_scope", "rb") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 0


def hash_descriptor(fd: int, limit: int = -1) -> Hashed:
    """Digest a version that is about to be lost, unless it is larger than `limit` bytes (-1: the usual limit)."""
    import hashlib

    from shark.content.hashing import DEFAULT_LIMIT

    if os.fstat(fd).st_size > (DEFAULT_LIMIT if limit < 0 else limit):
        return Hashed("", "it is over the limit for hashing")
    with open(fd, "rb", closefd=False) as file:
        return Hashed(hashlib.file_digest(file, "sha256").hexdigest(), "")


def _in_words(traced: Traced) -> str:
    line = f"shark: {traced.stops:,} stops"
    if traced.hot:
        line += (
            f"; {traced.recorded:,} opens recorded without one, in {traced.hot} busy process{'es' * (traced.hot != 1)}"
        )
        line += f" ({traced.sites} places patched)"
    return line


def _settings_beside(journal: bytes) -> bytes:
    return journal.removesuffix(b".journal") + b".settings"


_OURS = (said.SUFFIX, tiering.RING)
_ENDS = frozenset({ProcessEnded, RunEnded})
_WITH_ARGV = frozenset({ImageStarted, RunStarted, SubRun})


def masked(event: Event, concealer: Concealer) -> Event:
    """An event without the secrets of command lines, variables and names: nothing of those is ever written."""
    if type(event) in _WITH_ARGV:
        event = _masked_argv(event, concealer)  # type: ignore[arg-type]
    concealed: Event = concealer.event(event)
    return concealed


def _masked_argv(event: ImageStarted | RunStarted | SubRun, concealer: Concealer) -> ImageStarted | RunStarted | SubRun:
    argv = [argument.decode("utf-8", "surrogateescape") for argument in event.argv]
    if is_plain(argv):
        return event
    from shark.content.masking import mask_argv

    masked = mask_argv(argv)
    concealer.learn(argv, masked)
    return event._replace(argv=tuple(argument.encode("utf-8", "surrogateescape") for argument in masked))


class Tracing:
    """One run, from the seizing of its command to the last record. Lives in the supervisor."""

    def __init__(self, plan: Plan, run: str, voice: Voice, scribe: Scribe, capturing: Capturing | None = None) -> None:
        Waiter.block()
        self.front: Front | None = None
        self._plan = plan
        self._run = run
        self._voice = voice
        self._scribe = scribe
        self._store = Store.open(os.environ, write=True)
        self._journal_path = self._store.journal_path(run)
        self._kept: JournalWriter | None = None  # the journal on a disk
        self._journal = self._open_journal()  # what is written to now
        options = Options(not plan.seccomp, plan.io_uring == "deny", plan.linger, plan.hash != "off")
        limit = plan.extras.hash_limit if plan.extras else -1
        self._supervisor = Supervisor([self._write], options, lambda fd: hash_descriptor(fd, limit))
        if plan.seccomp and plan.recorder and tiering.is_built():
            self._supervisor.tiering = tiering.Tiering(
                self._supervisor, lambda: tiering.place_for_ring(run), plan.recorder
            )
        self._supervisor.command.on_exit = self._on_root_exit
        self._supervisor.on_fault = voice.fault_of
        self._supervisor.on_block = self._on_block
        self._supervisor.on_ask = self._on_ask
        self._host: Host | None = None
        self._seconds = 0.0
        self._done = False
        self._failed = False
        self._torn = False  # nothing can be written any more but how the run ends
        self._next = ""
        self._traced = ""
        self._concealer = Concealer(os.environ, scribe.tell_secret)
        self._supervisor.lines = Lines(
            self._takes_lines, self._write_lines, self._concealer.secrets, self._concealer.is_harmless,
            tuple(suspicion.WITHIN), suspicion.HEADS, said.SUFFIX,
        )  # fmt: skip
        self._hidden: Callable[[Event], Event] | None = None
        self._kept_files: list[dict[str, Any]] = []
        self._capturing = capturing
        if asks_for_more(plan):
            self._save_settings()
        if plan.extras is not None:
            self._prepare(plan.extras)

    def _save_settings(self) -> None:
        from shark import saved

        try:
            saved.save(self._store, self._run, self._plan, self._capturing.ways if self._capturing else ())
        except OSError as problem:
            self._voice.warn(f"the settings are not kept for `shark recover`: {problem.strerror}")

    def _prepare(self, extras: Extras) -> None:
        """Do what settings ask for before the command starts. Raises OSError."""
        from shark.extras import hiding

        self._hidden = hiding(extras)
        if extras.keep:
            from shark.keeping import keep_files

            self._kept_files = keep_files(extras.keep, self._store)
        if self._capturing:
            self._capturing.begin(self._store, self._run)
            self._supervisor.on_resize = self._capturing.resize

    def _open_journal(self) -> JournalWriter:
        try:
            self._kept = JournalWriter.create(self._journal_path)
        except OSError as problem:
            self._voice.warn(f"no journal is kept, so a crash would lose the run: {problem.strerror}")
            return JournalWriter(self._scribe.spill)
        return self._kept

    def _write(self, event: Event) -> None:
        if type(event) is GapSeen and event.kind == "nested-ptrace":
            self._voice.warn("the command uses ptrace itself, which fails under a tracer; see `shark doctor`")
        elif type(event) is Opened and event.file.path.endswith(_OURS) and self._is_ours(event.file.path):
            return  # what the run says of itself, and what is mapped into busy processes, is no business of the run's
        event = masked(event, self._concealer)
        if self._hidden is not None:
            event = self._hidden(event)
        if self._torn:
            if type(event) in _ENDS:
                self._journal.write_last(event)
            return
        self._write_lines(line_of(event))

    def _takes_lines(self) -> bool:
        """Whether lines may be written without a look at what they say."""
        return self._hidden is None and not self._torn

    def _write_lines(self, lines: bytes) -> None:
        if self._torn:  # since they were asked for
            return
        try:
            self._journal.write_lines(lines)
        except OSError as problem:
            self._tear(lines, problem.strerror or "")

    def _tear(self, lines: bytes, why: str) -> None:
        """The journal cannot take these: go on in memory, or else without. Never raises: the command goes on."""
        now = self._supervisor.tick()
        gap = GapSeen(now, now, 0, "journal-lost", why)
        if self._journal is self._kept:
            try:
                spill = JournalWriter(self._scribe.spill)
                spill.write(gap)
                spill.write_lines(lines)
            except OSError:
                pass
            else:
                # What it holds stays, and stays locked, in case that shark is killed.
                self._voice.warn(f"the journal could not be continued: {why}; a crash would now lose the run")
                self._journal = spill
                return
        self._torn = True
        self._voice.warn(f"the journal could not be continued: {why}; the rest of the run is not recorded")
        self._journal.write_last(gap._replace(detail=f"{why}: what came after is not recorded"))

    def _is_ours(self, path: bytes) -> bool:
        if path.endswith(tiering.RING):
            return os.fsdecode(os.path.basename(path)) == os.path.basename(tiering.place_for_ring(self._run))
        directory, name = os.path.split(path)
        if directory == os.path.realpath(os.path.dirname(self._journal_path)):
            return True
        # Another store's, to which a run inside of this one has written.
        return os.path.basename(directory) == b"journals" and is_run_id(os.fsdecode(name.removesuffix(said.SUFFIX)))

    def seize(self, link: launcher.Link) -> None:
        """Take hold of the command, and let it start. Raises kernel.Failed."""
        link.ask()
        self._supervisor.lives.attach(link.target)
        begin = self._supervisor.tick()
        self._supervisor.emit(RunStarted(begin, begin, time.time_ns(), self._run, self._plan.argv, self._plan.cwd))
        ready = self._scribe.wait_until_ready()
        for warning in (*self._store.warnings, *ready):
            self._voice.warn(warning)
        self._store.warnings.clear()
        self._scribe.begin(self._journal_path if self._kept else None, self._store, self._kept_files)
        self._voice.begin()
        self._voice.holders = self._holders
        self._clock = time.monotonic()
        link.answer()

    def _holders(self) -> Iterator[int]:
        """Who may have the standard error that shark was started with: the command, its parent, others of the run."""
        command = self._supervisor.command.process
        if command is None:
            return
        yield command.pid
        yield from filter(None, [parent_of(command.pid)])
        alive = list(self._supervisor.tree.tasks.values())  # at once: the loop may go on meanwhile, in another thread
        yield from {task.process.pid for task in alive} - {command.pid}

    def serve(self, front: Front) -> None:
        """Tell a front process how it went, and let signals that came two ways through once."""
        self.front = front
        self._supervisor.command.lets_through = front.lets_through

    def abandon(self) -> None:
        """Nothing was traced: leave nothing behind."""
        self._drop_journal()
        said.forget(self._store, self._run)
        if self._capturing:
            self._capturing.abandon()

    def trace(self) -> None:
        """Trace to the end; write manifests and record before the command's parent learns of its end."""
        supervisor = self._supervisor
        supervisor.loop.run()
        if self._host is not None:
            self._host.end_all()
        if not self._done:
            self._end_root()
            if supervisor.command.started:
                # Descendants of the command, if any, go on meanwhile: one of them may serve the files looked at.
                supervisor.loop.serve_while(self._finish)
            else:
                self.abandon()
        self._voice.close()  # before anybody learns of the end, and looks for a lock on it
        if self.front:
            self.front.done()
        supervisor.command.release()
        if supervisor.tree.alive and self._failed:
            supervisor.loop.run_on()  # there is no record to go on with, but without a tracer they would end
        elif supervisor.tree.alive:
            self._go_on()
        self._close_recorder()  # before the journal: `shark recover` looks after what journals name
        self._drop_journal()
        if self._capturing:
            self._capturing.end()

    def _close_recorder(self) -> None:
        if self._supervisor.recorder is not None:
            self._supervisor.recorder.close()

    def let_go(self) -> None:
        """Something is broken in here: stay with the command, since without a tracer its calls would fail."""
        self._supervisor.loop.run_on()
        if self.front:
            self.front.failed()
            self.front.done()
        self._supervisor.command.release()
        self._close_recorder()

    def _end_root(self) -> None:
        self._seconds = (self._supervisor.command.ending or time.monotonic()) - self._clock
        self._traced = _in_words(self._supervisor.tell_traced())
        self._supervisor.command.note_ended()
        now = self._supervisor.tick()
        self._supervisor.emit(RunEnded(now, now, time.time_ns()))

    def _on_root_exit(self) -> None:
        alone = self._supervisor.tree.alive == 1
        true_stderr = self._capturing.stderr() if self._capturing else None
        if true_stderr is not None:
            self._voice.lend(true_stderr, for_long=alone)
        else:
            self._voice.borrow(self._supervisor.command.pid, for_long=alone)
        if self._supervisor.command.pid == 1 and self._supervisor.command.started:
            # The end of process 1 kills all the others of its namespace, this one included: write before it happens.
            self._done = True
            self._end_root()
            self._finish()
            self._forget_settings()
            self._close_recorder()

    def _on_block(self, process: Process, fd: int) -> None:
        """A process of the run wants to have a part of its life recorded as a run of its own."""
        if self._host is None:
            from shark.hosting import Host

            self._host = Host(self._supervisor, self._run)
        self._host.admit(process, fd)

    def _on_ask(self, process: Process, fd: int) -> None:
        """A shark inside of the run wants to know where it is."""
        from shark.within import answer

        answer(process.pid, fd, self._run, self._store)

    def _finish(self, continues: str = "") -> None:
        """Everything after the command: facts, record, manifests. Trouble is told, and leaves the journal."""
        if self._kept and self._journal is not self._kept:
            self._scribe.drain()
            self._drop_journal()  # it is a part only, and the record needs the room
        goes_on = not continues and not self._done and self._supervisor.tree.alive > 0
        streams = self._captured(continues)
        report = self._scribe.finish(
            self._run, continues=continues, seconds=self._seconds, keep=goes_on, streams=streams
        )
        for what, details in report.faults:
            self._voice.fault(what, details)
        if report.lost:
            self._lost(report)
            return
        if not goes_on:
            self._forget_settings()  # the journal is gone, and whoever waits for the command finds nothing left
        for warning in (*self._store.warnings, *report.warnings):
            self._voice.warn(warning)
        if self.front and report.unattached:
            self.front.failed()
        self._voice.explain(self._traced)
        self._voice.summary(report.summary)

    def _captured(self, continues: str) -> dict[str, Any]:
        """What the command wrote until now; what comes belongs to the next record."""
        if self._capturing is None:
            return {}
        self._next = uuid7(time.time_ns(), os.urandom(10))
        killed = not continues and self._supervisor.command.status()[1] > 0
        try:
            return self._capturing.finish(self._next, killed=killed)
        except OSError as problem:
            self._voice.warn(f"the command's output could not be kept: {problem.strerror}")
            return {}

    def _lost(self, report: Report) -> None:
        self._failed = True
        rest = f"its journal is kept: shark recover {self._run}" if self._kept else "nothing of it is kept"
        self._voice.warn(f"no record of this run: {report.lost}; {rest}")
        if self.front:
            self.front.failed()

    def _drop_journal(self) -> None:
        """Remove the journal, unless it is what is left of a run without a record."""
        if self._failed:
            return
        self._forget_settings()
        if self._kept is None:
            return
        self._kept.close()
        self._kept = None
        with contextlib.suppress(FileNotFoundError):  # the scribe does it as soon as the record is written
            os.unlink(self._journal_path)

    def _forget_settings(self) -> None:
        if asks_for_more(self._plan):
            from shark import saved

            saved.forget(self._store, self._run)

    def _go_on(self) -> None:
        """The command's descendants outlive it: stay with them, and write what they do into a second record."""
        first, self._run = self._run, self._next or uuid7(time.time_ns(), os.urandom(10))
        former, self._journal_path = self._journal_path, self._store.journal_path(self._run)
        if self._kept:
            with contextlib.suppress(FileNotFoundError):
                os.rename(former, self._journal_path)
                os.rename(_settings_beside(former), _settings_beside(self._journal_path))
        self._supervisor.loop.run_on()
        self._seconds = time.monotonic() - self._clock
        self._finish(first)
