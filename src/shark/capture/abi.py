"""Architectures: which numbers the traced system calls have in each calling convention of this machine.

A 64-bit process can issue 32-bit calls (`int $0x80`), so a machine has several conventions at once, told apart by the
audit architecture that the kernel reports with every call (<linux/audit.h>).
"""

from __future__ import annotations

import os
from functools import cache

from shark.capture.numbers import NUMBERS
from shark.capture.table import ROWS, Row
from shark.errors import EXIT_RUN, SharkError
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

AUDIT_X86_64: Final = 0xC000003E
AUDIT_I386: Final = 0x40000003
AUDIT_AARCH64: Final = 0xC00000B7

X32_BIT: Final = 0x40000000
"""Set in the numbers of x32 calls (<asm/unistd.h>); they come with the x86-64 audit architecture."""

CLONE3: Final = 435
"""The number of clone3, the same in every convention."""

OPENAT: Final = 257
"""The number of openat on x86-64."""

LET_THROUGH: Final = 0x70000000
"""The page from which hot processes of x86-64 make calls that do not stop (see shark.recorder)."""

TRAP_MAGIC: Final = 0x6B726168
"""The first argument of an openat2 by which the recorder's code asks for a look."""

_X32_ONLY: Final = {
    520: "execve",
    545: "execveat",
    519: "recvmsg",
    537: "recvmmsg",
    521: "ptrace",
    514: "ioctl",
    529: "waitid",
    532: "vmsplice",
    539: "process_vm_readv",
    540: "process_vm_writev",
    543: "io_setup",
}
"""x32 calls whose numbers differ from x86-64's (arch/x86/entry/syscalls/syscall_64.tbl)."""


class Convention(NamedTuple):
    """One way of making system calls: traced numbers, and the size in bytes of a pointer in the caller's memory."""

    machine: str
    audit: int
    word: int
    rows: dict[int, Row]
    numbers: dict[str, int]


def _convention(machine: str, audit: int, word: int) -> Convention:
    names = NUMBERS[machine]
    rows = {number: ROWS[name] for number, name in names.items()}
    numbers = {name: number for number, name in names.items()}
    if machine == "x86_64":
        rows.update({number | X32_BIT: row for number, row in tuple(rows.items())})
        rows.update({number | X32_BIT: ROWS[name] for number, name in _X32_ONLY.items()})
    return Convention(machine, audit, word, rows, numbers)


@cache
def conventions(machine: str = "") -> tuple[Convention, ...]:
    """The calling conventions of a machine (as os.uname names it; this one by default), its own first.

    Raises SharkError on a machine that shark has no table for.
    """
    machine = machine or os.uname().machine
    if machine == "x86_64":
        return _convention("x86_64", AUDIT_X86_64, 8), _convention("i386", AUDIT_I386, 4)
    if machine == "aarch64":
        return (_convention("aarch64", AUDIT_AARCH64, 8),)
    raise SharkError(
        f"shark cannot trace on {machine}: it knows the system calls of x86_64 and aarch64",
        "CONTRIBUTING.md tells how to add a machine.",
        EXIT_RUN,
    )
