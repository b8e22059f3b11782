"""Random pipelines of which one knows what was truly read and written: nothing is missed, and little is superfluous."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from .flow_world import World

EXAMPLES = int(os.environ.get("SHARK_FLOW_EXAMPLES", "1500"))

_number = st.integers(0, 255)
_steps = st.lists(st.tuples(_number, _number, _number, _number), min_size=5, max_size=60)
_many = settings(
    max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)


# One program reads a file, leaves it in a pipe of its own, and has an exec; the next one takes it from there.
_LEFT_IN_A_PIPE = [(0, 0, 1, 1), *((n, 0, 0, 0 if n != 123 else 2) for n in (123, 216, 164, 140, 179, 182))]


@_many
@example(_LEFT_IN_A_PIPE)
@given(_steps)
def test_nothing_is_missed_with_the_snapshots_that_capture_takes(steps):
    """What truly reached an output is among its inputs; what decided what was executed, there or in its controls."""
    world = World(full=False)
    for step in steps:
        world.step(*step)
    for inode, inputs, controls in world.listed():
        assert inode.real.inputs <= inputs, (inode.names, "inputs")
        assert inode.real.controls <= inputs | controls, (inode.names, "controls")


@_many
@example(_LEFT_IN_A_PIPE)
@given(_steps)
def test_nothing_is_superfluous_where_all_is_known(steps):
    """With a snapshot around every call, no more is listed than what was open when could have carried."""
    world = World(full=True)
    for step in steps:
        world.step(*step)
    for inode, inputs, controls in world.listed():
        assert inode.real.inputs <= inputs <= inode.known.inputs, inode.names
        assert inode.real.controls <= inputs | controls, inode.names
        assert controls <= inode.known.controls, inode.names
