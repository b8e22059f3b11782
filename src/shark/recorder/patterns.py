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


class Fit(NamedTuple):
    """How a jump takes the place of the last instruction in front of a `syscall`: `moved` is to be executed in the
    trampoline (b"" for the load of the number, which the recorder's code does itself). `chosen`: the number is the
    caller's choice, so that all kinds of calls come here.
    """

    moved: bytes
    chosen: bool = False


class Pattern(NamedTuple):
    """The bytes in front of a `syscall`; `NUMBER` stands for the call's number. See Fit for the rest."""

    code: bytes
    moved: bool
    chosen: bool = False

    def for_call(self, number: int) -> bytes:
        """The bytes with the number of a call in them."""
        return self.code.replace(_NUMBER, struct.pack("=I", number))

    def fit(self, code: bytes) -> Fit:
        """For code that ends like this."""
        return Fit(code[-JUMP:] if self.moved else b"", self.chosen)


_NUMBER: Final = b"NUMB"

PATTERNS: Final = (
    # mov $number, %eax: most of glibc's and musl's inlined calls.
    Pattern(b"\xb8" + _NUMBER, moved=False),
    # mov $number, %eax; mov %rdi, %rsi; mov $AT_FDCWD, %edi: glibc's open without cancellation, and the loader's.
    Pattern(b"\xb8" + _NUMBER + b"\x48\x89\xfe\xbf\x9c\xff\xff\xff", moved=True),
    # mov 8(%rsp), %r8; mov 16(%rsp), %r9; mov %r11, 8(%rsp): every cancellable call of musl. A glibc from
    # 2.41 on, whose wrapper for threads is said to be alike, was not at hand: where it differs, its calls stop.
    Pattern(bytes.fromhex("4c8b442408 4c8b4c2410 4c895c2408"), moved=True, chosen=True),
    # mov %r8, %r10; mov %r9, %r8; mov 8(%rsp), %r9: the function syscall() of glibc.
    Pattern(bytes.fromhex("4d89c2 4d89c8 4c8b4c2408"), moved=True, chosen=True),
)

LONGEST: Final = max(len(pattern.code) for pattern in PATTERNS)
"""So many bytes in front of a `syscall` decide."""


def fit_of(code: bytes, number: int) -> Fit | None:
    """How a jump fits in front of a `syscall` behind `code`, which makes the call `number`; None where it does not.

    >>> fit_of(bytes.fromhex("90b801010000"), 257)
    Fit(moved=b'', chosen=False)
    >>> fit_of(bytes.fromhex("b8010100004889febf9cffffff"), 257).moved.hex()
    'bf9cffffff'
    >>> fit_of(bytes.fromhex("4889c890"), 257) is None
    True
    """
    for pattern in PATTERNS:
        if code.endswith(pattern.for_call(number)):
            return pattern.fit(code)
    return None
