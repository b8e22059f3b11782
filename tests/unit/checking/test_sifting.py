"""What is said of files at one glance: never that one is as recorded unless its stat is that of a trusted digest."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shark.checking.sifting import Sifted
from shark.checking.verify import verify

from .world import World

NAMES = [f"out/{n}.txt" for n in range(12)]


@pytest.fixture
def made(world: World) -> World:
    """A dozen outputs of one run, whose digests are in the cache."""
    world.put("in.csv")
    world.run(["in.csv"], {name: f"{name}\n" for name in NAMES})
    for name in ["in.csv", *NAMES]:
        os.utime(world.path(name), (1e9, 1e9))  # no digest is believed of what has only just changed
    with world.records() as records:
        assert verify([os.fsencode(world.files)], world.contents(), records).counts() == {"ok": len(NAMES)}
    return world


def sifted(world: World, *paths: Path) -> list[Sifted]:
    return world.contents().sieve().sift([os.fsencode(path) for path in paths])


def test_unchanged_files_are_sure_and_of_one_group(made: World) -> None:
    """All of a run that derive from the same share a group, whichever process looked at them."""
    found = sifted(made, *map(made.path, NAMES))
    assert all(one.sure and one.claim is not None for one in found)
    assert [one.claim.path for one in found if one.claim] == [str(made.path(name)) for name in NAMES]
    assert {one.group for one in found} == {0}
    assert len({id(one.claim.inputs) for one in found if one.claim}) == 1


@pytest.mark.parametrize("at", [0, 11])
def test_a_change_that_leaves_size_and_mtime_makes_unsure(made: World, at: int) -> None:
    """The ctime tells."""
    path = made.path(NAMES[at])
    path.write_text(path.read_text().upper())
    os.utime(path, (1e9, 1e9))
    found = sifted(made, *map(made.path, NAMES))
    assert [n for n, one in enumerate(found) if not one.sure] == [at]
    assert found[at].claim is not None


def test_what_carries_nothing_is_bare(made: World) -> None:
    """So is told from one whose manifest is of another content, and from one that is gone."""
    other = made.put("other.txt", "I am here\n")
    made.path(NAMES[0]).write_text("longer than it was recorded\n")
    made.path(NAMES[1]).unlink()
    bare, changed, gone = sifted(made, other, made.path(NAMES[0]), made.path(NAMES[1]))
    assert bare == Sifted(None, 10, bare=True)
    assert changed == Sifted(None, 28)
    assert gone == Sifted(None, -1)


def test_a_copy_that_is_elsewhere_has_no_group(made: World) -> None:
    """Its inputs must be looked for beside it."""
    moved = made.path("moved.txt")
    made.path(NAMES[0]).rename(moved)
    [found] = sifted(made, moved)
    assert found.claim is not None
    assert found.claim.path == str(made.path(NAMES[0]))
    assert found.group == -1


def test_a_digest_of_a_fresh_file_is_not_believed(made: World) -> None:
    """It could change again within the same tick of the clock."""
    path = made.path(NAMES[3])
    now = time.time()
    os.utime(path, (now, now))
    with made.records() as records:
        verify([os.fsencode(path)], made.contents(), records)
    assert [one.sure for one in sifted(made, path)] == [False]
    with made.records() as records:
        assert verify([os.fsencode(path)], made.contents(), records).counts() == {"ok": 1}


def test_full_believes_no_cache(made: World) -> None:
    """Then all is unsure."""
    found = made.contents(full=True).sieve().sift([os.fsencode(made.path(name)) for name in NAMES])
    assert not any(one.sure for one in found)
