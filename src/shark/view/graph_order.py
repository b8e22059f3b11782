"""Layers of a graph, and the order in each in which few lines cross: the steps of Sugiyama's method. Pure.

Vertices are numbers; lines lead from a layer to a later one. Lines over several layers get a bend in each in between
(`Layered.bends`), unless there are too many of them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

Line = tuple[int, int]

SWEEPS = 8
"""So often the order of all layers is mended, in each direction."""
COUNTED = 6000
"""Crossings are counted, and the best order kept, in graphs of no more lines than this: it is the slow part."""
BENDS = 6000
"""With more bends than this, lines go straight over the layers between."""


class Layered(NamedTuple):
    """`layers` hold vertices in order; bends are vertices from `own` on. `ways` gives each line's vertices in order.

    `turned` lines had to be drawn against their direction, as they close a cycle: their way begins at their target.
    """

    own: int
    layers: list[list[int]]
    ways: dict[Line, list[int]]
    turned: set[Line]


def layered(count: int, lines: Sequence[Line]) -> Layered:
    """Order `count` vertices; `lines` are distinct pairs of them, none from a vertex to itself."""
    turned = _closing(count, lines)
    forward = {(b, a) if (a, b) in turned else (a, b) for a, b in lines}
    layer = _layers(count, sorted(forward))
    ways, total = _ways(count, forward, layer)
    layers: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for vertex in _first_order(count, sorted(forward)):
        layers[layer[vertex]].append(vertex)
    for way in ways.values():
        for step, bend in enumerate(way[1:-1], 1):
            layers[layer[way[0]] + step].append(bend)
    before: list[list[int]] = [[] for _ in range(total)]
    after: list[list[int]] = [[] for _ in range(total)]
    for way in ways.values():
        for a, b in pairwise(way):
            before[b].append(a)
            after[a].append(b)
    _sort(layers, before, after, len(forward))
    whole = {(a, b): ways[(b, a) if (a, b) in turned else (a, b)] for a, b in lines}
    return Layered(count, layers, whole, turned)


def _closing(count: int, lines: Sequence[Line]) -> set[Line]:
    """The lines that close a cycle, found depth first, from the vertices that nothing leads to. No recursion."""
    after: list[list[int]] = [[] for _ in range(count)]
    entered = [0] * count
    for a, b in lines:
        after[a].append(b)
        entered[b] += 1
    state = bytearray(count)  # 1: on the path, 2: done
    closing: set[Line] = set()
    for root in sorted(range(count), key=lambda v: entered[v] > 0):
        if state[root]:
            continue
        state[root] = 1
        path = [(root, iter(after[root]))]
        while path:
            vertex, rest = path[-1]
            for following in rest:
                if state[following] == 1:
                    closing.add((vertex, following))
                elif not state[following]:
                    state[following] = 1
                    path.append((following, iter(after[following])))
                    break
            else:
                state[vertex] = 2
                path.pop()
    return closing


def _layers(count: int, lines: Sequence[Line]) -> list[int]:
    """Each vertex behind all from which a line leads to it; a source right before the first that it leads to."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in lines:
        after[a].append(b)
        waiting[b] += 1
    sources = [v for v in range(count) if not waiting[v]]
    layer = [0] * count
    ready = deque(sources)
    while ready:
        vertex = ready.popleft()
        for following in after[vertex]:
            layer[following] = max(layer[following], layer[vertex] + 1)
            waiting[following] -= 1
            if not waiting[following]:
                ready.append(following)
    for vertex in sources:
        if after[vertex]:
            layer[vertex] = min(layer[following] for following in after[vertex]) - 1
    lowest = min(layer, default=0)
    return [n - lowest for n in layer]


def _ways(count: int, lines: set[Line], layer: Sequence[int]) -> tuple[dict[Line, list[int]], int]:
    """The vertices of each line, with its bends, and how many vertices there are with these."""
    bends = sum(layer[b] - layer[a] - 1 for a, b in lines)
    ways: dict[Line, list[int]] = {}
    total = count
    for a, b in sorted(lines):
        between = layer[b] - layer[a] - 1 if bends <= BENDS else 0
        ways[a, b] = [a, *range(total, total + between), b]
        total += between
    return ways, total


def _first_order(count: int, lines: Sequence[Line]) -> list[int]:
    """Depth first, along and against the lines: what hangs together lies together."""
    near: list[list[int]] = [[] for _ in range(count)]
    for a, b in lines:
        near[a].append(b)
        near[b].append(a)
    seen = bytearray(count)
    order = []
    for root in range(count):
        stack = [root]
        while stack:
            vertex = stack.pop()
            if not seen[vertex]:
                seen[vertex] = 1
                order.append(vertex)
                stack += reversed(near[vertex])
    return order


def _sort(layers: list[list[int]], before: list[list[int]], after: list[list[int]], lines: int) -> None:
    """Mend the order: each vertex to the mean place of those it is joined with, from left to right and back."""
    place = [0] * len(before)
    for row in layers:
        _number(row, place)
    counted = lines <= COUNTED
    best = _crossings(layers, after, place) if counted else 0
    kept = [list(row) for row in layers]
    for sweep in range(SWEEPS):
        for row, joined in _passes(layers, before, after, forward=sweep % 2 == 0):
            means = {v: sum(place[o] for o in joined[v]) / len(joined[v]) if joined[v] else place[v] for v in row}
            row.sort(key=means.__getitem__)
            _number(row, place)
        if counted:
            found = _crossings(layers, after, place)
            if found < best:
                best, kept = found, [list(row) for row in layers]
            if not best:
                break
    if counted:
        layers[:] = kept


def _passes(
    layers: list[list[int]], before: list[list[int]], after: list[list[int]], *, forward: bool
) -> list[tuple[list[int], list[list[int]]]]:
    return [(row, before) for row in layers[1:]] if forward else [(row, after) for row in layers[-2::-1]]


def _number(row: Sequence[int], place: list[int]) -> None:
    for n, vertex in enumerate(row):
        place[vertex] = n


def _crossings(layers: Sequence[Sequence[int]], after: Sequence[Sequence[int]], place: Sequence[int]) -> int:
    """How many pairs of lines cross between neighbouring layers: inversions of their ends."""
    total = 0
    for row in layers:
        seen: list[int] = []
        for vertex in row:
            ends = sorted(place[other] for other in after[vertex])
            total += sum(len(seen) - bisect_left(seen, end + 1) for end in ends)
            for end in ends:
                insort(seen, end)
    return total
