"""What processes hold: descriptors and mappings through which data can flow on, looked at when that can have changed.

Closing a descriptor is no traced call. Instead /proc/PID/fd is read at the moments at which it matters:

- at a fork, the parent's: the child begins with the same; if the parent has several threads, which go on meanwhile,
  also the child's own;
- after an exec, when what was to be closed by it is closed;
- when a process opens a file for reading and what it held for writing may be closed: what it writes from now on does
  not go there;
- when it begins to wait for a child: then a shell has closed its ends of the pipes that it made;
- at its end, only its counters: whatever it held is closed by that, so that a Holding tells of nothing held.

A process that holds nothing of interest is not looked at after its exec. What was held by the command when it was
started, and whose other end is outside of the run, is of no interest. Of a run whose command was met at work (`--pid`)
nothing of this is told: what its processes shared before is not known.
"""

from __future__ import annotations

from collections.abc import Callable

from shark.capture import kernel, look
from shark.capture.descriptors import Descriptors, Listing, holds_file, link
from shark.capture.jobserver import token_channels
from shark.events import READ, WRITE, Event, Gained, Held, Holding, Joined, Released, Tokens
from shark.tuples import TYPE_CHECKING
from shark.values import Stat

if TYPE_CHECKING:
    from typing import Final

    from shark.capture.supervisor import Supervisor
    from shark.capture.tasks import Process, Task

_MANY: Final = 64
"""With more descriptors than this held for writing, a file that is opened for reading asks for none of them: what was
closed is then found at the next fork, exec or wait."""

_TRUSTED: Final = 16
"""After so many openings for reading in a row which found all that is held for writing still open, the next ones are no
longer looked at one by one."""

_SHELLS: Final = frozenset(b"sh dash bash ash busybox ksh mksh zsh".split())

_MAPPER: Final = b"/zsh/mapfile.so"
"""The module with which a shell maps files, and so reads them without a count (zshmodules(1))."""

_SEMAPHORE: Final = 32
"""Bytes of the C library's sem_t, at most."""

_UNKNOWN: Final = (-1, -1)


class Holdings:
    """Looks at what processes hold and tells it. One for a run; what is known of each process is in `Process.holds`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._s = supervisor
        self._descriptors = Descriptors()
        self._followed = False  # what the command was started with is known
        self._tokens: set[bytes] = set()  # keys of the job servers' channels
        self._hidden: set[int] = set()

    # --- the moments

    def at_start(self, task: Task) -> Callable[[], None]:
        """The command stands at its first instruction; returns what tells of it."""
        process = task.process
        holds = process.holds
        process.forked = True  # it may have had children before, and what those read is none of the command's
        holds.excluded = _counters(process)  # the launcher's
        self._followed = True
        holds.shell = _is_shell(process)
        listing = self._list(task, reading=holds.shell) or {}
        self._find_outside(process, [held for _, held in listing.values()])
        read = [held for _, held in listing.values() if held.kind == "file" and not held.access & WRITE]
        outside = self._descriptors.outside
        inside = {fd: entry for fd, entry in listing.items() if entry[1].key not in outside and entry[1] not in read}
        self._note(task, inside)
        holds.base = frozenset(held.key for held in holds.held)
        # Told also if it is empty: so one knows from a journal that what is held was looked at.
        holding = self._holding(process)
        return self._later(holding._replace(held=tuple(dict.fromkeys((*holding.held, *read)))))

    def at_fork(self, task: Task) -> None:
        """A child was made (no thread), and begins with what its parent holds."""
        holding = self._look(task)
        if holding is not None:
            self._s.emit(holding)

    def at_birth(self, task: Task) -> None:
        """The first thread of a child of a process with several threads, of which no instruction has run yet.

        Its parent's other threads may have closed since the fork, and before `at_fork`, what it has got.
        """
        holding = self._look(task)
        if holding is not None:
            task.process.holds.base = frozenset(held.key for held in task.process.holds.held)
            self._s.emit(holding)

    def at_exec_entry(self, process: Process) -> None:
        """An exec begins: what it reads itself is not the program's reading."""
        if process.holds.shell or any(held.kind != "file" and held.access & READ for held in process.holds.held):
            process.holds.before_exec = _counters(process)

    def at_exec(self, task: Task) -> Callable[[], None]:
        """An exec has succeeded: mappings are gone, and descriptors that were marked to be closed.

        Returns what tells of it.
        """
        process = task.process
        holds = process.holds
        was_mapped, holds.mapped = bool(holds.mapped), {}
        counters: tuple[int, int] | None = None
        if holds.before_exec is not None:
            counters = read, written = _counters(process)
            read_before, written_before = holds.before_exec
            holds.excluded = holds.excluded[0] + read - read_before, holds.excluded[1] + written - written_before
            holds.before_exec = None
        holds.shell = _is_shell(process)
        holds.read.clear()
        if not (holds.held or holds.may_hold or holds.may_read or was_mapped):
            return _nothing
        holding = self._look(task, reading=True, counters=counters)
        holds.base = frozenset(held.key for held in holds.held)
        return self._later(holding, *self._find_tokens(task))

    def at_wait(self, task: Task) -> None:
        """A process is about to wait for a child, perhaps for long: does it still hold what it made itself?"""
        holds = task.process.holds
        if any(held.key not in holds.base for held in holds.held):
            holding = self._look(task)
            if holding is not None:
                self._s.emit(holding)
            holds.base |= {held.key for held in holds.held}

    def at_read(self, task: Task, fd: int, begin: int, path: bytes, stat: Stat) -> Holding | None:
        """A file was opened for reading, as descriptor `fd`: what to tell if something held for writing was closed.

        `begin - 1` is a moment before the call: nothing of the file can have been read then, or before this one. A
        shell opens files for others: what it holds and had read before is told, to see afterwards that it has read no
        more, and nothing of what it had closed.
        """
        process = task.process
        process.holds.shown = None
        if stat.regular:
            process.holds.read.add(stat.id[:2])
        if process.holds.shell:
            if path.endswith(_MAPPER):
                process.holds.uncounted = True
            return self._look(task, moment=begin - 1)
        return self._closed(task, fd, begin) if process.holds.writing else None

    def _closed(self, task: Task, fd: int, begin: int) -> Holding | None:
        process = task.process
        writing = process.holds.writing
        # The kernel gives the lowest free number (open(2)): what has a lower one is open, if not in all cases the same.
        doubtful = [(n, shown) for n, shown in writing.items() if n >= fd]
        if not doubtful or len(writing) > _MANY:
            return None
        if all(n != fd and link(task.tid, n) == shown for n, shown in doubtful):
            process.holds.unclosed += 1
            return None
        listing = self._list(task)
        if listing is None:
            return None
        self._note(task, listing)
        return self._holding(process, begin - 1)

    def trusts(self, process: Process) -> bool:
        """True if openings need not be looked at one by one: several have found that nothing was closed.

        A worker that holds a pipe opens thousands of files. Then `at_readings` looks once for many; should something
        have been closed among them, all of them count as read before that, and the next one is looked at again.
        """
        return process.holds.unclosed >= _TRUSTED

    def at_readings(self, task: Task) -> None:
        """Several files were opened for reading without a look, some of them with the number of something closed.

        The process runs, and may put elsewhere what it holds while that is listed: it is left for the next opening.
        """
        holds = task.process.holds
        if any(link(task.tid, n) != shown for n, shown in holds.writing.items()):
            holds.unclosed = 0

    def at_end(self, process: Process) -> None:
        """The last thread is about to end, which closes all. That it has moved nothing lately is worth telling.

        It is told as a Holding of nothing.
        """
        holds = process.holds
        if self._followed and (holds.held or holds.shell) and holds.told != _UNKNOWN:
            read, written = holds.told
            usage = process.usage
            # The process's own counters contain those of its children. Those of one without any were just read.
            alone = usage is not None and process.usage_before is None and not process.forked
            counters = (usage.read_bytes, usage.written_bytes) if usage is not None and alone else None
            holding = self._holding(process, counters=counters)
            if holding.read == read or holding.written == written:
                self._s.emit(holding._replace(held=()))

    def released(self, process: Process, stat: Stat, begin: int) -> list[Released]:
        """A file was opened for writing: which others, that have read it, do not hold it any more.

        This must be asked while the writer stands still: a reader that closes the file now has read nothing new.
        """
        number, task_of = stat.id[:2], self._s.tree.task_of
        gone = [
            other
            for other in self._s.tree.processes()
            if number in other.holds.read and other is not process and not holds_file(task_of(other).tid, number)
        ]
        for other in gone:
            other.holds.read.discard(number)
        return [Released(begin, begin, other.number, b"%d:%d" % number) for other in gone]

    # --- what calls give

    def opened(self, task: Task, fd: int, path: bytes, stat: Stat, access: int) -> Held | None:
        """A descriptor was opened or received; returns what it is if it is one end of a channel."""
        process = task.process
        process.holds.shown = None
        if stat.regular:
            if access & WRITE:
                process.holds.may_hold = True
                process.holds.writing[fd] = path
                process.holds.unclosed = 0
            return None
        return self._descriptors.opened(task, fd, path, stat)

    def gain(self, process: Process, begin: int, end: int, *held: Held) -> None:
        """Tell that a call has given the process these. What it holds is known to be more now."""
        holds = process.holds
        self._descriptors.outside.difference_update(
            one.key for one in held
        )  # whoever got it anew may have the other end
        holds.held = tuple({**dict.fromkeys(holds.held), **dict.fromkeys(held)})
        self._s.emit(Gained(begin, end, process.number, held))

    def join(self, process: Process, begin: int, end: int, one: bytes, other: bytes) -> None:
        """Tell that two ends are one channel."""
        self._s.emit(Joined(begin, end, process.number, one, other))

    def map(self, task: Task, fd: int | None, length: int) -> None:
        """A mapping is about to be made that others may share and write: of the file behind `fd`, or of none.

        A named semaphore (sem_overview(7)) is a mapped file that holds a number and no data.
        """
        key = b"memory:%d.%d" % (task.process.number, len(task.process.holds.mapped))
        if fd is not None:
            stat = kernel.statx(b"/proc/%d/fd/%d" % (task.tid, fd))
            if stat is None or not (stat.regular or link(task.tid, fd) == b"/dev/zero"):
                return  # a device's memory
            if length <= _SEMAPHORE and link(task.tid, fd).startswith(b"/dev/shm/sem."):
                return
            key = b"%d:%d" % stat.id[:2] if stat.regular else key
        self.share(task.process, Held("memory", key, READ | WRITE))

    def share(self, process: Process, held: Held) -> None:
        """The process has memory that others may have, too."""
        known = process.holds.mapped.get(held.key)
        if known is None or known.access | held.access != known.access:
            if known is not None:
                held = held._replace(access=known.access | held.access)
            process.holds.mapped[held.key] = held
            now = self._s.tick()
            self.gain(process, now, now, held)

    # --- looking

    def _look(
        self, task: Task, *, reading: bool = False, moment: int = 0, counters: tuple[int, int] | None = None
    ) -> Holding | None:
        """List what a process holds; what to tell, unless there is nothing, and was nothing.

        With `reading`, files that are open for reading are told of as well; so they are of a shell. `counters`: what
        they are, if they were asked for since it stopped.
        """
        shell = task.process.holds.shell
        reading = reading or shell
        listing = self._list(task, reading=reading)
        if listing is None:
            return None
        process = task.process
        held_before = process.holds.held
        read = [held for _, held in listing.values() if held.kind == "file" and not held.access & WRITE]
        self._note(task, {fd: entry for fd, entry in listing.items() if entry[1] not in read})
        if reading:
            process.holds.may_read = any(held.kind == "file" and held.access & READ for _, held in listing.values())
        if not (process.holds.held or held_before or read or shell):
            return None
        holding = self._holding(process, moment, counters)
        return holding._replace(held=tuple(dict.fromkeys((*holding.held, *read)))) if read else holding

    def _note(self, task: Task, listing: Listing) -> None:
        holds = task.process.holds
        found = dict.fromkeys(held for _, held in listing.values())
        holds.held = tuple({**found, **dict.fromkeys(holds.mapped.values())})
        writing = {fd: shown for fd, (shown, held) in listing.items() if held.access & WRITE}
        if writing != holds.writing:
            holds.writing, holds.unclosed = writing, 0
        holds.may_hold = bool(holds.held)

    def _holding(self, process: Process, moment: int = 0, counters: tuple[int, int] | None = None) -> Holding:
        moment = moment or self._s.tick()
        process.holds.told = self._moved(process, counters)
        return Holding(moment, moment, process.number, process.holds.held, *process.holds.told)

    def _later(self, *events: Event | None) -> Callable[[], None]:
        def later() -> None:
            for event in events:
                if event is not None:
                    self._s.emit(event)

        return later

    def _moved(self, process: Process, counters: tuple[int, int] | None) -> tuple[int, int]:
        """Bytes read and written by the process itself; -1 where that is not known."""
        if process.holds.uncounted:
            return _UNKNOWN
        read, written = _counters(process) if counters is None else counters
        known = read >= 0 and written >= 0
        return (read - process.holds.excluded[0], written - process.holds.excluded[1]) if known else _UNKNOWN

    def _list(self, task: Task, *, reading: bool = False) -> Listing | None:
        """The descriptors of a stopped thread; None if they cannot be seen, and of a run that is not followed."""
        if not self._followed:
            return None
        try:
            return self._descriptors.of(task, reading=reading)
        except PermissionError:
            self._note_hidden(task.process)
            return None

    def _find_outside(self, process: Process, start: list[Held]) -> None:
        """Which of the channels that the command was started with have their other end outside of the run."""
        outside = self._descriptors.outside
        access: dict[bytes, int] = {}
        for held in start:
            if held.kind in ("pipe", "fifo", "socket"):
                access[held.key] = access.get(held.key, 0) | held.access
        sockets = {key for key in access if key.startswith(b"socket:")}
        for key in sockets:
            peer = self._s.meeting.peer(key) if len(sockets) > 1 else b""
            if peer in sockets:
                now = self._s.tick()
                self.join(process, now, now, key, peer)
            elif peer is not None:
                outside.add(key)
        # A FIFO has a name, by which others of the run may open its other end.
        outside |= {key for key, bits in access.items() if key.startswith(b"pipe:") and bits != READ | WRITE}

    def _find_tokens(self, task: Task) -> list[Tokens]:
        """See whether a program was told of a job server, if there is a channel that might be one."""
        process = task.process
        found: list[Tokens] = []
        if all(held.kind not in ("pipe", "fifo") or held.key in self._tokens for held in process.holds.held) and not (
            self._descriptors.fifos
        ):
            return found
        for name in token_channels(task.tid):
            key = self._descriptors.fifos.get(name, name)
            if key not in self._tokens and not key.startswith(b"/"):
                self._tokens.add(key)
                now = self._s.tick()
                found.append(Tokens(now, now, process.number, key))
        return found

    def _note_hidden(self, process: Process) -> None:
        if process.number not in self._hidden:
            self._hidden.add(process.number)
            self._s.gap(process.number, "privilege", "the process does not let shark see what it holds")


def _is_shell(process: Process) -> bool:
    """True for a process that runs a shell: a program that opens files for others (their redirections)."""
    return process.image.rpartition(b"/")[2] in _SHELLS


def _nothing() -> None:
    """Nothing is to be told."""


def _counters(process: Process) -> tuple[int, int]:
    """The rchar and wchar (proc(5)) of the only thread: those of the whole process contain its reaped children's."""
    pid = process.pid
    path = b"/proc/%d/task/%d/io" % (pid, pid) if process.forked else b"/proc/%d/io" % pid
    words = look.slurp(path).split(None, 4)
    return (int(words[1]), int(words[3])) if len(words) > 3 else _UNKNOWN
