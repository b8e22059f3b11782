"""Telling of what most records are without a step of the interpreter's a record (see teller.c): as journal lines.

The compiled teller knows directories by the names that records have for them. It finds out itself how those of absolute
names are called; others it learns from the first record in each, which is told of here in Python like all that is not
usual. It forgets them when names may mean something else.
"""

from __future__ import annotations

import ctypes
import mmap
import struct

from shark.capture import kernel
from shark.events import EVENT_TYPES, Missing, Opened
from shark.jsontext import dumps_short
from shark.recorder.native import RECORD, ROOM, Native
from shark.recorder.ring import Record, Ring
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Final

    from shark.capture.lines import Lines
    from shark.capture.preimage import Keeper
    from shark.capture.tasks import Process
    from shark.values import FileId, Stat

_STRETCH: Final = struct.Struct("=IIq")
_GOT: Final = struct.Struct("=QQq")
_NUMBERS: Final = struct.Struct("=QQ8x")
_GOTS: Final = ROOM * _STRETCH.size
_DIRECTORY: Final = _GOTS + ROOM * _GOT.size
_LINES: Final = _DIRECTORY + 8192 + 512
"""Where they begin in struct room of teller.c."""
_WITHIN, _HEADS, _SECRETS, _OWN = range(4)
_FOLDERS, _TOLD = 1, 2
_SPECIAL: Final = (b"", b".", b"..")
_BY_THREAD: Final = (b"/proc/", b"/dev/")
"""Below these the same name may mean something else to each thread (look.own_path)."""


class Telling:
    """The teller of one run, over its ring. `on_directory` is called with each directory that was opened."""

    def __init__(
        self, native: Native, ring: Ring, lines: Lines, keeper: Keeper, on_directory: Callable[[bytes, Stat], object]
    ) -> None:
        self._native = native
        self._ring = ring
        self._lines = lines
        self._keeper = keeper
        self._on_directory = on_directory
        self._room = mmap.mmap(-1, native.room())
        self._address = ctypes.c_char.from_buffer(self._room)
        codes = EVENT_TYPES.index(Opened), EVENT_TYPES.index(Missing)
        self._teller = native.teller(ctypes.addressof(self._address), *codes)
        if not self._teller:
            raise MemoryError
        self._figures = (ctypes.c_uint32 * 4)()
        self._words: dict[int, bytes] = {}  # the teller has their addresses
        self._set(_WITHIN, b"".join(word + b"\0" for word in lines.within))
        self._set(_HEADS, b"".join(word + b"\0" for word in lines.heads))
        self._set(_OWN, lines.own)
        self._places: dict[bytes, int] = {}  # working directories, numbered
        self._learned: dict[tuple[object, bytes], bytes] = {}
        self._at = 0  # which record of this reading is being told of
        self.lowest: dict[int, int] = {}  # by process number: the lowest descriptor that it got in this reading
        keeper.on_write(self._written)

    def _set(self, which: int, text: bytes) -> None:
        if self._words.get(which) != text:
            self._words[which] = text
            self._native.words(self._teller, which, text, len(text))

    # --- what it must know

    def add(self, process: int) -> None:
        """Records of a process will come."""
        self._native.process(self._teller, process, 0)

    def remove(self, process: int) -> None:
        """None will come any more, or those that come are of another program."""
        self._native.process(self._teller, process, 1)

    def forget(self, *, told: bool = False) -> None:
        """Names may mean something else from now on; with `told`, all is to be told once more."""
        self._learned.clear()
        self._native.teller_forget(self._teller, _FOLDERS | (_TOLD if told else 0))

    def _written(self, identity: FileId) -> None:
        if not self._native.written(self._teller, *identity):
            raise MemoryError

    def learn(self, record: Record, used: bytes, directory: bytes, here: bytes) -> None:
        """How the directory is called in which the file lies of which a record has just been told here.

        `used` is the file's name as it is shown, `directory` the true path of what that is in, b"" if it is not known;
        `here` is where a relative name starts.
        """
        named, _, last = record.name.rpartition(b"/")
        shown, _, same = used.rpartition(b"/")
        if last != same or last in _SPECIAL or used.startswith(_BY_THREAD):
            return
        start: object = None
        if not record.name.startswith(b"/"):
            start = record.base if record.dirfd != kernel.AT_FDCWD else here
            if start is here:
                number = self._places.setdefault(here, len(self._places) + 1)
                self._native.here(self._teller, record.process, number)
        key = start, named
        if self._learned.get(key) == directory:
            return
        path = b"" if directory == b"/" else directory
        if not (self._lines.is_harmless(shown + b"/") and self._lines.is_harmless(path + b"/")):
            return
        parts = shown, path, _in_json(shown), _in_json(path)
        lengths = (ctypes.c_uint32 * 4)(*map(len, parts))
        offset = self._ring.records + self._at * RECORD.size
        if self._native.learn(
            self._teller, offset, record.name, b"".join(parts), ctypes.addressof(lengths), directory != b""
        ):
            self._learned.clear()
        self._learned[key] = directory

    # --- telling

    def untold(self, processes: dict[int, Process]) -> Iterator[Record]:
        """Read the ring, tell of what is usual, and give the other records, each when all before it has been told.

        `processes` are the hot ones, by number.
        """
        self.lowest.clear()
        tell, figures, n, count = self._native.tell, self._figures, 0, self._ring.read()
        while n < count:
            # What was told of by others may have held a secret that nobody knew.
            self._set(_SECRETS, b"".join(secret + b"\0" for secret in self._lines.secrets()))
            n = tell(self._teller, self._ring.records, self._ring.names, n, count, ctypes.addressof(figures))
            lines, stretches, got, directory = figures
            if stretches:
                self._note(processes, stretches, got)
            if lines:
                self._lines.write(self._room[_LINES : _LINES + lines])
            if directory:
                path = self._room[_DIRECTORY : _DIRECTORY + directory]
                self._on_directory(path, self._ring.record(n - 1).stat)
            elif n < count:
                self._at = n
                yield self._ring.record(n)
                n += 1
        self._ring.told()

    def _note(self, processes: dict[int, Process], stretches: int, count: int) -> None:
        """Let the others know who got which files."""
        gots = self._room[_GOTS : _GOTS + count * _GOT.size]
        self._keeper.read(_GOT.iter_unpack(gots))
        position = 0
        for number, files, lowest in _STRETCH.iter_unpack(self._room[: stretches * _STRETCH.size]):
            holds = processes[number].holds
            end = position + files * _GOT.size
            holds.shown = None
            holds.may_read = holds.may_read or files > 0
            holds.read.update(_NUMBERS.iter_unpack(gots[position:end]))
            position = end
            self.lowest[number] = min(lowest, self.lowest.get(number, lowest))

    def close(self) -> None:
        """No record will come any more."""
        self._keeper.on_write(lambda _: None)
        self._native.close_teller(self._teller)


def _in_json(path: bytes) -> bytes:
    """A path as it stands between the quotes of a JSON text."""
    return dumps_short(path)[1:-1]
