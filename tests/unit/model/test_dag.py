"""Sets in one graph: their leaves, asked for one after the other, are those of each by itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shark.model.dag import EMPTY, Dag, Leaves

_STEPS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=60)
"""Each makes a leaf, or a union of two sets that are there: by their places, modulo what there is."""


@given(_STEPS, st.lists(st.integers(0, 99), max_size=60))
def test_leaves_of_one_set_after_another(steps: list[tuple[int, int]], questions: list[int]) -> None:
    dag = Dag()
    sets: list[tuple[int, frozenset[int]]] = [(EMPTY, frozenset())]
    for one, other in steps:
        if one == other:
            leaf = dag.leaf()
            sets.append((leaf, frozenset({leaf})))
        else:
            (first, some), (second, more) = sets[one % len(sets)], sets[other % len(sets)]
            sets.append((dag.pair(first, second), some | more))
    leaves = Leaves(dag)
    for question in questions:
        node, expected = sets[question % len(sets)]
        assert leaves.of(node) == expected == dag.leaves(node)


def test_a_set_that_grows_is_not_gone_through_again() -> None:
    dag = Dag()
    one = other = EMPTY
    leaves = Leaves(dag)
    for n in range(1000):
        one, other = dag.pair(one, dag.leaf()), dag.pair(other, dag.leaf())
        found = leaves.of(dag.pair(one, other), limit=8)
        assert found is not None, f"more than 8 nodes were looked at for what came in step {n}"
        assert len(found) == 2 * (n + 1)


def test_the_limit_holds_for_what_is_not_remembered() -> None:
    dag = Dag()
    node = EMPTY
    for _ in range(100):
        node = dag.pair(node, dag.leaf())
    assert Leaves(dag).of(node, limit=50) is None
    assert Leaves(dag).of(node) == dag.leaves(node)
