"""What the decoders of a log's calls have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from shark.capture.strace.tables import Process
from shark.capture.strace.words import Call
from shark.capture.strace.world import World

HERE: Final = b"AT_FDCWD"
"""The descriptor argument of calls that have none."""


class Moment(NamedTuple):
    """A call's surroundings: who made it, and when (order numbers of its begin and end; time in ns)."""

    world: World
    process: Process
    begin: int
    end: int
    time: int

    @property
    def head(self) -> tuple[int, int, int]:
        """What almost every event begins with."""
        return self.begin, self.end, self.process.number


Handler = Callable[[Moment, Call], None]


def by_name(rows: Mapping[str, Handler]) -> dict[bytes, Handler]:
    """A table of decoders from rows that may have several names, separated by blanks."""
    return {name.encode(): handler for names, handler in rows.items() for name in names.split()}
