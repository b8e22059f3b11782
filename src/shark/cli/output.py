"""Writing captured output again, byte for byte: `shark show RUN --stdout`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shark import jsontext
from shark.cli.common import Voice, write_bytes
from shark.store.objects import parts_of
from shark.view.reading import mapping, number, text
from shark.view.words import short_id

if TYPE_CHECKING:
    from shark.store.home import Store


def write_captured(voice: Voice, store: Store, record: dict[str, Any], names: Sequence[str]) -> int:
    """Write what a run's streams hold to stdout; of both, in the order of their arrival. 1 if nothing was captured."""
    streams = mapping(record, "streams")
    asked = [text(mapping(streams, name), "same_as") or name for name in names]
    entries = {name: mapping(streams, name) for name in dict.fromkeys(asked)}
    present = {name: entry for name, entry in entries.items() if text(entry, "sha256")}
    run = short_id(text(record, "id"))
    for name, entry in entries.items():
        if name not in present:
            voice.warn(f"{name} of run {run} was not captured{_because(entry)}; see shark run --capture-output")
    for name, entry in present.items():
        if cut := number(entry, "cut", "bytes"):
            voice.warn(f"{cut:,.0f} bytes from the middle of {name} were not kept")
        elif why := text(entry, "why"):
            voice.warn(f"{name}: {why}")
    order = text(streams, "order_sha256")
    if len(present) > 1 and order:
        turns = jsontext.loads(store.get_object(order))
        for part in interleaved({name: _Stream(store, entry) for name, entry in present.items()}, turns):
            write_bytes(part)
    else:
        for entry in present.values():
            for part in parts_of(store, text(entry, "sha256")):
                write_bytes(part)
    return 0 if present else 1


def _because(entry: Mapping[str, Any]) -> str:
    why = text(entry, "why")
    return f" ({why})" if why else ""


class _Stream:
    """Reads a stream turn by turn; what was not kept of it is skipped."""

    def __init__(self, store: Store, entry: Mapping[str, Any]) -> None:
        self._parts: Iterator[bytes] = iter(parts_of(store, text(entry, "sha256")))
        self._rest = b""
        self._position = 0  # in the whole stream
        cut = mapping(entry, "cut")
        self._from = int(number(cut, "at") or 0) if cut else -1
        self._to = self._from + int(number(cut, "bytes") or 0)

    def take(self, length: int) -> bytes:
        """The next `length` bytes of the stream, as far as they are kept."""
        end = self._position + length
        kept = length - max(0, min(end, self._to) - max(self._position, self._from)) if self._from >= 0 else length
        self._position = end
        taken = []
        while kept > 0:
            if not self._rest:
                self._rest = next(self._parts, b"")
                if not self._rest:
                    break
            taken.append(self._rest[:kept])
            self._rest = self._rest[kept:]
            kept -= len(taken[-1])
        return b"".join(taken)

    def left(self) -> Iterator[bytes]:
        """What comes after the last turn."""
        yield self._rest
        yield from self._parts


def interleaved(streams: Mapping[str, _Stream], turns: Iterable[tuple[str, int]]) -> Iterator[bytes]:
    """The streams' bytes in the order of the turns; what is beyond those comes last, stream by stream."""
    for name, length in turns:
        if name in streams:
            yield streams[name].take(int(length))
    for stream in streams.values():
        yield from stream.left()
