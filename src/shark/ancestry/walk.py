"""Walking upstream and downstream across runs, breadth first. Each content and run is entered once, so cycles end."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from shark.ancestry.drawing import Drawing, ended
from shark.ancestry.known import NOW, Known
from shark.ancestry.roots import Root, roots
from shark.ancestry.values import EMPTY, Content, Maker, Making, Source, Unknown
from shark.store.home import Store

if TYPE_CHECKING:
    from shark.ancestry.asking import Asked
    from shark.view.documents import Impact, Lineage, StepEntry

_SOURCE = Unknown("source", "no run is known that made it")
_UNUSED = Unknown("source", "no run is known that used it")
_DEPTH = Unknown("depth", "the depth that was asked for is reached")
_FOLDED = Unknown("folded", "its manifest names these files only together, and its run is not in this store")
_UNHASHED = Unknown("unhashed", "it has no digest, and no run is known that made a file at this path")


def lineage(
    paths: Sequence[bytes],
    store: Store,
    environ: Mapping[str, str] = os.environ,
    *,
    depth: int | None = None,
    steps: bool = False,
) -> Lineage:
    """Give all that files derive from, across at most `depth` runs in a row (None: all).

    With `steps`, each run that is followed also has the processes that led to its outputs; that takes reading its
    record. Raises NotFound for a path that does not exist and is not known.
    """
    with Known(store, environ) as known:
        walk = Upstream(known, depth, _steps(store) if steps else None)
        names = walk.start(roots(paths, known, store, environ, used=False))
        nodes, edges = walk.drawing.finished()
        document: Lineage = {"schema": "shark/lineage/1", "roots": names, "nodes": nodes, "edges": edges}
        if known.problems:
            document["problems"] = known.problems
        return document


def impact(
    paths: Sequence[bytes], store: Store, environ: Mapping[str, str] = os.environ, *, depth: int | None = None
) -> Impact:
    """Give all that derives from files, across at most `depth` runs in a row (None: all). Raises NotFound."""
    with Known(store, environ) as known:
        walk = Downstream(known, depth)
        names = walk.start(roots(paths, known, store, environ, used=True))
        nodes, edges = walk.drawing.finished()
        document: Impact = {"schema": "shark/impact/1", "roots": names, "nodes": nodes, "edges": edges}
        if known.problems:
            document["problems"] = known.problems
        return document


def _steps(store: Store) -> Asked[StepEntry]:
    from shark.ancestry.steps import steps

    return steps(store)


def _root_nodes(drawing: Drawing, found: Iterable[Root]) -> list[str]:
    names: dict[str, None] = {}
    for root in found:
        node = drawing.file(root.source.content, 0, size=root.source.size, role=root.source.role)
        node["state"] = root.state
        if root.why:
            node["why"] = root.why
        at = root.at.decode("utf-8", "surrogateescape")
        if at and at != node["path"]:
            node["at"] = at
        names[node["id"]] = None
    return list(names)


class Upstream:
    """The walk of lineage."""

    def __init__(self, known: Known, depth: int | None, steps: Asked[StepEntry] | None = None) -> None:
        self.drawing = Drawing()
        self._known = known
        self._depth = depth
        self._steps = steps
        self._queue: deque[tuple[Source, str, int]] = deque()
        self._asked: set[tuple[Content, tuple[str, ...]]] = set()
        self._entered: set[str] = set()

    def start(self, found: Sequence[Root]) -> list[str]:
        """Walk from the roots; give the roots' node ids."""
        names = _root_nodes(self.drawing, found)
        self._queue.extend((root.source, NOW, 0) for root in found)
        while self._queue:
            self._content(*self._queue.popleft())
        return names

    def _content(self, source: Source, user: str, depth: int) -> None:
        content = source.content
        if (content, source.runs) in self._asked:
            return
        self._asked.add((content, source.runs))
        node = self.drawing.file(content, depth)
        if source.files:
            ended(node, _FOLDED)
            return
        makers = self._known.makers(source, user)
        if not makers.found:
            ended(node, _SOURCE if content.sha256 or user == NOW else _UNHASHED)
            return
        if self._depth is not None and depth >= self._depth:
            ended(node, _DEPTH)
            return
        sure = any(maker.certain for maker in makers.found)
        for maker in makers.found:
            self._maker(content, node, maker, depth + 1, follow=maker.certain or not sure)
        if makers.total > len(makers.found):
            node["candidates"] = makers.total

    def _maker(self, content: Content, node: dict[str, Any], maker: Maker, depth: int, *, follow: bool) -> None:
        making = self._known.making(maker)
        if isinstance(making, Unknown):
            run = self.drawing.unknown_run(maker.run, making, depth)
            self.drawing.edge(run["id"], node["id"], "output", certain=maker.certain)
            return
        run = self.drawing.run(making, depth)
        output = node
        if making.made.path and making.made != content and making.made.sha256 == content.sha256:
            output = self.drawing.file(making.made, depth - 1, size=making.size, role=making.role)
            self.drawing.edge(output["id"], node["id"], "same", certain=maker.certain)
            if maker.certain:
                self._known.carried.lies(making.made, content.path)
        self.drawing.edge(run["id"], output["id"], "output", certain=maker.certain)
        if follow and self._steps is not None:
            self.drawing.add_steps(run, self._steps.of(maker.run, making.made))
        if follow:
            self._sources(making, run["id"], output["id"], depth)

    def _sources(self, making: Making, run: str, output: str, depth: int) -> None:
        parts: list[tuple[Sequence[Source], Literal["input", "control"], str]] = [(making.own, "input", output)]
        if run not in self._entered:
            self._entered.add(run)
            parts = [(making.inputs, "input", ""), (making.controls, "control", ""), *parts]
        for sources, kind, only in parts:
            for source in sources:
                node = self.drawing.file(source.content, depth, size=source.size, role=source.role, files=source.files)
                self.drawing.edge(node["id"], run, kind, used=source.used, only=only)
                self._queue.append((source, making.about.run, depth))


class Downstream:
    """The walk of impact."""

    def __init__(self, known: Known, depth: int | None) -> None:
        self.drawing = Drawing()
        self._known = known
        self._depth = depth
        self._queue: deque[tuple[Content, str, int]] = deque()
        self._asked: set[Content] = set()
        self._places: dict[Content, bytes] = {}

    def start(self, found: Sequence[Root]) -> list[str]:
        """Walk from the roots; give the roots' node ids."""
        names = _root_nodes(self.drawing, found)
        self._places = {root.source.content: root.at for root in found}
        self._queue.extend((root.source.content, "", 0) for root in found)
        while self._queue:
            self._content(*self._queue.popleft())
        return names

    def _content(self, content: Content, since: str, depth: int) -> None:
        if content in self._asked:
            return
        self._asked.add(content)
        node = self.drawing.file(content, depth)
        uses = [use for use in self._known.uses(content) if use.about.run > since]
        if content in self._places:  # of what is reached from a root, what its run made of it is reached by then
            uses = [*self._known.uses_inside(content), *uses]
        since = since or self._first_maker(content)
        others, total = self._others(content, since)
        if not uses and not others:
            ended(node, _UNUSED)
            return
        if self._depth is not None and depth >= self._depth:
            ended(node, _DEPTH)
            return
        for use in uses:
            if use.made is None:
                run = self.drawing.bare_run(use.about, depth + 1)
                self.drawing.edge(node["id"], run["id"], use.kind)
                continue
            run = self.drawing.run(use.made, depth + 1)
            made = self.drawing.file(use.made.made, depth + 1, size=use.made.size, role=use.made.role)
            self.drawing.edge(node["id"], run["id"], use.kind, only=made["id"] if use.only else "")
            self.drawing.edge(run["id"], made["id"], "output")
            self._queue.append((use.made.made, "", depth + 1))
        for other in others:
            same = self.drawing.file(other, depth)
            self.drawing.edge(node["id"], same["id"], "same", certain=other.path == self._places.get(content))
            self._queue.append((other, since, depth))
        if total:
            node["candidates"] = total

    def _first_maker(self, content: Content) -> str:
        """The first run that made a content at its path: what used the same bytes elsewhere before cannot have it."""
        if not content.sha256:
            return ""
        makers, _ = self._known.recorded.makers(content.path, content.sha256)
        return min((run for run, made in makers if made.path == content.path), default="")

    def _others(self, content: Content, since: str) -> tuple[list[Content], int]:
        """Contents that may be this one: the same bytes at another path; where a digest lacks, those at this path.

        Only such as a run used that began after the run `since`. And how many there are, if that is too many.
        """
        if content.sha256 and content.sha256 != EMPTY:
            paths, total = self._known.recorded.other_paths(content)
            total = total if total > len(paths) else 0
            found = [Content(path, content.sha256) for path in paths]
        else:
            found, total = [], 0
        if content.sha256 != EMPTY:
            here = self._known.recorded.contents_at(content.path)
            found += [other for other in here if other != content and "" in (other.sha256, content.sha256)]
        new = [other for other in found if other not in self._asked and not self._is_made(other)]
        return [other for other in new if any(use.about.run > since for use in self._known.uses(other))], total

    def _is_made(self, other: Content) -> bool:
        """Tell whether a run is known to have made a content where it is: then it is no copy made outside of runs."""
        if not other.sha256:
            return False
        makers, _ = self._known.recorded.makers(other.path, other.sha256)
        return any(made.path == other.path for _, made in makers)
