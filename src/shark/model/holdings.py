"""What processes hold, from when to when: channels, and files that are open for writing or were open across an exec.

Events tell it by snapshots and single gains. Between two snapshots of which only the later one shows a thing, it is
taken as held from the earlier on; of which only the earlier one shows it, until the later: too long rather than too
short. Where the kernel's counts say that a process has read nothing, nothing reached it through a pipe meanwhile.
"""

from __future__ import annotations

from shark.events import READ, SHARES_FILES, WRITE, Gained, Held, Holding, Joined, ProcessEnded, ProcessStarted, Tokens
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from shark.model.accesses import Access

OPEN = 1 << 62
"""The end of what is still held."""

_COUNTED = frozenset({"pipe", "fifo", "pty"})
"""Kinds that are read and written by calls that the kernel counts, or that capture tells of."""

_FILES = frozenset({"file", "memory"})
_SHELLS = frozenset(b"sh dash bash ash busybox ksh mksh zsh".split())
_ADDRESSES = (b"unix:", b"tcp:", b"udp:")


class Channel:
    """Something through which data goes from process to process.

    `file` is the number of the file that it stands for, 0 if for none. `peers` are keys of the ends at which what is
    written here arrives; without any it arrives here. `tokens`: it carries none.
    """

    __slots__ = ("file", "key", "kind", "n", "peers", "tokens")

    def __init__(self, n: int, kind: str, key: bytes, file: int) -> None:
        self.n = n
        self.kind = kind
        self.key = key
        self.file = file
        self.peers: dict[bytes, None] = {}
        self.tokens = False


class Link(NamedTuple):
    """A process could read from a channel (`access` READ) or write to it (WRITE), from `begin` to `end`."""

    process: int
    image: int
    channel: int
    access: int
    begin: int
    end: int


class _Span:
    """One way in which a process holds a channel. `mark`: until where it is decided whether the link was used.

    `begin` of the present link, -1 while there is none; `own`: the process itself opened the file.
    """

    __slots__ = ("begin", "image", "mark", "own")

    def __init__(self, mark: int, image: int, begin: int = -1, *, own: bool = False) -> None:
        self.mark = mark
        self.begin = begin
        self.image = image
        self.own = own


class _Table:
    """What one process holds: spans by channel number and access."""

    __slots__ = (
        "closed",
        "executed",
        "image",
        "inherited",
        "kin",
        "made",
        "mark",
        "moved",
        "opened",
        "process",
        "shell",
        "spans",
        "told",
        "was_shell",
    )

    def __init__(self, process: int, mark: int, moved: tuple[int, int]) -> None:
        self.process = process
        self.image = 0
        self.spans: dict[tuple[int, int], _Span] = {}
        self.mark = mark  # of the last snapshot
        self.moved = moved
        self.told: set[int] = set()  # channels of which links were given, so that what follows must be given too
        self.closed: list[tuple[tuple[int, int], _Span, int]] = []  # at the last snapshot, perhaps by the process's end
        self.kin: list[_Table] = [self]  # those that share its descriptors
        self.shell = False
        self.was_shell = False  # before that exec
        # Files that a shell opened: to read or write, or for a command that it starts.
        self.opened: list[tuple[int, Access]] = []
        self.made: list[tuple[int, Access]] = []
        self.inherited: list[
            tuple[list[tuple[int, Access]], int]
        ] = []  # of what its ancestors so opened, the first so many
        self.executed = 0  # when the exec ended of which no snapshot was told yet

    def have_read(self) -> None:
        """The process has read something, and it may be any of the files that it had opened."""
        if self.opened or self.inherited:
            for opened, count in ((self.opened, len(self.opened)), *self.inherited):
                for _, access in opened[:count]:
                    access.idle = False
            self.opened = []
            self.inherited = []

    def have_written(self) -> None:
        """The process has written something, and it may be to any of the files that it had opened."""
        if self.made:
            for _, access in self.made:
                access.idle = False
            self.made = []


class Holdings:
    """Folds events into links. `known` is true once a snapshot was told: only then do the links say all.

    `file_of` gives the number of the file that a key b"DEV:INO" names at present, 0 for none.
    """

    def __init__(self, file_of: Callable[[bytes], int]) -> None:
        self._file_of = file_of
        self.known = False
        self.execs: dict[int, list[int]] = {}  # by process: when each of its programs but the first began
        self.channels: list[Channel] = []
        self._links: list[Link] = []
        self._by_key: dict[tuple[str, bytes], Channel] = {}  # all but files
        self._by_file: dict[int, Channel] = {}
        self._tables: dict[int, _Table] = {}

    def __iter__(self) -> Iterator[Link]:
        """All links, those of processes that live on with the end OPEN."""
        for table in self._tables.values():
            self._settle(table)
        yield from self._links
        for table in self._tables.values():
            for (channel, access), span in table.spans.items():
                begin = span.begin if span.begin >= 0 else span.mark
                if not self._is_plain(table, channel, span):
                    yield Link(table.process, span.image, channel, access, begin, OPEN)

    # --- processes

    def started(self, event: ProcessStarted) -> None:
        """A process begins with what its parent holds."""
        table = _Table(event.process, event.begin, (0, 0))
        self._tables[event.process] = table
        parent = self._tables.get(event.parent)
        if parent is None:
            return
        parent.executed = 0
        table.shell = parent.shell
        table.inherited = parent.inherited
        if parent.opened:
            table.inherited = [*parent.inherited, (parent.opened, len(parent.opened))]
        for key in parent.spans:
            table.spans[key] = _Span(event.begin, 0)
        if event.shares & SHARES_FILES:
            parent.kin.append(table)
            table.kin = parent.kin

    def executed(self, process: int, image: int, exe: bytes, end: int) -> None:
        """An exec ends mappings, and the sharing of descriptors; descriptors stay until a snapshot lacks them."""
        table = self._tables.get(process)
        if table is None:
            return
        self.execs.setdefault(process, []).append(end)
        table.image, table.executed, table.was_shell = image, end, table.shell
        # What its ancestors opened can only have decided what it executes; what stayed open, it holds by itself.
        table.inherited = []
        table.shell = exe.rpartition(b"/")[2] in _SHELLS
        if len(table.kin) > 1:
            table.kin.remove(table)
            table.kin = [table]
        for key in [key for key in table.spans if self.channels[key[0] - 1].kind == "memory"]:
            self._close(table, key, end, used=True)

    def ended(self, event: ProcessEnded) -> None:
        """The process is over. Had it moved nothing since the last snapshot, another one would have told that."""
        table = self._tables.pop(event.process, None)
        if table is None:
            return
        if len(table.kin) > 1:
            table.kin.remove(table)
        if table.spans:
            table.have_read()
            table.have_written()
        for key, span in list(table.spans.items()):
            if not self._is_plain(table, key[0], span):
                self._close(table, key, event.end, used=True)
        for key, span, closed in table.closed:
            if closed + 1 < event.begin or not self._is_plain(table, key[0], span):
                self._give(table, key, span, closed)

    def written_by(self, process: int) -> Iterator[int]:
        """The numbers of the files that a process holds for writing."""
        table = self._tables.get(process)
        for channel, access in table.spans if table is not None else ():
            if access == WRITE and self._kind(channel) == "file":
                yield self.channels[channel - 1].file

    def is_shell(self, process: int) -> bool:
        """Tell whether a process runs a shell: a program that opens files for others."""
        table = self._tables.get(process)
        return table is not None and table.shell

    # --- gains and losses

    def opened(self, process: int, file: int, access: Access) -> None:
        """The process opened a regular file for writing: number `file`. A shell may have done so for others."""
        table = self._tables.get(process)
        if table is None:
            return
        if table.closed:
            self._settle(table)
        table.executed = 0  # a snapshot that comes now says nothing of it
        key = self._file(file).n, WRITE
        for holder in table.kin:
            if key not in holder.spans:
                mark = access.last_begin
                holder.spans[key] = _Span(mark, holder.image, -1 if holder.shell else mark, own=holder is table)
        if table.shell and (access.idle or access.count == 1):
            access.idle = True
            table.made.append((file, access))

    def opened_to_read(self, process: int, file: int, access: Access) -> None:
        """The process opened a file for reading. What a shell redirects it mostly does not read by itself.

        Only a shell's word is taken for it, since others may map a file, which no count shows.
        """
        table = self._tables.get(process)
        if table is not None and table.shell and (access.idle or access.count == 1):
            access.idle = True
            table.opened.append((file, access))

    def gained(self, event: Gained) -> None:
        """A call gave the process more."""
        table = self._table(event.process, event.begin)
        table.executed = 0
        for holder in table.kin:
            for key in self._keys(event.held):
                if key not in holder.spans:
                    holder.spans[key] = _Span(event.begin, holder.image)

    def holding(self, event: Holding) -> None:
        """All that the process holds now."""
        self.known = True
        begin, ended, process, held, has_read, has_written = event
        table = self._table(process, begin)
        self._settle(table)
        shared = len(table.kin) > 1
        read, written = table.moved
        idle = (not shared and 0 <= read == has_read, not shared and 0 <= written == has_written)
        now = self._keys(held)
        # What an exec closed was closed at the exec.
        end = table.executed or ended
        if not idle[0]:
            table.have_read()
        elif table.executed:
            table.opened = []  # the shell is gone: what stays open is held by the program that took its place
        elif table.opened:  # what a shell does not hold any more it has not read, and never will
            reads = {self.channels[channel - 1].file for channel, bit in now if bit == READ}
            table.opened = [(file, access) for file, access in table.opened if file in reads]
        if not idle[1]:
            table.have_written()
        elif table.executed:
            self._hand_over(table)
        elif table.made:
            writes = {self.channels[channel - 1].file for channel, bit in now if bit == WRITE}
            table.made = [(file, access) for file, access in table.made if file in writes]
        for key in [key for key in table.spans if key not in now and self._shows(table, key)]:
            self._close(table, key, end, used=not (idle[key[1] == WRITE] and self._counted(table, key[0])))
        for key in now:
            span = table.spans.get(key)
            if span is None:
                if key[1] == READ and not table.executed and self._kind(key[0]) == "file":
                    continue  # its opening was told
                since = begin if self._kind(key[0]) == "file" and key[1] == READ else table.mark
                span = table.spans[key] = _Span(since, table.image)
                self._written_unseen(table, key, now, until=0 if idle[1] else end)
            self._decide(table, span, key, begin, idle=idle[key[1] == WRITE] and self._counted(table, key[0]))
            for holder in table.kin:
                holder.spans.setdefault(key, _Span(span.mark, holder.image))
        table.mark, table.moved, table.executed = begin, (has_read, has_written), 0

    def _written_unseen(
        self, table: _Table, key: tuple[int, int], now: Collection[tuple[int, int]], *, until: int
    ) -> None:
        """A process that has written something has a pipe that nobody has seen being made, and not its other end.

        Then it has made it, and may have written into it what is yet to be read, before it closed that end: so shells
        pass on here-documents, to a child (dash) or to the program that takes their place (bash). `until` is the
        latest moment at which it can have done so, 0 if it has written nothing.
        """
        channel, access = key
        if until and access == READ and (channel, WRITE) not in now and self._kind(channel) == "pipe":
            image = table.image - 1 if table.executed else table.image
            self._links.append(Link(table.process, image, channel, WRITE, table.mark, until))

    def _hand_over(self, table: _Table) -> None:
        """A shell that wrote nothing is gone: what it had opened was for the program that took its place."""
        for file, _ in table.made:
            span = table.spans.get((self._file(file).n, WRITE))
            if span is not None:
                span.own = False
        table.made = []

    def joined(self, event: Joined) -> None:
        """Two ends are one channel."""
        one = self._channel("socket", event.one, 0)
        if event.other.startswith(_ADDRESSES):
            one.peers[event.other] = None
            meeting = self._channel("socket", event.other, 0)
            meeting.peers[event.one] = None
        else:
            other = self._channel("socket", event.other, 0)
            one.peers[event.other] = None
            other.peers[event.one] = None

    def tokens(self, event: Tokens) -> None:
        """What goes through this channel is no data."""
        for kind in ("pipe", "fifo"):
            self._channel(kind, event.key, 0).tokens = True

    # --- inside

    def _table(self, process: int, begin: int) -> _Table:
        table = self._tables.get(process)
        if table is None:
            table = self._tables[process] = _Table(process, begin, (-1, -1))
        return table

    def _channel(self, kind: str, key: bytes, file: int) -> Channel:
        channel = self._by_key.get((kind, key))
        if channel is None or channel.file != file:
            channel = self._by_key[kind, key] = Channel(len(self.channels) + 1, kind, key, file)
            self.channels.append(channel)
        return channel

    def _file(self, file: int) -> Channel:
        channel = self._by_file.get(file)
        if channel is None:
            channel = self._by_file[file] = Channel(len(self.channels) + 1, "file", b"%d" % file, file)
            self.channels.append(channel)
        return channel

    def _keys(self, held: tuple[Held, ...]) -> dict[tuple[int, int], None]:
        found: dict[tuple[int, int], None] = {}
        for kind, key, access in held:
            file = self._file_of(key) if kind in _FILES else 0
            if kind == "file" and not file:
                continue
            number = (self._file(file) if kind == "file" else self._channel(kind, key, file)).n
            for bit in (READ, WRITE):
                if access & bit:
                    found[number, bit] = None
        return found

    def _shows(self, table: _Table, key: tuple[int, int]) -> bool:
        """True if the snapshot that is being told would list this, were it still held."""
        kind = self.channels[key[0] - 1].kind
        if kind == "memory":
            return False  # it goes on when the descriptor is closed
        return kind != "file" or key[1] == WRITE or bool(table.executed)

    def _kind(self, channel: int) -> str:
        return self.channels[channel - 1].kind

    def _counted(self, table: _Table, channel: int) -> bool:
        """True for what a process reads and writes by calls that are counted alone; a shell maps no files."""
        kind = self._kind(channel)
        return kind in _COUNTED or (kind == "file" and (table.was_shell if table.executed else table.shell))

    def _is_plain(self, table: _Table, channel: int, span: _Span) -> bool:
        """True for a file that the process opened by itself, and held from then on: its edges say that already."""
        return span.own and channel not in table.told

    def _settle(self, table: _Table) -> None:
        """What was found closed was not closed by the process's end: it went on."""
        if table.closed:
            for key, span, end in table.closed:
                self._give(table, key, span, end)
            table.closed = []

    def _decide(self, table: _Table, span: _Span, key: tuple[int, int], until: int, *, idle: bool) -> None:
        """Settle what happened from the span's mark until now."""
        if not idle:
            if span.begin < 0:
                span.begin, span.image = span.mark, table.image
        elif span.begin >= 0:
            self._give(table, key, span, span.mark)
            span.begin = -1
        span.mark = until

    def _close(self, table: _Table, key: tuple[int, int], end: int, *, used: bool) -> None:
        span = table.spans.pop(key)
        if used and span.begin < 0:
            span.begin, span.image = span.mark, table.image
        if span.begin >= 0 and self._is_plain(table, key[0], span):
            table.closed.append((key, span, end))
        elif span.begin >= 0:
            self._give(table, key, span, end if used else span.mark)

    def _give(self, table: _Table, key: tuple[int, int], span: _Span, end: int) -> None:
        channel, access = key
        if access == WRITE and self.channels[channel - 1].kind == "file":
            table.told.add(channel)
        self._links.append(Link(table.process, span.image, channel, access, span.begin, end))
