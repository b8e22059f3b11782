"""System call numbers by architecture, and arguments as they come out of the registers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from shark.capture.abi import X32_BIT, conventions
from shark.capture.kernel import AT_FDCWD
from shark.capture.look import signed
from shark.capture.table import ROWS, Row
from shark.errors import SharkError

NATIVE, COMPATIBLE = conventions("x86_64")
(ARM,) = conventions("aarch64")
INCLUDE = Path("/usr/include")


def row(convention, number: int) -> str:
    return convention.rows[number].operation


def test_aarch64_has_no_old_calls() -> None:
    """Its table came late: what has an `at` form has no other."""
    absent = {
        "open",
        "creat",
        "rename",
        "link",
        "symlink",
        "unlink",
        "rmdir",
        "mkdir",
        "mknod",
        "fork",
        "vfork",
        "utime",
    }
    assert not absent & set(ARM.numbers)
    assert "socketcall" not in ARM.numbers


@pytest.mark.parametrize(
    ("name", "x86_64", "i386", "aarch64"),
    [
        ("open", 2, 5, None),
        ("openat", 257, 295, 56),
        ("openat2", 437, 437, 437),
        ("execve", 59, 11, 221),
        ("execveat", 322, 358, 281),
        ("clone", 56, 120, 220),
        ("clone3", 435, 435, 435),
        ("renameat2", 316, 353, 276),
        ("unlinkat", 263, 301, 35),
        ("linkat", 265, 303, 37),
        ("symlinkat", 266, 304, 36),
        ("mkdirat", 258, 296, 34),
        ("mknodat", 259, 297, 33),
        ("truncate", 76, 92, 45),
        ("utimensat", 280, 320, 88),
        ("connect", 42, 362, 203),
        ("recvmsg", 47, 372, 212),
        ("memfd_create", 319, 356, 279),
        ("open_by_handle_at", 304, 342, 265),
        ("pidfd_getfd", 438, 438, 438),
        ("chdir", 80, 12, 49),
        ("seccomp", 317, 354, 277),
        ("io_uring_setup", 425, 425, 425),
    ],
)
def test_numbers(name: str, x86_64: int, i386: int, aarch64: int | None) -> None:
    """From the kernel's own tables."""
    for convention, number in ((NATIVE, x86_64), (COMPATIBLE, i386), (ARM, aarch64)):
        assert convention.numbers.get(name) == number
        if number is not None:
            assert convention.rows[number] is ROWS[name]


@pytest.mark.parametrize(
    ("convention", "header", "offset"),
    [
        (NATIVE, "x86_64-linux-gnu/asm/unistd_64.h", 0),
        (COMPATIBLE, "x86_64-linux-gnu/asm/unistd_32.h", 0),
        (NATIVE, "x86_64-linux-gnu/asm/unistd_x32.h", X32_BIT),
        (ARM, "asm-generic/unistd.h", 0),
    ],
    ids=["x86_64", "i386", "x32", "aarch64"],
)
def test_all_numbers_against_the_headers(convention, header: str, offset: int) -> None:
    """No traced call is missing from a convention that has it, and none has another's number."""
    if not (INCLUDE / header).exists():
        pytest.skip(f"no {header} here")
    text = (INCLUDE / header).read_text()
    numbers = re.findall(r"^#define __NR(?:3264)?_(\w+)\s+\(?(?:__X32_SYSCALL_BIT \+ )?(\d+)\)?$", text, re.MULTILINE)
    only_32_bit = {"recvmmsg_time64", "utimensat_time64"} if convention is ARM else set()
    for official, number in numbers:
        # The first mmap of i386 has one argument, a structure, and is a call of its own here.
        name = "old_mmap" if convention is COMPATIBLE and official == "mmap" else official
        if name in ROWS and name not in only_32_bit:
            assert convention.rows[int(number) | offset] is ROWS[name], name


def test_every_row_is_a_call_somewhere() -> None:
    """A row with a misspelt name would trace nothing."""
    known = {name for convention in (NATIVE, COMPATIBLE, ARM) for name in convention.numbers}
    assert set(ROWS) <= known


def test_x32_numbers_of_their_own() -> None:
    """Calls with pointers in memory have other numbers there."""
    assert [row(NATIVE, number | X32_BIT) for number in (2, 257, 520, 545, 519, 537)] == [
        "open",
        "open",
        "exec",
        "exec",
        "receive",
        "receive_many",
    ]


def test_words_have_the_callers_size() -> None:
    """Structures in memory are read by it."""
    assert (NATIVE.word, COMPATIBLE.word, ARM.word) == (8, 4, 8)


def test_a_machine_without_a_table() -> None:
    """Is refused before anything is started."""
    with pytest.raises(SharkError) as refused:
        conventions("riscv64")
    assert refused.value.exit_code == 125
    assert "x86_64 and aarch64" in refused.value.message


# Registers as they were at the entry of real calls: unused ones hold whatever was in them.
RECORDED = [
    # open("…", O_RDWR|O_CREAT): path, flags, mode
    ("open", (0x7FFD0010, 0x42, 0o644, 0x1, 0x2, 0x3), ("dirfd", 0x7FFD0010, 0x42)),
    ("openat", (0xFFFFFF9C, 0x7FFD0010, 0x80000, 0, 0x5, 0x6), ("dirfd", 0x7FFD0010, 0x80000)),
    ("openat", (0xFFFFFFFFFFFFFF9C, 0x7FFD0010, 0x80000, 0, 0x5, 0x6), ("dirfd", 0x7FFD0010, 0x80000)),
    ("execve", (0x5501, 0x5502, 0x5503, 0x8, 0x9, 0xA), ("dirfd", 0x5501, 0)),
    ("rename", (0x11, 0x22, 0x33, 0x44, 0x55, 0x66), ("dirfd", 0x11, "dirfd", 0x22, 0)),
    ("renameat", (0xFFFFFF9C, 0x11, 0xFFFFFF9C, 0x22, 0x2, 0x66), ("dirfd", 0x11, "dirfd", 0x22, 0)),
    ("renameat2", (0xFFFFFF9C, 0x11, 0xFFFFFF9C, 0x22, 0x2, 0x66), ("dirfd", 0x11, "dirfd", 0x22, 2)),
    ("link", (0x11, 0x22, 0x33, 0x44, 0x400, 0x66), ("dirfd", 0x11, "dirfd", 0x22, 0)),
    ("linkat", (0xFFFFFF9C, 0x11, 0xFFFFFF9C, 0x22, 0x400, 0x66), ("dirfd", 0x11, "dirfd", 0x22, 0x400)),
    ("symlink", (0x11, 0x22, 0x33, 0x44, 0x55, 0x66), (0x11, "dirfd", 0x22)),
    ("symlinkat", (0x11, 0xFFFFFF9C, 0x22, 0x44, 0x55, 0x66), (0x11, "dirfd", 0x22)),
    ("unlink", (0x11, 0x22, 0x33, 0x44, 0x55, 0x66), ("dirfd", 0x11)),
    ("rmdir", (0x11, 0x22, 0x33, 0x44, 0x55, 0x66), ("dirfd", 0x11)),
    ("unlinkat", (0xFFFFFF9C, 0x11, 0x200, 0x44, 0x55, 0x66), ("dirfd", 0x11)),
    ("mkdir", (0x11, 0o755, 0x33, 0x44, 0x55, 0x66), ("dirfd", 0x11)),
    ("mknod", (0x11, 0o100644, 0x33, 0x44, 0x55, 0x66), ("dirfd", 0x11, 0o100644)),
    ("mknodat", (0xFFFFFF9C, 0x11, 0o100644, 0x44, 0x55, 0x66), ("dirfd", 0x11, 0o100644)),
    ("utime", (0x11, 0, 0x33, 0x44, 0x55, 0x66), ("dirfd", 0x11)),
    ("utimensat", (0xFFFFFF9C, 0x11, 0, 0x100, 0x55, 0x66), ("dirfd", 0x11)),
    ("execveat", (0xFFFFFF9C, 0x11, 0x22, 0x33, 0x1000, 0x66), ("dirfd", 0x11, 0x1000)),
]


@pytest.mark.parametrize(
    ("name", "registers", "expected"), RECORDED, ids=[f"{r[0]}-{n}" for n, r in enumerate(RECORDED)]
)
def test_arguments(name: str, registers: tuple[int, ...], expected: tuple[object, ...]) -> None:
    """Every form of a call gives the same arguments, and AT_FDCWD is itself in 32 bits and in 64."""
    found = ROWS[name].arguments(registers)[: len(expected)]
    assert (
        tuple(
            "dirfd" if want == "dirfd" and signed(have) == AT_FDCWD else have
            for have, want in zip(found, expected, strict=True)
        )
        == expected
    )


_CWD64 = 0xFFFF_FFFF_FFFF_FF9C  # AT_FDCWD, sign-extended as that machine's C library passes it


@pytest.mark.parametrize(
    ("number", "registers", "operation", "expected"),
    [
        (56, (_CWD64, 0x7FE0, 0x80000, 0, 0, 0), "open", ("dirfd", 0x7FE0, 0x80000)),
        (437, (_CWD64, 0x7FE0, 0x7FF0, 24, 0, 0), "open2", ("dirfd", 0x7FE0, 0x7FF0)),
        (221, (0x7FE0, 0x7FF0, 0x8000, 0, 0, 0), "exec", ("dirfd", 0x7FE0, 0)),
        (281, (5, 0x7FE0, 0x7FF0, 0x8000, 0x1000, 0), "exec", (5, 0x7FE0, 0x1000)),
        (220, (0x00800011, 0, 0, 0, 0, 0), "clone", (0x00800011,)),
        (38, (_CWD64, 0x7FE0, 4, 0x7FF0, 0, 0), "rename", ("dirfd", 0x7FE0, 4, 0x7FF0, 0)),
        (276, (_CWD64, 0x7FE0, _CWD64, 0x7FF0, 2, 0), "rename", ("dirfd", 0x7FE0, "dirfd", 0x7FF0, 2)),
        (37, (_CWD64, 0x7FE0, _CWD64, 0x7FF0, 0x400, 0), "link", ("dirfd", 0x7FE0, "dirfd", 0x7FF0, 0x400)),
        (36, (0x7FE0, _CWD64, 0x7FF0, 0, 0, 0), "symlink", (0x7FE0, "dirfd", 0x7FF0)),
        (35, (_CWD64, 0x7FE0, 0, 0, 0, 0), "remove", ("dirfd", 0x7FE0)),
        (34, (_CWD64, 0x7FE0, 0o755, 0, 0, 0), "mkdir", ("dirfd", 0x7FE0)),
        (45, (0x7FE0, 7, 0, 0, 0, 0), "truncate", (0x7FE0, 7)),
        (88, (_CWD64, 0x7FE0, 0, 0, 0, 0), "touch", ("dirfd", 0x7FE0)),
        (222, (0, 4096, 3, 1, 6, 0), "map", (0, 4096, 3, 1, 6, 0)),
    ],
)
def test_registers_of_aarch64(
    number: int, registers: tuple[int, ...], operation: str, expected: tuple[object, ...]
) -> None:
    """Numbers and registers as that machine's kernel gives them at an entry stop lead to the right operation."""
    row = ARM.rows[number]
    assert row.operation == operation
    assert row.condition is None or row.condition.holds(registers)
    found = row.arguments(registers)[: len(expected)]
    plain = tuple(
        "dirfd" if want == "dirfd" and signed(have) == AT_FDCWD else have
        for have, want in zip(found, expected, strict=True)
    )
    assert plain == expected


@pytest.mark.parametrize(("value", "expected"), [(3, 3), (0xFFFFFFFF, -1), (0x1_0000_0003, 3), (0xFFFFFF9C, -100)])
def test_descriptors_are_ints(value: int, expected: int) -> None:
    """Only the low half of the register counts, as in the kernel."""
    assert signed(value) == expected


def test_this_machine_is_known() -> None:
    """The default is the machine that the test runs on."""
    assert conventions()[0].machine == os.uname().machine
    assert all(isinstance(entry, Row) for entry in conventions()[0].rows.values())
