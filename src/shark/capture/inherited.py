"""Descriptors that the command starts with: `sort < a > b` has an input and an output that it never opens."""

from __future__ import annotations

import os
import stat as stat_bits
from collections.abc import Callable

from shark.capture import look
from shark.capture.tasks import Task
from shark.events import READ, WRITE, Event, Opened
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor


def inherited(s: Supervisor, task: Task) -> Callable[[], None]:
    """Look at the descriptors of the command at its first instruction; returns what tells of them.

    Files that it may change are hashed at once: nothing of the run is alive yet that could wait for it.
    """
    events: list[Event] = []
    try:
        fds = sorted(map(int, os.listdir(b"/proc/%d/fd" % task.tid)))
    except OSError:
        return lambda: s.gap(task.process.number, "privilege", "the descriptors it was started with are not to be seen")
    for fd in fds:
        event = _inherited(s, task, fd)
        if event is not None:
            events.append(event)

    def later() -> None:
        for event in events:
            s.emit(event)

    return later


def _inherited(s: Supervisor, task: Task, fd: int) -> Opened | None:
    seen = look.descriptor(task.tid, fd)
    flags = look.descriptor_flags(task.tid, fd)
    if seen is None or flags is None or not stat_bits.S_ISREG(seen[1].mode):
        return None
    path, stat = seen
    access = look.access_of(flags)
    append = bool(flags & os.O_APPEND)
    if not access:
        return None
    holds = task.process.holds
    holds.may_read = holds.may_read or bool(access & READ)
    before = None
    if access & WRITE:
        before = s.keeper.before(stat)
        if not append and s.keeper.needed(stat, discards=False):
            before = s.keeper.save(os.open(b"/proc/%d/fd/%d" % (task.tid, fd), os.O_PATH | os.O_CLOEXEC), stat)
    begin = s.tick()
    s.keeper.opened(stat, access, emptied=False)
    file = s.places.settled(task.process, path, path, stat)
    return Opened(begin, s.tick(), task.process.number, access, file, False, False, append, before, "inherited")
