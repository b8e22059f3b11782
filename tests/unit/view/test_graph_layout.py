"""Layouts: nothing overlaps, lines lead from box to box, the same graph gives the same picture."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from shark.view.graph_layout import BLOCK, DOWN, Drawing, lay_out, spread
from shark.view.graph_order import layered

EDGES = st.integers(1, 24).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=60))
)


def check(drawing: Drawing, count: int) -> None:
    """Boxes of nodes do not overlap; a line ends at the sides of its boxes; all is inside of the picture."""
    boxes = drawing.boxes[:count]
    for n, a in enumerate(boxes):
        assert a.x >= -0.01
        assert a.x + a.w <= drawing.width + 0.01
        assert a.y >= -0.01
        assert a.y + a.h <= drawing.height + 0.01
        for b in boxes[:n]:
            apart = (
                a.x + a.w <= b.x + 0.01 or b.x + b.w <= a.x + 0.01 or a.y + a.h <= b.y + 0.01 or b.y + b.h <= a.y + 0.01
            )
            assert apart, (a, b)
    for route in drawing.routes:
        for vertex, (x, y) in ((route.source, route.points[0]), (route.target, route.points[-1])):
            box = drawing.boxes[vertex]
            assert min(abs(x - box.x), abs(x - box.x - box.w)) < 0.01
            assert box.y - 0.01 <= y <= box.y + box.h + 0.01
        assert len(route.points) % 2 == 0


@settings(max_examples=150, deadline=None)
@given(EDGES)
def test_any_graph(graph: tuple[int, list[tuple[int, int]]]):
    """Cycles, double lines and lines from a node to itself included."""
    count, lines = graph
    sizes = [(60.0 + 7 * (n % 5), 40.0) for n in range(count)]
    drawing = lay_out(sizes, lines, [n % 2 for n in range(count)])
    check(drawing, count)
    assert {(drawing.vertex[a], drawing.vertex[b]) for a, b in lines if a != b} == {
        (route.source, route.target) for route in drawing.routes
    }
    assert drawing == lay_out(sizes, lines, [n % 2 for n in range(count)])


@settings(max_examples=150, deadline=None)
@given(EDGES)
def test_lines_lead_to_later_layers(graph: tuple[int, list[tuple[int, int]]]):
    """But for those that close a cycle; each vertex is in one layer."""
    count, every = graph
    lines = list(dict.fromkeys((a, b) for a, b in every if a != b))
    found = layered(count, lines)
    layer = {v: n for n, row in enumerate(found.layers) for v in row}
    assert sorted(v for v in layer if v < count) == list(range(count))
    for a, b in lines:
        assert (layer[a] < layer[b]) != ((a, b) in found.turned)
        assert [layer[v] for v in found.ways[a, b]] == sorted(layer[v] for v in found.ways[a, b])


def test_no_crossing_where_none_is_needed():
    """A binary tree is drawn without one."""
    lines = [(n, child) for n in range(15) for child in (2 * n + 1, 2 * n + 2)]
    drawing = lay_out([(60.0, 40.0)] * 31, lines, list(range(31)))
    rows: dict[float, list[tuple[float, float]]] = {}
    for route in drawing.routes:
        rows.setdefault(route.points[0][0], []).append((route.points[0][1], route.points[-1][1]))
    for ends in rows.values():
        assert all(a[1] <= b[1] for a, b in zip(sorted(ends), sorted(ends)[1:], strict=False))


def test_alike_neighbours_are_a_block():
    """Enough nodes with the same neighbours are put together, and one line leads to them; others are not."""
    drawing = lay_out([(60.0, 40.0)] * (BLOCK + 2), [(n, BLOCK) for n in range(BLOCK)] + [(BLOCK, BLOCK + 1)], [0] * 9)
    assert drawing.members == [list(range(BLOCK))]
    assert len(drawing.routes) == 2
    check(drawing, BLOCK + 2)
    different = lay_out([(60.0, 40.0)] * (BLOCK + 1), [(n, BLOCK) for n in range(BLOCK)], list(range(9)))
    assert different.members == []


def test_a_high_picture_is_cut_into_bands():
    """Thousands of chains side by side are about as wide as high, not a strip."""
    chains = 1000
    lines = [(n, chains + n) for n in range(chains)] + [(chains + n, 2 * chains) for n in range(chains)]
    drawing = lay_out([(100.0, 40.0)] * (2 * chains + 1), lines, list(range(2 * chains + 1)))
    assert 0.5 < drawing.width / drawing.height < 3


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(1, 50), st.sampled_from([1.0, 4.0])), max_size=20))
def test_spread(rows: list[tuple[float, float, float]]):
    """In order, without overlap, and where it was wanted if there is room."""
    wanted, sizes, weights = ([row[n] for row in rows] for n in range(3))
    found = spread(wanted, sizes, weights)
    for n in range(1, len(found)):
        assert found[n] - found[n - 1] >= (sizes[n] + sizes[n - 1]) / 2 + DOWN - 1e-6
    far = [n * 1000.0 for n in range(len(rows))]
    assert spread(far, sizes, weights) == far


def test_five_thousand_nodes():
    """Are laid out in a time that one waits for (about 0.3 s alone; the limit is for a busy machine)."""
    units = 1600
    lines = [(0, n) for n in range(1, units)] + [(n, units + n) for n in range(units)]
    lines += [(2 * units + n, n) for n in range(units)] + [(units + n, 3 * units) for n in range(units)]
    began = time.process_time()
    lay_out([(100.0, 40.0)] * (3 * units + 1), lines, list(range(3 * units + 1)))
    assert time.process_time() - began < 5
