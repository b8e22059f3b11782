"""Where the nodes of a picture lie: layers from left to right, alike neighbours in blocks. Pure.

Lengths are those of the picture: one is a pixel at full size; y grows downwards.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import pairwise
from typing import NamedTuple

from shark.view.graph_order import Layered, Line, layered

ACROSS, DOWN = 60.0, 16.0
"""Free room between layers, and between what lies in one."""
INSIDE, FRAME = 8.0, 10.0
"""Free room between the members of a block, and around them."""
PARTS = 48.0
"""Free room between parts of a graph that nothing joins."""
BLOCK = 5
"""So many nodes with the same neighbours are drawn as a block, to which a single line leads."""
STRAIGHT = 6
"""So often the heights are mended."""
TALL, SHAPE = 6000.0, 1.5
"""What is higher than this, and several times as high as wide, is cut into bands that stand side by side, such that the
whole gets about this ratio of width to height."""


class Box(NamedTuple):
    """A rectangle: its upper left corner and its size."""

    x: float
    y: float
    w: float
    h: float


class Route(NamedTuple):
    """A line between two vertices (`Drawing.boxes`) through `points`: a straight piece (often of no length) and a curve
    by turns, with a straight piece at either end.
    """

    source: int
    target: int
    points: list[tuple[float, float]]


class Drawing(NamedTuple):
    """Boxes of all nodes, then of the blocks. `members` says which nodes are in each block, `vertex` for each node in
    which box its lines end: its own, or its block's.
    """

    boxes: list[Box]
    members: list[list[int]]
    vertex: list[int]
    routes: list[Route]
    width: float
    height: float


def lay_out(sizes: Sequence[tuple[float, float]], lines: Sequence[Line], alike: Sequence[Hashable]) -> Drawing:
    """Lay out nodes of the given sizes. Nodes of equal `alike` with the same neighbours may be put into a block."""
    count = len(sizes)
    lines = [line for line in dict.fromkeys(lines) if line[0] != line[1]]
    members = _blocks(count, lines, alike)
    vertex = list(range(count))
    grids = []
    for n, block in enumerate(members):
        grids.append(_grid([sizes[node] for node in block]))
        for node in block:
            vertex[node] = count + n
    room = [*sizes, *((grid.width, grid.height) for grid in grids)]
    joined = list(dict.fromkeys((vertex[a], vertex[b]) for a, b in lines))
    inside = {node for block in members for node in block}
    parts = _parts([v for v in range(len(room)) if v not in inside], joined)
    boxes = [Box(0, 0, *size) for size in room]
    routes: list[Route] = []
    placed = [_part(part, room, own) for part, own in parts]
    corners, width, height = _pack([(part.width, part.height) for part in placed])
    for (x, y), part in zip(corners, placed, strict=True):
        for v, box in part.boxes.items():
            boxes[v] = box._replace(x=box.x + x, y=box.y + y)
        routes += [r._replace(points=[(px + x, py + y) for px, py in r.points]) for r in part.routes]
    for n, (block, grid) in enumerate(zip(members, grids, strict=True)):
        outer = boxes[count + n]
        for node, (x, y) in zip(block, grid.corners, strict=True):
            boxes[node] = Box(outer.x + x, outer.y + y, grid.cell, sizes[node][1])
    return Drawing(boxes, members, vertex, routes, width, height)


class _Grid(NamedTuple):
    corners: list[tuple[float, float]]
    cell: float
    width: float
    height: float


class _Part(NamedTuple):
    boxes: dict[int, Box]
    routes: list[Route]
    width: float
    height: float


def _blocks(count: int, lines: Sequence[Line], alike: Sequence[Hashable]) -> list[list[int]]:
    """Nodes that have the same neighbours in both directions, where there are enough of them."""
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for a, b in lines:
        after[a].append(b)
        before[b].append(a)
    groups: dict[Hashable, list[int]] = {}
    for node in range(count):
        key = alike[node], tuple(sorted(before[node])), tuple(sorted(after[node]))
        groups.setdefault(key, []).append(node)
    return [group for group in groups.values() if len(group) >= BLOCK]


def _grid(sizes: Sequence[tuple[float, float]]) -> _Grid:
    """The places of a block's members, in columns, about as high as it is wide."""
    wide, high = max(w for w, _ in sizes), max(h for _, h in sizes)
    columns = max(1, round(math.sqrt(len(sizes) * (high + INSIDE) / (wide + INSIDE) * 0.9)))
    rows = math.ceil(len(sizes) / columns)
    columns = math.ceil(len(sizes) / rows)
    corners = [(FRAME + n // rows * (wide + INSIDE), FRAME + n % rows * (high + INSIDE)) for n in range(len(sizes))]
    return _Grid(
        corners, wide, 2 * FRAME + columns * (wide + INSIDE) - INSIDE, 2 * FRAME + rows * (high + INSIDE) - INSIDE
    )


def _parts(vertices: Sequence[int], lines: Sequence[Line]) -> list[tuple[list[int], list[Line]]]:
    """What hangs together: vertices and lines of each part, the largest first."""
    near: dict[int, list[int]] = {v: [] for v in vertices}
    for a, b in lines:
        near[a].append(b)
        near[b].append(a)
    part: dict[int, int] = {}
    found: list[tuple[list[int], list[Line]]] = []
    for root in vertices:
        if root in part:
            continue
        part[root] = len(found)
        own, stack = [], [root]
        while stack:
            vertex = stack.pop()
            own.append(vertex)
            for other in near[vertex]:
                if other not in part:
                    part[other] = len(found)
                    stack.append(other)
        found.append((sorted(own), []))
    for line in lines:
        found[part[line[0]]][1].append(line)
    return sorted(found, key=lambda each: -len(each[0]))


def _part(vertices: Sequence[int], room: Sequence[tuple[float, float]], lines: Sequence[Line]) -> _Part:
    """Lay out what hangs together, with its upper left corner at (0, 0)."""
    numbers = {v: n for n, v in enumerate(vertices)}
    order = layered(len(vertices), [(numbers[a], numbers[b]) for a, b in lines])
    widths = [[room[vertices[v]][0] for v in row if v < order.own] for row in order.layers]
    columns: list[tuple[float, float]] = []
    x = 0.0
    for own in widths:
        wide = max(own, default=0.0)
        columns.append((x, wide))
        x += wide + ACROSS
    middle = _heights(order, [room[v][1] for v in vertices])
    boxes: dict[int, Box] = {}
    level: dict[int, int] = {}
    for n, row in enumerate(order.layers):
        for v in row:
            level[v] = n
            if v < order.own:
                wide, high = room[vertices[v]]
                left = columns[n][0] + (columns[n][1] - wide) / 2
                boxes[vertices[v]] = Box(left, middle[v] - high / 2, wide, high)
    routes = []
    for (a, b), way in order.ways.items():
        points = _points(way, level, columns, middle, (boxes[vertices[way[0]]], boxes[vertices[way[-1]]]))
        turned = (a, b) in order.turned
        routes.append(Route(vertices[a], vertices[b], points[::-1] if turned else points))
    height = max((box.y + box.h for box in boxes.values()), default=0.0)
    return _banded(_Part(boxes, routes, x - ACROSS, height))


def _banded(part: _Part) -> _Part:
    """A very high part in bands, side by side: what is joined closely lies at about one height, and stays together."""
    bands = round(math.sqrt(SHAPE * part.height / max(part.width, 1.0)))
    if part.height < TALL or bands < 3:
        return part
    high = max(part.height / bands, 2 * max(box.h for box in part.boxes.values()))
    across = part.width + 2 * ACROSS

    def moved(x: float, y: float) -> tuple[float, float]:
        band = min(max(int(y // high), 0), bands - 1)
        return x + band * across, y - band * high

    boxes = {}
    for v, box in part.boxes.items():
        x, y = moved(box.x, box.y + box.h / 2)
        boxes[v] = box._replace(x=x, y=y - box.h / 2)
    top = min(box.y for box in boxes.values())
    boxes = {v: box._replace(y=box.y - top) for v, box in boxes.items()}
    routes = [r._replace(points=[(x, y - top) for x, y in (moved(*point) for point in r.points)]) for r in part.routes]
    width = max(box.x + box.w for box in boxes.values())
    return _Part(boxes, routes, width, max(box.y + box.h for box in boxes.values()))


def _points(
    way: Sequence[int],
    level: dict[int, int],
    columns: Sequence[tuple[float, float]],
    middle: Sequence[float],
    ends: tuple[Box, Box],
) -> list[tuple[float, float]]:
    """From the right side of the first box to the left side of the last one; level where it is inside of a layer."""
    first, last = columns[level[way[0]]], columns[level[way[-1]]]
    points = [(ends[0].x + ends[0].w, middle[way[0]]), (first[0] + first[1], middle[way[0]])]
    for bend in way[1:-1]:
        left, wide = columns[level[bend]]
        points += [(left, middle[bend]), (left + wide, middle[bend])]
    return [*points, (last[0], middle[way[-1]]), (ends[1].x, middle[way[-1]])]


def _heights(order: Layered, high: Sequence[float]) -> list[float]:
    """The middle of each vertex: as near to its neighbours as order and free room allow; 0 is the upper edge."""
    total = sum(len(row) for row in order.layers)
    size = [high[v] if v < order.own else 4.0 for v in range(total)]
    before: list[list[int]] = [[] for _ in range(total)]
    after: list[list[int]] = [[] for _ in range(total)]
    for way in order.ways.values():
        for a, b in pairwise(way):
            before[b].append(a)
            after[a].append(b)
    middle = [0.0] * total
    for row in order.layers:
        y = -sum(size[v] + DOWN for v in row) / 2
        for v in row:
            middle[v] = y + size[v] / 2
            y += size[v] + DOWN
    for sweep in range(STRAIGHT):
        forward = sweep % 2 == 0
        rows = order.layers if forward else order.layers[::-1]
        last = sweep >= STRAIGHT - 2
        for row in rows:
            wanted = []
            for v in row:
                near = before[v] + after[v] if last else before[v] if forward else after[v]
                wanted.append(sum(middle[o] for o in near) / len(near) if near else middle[v])
            weights = [1.0 if v < order.own else 4.0 for v in row]
            for v, y in zip(row, spread(wanted, [size[v] for v in row], weights), strict=True):
                middle[v] = y
    top = min((middle[v] - size[v] / 2 for v in range(total)), default=0.0)
    return [y - top for y in middle]


def spread(wanted: Sequence[float], sizes: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Places as near to the wanted ones as possible (least squares), in the given order and without overlap.

    Without the sizes this is isotonic regression: neighbours that would overlap are pooled at their weighted mean.

    >>> spread([0, 0], [10, 10], [1, 1])
    [-13.0, 13.0]
    """
    offsets = []
    total = 0.0
    for n, size in enumerate(sizes):
        total += (sizes[n - 1] + size) / 2 + DOWN if n else 0.0
        offsets.append(total)
    pools: list[tuple[float, float, int]] = []  # weighted sum, weight, length
    for want, offset, weight in zip(wanted, offsets, weights, strict=True):
        sum_, heavy, length = (want - offset) * weight, weight, 1
        while pools and pools[-1][0] / pools[-1][1] >= sum_ / heavy:
            other = pools.pop()
            sum_, heavy, length = sum_ + other[0], heavy + other[1], length + other[2]
        pools.append((sum_, heavy, length))
    levels = [sum_ / heavy for sum_, heavy, length in pools for _ in range(length)]
    return [level + offset for level, offset in zip(levels, offsets, strict=True)]


def _pack(sizes: Sequence[tuple[float, float]]) -> tuple[list[tuple[float, float]], float, float]:
    """Corners for the parts: in rows, about as high as the picture is wide; and the size of the whole."""
    area = sum((w + PARTS) * (h + PARTS) for w, h in sizes)
    limit = max(max((w for w, _ in sizes), default=0.0), math.sqrt(area) * 1.3)
    corners: list[tuple[float, float]] = []
    x = y = row = width = 0.0
    for w, h in sizes:
        if x and x + w > limit:
            x, y, row = 0.0, y + row + PARTS, 0.0
        corners.append((x, y))
        width = max(width, x + w)
        x, row = x + w + PARTS, max(row, h)
    return corners, width, y + row
