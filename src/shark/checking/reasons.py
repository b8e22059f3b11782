"""What is stale, or may be, and why: what changed upstream of outputs.

It is found from the causes on, so that every node of the graph (`upstream.py`) is looked at once, and circles (files
updated in place) do no harm.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

from shark.checking.inputs import Inputs, encoded
from shark.checking.upstream import Cause, Node

if TYPE_CHECKING:
    from shark.checking.records import Records


class Reasons:
    """Of a complete graph, whose `nodes` these are."""

    def __init__(self, nodes: Collection[Node], inputs: Inputs, records: Records) -> None:
        self._nodes = nodes
        self._inputs = inputs
        self._records = records
        self._causes: dict[Node, tuple[list[Cause], list[Cause]]] = {}
        self._digests: dict[Node, dict[str, str]] = {}
        self._stale = {hard: self._reached(hard) for hard in (True, False)}

    def is_fine(self, node: Node) -> bool:
        """Tell whether nothing makes the outputs of a node stale, or doubtful."""
        return node not in self._stale[True] and node not in self._stale[False]

    def causes(self, node: Node, *, hard: bool, own: bytes = b"") -> list[Cause]:
        """What makes the outputs of a node stale (`hard`), or gives grounds for doubt; nearest first.

        `own` is the output itself: that its earlier content is not there any more is no cause.
        """
        if self.is_fine(node):
            return []
        if node not in self._causes:  # the outputs of a node have them in common
            self._causes[node] = self._causes_of(node)
        found = self._causes[node][0 if hard else 1]
        path = os.fsdecode(own)
        if hard and any(cause.path == path and not cause.chain for cause in found):
            return [cause for cause in found if cause.path != path or cause.chain]
        return found

    def _causes_of(self, node: Node) -> tuple[list[Cause], list[Cause]]:
        """What makes it stale, and what gives grounds for doubt."""
        hard: list[Cause] = []
        taken: list[Cause] = []
        if node in self._stale[True]:
            runs = self._runs(node)
            for cause, is_taken in self._walk(node, True):
                if not self._excused(cause, runs):
                    (taken if is_taken else hard).append(cause)
        soft = [cause for cause, _ in self._walk(node, False)] if node in self._stale[False] else []
        return hard, [*taken, *soft]

    def _reached(self, hard: bool) -> set[Node]:
        """The nodes that have causes, or that derive from such: of a link, all possible makers must be stale."""
        stale = {node for node in self._nodes if (node.hard if hard else node.soft)}
        waiting = deque(stale)
        while waiting:
            for user, number in waiting.popleft().users:
                if user not in stale and all(maker in stale for maker in user.links[number].makers):
                    stale.add(user)
                    waiting.append(user)
        return stale

    def _walk(self, start: Node, hard: bool) -> Iterator[tuple[Cause, bool]]:
        """The causes upstream of a node, each once, with the shortest chain.

        With each, whether it lies behind a file that feeds itself, of a run that has taken in what changed: LaTeX reads
        the notes of its last turn, and the changed text too. Nobody can tell what is left of the former text.
        """
        stale = self._stale[hard]
        told: set[tuple[str, str, str, bool]] = set()
        seen: set[tuple[Node, Node | None]] = {(start, None)}
        waiting: deque[tuple[Node, tuple[str, ...], Node | None]] = deque([(start, (), None)])
        while waiting:
            node, chain, fed = waiting.popleft()
            for cause in node.hard if hard else node.soft:
                taken = fed is not None and self._has_taken(fed, cause)
                key = cause.path, cause.sha256, cause.change, taken
                if key not in told:
                    told.add(key)
                    yield cause._replace(chain=chain), taken
            for link in node.links:
                if all(maker in stale for maker in link.makers):
                    after = link.makers[0], fed or (node if self._feeds_itself(node, link.path) else None)
                    if after not in seen:
                        seen.add(after)
                        waiting.append((after[0], (link.path, *chain), after[1]))

    def _feeds_itself(self, node: Node, path: str) -> bool:
        """Tell whether the run of a node has written a file anew of which its outputs derive."""
        return path in self._digests_of(node) and self._records.writes(node.where.run, path)

    def _has_taken(self, node: Node, cause: Cause) -> bool:
        """Tell whether outputs of a node derive from what stands now in the place of a changed input."""
        sha256 = self._digests_of(node).get(cause.path, "")
        return sha256 not in ("", cause.sha256) and not any(own.path == cause.path for own in node.hard)

    def _digests_of(self, node: Node) -> dict[str, str]:
        """The inputs of a node by their paths."""
        if node not in self._digests:
            inputs = ((entry.get("path", ""), entry.get("sha256", "")) for entry in node.lists[0])
            self._digests[node] = {path: sha256 for path, sha256 in inputs if path and sha256}
        return self._digests[node]

    def _runs(self, start: Node) -> set[str]:
        """The runs by which the outputs of a node came about, this one and all upstream."""
        seen = {start}
        waiting = [start]
        while waiting:
            for link in waiting.pop().links:
                waiting += [maker for maker in link.makers if maker not in seen]
                seen.update(link.makers)
        return {node.where.run for node in seen}

    def _excused(self, cause: Cause, runs: Iterable[str]) -> bool:
        """Tell whether an input is not as it was because a run upstream changed it in place, further down the way.

        Of `a.tif`, made of `a.tif` by gdaladdo twice, the first content is gone, and that is as it should be.
        """
        if cause.change != "modified":
            return False
        present = self._inputs.present(encoded(cause.path))
        sha256, seen = cause.sha256, {cause.sha256}
        while True:
            following = (self._records.replaced(run, cause.path, sha256) for run in runs)
            sha256 = next((one for one in following if one and one not in seen), "")
            if not sha256:
                return False
            if present == sha256:
                return True
            seen.add(sha256)
