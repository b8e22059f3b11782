"""Reading a journal: after a crash, for a test, or while it grows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache

from shark import events, jsontext, values
from shark.capture.journal import MAGIC
from shark.errors import RecordDamaged
from shark.events import EVENT_TYPES, Event, Missing, Opened, Sighting
from shark.tuples import TYPE_CHECKING
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from typing import Any

_CHUNK = 1 << 16


def read_journal(path: bytes | str) -> Iterator[Event]:
    """The events of a journal in order, up to its end or to the line that was being written when its writer died.

    Raises RecordDamaged for a file that is not a journal, or has a line that is none; OSError where it cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise RecordDamaged(
                f"{os.fsdecode(path)} is no journal of this version: it does not begin with {MAGIC.decode().strip()!r}",
                "A newer shark may have written it.",
            )
        for line in file:
            if line[0] == 0 or not line.endswith(b"\n") or b"\0" in line:
                return  # the end, or an event cut short
            yield _parse(line, path)


class Follower:
    """Reads a journal while it grows, and what is written into the memory file `spill` from the moment on when the
    journal could not be continued. `journal` is a descriptor, None if there never was one. `chunks` counts how often it
    was looked whether there is more: all that was written anywhere else before an event is there once that has changed.
    """

    def __init__(self, journal: int | None, spill: int) -> None:
        self._fd = spill if journal is None else journal
        self._spill = spill
        self._position = 0
        self.chunks = 0

    def news(self) -> Iterator[Event]:
        """The events that are there, and were not given before. Raises RecordDamaged for a line that is none."""
        while True:
            lines = self._lines()
            if not lines and not self._turn():
                return
            for line in lines:
                begins = not self._position
                self._position += len(line)  # line by line: whoever stops in between goes on there
                if not begins:
                    yield _parse(line, b"the journal")

    def _lines(self) -> list[bytes]:
        """The next complete lines. One that is just being written may have its end in place before its middle."""
        self.chunks += 1
        chunk = os.pread(self._fd, _CHUNK if self._waiting() else 0, self._position)
        chunk = chunk[: chunk.find(b"\0")] if b"\0" in chunk else chunk
        if not (complete := chunk.rfind(b"\n") + 1) and len(chunk) == _CHUNK:
            chunk = self._long_line()
            complete = chunk.rfind(b"\n") + 1
        return chunk[:complete].splitlines(keepends=True)

    def _waiting(self) -> bool:
        return os.pread(self._fd, 1, self._position) not in (b"", b"\0")

    def _long_line(self) -> bytes:
        size = os.fstat(self._fd).st_size - self._position
        chunk = os.pread(self._fd, size, self._position)
        return chunk[: chunk.find(b"\0")] if b"\0" in chunk else chunk

    def _turn(self) -> bool:
        """Go on with the memory file, if there is something in it: then nothing comes after in the journal."""
        if self._fd == self._spill or not os.fstat(self._spill).st_size:
            return False
        if self._waiting():
            return True  # written since we looked
        self._fd, self._position = self._spill, 0
        return True


def _parse(line: bytes, path: bytes | str) -> Event:
    try:
        code, *fields = jsontext.loads(line)
        often = _OFTEN.get(code) if type(code) is int else None
        if often is not None and (found := often(fields)) is not None:
            return found
        event: Event = _revive(_kind(code), fields)
        return event
    except (ValueError, TypeError, IndexError, KeyError) as problem:
        raise RecordDamaged(
            f"{os.fsdecode(path)} has a line that is no event: {problem}", "What stands before it can be recovered."
        ) from problem


_new = tuple.__new__  # a fifth of the time that calling the class takes


def _revive_opened(fields: list[Any]) -> Opened | None:
    """The same as `_revive` for what most events are: an open of a file that was there. None for what is not so."""
    try:
        begin, end, process, access, (path, used, (identity, *rest)), created, truncated, append, before, via = fields
        dev, ino, birth = identity
        mode, size, mtime, nlink = rest
        path_bytes = path.encode("utf-8", "surrogateescape")
        used_bytes = path_bytes if used == path else used.encode("utf-8", "surrogateescape")
    except (TypeError, ValueError, AttributeError):
        return None
    # One by one: this is done for each event, while the command goes on, and a loop would take three times as long.
    numbers = type(begin) is type(end) is type(process) is type(access) is type(dev) is type(ino) is type(birth) is int
    numbers = numbers and type(mode) is type(size) is type(mtime) is type(nlink) is int
    flags = type(created) is type(truncated) is type(append) is bool
    if not numbers or not flags or before is not None or type(via) is not str:
        return None
    stat = _new(Stat, (_new(FileId, identity), mode, size, mtime, nlink))
    file = _new(Sighting, (path_bytes, used_bytes, stat))
    return _new(Opened, (begin, end, process, access, file, created, truncated, append, None, via))


def _revive_missing(fields: list[Any]) -> Missing | None:
    """The same as `_revive` for what most other events are."""
    if len(fields) != 5:
        return None
    begin, end, process, path, execute = fields
    if not type(begin) is type(end) is type(process) is int or type(path) is not str or type(execute) is not bool:
        return None
    return _new(Missing, (begin, end, process, path.encode("utf-8", "surrogateescape"), execute))


_OFTEN: dict[int, Callable[[list[Any]], Event | None]] = {
    EVENT_TYPES.index(Opened): _revive_opened,
    EVENT_TYPES.index(Missing): _revive_missing,
}


def _kind(code: Any) -> type[tuple[object, ...]]:
    if type(code) is not int or not 0 <= code < len(EVENT_TYPES):
        raise ValueError(f"{code!r} is no event's code")
    return EVENT_TYPES[code]


def _revive(kind: Any, fields: list[Any]) -> Any:
    """A NamedTuple of type `kind` from the JSON array of its fields."""
    converters = _converters(kind)
    if len(fields) != len(converters):
        raise ValueError(f"{kind.__name__} has {len(converters)} fields, this line {len(fields)}")
    return kind(*(convert(field) for convert, field in zip(converters, fields, strict=True)))


@cache
def _converters(kind: Any) -> tuple[Callable[[Any], Any], ...]:
    return tuple(_converter(kind.__annotations__[name]) for name in kind._fields)


def _converter(hint: str) -> Callable[[Any], Any]:
    """What turns a field's JSON back into the type that its annotation names: `bytes`, `Stat | None`,
    `tuple[Held, ...]`. `typing` could read them too, but takes 2 ms to import.
    """
    if hint.endswith(" | None"):
        inner = _converter(hint.removesuffix(" | None"))
        return lambda value: None if value is None else inner(value)
    if hint.startswith("tuple["):
        each = _converter(hint.removeprefix("tuple[").removesuffix(", ...]"))
        return lambda value: tuple(map(each, _checked(list, value)))
    if hint == "bytes":
        return lambda value: _checked(str, value).encode("utf-8", "surrogateescape")
    kind = _PLAIN.get(hint) or getattr(events, hint, None) or getattr(values, hint)
    if hasattr(kind, "_fields"):
        return lambda value: _revive(kind, _checked(list, value))
    return lambda value: _checked(kind, value)


_PLAIN: dict[str, type] = {"int": int, "str": str, "float": float, "bool": bool}


def _checked(hint: type, value: Any) -> Any:
    if not isinstance(value, (int, float) if hint is float else hint):
        raise TypeError(f"expected {hint.__name__}, got {value!r}")
    return value
