"""layout.h and layout.py say the same."""

from __future__ import annotations

import re
from pathlib import Path

from shark.recorder import layout
from shark.recorder.native import RECORD
from shark.recorder.ring import Slot

HEADER = Path(layout.__file__).with_name("layout.h")
UNSIGNED = re.compile(r"\b(0x[0-9a-f]+|\d+)UL\b")


def defined() -> dict[str, int]:
    """All figures of layout.h."""
    found: dict[str, int] = {}
    for line in HEADER.read_text().splitlines():
        match = re.match(r"#define (\w+) ([^/]+)", line)
        if match:
            expression = UNSIGNED.sub(r"\1", match[2].strip())
            found[match[1]] = eval(expression, {}, found)  # arithmetic of a file of ours
    return found


def test_the_same_figures() -> None:
    """Each name of layout.py is one of layout.h, with the same value."""
    header = defined()
    ours = {name: value for name, value in vars(layout).items() if name.isupper() and type(value) is int}
    assert len(ours) > 40
    assert ours == {name: header.get(name) for name in ours}


def test_all_zones_are_known() -> None:
    """No zone is missing in layout.py, and no two have the same number."""
    zones = {name: value for name, value in defined().items() if name.startswith("ZONE_")}
    assert zones == {name: getattr(layout, name) for name in zones}
    assert len(set(zones.values())) == len(zones)


def test_nothing_overlaps() -> None:
    """The parts of a slot, and those of the ring, lie one behind the other."""
    header = defined()
    order = (
        *("STATE", "PROCESS", "NUMBER", "LENGTH", "BEGIN", "END", "RESULT", "SITE", "FLAGS", "SAVED_RBX"),
        *("SAVED_RDI", "SAVED_RSI", "SAVED_RDX", "SAVED_R10", "SAVED_R8", "STATX_RESULT", "BASE_RESULT"),
        *("STATX", "BASE", "PATH", "SLOT_SIZE"),
    )
    offsets = [header[name] for name in order]
    assert offsets == sorted(set(offsets))
    assert header["BASE"] - header["STATX"] == header["PATH"] - header["BASE"] == 256
    assert header["SLOT_SIZE"] == 1 << header["SLOT_SHIFT"]
    assert header["SLOTS"] & (header["SLOTS"] - 1) == 0
    assert header["CODE"] < header["PAGE"] < header["RING"]
    assert header["RING"] + header["RING_SIZE"] < 0x7FFF8000  # AddressSanitizer's shadow begins there


def test_sizes_of_structures() -> None:
    """What Python unpacks is as long as what C writes; reader.c asserts the offsets in a slot itself."""
    assert RECORD.size == 120
    assert len(Slot._fields) == 15
