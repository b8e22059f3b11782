"""How data moves between processes, files and channels: the state of each, as calls and intervals follow one another.

A process takes in what it reads and passes on what it took. What stays open, a descriptor or a mapping, is a link that
works all the time that it is there; its effect is worked out when somebody asks for a state, not at every read.

A state has `inputs` (split, in a process, into what came as code and the rest), `controls` (what was only known before
an exec) and `software`, a set of bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from shark.model.dag import EMPTY, Dag, Taint

_PARTS = 8
"""Writers whose states a buffer keeps apart; then they are joined, which costs a node each time one changes."""


class TooMuch(Exception):
    """To follow the data takes more effort than is allowed."""


class Buffer:
    """What was written somewhere: into one version of a file, or into a channel.

    `own` is the node of a content from before that is a part of it, `past` that of one which only its readers see.
    """

    __slots__ = ("_controls", "_inputs", "_parts", "dag", "own", "past", "software")

    def __init__(self, dag: Dag, own: int = EMPTY) -> None:
        self.dag = dag
        self.own = own
        self.past = EMPTY
        self.software = 0
        self._inputs = EMPTY
        self._controls = EMPTY
        self._parts: dict[tuple[int, int], tuple[int, int]] = {}  # one writer's states only grow: the last one counts

    def put(self, writer: tuple[int, int], inputs: int, controls: int, software: int) -> None:
        """A writer's present state flows in. `writer` is a process and its image."""
        parts = self._parts
        parts[writer] = inputs, controls
        self.software |= software
        if len(parts) > _PARTS:
            self._inputs, self._controls = self.written, self.controls
            self._parts.clear()

    def put_all(self, inputs: int, controls: int, software: int) -> None:
        """What flows in has in it all that was written here so far."""
        self._inputs, self._controls = inputs, controls
        self._parts.clear()
        self.software |= software

    def keep(self, base: Buffer) -> None:
        """It continues another content."""
        self.own = self.dag.union((self.own, base.own))
        self.past = self.dag.union((self.past, base.past))
        self._inputs = self.dag.union((self._inputs, base.written))
        self._controls = self.dag.union((self._controls, base.controls))
        self.software |= base.software

    def forget(self) -> None:
        """What it continues is no part of it, though its readers see it: it is a log that was there before."""
        self.past = self.dag.union((self.past, self.own, self._inputs))
        self.own = self._inputs = EMPTY

    @property
    def inputs(self) -> int:
        """The node of what its readers read."""
        outside = self.dag.pair(self.own, self.past) if self.past else self.own
        return self.dag.pair(outside, self.written) if outside else self.written

    @property
    def written(self) -> int:
        """The node of what those that wrote it had read: with `own`, that from which it derives."""
        if len(self._parts) <= 1:
            for inputs, _ in self._parts.values():
                return self.dag.pair(self._inputs, inputs)
            return self._inputs
        return self.dag.union([self._inputs, *[inputs for inputs, _ in self._parts.values()]])

    @property
    def controls(self) -> int:
        """The node of what was only known before an exec."""
        if len(self._parts) <= 1:
            for _, controls in self._parts.values():
                return self.dag.pair(self._controls, controls)
            return self._controls
        return self.dag.union([self._controls, *[controls for _, controls in self._parts.values()]])


class Place:
    """Where data lies: a file, or a channel. `buffer` is its present content; a frozen one takes no more.

    `writers` and `readers` are those that hold it, each as often as it does. `code`: who reads it reads code.
    """

    __slots__ = ("buffer", "code", "frozen", "readers", "writers")

    def __init__(self, buffer: Buffer, *, code: bool = False) -> None:
        self.buffer = buffer
        self.code = code
        self.frozen = False
        self.writers: dict[Process, int] = {}
        self.readers: dict[Process, int] = {}


class Process:
    """A process that is alive. `code` and `other` are its inputs.

    `reads` and `writes` are the places that it holds; `fresh` those of the former that may have something new for it;
    `opened` those that an exec is taken to close, unless something says that they stay open. `settled` is the flow's
    `news` as of when it was up to date.
    """

    __slots__ = (
        "code",
        "controls",
        "dag",
        "fresh",
        "image",
        "n",
        "opened",
        "other",
        "peers",
        "reads",
        "settled",
        "software",
        "writes",
    )

    def __init__(self, n: int, dag: Dag, parent: Process | None = None) -> None:
        self.n = n
        self.dag = dag
        self.image = 0
        self.code: Taint = parent.code.fork() if parent else Taint(dag)
        self.other: Taint = parent.other.fork() if parent else Taint(dag)
        self.controls: Taint = parent.controls.fork() if parent else Taint(dag)
        self.software: int = parent.software if parent else 0
        self.opened: dict[Place, int] = {}
        self.reads: dict[Place, None] = {}
        self.fresh: dict[Place, None] = {}
        self.writes: dict[Place, None] = {}
        self.peers: dict[Process, int] = {}  # those that share its memory
        self.settled = -1

    @property
    def inputs(self) -> list[int]:
        """The nodes of all its inputs."""
        return [self.code.node(), self.other.node()]

    def take(self, buffer: Buffer, *, code: bool = False) -> bool:
        """Read what is in a buffer; False if nothing is new."""
        new = (self.code if code else self.other).add(buffer.inputs)
        new = self.controls.add(buffer.controls) or new
        return self.load(buffer.software) or new

    def load(self, software: int) -> bool:
        """Take in software; False if nothing is new."""
        before = self.software
        self.software |= software
        return self.software != before

    def take_fresh(self) -> None:
        """Read what is new in the places that it holds."""
        for place in self.fresh:
            self.take(place.buffer, code=place.code)
        self.fresh = {place: None for place in self.fresh if place.writers}

    def execute(self) -> None:
        """What was read as code goes on as input; all else only decided what would be executed."""
        self.controls.add(self.other.node())
        self.other.clear()
        self.image += 1
        self.fresh = dict(self.reads)  # what stays open can be read again

    def join(self, other: Process) -> None:
        """What another process with the same memory knows, this one knows."""
        self.code.add(other.code.node())
        self.other.add(other.other.node())
        self.controls.add(other.controls.node())
        self.software |= other.software


class Flow:
    """The links between processes that are alive and the places that they hold.

    `news` counts what may have brought something new: as long as it stays, who was up to date still is, since what is
    closed, or goes from one to another meanwhile, brings nothing. `effort` is how many processes, places and links may
    be looked at yet; then TooMuch is raised.
    """

    def __init__(self, dag: Dag, effort: int) -> None:
        self.dag = dag
        self.news = 0
        self.effort = effort

    def _spend(self, effort: int) -> None:
        self.effort -= effort
        if self.effort < 0:
            raise TooMuch

    def learn(self, taint: Taint, node: int) -> None:
        """A process learns something that comes from no place."""
        if taint.add(node):
            self.news += 1

    # --- links

    def open_read(self, process: Process, place: Place) -> None:
        """From now on, what is in `place` reaches `process`."""
        self.news += 1
        place.readers[process] = place.readers.get(process, 0) + 1
        process.reads[place] = process.fresh[place] = None

    def close_read(self, process: Process, place: Place) -> None:
        """The process takes what is there, for the last time."""
        self.settle(process)
        count = place.readers.get(process, 0)
        if count > 1:
            place.readers[process] = count - 1
        elif count:
            del place.readers[process]
            del process.reads[place]
            process.fresh.pop(place, None)

    def open_write(self, process: Process, place: Place) -> None:
        """From now on, what `process` knows reaches `place`."""
        self.news += 1
        place.writers[process] = place.writers.get(process, 0) + 1
        process.writes[place] = None
        if place.readers:
            self._spend(len(place.readers))
            for reader in place.readers:
                reader.fresh[place] = None

    def close_write(self, process: Process, place: Place) -> None:
        """What the process knows now is the last that reaches the place from it."""
        count = place.writers.get(process, 0)
        if not count:
            return
        self.settle(process)
        pour(process, place)
        if count > 1:
            place.writers[process] = count - 1
            return
        del process.writes[place]
        if len(place.writers) > 1:
            del place.writers[process]
        else:
            place.writers = {}  # an emptied dictionary would keep its room, and most places are never written again

    def share(self, one: Process, other: Process) -> None:
        """Two processes run in one memory from now on."""
        self.news += 1
        one.peers[other] = one.peers.get(other, 0) + 1
        other.peers[one] = other.peers.get(one, 0) + 1

    def unshare(self, process: Process) -> None:
        """The process leaves the memory that it shared, if it did: by an exec, or at its end."""
        self._spend(len(process.peers))
        for peer in list(process.peers):
            self.settle(peer)
            del peer.peers[process]
        process.peers.clear()

    def end(self, process: Process) -> None:
        """The process is over: what it holds is closed."""
        self.settle(process)
        self.unshare(process)
        for place in process.writes:
            pour(process, place)
            del place.writers[process]
        for place in process.reads:
            del place.readers[process]
        process.writes.clear()
        process.reads.clear()
        process.fresh.clear()

    def replace(self, place: Place, buffer: Buffer, *, frozen: bool = False) -> None:
        """The place has another content from now on; who holds it has read the former, and will read this one."""
        self.settle_place(place)
        self._spend(len(place.readers))
        for reader in list(place.readers):
            if place in reader.fresh:
                self.settle(reader)
            reader.fresh[place] = None
        place.buffer, place.frozen = buffer, frozen
        self.news += 1

    # --- states

    def settle(self, process: Process) -> None:
        """Bring a process up to date: all that reaches it by links that are there now is in it."""
        if process.settled == self.news:
            return
        if not process.fresh:
            if not process.peers:
                process.settled = self.news
                return
        elif not process.peers and not any(place.writers for place in process.fresh):
            process.take_fresh()
            process.settled = self.news
            return
        for group in _groups(process):
            self._spend(len(group) + sum(map(_links, group)))
            _mix(group)
            for entity in group:
                if isinstance(entity, Process):
                    entity.settled = self.news

    def settle_place(self, place: Place) -> None:
        """Bring a place's buffer up to date."""
        self._spend(len(place.writers))
        for writer in list(place.writers):
            self.settle(writer)
            pour(writer, place)


def pour(process: Process, place: Place) -> None:
    """What a process knows flows into what a place holds now."""
    if not place.frozen:
        inputs = process.dag.pair(process.code.node(), process.other.node())
        place.buffer.put((process.n, process.image), inputs, process.controls.node(), process.software)


Entity = Process | Place


def _sources(entity: Entity) -> Iterator[Entity]:
    """From where data reaches something right now. A frozen place gives, but nothing reaches it."""
    if isinstance(entity, Process):
        return iter([*entity.fresh, *entity.peers])
    return iter([] if entity.frozen else list(entity.writers))


def _links(entity: Entity) -> int:
    if isinstance(entity, Process):
        return len(entity.fresh) + len(entity.peers)
    return len(entity.writers)


def _groups(start: Entity) -> Iterator[list[Entity]]:
    """All from which data reaches `start`, in groups within which it goes round; sources come first (Tarjan 1972)."""
    numbers = {start: 0}
    lows = {start: 0}
    stack: list[Entity] = [start]
    on_stack = {start}
    work = [(start, _sources(start))]
    while work:
        entity, rest = work[-1]
        source = next(rest, None)
        if source is None:
            work.pop()
            if work:
                above = work[-1][0]
                lows[above] = min(lows[above], lows[entity])
            if lows[entity] == numbers[entity]:
                group = _popped(stack, entity)
                on_stack.difference_update(group)
                yield group
        elif source not in numbers:
            numbers[source] = lows[source] = len(numbers)
            stack.append(source)
            on_stack.add(source)
            work.append((source, _sources(source)))
        elif source in on_stack:
            lows[entity] = min(lows[entity], numbers[source])


def _popped(stack: list[Entity], last: Entity) -> list[Entity]:
    group = [stack.pop()]
    while group[-1] is not last:
        group.append(stack.pop())
    return group


def _mix(group: list[Entity]) -> None:
    """Within a group everything reaches everything; groups from which data reaches it are done."""
    processes = [entity for entity in group if isinstance(entity, Process)]
    places = [entity for entity in group if isinstance(entity, Place)]
    inside = set(processes)
    for place in places:
        for writer in place.writers:
            if writer not in inside:
                pour(writer, place)
    for process in processes:
        process.take_fresh()
    _share(processes)
    if not processes or not places:
        return
    inputs, controls, software = _mix_processes(processes)
    for place in places:
        place.buffer.put_all(inputs, controls, software)
    if any(place.code for place in places):
        for process in processes:
            process.take_fresh()
        _share(processes)


def _share(processes: list[Process]) -> None:
    """Those that reach each other through memory know all as it is."""
    sharing = [process for process in processes if process.peers]
    for process in sharing[1:]:
        sharing[0].join(process)
    for process in sharing[1:]:
        process.join(sharing[0])


def _mix_processes(processes: list[Process]) -> tuple[int, int, int]:
    """What reaches each other through places: what is code there is data here. Gives what they all know then."""
    dag = processes[0].dag
    inputs = dag.union([node for process in processes for node in process.inputs])
    controls = dag.union([process.controls.node() for process in processes])
    software = 0
    for process in processes:
        software |= process.software
    if len(processes) > 1:
        for process in processes:
            process.other.add(inputs)
            process.controls.add(controls)
            process.software |= software
    return inputs, controls, software
