"""Pipes, sockets and shared memory in the picture of a run. Pure.

A record says who held which end of a channel, and when. What one process alone wrote and one alone read is drawn as an
arrow between the two; channels with more processes are nodes, one for all that join the same ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from shark.view import words
from shark.view.reading import Document, each, number, text, value

if TYPE_CHECKING:
    from shark.view.documents import GraphNode


class Held(NamedTuple):
    """That a process may have read from a channel, or written to it, between two moments of the run."""

    process: int
    begin: float
    end: float


class Joined(NamedTuple):
    """Channels of one kind, with the processes that wrote to them and those that read from them."""

    kind: str
    writers: tuple[int, ...]
    readers: tuple[int, ...]
    several: int

    @property
    def direct(self) -> bool:
        """True if an arrow from process to process tells it all."""
        return len(self.writers) == len(self.readers) == 1


def joined(record: Document) -> list[Joined]:
    """The channels through which something may have gone; those of the kind `file` are files."""
    group = _ends(record)
    kinds = {n: text(channel, "kind") for channel in each(record, "channels") for n in [_number(channel, "n")]}
    held: dict[int, tuple[list[Held], list[Held]]] = {}
    for edge in each(record, "edges"):
        channel = _number(edge, "channel")
        if number(edge, "channel") is None or kinds.get(channel, "file") == "file":
            continue
        ends = held.setdefault(group[channel], ([], []))
        ends[0 if text(edge, "access") == "write" else 1].append(_held(edge))
    found: dict[tuple[str, tuple[int, ...], tuple[int, ...]], int] = {}
    for channel, (writes, reads) in held.items():
        writers = {w.process for w in writes if any(r.process != w.process and r.end >= w.begin for r in reads)}
        readers = {r.process for r in reads if any(w.process != r.process and r.end >= w.begin for w in writes)}
        if writers and readers:
            key = kinds[channel], tuple(sorted(writers)), tuple(sorted(readers))
            found[key] = found.get(key, 0) + 1
    return [Joined(*key, count) for key, count in found.items()]


def node(n: int, channel: Joined) -> GraphNode:
    """The node of channels that more than two processes share, or through which data goes both ways."""
    kind = words.visible(channel.kind)
    label = kind if channel.several == 1 else f"{kind} × {channel.several}"
    shared = words.counted(len({*channel.writers, *channel.readers}), "process", "processes")
    return {"id": f"c{n}", "kind": "channel", "label": label, "note": f"between {shared}", "type": channel.kind}


def held_files(record: Document) -> Iterator[tuple[int, int]]:
    """(process, file) where a process wrote through what it had inherited, as the commands of a redirected loop do."""
    files = {_number(c, "n"): _number(c, "file") for c in each(record, "channels") if text(c, "kind") == "file"}
    for edge in each(record, "edges"):
        if number(edge, "channel") is not None and text(edge, "access") == "write":
            file = files.get(_number(edge, "channel"))
            if file is not None:
                yield _number(edge, "process"), file


def _held(edge: Document) -> Held:
    """Without an end: until the process ended."""
    order = [n for n in _list(edge, "order") if isinstance(n, int)]
    return Held(_number(edge, "process"), order[0] if order else 0, order[1] if len(order) > 1 else math.inf)


def _list(document: Document, key: str) -> list[Any]:
    found = value(document, key)
    return found if isinstance(found, list) else []


def _ends(record: Document) -> dict[int, int]:
    """For each channel the first one to whose connection it belongs: the ends of a socket are one channel here."""
    first: dict[int, int] = {}

    def root(n: int) -> int:
        while first.setdefault(n, n) != n:
            n = first[n]
        return n

    for channel in each(record, "channels"):
        own = root(_number(channel, "n"))
        for peer in _list(channel, "peers"):
            if isinstance(peer, int):
                a, b = sorted((own, root(peer)))
                first[b] = own = a
    return {n: root(n) for n in list(first)}


def _number(document: Document, key: str) -> int:
    return int(number(document, key) or 0)
