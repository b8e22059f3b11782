"""Registers: the few that shark changes, by machine (<asm/ptrace.h>, <sys/user.h>)."""

from __future__ import annotations

import ctypes
import errno
import struct

from shark.capture import kernel

_I386_SIZE = 17 * 4  # struct user_regs_struct32
_AMD64_SIZE = 27 * 8  # struct user_regs_struct; rax, the result, is word 10
_ERESTARTNOHAND = 514
_NOT_RESTARTED = frozenset(
    {
        *(0, 19, 327, 45, 47, 299, 43, 288),  # read, readv, preadv2, recvfrom, recvmsg, recvmmsg, accept, accept4
        *(1, 20, 328, 44, 46, 307, 40, 275, 42),  # write, writev, pwritev2, sendto, sendmsg, sendmmsg, sendfile, splice
        *(65, 220, 128, 208, 333, 232, 281, 441, 426),  # semop … epoll_pwait2, io_uring_enter
        285,  # fallocate, of a file in memory: it gives back what it had taken
    }
)
"""Of x86-64: the first two rows with a time limit (the last of the second is connect); then semop, semtimedop,
rt_sigtimedwait, io_getevents, io_pgetevents, epoll_wait, epoll_pwait, epoll_pwait2, io_uring_enter."""
_GETRANDOM = 318
_MOST = 0x7FFFF000  # bytes that a call transfers (MAX_RW_COUNT)
_AARCH64_NUMBER = 8  # x8


class Machine:
    """Where a call's number and first argument lie in the general registers (NT_PRSTATUS), in 64-bit words."""

    def __init__(self, name: str) -> None:
        # x86-64: struct user_regs_struct, orig_rax is word 15, rdi word 14. aarch64: x0 is word 0; the number is a
        # register set of its own (NT_ARM_SYSTEM_CALL).
        self._first = {"x86_64": 14, "aarch64": 0}[name]
        self._number = {"x86_64": 15}.get(name)
        self._registers = ctypes.create_string_buffer(512)
        self._vector = (ctypes.c_size_t * 2)(ctypes.addressof(self._registers), len(self._registers))

    def call_in_progress(self, tid: int) -> tuple[int, int]:
        """Number and first argument of the call that a thread is stopped in; (-1, 0) when it is gone.

        Of a 32-bit process the kernel gives its own, shorter register set: ebx is word 0, orig_eax word 11.
        """
        size = self._read(tid)
        if size < 0:
            return -1, 0
        if size == _I386_SIZE and self._number is not None:
            return struct.unpack_from("=I", self._registers, 44)[0], struct.unpack_from("=I", self._registers)[0]
        number = _AARCH64_NUMBER if self._number is None else self._number
        words = struct.unpack_from("=32Q" if self._number is None else "=27Q", self._registers)
        return words[number] & 0xFFFFFFFF, words[self._first]

    def _read(self, tid: int) -> int:
        """Fetch the general registers; their size in bytes, or -1."""
        self._vector[1] = len(self._registers)
        try:
            kernel.request(kernel.PTRACE_GETREGSET, tid, kernel.NT_PRSTATUS, ctypes.addressof(self._vector))
        except kernel.Failed:
            return -1
        return self._vector[1]

    def set_first_argument(self, tid: int, value: int) -> bool:
        """Change the first argument of a call that is about to begin, or restore it; False when the thread is gone."""
        return self._set(tid, kernel.NT_PRSTATUS, self._first, value)

    def skip_call(self, tid: int) -> bool:
        """Turn the call that is about to begin into none: it returns -ENOSYS."""
        if self._number is None:
            return self._set_system_call(tid)
        return self._set(tid, kernel.NT_PRSTATUS, self._number, 0xFFFFFFFFFFFFFFFF)

    def resume_interrupted(self, tid: int) -> None:
        """Let a waiting call go on that our own interruption has ended with EINTR.

        Most calls begin again by themselves; these never do (signal(7)), and a program may take EINTR for a signal that
        it was sent. With ERESTARTNOHAND for a result the kernel begins them again, unless there is a handler to run:
        then it is EINTR after all. Only x86-64 looks at the result that late (the kernel's arch_do_signal_or_restart).
        """
        if self._number is None or self._read(tid) != _AMD64_SIZE:
            return
        (result,) = struct.unpack_from("=q", self._registers, 8 * 10)
        (number,) = struct.unpack_from("=Q", self._registers, 8 * self._number)
        (second,) = struct.unpack_from("=Q", self._registers, 8 * 13)
        ended = result == -errno.EINTR and number in _NOT_RESTARTED
        # Of a long getrandom only a part has come: it may begin again, since any bytes are as good.
        if ended or (number == _GETRANDOM and 0 < result < min(second, _MOST)):
            self._set(tid, kernel.NT_PRSTATUS, 10, -_ERESTARTNOHAND & 0xFFFFFFFFFFFFFFFF)

    def _set(self, tid: int, kind: int, word: int, value: int) -> bool:
        self._vector[1] = len(self._registers)
        vector = ctypes.addressof(self._vector)
        try:
            kernel.request(kernel.PTRACE_GETREGSET, tid, kind, vector)
            struct.pack_into("=Q", self._registers, 8 * word, value)
            kernel.request(kernel.PTRACE_SETREGSET, tid, kind, vector)
        except kernel.Failed:
            return False
        return True

    def _set_system_call(self, tid: int) -> bool:
        number = ctypes.c_int(-1)
        vector = (ctypes.c_size_t * 2)(ctypes.addressof(number), 4)
        nt_arm_system_call = 0x404
        try:
            kernel.request(kernel.PTRACE_SETREGSET, tid, nt_arm_system_call, ctypes.addressof(vector))
        except kernel.Failed:
            return False
        return True
