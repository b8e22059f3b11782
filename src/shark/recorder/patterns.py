"""What the instructions in front of a `syscall` may look like where a jump can take the place of the last of them.

That one is exactly as long as the jump (5 bytes): so no thread can stand, and no branch can lead, into the middle of
what is replaced. It must do the same anywhere, as it is moved into the trampoline. The `syscall` itself stays: who
reaches it by another way makes a plain call.
"""

from __future__ import annotations

import struct

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

JUMP: Final = 5
"""The length of `jmp rel32`."""

SYSCALL: Final = b"\x0f\x05"


class Pattern(NamedTuple):
    """The bytes in front of a `syscall`; `NUMBER` stands for the call's number. `moved`: the last instruction must be
    executed in the trampoline; else it is the one that loads the number, which the recorder's code does itself.
    """

    code: bytes
    moved: bool

    def for_call(self, number: int) -> bytes:
        """The bytes with the number of a call in them."""
        return self.code.replace(_NUMBER, struct.pack("=I", number))


_NUMBER: Final = b"NUMB"

PATTERNS: Final = (
    # mov $number, %eax: most of glibc's and musl's inlined calls.
    Pattern(b"\xb8" + _NUMBER, moved=False),
    # mov $number, %eax; mov %rdi, %rsi; mov $AT_FDCWD, %edi: glibc's open without cancellation, and the loader's.
    Pattern(b"\xb8" + _NUMBER + b"\x48\x89\xfe\xbf\x9c\xff\xff\xff", moved=True),
)

LONGEST: Final = max(len(pattern.code) for pattern in PATTERNS)
"""So many bytes in front of a `syscall` decide."""


def moved_by(code: bytes, number: int) -> bytes | None:
    """What a trampoline has to execute for a `syscall` behind `code`, which makes the call `number`; None where no jump
    can be put.

    >>> moved_by(bytes.fromhex("90b801010000"), 257)
    b''
    >>> moved_by(bytes.fromhex("b8010100004889febf9cffffff"), 257).hex()
    'bf9cffffff'
    >>> moved_by(bytes.fromhex("4889c890"), 257) is None
    True
    """
    for pattern in PATTERNS:
        if code.endswith(pattern.for_call(number)):
            return code[-JUMP:] if pattern.moved else b""
    return None
