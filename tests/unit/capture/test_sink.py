"""Keeping a stream in files: head, ring and order, as they are after any write."""

from __future__ import annotations

import errno
import os
import tempfile
from itertools import pairwise
from pathlib import Path
from unittest import mock

from hypothesis import example, given
from hypothesis import strategies as st

from shark.capture.sink import Kept, Order, Sink, turns

CHUNKS = st.lists(st.binary(max_size=40), max_size=20)


@given(CHUNKS, st.integers(0, 60), st.booleans())
def test_the_first_half_and_the_newest_bytes_are_kept(chunks, limit, closed):
    """Whatever the chunks, and whether or not the sink was closed (a killed process closes nothing)."""
    with tempfile.TemporaryDirectory() as directory:
        prefix = f"{directory}/x".encode()
        sink = Sink(prefix, limit)
        whole = b""
        for chunk in chunks:
            sink.add(chunk)
            whole += chunk
        if closed:
            sink.close()
        kept = Kept(prefix)
        half = limit // 2
        expected = whole if len(whole) <= limit else whole[: limit - half] + (whole[-half:] if half else b"")
        assert b"".join(kept.parts()) == expected
        assert sink.total == len(whole)
        if half:  # without a ring there is nowhere to count what is not kept
            assert kept.cut == max(0, len(whole) - limit)
        assert kept.head == min(len(whole), limit - half)
        sink.close()


@example([b"0123456789", b"abcdefgh", b"i"], 20, 5)  # a part of what the ring is given has room
@given(CHUNKS, st.integers(0, 60), st.integers(0, 40))
def test_on_a_disk_that_becomes_full(chunks, limit, room):
    """It takes a part of what it is given, then nothing more: what came before is kept, and why no more is said."""
    write, left = os.pwrite, room

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        nonlocal left
        beyond = max(0, offset + len(data) - max(os.fstat(fd).st_size, offset))
        if beyond > left:
            if not left:
                raise OSError(errno.ENOSPC, "No space left on device")
            data, beyond = data[: len(data) - beyond + left], left
        left -= beyond
        return write(fd, data, offset)

    with tempfile.TemporaryDirectory() as directory, mock.patch("shark.capture.sink.os.pwrite", pwrite):
        prefix = f"{directory}/x".encode()
        sink = Sink(prefix, limit)
        whole = kept = b""
        for chunk in chunks:
            sink.add(chunk)
            whole += chunk
            kept = kept if sink.why else whole
        found = b"".join(Kept(prefix).parts())
        if len(kept) <= limit:  # before anything is cut out
            assert whole.startswith(found)
            assert len(found) >= len(kept)
            assert sink.why or found == whole
        sink.close()


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1 << 40)), max_size=30))
def test_the_order_joins_what_belongs_together(parts):
    with tempfile.TemporaryDirectory() as directory:
        path = f"{directory}/order".encode()
        order = Order(path)
        for number, length in parts:
            order.add(number, length)
        found = turns(path)
        for number in (0, 1):
            assert sum(n for which, n in found if which == number) == sum(n for which, n in parts if which == number)
        firsts = [which for which, length in parts if length]
        assert [which for which, _ in found] == firsts or len(found) <= len(firsts)
        if all(length for _, length in parts):
            assert all(one != other for (one, _), (other, _) in pairwise(found))
        order.close()


def test_an_order_that_broke_off_is_read_as_far_as_it_goes(tmp_path: Path):
    order = Order(bytes(tmp_path / "order"))
    order.add(0, 5)
    order.add(1, 7)
    with (tmp_path / "order").open("ab") as file:
        file.write(b"\1\2\3")
    assert turns(bytes(tmp_path / "order")) == [(0, 5), (1, 7)]
    order.close()


def test_nothing_was_kept(tmp_path: Path):
    kept = Kept(bytes(tmp_path / "none"))
    assert (list(kept.parts()), kept.head, kept.tail, kept.cut, kept.names) == ([], 0, 0, 0, [])
    assert turns(bytes(tmp_path / "none")) == []


def test_a_full_disk_ends_the_keeping_and_says_so():
    """/dev/full refuses every write; the stream itself must not notice."""
    sink = Sink(b"/dev/full/x", 10)
    sink.add(b"abc")
    sink.add(b"def")
    assert (sink.total, sink.why) == (6, "it could not be kept further: Not a directory")
