"""The scribe: a second process beside the supervisor, which follows its journal and makes the record out of it.

It is forked before the command's process imports what tracing needs, so that both get ready at the same time; while
the command runs it folds the events into the model on another CPU; and after the end, when somebody waits, all that is
left to do is done by a process that is warm. If it dies, the journal stays for `shark recover`; if the supervisor
dies, it leaves the journal alone.

This module is the supervisor's side of it. What the scribe itself does stands in scribing.py.
"""

from __future__ import annotations

import contextlib
import os

from shark.capture import launcher
from shark.jsontext import dumps, loads
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from shark.around import Around
    from shark.plan import Plan
    from shark.store.home import Store


_NOTHING = b'{"warnings":[]}\n'
"""The usual answer, for which no parser need be imported."""


class Report(NamedTuple):
    """What came of a record. `lost` says why there is none ("" if there is one); `faults` are (what, traceback) of
    shark's own; `unattached` counts the outputs that lack their manifest; `summary` is the run in one line.
    """

    lost: str = ""
    warnings: tuple[str, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()
    unattached: int = 0
    summary: str = ""


class Scribe:
    """The supervisor's handle on the scribe. `spill` is a memory file for what the journal cannot take, `secrets` one
    for what it may not hold.
    """

    def __init__(self, reading: int, writing: int, spill: int, secrets: int) -> None:
        self._answers = os.fdopen(reading, "rb")
        self._writing = writing
        self.spill = spill
        self._secrets = secrets

    @classmethod
    def split(cls, plan: Plan, parent: str, around: Around | None = None) -> Scribe:
        """Start it, for a run inside the run `parent` (or ""); `around` is what settings ask for.

        Raises SharkError if there can be no process.
        """
        spill = os.memfd_create("shark-journal")
        secrets = os.memfd_create("shark-secrets")
        reading, their_writing = os.pipe()
        their_reading, writing = os.pipe()

        def live() -> None:
            os.close(reading)
            os.close(writing)
            from shark.scribing import Scribing

            Scribing(plan, parent, around, their_reading, their_writing, spill, secrets).live()

        launcher.fork_apart(live)
        os.close(their_reading)
        os.close(their_writing)
        return cls(reading, writing, spill, secrets)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open."""
        return self._answers.fileno(), self._writing, self.spill, self._secrets

    def tell_secret(self, secret: bytes) -> None:
        """Let it know what the next mark in the journal stands for (see content/concealing.py)."""
        os.write(self._secrets, secret + b"\0")

    def wait_until_ready(self) -> tuple[str, ...]:
        """Wait until it has seen what must be seen before the command starts. Returns warnings; raises EOFError."""
        return tuple(self._receive()["warnings"])

    def begin(self, journal: bytes | None, store: Store, kept: Sequence[Mapping[str, Any]] = ()) -> None:
        """Have it follow `journal` (None: there is only the memory file), and write into `store`. `kept` are files that
        are in the store already.
        """
        paths = {"journal": journal, "root": store.root, "local": store.local}
        self._send({"begin": {name: path and os.fsdecode(path) for name, path in paths.items()} | {"kept": list(kept)}})

    def drain(self) -> None:
        """Wait until it has read all that is in the journal, and has let go of it."""
        with contextlib.suppress(EOFError, OSError):  # if it is gone, the report will tell
            self._send({"drain": {}})
            self._receive()

    def finish(
        self, run: str, *, continues: str, seconds: float, keep: bool, streams: Mapping[str, Any] | None = None
    ) -> Report:
        """Have it make the record `run` of what was journalled, which takes as long as that takes.

        `streams` is what the command wrote to its standard streams, for the record. With `keep` the journal is not
        removed, as more will come. Never raises: a scribe that is gone is a lost record.
        """
        try:
            about = {"run": run, "continues": continues, "seconds": seconds, "keep": keep, "streams": streams or {}}
            self._send({"finish": about})
            answer = self._receive()
        except (EOFError, OSError, ValueError):
            return Report("the process that makes it has ended")
        faults = tuple((what, details) for what, details in answer["faults"])
        return Report(answer["lost"], tuple(answer["warnings"]), faults, answer["unattached"], answer["summary"])

    def _send(self, message: Mapping[str, Any]) -> None:
        os.write(self._writing, dumps(message) + b"\n")

    def _receive(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        answer: dict[str, Any] = loads(line) if line != _NOTHING else {"warnings": ()}
        return answer
