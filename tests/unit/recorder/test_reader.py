"""The reader of the ring: nothing that a program writes there makes it fail, and what is complete is not lost."""

from __future__ import annotations

import os
import random
import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shark.recorder import layout
from shark.recorder.native import ROOM
from shark.recorder.ring import Record, Ring

from . import rings
from .rings import Writer

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    """A new ring."""
    made = rings.made(tmp_path)
    yield made
    made.close()


def test_one_record(ring: Ring) -> None:
    """A completed record comes out as it was written, once."""
    writer = Writer(ring, 5)
    assert not writer.begin()  # the first slot is never used
    assert writer.begin()
    assert list(ring.drain()) == []
    writer.complete(b"/some/file", 3, rings.statx(77, size=12, mtime=9))
    (record,) = ring.drain()
    assert (record.process, record.name, record.result) == (5, b"/some/file", 3)
    assert (record.ino, record.size, record.mtime, record.birth) == (77, 12, 9 * 10**9, 7 * 10**9 + 5)
    assert (record.major, record.minor, record.mode, record.dirfd) == (8, 1, 0o100644, -100)
    assert 0 < record.begin < record.end
    assert list(ring.drain()) == []


def test_a_free_slot_is_nobodys(ring: Ring) -> None:
    """The end of a process does not free a slot that somebody else has claimed since, but has not signed yet."""
    writer = Writer(ring, 5)
    writer.begin()
    writer.begin()
    offset = writer.slots[0]
    writer.complete(b"/a", 3, rings.statx(1))
    assert len(list(ring.drain())) == 1
    with rings.memory(ring) as view:
        struct.pack_into("=I", view, offset, layout.BUSY)  # another process claims it
    ring.release(5)
    assert ring.slot(offset).state == layout.BUSY
    ring.set_state(offset, layout.FREE)
    assert (ring.slot(offset).state, ring.slot(offset).process) == (layout.FREE, 0)


def test_a_lap_is_read(ring: Ring) -> None:
    """All slots but two, which make everybody stop, can be complete at once; who finds none free makes a plain call."""
    writer = Writer(ring, 1)
    names = []
    for n in range(3 * layout.SLOTS):
        if writer.begin():
            names.append(b"/%d" % n)
            writer.complete(names[-1], 3, rings.statx(n))
    assert len(names) == layout.SLOTS - 2
    assert [record.name for record in ring.drain()] == names


def test_release(ring: Ring) -> None:
    """What a process has left unfinished is freed; told is how many opens had returned with a file."""
    writer = Writer(ring, 9)
    for _ in range(5):
        writer.begin()
    with rings.memory(ring) as view:
        for offset, result in zip(writer.slots, (layout.NOT_RETURNED, 3, -2, 4), strict=True):
            struct.pack_into("=q", view, offset + layout.RESULT, result)
    assert ring.release(8) == 0
    assert ring.release(9) == 2
    assert {ring.slot(offset).state for offset in writer.slots} == {layout.FREE}


# --- a program that scribbles over it

WORD = st.one_of(
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([0, 1, 2, 3, 5, 257, 383, 384, 1023, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]),
)
PLACE = st.one_of(
    st.sampled_from([rings.HEAD, layout.RING_CLOCK, layout.RING_CLOCK + 4, layout.RING_OFF]),
    st.tuples(st.integers(0, layout.SLOTS - 1), st.integers(0, layout.SLOT_SIZE // 4 - 1)).map(
        lambda slot: layout.RING_SLOTS + slot[0] * layout.SLOT_SIZE + slot[1] * 4
    ),
)


def is_sane(record: Record) -> bool:
    """Whether a record is one that the model can be told of."""
    return (
        0 < record.begin < record.end
        and record.result < 1 << 31
        and record.number in (layout.NR_OPEN, layout.NR_OPENAT)
        and len(record.name) < layout.PATH_ROOM
        and b"\0" not in record.name
    )


def read_all(ring: Ring) -> list[Record]:
    """One reading, whose records must be sane and in order."""
    found = list(ring.drain())
    assert len(found) <= ROOM
    assert all(map(is_sane, found))
    assert [r.end for r in found] == sorted(r.end for r in found)
    return found


def scribble(ring: Ring, writer: Writer, actions: list[object]) -> None:
    """Write, read, count and end processes in any order."""
    view, last = rings.memory(ring), 0
    for action in actions:
        if isinstance(action, tuple):
            struct.pack_into("=I", view, *action)
        elif action == "read":
            read_all(ring)
        elif action == "tick":
            now = ring.tick()
            assert now > last
            last = now
        elif isinstance(action, int):
            ring.release(action)
        elif isinstance(action, bytes):
            struct.pack_into(f"={len(action)}s", view, layout.RING_SLOTS + layout.SLOT_SIZE + layout.PATH, action)
        elif writer.begin():
            writer.complete(b"/a", 3, rings.statx(1))
    view.release()


@unhurried
@given(
    st.lists(
        st.one_of(
            st.tuples(PLACE, WORD), st.just("read"), st.just("tick"), st.just("write"), st.integers(0, 9), st.binary()
        ),
        max_size=60,
    )
)
def test_words_anywhere(tmp_path: Path, actions: list[object]) -> None:
    """Whatever words lie where: it ends, gives no more than there is room for, only sane records, and time goes on."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        ring = rings.made(Path(folder))
        scribble(ring, Writer(ring, 1), actions)
        read_all(ring)
        read_all(ring)
        ring.close()


def test_a_counter_set_back_by_one(ring: Ring) -> None:
    """The smallest step back is noticed too: no number is given twice."""
    first = ring.tick()
    with rings.memory(ring) as view:
        struct.pack_into("=Q", view, layout.RING_CLOCK, first)
    assert ring.tick() > first
    assert ring.counts[3] == 1


@settings(unhurried, max_examples=15)
@given(st.integers(0, 1 << 32), st.sampled_from([layout.BUSY, layout.COMPLETE, layout.LOUD, None]))
def test_noise(tmp_path: Path, seed: int, state: int | None) -> None:
    """A ring full of noise gives sane records or none, again and again, and damaged ones are counted."""
    noise = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        ring = rings.made(Path(folder))
        with rings.memory(ring) as view:
            for _ in range(3):
                view[:] = noise.randbytes(len(view))
                if state is not None:
                    for offset in range(layout.RING_SLOTS, layout.RING_AREAS, layout.SLOT_SIZE):
                        struct.pack_into("=I", view, offset, state)
                before = ring.counts
                read_all(ring)
                after = ring.counts
                if state == layout.COMPLETE:
                    assert after[0] + after[2] - before[0] - before[2] >= layout.SLOTS - 2
                first, second = ring.tick(), ring.tick()
                assert second > first
        ring.close()


def test_a_head_that_goes_back(ring: Ring) -> None:
    """Slots that are never completed, with a counter of slots that goes back and forth: nothing overflows, and it is
    noticed.
    """
    head = 5 * layout.SLOTS
    with rings.memory(ring) as view:
        for offset in range(layout.RING_SLOTS, layout.RING_AREAS, layout.SLOT_SIZE):
            struct.pack_into("=I", view, offset, layout.BUSY)
            struct.pack_into("=q", view, offset + layout.RESULT, layout.NOT_RETURNED)
        for step in (0, -1, 5, -1, 3, -layout.SLOTS, layout.SLOTS // 2, -7, 2 * layout.SLOTS) * 20:
            head += step
            struct.pack_into("=I", view, rings.HEAD, head)
            assert list(ring.drain()) == []
    assert ring.counts[2] >= 60
    with rings.memory(ring) as view:
        for offset in range(layout.RING_SLOTS, layout.RING_AREAS, layout.SLOT_SIZE):
            struct.pack_into("=I", view, offset, layout.FREE)
    writer = Writer(ring, 3)
    while not writer.begin():
        pass
    writer.complete(b"/still/read", 3, rings.statx(1))
    assert [record.name for record in ring.drain()] == [b"/still/read"]


def test_waiting_is_bounded(ring: Ring) -> None:
    """A program that keeps every slot for ever does not make each reading wait for each of them."""
    with rings.memory(ring) as view:
        struct.pack_into("=I", view, rings.HEAD, layout.SLOTS)
        for offset in range(layout.RING_SLOTS, layout.RING_AREAS, layout.SLOT_SIZE):
            struct.pack_into("=I", view, offset, layout.BUSY)
    begin = time.process_time()
    for _ in range(10):
        assert list(ring.drain()) == []
    assert time.process_time() - begin < 0.6  # 2 without a bound


# --- several writers that do as they should

NAMES = st.sampled_from([b"/a", b"/b", b"/a/long/name/" + b"x" * 300, b"relative"])
FILES = st.sampled_from([rings.statx(1), rings.statx(2), rings.statx(1, size=3), rings.statx(1, mtime=4)])
FLAGS = st.sampled_from([0, os.O_PATH])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 2)),
        st.tuples(
            st.just("complete"), st.integers(0, 2), st.integers(0, 20), NAMES, st.sampled_from([3, -2]), FILES, FLAGS
        ),
        st.tuples(st.just("drain")),
        st.tuples(st.just("forget"), st.booleans(), st.booleans()),
        st.tuples(st.just("burst"), st.integers(1, 1500)),
    ),
    max_size=60,
)
Written = tuple[int, bytes, int, bytes, int]


class Model:
    """Three writers, what they have completed since it was read last, and what was told so far."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self.writers = [Writer(ring, number) for number in (1, 2, 3)]
        self.complete: list[Written] = []
        self.told: set[tuple[object, ...]] = set()
        self.files = self.names = self.serial = 0

    def do(self, step: tuple[object, ...]) -> None:
        """One step, with its check if something is read."""
        match step:
            case ("begin", int(who)):
                self.writers[who].begin()
            case ("complete", int(who), int(which), bytes(name), int(result), bytes(stat), int(flags)):
                if self.writers[who].slots:
                    self.writers[who].complete(name, result, stat, which % len(self.writers[who].slots), flags)
                    if result >= 0 or not flags:  # that gives no access, and would not have
                        self.complete.append((who + 1, name, result, stat, flags))
            case ("burst", int(count)):
                self._burst(count)
            case ("forget", bool(files), bool(names)):
                self.ring.forget(files=files, names=names)
                self.files += files
                self.names += names
            case _:
                self._check([(r.process, r.name, r.result, r.flags, r.ino, r.size, r.mtime) for r in self.ring.drain()])
                self.complete.clear()

    def _burst(self, count: int) -> None:
        writer = self.writers[0]
        for _ in range(count):
            self.serial += 1
            if writer.begin():
                name = b"/burst/%d" % self.serial
                writer.complete(name, -2, which=len(writer.slots) - 1)
                self.complete.append((1, name, -2, b"", 0))

    def _check(self, got: list[tuple[object, ...]]) -> None:
        """What was told is what was completed, in order, but for some of what had been told before."""
        rest = iter(got)
        following = next(rest, None)
        for process, name, result, stat, flags in self.complete:
            ino, size, mtime = 0, 0, 0
            if result >= 0:
                ino, size = struct.unpack_from("=QQ", stat, 32)
                (mtime,) = struct.unpack_from("=q", stat, 112)
            record = process, name, result, flags, ino, size, mtime * 10**9
            # Where nothing is, nothing can have changed.
            key = (*record, self.names, self.files if result >= 0 else 0)
            if following == record:
                following = next(rest, None)
            else:
                assert key in self.told, f"{record} was not told"
            self.told.add(key)
        assert following is None


@unhurried
@given(STEPS)
def test_against_a_model(tmp_path: Path, steps: list[tuple[object, ...]]) -> None:
    """Each complete record is told once, in the order of their ends, unless the same was told of an unchanged file."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        ring = rings.made(Path(folder))
        model = Model(ring)
        for step in [*steps, ("drain",)]:
            model.do(step)
        assert ring.counts[2:] == (0, 0)
        ring.close()


@pytest.mark.parametrize(
    "pattern", [b"data.%d", b"d%d", b"/work/tree/%d/table.csv", b"%d.txt", b"/usr/share/zoneinfo/%04d"]
)
def test_names_that_differ_little_are_remembered_apart(ring: Ring, pattern: bytes) -> None:
    """What was told is known by a table in which few names share a place, however much they are alike."""
    writer = Writer(ring, 5)
    names = [pattern % n for n in range(100)]

    def told() -> int:
        count = 0
        for n, name in enumerate(names):
            if not writer.begin():
                assert writer.begin()
            writer.complete(name, 3, rings.statx(100 + n))
            count += len(list(ring.drain()))
        return count

    assert told() == len(names)
    assert told() <= 10


def long_call(ring: Ring, later: int) -> list[bytes]:
    """What is read of a call that others overtake, `later` of them, between two readings: the names of long ones."""
    slow, busy = Writer(ring, 5), Writer(ring, 6)
    assert slow.begin() or slow.begin()
    assert list(ring.drain()) == []
    told = []
    for n in range(later):
        if busy.begin():
            busy.complete(b"/%d" % n, -2)
        if n == later // 2:
            told += [record.name for record in ring.drain()]
    told += [record.name for record in ring.drain()]
    slow.complete(b"/slow" + b"x" * 300, 3, rings.statx(1))
    told += [record.name for record in ring.drain()]
    return [name[:5] for name in told if name.startswith(b"/slow")]


@pytest.mark.parametrize("later", [*range(layout.SLOTS - 4, layout.SLOTS + 4), 2 * layout.SLOTS + 1])
def test_a_call_that_is_overtaken_by_a_lap_is_told_once(ring: Ring, later: int) -> None:
    """However many others come in between, exactly a lap too: its slot is looked at by one way or the other."""
    assert long_call(ring, later) == [b"/slow"]


def test_a_call_that_ends_when_it_has_been_overtaken_is_told_once(ring: Ring) -> None:
    """A reading that meets a slot as one that was left behind and as one of the new lap takes it once."""
    slow, busy = Writer(ring, 5), Writer(ring, 6)
    assert slow.begin() or slow.begin()
    assert list(ring.drain()) == []
    for n in range(layout.SLOTS - 10):
        if busy.begin():
            busy.complete(b"/%d" % n, -2)
    slow.complete(b"/slow" + b"x" * 300, 3, rings.statx(1))
    for n in range(20):
        if busy.begin():
            busy.complete(b"/later/%d" % n, -2)
    names = [record.name for record in ring.drain()]
    assert len([name for name in names if name.startswith(b"/slow")]) == 1


def test_an_open_without_access_does_not_hide_one_with_it(ring: Ring) -> None:
    """O_PATH reads nothing: the same file opened to be read afterwards is no repetition."""
    writer = Writer(ring, 5)
    seen = []
    for flags in (os.O_PATH, 0, os.O_PATH, 0):
        if not writer.begin():
            assert writer.begin()
        writer.complete(b"/a", 3, rings.statx(1), flags=flags)
        seen += [record.flags for record in ring.drain()]
    assert seen[:2] == [os.O_PATH, 0]


def test_what_is_not_told_yet_stays_in_the_ring(ring: Ring) -> None:
    """Should the supervisor be killed while it tells what it has read, it is there for whoever recovers the run."""
    writer = Writer(ring, 5)
    writer.begin()
    places = []
    for name in (b"/a", b"/b"):
        writer.begin()
        places += writer.slots
        writer.complete(name, 3, rings.statx(1))
    reading = ring.drain()
    assert next(reading).name == b"/a"
    assert [ring.slot(offset).state for offset in places] == [layout.COMPLETE] * 2
    assert [record.name for record in reading] == [b"/b"]
    assert [ring.slot(offset).state for offset in places] == [layout.FREE] * 2
