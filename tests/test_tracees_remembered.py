"""What shark remembers of earlier calls, so as to tell each thing once, hides no later one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Run, World

Trace = Callable[..., Run]


@pytest.mark.parametrize("how", ["duplicates", "stays_open"])
def test_an_input_that_stays_open_across_an_exec(trace: Trace, world: World, how: str) -> None:
    """A program that gets an open file has read it, also if all that its process had opened was to be closed."""
    world.write("in")
    run = trace("remembered", how)
    assert set(run.inputs("out")) == {"in"}


@pytest.mark.parametrize(
    ("how", "absent"),
    [("changes_directory", ["none", "one/none", "two/none"]), ("is_elsewhere", ["none", "one/none"])],
)
def test_a_relative_name_in_several_directories(trace: Trace, world: World, how: str, absent: list[str]) -> None:
    """What is found, or not found, under a name says nothing about another directory."""
    for name in ("in", "one/in", "two/in"):
        world.write(name, name)
    run = trace("remembered", how)
    assert run.reads == {"in", "one/in", "two/in"}
    assert sorted(run.missing) == absent
    assert run.gaps == set()
