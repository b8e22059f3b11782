"""The picture of a run: its processes, the contents of files that they read and made, packages. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from shark.view import graph_channels, graph_words, words
from shark.view.reading import Document, each, fields, mapping, number, text, texts, value

if TYPE_CHECKING:
    from shark.view.documents import Graph, GraphEdge, GraphNode

FLOWS = {"read": "read", "exec": "exec", "list": "list"}
MAKES = frozenset({"write", "create"})
_OF_COMMAND = ("exit", "signal", "seconds")
_OF_FILE = ("path", "role", "package")
_OF_VERSION = ("sha256", "mtime", "why", "run")
_OF_PROCESS = ("exit", "signal", "cpu_seconds", "max_rss", "read_bytes", "written_bytes")

Key = tuple[int, int]
"""A content of a file: the numbers of file and version."""


def run_graph(record: Document) -> Graph:
    """The whole picture of a run record, with all that the record knows; `graph_detail` leaves things out of it."""
    command = mapping(record, "command")
    edges = _Edges(record)
    nodes = [*_processes(record), *edges.files(text(command, "cwd")), *edges.channels(), *edges.networks()]
    known = {node["id"] for node in nodes}
    graph: dict[str, Any] = {
        "schema": "shark/graph/1",
        "title": words.command(texts(command, "argv")),
        "run": text(record, "id"),
        "command": {"argv": texts(command, "argv"), **fields(command, ("cwd", "start", "end"), _OF_COMMAND)},
        "detail": "all",
        "nodes": nodes,
        "edges": [edge for edge in edges.found() if edge["from"] in known and edge["to"] in known],
    }
    return cast("Graph", graph)


class _Edges:
    """What flows where in a run, by the contents of its files."""

    def __init__(self, record: Document) -> None:
        self._record = record
        self._files = {int(number(f, "n") or 0): f for f in each(record, "files")}
        self._versions: dict[Key, Document] = {
            (n, int(number(v, "n") or 0)): v for n, f in self._files.items() for v in each(f, "versions")
        }
        self._by_file: dict[int, list[tuple[Key, Document]]] = {}
        for key, version in self._versions.items():
            self._by_file.setdefault(key[0], []).append((key, version))
        self._outputs = {(_int(o, "file"), _int(o, "version")) for o in each(record, "outputs")}
        self._used: dict[Key, None] = {}
        self._targets: set[str] = set()
        self._found: dict[tuple[str, str, str], int] = {}
        self._channels = graph_channels.joined(record)
        for edge in each(record, "edges"):
            if number(edge, "channel") is None:
                self._add(edge)
        for process, file in graph_channels.held_files(record):
            self._add_held(process, file)
        for n, channel in enumerate(self._channels):
            self._add_channel(n, channel)
        for key, version in self._versions.items():
            self._add_maker(key, version)
        for n, endpoint in enumerate(each(record, "network")):
            if number(endpoint, "process") is not None:
                self._join(f"n{n}", f"p{_int(endpoint, 'process')}", "read")  # also what was only sent there

    def found(self) -> Iterator[GraphEdge]:
        """Every arrow once, in the record's order; then who started whom."""
        for (source, target, kind), count in self._found.items():
            edge: dict[str, Any] = {"from": source, "to": target, "kind": kind}
            yield cast("GraphEdge", {**edge, "count": count} if count > 1 else edge)
        for process in each(self._record, "processes"):
            if number(process, "parent"):
                yield {"from": f"p{_int(process, 'parent')}", "to": f"p{_int(process, 'n')}", "kind": "start"}

    def files(self, cwd: str) -> Iterator[GraphNode]:
        """The contents that took part, in the record's order."""
        self._targets = {target for _, target, _ in self._found}
        contents = sorted(self._used)
        last = dict(contents)
        for file, version in contents:
            yield self._file(file, version, cwd, last[file])

    def channels(self) -> Iterator[GraphNode]:
        """Pipes, sockets and shared memory between several processes, if the record knows them."""
        for n, channel in enumerate(self._channels):
            if not channel.direct:
                yield graph_channels.node(n, channel)

    def networks(self) -> Iterator[GraphNode]:
        """Addresses outside of the run."""
        for n, endpoint in enumerate(each(self._record, "network")):
            port = number(endpoint, "port")
            address = text(endpoint, "address") + (f":{port}" if port is not None else "")
            label = graph_words.short(address, graph_words.TITLE)
            yield {"id": f"n{n}", "kind": "network", "label": label, "note": "network", "path": address}

    def _add(self, edge: Document) -> None:
        process, access = f"p{_int(edge, 'process')}", text(edge, "access")
        key = self._content(_int(edge, "file"), _int(edge, "version"))
        if key is None:
            return
        if access in FLOWS:
            self._join(self._use(key), process, FLOWS[access])
        elif access in MAKES and key == (_int(edge, "file"), _int(edge, "version")) and self._written(key):
            self._join(process, self._use(key), "write")

    def _written(self, key: Key) -> bool:
        """Whether what was opened for writing there was written: content that the run made, or a named pipe."""
        return "by" in self._versions[key] or text(self._files[key[0]], "kind") == "fifo"

    def _add_held(self, process: int, file: int) -> None:
        """A process wrote through a descriptor that another one had opened: into the file's last content."""
        made = [n for (f, n), v in self._by_file.get(file, ()) if "by" in v and value(v, "unchanged") is not True]
        if made and (f"p{process}", _id((file, max(made))), "write") not in self._found:
            self._join(f"p{process}", self._use((file, max(made))), "write")

    def _add_channel(self, n: int, channel: graph_channels.Joined) -> None:
        if channel.direct:
            self._join(f"p{channel.writers[0]}", f"p{channel.readers[0]}", "channel")
            return
        for process in channel.writers:
            self._join(f"p{process}", f"c{n}", "write")
        for process in channel.readers:
            self._join(f"c{n}", f"p{process}", "read")

    def _add_maker(self, key: Key, version: Document) -> None:
        """Who made a content is certain, even where no access tells; and what it continues flows into it."""
        maker = number(version, "by", "process")
        if maker is None or value(version, "unchanged") is True:
            return
        if (f"p{maker}", _id(key), "write") not in self._found:
            self._join(f"p{maker}", self._use(key), "write")
        if number(version, "base") is not None and value(version, "log") is not True:
            old = self._content(key[0], _int(version, "base"))
            if old is not None and (_id(old), f"p{maker}", "read") not in self._found:
                self._join(self._use(old), f"p{maker}", "read")

    def _content(self, file: int, version: int) -> Key | None:
        """The content that a version has: that of its base, if it was opened for writing but not changed."""
        for _ in range(len(self._versions) + 1):
            found = self._versions.get((file, version))
            if found is None:
                return None
            if value(found, "unchanged") is not True or number(found, "base") is None:
                return file, version
            version = _int(found, "base")
        return None

    def _use(self, key: Key) -> str:
        self._used[key] = None
        return _id(key)

    def _join(self, source: str, target: str, kind: str) -> None:
        self._found[source, target, kind] = self._found.get((source, target, kind), 0) + 1

    def _file(self, file: int, n: int, cwd: str, last: int) -> GraphNode:
        about, version = self._files[file], self._versions[file, n]
        path = text(about, "path")
        made = "by" in version or (text(about, "kind") == "fifo" and _id((file, n)) in self._targets)
        place = "output" if (file, n) in self._outputs else "intermediate" if made else "input"
        size = number(version, "size")
        label = graph_words.short(graph_words.base(path), graph_words.TITLE)
        when = "" if n == last else ("version " + str(n) if made else "before")
        where = graph_words.short(graph_words.folder(path, cwd), graph_words.NOTE - 12)
        node: dict[str, Any] = {"id": _id((file, n)), "kind": "file", "label": label}
        node["note"] = " · ".join(filter(None, (when, where, words.size(size) if size is not None else "")))
        node |= fields(about, _OF_FILE) | fields(version, _OF_VERSION, ("size",))
        kind = text(about, "kind")
        return cast("GraphNode", node | {"place": place} | ({"type": kind} if kind and kind != "file" else {}))


def _processes(record: Document) -> Iterator[GraphNode]:
    processes = {_int(p, "n"): p for p in each(record, "processes")}
    for n, process in processes.items():
        own = [image for image in each(process, "images") if "forked" not in image]
        ran = own or [_program(processes, image) for image in each(process, "images")[-1:]]
        node: dict[str, Any] = {"id": f"p{n}", "kind": "process", "n": n, **_shown(ran[-1] if ran else {})}
        if not own:
            node["label"] = f"({node['label']})"
            node["note"] = "copy of its parent"
        if len(ran) > 1:
            node["before"] = [texts(image, "argv") for image in ran[:-1]]
        if number(process, "parent"):
            node["parent"] = f"p{_int(process, 'parent')}"
        node |= fields(process, ("start", "end"), _OF_PROCESS)
        start, end = words.parse_time(text(process, "start")), words.parse_time(text(process, "end"))
        if start and end:
            node["seconds"] = max((end - start).total_seconds(), 0.0)
        yield cast("GraphNode", node)


def _shown(image: Document) -> dict[str, Any]:
    argv, exe = texts(image, "argv"), text(image, "exe")
    named: dict[str, Any] = {"label": graph_words.short(graph_words.program(argv, exe), graph_words.TITLE)}
    named["note"] = graph_words.cut(graph_words.arguments(argv), graph_words.NOTE)
    return named | {"argv": argv} | fields(image, ("exe", "cwd"))


def _program(processes: Mapping[int, Document], image: Document) -> Document:
    """An image, or the one of which it is a fork's copy; {} if that is not known."""
    seen = 0
    while "forked" in image and seen <= len(processes):
        seen += 1
        images = each(processes.get(_int(image, "forked", "process"), {}), "images")
        n = _int(image, "forked", "image")
        image = images[n] if 0 <= n < len(images) else {}
    return image if "forked" not in image else {}


def _id(key: Key) -> str:
    return f"f{key[0]}.{key[1]}"


def _int(document: object, *keys: str) -> int:
    found = number(document, *keys)
    return int(found) if found is not None else 0
