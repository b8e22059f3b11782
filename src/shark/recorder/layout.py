"""Where things lie in a hot process, in the ring and in its slots: layout.h in Python (a test compares the two)."""

from __future__ import annotations

from shark.capture import abi
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

CODE: Final = abi.LET_THROUGH
PAGE: Final = 0x70001000
RING: Final = 0x70010000

RING_CLOCK: Final = 128
RING_OFF: Final = 192
RING_SLOTS: Final = 4096

SLOTS: Final = 2048
SLOT_SIZE: Final = 1024
RING_AREAS: Final = RING_SLOTS + SLOTS * SLOT_SIZE
AREAS: Final = 64
AREA_SIZE: Final = 4096
RING_SIZE: Final = RING_AREAS + AREAS * AREA_SIZE

STATE: Final = 0
PROCESS: Final = 4
BEGIN: Final = 16
RESULT: Final = 32
SITE: Final = 40
FLAGS: Final = 48
SAVED_RBX: Final = 56
PATH: Final = 640
PATH_ROOM: Final = SLOT_SIZE - PATH

FREE: Final = 0
BUSY: Final = 1
COMPLETE: Final = 3
LOUD: Final = 5

NOT_RETURNED: Final = 0x4000000000000000

ZONE_UNTOUCHED: Final = 0
ZONE_FLAGS_IN_AX: Final = 1
ZONE_FLAGS_HALF: Final = 2
ZONE_CLAIMED: Final = 3
ZONE_SAVED: Final = 4
ZONE_READY: Final = 5
ZONE_RETURNED: Final = 6
ZONE_DONE: Final = 7
ZONE_HANDLED: Final = 8
ZONE_LEAVING: Final = 9
ZONE_LEAVING_HANDLED: Final = 10
ZONE_RELEASED: Final = 11
ZONE_INJECTION: Final = 12
ZONE_ASKED: Final = 13
ZONE_TELLING_ASKED: Final = 14
ZONE_TELLING: Final = 15

TRAP_CALL: Final = 437
TRAP_MAGIC: Final = abi.TRAP_MAGIC
INJECTED_MAGIC: Final = 0x6E726168

NR_OPEN: Final = 2
NR_OPENAT: Final = abi.OPENAT
NR_MMAP: Final = 9

WRITE_INTENT: Final = 0x400243
