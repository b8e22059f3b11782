"""Recording part of a process's life: what it reads and writes from one moment to another, as a run of its own.

A block is asked for by the process itself (recordings.py), or for it (`shark run --pid`), and served by the tracer
(hosting.py). Each has its own journal, model and record, and listens to the same stream of events, so that nested and
concurrent blocks need know nothing of each other.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from shark import saved
from shark.book import Book
from shark.capture import look, seizing
from shark.capture.journal import JournalWriter
from shark.capture.tasks import Process
from shark.content.concealing import Concealer
from shark.errors import SharkError
from shark.events import Event, GapSeen, ImageStarted, ProcessEnded, ProcessStarted, RunEnded, RunStarted, Traced
from shark.extras import hiding
from shark.plan import asks_for_more
from shark.preparing import Prepared
from shark.scribing import in_one_line
from shark.store.ids import uuid7
from shark.tracing import masked as without_secrets
from shark.values import Gap
from shark.voice import Voice
from shark.wire import Document, Wire

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor
    from shark.model.documents import RunRecord
    from shark.values import Usage


class _Lines(Voice):
    """Keeps what it says for the program that is recorded, which tells it."""

    def __init__(self, *, verbose: bool) -> None:
        super().__init__(None, (0, 0), quiet=False, verbose=verbose)
        self.lines: list[str] = []

    def _say(self, line: str) -> None:
        self.lines.append(line)


class Block:
    """One block, from its beginning to its record. `wire` leads to who asked for it."""

    def __init__(
        self, supervisor: Supervisor, wire: Wire, about: Document, prepared: Prepared, parent: str = ""
    ) -> None:
        plan, self._store, self._around = prepared
        self.voice = _Lines(verbose=plan.verbose)
        for warning in plan.extras.warnings if plan.extras and not plan.quiet else ():
            self.voice.warn(warning)
        run = uuid7(time.time_ns(), os.urandom(10))
        self._supervisor = supervisor
        self._plan = plan
        self._hidden = hiding(plan.extras)
        self._secrets: list[bytes] = []
        self._concealer = Concealer(about.get("environ") or os.environ, self._secrets.append)
        self._book = Book(plan, about.get("parent") or parent, self._around)
        self._journal_path = self._store.journal_path(run)
        self.run = run
        self._journal = self._open_journal()
        self._unattached = 0
        self._told: RunRecord | None = None
        self._failed = False
        self._seconds = 0.0
        self.wire = wire
        self.guest: bool = about.get("guest", False)  # asked for by another process: the end of that one ends it
        self.about: Document = about.get("recording", {})
        self._values: Document = {}
        self._environ: Mapping[str, str] = about.get("environ") or os.environ
        self._gaps: list[Gap] = []
        self._members: set[int] = set()
        self._root = 0
        self._before: dict[int, Usage | None] = {}
        self._held: set[tuple[int, int]] = set()
        self.pid = 0  # of the process whose block it is
        self.replaced = False  # the program has executed another one, which knows nothing of the block
        self.ended = False  # the process has ended

    # --- while it lasts

    def begin(self, process: Process, sources: Collection[str]) -> None:
        """Begin to listen; tell what `process` and its descendants are and hold, as if they started now."""
        supervisor = self._supervisor
        self._root, self.pid = process.number, process.pid
        living = [other for other in supervisor.tree.processes() if self._descends(other.number)]
        self._members = {other.number for other in living}
        now = supervisor.tick()
        self._take(RunStarted(now, now, time.time_ns(), self.run, self._plan.argv, self._plan.cwd))
        self._clock = time.monotonic()
        supervisor.listen(self.hear)
        for other in living:
            parent = supervisor.tree.parents[other.number] if other is not process else 0
            read = [os.fsencode(path) for path in sources] if other is process else []
            for event in seizing.describe(supervisor, other, parent, read):
                self.hear(event)
            self._before[other.number] = look.usage(other.pid)
            self._held |= {(stat.id.dev, stat.id.ino) for stat in seizing.open_for_writing(other).values()}
        self.replaced = False
        for warning in self._book.start_gathering(self._environ):
            self.voice.warn(warning)

    def _descends(self, number: int) -> bool:
        while number and number != self._root:
            number = self._supervisor.tree.parents.get(number, 0)
        return number == self._root

    def hear(self, event: Event) -> None:
        """Take an event of the stream, if it is about a process of this block; the block's own process is number 1."""
        if isinstance(event, RunStarted | RunEnded | Traced):
            return
        if isinstance(event, ProcessStarted) and event.parent in self._members:
            self._members.add(event.process)
        if event.process and event.process not in self._members:
            return
        if isinstance(event, ImageStarted) and event.process == self._root:
            self.replaced = True
        elif isinstance(event, ProcessEnded) and event.process == self._root:
            self.ended = True
            os.kill(os.getpid(), signal.SIGIO)  # so that the host looks at it
        if self._root != 1:
            event = event._replace(process=self._number(event.process))
            if isinstance(event, ProcessStarted):
                event = event._replace(parent=self._number(event.parent))
        self._take(event)

    def is_replaced(self) -> bool:
        """Whether the program has executed another one, or is just about to: what an exec closes, its own end of the
        conversation too, is closed before the exec is told.
        """
        return self.replaced or self._supervisor.lives.is_executing(self._root)

    def _number(self, number: int) -> int:
        """The block's own process and the run's first one change places."""
        return {self._root: 1, 1: self._root}.get(number, number)

    def _take(self, event: Event) -> None:
        self._write(event)
        self._book.take(event)

    def _open_journal(self) -> JournalWriter | None:
        try:
            journal = JournalWriter.create(self._journal_path)
        except OSError as problem:
            self.voice.warn(f"no journal is kept, so a crash would lose the block: {problem.strerror}")
            return None
        try:
            if asks_for_more(self._plan):
                saved.save(self._store, self.run, self._plan)
        except OSError as problem:
            self.voice.warn(f"the settings are not kept for `shark recover`: {problem.strerror}")
        return journal

    def _write(self, event: Event) -> None:
        if self._journal is None:
            return
        try:
            event = without_secrets(event, self._concealer)
            self._journal.write(self._hidden(event) if self._hidden is not None else event)
        except OSError as problem:
            self._drop_journal()  # it is a part only, and the record needs the room
            self.voice.warn(f"the journal could not be continued: {problem.strerror}; a crash would now lose the block")
            self._book.take(GapSeen(event.begin, event.end, 0, "journal-lost", problem.strerror or ""))

    def _drop_journal(self) -> None:
        if self._journal is not None:
            self._journal.close()
            self._journal = None
            os.unlink(self._journal_path)
            saved.forget(self._store, self.run)

    def end(self, about: Document) -> None:
        """Take what is told at the end; nothing is heard any more. Processes that are alive are let go of."""
        supervisor = self._supervisor
        self.about.update(about.get("recording", {}))
        self._values = about.get("values", {})
        self._seconds = time.monotonic() - self._clock
        supervisor.unlisten(self.hear)
        for process in supervisor.tree.processes():
            if process.number in self._members:
                self._let_go_of(process)
        now = supervisor.tick()
        self._take(RunEnded(now, now, time.time_ns()))

    def _let_go_of(self, process: Process) -> None:
        number = self._number(process.number)
        for path, stat in seizing.open_for_writing(process).items():
            if (stat.id.dev, stat.id.ino) not in self._held and stat.nlink:
                detail = f"{os.fsdecode(path)} was still open for writing at the end: what is written later is not seen"
                self._gaps.append(Gap("still-running", detail, number))
        now = self._supervisor.tick()
        usage = look.usage_since(self._before.get(process.number), process.pid)
        self._take(ProcessEnded(now, now, number, time.time_ns(), -1, -1, usage))

    # --- afterwards

    def keep(self) -> None:
        """Make the record and the manifests, and tell whoever asked for the block."""
        try:
            self._record()
        except (SharkError, OSError) as problem:
            self._lost(str(problem))
        except Exception as problem:  # noqa: BLE001  the program's own result must come through all the same
            self.voice.fault_of(problem)
            self._lost("its record could not be made")
        for fault in self._book.faults:
            self.voice.fault_of(fault)
        root = self._book.model.processes[1]
        self.wire.send(
            "done",
            run=self.run,
            kept=not self._failed,
            store=os.fsdecode(self._store.root),
            lines=self.voice.lines,
            unattached=self._unattached,
            exit=root.exit,
            signal=root.signal,
        )
        self.wire.close()
        if self._around and self._told is not None:
            self._around.tell(self._told, self._store)

    def leave(self) -> None:
        """Another process makes the record: keep nothing of it here."""
        self.wire.close()
        self._book.gatherer.leave()
        if self._journal is not None:
            self._journal.leave()

    def _record(self) -> None:
        self._book.secrets = tuple(map(os.fsdecode, self._secrets))
        context = {"recording": masked(self.about), "values": masked(self._values)}
        made = self._book.keep(self.run, self._store, seconds=self._seconds, context=context, gaps=self._gaps)
        self._told = made.record
        self._drop_journal()
        self._unattached = made.unattached
        for warning in (*self._store.warnings, *made.warnings):
            self.voice.warn(warning)
        self.voice.summary(in_one_line(made.record))

    def _lost(self, why: str) -> None:
        self._failed = True
        rest = f"its journal is kept: shark recover {self.run}" if self._journal else "nothing of it is kept"
        self.voice.warn(f"no record of this run: {why}; {rest}")


def masked(value: Any, name: str = "") -> Any:
    """A JSON value without what looks like a credential, by its shape or by the name that it has in an object."""
    from shark.content.masking import MASK, mask_text, secret_name

    if isinstance(value, dict):
        return {key: masked(inner, key) for key, inner in value.items()}
    if value and secret_name(name):
        return MASK
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    return mask_text(value) if isinstance(value, str) else value
