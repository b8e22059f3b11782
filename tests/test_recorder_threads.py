"""The recorder in processes with several threads: all stand still for a moment, and none of them notices."""

from __future__ import annotations

from collections.abc import Callable

from harness import Run, World

FILES = 16
OPENS = 4 * 200


def test_threads_become_hot(trace: Callable[..., Run], world: World, mode: str) -> None:
    """Calls that an interruption would end go on; what four threads open is recorded, most of it without a stop."""
    names = {f"in{n}" for n in range(FILES)}
    for name in names:
        world.write(name)
    run = trace("hot_threads", env={"SHARK_RECORDER": "1"})
    assert run.reads >= names
    assert run.gaps == set()
    traced = run.record["traced"]
    assert (traced["hot"] > 0) == (mode == "recorder")
    if mode == "recorder":
        assert traced["recorded"] > OPENS / 2


def test_programs_that_are_told_to_go_on(trace: Callable[..., Run], world: World) -> None:
    """A SIGCONT at any moment, that of becoming hot included, leaves nobody standing still."""
    world.write("in")
    run = trace("continued")
    assert run.reads == {"in"}
    assert run.gaps == set()
