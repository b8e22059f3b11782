"""The record's edges: who accessed which file, and who held which channel, from when to when; and the channels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from shark.events import READ
from shark.model import accesses as kinds
from shark.model.facts import text
from shark.model.holdings import OPEN, Channel, Holdings, Link
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.documents import ChannelEntry, EdgeEntry
    from shark.model.findings import Findings
    from shark.model.run import RunModel
    from shark.model.scope import Scope


def accesses(model: RunModel, scope: Scope, findings: Findings) -> list[EdgeEntry]:
    """The edges that say which process did what with which version of a file."""
    edges: list[EdgeEntry] = []
    files, sources = model.files.all, model.pyc_sources
    processes, begin = scope.processes, scope.begin  # what Scope.has looks at
    for (process, image, n, version, kind), access in model.accesses.items():
        if process not in processes or access.end < begin:
            continue
        edge: EdgeEntry = {
            "process": process,
            "image": image,
            "file": n,
            "version": version,
            "access": kinds.KINDS[kind],
            "order": [access.begin, access.first_end],
        }
        if access.count > 1:
            edge["last"] = [access.last_begin, access.end]
            edge["count"] = access.count
        if access.idle:
            edge["idle"] = True
        if access.until:
            edge["until"] = access.until
        used = access.used
        if used != files[n - 1].path:
            edge["as"] = text(used)
        if access.inherited:
            edge["inherited"] = True
        edges.append(edge)
        if kind == kinds.READ and n in sources and findings.has_source(n):
            source = files[sources[n] - 1]
            edges.append(edge | {"file": source.n, "version": source.current.n, "as": text(used)})
    return edges


def channels(holdings: Holdings, scope: Scope) -> tuple[list[ChannelEntry], list[EdgeEntry]]:
    """What the processes of a record have in common, and their edges to it.

    Left out is what moves nothing between them: a channel without a writer or without a reader, one with the same
    process at each end (unless that had an exec meanwhile: then one program left something for the next), and one that
    carries tokens.
    """
    all_channels = _Channels(holdings.channels, holdings.execs)
    links: dict[int, list[Link]] = defaultdict(list)
    for link in holdings:
        if link.process in scope.processes and link.end >= scope.begin:
            links[all_channels.of[link.channel]].append(link)
    used = sorted(n for n, found in links.items() if all_channels.moves(n, links, found))
    numbers = {n: place + 1 for place, n in enumerate(used)}
    entries = [all_channels.entry(n, numbers) for n in used]
    return entries, [_edge(link, numbers[n]) for n in used for link in links[n]]


class _Channels:
    """Channels by number. Sockets that meet at an address are one channel: `of` gives the number that stands for it."""

    def __init__(self, channels: list[Channel], execs: Mapping[int, Sequence[int]]) -> None:
        self.all = channels
        self._execs = execs
        self._sockets = {channel.key: channel.n for channel in channels if channel.kind == "socket"}
        self.of = {channel.n: self._meeting(channel) for channel in channels}

    def _meeting(self, channel: Channel) -> int:
        address = next((key for key in channel.peers if not key.startswith(b"socket:")), None)
        return channel.n if address is None else self._sockets.get(address, channel.n)

    def peers(self, n: int) -> set[int]:
        """Where what is written to a channel can be read; {} where it is that channel itself."""
        found = {self.of[self._sockets[key]] for key in self.all[n - 1].peers if key in self._sockets}
        return set() if n in found or not self.all[n - 1].key.startswith(b"socket:") else found

    def moves(self, n: int, links: Mapping[int, list[Link]], own: Collection[Link]) -> bool:
        """True if data may go from one process to another through this channel, or from one program to the next."""
        channel = self.all[n - 1]
        if channel.tokens:
            return False
        if channel.kind == "file" or channel.file:
            return True  # what else is done with the file, its own edges say
        if channel.kind == "socket" and not channel.peers:
            return False  # the other end is not in the run
        peers = self.peers(n)
        if peers:
            return any(peer in links for peer in peers)
        readers = [link for link in own if link.access == READ]
        writers = [link for link in own if link.access != READ]
        if not readers or not writers:
            return False
        process = readers[0].process
        if any(link.process != process for link in own):
            return True
        first, last = min(link.begin for link in writers), max(link.end for link in readers)
        return any(first < moment < last for moment in self._execs.get(process, ()))

    def entry(self, n: int, numbers: dict[int, int]) -> ChannelEntry:
        """The record's entry."""
        channel = self.all[n - 1]
        entry: ChannelEntry = {"n": numbers[n], "kind": channel.kind}  # type: ignore[typeddict-item]
        if channel.file:
            entry["file"] = channel.file
        peers = sorted(numbers[peer] for peer in self.peers(n) if peer in numbers)
        if peers:
            entry["peers"] = peers
        return entry


def _edge(link: Link, channel: int) -> EdgeEntry:
    edge: EdgeEntry = {
        "process": link.process,
        "image": link.image,
        "channel": channel,
        "access": "read" if link.access == READ else "write",
        "order": [link.begin],
    }
    if link.end < OPEN:
        edge["order"].append(link.end)
    return edge
