"""Bringing the recorder into a process that stands at the entry of an open, by calls that it makes itself.

Two calls of its own stop it: an mmap in place of the open, which gives a page for the code, and the trap at the end of
what that code then does (open the ring, map it, map a page for trampolines). Nothing of it is seen by the program: its
registers are put back, no descriptor stays, it has only the one thread, which is here, and signals wait meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
from collections.abc import Iterator

from shark.capture import kernel
from shark.capture.stops import SECCOMP_STATUS, SYSCALL_STATUS
from shark.capture.waiting import wait_for
from shark.recorder import layout, registers
from shark.recorder.native import Native
from shark.recorder.registers import NONE, Registers
from shark.recorder.space import Space
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

_STOPPED: Final = signal.SIGSTOP << 8 | 0x7F
_NOTIFIED: Final = (signal.SIGTRAP | kernel.PTRACE_EVENT_STOP << 8) << 8 | 0x7F
_PRIVATE: Final = 0x22  # MAP_PRIVATE | MAP_ANONYMOUS
_NOREPLACE: Final = 0x100000
_RX: Final = 5
_NEAR_ENOUGH: Final = 0x40000000
_LEAST: Final = 0x10000
_MARGINS: Final = (0x1000000, 0x210000, _LEAST)
"""How far below a mapping a page is put, best first. What lies above may grow downwards (MAP_GROWSDOWN), and the kernel
keeps 1 MB free below that (stack_guard_gap): the last is for where there is no more room."""


class Region(NamedTuple):
    """One line of /proc/PID/maps: what of which file is mapped where."""

    start: int
    end: int
    offset: int
    device: bytes
    inode: int
    executable: bool
    shared: bool
    name: bytes


class Went(Exception):
    """The thread did something else than was asked of it: it is ending. `status` is what waitpid told."""

    def __init__(self, status: int) -> None:
        super().__init__(f"a wait status of {status:#x}")
        self.status = status


def maps(pid: int) -> list[Region]:
    """The mappings of a process (proc(5)). Raises OSError."""
    with open(f"/proc/{pid}/maps", "rb") as file:
        text = file.read()
    found = []
    for line in text.splitlines():
        words = line.split(None, 5)
        start, end = words[0].split(b"-")
        name = words[5] if len(words) > 5 else b""
        found.append(
            Region(
                *(int(start, 16), int(end, 16), int(words[2], 16), words[3], int(words[4])),
                *(b"x" in words[1], b"s" in words[1], name),
            )
        )
    return found


def may_have(pid: int) -> bool:
    """Whether a process has room for the recorder: its address space must not be limited (RLIMIT_AS)."""
    try:
        return resource.prlimit(pid, resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
    except OSError:
        return False


def may_be_patched(address: int, regions: list[Region]) -> bool:
    """Whether there is a process's own copy of a file's code: not the file itself, nor what a program has written.

    Such code can be moved by the program, and the jump in it would then lead elsewhere.
    """
    return any(region.start <= address < region.end and region.inode and not region.shared for region in regions)


def place_near(site: int, regions: list[Region]) -> int:
    """An unused address that a jump from `site` reaches, below something that is mapped; 0 if there is none."""
    return next((near for margin in _MARGINS if (near := _nearest(site, regions, margin))), 0)


def _nearest(site: int, regions: list[Region], margin: int) -> int:
    best, distance = 0, _NEAR_ENOUGH
    end = _LEAST
    for region in regions:
        candidate = region.start - margin
        if candidate - end >= _LEAST and region.name != b"[stack]" and abs(candidate - site) < distance:
            best, distance = candidate, abs(candidate - site)
        end = max(end, region.end)
    return best


@contextlib.contextmanager
def undisturbed(tid: int) -> Iterator[None]:
    """Have a thread that is made to do something take no signals. Raises Went."""
    try:
        before = kernel.blocked_signals(tid)
        kernel.block_signals(tid, (1 << 64) - 1)
    except kernel.Failed:
        raise Went(0) from None
    yield
    # Not after Went: then it is ending.
    with contextlib.suppress(kernel.Failed):
        kernel.block_signals(tid, before)


def _wait_through(tid: int) -> int:
    """The next wait status of a running thread but for two that nothing blocks.

    A SIGSTOP is sent again afterwards. A SIGCONT makes a seized thread trap, also when it was not stopped (ptrace(2),
    PTRACE_EVENT_STOP): it just goes on.
    """
    stopped = False
    while (status := wait_for(tid)) in (_STOPPED, _NOTIFIED):
        stopped = stopped or status == _STOPPED
        kernel.resume(kernel.PTRACE_CONT, tid)
    if stopped and not _is_continued(tid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(tid, signal.SIGSTOP)  # it stands still: this is delivered when it is done
    return status


def _is_continued(tid: int) -> bool:
    """Whether a SIGCONT waits for a thread that takes no signals now: a SIGSTOP sent anew would take it back."""
    with contextlib.suppress(OSError), open(f"/proc/{tid}/status", "rb") as status:
        for line in status:
            if line.startswith((b"SigPnd:", b"ShdPnd:")) and int(line[7:], 16) >> signal.SIGCONT - 1 & 1:
                return True
    return False


def inject(tid: int, at: Registers, space: Space, ring: str, native: Native, near: int) -> str:
    """Bring the recorder into the process of thread `tid`, which stands at a seccomp stop with registers `at`.

    Returns "" if it is there, else why not. In either case the thread stands behind a call that does nothing, and its
    registers are still to be set. Raises Went.
    """
    code = _call(tid, at, layout.NR_MMAP, layout.CODE, 0x2000, _RX, _PRIVATE | _NOREPLACE, (1 << 64) - 1, 0)
    if code != layout.CODE:
        return f"no room for the code (mmap gave {registers.signed(code)})"
    try:
        path = layout.CODE + len(native.stub)
        space.write(layout.CODE, native.stub + os.fsencode(ring) + b"\0")
        space.describe()
    except OSError as problem:
        return str(problem)
    begin = at._replace(
        rip=layout.CODE + native.injection, rdi=path, r12=near, r13=_PRIVATE | _NOREPLACE, orig_rax=NONE
    )
    if not registers.store(tid, begin):
        raise Went(0)
    kernel.resume(kernel.PTRACE_CONT, tid)
    status = _wait_through(tid)
    after = registers.fetch(tid) if status == SECCOMP_STATUS else None
    if after is None or after.rdi != layout.INJECTED_MAGIC:
        raise Went(status)
    if registers.signed(after.r14) < 0 or after.r15 != layout.RING or after.r12 != near or after.r13:
        given = [registers.signed(word) for word in (after.r14, after.r15, after.r12, after.r13)]
        return f"the ring could not be mapped (open, mmap, mmap, madvise gave {given})"
    space.add_near(near)
    return ""


def add_page(tid: int, at: Registers, space: Space, near: int) -> bool:
    """Map a further page for trampolines; the thread stands as for `inject`, and the same afterwards. Raises Went."""
    if _call(tid, at, layout.NR_MMAP, near, 4096, _RX, _PRIVATE | _NOREPLACE, (1 << 64) - 1, 0) != near:
        return False
    space.add_near(near)
    return True


def _call(tid: int, at: Registers, number: int, *arguments: int) -> int:
    """Have the thread make another call than the one at whose entry it stands; returns the result."""
    first, second, third, fourth, fifth, sixth = arguments
    changed = at._replace(orig_rax=number, rdi=first, rsi=second, rdx=third, r10=fourth, r8=fifth, r9=sixth)
    if not registers.store(tid, changed):
        raise Went(0)
    kernel.resume(kernel.PTRACE_SYSCALL, tid)
    status = wait_for(tid)
    after = registers.fetch(tid) if status == SYSCALL_STATUS else None
    if after is None:
        raise Went(status)
    return after.rax
