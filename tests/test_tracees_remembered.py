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


def test_no_name_at_all(trace: Trace, world: World) -> None:
    """An empty name is not that of a directory, which is not missing."""
    for name in ("in", "one/in"):
        world.write(name)
    run = trace("remembered", "names_nothing")
    assert run.reads == {"in", "one/in"}
    assert run.missing == []


def test_up_from_where_a_link_leads(trace: Trace, world: World) -> None:
    """A name is looked up as the kernel does it, also when it is looked up later."""
    for name in ("in", "two/in", "two/only"):
        world.write(name, name)
    (world.work / "two/deep").mkdir()
    (world.work / "link").symlink_to("two/deep")
    run = trace("remembered", "goes_up")
    assert run.reads == {"in", "two/in", "two/only"}
    assert run.gaps == set()


@pytest.mark.parametrize("how", ["inherits", "refers", "receives"])
def test_a_directory_that_was_not_opened_as_others(trace: Trace, world: World, how: str) -> None:
    """Names start from a directory however a busy process has got it, and though it is closed at once."""
    for name in ("in", "one/in"):
        world.write(name, name)
    run = trace("remembered", how)
    assert run.reads == {"in", "one/in"}
    assert run.missing == ["one/none"]
    assert run.gaps == set()


def test_open_directories_get_other_names(trace: Trace, world: World) -> None:
    """Names start from where an open directory is now."""
    for name in ("in", "two/one/in", "other/in"):
        world.write(name, name)
    run = trace("remembered", "moves")
    assert run.reads == {"in", "other/1/in", "tmp/in"}
    assert run.missing == ["other/1/none", "tmp/none"]
    assert run.gaps == set()
