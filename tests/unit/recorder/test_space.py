"""What is written into an address space: this process has one, and a few pages of it stand for any."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterator

import pytest

from shark.recorder import layout
from shark.recorder.patterns import JUMP, Fit
from shark.recorder.space import CHOSEN, CHOSEN_LATER, FIXED, Space

SITE = 0x200
Pages = tuple[Space, int, mmap.mmap]


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A space, and three pages in it: code, trampolines, trampolines."""
    with mmap.mmap(-1, 3 * 4096) as memory:
        hold = ctypes.c_char.from_buffer(memory)
        space = Space(os.getpid(), 7)
        yield space, ctypes.addressof(hold), memory
        space.close()
        del hold


@pytest.mark.parametrize("moved", [b"", bytes.fromhex("bf9cffffff")])
def test_patch(pages: Pages, moved: bytes) -> None:
    """Five bytes become a jump to a trampoline that executes what was moved, loads its data and goes to the stub."""
    space, base, memory = pages
    memory[SITE : SITE + JUMP + 2] = moved.ljust(JUMP, b"\xb8") + b"\x0f\x05"
    space.add_near(base + 4096)
    space.patch(base + SITE, layout.NR_OPENAT, Fit(moved))
    code = memory[:]
    assert code[SITE] == 0xE9
    assert code[SITE + JUMP : SITE + JUMP + 2] == b"\x0f\x05"
    (jump,) = struct.unpack_from("=i", code, SITE + 1)
    at = SITE + JUMP + jump
    assert at == 4096 + 64
    assert code[at : at + len(moved)] == moved
    load = at + len(moved)
    assert code[load : load + 3] == b"\x4c\x8d\x1d"  # lea ?(%rip), %r11
    data = load + 7 + struct.unpack_from("=i", code, load + 3)[0]
    assert code[load + 7 : load + 9] == b"\xff\x25"  # jmp *?(%rip)
    target = load + 13 + struct.unpack_from("=i", code, load + 9)[0]
    assert struct.unpack_from("=Q", code, target) == (layout.CODE,)
    assert space.site_data(base + data) == (base + SITE + JUMP + 2, layout.NR_OPENAT, FIXED)
    assert {space.trampoline(base + ip) for ip in range(at, at + 64)} == {base + data}
    assert space.trampoline(base + at - 1) == space.trampoline(base + at + 64) == 0
    assert base + SITE in space.sites


def test_a_site_of_any_call(pages: Pages) -> None:
    """Where the number is the caller's choice, what was moved comes first, and two trampolines ask which call it is."""
    space, base, memory = pages
    moved = bytes.fromhex("4c895c2408")
    space.add_near(base + 4096)
    space.patch(base + SITE, layout.NR_OPEN, Fit(moved, chosen=True))
    first, second = 4096 + 64, 4096 + 128
    code = memory[:]
    assert SITE + JUMP + struct.unpack_from("=i", code, SITE + 1)[0] == first
    assert code[first : first + JUMP] == moved
    for start, at, number, kind, otherwise in (
        (first, first + JUMP, layout.NR_OPENAT, CHOSEN, second),
        (second, second, layout.NR_OPEN, CHOSEN_LATER, SITE + JUMP),
    ):
        assert code[at : at + 2] == b"\x8d\x88"  # lea -number(%rax), %ecx
        assert struct.unpack_from("=i", code, at + 2) == (-number,)
        assert code[at + 6 : at + 10] == b"\x67\xe3\x05\xe9"  # jecxz over the jmp
        assert at + 14 + struct.unpack_from("=i", code, at + 10)[0] == otherwise
        load = at + 14
        data = load + 7 + struct.unpack_from("=i", code, load + 3)[0]
        assert data == start + 32
        target = load + 13 + struct.unpack_from("=i", code, load + 9)[0]
        assert struct.unpack_from("=Q", code, target) == (layout.CODE,)
        assert space.site_data(base + data) == (base + SITE + JUMP + 2, number, kind)
        assert space.trampoline(base + start + 5) == base + data


def test_a_page_holds_63(pages: Pages) -> None:
    """Trampolines do not run over the end of their page; then another page is needed."""
    space, base, memory = pages
    space.add_near(base + 4096)
    memory[8192:] = b"\xaa" * 4096
    count = 0
    while space.near_of(base, Fit(b"")) == 0:
        if count == 62:
            assert space.near_of(base, Fit(b"moved", chosen=True)) == -1  # that takes two
        space.patch(base + 16 * count, layout.NR_OPEN, Fit(b""))
        count += 1
    assert count == 63
    assert memory[8192:] == b"\xaa" * 4096
    space.add_near(base + 8192)
    assert space.near_of(base, Fit(b"")) == 1


def test_too_far(pages: Pages) -> None:
    """A page that a jump does not reach is none."""
    space, base, _ = pages
    space.add_near(base + 4096)
    assert space.near_of(base + (1 << 31), Fit(b"")) == space.near_of(base - (1 << 31), Fit(b"")) == -1


def test_a_copy_is_its_own() -> None:
    """What is patched after a fork is so in one of the two only."""
    space = Space(1, 1)
    space.sites.add(5)
    space.watched = 3
    child = space.copy(2, 2)
    child.sites.add(6)
    assert space.sites == {5}
    assert (child.pid, child.process, child.watched, child.guests) == (2, 2, 3, 0)


def test_few_are_open_at_once(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are: one that has not been used for long is opened anew when it is."""
    _, base, memory = pages
    monkeypatch.setattr("shark.recorder.space._MOST", 3)
    before = len(os.listdir("/proc/self/fd"))
    spaces = [Space(os.getpid(), n) for n in range(10)]
    for space in spaces:
        space.write(base, bytes([space.process]))
        assert len(os.listdir("/proc/self/fd")) <= before + 3
    assert spaces[0].read(base, 1) == spaces[9].read(base, 1) == b"\x09" == memory[:1]
    for space in spaces:
        space.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_descriptor_is_left(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then another one's memory is closed; without any, that is said."""
    first, base, memory = pages
    memory[0] = 7
    first.read(base, 1)
    really = os.open

    def open_or_not(path: str, flags: int) -> int:
        if len(os.listdir("/proc/self/fd")) >= most:
            raise OSError(errno.EMFILE, "too many")
        return really(path, flags)

    most = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, "open", open_or_not)
    second = Space(os.getpid(), 2)
    assert second.read(base, 1) == b"\x07"
    second.close()
    most -= 1
    with pytest.raises(OSError, match="too many"):
        Space(os.getpid(), 3).read(base, 1)
    with pytest.raises(ProcessLookupError):
        second.read(base, 1)  # it was closed for good
