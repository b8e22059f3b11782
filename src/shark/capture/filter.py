"""The seccomp filter: made from the table, so that only the calls in it stop the process.

It branches on the audit architecture first, then finds the number by binary search, then tests the argument that a row
has a condition on (seccomp(2), <linux/filter.h>). Calls that never stop are answered by the kernel from a bitmap,
without running the filter at all (Linux 5.11).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from shark.capture.abi import AUDIT_X86_64, LET_THROUGH, OPENAT, X32_BIT, Convention
from shark.capture.table import Condition
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
JUMP: Final = 0x05  # BPF_JMP | BPF_JA
JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
JUMP_GREATER_EQUAL: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
RETURN: Final = 0x06  # BPF_RET | BPF_K

ALLOW: Final = 0x7FFF0000
TRACE: Final = 0x7FF00000
ENOSYS: Final = 0x00050000 | 38  # SECCOMP_RET_ERRNO | ENOSYS

_NUMBER = 0  # offsets in struct seccomp_data
_ARCH = 4
_POINTER = 8  # of the instruction behind the call
_ARGUMENTS = 16


class Instruction(NamedTuple):
    """One struct sock_filter: operation, jump distances if true and if false, operand."""

    code: int
    true: int
    false: int
    operand: int


Rule = tuple[int, int, Condition | None, bool]
"""(number, what to return, on what condition, whether the recorder's page is let through)."""

_OPEN, _MMAP = 2, 9  # of x86-64


_RECORDED = frozenset({"open", "map"})
"""Operations that the recorder's code may make without a stop (shark.recorder)."""


def compile_filter(
    conventions: Iterable[Convention], *, deny_io_uring: bool = False, let_through: bool = False
) -> bytes:
    """The filter for a machine's conventions, as the array of struct sock_filter that the kernel takes.

    `let_through`: what hot processes record themselves does not stop.
    """
    program = [Instruction(LOAD, 0, 0, _ARCH)]
    for convention in conventions:
        body = _convention_body(convention, deny_io_uring=deny_io_uring, let_through=let_through)
        # A conditional jump reaches 255 instructions, an unconditional one any.
        program += [Instruction(JUMP_EQUAL, 1, 0, convention.audit), Instruction(JUMP, 0, 0, len(body)), *body]
    program.append(Instruction(RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _convention_body(convention: Convention, *, deny_io_uring: bool, let_through: bool) -> list[Instruction]:
    let_through = let_through and convention.audit == AUDIT_X86_64
    rules: list[Rule] = sorted(
        (
            number,
            ENOSYS if deny_io_uring and row.operation == "io_uring" else TRACE,
            row.condition,
            let_through and row.operation in _RECORDED and number in (_OPEN, _MMAP, OPENAT),
        )
        for number, row in convention.rows.items()
        if number < X32_BIT
    )
    body = [Instruction(LOAD, 0, 0, _NUMBER)]
    if convention.audit == AUDIT_X86_64:
        # Any x32 number counts as traced: the decoder sorts them out, and hardly anything uses them.
        body += [Instruction(JUMP_GREATER_EQUAL, 0, 1, X32_BIT), Instruction(RETURN, 0, 0, TRACE)]
    return body + _search(rules)


def _search(rules: list[Rule]) -> list[Instruction]:
    """Binary search for the loaded number; what is not found is allowed."""
    if len(rules) == 1:
        number, action, condition, let_through = rules[0]
        hit = _action(action, condition)
        if let_through:
            hit = [*_unless_from(LET_THROUGH, len(hit)), *hit]
        return [Instruction(JUMP_EQUAL, 0, len(hit), number), *hit, Instruction(RETURN, 0, 0, ALLOW)]
    middle = len(rules) // 2
    low, high = _search(rules[:middle]), _search(rules[middle:])
    return [Instruction(JUMP_GREATER_EQUAL, 0, 1, rules[middle][0]), Instruction(JUMP, 0, 0, len(low)), *low, *high]


def _unless_from(page: int, skip: int) -> list[Instruction]:
    """Go over the next `skip` instructions, to where a call is allowed, if it is made from this page."""
    return [
        Instruction(LOAD, 0, 0, _POINTER + 4),
        Instruction(JUMP_EQUAL, 0, 3, page >> 32),
        Instruction(LOAD, 0, 0, _POINTER),
        Instruction(AND, 0, 0, 0xFFFFF000),
        Instruction(JUMP_EQUAL, skip, 0, page & 0xFFFFFFFF),
    ]


def _action(action: int, condition: Condition | None) -> list[Instruction]:
    if condition is None:
        return [Instruction(RETURN, 0, 0, action)]
    then = _action(action, condition.also)
    # The low half of a 64-bit argument comes first on every little-endian machine, and both of ours are.
    return [
        Instruction(LOAD, 0, 0, _ARGUMENTS + 8 * condition.argument),
        Instruction(AND, 0, 0, condition.mask),
        Instruction(JUMP_EQUAL, 0, len(then), condition.value),
        *then,
        *([] if condition.otherwise is None else _action(action, condition.otherwise)),
    ]
