"""What to do about a signal that comes while a thread is in the recorder's code: no handler may see that.

The thread is put where it would be without the recorder: in front of the site's own `syscall` if the call has not been
made (it is then a plain call, which stops), right behind it if it has. If the call was interrupted and the kernel is
to restart it, it is left in that state behind the site's `syscall`, and the kernel restarts it there. A record that is
not complete is left to the supervisor, which looks itself while the thread stands still.
"""

from __future__ import annotations

import bisect
import errno

from shark.recorder import layout
from shark.recorder.native import Native
from shark.recorder.patterns import JUMP, SYSCALL
from shark.recorder.registers import NONE, Registers, signed
from shark.recorder.ring import Ring, Slot
from shark.recorder.space import CHOSEN_LATER, DATA, FIXED, SiteData, Space
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Final

_CARRY, _PARITY, _ADJUST, _ZERO, _SIGN, _OVERFLOW = 0x1, 0x4, 0x10, 0x40, 0x80, 0x800
_LAHF: Final = _CARRY | _PARITY | _ADJUST | _ZERO | _SIGN
_RESTARTS: Final = range(512, 517)  # ERESTARTSYS … ERESTART_RESTARTBLOCK (<linux/errno.h>)

_BEFORE: Final = frozenset(
    {
        layout.ZONE_UNTOUCHED,
        layout.ZONE_FLAGS_IN_AX,
        layout.ZONE_FLAGS_HALF,
        layout.ZONE_ASKED,
        layout.ZONE_CLAIMED,
        layout.ZONE_SAVED,
        layout.ZONE_READY,
    }
)
_SLOT_IN_RCX: Final = frozenset(
    {layout.ZONE_CLAIMED, layout.ZONE_SAVED, layout.ZONE_LEAVING, layout.ZONE_LEAVING_HANDLED}
)
_SLOT_IN_RBX: Final = frozenset(
    {
        *(layout.ZONE_READY, layout.ZONE_RETURNED, layout.ZONE_DONE, layout.ZONE_HANDLED),
        *(layout.ZONE_TELLING_ASKED, layout.ZONE_TELLING),
    }
)


class Repaired(NamedTuple):
    """The registers that the thread gets, and an open that is over and that nobody was told of: its slot, if any."""

    registers: Registers
    untold: Slot | None = None
    name: bytes | None = None


def zone_of(native: Native, offset: int) -> int:
    """The zone of an offset in the stub."""
    index = bisect.bisect_right(native.zones, (offset, 1 << 31)) - 1
    return native.zones[index][1]


def repair(at: Registers, space: Space, ring: Ring, native: Native) -> Repaired | None:
    """Where a thread with registers `at` belongs, None if it is in none of the recorder's places.

    Frees or completes its slot. Raises OSError when its memory is gone.
    """
    data = space.trampoline(at.rip)
    if data:
        site = space.site_data(data)
        if at.rip == data - DATA and site.kind != CHOSEN_LATER:  # nothing has been done yet, not even what was moved
            return Repaired(at._replace(rip=site.end - len(SYSCALL) - JUMP, orig_rax=NONE))
        if site.kind != FIXED:  # the number is still where the program put it
            return Repaired(at._replace(rip=site.end - len(SYSCALL), orig_rax=NONE))
        return Repaired(_not_begun(at, site))
    if not layout.CODE <= at.rip < layout.CODE + native.injection:
        return None
    zone = zone_of(native, at.rip - layout.CODE)
    if zone == layout.ZONE_TELLING or (zone == layout.ZONE_TELLING_ASKED and not at.eflags & _CARRY):
        _release_second(at, ring)
    if zone == layout.ZONE_RELEASED:
        return Repaired(at._replace(rip=at.r11, orig_rax=NONE))
    offset = _slot_of(zone, at, ring)
    slot = ring.slot(offset) if offset >= 0 else None
    if zone in _BEFORE:
        return _repair_before(zone, at, space, ring, offset, slot)
    if slot is None:
        return None  # the program has scribbled over registers that it never had
    return _repair_after(zone, at, space, ring, offset, slot)


def _slot_of(zone: int, at: Registers, ring: Ring) -> int:
    if zone in _SLOT_IN_RCX or (zone == layout.ZONE_ASKED and not at.eflags & _CARRY):
        return ring.at(at.rcx)
    return ring.at(at.rbx) if zone in _SLOT_IN_RBX else -1


def _release_second(at: Registers, ring: Ring) -> None:
    """The slot into which a record is being copied."""
    offset = ring.at(at.rcx)
    if offset >= 0:
        ring.set_state(offset, layout.FREE)


def _repair_before(zone: int, at: Registers, space: Space, ring: Ring, offset: int, slot: Slot | None) -> Repaired:
    """The call was not made."""
    data = at.r11
    if slot is not None:
        ring.set_state(offset, layout.FREE)
    if zone in (layout.ZONE_SAVED, layout.ZONE_READY) and slot is not None:
        data = slot.site
        at = at._replace(rbx=slot.rbx, eflags=_flags(at.eflags, slot.flags))
    elif zone == layout.ZONE_FLAGS_HALF:
        at = at._replace(eflags=at.eflags & ~_LAHF | at.rax >> 8 & _LAHF)
    elif zone != layout.ZONE_UNTOUCHED:
        at = at._replace(eflags=_flags(at.eflags, at.rax))
    return Repaired(_not_begun(at, space.site_data(data)))


def _repair_after(zone: int, at: Registers, space: Space, ring: Ring, offset: int, slot: Slot) -> Repaired:
    """The kernel has returned from the call."""
    end, number, _ = space.site_data(slot.site)
    result = at.rax if zone == layout.ZONE_RETURNED else slot.result & (1 << 64) - 1
    restored = at._replace(
        rip=end, rax=result, rbx=slot.rbx, rdi=slot.rdi, rsi=slot.rsi, rdx=slot.rdx, r10=slot.r10, r8=slot.r8,
        eflags=_flags(at.eflags, slot.flags),
    )  # fmt: skip
    if zone == layout.ZONE_RETURNED and at.orig_rax == number and -signed(result) in _RESTARTS:
        ring.set_state(offset, layout.FREE)
        return Repaired(restored)  # with orig_rax as it is: the kernel goes back to the site's `syscall`
    restored = restored._replace(orig_rax=NONE)
    if zone == layout.ZONE_LEAVING:
        ring.set_state(offset, layout.COMPLETE)
        return Repaired(restored)
    ring.set_state(offset, layout.FREE)
    if zone in (layout.ZONE_HANDLED, layout.ZONE_LEAVING_HANDLED) or -signed(result) == errno.EFAULT:
        return Repaired(restored)
    return Repaired(restored, slot._replace(result=signed(result)), None)


def _not_begun(at: Registers, site: SiteData) -> Registers:
    return at._replace(rip=site.end - len(SYSCALL), rax=site.number, orig_rax=NONE)


def _flags(now: int, kept: int) -> int:
    """The flags as `lahf` and `seto` left them in ah and al (of `kept`), all others as they are."""
    return now & ~(_LAHF | _OVERFLOW) | kept >> 8 & _LAHF | (_OVERFLOW if kept & 1 else 0)
