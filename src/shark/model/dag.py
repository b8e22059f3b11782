"""Sets that are unions of other sets, in one graph that they share: what a state derives from, without copying it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

EMPTY = 0
"""The node of the empty set."""

_LOOK = 64
"""Nodes that are looked at, at most, to find out whether a set adds anything to another one."""

_FRAMES = 16
"""Forks through which a taint remembers what its ancestors' taints hold."""

_LATELY = 16
"""Sets whose leaves are remembered."""

_NO_LIMIT = 1 << 62


class Dag:
    """Immutable sets of leaves, by number. A leaf is the set of itself; every other node is the union of its parts.

    Numbers grow: a node's parts have smaller ones.
    """

    def __init__(self) -> None:
        self.parts: list[tuple[int, ...]] = [()]
        self._known: dict[tuple[int, ...], int] = {}

    def leaf(self) -> int:
        """A new leaf."""
        self.parts.append(())
        return len(self.parts) - 1

    def new_leaves(self, count: int) -> range:
        """So many new leaves."""
        first = len(self.parts)
        self.parts.extend([()] * count)
        return range(first, first + count)

    def pair(self, one: int, other: int) -> int:
        """The union of two nodes."""
        if one > other:
            one, other = other, one
        if not one or one == other or one in self.parts[other]:
            return other
        parts = one, other
        node = self._known.get(parts)
        if node is None:
            node = self._known[parts] = len(self.parts)
            self.parts.append(parts)
        return node

    def union(self, nodes: Iterable[int]) -> int:
        """The union of nodes; the same nodes give the same number."""
        parts = tuple(sorted({node for node in nodes if node}))
        if len(parts) <= 2:
            return self.pair(*parts) if len(parts) == 2 else parts[0] if parts else EMPTY
        node = self._known.get(parts)
        if node is None:
            node = self._known[parts] = len(self.parts)
            self.parts.append(parts)
        return node

    def leaves(
        self, node: int, limit: int = _NO_LIMIT, known: Mapping[int, set[int]] = MappingProxyType({})
    ) -> set[int] | None:
        """The leaves of a set, None if more than `limit` nodes must be visited for them.

        Those of the sets in `known` are not looked for again.
        """
        if not node:
            return set()
        parts = self.parts
        seen = {node}
        todo = [node]
        found: set[int] = set()
        while todo:
            if len(seen) > limit:
                return None
            node = todo.pop()
            below = parts[node]
            if not below:
                found.add(node)
            elif node in known:
                found |= known[node]
            else:
                fresh = [part for part in below if part not in seen]
                seen.update(fresh)
                todo.extend(fresh)
        return found


class Leaves:
    """The leaves of one set after another: of those that grew out of one that was asked for lately, only what came to
    it is looked for. What `of` gives is shared: do not change it.
    """

    def __init__(self, dag: Dag) -> None:
        self._dag = dag
        self._lately: dict[int, set[int]] = {}

    def of(self, node: int, limit: int = _NO_LIMIT) -> set[int] | None:
        """The leaves of a set, None if more than `limit` nodes must be visited for them.

        A state is often the union of two that grow, each for itself: so a set's parts are remembered, too.
        """
        parts = self._dag.parts[node]
        if not parts:
            return {node} if node else set()
        found = self._lately.get(node)
        if found is not None:
            return found
        below = []
        for part in parts:
            leaves = (
                self._remember(part, self._dag.leaves(part, limit, self._lately)) if self._dag.parts[part] else {part}
            )
            if leaves is None:
                return None
            below.append(leaves)
        return self._remember(node, set().union(*below))

    def _remember(self, node: int, leaves: set[int] | None) -> set[int] | None:
        if leaves is not None:
            self._lately[node] = leaves
            if len(self._lately) > _LATELY:
                del self._lately[next(iter(self._lately))]
        return leaves


class Taint:
    """A set that grows, and tells cheaply, most of the time, that what is added is in it already.

    A fork's begins with what its parent's holds at that moment, without copying it.
    """

    __slots__ = ("_base", "_dag", "_known", "_limit", "_pending", "_top")

    def __init__(self, dag: Dag) -> None:
        self._dag = dag
        self._known: dict[int, int] = {}  # nodes that are in it, and how many were when each came in
        self._pending: list[int] = []
        self._top = EMPTY
        self._base: Taint | None = None
        self._limit = 0

    def add(self, node: int) -> bool:
        """Put a set into this one; False if it is known to add nothing."""
        known = self._known
        if not node or node in known or (self._base is not None and self._has(node)) or node == self._top:
            return False
        if not self._dag.parts[node]:
            known[node] = len(known)
            self._pending.append(node)
            return True
        inside = [node]
        new = self._explore(inside)
        if new:
            self._pending.append(node)
        for part in inside:
            self._learn(part)
        return new

    def node(self) -> int:
        """The set as it is now."""
        pending = self._pending
        if pending:
            if len(pending) == 1:
                self._top = self._dag.pair(pending[0], self._top)
            else:
                pending.append(self._top)
                self._top = self._dag.union(pending)
            self._pending = []
            self._learn(self._top)
        return self._top

    def clear(self) -> None:
        """Begin anew with the empty set."""
        self._known, self._pending, self._top, self._base = {}, [], EMPTY, None

    def fork(self) -> Taint:
        """A set that begins as this one is now."""
        child = Taint(self._dag)
        child._top = self.node()
        if not child._top:
            return child
        if not self._known and self._base is not None:
            child._base, child._limit = self._base, self._limit  # nothing was added since that fork
        elif self._depth() <= _FRAMES:
            child._base, child._limit = self, len(self._known)
        else:
            child._learn(child._top)
        return child

    def _depth(self) -> int:
        frame, depth = self, 1
        while frame._base is not None:
            frame, depth = frame._base, depth + 1
        return depth

    def _learn(self, node: int) -> None:
        self._known.setdefault(node, len(self._known))

    def _has(self, node: int) -> bool:
        if node == self._top:
            return True
        frame, limit = self, _NO_LIMIT
        while True:
            place = frame._known.get(node)
            if place is not None and place < limit:
                return True
            if frame._base is None:
                return False
            frame, limit = frame._base, frame._limit

    def _explore(self, inside: list[int]) -> bool:
        """Extend `inside` by parts of its node that are not in here yet; False if there is no leaf among them."""
        parts = self._dag.parts
        at = 0
        new = False
        seen = set(inside)
        while at < len(inside):
            if new or len(inside) > _LOOK:
                return True
            for part in parts[inside[at]]:
                if part not in seen and not self._has(part):
                    seen.add(part)
                    inside.append(part)
                    new = new or not parts[part]
            at += 1
        return new
