"""What processes hold and how they are joined: the events from which data flow inside a run is known.

The tracees bring the file `in` from a child through some channel to its parent, which writes it to `out`. The events
are read from the journal, which the command itself keeps before it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from harness import NOT_HERE, Compiler, Run, World, need, need_root
from shark.capture.reading import read_journal
from shark.events import READ, WRITE, Event, Gained, Held, Holding, ImageStarted, Joined, Opened, ProcessStarted, Tokens

KEEP = '"$@" || exit; cp "$SHARK_HOME/journals/$SHARK_RUN_ID.journal" kept'
CONTENT = b"the input\n"
T = TypeVar("T")
TRACEE = 2
"""The process number of the tracee itself: the command is a shell, which keeps the journal."""


@dataclass
class Told:
    """The events of one run."""

    events: list[Event]
    work: Path

    def key(self, name: str) -> bytes:
        """The key of a file below work."""
        stat = (self.work / name).stat()
        return b"%d:%d" % (stat.st_dev, stat.st_ino)

    def opener(self, name: str, access: int) -> int:
        """The process that opened a file so."""
        path = os.fsencode(self.work / name)
        [process] = {e.process for e in self.of(Opened) if e.file.path == path and e.access & access}
        return process

    def of(self, kind: type[T]) -> list[T]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    def holdings(self, process: int = TRACEE) -> list[Holding]:
        """The Holdings of one process."""
        return [event for event in self.of(Holding) if event.process == process]

    def held(self) -> dict[int, set[Held]]:
        """All that each process ever held, what it was started with included."""
        now: dict[int, set[Held]] = {}
        ever: dict[int, set[Held]] = {}
        for event in self.events:
            if isinstance(event, ProcessStarted):
                now[event.process] = set(now.get(event.parent, ()))
            elif isinstance(event, Holding):
                now[event.process] = set(event.held)
            elif isinstance(event, Gained):
                now[event.process] |= set(event.held)
            else:
                continue
            ever.setdefault(event.process, set()).update(now[event.process])
        return ever

    def channels(self, writer: int, reader: int) -> set[str]:
        """The kinds of channels through which `writer` can have passed something to `reader`."""
        same: dict[bytes, bytes] = {}

        def one(key: bytes) -> bytes:
            while key in same:
                key = same[key]
            return key

        # The other end of a socket is what it can be read from: a process that has one end alone speaks to nobody.
        for join in self.of(Joined):
            if one(join.one) != one(join.other):
                same[one(join.one)] = one(join.other)
        held = self.held()
        joined = {key for join in self.of(Joined) for key in (join.one, join.other)}
        from_there = {(h.kind, h.key) for h in held[writer] if h.access & WRITE and h.kind != "file"}
        to_here = {(h.kind, h.key) for h in held[reader] if h.access & READ and h.kind != "file"}
        return {
            kind
            for kind, key in from_there
            for other_kind, other in to_here
            if kind == other_kind and one(key) == one(other) and (kind != "socket" or key in joined)
        }


Tell = Callable[..., Told]


@pytest.fixture
def tell(world: World, tracee: Compiler, mode: str) -> Tell:
    """`tell(name, *arguments)` runs a tracee, `tell(None, *argv)` a command, and gives the events."""

    def run(name: str | None, *arguments: str, flags: tuple[str, ...] = ()) -> Told:
        world.write("in", CONTENT)
        world.write("later", b"read later\n")
        argv = [tracee(name, *flags), *arguments] if name is not None else list(arguments)
        result = world.run(["sh", "-c", KEEP, "sh", *argv], mode=mode)
        if result.status == NOT_HERE:
            pytest.skip(f"not possible here: {result.stdout.decode(errors='replace').strip()}")
        assert result.status == 0, result.stderr
        # The journal that is being kept goes on changing.
        assert [gap for gap in result.record["coverage"]["gaps"] if ".journal" not in gap["detail"]] == []
        return Told(list(read_journal(os.fsencode(world.work / "kept"))), world.work)

    return run


CHANNELS = [
    ("pipe", "pipe"),
    ("popen", "pipe"),
    ("fifo", "fifo"),
    ("socketpair", "socket"),
    ("unix", "socket"),
    ("unix-early", "socket"),
    ("abstract", "socket"),
    ("tcp", "socket"),
    ("tcp6", "socket"),
    ("tcp-unblocked", "socket"),
    ("pty", "pty"),
]
MESSAGES = [
    ("udp", "socket"),
    ("unix", "socket"),
    ("posix-queue", "memory"),
    ("sysv-queue", "memory"),
    ("vm-read", "memory"),
    ("vm-write", "memory"),
]
MEMORY = ["anonymous", "shm", "sysv", "memfd"]


@pytest.mark.parametrize(("how", "kind"), CHANNELS)
def test_data_can_be_followed_through_a_channel(tell: Tell, how: str, kind: str) -> None:
    """From the process that read the input to the one that wrote the output."""
    told = tell("channels", how)
    reader, writer = told.opener("in", READ), told.opener("out", WRITE)
    assert reader != writer == TRACEE
    assert told.channels(reader, writer) == {kind}


@pytest.mark.parametrize("how", MEMORY)
def test_data_can_be_followed_through_memory(tell: Tell, how: str) -> None:
    """It is written without any call; who has it is known."""
    told = tell("shared", how)
    assert "memory" in told.channels(told.opener("in", READ), told.opener("out", WRITE))


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["64", "32"])
def test_a_semaphore_is_no_channel(tell: Tell, flags: tuple[str, ...]) -> None:
    """It is memory that processes share, but holds a number only; multiprocessing makes hundreds of them."""
    told = tell("shared", "semaphore", flags=flags)
    assert told.channels(told.opener("in", READ), told.opener("out", WRITE)) == set()


@pytest.mark.parametrize("flags", [(), ("-m32",)], ids=["64", "32"])
@pytest.mark.parametrize(("how", "kind"), MESSAGES)
def test_data_can_be_followed_through_messages(tell: Tell, how: str, kind: str, flags: tuple[str, ...]) -> None:
    """Datagrams that name their receiver, queues, and memory that one process reads or writes of another."""
    told = tell("messages", how, flags=flags)
    reader, writer = told.opener("in", READ), told.opener("out", WRITE)
    assert reader != writer == TRACEE
    assert kind in told.channels(reader, writer)


@pytest.mark.parametrize("how", [how for how, _ in MESSAGES])
def test_an_output_of_messages_has_their_inputs(trace: Callable[..., Run], world: World, how: str) -> None:
    """What was sent by a process that has ended since is an input of what was written by whoever received it."""
    world.write("in", CONTENT)
    run = trace("messages", how)
    assert set(run.inputs("out")) == {"in"}
    assert run.manifest("out")["scope"] == "output"


def test_sockets_that_ask_for_names_join_nobody(tell: Tell) -> None:
    """A datagram that is sent and answered makes no channel, as long as nobody in the run has an address for them."""
    ask = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))"
    told = tell(None, "sh", "-c", 'python3 -c "$0"; python3 -c "$0"', ask)
    assert told.of(Joined) == []


@pytest.mark.parametrize("how", ["socketpair", "unix", "tcp", "fifo"])
def test_channels_of_a_32_bit_program(tell: Tell, how: str) -> None:
    """Its socket calls go through a multiplexer, or have numbers of their own."""
    told = tell("channels", how, flags=("-m32",))
    assert told.channels(told.opener("in", READ), TRACEE) == {dict(CHANNELS)[how]}


@pytest.mark.parametrize("how", MEMORY)
def test_memory_of_a_32_bit_program(tell: Tell, how: str) -> None:
    """Through mmap2, and the multiplexer of System V."""
    told = tell("shared", how, flags=("-m32",))
    assert "memory" in told.channels(told.opener("in", READ), TRACEE)


def test_a_mapped_file_stays_held(tell: Tell) -> None:
    """It can be written after its descriptor was closed, also from what is read only then."""
    told = tell("shared", "file")
    [gained] = told.of(Gained)
    assert gained.held == (Held("memory", told.key("out"), READ | WRITE),)
    assert gained.end < next(e.begin for e in told.of(Opened) if e.file.path.endswith(b"/work/in"))


def test_closed_before_the_next_input(tell: Tell) -> None:
    """What was open for writing is known to be closed, before the call that opens the next input begins."""
    told = tell("held", "closed-between")
    [holding] = told.holdings()
    assert holding.held == ()
    opens = {Path(os.fsdecode(e.file.path)).name: e for e in told.of(Opened) if e.process == TRACEE}
    assert opens["in"].end < holding.begin
    assert holding.end < opens["later"].begin


def test_a_number_that_the_next_input_takes(tell: Tell) -> None:
    """The output was closed, if the file that is opened next has its number."""
    told = tell("held", "replaced")
    [holding] = told.holdings()
    assert holding.held == ()
    assert holding.end < next(e.begin for e in told.of(Opened) if e.file.path.endswith(b"/work/in"))


def test_a_duplicate_keeps_the_output_open(tell: Tell) -> None:
    """That the descriptor of the opening is gone does not say that the file is closed."""
    told = tell("held", "duplicated")
    [holding] = told.holdings()
    assert holding.held == (Held("file", told.key("one"), WRITE),)


def test_closed_by_an_exec(tell: Tell) -> None:
    """Close-on-exec has happened before the new program's first look."""
    told = tell("held", "close-on-exec")
    image = [e for e in told.of(ImageStarted) if e.process == TRACEE][-1]
    assert image.argv == (b"cat", b"in")
    holding = next(holding for holding in told.holdings() if holding.begin > image.begin)
    assert holding.held == (Held("file", told.key("two"), WRITE),)
    assert holding.begin < next(e.begin for e in told.of(Opened) if e.file.path.endswith(b"/work/in"))


def test_closed_before_a_wait(tell: Tell) -> None:
    """A shell passes both ends of a pipe on, closes them, and waits: it has read nothing of it."""
    told = tell("held", "waits")
    at_fork, at_wait, *_ = told.holdings()
    assert {(h.kind, h.access) for h in at_fork.held} == {("pipe", READ), ("pipe", WRITE)}
    assert at_wait.held == ()
    assert (at_wait.read, at_wait.written) == (at_fork.read, at_fork.written)


def test_counters_are_the_process_s_own(tell: Tell) -> None:
    """What its reaped children read is not in them, as it is in /proc/PID/io; what it moved by its end is told."""
    told = tell("held", "counted")
    reads = [holding.read for holding in told.holdings()]
    assert all(holding.written == 1 for holding in told.holdings())
    assert told.holdings()[-1].held == ()
    assert sorted(set(reads)) == [reads[0], reads[0] + 3]
    assert reads == sorted(reads)
    child = next(e.process for e in told.of(ProcessStarted) if e.parent == TRACEE)
    [end] = told.holdings(child)  # told because it has written nothing
    assert (end.held, end.read, end.written) == ((), len(CONTENT), 0)


def test_what_is_spliced_is_not_counted(tell: Tell) -> None:
    """So the counters are unknown from the first splice on."""
    told = tell("held", "spliced")
    assert {(holding.read, holding.written) for holding in told.holdings()} == {(-1, -1)}


def test_a_shared_table(tell: Tell) -> None:
    """What a child with the same descriptors opens, its parent holds, too."""
    told = tell("held", "shared-table")
    assert Held("file", told.key("one"), WRITE) in told.holdings()[0].held


def test_killed_while_it_holds_something(tell: Tell) -> None:
    """Nobody minds: its opening and its end tell all."""
    told = tell("held", "killed")
    assert told.opener("one", WRITE) == TRACEE + 1


def test_a_terminal_outside_is_no_channel(world: World, mode: str) -> None:
    """Only a pty whose master was opened in the run joins processes of it; so does no pipe that leads outside."""
    master, slave = os.openpty()
    try:
        os.write(master, b"line\n")
        script = f"read line; (echo $line) > out; {KEEP}"
        result = world.run(["sh", "-c", script, "sh", "true"], stdin=slave, stderr=slave, mode=mode)
    finally:
        os.close(master)
        os.close(slave)
    assert result.status == 0
    assert world.read("out") == b"line\n"
    told = Told(list(read_journal(os.fsencode(world.work / "kept"))), world.work)
    assert {held.kind for holding in told.of(Holding) for held in holding.held} <= {"file"}


def test_a_shell_s_pipeline(tell: Tell) -> None:
    """Neighbours share a pipe; the shell has both in hand for a moment, moves nothing, and has none when it waits."""
    told = tell(None, "sh", "-c", "cat in | sort | tr a-z A-Z > out")
    programs = {e.argv[0]: e.process for e in told.of(ImageStarted)}
    cat, sort, tr = programs[b"cat"], programs[b"sort"], programs[b"tr"]

    def pipes(process: int, access: int) -> set[bytes]:
        last = told.holdings(process)[-1]
        return {held.key for held in last.held if held.kind == "pipe" and held.access & access}

    assert pipes(cat, WRITE) == pipes(sort, READ) != set()
    assert pipes(sort, WRITE) == pipes(tr, READ) != set()
    assert not pipes(cat, READ) | pipes(tr, WRITE)
    assert Held("file", told.key("out"), WRITE) in told.holdings(tr)[-1].held
    shell = [h for h in told.holdings(TRACEE) if any(held.kind == "pipe" for held in h.held)]
    after = [h for h in told.holdings(TRACEE) if h.begin > shell[-1].begin]
    assert {h.read for h in shell} == {after[0].read}
    assert len(shell) == 3  # before each of its forks, but for the very first


def test_a_file_that_a_thread_still_holds(trace: Callable[..., Run], world: World) -> None:
    """A main thread that has ended shows no descriptors: the others' files are not released."""
    world.write("in", CONTENT)
    world.write("source")
    run = trace("held_by_thread")
    assert "source" in run.inputs("out")


def test_closed_by_another_thread_after_a_fork(trace: Callable[..., Run], world: World) -> None:
    """What a child got is looked at in the child: a thread of its parent may have closed it there meanwhile."""
    world.write("in", CONTENT)
    assert "in" in trace("closed_after_fork").inputs("out")


@pytest.mark.parametrize("where", ["{}", "({}; :)"])
def test_a_shell_that_maps_files(shark_run: Callable[..., Run], world: World, where: str) -> None:
    """What zsh reads with its module mapfile no counter shows."""
    need("zsh")
    world.write("in", CONTENT)
    run = shark_run(["zsh", "-fc", "zmodload zsh/mapfile; " + where.format("x=$mapfile[in]; print $x > out")])
    assert "in" in run.inputs("out")


def test_what_was_before_shark_is_not_counted(tell: Tell, world: World) -> None:
    """The command may have had children before shark took its place: what those read is none of its own."""
    world.write("large", bytes(1 << 20))
    world.shark = ("sh", "-c", 'cat large > /dev/null; exec "$@"', "sh", *world.shark)
    told = tell(None, "cat", "in")
    counts = [(h.read, h.written) for h in told.holdings(1)]
    assert len(counts) >= 3
    assert counts == sorted(counts)
    assert counts[0] == (0, 0)


def test_tokens_of_make_are_no_data(tell: Tell, world: World) -> None:
    """The pipe by which makes share job slots is told to be one."""
    need("make")
    world.write("Makefile", "all: a b\na b:\n\t+$(MAKE) -f sub.mk $@.out\n")
    world.write("sub.mk", "%.out: in\n\tcp in $@\n")
    told = tell(None, "make", "-j2")
    keys = {token.key for token in told.of(Tokens)}
    assert len(keys) == 1
    shared = {held.key for holding in told.of(Holding) for held in holding.held if held.kind in ("pipe", "fifo")}
    assert keys <= shared


@pytest.mark.parametrize("how", ["unix", "tcp", "pipe", "pty"])
def test_channels_of_an_ordinary_user(world: World, tracee: Compiler, mode: str, how: str) -> None:
    """Nothing of it needs a privilege."""
    need_root()
    world.write("in", CONTENT)
    nobody = world.become_nobody(tracee.directory)
    result = world.run(["sh", "-c", KEEP, "sh", tracee("channels"), how], mode=mode, **nobody)
    assert result.status == 0, result.stderr
    told = Told(list(read_journal(os.fsencode(world.work / "kept"))), world.work)
    assert told.channels(told.opener("in", READ), TRACEE) == {dict(CHANNELS)[how]}


@pytest.mark.parametrize(("namespace", "how"), [("-n", "unix"), ("-n", "abstract"), ("-pf", "unix"), ("-m", "pty")])
def test_channels_in_namespaces(tell: Tell, tracee: Compiler, namespace: str, how: str) -> None:
    """The kernel tells peers of sockets in shark's own network only: in another one too much is joined, not less."""
    need_root()
    need("unshare")
    told = tell(None, "unshare", namespace, str(tracee("channels")), how)
    assert told.channels(told.opener("in", READ), told.opener("out", WRITE)) == {dict(CHANNELS)[how]}


def test_tcp_in_a_network_of_its_own(tell: Tell, tracee: Compiler) -> None:
    """Addresses are asked of the process's own descriptors, so it does not matter whose network they are of."""
    need_root()
    need("unshare", "ip")
    told = tell(None, "unshare", "-n", "sh", "-c", 'ip link set lo up && "$0" tcp', str(tracee("channels")))
    assert told.channels(told.opener("in", READ), told.opener("out", WRITE)) == {"socket"}
    assert all(not join.other.startswith((b"tcp:", b"unix:")) for join in told.of(Joined))


@pytest.mark.parametrize(("how", "others"), [("open", 0), ("map", 0), ("many", 5), ("many", 300)])
def test_a_child_reads_what_its_parent_has_open(trace: Callable[..., Run], world: World, how: str, others: int) -> None:
    """Also if its parent alone writes to that, and if its parent has read very many files."""
    world.write("in", "the input\n")
    run = trace("reads_inherited", how, str(others))
    assert world.read("out") == b"begun\nthe input\n"
    assert set(run.inputs("out")) == {"in"}
