"""A signal at each instruction of the recorder's code: neither its handler nor the program may notice that code.

A process that has the stub, a ring and patched places in its memory (tests/tracees/stepped.c) is driven by this test
instruction by instruction. What the supervisor does at a signal, `signals.repair`, is done here in its place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import struct
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import Compiler
from shark.capture import kernel
from shark.recorder import layout, native, registers, signals, tiering
from shark.recorder.patterns import JUMP, SYSCALL, Fit
from shark.recorder.registers import Registers
from shark.recorder.ring import Ring
from shark.recorder.space import Space

pytestmark = pytest.mark.skipif(not tiering.is_built(), reason="the recorder is not built here")

GREGS = ("r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp")
_IN, _OUT, _SEEN, _SITE = 0, 144, 288, 432
_HEAD, _SAVED_RSI, _REPEATED = 64, 72, 1024
SLOTS = range(layout.RING_SLOTS, layout.RING_AREAS, layout.SLOT_SIZE)
AREAS = range(layout.RING_AREAS, layout.RING_SIZE, layout.AREA_SIZE)
CLOBBERED = ("rax", "rcx", "r11", "rsp")
"""What a system call changes; the stack's pointer is looked at by itself."""

RED_ZONE = 0x1122334455667788
CARRY, PARITY, ADJUST, ZERO, SIGN, DIRECTION, OVERFLOW = 0x1, 0x4, 0x10, 0x40, 0x80, 0x400, 0x800
FLAGS = CARRY | PARITY | ADJUST | ZERO | SIGN | DIRECTION | OVERFLOW
PTRACE_SINGLESTEP = 9
AT_FDCWD = -100
DIRECTORY_FD = 1000
"""Where stepped.c holds its working directory open."""

_WALL = 0x40000000
_HELD = 9
"""A state that no slot has."""


class Outcome(NamedTuple):
    """What the program found after the call, and what the handler saw (None: there was no signal)."""

    out: dict[str, int]
    flags: int
    red_zone: tuple[int, int]
    above: int
    seen: dict[str, int] | None
    seen_ip: int
    seen_flags: int


class Machine:
    """The process, standing still unless one of the methods runs it."""

    def __init__(self, program: Path, folder: Path) -> None:
        self.native = native.load()
        stub = folder / "stub"
        stub.write_bytes(self.native.stub)
        self.ring = Ring(self.native, str(folder / "ring"), 1)
        self.child = subprocess.Popen(
            [program, stub, self.ring.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
        )
        assert self.child.stdin is not None
        assert self.child.stdout is not None
        words = [int(word, 16) for word in self.child.stdout.readline().split()]
        self.exchange, near, self.openat, self.open, self.moved, self.chosen, self.returned = words
        self.pid = self.child.pid
        kernel.seize(self.pid)
        self.child.stdin.write(b"x")
        self.child.stdin.flush()
        self.space = Space(self.pid, 1)
        assert self.wait() == signal.SIGTRAP
        self.space.describe()
        self.space.add_near(near)
        self.space.patch(self.openat, layout.NR_OPENAT, Fit(b""))
        self.space.patch(self.open, layout.NR_OPEN, Fit(b""))
        moved = self.moved + 3 + JUMP
        self.space.patch(moved, layout.NR_OPENAT, Fit(self.space.read(moved, JUMP)))
        self.space.patch(self.chosen, layout.NR_OPENAT, Fit(self.space.read(self.chosen, JUMP), chosen=True))

    def end(self) -> None:
        self.child.kill()
        with contextlib.suppress(ChildProcessError, kernel.Failed):
            while os.WIFSTOPPED(os.waitpid(self.pid, _WALL)[1]):
                kernel.resume(kernel.PTRACE_CONT, self.pid)
        self.child.returncode = -9
        for pipe in (self.child.stdin, self.child.stdout):
            assert pipe is not None
            pipe.close()
        self.space.close()
        self.ring.close()

    def wait(self) -> int:
        """Wait for the next stop by a signal; which one."""
        while True:
            _, status = os.waitpid(self.pid, _WALL)
            assert os.WIFSTOPPED(status), f"ended with {status:#x}"
            if status >> 16 == 0:
                return os.WSTOPSIG(status)
            kernel.resume(kernel.PTRACE_CONT, self.pid)  # an event of ptrace's own

    def go(self, number: int = 0) -> int:
        kernel.resume(kernel.PTRACE_CONT, self.pid, number)
        return self.wait()

    def at(self) -> Registers:
        found = registers.fetch(self.pid)
        assert found is not None
        return found

    def step(self) -> int:
        """One instruction; the address of the next one."""
        kernel.resume(PTRACE_SINGLESTEP, self.pid)
        assert self.wait() == signal.SIGTRAP
        return self.at().rip

    def is_inside(self, ip: int) -> bool:
        """Whether an address is of the recorder's code."""
        return layout.CODE <= ip < layout.PAGE or self.space.trampoline(ip) > 0

    def begin(self, site: int, wanted: dict[str, int], flags: int) -> None:
        """Bring it to the jump to a site, with these registers."""
        (head,) = struct.unpack_from("=I", self.ring._map, _HEAD)
        if not head & (layout.SLOTS // 2 - 1):  # that slot is never used
            struct.pack_into("=I", self.ring._map, _HEAD, head + 1)
        words = [wanted.get(name, 0) & (1 << 64) - 1 for name in GREGS]
        self.space.write(self.exchange, struct.pack("=18Q", *words, 0, flags | 0x202))
        self.space.write(self.exchange + _SITE, struct.pack("=3Q", site, 0, 0))
        assert self.go() == signal.SIGTRAP

    def finish(self) -> Outcome:
        """It has come back to its loop."""
        words = struct.unpack("=61Q", self.space.read(self.exchange, 488))
        out, seen = words[18:36], words[36:54]
        handled = words[55]
        return Outcome(
            dict(zip(GREGS, out, strict=False)),
            out[17],
            (words[57], words[58]),
            words[60],
            dict(zip(GREGS, seen, strict=False)) if handled else None,
            seen[16],
            seen[17],
        )

    def wait_for_call(self, number: int) -> None:
        """Wait until it sleeps in a system call."""
        while not Path(f"/proc/{self.pid}/syscall").read_text().startswith(f"{number} "):
            time.sleep(0.001)

    def read_none(self) -> int:
        """There is nothing in the ring, and no slot is taken."""
        assert list(self.ring.drain()) == []
        assert self.taken() == []
        return 0

    def taken(self) -> list[int]:
        """The slots that are in use, but for that of an area with which a test keeps threads out of it."""
        return [at for at in (*SLOTS, *AREAS) if self.ring.slot(at).state not in (layout.FREE, _HELD)]

    def hold_area(self) -> None:
        """Another thread is in the process's area."""
        self.ring.set_state(AREAS[self.space.process], _HELD)

    def text(self, address: int, content: bytes) -> int:
        """Put a string into the page behind the recorder's own data."""
        self.space.write(address, content + b"\0")
        return address


@pytest.fixture
def machine(tracee: Compiler, tmp_path: Path) -> Iterator[Machine]:
    """The process, ready."""
    made = Machine(tracee("stepped"), tmp_path)
    yield made
    made.end()


NR_ACCESS = 21
NAMES = layout.PAGE + 512
"""Where the test puts path names: the page has room."""


class Case(NamedTuple):
    """An open at one of the sites: its path, flags, and what should come of it."""

    site: str
    path: bytes
    result: int
    """0: a descriptor; else -errno."""
    told: str
    """How, without a signal: by a "record", by a "look" of the supervisor, by a "plain" call, or "nothing" is told; a
    "repetition" is not told either, but if a signal comes it may be."""
    flags: int = 0
    dirfd: int = AT_FDCWD
    prepare: Callable[[Machine], None] = lambda machine: None
    number: int = layout.NR_OPENAT
    """Where the program chooses it."""

    @property
    def call(self) -> int:
        """The number of the call."""
        return layout.NR_OPEN if self.site == "open" else self.number


def _cold(machine: Machine) -> None:
    machine.space.plain = True
    machine.space.describe()


def _off(machine: Machine) -> None:
    machine.ring.switch_off()


def _full(machine: Machine) -> None:
    for offset in SLOTS:
        machine.ring.set_state(offset, layout.COMPLETE)


def _watched(machine: Machine) -> None:
    machine.space.watched = 100
    machine.space.describe()


CASES = {
    "openat": Case("openat", b"f", 0, "record"),
    "open": Case("open", b"f", 0, "record"),
    "moved": Case("moved", b"f", 0, "record"),
    "directory": Case("openat", b"/", 0, "record", os.O_DIRECTORY),
    "from a descriptor": Case("openat", b"f", 0, "record", dirfd=DIRECTORY_FD),
    "missing": Case("openat", b"f/gone", -errno.ENOTDIR, "record"),
    "not there": Case("open", b"/gone", -errno.ENOENT, "record"),
    "a loop": Case("openat", b"loop", -errno.ELOOP, "nothing"),
    "unreadable name": Case("openat", b"", -errno.EFAULT, "nothing"),
    "device": Case("openat", b"/dev/null", 0, "look"),
    "fifo": Case("openat", b"fifo", 0, "look", os.O_NONBLOCK),
    "watched": Case("open", b"f", 0, "look", prepare=_watched),
    "long name": Case("open", b"/" * 390 + b"dev", 0, "look"),
    "for writing": Case("openat", b"f", 0, "plain", os.O_WRONLY),
    "created": Case("open", b"f", 0, "plain", os.O_CREAT),
    "cold": Case("openat", b"f", 0, "plain", prepare=_cold),
    "switched off": Case("open", b"f", 0, "plain", prepare=_off),
    "chosen openat": Case("chosen", b"f", 0, "record", dirfd=DIRECTORY_FD),
    "chosen open": Case("chosen", b"f", 0, "record", number=layout.NR_OPEN),
    "chosen open for writing": Case("chosen", b"f", 0, "plain", os.O_WRONLY, number=layout.NR_OPEN),
    "chosen access": Case("chosen", b"gone", -errno.ENOENT, "plain", number=NR_ACCESS),
    "ring full": Case("openat", b"f", 0, "look", prepare=_full),
}
IN_AREA_ONLY = {
    "repeated": Case("openat", b"f", 0, "repetition"),
    "repeated open": Case("open", b"f", 0, "repetition"),
    "repeated without access": Case("openat", b"f", 0, "repetition", os.O_PATH),
}
WHILE_HELD = {**CASES, "ring full": CASES["ring full"]._replace(told="plain")}
"""The same while another thread is in the process's area."""

SENTINELS = {name: 0xA5A5_0000_0000_0000 + 0x0001_0001_0001 * n for n, name in enumerate(GREGS)}


def furnish(folder: Path) -> None:
    (folder / "f").write_text("content")
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")


class Try:
    """One call, with or without a signal after some of its instructions."""

    def __init__(self, machine: Machine, case: Case, flags: int) -> None:
        self.machine = machine
        self.case = case
        self.flags = flags
        at = machine.text(NAMES, case.path) if case.path else 8
        if case.call == layout.NR_OPENAT and case.site != "moved":
            special = {"rdi": case.dirfd, "rsi": at, "rdx": case.flags}
        elif case.site != "moved":
            special = {"rdi": at, "rsi": case.flags}
        else:
            special = {"rdi": at, "rdx": case.flags}
        self.registers = {**SENTINELS, **special, **({"rax": case.number} if case.site == "chosen" else {})}
        self.site = getattr(machine, case.site)
        if case.site == "moved":
            self.after = {**self.registers, "rsi": at, "rdi": AT_FDCWD & 0xFFFFFFFF}
            self.call = self.site + 3 + 2 * JUMP
        else:
            self.after = self.registers
            self.call = self.site + JUMP

    def prime(self) -> None:
        """Have told before what is to be a repetition."""
        if self.case.told == "repetition":
            self.machine.begin(self.site, self.registers, self.flags)
            assert self.machine.go() == signal.SIGTRAP
            assert len(list(self.machine.ring.drain())) <= 1

    def steps(self) -> list[int]:
        """Where the instruction pointer is after each instruction, without a signal; the check of all that follows."""
        self.prime()
        self.machine.begin(self.site, self.registers, self.flags)
        found = []
        while (ip := self.machine.step()) != self.machine.returned:
            found.append(ip)
        assert self.machine.go() == signal.SIGTRAP
        told = self.read()
        self.check(self.machine.finish(), told)
        assert told == int(self.case.told == "record")
        return found

    def signalled(self, steps: int) -> None:
        """A signal comes after so many instructions."""
        m = self.machine
        self.prime()
        m.begin(self.site, self.registers, self.flags)
        for _ in range(steps):
            m.step()
        before = m.at()
        os.kill(m.pid, signal.SIGUSR1)
        assert m.go() == signal.SIGUSR1
        at = m.at()
        assert at.rip == before.rip
        repaired = signals.repair(at, m.space, m.ring, m.native)
        told = 0
        assert (repaired is not None) == m.is_inside(at.rip)
        if repaired is not None:
            assert not m.is_inside(repaired.registers.rip)
            registers.store(m.pid, repaired.registers)
            told = int(repaired.untold is not None and repaired.untold.result >= -errno.ENOTDIR)
            self.check_untold(repaired)
        assert m.go(signal.SIGUSR1) == signal.SIGTRAP
        outcome = m.finish()
        told += self.read()
        self.check(outcome, told)
        if self.case.told == "record":
            assert told == int(repaired is None or repaired.registers.rip != self.call)
        self.check_seen(outcome)

    def check_untold(self, repaired: signals.Repaired) -> None:
        """What the supervisor is to tell is the call as the program made it."""
        slot = repaired.untold
        if slot is None:
            return
        assert repaired.registers.rip == self.call + len(SYSCALL)
        assert slot.number == self.case.call
        for name in ("rdi", "rsi", "rdx"):
            assert getattr(slot, name) == self.after[name] & (1 << 64) - 1

    def read(self) -> int:
        """How many records of the call are in the ring."""
        if self.case.prepare is _full:
            return 0
        self.machine.ring.forget(files=True, names=True)
        found = list(self.machine.ring.drain())
        for record in found:
            assert (record.process, record.result >= 0) == (1, self.case.result == 0)
        assert self.machine.taken() == []
        return len(found)

    def check(self, outcome: Outcome, told: int) -> None:
        """The program finds what it would find without the recorder; told is as often as can be."""
        result = registers.signed(outcome.out["rax"])
        assert result >= 0 if self.case.result == 0 else result == self.case.result
        wanted = {name: value & (1 << 64) - 1 for name, value in self.after.items() if name not in CLOBBERED}
        assert {name: outcome.out[name] for name in wanted} == wanted
        assert outcome.flags & FLAGS == self.flags
        assert outcome.red_zone == (RED_ZONE, RED_ZONE)
        if self.case.site == "chosen":
            assert outcome.above == SENTINELS["r11"]  # what was moved has been done
        assert told <= 1
        if self.case.told in ("plain", "nothing"):
            assert told == 0

    def check_seen(self, outcome: Outcome) -> None:
        """The handler saw the program at its own instructions, before the call or behind it."""
        assert outcome.seen is not None
        ip = outcome.seen_ip
        assert not self.machine.is_inside(ip)
        if self.case.site != "moved" or ip >= self.call:
            wanted = {name: value & (1 << 64) - 1 for name, value in self.after.items() if name not in CLOBBERED}
            assert {name: outcome.seen[name] for name in wanted} == wanted
        assert outcome.seen_flags & FLAGS == self.flags
        if ip == self.call:
            assert outcome.seen["rax"] == self.case.call


def signal_everywhere(machine: Machine, case: Case, flags: int) -> set[int]:
    """A signal at each instruction of a call, but for most turns of a loop: the zones that it met."""
    attempt = Try(machine, case, flags)
    steps = attempt.steps()
    assert any(map(machine.is_inside, steps))
    zones: set[int] = set()
    often = Counter[int]()
    for count in range(len(steps) + 1):
        here = steps[count - 1] if count else 0
        often[here] += 1
        if often[here] > 2:  # in a loop
            continue
        attempt.signalled(count)
        if count and layout.CODE <= steps[count - 1] < layout.PAGE:
            zones.add(signals.zone_of(machine.native, steps[count - 1] - layout.CODE))
    return zones


BEGUN = {
    *(layout.ZONE_UNTOUCHED, layout.ZONE_FLAGS_IN_AX, layout.ZONE_ASKED, layout.ZONE_CLAIMED, layout.ZONE_SAVED),
    *(layout.ZONE_READY, layout.ZONE_RETURNED, layout.ZONE_DONE, layout.ZONE_RELEASED),
}
KINDS_OF_FLAGS = pytest.mark.parametrize("flags", [0, FLAGS, OVERFLOW | SIGN, DIRECTION | CARRY | ZERO])


@pytest.mark.parametrize("name", [*CASES, *IN_AREA_ONLY])
@KINDS_OF_FLAGS
def test_a_signal_at_each_instruction(machine: Machine, tmp_path: Path, name: str, flags: int) -> None:
    """Registers, flags, result and red zone are as without the recorder; the open is told once; no slot stays taken."""
    furnish(tmp_path)
    case = {**CASES, **IN_AREA_ONLY}[name]
    case.prepare(machine)
    zones = signal_everywhere(machine, case, flags)
    if case.told in ("record", "repetition"):
        assert zones >= BEGUN | {layout.ZONE_HANDLED, layout.ZONE_LEAVING_HANDLED}
    if case.told == "record":
        assert zones >= {layout.ZONE_TELLING_ASKED, layout.ZONE_TELLING}


@pytest.mark.parametrize("name", WHILE_HELD)
@KINDS_OF_FLAGS
def test_a_signal_at_each_instruction_outside_the_area(machine: Machine, tmp_path: Path, name: str, flags: int) -> None:
    """The same where another thread is in the area: the record is made in a slot of the ring."""
    furnish(tmp_path)
    case = WHILE_HELD[name]
    case.prepare(machine)
    machine.hold_area()
    zones = signal_everywhere(machine, case, flags)
    if case.told == "record":
        assert zones >= BEGUN | {layout.ZONE_LEAVING}


def test_a_path_that_vanishes(machine: Machine, tmp_path: Path) -> None:
    """Another thread unmaps the name when the kernel has read it: the program sees its descriptor, and no fault."""
    furnish(tmp_path)
    attempt = Try(machine, CASES["openat"], FLAGS)
    machine.begin(attempt.site, attempt.registers, attempt.flags)
    while signals.zone_of(machine.native, machine.step() - layout.CODE) != layout.ZONE_DONE:
        pass
    slot = machine.ring.at(machine.at().rbx)
    struct.pack_into("=Q", machine.ring._map, slot + _SAVED_RSI, 8)
    assert machine.go() == signal.SIGSEGV
    repaired = signals.repair(machine.at(), machine.space, machine.ring, machine.native)
    assert repaired is not None
    assert repaired.untold is not None
    assert repaired.untold.result >= 0
    registers.store(machine.pid, repaired.registers)
    assert machine.go() == signal.SIGTRAP
    attempt.after = {**attempt.after, "rsi": 8}
    attempt.check(machine.finish(), machine.read_none())


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_an_interrupted_open(machine: Machine, tmp_path: Path, number: int) -> None:
    """An open that waits is begun anew after a handler with SA_RESTART, and fails with EINTR after one without."""
    furnish(tmp_path)
    case = CASES["openat"]._replace(path=b"fifo")
    attempt = Try(machine, case, FLAGS)
    machine.begin(attempt.site, attempt.registers, attempt.flags)
    kernel.resume(kernel.PTRACE_CONT, machine.pid)
    machine.wait_for_call(layout.NR_OPENAT)
    os.kill(machine.pid, number)
    assert machine.wait() == number
    repaired = signals.repair(machine.at(), machine.space, machine.ring, machine.native)
    assert repaired is not None
    assert repaired.untold is None
    assert repaired.registers.rip == attempt.call + len(SYSCALL)
    registers.store(machine.pid, repaired.registers)
    kernel.resume(kernel.PTRACE_CONT, machine.pid, number)
    if number == signal.SIGUSR1:
        machine.wait_for_call(layout.NR_OPENAT)
        os.close(os.open(tmp_path / "fifo", os.O_WRONLY))
    else:
        attempt.case = case._replace(result=-errno.EINTR)
    assert machine.wait() == signal.SIGTRAP
    outcome = machine.finish()
    attempt.check(outcome, machine.read_none())
    attempt.check_seen(outcome)
    assert outcome.seen_ip == attempt.call + (0 if number == signal.SIGUSR1 else len(SYSCALL))


def opened(machine: Machine, case: Case) -> int:
    """An open without signals; how many records of it are told."""
    attempt = Try(machine, case, 0)
    machine.begin(attempt.site, attempt.registers, 0)
    assert machine.go() == signal.SIGTRAP
    machine.finish()
    return len(list(machine.ring.drain()))


def test_only_what_is_new_is_told(machine: Machine, tmp_path: Path) -> None:
    """The same of the same unchanged file is told once, until something is forgotten; whatever differs is told."""
    furnish(tmp_path)
    file = tmp_path / "f"
    os.link(file, tmp_path / "g")
    case = CASES["openat"]
    other = case._replace(path=b"g")
    without_access = case._replace(flags=os.O_PATH)
    assert [opened(machine, case) for _ in range(3)] == [1, 0, 0]
    assert [opened(machine, other) for _ in range(2)] == [1, 0]
    assert [opened(machine, without_access) for _ in range(2)] == [1, 0]
    assert opened(machine, case) == 0
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert [opened(machine, case) for _ in range(2)] == [1, 0]
    os.truncate(file, 3)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert [opened(machine, case) for _ in range(2)] == [1, 0]
    (tmp_path / "new").write_text("con")
    os.utime(tmp_path / "new", ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    os.link(tmp_path / "new", tmp_path / "h")
    (tmp_path / "new").rename(file)
    assert [opened(machine, case) for _ in range(2)] == [1, 0]
    for files, names in ((True, False), (False, True)):
        machine.ring.forget(files=files, names=names)
        assert [opened(machine, case) for _ in range(2)] == [1, 0]
    recorded, repeated, torn, broken = machine.ring.counts
    assert (torn, broken) == (0, 0)
    assert recorded - repeated == 8
    assert repeated == 10


def test_where_another_thread_is_the_reader_drops_what_is_not_new(machine: Machine, tmp_path: Path) -> None:
    """Outside of the area all is in the ring, and told once."""
    furnish(tmp_path)
    machine.hold_area()
    assert [opened(machine, CASES["openat"]) for _ in range(3)] == [1, 0, 0]
    assert machine.ring.counts[:2] == (3, 2)


def test_another_process_tells_what_one_before_it_told(machine: Machine, tmp_path: Path) -> None:
    """Processes whose numbers lead to the same area have their own repetitions."""
    furnish(tmp_path)
    assert [opened(machine, CASES["openat"]) for _ in range(2)] == [1, 0]
    machine.space.process += layout.AREAS
    machine.space.describe()
    assert [opened(machine, CASES["openat"]) for _ in range(2)] == [1, 0]


def test_scribbled_counts_stay_possible(machine: Machine, tmp_path: Path) -> None:
    """A program that writes into its area cannot make the figures of the run absurd."""
    furnish(tmp_path)
    opened(machine, CASES["openat"])
    for at in AREAS:
        struct.pack_into("=Q", machine.ring._map, at + _REPEATED, (1 << 64) - 1)
    recorded, repeated, *_ = machine.ring.counts
    assert recorded - repeated == 1
    assert repeated < 100
