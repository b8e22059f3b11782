"""Run ids: UUIDs of version 7 (RFC 9562, 5.7), whose text sorts by the time at which they were made. Pure."""

from __future__ import annotations

import time

_DIGITS = frozenset("0123456789abcdef")
_GROUPS = [8, 4, 4, 4, 12]


def uuid7(now_ns: int, random: bytes) -> str:
    """Make a run id from the wall clock (`now_ns`, nanoseconds since the epoch) and at least 8 random bytes.

    The 12 bits after the milliseconds hold their fraction (RFC 9562, 6.2, method 3), so that ids made within one
    millisecond sort as well.

    >>> uuid7(1_645_557_742_000_500_000, bytes(8))
    '017f22e2-79b0-7800-8000-000000000000'
    """
    milliseconds, rest = divmod(now_ns, 1_000_000)
    fraction = rest * 4096 // 1_000_000
    tail = int.from_bytes(random[:8], "big") & ((1 << 62) - 1)
    number = (milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | tail
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_run_id(text: str) -> bool:
    """Tell whether `text` is a run id: a version 7 UUID in lower case."""
    groups = text.split("-")
    if [len(group) for group in groups] != _GROUPS or not _DIGITS.issuperset("".join(groups)):
        return False
    return groups[2][0] == "7" and groups[3][0] in "89ab"


def made_at(run: str) -> int:
    """Give the time in a run id, in milliseconds since the epoch."""
    return int(run[:8] + run[9:13], 16)


def day_of(run: str) -> str:
    """Give the folder of a run's record below `runs`: the UTC date of its id.

    >>> day_of("017f22e2-79b0-7800-8000-000000000000")
    '2022/02/22'
    """
    return time.strftime("%Y/%m/%d", time.gmtime(made_at(run) / 1000))
