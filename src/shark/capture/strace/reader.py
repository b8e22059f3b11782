"""From lines to events: whose line it is, which call it completes, and what begins and ends with it."""

from __future__ import annotations

import itertools
import re
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from shark.capture.strace import words
from shark.capture.strace.beginning import LOOK_AHEAD, Beginning, look_ahead
from shark.capture.strace.calls import HANDLERS
from shark.capture.strace.lines import TORN, Line, LineParser
from shark.capture.strace.moment import Moment
from shark.capture.strace.tables import Begun, Birth, Descriptors, Held, Process, Thread, View
from shark.capture.strace.world import World
from shark.events import SHARES_FILES, SHARES_MEMORY, Event, GapSeen, ProcessEnded, ProcessStarted, RunEnded, RunStarted

_FORKS: Final = frozenset({b"clone", b"clone2", b"clone3", b"fork", b"vfork"})
_KNOWS_NOT: Final = (
    "read from an strace log, which knows no inodes, sizes and earlier contents, nor the interpreters that the kernel "
    "starts for programs and scripts: files are told apart by their paths"
)


def read_strace(
    lines: Iterable[bytes],
    *,
    cwd: bytes = b"/",
    resolve: Callable[[bytes], bytes] | None = None,
    written: int = 0,
) -> Iterator[Event]:
    """The events of a log that strace has written, to a file (-o) or to standard error; with -ff, of one such file.

    `cwd` is where the command was started, used if the log does not tell. `resolve` follows the symbolic links of an
    absolute path, where the log has only the name that was used (without -y); by default names are taken as they are.
    `written` is when the log was last written (ns since the epoch), for logs whose times have no date; 0 leaves such
    times unknown. What a log cannot tell becomes a gap. Raises SharkError if the lines are not those of strace.
    """
    lines = iter(lines)
    first = list(itertools.islice(lines, LOOK_AHEAD))
    reader = _Reader(look_ahead(first, cwd), resolve, written)
    for line in itertools.chain(first, lines):
        reader.take(line)
        yield from reader.world.drain()
    reader.finish()
    yield from reader.world.drain()


class _Reader:
    """Takes lines; what they mean comes out of `world`."""

    def __init__(self, start: Beginning, resolve: Callable[[bytes], bytes] | None, written: int) -> None:
        self.world = World(resolve)
        self._start = start
        self._parser = LineParser(written)
        self._order = 0
        self._time = 0
        self._threads: dict[int, Thread] = {}
        self._births: dict[int, Birth] = {}
        self._held: dict[int, Held] = {}
        self._torn: re.Match[bytes] | None = None
        self._unclear = 0
        self._first_unclear = b""
        self._root: Process | None = None

    def take(self, raw: bytes) -> None:
        """Take the next line."""
        if self._torn is not None:
            raw = self._mended(raw, self._torn)
        self._torn = TORN.match(raw) if raw.endswith((b"attached\n", b"attached")) else None
        if self._torn is None:
            self._take_line(self._parser.parse(raw))

    def _mended(self, raw: bytes, torn: re.Match[bytes]) -> bytes:
        """The line that was torn apart, if `raw` is the rest of it; else `raw`, and the line is one of an unfinished
        call.
        """
        attached = self._parser.parse(torn[2])
        if self._parser.parse(raw).kind != "other":
            self._take_line(self._parser.parse(torn[1] + b" <unfinished ...>"))
            self._take_line(attached)
            return raw
        again = TORN.match(raw)
        if again is None:
            self._take_line(self._parser.parse(torn[1] + raw))
            self._take_line(attached)
            return b""
        self._take_line(attached)
        return torn[1] + raw

    def _take_line(self, line: Line) -> None:
        self._order += 1
        if line.kind == "other":
            return
        self._time = line.time or self._time
        self._begin_run()
        thread = self._whose(line)
        if thread is not None:
            self._take(thread, line, self._order)

    def _begin_run(self) -> None:
        if self._root is not None:
            return
        self._root = Process(1, 0, Descriptors(), View(self._start.cwd, assumed=self._start.assumed))
        self._threads[0] = Thread(0, self._root)  # its id comes with the first line that has one
        self.world.numbers = 1
        self.world.processes[1] = self._root
        order, now = self._order, self._time
        self.world.emit(RunStarted(order, order, now, "", self._start.argv, self._start.cwd))
        self.world.emit(GapSeen(order, order, 0, "other", _KNOWS_NOT))

    # --- whose line it is

    def _whose(self, line: Line) -> Thread | None:
        """The thread that a line is about; None if that cannot be said yet, and the line is kept."""
        if not line.tid:
            return self._unnamed()
        thread = self._threads.get(line.tid)
        if thread is not None:
            return thread
        root = self._threads.get(0)
        if root is not None and self._is_root(root, line):
            return self._identified(root, line.tid)
        birth = self._births.pop(line.tid, None)
        if birth is not None:
            return self._born(line.tid, birth)
        held = self._held.get(line.tid)
        parents = [other for other in self._threads.values() if other.begun and other.begun.name in _FORKS]
        if not self._held and len(parents) == 1 and parents[0].begun is not None:
            begun = parents[0].begun
            return self._born(line.tid, Birth(parents[0].process, _how(begun), self._order, self._time))
        if held is None and not parents:
            return self._stray(line.tid)
        self._held.setdefault(line.tid, Held()).lines.append((self._order, line))
        return None

    def _unnamed(self) -> Thread | None:
        """Strace names no process while there is only one."""
        if 0 in self._threads:
            return self._threads[0]
        return next(iter(self._threads.values()), None)

    def _is_root(self, root: Thread, line: Line) -> bool:
        if line.tid in self._births:
            return False
        if root.begun is None or root.begun.name not in _FORKS:
            return True
        return line.kind == "resumed" and line.name == root.begun.name

    def _identified(self, root: Thread, tid: int) -> Thread:
        del self._threads[0]
        root.tid = root.process.pid = tid
        self._threads[tid] = root
        return root

    def _stray(self, tid: int) -> Thread:
        """A process that was there before strace was, or whose parent was not followed."""
        assert self._root is not None
        thread = self._born(tid, Birth(self._root, frozenset(), self._order, self._time))
        detail = "the log does not tell who started this process"
        self.world.emit(GapSeen(self._order, self._order, thread.process.number, "other", detail))
        return thread

    # --- births

    def _born(self, tid: int, birth: Birth) -> Thread:
        parent = birth.parent
        self._started()
        if b"CLONE_THREAD" in birth.how:
            thread = Thread(tid, parent)
        else:
            share = birth.how
            files = parent.descriptors if b"CLONE_FILES" in share else parent.descriptors.copy()
            view = parent.view if b"CLONE_FS" in share else parent.view.copy()
            self.world.numbers += 1
            process = Process(self.world.numbers, tid, files, view, parent.exe)
            self.world.processes[process.number] = process
            thread = Thread(tid, process)
            shares = (SHARES_MEMORY if b"CLONE_VM" in share else 0) | (SHARES_FILES if b"CLONE_FILES" in share else 0)
            self.world.emit(
                ProcessStarted(birth.order, birth.order, process.number, parent.number, tid, birth.time, shares)
            )
        self._threads[tid] = thread
        return thread

    def _returned_child(self, parent: Thread, begun: Begun, child: int, order: int) -> None:
        """A fork, vfork or clone has returned: whatever is known of the child belongs to this parent."""
        if child in self._threads:
            return
        birth = Birth(parent.process, _how(begun), order, self._time)
        held = self._held.pop(child, None)
        if held is None and not self._start.prefixed:
            self._births[child] = birth  # strace may not follow it
            return
        thread = self._born(child, birth)
        for number, line in held.lines if held is not None else ():
            self._take(thread, line, number)

    # --- what a line tells

    def _take(self, thread: Thread, line: Line, order: int) -> None:
        if line.kind == "begun":
            thread.begun = Begun(line.name, line.text, order, line.time)
        elif line.kind == "call":
            self._call(thread, Begun(line.name, line.text, order, line.time), order)
        elif line.kind == "resumed":
            begun, thread.begun = thread.begun, None
            if begun is not None and begun.name == line.name:
                begun.text += line.text
                self._call(thread, begun, order)
        elif line.kind == "superseded":
            self._superseded(thread, line.number)
        elif line.kind in {"exited", "killed"}:
            self._exited(thread, line, order)

    def _call(self, thread: Thread, begun: Begun, order: int) -> None:
        self._started()
        handler = HANDLERS.get(begun.name)
        is_fork = begun.name in _FORKS
        if handler is None and not is_fork:
            return
        call = words.parse_call(begun.text) or words.parse_interrupted(begun.name, begun.text)
        if call is None:
            self._unclear += 1
            self._first_unclear = self._first_unclear or begun.name + b"(" + begun.text
        elif is_fork:
            if call.result is not None and call.result > 0:
                self._returned_child(thread, begun, call.result, order)
        elif handler is not None:
            now = Moment(self.world, thread.process, begun.begin, order, self._time)
            handler(now, call)

    def _started(self) -> None:
        """The command itself has started, once anything is told of it."""
        root = self._root
        if root is not None and not self.world.started:
            self.world.started = True
            self.world.emit(ProcessStarted(self._order, self._order, 1, 0, root.pid or self._any_tid(), self._time, 0))

    def _any_tid(self) -> int:
        return next(iter(self._threads), 0)

    def _superseded(self, thread: Thread, heir: int) -> None:
        """Another thread has made an exec: it takes this one's id, and goes on with its own call."""
        other = self._threads.pop(heir, None)
        if other is not None:
            thread.begun = other.begun

    def _exited(self, thread: Thread, line: Line, order: int) -> None:
        del self._threads[thread.tid]
        process = thread.process
        if thread.tid != process.pid:
            return
        self._threads = {tid: other for tid, other in self._threads.items() if other.process is not process}
        self._started()
        number = _signal_number(line.name) if line.kind == "killed" else -1
        self._ended(process, order, line.time or self._time, line.number if number < 0 else -1, number)

    def _ended(self, process: Process, order: int, now: int, status: int, number: int) -> None:
        process.ended = True
        self.world.processes.pop(process.number, None)
        self.world.emit(ProcessEnded(order, order, process.number, now, status, number, None))

    # --- the end

    def finish(self) -> None:
        """No more lines: tell what has remained open."""
        self._order += 1
        for tid, held in list(self._held.items()):
            thread = self._stray(tid)
            for number, line in held.lines:
                self._take(thread, line, number)
        for process in list(self.world.processes.values()):
            if process.status >= 0:  # its end was not written (-qq), but it had announced it
                self._ended(process, self._order, self._time, process.status, -1)
        self._gaps()
        self.world.remove_unnamed(self._order)
        end = self._time + self._parser.resolution - 1 if self._time else 0
        self.world.emit(RunEnded(self._order, self._order, end))

    def _gaps(self) -> None:
        self.world.tell_gaps(self._order)
        if self._births:
            self._gap(f"the log does not follow processes that the command started: {len(self._births)} (strace -f)")
        if self._unclear:
            shown = self._first_unclear[:200].decode("utf-8", "replace")
            self._gap(f"{self._unclear} calls in the log could not be understood, the first: {shown}")
        if not self._start.argv:
            self._gap("the log begins in the middle of a process (strace -p)")
        if self._parser.undated and self._time:
            self._gap("the log tells times of day only: their date is taken from when the log was written")
        elif self._parser.undated:
            self._gap("the log tells times of day only (strace -ttt tells all)")

    def _gap(self, detail: str) -> None:
        self.world.emit(GapSeen(self._order, self._order, 0, "other", detail))


def _how(begun: Begun) -> frozenset[bytes]:
    """The flags of a clone; those that vfork(2) and fork(2) stand for."""
    if begun.name == b"vfork":
        return frozenset({b"CLONE_VM", b"CLONE_VFORK"})
    return frozenset(words.field(begun.text, b"flags").split(b"|"))


def _signal_number(name: bytes) -> int:
    """A signal's number by the name that strace gives it (SIGRT_5 is SIGRTMIN+5 with the C library's two left out)."""
    text = name.decode("ascii")
    if text.startswith("SIGRT_"):
        return 32 + int(text[6:])
    if text.startswith("SIGRTMIN"):
        return 32 + int(text[8:] or 0)
    try:
        return int(signal.Signals[text])
    except KeyError:
        return 0
