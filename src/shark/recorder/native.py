"""The compiled part: the stub that runs in hot processes, the reader of what it writes, the teller of what most of that
is, and the search for what can be patched (stub.S, reader.c, teller.c with asking.c, search.c).

It is there only where shark was built for x86-64 with a C compiler at hand.
"""

from __future__ import annotations

import ctypes
import struct

from shark.recorder.layout import SLOTS
from shark.recorder.tiering import LIBRARY
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

ROOM = 2 * SLOTS
"""How many records one reading can give."""

RECORD = struct.Struct("=QQqQQqqQqIIiIIIIIIIII")
"""struct record of record.h."""


class Native(NamedTuple):
    """The library's functions, and the stub's code with its zones: (offset from which it holds, zone)."""

    reader: Callable[[int, int], int]
    close: Callable[[int], None]
    tick: Callable[[int], int]
    drain: Callable[[int, int, int, int], int]
    told: Callable[[int], None]
    forget: Callable[[int, int], None]
    release: Callable[[int, int], int]
    counts: Callable[[int, int], None]
    room: Callable[[], int]
    teller: Callable[[int, int, int], int]
    words: Callable[[int, int, bytes, int], None]
    process: Callable[[int, int, int], int]
    here: Callable[[int, int, int], None]
    learn: Callable[[int, int, bytes, bytes, int, bool], int]
    teller_forget: Callable[[int, int], None]
    written: Callable[[int, int, int, int], int]
    tell: Callable[[int, int, int, int, int, int], int]
    close_teller: Callable[[int], None]
    calls: Callable[[bytes, int, int, int, Any, int, Any, int], int]
    stub: bytes
    injection: int
    zones: tuple[tuple[int, int], ...]


def load() -> Native:
    """Load it. Raises OSError where it is not built, does not load, or this processor lacks an instruction."""
    library = ctypes.PyDLL(LIBRARY)
    if not hasattr(library, "shark_calls"):
        raise OSError(f"{LIBRARY} is another version's: install shark anew")
    if not library.shark_fits():
        raise OSError(f"{LIBRARY}: this processor has no lahf in 64-bit mode")
    start, end = _address(library, "shark_stub"), _address(library, "shark_stub_end")
    zones_at, zones_end = _address(library, "shark_zones"), _address(library, "shark_zones_end")
    zones = tuple(struct.iter_unpack("=II", ctypes.string_at(zones_at, zones_end - zones_at)))
    pointer, number, size, text = ctypes.c_void_p, ctypes.c_uint32, ctypes.c_size_t, ctypes.c_char_p
    return Native(
        _function(library.shark_reader, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64),
        _function(library.shark_close, None, ctypes.c_void_p),
        _function(library.shark_tick, ctypes.c_uint64, ctypes.c_void_p),
        _function(library.shark_drain, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int),
        _function(library.shark_told, None, ctypes.c_void_p),
        _function(library.shark_forget, None, ctypes.c_void_p, ctypes.c_int),
        _function(library.shark_release, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32),
        _function(library.shark_counts, None, ctypes.c_void_p, ctypes.c_void_p),
        _function(library.shark_teller_room, number),
        _function(library.shark_teller, pointer, pointer, number, number),
        _function(library.shark_teller_words, None, pointer, ctypes.c_int, text, number),
        _function(library.shark_teller_process, ctypes.c_int, pointer, number, ctypes.c_int),
        _function(library.shark_teller_here, None, pointer, number, number),
        _function(library.shark_teller_learn, ctypes.c_int, pointer, pointer, text, text, pointer, ctypes.c_int),
        _function(library.shark_teller_forget, None, pointer, ctypes.c_int),
        _function(library.shark_teller_written, ctypes.c_int, pointer, *2 * (ctypes.c_uint64,), ctypes.c_int64),
        _function(library.shark_teller_tell, number, pointer, pointer, pointer, number, number, pointer),
        _function(library.shark_teller_close, None, pointer),
        _function(library.shark_calls, number, text, size, size, number, pointer, number, pointer, number),
        ctypes.string_at(start, end - start),
        _address(library, "shark_injection") - start,
        tuple(sorted(zones)),
    )


def _address(library: ctypes.PyDLL, name: str) -> int:
    return ctypes.addressof(ctypes.c_char.in_dll(library, name))


def _function(function: Any, result: Any, *arguments: Any) -> Any:
    function.restype = result
    function.argtypes = arguments
    return function
