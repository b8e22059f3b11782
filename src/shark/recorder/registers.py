"""The general registers of an x86-64 thread, all at once (struct user_regs_struct of <sys/user.h>)."""

from __future__ import annotations

import ctypes
import struct

from shark.capture import kernel
from shark.tuples import NamedTuple

_SIZE = 27 * 8
_STRUCT = struct.Struct("=27Q")
_buffer = ctypes.create_string_buffer(512)
_vector = (ctypes.c_size_t * 2)(ctypes.addressof(_buffer), _SIZE)
_vector_address = ctypes.addressof(_vector)
_MASK = (1 << 64) - 1


class Registers(NamedTuple):
    """In the kernel's order. Changed with _replace; results of calls are unsigned words."""

    r15: int
    r14: int
    r13: int
    r12: int
    rbp: int
    rbx: int
    r11: int
    r10: int
    r9: int
    r8: int
    rax: int
    rcx: int
    rdx: int
    rsi: int
    rdi: int
    orig_rax: int
    rip: int
    cs: int
    eflags: int
    rsp: int
    ss: int
    fs_base: int
    gs_base: int
    ds: int
    es: int
    fs: int
    gs: int


NONE = _MASK
"""orig_rax outside of a system call."""


def fetch(tid: int) -> Registers | None:
    """The registers of a stopped thread; None when it is gone, or runs 32-bit code."""
    _vector[1] = len(_buffer)
    try:
        kernel.request(kernel.PTRACE_GETREGSET, tid, kernel.NT_PRSTATUS, _vector_address)
    except kernel.Failed:
        return None
    if _vector[1] != _SIZE:
        return None
    return Registers(*_STRUCT.unpack_from(_buffer))


def store(tid: int, registers: Registers) -> bool:
    """Set them; False when the thread is gone."""
    _STRUCT.pack_into(_buffer, 0, *(value & _MASK for value in registers))
    _vector[1] = _SIZE
    try:
        kernel.request(kernel.PTRACE_SETREGSET, tid, kernel.NT_PRSTATUS, _vector_address)
    except kernel.Failed:
        return False
    return True


def signed(value: int) -> int:
    """A register as a signed number: results below 0 are -errno."""
    return value - (1 << 64) if value >> 63 else value
