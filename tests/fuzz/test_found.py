"""What random trees have shown to be wrong, each as the smallest script that showed it."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from harness import Run, World

CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


@pytest.fixture
def play(world: World, trace: Callable[..., Run]) -> Callable[..., Run]:
    """`play(lines...)` runs the lines in the working directory as one process's script."""

    def run(*lines: str) -> Run:
        script = world.root / "script"
        script.write_text("\n".join([f"tree {world.work} 0.0", *lines, "end", ""]))
        return trace("interpreter", str(script))

    return run


def test_the_working_directory_is_renamed_by_a_path_that_starts_in_it(world: World, play: Callable[..., Run]) -> None:
    """Where `../..` leads from the new place is not where the rename went."""
    (world.work / "d/deep").mkdir(parents=True)
    run = play(
        f"chdir {world.work}/d/deep 0", f"open at 100 -100 out {CREATE} 0", "rename -100 ../deep -100 ../../n 0 0"
    )
    assert run.outputs.keys() == {"n/out"}
    assert run.manifest("n/out")["output"]["path"] == f"{world.work}/n/out"


def test_an_unnamed_file_is_linked_and_opened_again(world: World, play: Callable[..., Run]) -> None:
    """The number by which /proc shows a file without a name is none of its names."""
    run = play(
        f"open at 100 -100 {world.work} {os.O_TMPFILE | os.O_RDWR} 0",
        "write 100 content",
        "linkfd 100 -100 out 0",
        "open at 101 -100 /proc/self/fd/100 0 0",
    )
    assert run.outputs.keys() == {"out"}
    assert "names" not in run.record["outputs"][0]


def test_a_name_that_is_gone_does_not_come_back_through_a_descriptor(world: World, play: Callable[..., Run]) -> None:
    """A file of two names is opened by one, loses it, and is opened again through /proc."""
    run = play(
        f"open at 100 -100 first {CREATE} 0",
        "write 100 content",
        "link -100 first -100 second 0",
        "unlink -100 first 0",
        "open at 101 -100 /proc/self/fd/100 0 0",
    )
    assert run.outputs.keys() == {"second"}
    assert run.manifest("second")["output"]["path"] == f"{world.work}/second"
