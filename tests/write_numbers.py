"""Writes src/shark/capture/numbers.py, after a row was added to the table: `python tests/write_numbers.py`.

The numbers are python-ptrace's, which tells them for many machines; importing it in every run would cost more than a
tenth of the start. tests/unit/capture/test_numbers.py keeps the file equal to what is made here.
"""

from __future__ import annotations

from pathlib import Path

from ptrace.syscall.linux import aarch64, i386, x86_64

from shark.capture.table import ROWS

_PTRACE = {"x86_64": x86_64, "i386": i386, "aarch64": aarch64}

_NEWER: dict[str, dict[int, str]] = {
    "x86_64": {425: "io_uring_setup", 435: "clone3", 437: "openat2", 438: "pidfd_getfd"},
    "i386": {
        90: "old_mmap",
        192: "mmap2",
        284: "waitid",
        313: "splice",
        315: "tee",
        316: "vmsplice",
        320: "utimensat",
        337: "recvmmsg",
        338: "fanotify_init",
        342: "open_by_handle_at",
        346: "setns",
        353: "renameat2",
        354: "seccomp",
        356: "memfd_create",
        358: "execveat",
        347: "process_vm_readv",
        348: "process_vm_writev",
        359: "socket",
        360: "socketpair",
        361: "bind",
        362: "connect",
        364: "accept4",
        372: "recvmsg",
        397: "shmat",
        400: "msgsnd",
        401: "msgrcv",
        412: "utimensat_time64",
        417: "recvmmsg_time64",
        425: "io_uring_setup",
        435: "clone3",
        437: "openat2",
        438: "pidfd_getfd",
    },
    "aarch64": {425: "io_uring_setup", 435: "clone3", 437: "openat2", 438: "pidfd_getfd"},
}
"""What python-ptrace's tables may be too old for (arch/*/syscalls/*.tbl)."""

_X32_RANGE = range(512, 548)
"""Numbers that exist only with the bit of x32 calls, although python-ptrace lists them without; abi.py knows them."""

_HEAD = '''"""The numbers of the traced system calls, by machine. Written by tests/write_numbers.py: do not edit.

Those of python-ptrace's tables, and newer ones (the kernel's arch/*/syscalls/*.tbl).
"""

from __future__ import annotations

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

NUMBERS: Final[dict[str, dict[int, str]]] = {
'''

FILE = Path(__file__).parent.parent / "src" / "shark" / "capture" / "numbers.py"


def text() -> str:
    """What the module ought to be."""
    parts = [_HEAD]
    for machine, names in _PTRACE.items():
        numbers = {**names.SYSCALL_NAMES, **_NEWER[machine]}
        traced = sorted(number for number, name in numbers.items() if name in ROWS)
        if machine == "x86_64":
            traced = [number for number in traced if number not in _X32_RANGE]
        rows = "".join(f'        {number}: "{numbers[number]}",\n' for number in traced)
        parts.append(f'    "{machine}": {{\n{rows}    }},\n')
    return "".join([*parts, "}\n"])


if __name__ == "__main__":
    FILE.write_text(text())
