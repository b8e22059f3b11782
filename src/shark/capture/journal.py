"""The journal: every event of a run, written down as it happens, readable back after any crash.

A text file: a magic line, then one JSON array an event: [code, fields...]. The code is the event type's place in
`events.EVENT_TYPES`. It is written through a shared mapping, in chunks that are allocated before they are touched: what
is in it survives the writer's SIGKILL without a system call an event, and a full disk is an error at a chunk's
allocation instead of a fatal signal in the middle of one. Unused room is NUL bytes, at which reading stops.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable, Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from shark import jsontext
from shark.errors import RecordDamaged
from shark.events import EVENT_TYPES, Event

MAGIC = b"shark-journal/1\n"
_CHUNK = 1 << 20
_CODES = {kind: code for code, kind in enumerate(EVENT_TYPES)}


class JournalWriter:
    """Appends events to a new file `path` (made with mode 0600). Raises OSError when it cannot be made or grown."""

    def __init__(self, path: bytes | str) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._size = 0
        self._position = 0
        try:
            self._map = self._grow(len(MAGIC))
        except OSError:
            os.close(self._fd)
            os.unlink(path)
            raise
        self._put(MAGIC)

        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def write(self, event: Event) -> None:
        """Append one event; raises OSError (ENOSPC …) with the journal intact up to the event before."""
        line = jsontext.dumps((_CODES[type(event)], *event)) + b"\n"
        if self._position + len(line) > self._size:
            self._map.close()
            self._map = self._grow(len(line))
        self._put(line)

    def _put(self, line: bytes) -> None:
        end = self._position + len(line)
        self._map[self._position : end] = line
        self._position = end

    def _grow(self, need: int) -> mmap.mmap:
        size = self._size + max(_CHUNK, -(-need // _CHUNK) * _CHUNK)
        try:
            os.posix_fallocate(self._fd, self._size, size - self._size)
        except OSError:
            self._map = mmap.mmap(self._fd, self._size) if self._size else mmap.mmap(-1, 1)
            raise
        self._size = size
        return mmap.mmap(self._fd, size)

    def close(self) -> None:
        """Give the unused room back and close the file."""
        self._map.close()
        os.ftruncate(self._fd, self._position)
        os.close(self._fd)


def is_being_written(path: bytes | str) -> bool:
    """True while the process that writes this journal is alive: it holds a lock on it (flock(2))."""
    with open(path, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


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


def _parse(line: bytes, path: bytes | str) -> Event:
    try:
        code, *fields = jsontext.loads(line)
        event: Event = _revive(_kind(code), fields)
        return event
    except (ValueError, TypeError, IndexError, KeyError) as problem:
        raise RecordDamaged(
            f"{os.fsdecode(path)} has a line that is no event: {problem}", "What stands before it can be recovered."
        ) from problem


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
    hints = get_type_hints(kind)
    return tuple(_converter(hints[name]) for name in kind._fields)


def _converter(hint: Any) -> Callable[[Any], Any]:
    """What turns a field's JSON back into the type that its annotation names."""
    if get_origin(hint) is UnionType:
        inner = _converter(next(part for part in get_args(hint) if part is not NoneType))
        return lambda value: None if value is None else inner(value)
    if get_origin(hint) is tuple:
        each = _converter(get_args(hint)[0])
        return lambda value: tuple(map(each, _checked(list, value)))
    if hint is bytes:
        return lambda value: _checked(str, value).encode("utf-8", "surrogateescape")
    if hasattr(hint, "_fields"):
        return lambda value: _revive(hint, _checked(list, value))
    return lambda value: _checked(hint, value)


def _checked(hint: type, value: Any) -> Any:
    if not isinstance(value, (int, float) if hint is float else hint):
        raise TypeError(f"expected {hint.__name__}, got {value!r}")
    return value
