"""The seccomp filter, run instruction by instruction as the kernel would (<linux/filter.h>, seccomp(2))."""

from __future__ import annotations

import struct
from functools import cache

import pytest

from shark.capture import filter as bpf
from shark.capture.abi import X32_BIT, Convention, conventions
from shark.capture.table import Condition, Row

MACHINES = ("x86_64", "aarch64")
NUMBERS = (*range(1024), 0x3FFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
LIMIT = 4096
"""Instructions of a filter at most (BPF_MAXINSNS)."""


@cache
def program(machine: str, deny: bool = False) -> list[tuple[int, int, int, int]]:
    code = bpf.compile_filter(conventions(machine), deny_io_uring=deny)
    return list(struct.iter_unpack("=HBBI", code))


def run(code: list[tuple[int, int, int, int]], arch: int, number: int, arguments: tuple[int, ...] = (0,) * 6) -> int:
    """What the program returns for a call. Fails on a jump out of it, an unknown instruction or an odd load."""
    data = struct.pack("=IIQ6Q", number, arch, 0, *arguments)
    accumulator = place = 0
    while True:
        operation, true, false, operand = code[place]
        place += 1
        if operation == bpf.RETURN:
            return operand
        if operation == bpf.LOAD:
            assert operand % 4 == 0
            accumulator = struct.unpack_from("=I", data, operand)[0]
        elif operation == bpf.AND:
            accumulator &= operand
        elif operation == bpf.JUMP:
            place += operand
        else:
            holds = {bpf.JUMP_EQUAL: accumulator == operand, bpf.JUMP_GREATER_EQUAL: accumulator >= operand}[operation]
            place += true if holds else false


def satisfying(condition: Condition, *, holds: bool) -> tuple[int, ...]:
    """Arguments for which a condition holds or not; bits that it does not look at are set, upper halves too."""
    value = condition.value if holds else condition.value ^ condition.mask
    others = 0xFFFF_FFFF_FFFF_FFFF & ~condition.mask
    return tuple(value | others if n == condition.argument else 0xFFFF_FFFF_FFFF_FFFF for n in range(6))


@pytest.mark.parametrize(
    ("machine", "convention"), [(m, c) for m in MACHINES for c in conventions(m)], ids=lambda value: str(value)[:24]
)
def test_every_number_of_every_convention(machine: str, convention: Convention) -> None:
    """What is in the table stops, under its condition; nothing else does."""
    code = program(machine)
    for number in NUMBERS:
        row = convention.rows.get(number)
        if machine == "x86_64" and convention.machine == "x86_64" and number >= X32_BIT:
            continue  # see below
        if row is None:
            assert run(code, convention.audit, number) == bpf.ALLOW
        elif row.condition is None:
            assert run(code, convention.audit, number) == bpf.TRACE
        else:
            fits, fails = (satisfying(row.condition, holds=holds) for holds in (True, False))
            assert run(code, convention.audit, number, fits) == bpf.TRACE
            assert run(code, convention.audit, number, fails) == bpf.ALLOW
            assert row.condition.holds(fits)
            assert not row.condition.holds(fails)


@pytest.mark.parametrize("number", [0, 2, 59, 257, 520, 545, 0x3FFFFFFF])
def test_x32_numbers_stop(number: int) -> None:
    """All of them: the decoder sorts them out."""
    native, compatible = conventions("x86_64")
    assert run(program("x86_64"), native.audit, number | X32_BIT) == bpf.TRACE
    assert run(program("x86_64"), compatible.audit, number | X32_BIT) == bpf.ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_an_unknown_architecture_passes(machine: str) -> None:
    """A convention that there is no table for is none of the filter's business."""
    known = {convention.audit for convention in conventions(machine)}
    for arch in {0, 0xFFFFFFFF, 0xC000003E, 0x40000003, 0xC00000B7} - known:
        assert all(run(program(machine), arch, number) == bpf.ALLOW for number in NUMBERS)


@pytest.mark.parametrize("machine", MACHINES)
def test_io_uring_can_be_denied(machine: str) -> None:
    """It gets ENOSYS then; everything else is as before."""
    denying = program(machine, deny=True)
    for convention in conventions(machine):
        for number, row in convention.rows.items():
            if number < X32_BIT and row.condition is None:
                expected = bpf.ENOSYS if row.operation == "io_uring" else bpf.TRACE
                assert run(denying, convention.audit, number) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_the_kernel_would_take_it(machine: str) -> None:
    """Distances fit into their bytes, every path ends in a return, and no path is long."""
    code = program(machine)
    assert len(code) <= LIMIT
    assert all(0 <= true <= 255 and 0 <= false <= 255 for _, true, false, _ in code)
    assert code[-1][0] == bpf.RETURN
    for place, (operation, true, false, operand) in enumerate(code[:-1]):
        if operation == bpf.JUMP:
            assert place + 1 + operand < len(code)
        elif operation in (bpf.JUMP_EQUAL, bpf.JUMP_GREATER_EQUAL):
            assert place + 1 + max(true, false) < len(code)


def test_a_large_table_needs_no_long_jumps() -> None:
    """Where a half of the search is longer than a conditional jump reaches, an unconditional one bridges it."""
    condition = Condition(2, 0xFF, 0x01)
    rows = {number: Row("open", lambda a: a, condition) for number in range(0, 2000, 2)}
    convention = Convention("x", 0xC00000B7, 8, rows, {})
    code = list(struct.iter_unpack("=HBBI", bpf.compile_filter([convention])))
    assert all(true <= 255 and false <= 255 for _, true, false, _ in code)
    for number in range(2002):
        traced = number in rows
        assert (run(code, convention.audit, number, (0, 0, 1, 0, 0, 0)) == bpf.TRACE) is traced
        assert run(code, convention.audit, number, (0, 0, 2, 0, 0, 0)) == bpf.ALLOW


@pytest.mark.parametrize(("request_", "stops"), [(0x9409, True), (0x4C00, True), (0x4C0A, True), (0x5401, False)])
def test_an_alternative_condition(request_: int, stops: bool) -> None:
    """The filter tests the second condition where the first does not hold."""
    convention = conventions("x86_64")[0]
    answer = run(program("x86_64"), convention.audit, convention.numbers["ioctl"], (3, request_, 0, 0, 0, 0))
    assert answer == (bpf.TRACE if stops else bpf.ALLOW)
