"""What happened in a run, in order: the one stream of which the model is made.

A live trace, a replayed journal and a parsed strace log all are iterators of these events. Every event carries `begin`
and `end`, numbers from one counter of the run: call A precedes call B only if A's end is smaller than B's begin; else
their order is unknown. An event that is a single moment has begin == end.

`process` is the run's own number of the process (1 is the command; never a pid, since pids are reused). `time` is wall
clock, nanoseconds since the epoch. Paths are bytes and absolute, as shark's own root directory sees them; a file that
cannot be reached from there has a path that begins with its mount namespace's name (`mnt:[4026532201]/tmp/x`).
"""

from __future__ import annotations

from shark.tuples import NamedTuple
from shark.values import Stat, Usage

READ = 1
"""Opened for reading, or held so."""
WRITE = 2
"""Opened for writing, or held so."""
LIST = 4
"""A directory opened, to list it."""

SHARES_MEMORY = 1
"""The child runs in its parent's address space (CLONE_VM: vfork, and clones that are not threads)."""
SHARES_FILES = 2
"""The child shares its parent's descriptor table (CLONE_FILES)."""


EXAMPLE = ", such as "
"""Stands in the detail of a `namespace` gap before an example (see GapSeen)."""


class Sighting(NamedTuple):
    """A file as it was seen: `path`, its true path; `used`, the absolute path by which the program named it, when a
    symbolic link led elsewhere (else equal to `path`); `stat`, None where even that could not be had.
    """

    path: bytes
    used: bytes
    stat: Stat | None


class Before(NamedTuple):
    """A file version just before a call changed, replaced or removed it.

    `sha256` is the lower-case hexadecimal digest taken while the process was held; "" when none was taken (it was not
    needed: the file was empty, or the run had neither read it nor keeps its content; or `why` says what prevented it).
    """

    stat: Stat
    sha256: str
    why: str


class RunStarted(NamedTuple):
    """The first event of a run. `argv` and `cwd` are the command as the user gave it; `run` is the run's id."""

    begin: int
    end: int
    time: int
    run: str
    argv: tuple[bytes, ...]
    cwd: bytes


class ProcessStarted(NamedTuple):
    """A new process (not a thread). `parent` is 0 for the command itself. `shares` is a set of SHARES_ bits."""

    begin: int
    end: int
    process: int
    parent: int
    pid: int
    time: int
    shares: int


class ImageStarted(NamedTuple):
    """A successful exec: a new image in `process`.

    `exe` is the program that now runs (for a script: the interpreter), `scripts` the chain of `#!` scripts that led to
    it, outermost first, `loader` the ELF interpreter (ld.so) or None for a static program. `argv` is what was passed to
    exec; `cwd` the working directory.
    """

    begin: int
    end: int
    process: int
    time: int
    argv: tuple[bytes, ...]
    cwd: bytes
    exe: Sighting
    scripts: tuple[Sighting, ...]
    loader: Sighting | None


class Opened(NamedTuple):
    """A descriptor was obtained, and with it access to a file.

    `access` is a set of READ, WRITE, LIST. `created`: the call made the file. `truncated`: its earlier content was
    discarded by the call (O_TRUNC). `append`: O_APPEND. `before` is the version from before a call that may write, None
    if the file did not exist (or access has no WRITE). `via` is "open", "inherited" (there when the command started) or
    "received" (over a socket, or by pidfd_getfd). `file.stat` is the state right after the call.
    """

    begin: int
    end: int
    process: int
    access: int
    file: Sighting
    created: bool
    truncated: bool
    append: bool
    before: Before | None
    via: str


class Changed(NamedTuple):
    """The content of a file was changed by a call that needs no write (truncate, ftruncate, fallocate)."""

    begin: int
    end: int
    process: int
    file: Sighting
    before: Before | None


class Touched(NamedTuple):
    """Times of a file were set (utimensat and its kin): the content is the same, the mtime may not be."""

    begin: int
    end: int
    process: int
    file: Sighting


class Renamed(NamedTuple):
    """`old` became `file.path`. `replaced` is the file that stood there before (it lost that name), None if none did.

    With `exchanged` the two names were swapped: `replaced` now is at `old`. A directory's rename (file.stat.directory)
    moves every path below it.
    """

    begin: int
    end: int
    process: int
    old: bytes
    file: Sighting
    replaced: Before | None
    exchanged: bool


class Linked(NamedTuple):
    """`file` got the further name `file.path`; `old` is the name by which it was linked (b"" for an unnamed file)."""

    begin: int
    end: int
    process: int
    old: bytes
    file: Sighting


class Symlinked(NamedTuple):
    """A symbolic link `path` to `target` (as given, possibly relative) was made."""

    begin: int
    end: int
    process: int
    target: bytes
    path: bytes


class Removed(NamedTuple):
    """The name `path` was removed. `before.stat.nlink` 1 means that it was the last one."""

    begin: int
    end: int
    process: int
    path: bytes
    before: Before


class DirectoryMade(NamedTuple):
    """mkdir(2) succeeded."""

    begin: int
    end: int
    process: int
    path: bytes


class Missing(NamedTuple):
    """A path was looked for (by an open, or by an exec if `execute`) and not found."""

    begin: int
    end: int
    process: int
    path: bytes
    execute: bool


class Connected(NamedTuple):
    """connect(2) to an address. `family` is "inet", "inet6" or "unix"; `port` is 0 where there is none."""

    begin: int
    end: int
    process: int
    family: str
    address: str
    port: int


class SubRun(NamedTuple):
    """A `shark run` inside this one starts here: from now on `process` and its descendants are the sub-run `run`."""

    begin: int
    end: int
    process: int
    run: str
    argv: tuple[bytes, ...]


class ProcessEnded(NamedTuple):
    """The last thread of `process` ended: with `exit` (0-255), or by signal number `signal`; the other one is -1.
    Both are -1 where it lives on, but the run is over for it.
    """

    begin: int
    end: int
    process: int
    time: int
    exit: int
    signal: int
    usage: Usage | None


class GapSeen(NamedTuple):
    """Something could not be seen; `process` 0 means the whole run. `kind` is a `kinds.GapKind`.

    In `detail` EXAMPLE may stand before one of many things: of such gaps that say the same but for it, one is enough.
    """

    begin: int
    end: int
    process: int
    kind: str
    detail: str


class RunEnded(NamedTuple):
    """The last event. `time` is when the command ended; processes that live on are those without a ProcessEnded."""

    begin: int
    end: int
    time: int


class Held(NamedTuple):
    """One thing that a process holds through a descriptor or a mapping: part of an event, not one itself.

    `kind` is "file", "pipe", "fifo", "pty", "socket" or "memory". `key` says which: b"DEV:INO" (decimal, as in
    FileId) for files and FIFOs, and for memory that is a mapped file (a memfd and POSIX shared memory are files);
    b"pipe:[INO]", b"socket:[INO]"; b"pty:N" for the master and the slave of a pseudo-terminal alike; b"memory:..." for
    memory that has no file. `access` is a set of READ and WRITE: what the descriptor, or the mapping, allows.
    """

    kind: str
    key: bytes
    access: int


class Holding(NamedTuple):
    """All that a process holds at this moment: channels, mappings, and regular files that are open for writing.

    What was held before, by an earlier Holding, a Gained or an opening, and is not in here was closed in between. A
    child that does not share its parent's descriptors begins with what its parent held. A process of which no
    Holding is told after a fork or an exec holds what it held before.

    `read` and `written` are the bytes that its read(2) and write(2), and calls like them, have moved since it was
    started, whatever the descriptor; -1 where unknown. Neither what exec reads nor what its children moved is in them.
    If one of them is the same in two successive Holdings of a process, it has moved nothing that way in between through
    anything but sockets and memory, whose own calls do not count. (From other calls that do not count, or a second
    thread, on they are -1.) At its end a process tells a Holding, of nothing, only if one of them is as it was at its
    last one (or 0, if it told none).
    """

    begin: int
    end: int
    process: int
    held: tuple[Held, ...]
    read: int
    written: int


class Joined(NamedTuple):
    """Two ends are one channel: what is written to one can be read from the other, both ways.

    `one` and `other` are keys of sockets (see Held); where the ends could not be told one by one, `other` is the
    address that they met at, b"unix:...", b"tcp:..." or b"udp:...", and all that are joined to it are one channel.
    """

    begin: int
    end: int
    process: int
    one: bytes
    other: bytes


class Gained(NamedTuple):
    """A call gave the process what it did not hold before: `held` as in Holding."""

    begin: int
    end: int
    process: int
    held: tuple[Held, ...]


class Tokens(NamedTuple):
    """The channel `key` carries tokens that count something, no data: the job server of GNU make."""

    begin: int
    end: int
    process: int
    key: bytes


class Released(NamedTuple):
    """The process has no descriptor and no mapping any more of the file b"DEV:INO", which it had opened for reading.

    Told when another process opens that file for writing, and numbered before that call: what is written from then on
    does not reach this one.
    """

    begin: int
    end: int
    process: int
    key: bytes


class Located(NamedTuple):
    """A process that writes down its own opens is in this directory from now on: names in a ring that is found after a
    crash begin there.
    """

    begin: int
    end: int
    process: int
    cwd: bytes


class Traced(NamedTuple):
    """How the run was traced until now: stops of its threads, and what the recorder did instead of further ones: `hot`
    processes, patched `sites`, `recorded` opens and how many of these were `repeated` (and told once).
    """

    begin: int
    end: int
    stops: int
    hot: int
    sites: int
    recorded: int
    repeated: int


Event = (
    RunStarted
    | ProcessStarted
    | ImageStarted
    | Opened
    | Changed
    | Touched
    | Renamed
    | Linked
    | Symlinked
    | Removed
    | DirectoryMade
    | Missing
    | Connected
    | SubRun
    | ProcessEnded
    | GapSeen
    | RunEnded
    | Holding
    | Joined
    | Gained
    | Tokens
    | Released
    | Traced
    | Located
)
"""Any event of a run."""

EVENT_TYPES: tuple[type[tuple[object, ...]], ...] = (
    RunStarted,
    ProcessStarted,
    ImageStarted,
    Opened,
    Changed,
    Touched,
    Renamed,
    Linked,
    Symlinked,
    Removed,
    DirectoryMade,
    Missing,
    Connected,
    SubRun,
    ProcessEnded,
    GapSeen,
    RunEnded,
    Holding,
    Joined,
    Gained,
    Tokens,
    Released,
    Traced,
    Located,
)
"""The event types, in the order of their journal codes: append only, since journals are read back years later."""
