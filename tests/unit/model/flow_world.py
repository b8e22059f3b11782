"""A small machine that knows what is really read and written, and tells the events of it as capture would.

`real` is what truly went where, moment by moment. `known` is the most that events can tell: what is open for reading is
read, and what is open for writing is written, all the time; and a pipe, whenever its holder reads or writes anything.
It shares nothing with the model but the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shark import events as ev
from shark.model.facts import Facts, Header
from shark.model.lineage import by_output
from shark.model.manifest import manifests
from shark.model.record import build_record
from shark.model.run import RunModel
from shark.values import FileId, Stat

from .events_builder import explained

REGULAR = 0o100644
SHA = "{:064x}".format
NAMES = ("a", "b", "c", "d.py", "e", "f.py")
PROCESSES = 6


class Bag:
    """What derives from what: inputs that came as code, other inputs, and controls."""

    def __init__(self) -> None:
        self.code: set[int] = set()
        self.other: set[int] = set()
        self.controls: set[int] = set()

    @property
    def inputs(self) -> set[int]:
        return self.code | self.other

    def copy(self) -> Bag:
        bag = Bag()
        bag.code, bag.other, bag.controls = set(self.code), set(self.other), set(self.controls)
        return bag

    def take(self, inputs: set[int], controls: set[int], *, code: bool = False) -> bool:
        before = len(self.code), len(self.other), len(self.controls)
        (self.code if code else self.other).update(inputs)
        self.controls |= controls
        return before != (len(self.code), len(self.other), len(self.controls))

    def pour(self, into: Bag) -> bool:
        return into.take(self.inputs, self.controls)

    def execute(self) -> None:
        self.controls |= self.other
        self.other = set()


class Inode:
    """A regular file; `original` is its number if it was there before the run."""

    def __init__(self, ino: int, *, original: bool) -> None:
        self.ino = ino
        self.original = original
        self.real, self.known = Bag(), Bag()
        self.content = 1000 + ino
        self.size = 10 if original else 0
        self.mtime = 1000 + ino
        self.names: set[str] = set()
        self.code = False
        if original:
            for bag in (self.real, self.known):
                bag.other.add(ino)

    def stat(self) -> Stat:
        return Stat(FileId(1, self.ino, 7), REGULAR, self.size, self.mtime, len(self.names))

    @property
    def key(self) -> bytes:
        return b"1:%d" % self.ino


class End:
    """One end of a pipe or a socket pair. `arrives`: what can be read here; `other`: where what is written arrives."""

    def __init__(self, kind: str, key: bytes) -> None:
        self.kind = kind
        self.key = key
        self.real, self.known = Bag(), Bag()
        self.other: End = self


class Handle:
    def __init__(self, thing: Inode | End, access: int, *, cloexec: bool = False) -> None:
        self.thing = thing
        self.access = access
        self.cloexec = cloexec


class Process:
    def __init__(self, n: int) -> None:
        self.n = n
        self.real, self.known = Bag(), Bag()
        self.handles: list[Handle] = []
        self.opened: set[Inode] = set()  # files that it has read and, as far as one knows, may read on
        self.moved = [0, 0]
        self.shares: list[Process] = []


class World:
    """Does operations, and feeds a model. `full`: a snapshot is told before and after each; else as capture does."""

    def __init__(self, *, full: bool) -> None:
        self.full = full
        self.model = RunModel()
        self.clock = 0
        self.inodes: list[Inode] = []
        self.at: dict[str, Inode] = {}
        self.numbers = 0
        self.late: list[tuple[type, int, tuple[Any, ...]]] | None = None
        for name in NAMES[:4]:
            inode = self._inode(original=True)
            self.at[name] = inode
            inode.names.add(name)
            inode.code = name.endswith(".py")
        self.tell(ev.RunStarted, 10**18, "run-1", (b"prog",), b"/w")
        self.tell(ev.ProcessStarted, 1, 0, 100, 10**18, 0)
        self.processes = {1: Process(1)}
        self.started = 1
        self._image(self.processes[1])
        self.snapshot(self.processes[1])

    # --- telling

    def tell(self, kind: Callable[..., Any], *fields: Any) -> None:
        self.clock += 2
        self.model.observe(kind(self.clock - 1, self.clock, *fields))

    def snapshot(self, process: Process, *, reads: bool = False, empty: bool = False) -> None:
        held = {
            ev.Held("file" if isinstance(h.thing, Inode) else h.thing.kind, h.thing.key, h.access)
            for h in process.handles
            if not isinstance(h.thing, Inode) or h.access & ev.WRITE or reads
        }
        self.clock += 1
        held_now = () if empty else tuple(sorted(held))
        self.model.observe(ev.Holding(self.clock, self.clock, process.n, held_now, *process.moved))

    def _image(self, process: Process) -> None:
        exe = ev.Sighting(b"/usr/bin/prog", b"/usr/bin/prog", Stat(FileId(1, 9999, 7), REGULAR, 10, 1, 1))
        self.tell(ev.ImageStarted, process.n, 10**18, (b"prog",), b"/w", exe, (), None)

    def _inode(self, *, original: bool = False) -> Inode:
        self.numbers += 1
        inode = Inode(self.numbers, original=original)
        self.inodes.append(inode)
        return inode

    def _sighting(self, name: str, inode: Inode) -> ev.Sighting:
        path = b"/w/" + name.encode()
        return ev.Sighting(path, path, inode.stat())

    def _before(self, inode: Inode) -> ev.Before:
        return ev.Before(inode.stat(), SHA(inode.content) if inode.size else "", "")

    # --- the truth

    def _really_read(self, process: Process, handle: Handle) -> None:
        thing = handle.thing
        code = isinstance(thing, Inode) and thing.code
        process.real.take(thing.real.inputs, thing.real.controls, code=code)
        if isinstance(thing, End):
            thing.real = Bag()
        for other in process.shares:
            other.real.take(process.real.inputs, process.real.controls)
            other.real.code |= process.real.code

    def _really_write(self, process: Process, handle: Handle) -> None:
        thing = handle.thing
        if isinstance(thing, Inode):
            process.real.pour(thing.real)
            self.numbers += 1
            thing.content, thing.size, thing.mtime = 5000 + self.numbers, thing.size + 1, 5000 + self.numbers
        else:
            process.real.pour(thing.other.real)

    def _spread(self, active: Process | None = None, moved: tuple[bool, bool] = (False, False)) -> None:
        """All that is open carries all that it can; pipes only those of the process that moves something."""
        changed = True
        while changed:
            changed = False
            for process in self.processes.values():
                for inode in process.opened:
                    changed |= process.known.take(inode.known.inputs, inode.known.controls, code=inode.code)
                for handle in process.handles:
                    changed |= self._carry(process, handle, moved if process is active else (False, False))

    def _carry(self, process: Process, handle: Handle, moved: tuple[bool, bool]) -> bool:
        thing = handle.thing
        if isinstance(thing, Inode):
            return bool(handle.access & ev.WRITE) and process.known.pour(thing.known)
        counted = thing.kind == "pipe"
        changed = False
        if handle.access & ev.READ and (moved[0] or not counted):
            changed |= process.known.take(thing.known.inputs, thing.known.controls)
        if handle.access & ev.WRITE and (moved[1] or not counted):
            changed |= process.known.pour(thing.other.known)
        return changed

    # --- operations

    def step(self, operation: int, who: int, a: int, b: int) -> None:
        """One operation of one process; numbers choose."""
        alive = list(self.processes.values())
        process = alive[who % len(alive)]
        if self.full:
            self.snapshot(process)
        before = list(process.moved)
        action = OPERATIONS[operation % len(OPERATIONS)]
        action(self, process, a, b)
        moved = process.moved[0] != before[0], process.moved[1] != before[1]
        self._spread(process, moved)
        if self.full and process.n in self.processes:
            self.snapshot(process)

    def open_read(self, process: Process, a: int, b: int) -> None:
        name = NAMES[a % len(NAMES)]
        inode = self.at.get(name)
        if inode is None or len(process.handles) > 8:
            return
        sighting = self._sighting(name, inode)
        if not self.full:
            self.snapshot(process)
        self.tell(ev.Opened, process.n, ev.READ, sighting, False, False, False, None, "open")
        handle = Handle(inode, ev.READ, cloexec=bool(b % 2))
        process.handles.append(handle)
        process.opened.add(inode)
        if b % 3:
            self._really_read(process, handle)
            process.moved[0] += 1

    def open_write(self, process: Process, a: int, b: int) -> None:
        name = NAMES[a % len(NAMES)]
        if len(process.handles) > 8:
            return
        access = ev.WRITE if b % 3 else ev.READ | ev.WRITE
        inode = self.at.get(name)
        created = inode is None
        truncated = not created and bool(b // 3 % 2)
        was = None
        if inode is None:
            inode = self.at[name] = self._inode()
            inode.names.add(name)
            inode.code = name.endswith(".py")
            self.numbers += 1
            inode.mtime = 5000 + self.numbers
        else:
            was = self._before(inode)
            if truncated:
                self.numbers += 1
                inode.size, inode.content, inode.mtime = 0, 5000 + self.numbers, 5000 + self.numbers
                inode.real, inode.known = Bag(), Bag()
        sighting = self._sighting(name, inode)
        self.tell(ev.Opened, process.n, access, sighting, created, truncated, False, was, "open")
        process.handles.append(Handle(inode, access, cloexec=bool(b // 6 % 2)))
        if access & ev.READ:
            process.opened.add(inode)

    def read(self, process: Process, a: int, b: int) -> None:
        handles = [handle for handle in process.handles if handle.access & ev.READ]
        if handles:
            process.moved[0] += 1
            self._really_read(process, handles[a % len(handles)])

    def write(self, process: Process, a: int, b: int) -> None:
        handles = [handle for handle in process.handles if handle.access & ev.WRITE]
        if handles:
            process.moved[1] += 1
            self._really_write(process, handles[a % len(handles)])

    def close(self, process: Process, a: int, b: int) -> None:
        if process.handles:
            del process.handles[a % len(process.handles)]

    def pipe(self, process: Process, a: int, b: int) -> None:
        self.numbers += 1
        end = End("pipe", b"pipe:[%d]" % self.numbers)
        process.handles += [Handle(end, ev.READ, cloexec=bool(b % 2)), Handle(end, ev.WRITE, cloexec=bool(b // 2 % 2))]

    def socketpair(self, process: Process, a: int, b: int) -> None:
        self.numbers += 2
        one, other = (End("socket", b"socket:[%d]" % (self.numbers - n)) for n in (0, 1))
        one.other, other.other = other, one
        both = ev.READ | ev.WRITE
        handles = [Handle(end, both, cloexec=bool(b % 2)) for end in (one, other)]
        process.handles += handles
        held = tuple(ev.Held("socket", handle.thing.key, both) for handle in handles)
        self.tell(ev.Gained, process.n, held)
        self.tell(ev.Joined, process.n, one.key, other.key)

    def fork(self, process: Process, a: int, b: int) -> None:
        if len(self.processes) >= PROCESSES:
            return
        shares = not self.full and b % 4 == 0
        self.started += 1
        child = Process(self.started)
        child.real, child.known = process.real.copy(), process.known.copy()
        child.handles = list(process.handles)
        child.opened = set(process.opened)
        if not self.full:
            self.snapshot(process)
        flags = ev.SHARES_MEMORY if shares else 0
        self.tell(ev.ProcessStarted, child.n, process.n, 100 + child.n, 10**18, flags)
        if shares:
            child.shares.append(process)
            process.shares.append(child)
        self.processes[child.n] = child

    def exec(self, process: Process, a: int, b: int) -> None:
        self._unshare(process)
        self._image(process)
        process.handles = [handle for handle in process.handles if not handle.cloexec]
        process.real.execute()
        process.known.execute()
        process.opened = {h.thing for h in process.handles if isinstance(h.thing, Inode) and h.access & ev.READ}
        self.snapshot(process, reads=True)

    def end(self, process: Process, a: int, b: int) -> None:
        if len(self.processes) == 1:
            return
        self._unshare(process)
        if self.full:
            self.snapshot(process, empty=True)
        del self.processes[process.n]
        self.tell(ev.ProcessEnded, process.n, 10**18, 0, -1, None)

    def _unshare(self, process: Process) -> None:
        for other in process.shares:
            other.shares.remove(process)
        process.shares = []

    def rename(self, process: Process, a: int, b: int) -> None:
        old, new = NAMES[a % len(NAMES)], NAMES[b % len(NAMES)]
        if old == new or old not in self.at or old.endswith(".py") != new.endswith(".py"):
            return
        replaced = self.at.get(new)
        was = self._before(replaced) if replaced else None
        inode = self.at.pop(old)
        inode.names = {new}
        if replaced:
            replaced.names.discard(new)
        self.at[new] = inode
        self.tell(ev.Renamed, process.n, b"/w/" + old.encode(), self._sighting(new, inode), was, False)

    def remove(self, process: Process, a: int, b: int) -> None:
        name = NAMES[a % len(NAMES)]
        inode = self.at.get(name)
        if inode is None:
            return
        was = self._before(inode)
        del self.at[name]
        inode.names.discard(name)
        self.tell(ev.Removed, process.n, b"/w/" + name.encode(), was)

    # --- the end

    def listed(self) -> Iterable[tuple[Inode, set[int], set[int]]]:
        """Each output, and the originals that its manifest lists as inputs, and as controls."""
        for n, process in self.processes.items():
            if self.full:
                self.snapshot(process, empty=True)
            self.tell(ev.ProcessEnded, n, 10**18, 0, -1, None)
        self.tell(ev.RunEnded, 10**18)
        facts = Facts()
        for question in self.model.questions():
            name = question.path.rpartition(b"/")[2].decode()
            inode = self.at.get(name)
            facts.stats[question.n] = inode.stat() if inode else explained(self.model.files[question.n])
            if inode:
                facts.digests[question.n] = SHA(inode.content)
        record = build_record(self.model, facts, Header("run-1", "0"))
        originals = {SHA(1000 + inode.ino): inode.ino for inode in self.inodes if inode.original}
        for manifest in manifests(record, by_output):
            assert manifest["scope"] == "output"
            inode = self.at[manifest["output"]["path"].rpartition("/")[2]]
            yield (
                inode,
                {originals[e["sha256"]] for e in manifest["inputs"] if e.get("sha256") in originals},
                {originals[e["sha256"]] for e in manifest.get("controls", ()) if e.get("sha256") in originals},
            )


OPERATIONS: tuple[Callable[[World, Process, int, int], None], ...] = (
    *(World.open_read,) * 4,
    *(World.open_write,) * 5,
    *(World.read,) * 3,
    *(World.write,) * 6,
    *(World.close,) * 3,
    *(World.pipe,) * 2,
    World.socketpair,
    *(World.fork,) * 4,
    *(World.exec,) * 2,
    *(World.end,) * 2,
    World.rename,
    World.remove,
)
