"""What a ring still holds after everybody who used it was killed: complete records become events, others a number."""

from __future__ import annotations

import contextlib
import glob
import os
import time
from collections.abc import Callable, Container, Iterator

from shark.capture import kernel, look
from shark.capture.journal import is_being_written
from shark.events import LIST, READ, Event, Missing, Opened, Sighting
from shark.recorder import native
from shark.recorder.ring import Record, Ring
from shark.recorder.tiering import places_for_ring
from shark.tuples import NamedTuple
from shark.values import FileId

_KEPT = 7 * 24 * 3600.0  # seconds


class Known(NamedTuple):
    """What the journal tells: a process's working directory (b"" for one that it does not know), and the path of a
    directory that was opened, b"" for others.
    """

    cwd: Callable[[int], bytes]
    directory: Callable[[FileId], bytes]


class Left(NamedTuple):
    """Events, and how many records were not complete, made no sense, or start from where nobody knows."""

    events: tuple[Event, ...]
    torn: int


def ring_of(run: str) -> str:
    """The path of the ring that a run has left, "" if there is none."""
    return next((path for path in places_for_ring(run) if os.path.exists(path)), "")


def forget(run: str) -> None:
    """Remove the ring of a run that has its record, unless somebody still uses it."""
    path = ring_of(run)
    with contextlib.suppress(OSError):
        if path and not is_being_written(path):
            os.unlink(path)


def forget_others(runs: Container[str]) -> None:
    """Remove rings that nobody uses any more and no journal of `runs` goes with; young ones may be another store's."""
    for pattern in places_for_ring("*"):
        for path in glob.glob(pattern):
            run = path.removesuffix(".ring").split("-", 2)[2]
            with contextlib.suppress(OSError):
                old = time.time() - os.stat(path).st_mtime > _KEPT
                if old and run not in runs and not is_being_written(path):
                    os.unlink(path)


def read(path: str, known: Known) -> Left:
    """Read a ring that nobody uses any more. Raises OSError, also where the recorder is not built."""
    ring = Ring.left_at(native.load(), path)
    directories: dict[FileId, bytes] = {}
    events: list[Event] = []
    nowhere = 0
    for record in ring.drain():
        named = _named(record, known, directories)
        nowhere += not named
        if named:
            events.extend(_event(record, named, directories))
    return Left(tuple(events), ring.counts[2] + ring.unfinished() + nowhere)


def _named(record: Record, known: Known, directories: dict[FileId, bytes]) -> bytes:
    """The name made absolute, b"" if it is not known where it starts."""
    cwd = known.cwd(record.process)
    if not cwd or record.name.startswith(b"/"):
        return record.name if cwd else b""
    start = cwd if record.dirfd == kernel.AT_FDCWD else directories.get(record.base) or known.directory(record.base)
    return start + b"/" + record.name if start else b""


def _event(record: Record, named: bytes, directories: dict[FileId, bytes]) -> Iterator[Event]:
    used = look.absolute(b"", named)
    if record.result < 0 and not record.name:
        return  # of no file
    if record.result < 0:
        yield Missing(record.begin, record.end, record.process, used, False)
        return
    stat = record.stat
    found = kernel.statx(named)
    path = os.path.realpath(named) if found is not None and found.id == stat.id else used
    if stat.directory:
        directories[stat.id] = path
    if record.flags & os.O_PATH:
        return
    access = LIST if stat.directory else READ
    file = Sighting(path, used, stat)
    yield Opened(record.begin, record.end, record.process, access, file, False, False, False, None, "open")
