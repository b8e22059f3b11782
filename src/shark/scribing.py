"""The life of the scribe (see scribe.py): follow the journal, fold the model, and finish the run when it is told to.

It has no terminal and says nothing itself: what the user should know goes back to the supervisor with its report.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
from collections.abc import Callable, Iterator, Mapping, Sequence

from shark.book import Book
from shark.capture import launcher
from shark.content.context import as_given
from shark.content.suspicion import is_plain
from shark.errors import SharkError
from shark.events import RunEnded
from shark.jsontext import dumps, loads
from shark.plan import Plan
from shark.scribe import Report
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Final

    from shark.around import Around
    from shark.events import Event
    from shark.model.documents import RunRecord
    from shark.store.home import Store

_SHORTEST: Final = 4
_LONGEST: Final = 100
"""Milliseconds between two looks at the journal: the longer, the less has come lately."""

_BRISK: Final = 1
"""The same between two steps of work that is done ahead: a command of half a second opens more files than it would
otherwise be time for."""

_LIKELY: Final = (
    *("shark.circumstances", "shark.content.concealing", "shark.content.gitsettled"),
    *("re", "hashlib", "sqlite3", "shark.store.index"),
    *("shark.store.filling", "shark.store.rows", "shark.store.asking", "shark.store.choosing", "shark.store.reading"),
    *("shark.content.gitpatch",),
)
"""Modules that most runs with files of their own need when they are finished: imported while the command runs."""

_LIKELY_FOR_MANY: Final = ("typing", "dataclasses", "orjson")
"""The same of runs with many files: jsontext.py takes orjson for a large record, and that brings the others."""

_MANY: Final = 150
"""So many files make a record of some 100 KB."""


class Scribing:
    """One run, seen from its journal. Lives in a process of its own, and ends when the supervisor does."""

    def __init__(
        self,
        plan: Plan,
        parent: str,
        around: Around | None,
        reading: int,
        writing: int,
        spill: int,
        secrets: int,
    ) -> None:
        self._around = around
        self._book = Book(plan, parent, around)
        self._revealed: Callable[[Event], Event] | None = None
        if plan.extras is not None:
            from shark.extras import revealing

            self._revealed = revealing(plan.extras)
        self._reading = reading
        self._writing = writing
        self._spill = spill
        self._secrets = secrets
        self._known: list[bytes] = []
        self._looked, self._hides = 0, False  # when it was looked, and whether there are any
        self._journal: int | None = None
        self._journal_path = b""
        self._store: Store | None = None
        self._ended = False
        self._ahead = self._ahead_of_end()

    def live(self) -> None:
        """Do what the supervisor asks for, until it closes its end."""
        held = [self._book.plan.json_held] if self._book.plan.json_held >= 0 else []
        launcher.detach([self._reading, self._writing, self._spill, self._secrets, *held])
        gc.disable()
        self._send({"warnings": self._book.start_gathering(as_given(os.environ))})
        self._get_ready()
        gc.freeze()
        gc.enable()
        work: dict[str, Callable[..., None]] = {"begin": self._begin, "drain": self._drain, "finish": self._finish}
        for message in self._messages():
            for name, arguments in message.items():
                work[name](**arguments)

    def _get_ready(self) -> None:
        """Import now what will be needed when somebody waits."""
        from shark import record
        from shark.capture.reading import Follower
        from shark.content.packages import conda, cran, deb, npm, pypi, rpm, runtimes
        from shark.model import manifest, serialising
        from shark.model import record as record_model

        self._read_along: tuple[Any, ...] = (record, conda, cran, deb, npm, pypi, rpm, runtimes, manifest, serialising)
        self._read_along += (record_model,)
        self._follower = Follower(None, self._spill)

    # --- what the supervisor asks for

    def _messages(self) -> Iterator[dict[str, Any]]:
        """What the supervisor has to say, line by line; the journal is followed meanwhile."""
        poll = select.poll()
        poll.register(self._reading, select.POLLIN | select.POLLHUP)
        pause = _SHORTEST
        preparing = self._prepare()
        text = b""
        while True:
            if not poll.poll(pause):
                busy = self._follow()
                # Also where there is always something new: at the end the command's parent would wait for it.
                preparing_still = next(preparing, False)
                if not preparing_still and not busy and self._work_ahead():
                    pause = _BRISK
                else:
                    pause = _SHORTEST if busy or preparing_still else min(2 * max(pause, _SHORTEST), _LONGEST)
                continue
            news = os.read(self._reading, 1 << 16)
            if not news:
                return
            *lines, text = (text + news).split(b"\n")
            yield from map(loads, lines)

    def _prepare(self) -> Iterator[bool]:
        """Step by step, do what else will be needed at the end."""
        for module in _LIKELY:
            __import__(module)
            yield True
        from shark.model import roles

        for _ in roles.get_ready():
            yield True
        started = self._book.model.started
        while started is None:
            yield False
            started = self._book.model.started
        argv = [argument.decode("utf-8", "surrogateescape") for argument in started.argv]
        if not is_plain(argv):  # then the patterns by which secrets are found must be compiled
            from shark.content.masking import mask_argv

            mask_argv(argv)
            yield True
        while len(self._book.model.files.all) < _MANY:
            yield False
        for module in _LIKELY_FOR_MANY:
            __import__(module)
            yield True

    def _work_ahead(self) -> bool:
        """Do a step of what the end would take longer without; False if there was none."""
        try:
            return next(self._ahead, False)
        except Exception as problem:  # noqa: BLE001  the record is made without it
            self._book.early = None
            self._book.faults.append(problem)
            return False

    def _ahead_of_end(self) -> Iterator[bool]:
        """Step by step, do what a command that runs on leaves time for."""
        from shark import ahead
        from shark.content.packages.early import Early

        self._book.early = Early(os.environ)
        hashes = self._book.plan.hash != "off"
        yield from ahead.steps(self._book.model, self._book.early, lambda: self._store, hashes=hashes)

    def _begin(self, journal: str | None, root: str, local: str, kept: Sequence[Mapping[str, Any]]) -> None:
        from shark.capture.journal import lock
        from shark.capture.reading import Follower
        from shark.store.home import Store

        self._store = Store(os.fsencode(root), os.fsencode(local), os.environ)
        if self._around:
            self._around.kept = list(kept)
        if journal is not None:
            self._journal_path = os.fsencode(journal)
            self._journal = os.open(self._journal_path, os.O_RDONLY | os.O_CLOEXEC)
            lock(self._journal)
        self._follower, self._looked = Follower(self._journal, self._spill), 0

    def _drain(self) -> None:
        """Read all, and let go of the journal: the room that it takes is needed."""
        self._follow()
        self._close_journal()
        self._send({})

    def _finish(self, run: str, continues: str, seconds: float, keep: bool, streams: Mapping[str, Any]) -> None:
        """Everything after the command: facts, record, manifests. Trouble is told, and leaves the journal."""
        assert self._store is not None
        self._follow()
        report = Report()
        told: RunRecord | None = None
        try:
            self._book.secrets = tuple(map(os.fsdecode, self._secrets_told()))
            made = self._book.keep(run, self._store, seconds=seconds, continues=continues, streams=streams)
            if not keep:
                self._drop_journal()
            told = made.record
            warnings = (*self._store.warnings, *made.warnings)
            report = Report("", warnings, (), made.unattached, in_one_line(made.record))
        except (SharkError, OSError) as problem:
            report = Report(str(problem))
        except Exception as problem:  # noqa: BLE001  the command's own result must come through all the same
            self._book.faults.append(problem)
            report = Report("its record could not be made")
        faults, self._book.faults = self._book.faults, []
        self._send(report._replace(faults=tuple(map(_explained, faults)))._asdict())
        self._ended = False  # what comes after belongs to the next record
        if self._around and told is not None:
            self._around.tell(told, self._store)

    def _send(self, answer: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody is there any more: the record is what counts
            os.write(self._writing, dumps(answer) + b"\n")

    # --- the journal

    def _follow(self) -> bool:
        """Take up what is new, up to the end of the run; True if there was something."""
        found = False
        if self._ended:
            return False
        for event in self._follower.news():
            found = True
            self._book.take(self._true(event))
            if type(event) is RunEnded:
                self._ended = True
                break
        return found

    def _true(self, event: Event) -> Event:
        """With the paths by which files are to be found, where others stand in the journal."""
        if self._revealed is not None:
            event = self._revealed(event)
        if self._looked != self._follower.chunks:  # a secret is told before the event that has its mark
            self._looked = self._follower.chunks
            self._hides = os.fstat(self._secrets).st_size > 0
        if self._hides:
            from shark.content.concealing import revealed

            event = revealed(event, self._secrets_told())
        return event

    def _secrets_told(self) -> list[bytes]:
        size = os.fstat(self._secrets).st_size
        if sum(len(secret) + 1 for secret in self._known) != size:
            self._known = os.pread(self._secrets, size, 0).split(b"\0")[:-1]
        return self._known

    def _close_journal(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    def _drop_journal(self) -> None:
        if self._journal is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._journal_path)
            self._close_journal()


def in_one_line(record: RunRecord) -> str:
    """The run as its user wants to know of it: how many outputs, gaps, and how to see more."""
    outputs = [entry for entry in record["outputs"] if entry.get("attached", "none") != "none"]
    unattached = len(record["outputs"]) - len(outputs)
    words = [f"{len(outputs)} output{'s' * (len(outputs) != 1)} with a manifest"] if outputs else []
    if unattached:
        words.append(f"{unattached} output{'s' * (unattached != 1)} recorded only")
    words = words or ["no outputs"]
    gaps = len(record["coverage"]["gaps"])
    if gaps:
        words.append(f"{gaps} gap{'s' * (gaps != 1)}")
    return f"shark: {', '.join(words)}; shark show {record['id'][-8:]}"


def _explained(problem: Exception) -> tuple[str, str]:
    import traceback

    return f"{type(problem).__name__}: {problem}", "".join(traceback.format_exception(problem)).rstrip()
