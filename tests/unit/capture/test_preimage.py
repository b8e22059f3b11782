"""What must be hashed before it is lost: decided when a call begins, and again when somebody turns up to read it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from shark.capture import kernel
from shark.capture.preimage import Hashed, Keeper
from shark.events import READ
from shark.values import Stat


def digest(fd: int) -> Hashed:
    return Hashed(hashlib.sha256(os.read(fd, 1 << 16)).hexdigest(), "")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file from before the run."""
    path = tmp_path / "file"
    path.write_text("from before\n")
    return path


def state(path: Path) -> Stat:
    found = kernel.statx(os.fsencode(path))
    assert found is not None
    return found


def opened(path: Path) -> int:
    return os.open(path, os.O_PATH | os.O_CLOEXEC)


def test_what_was_read_is_hashed_before_it_is_discarded(file: Path) -> None:
    keeper = Keeper(digest)
    stat = state(file)
    assert not keeper.needed(stat, discards=True)
    keeper.opened(stat, READ, emptied=False)
    assert keeper.needed(stat, discards=True)
    assert keeper.save(opened(file), stat).sha256 == hashlib.sha256(b"from before\n").hexdigest()
    assert not keeper.needed(stat, discards=True)


def test_who_comes_while_it_is_about_to_be_discarded(file: Path) -> None:
    """A call that truncates has begun when nobody had read the file; before it is carried out, somebody opens that."""
    keeper = Keeper(digest)
    stat = state(file)
    assert not keeper.is_endangered(stat)
    assert not keeper.needed(stat, discards=True)
    before = keeper.before(stat)
    assert keeper.is_endangered(stat)
    keeper.save(opened(file), stat)
    assert not keeper.is_endangered(stat)
    found = keeper.after_all(before)
    assert found is not None
    assert found.sha256 == hashlib.sha256(b"from before\n").hexdigest()


def test_who_comes_too_late(file: Path) -> None:
    """What is opened after the call was carried out is empty; and then nothing is in danger any more."""
    keeper = Keeper(digest)
    stat = state(file)
    assert not keeper.needed(stat, discards=True)
    before = keeper.before(stat)
    file.write_text("")
    assert not keeper.is_endangered(state(file))
    keeper.opened(state(file), READ, emptied=True)
    file.write_text("new\n")
    assert not keeper.is_endangered(state(file))
    assert keeper.after_all(before) == before


def test_a_removed_file_is_in_no_danger(file: Path) -> None:
    keeper = Keeper(digest)
    stat = state(file)
    assert not keeper.needed(stat, discards=True)
    keeper.removed(stat)
    assert not keeper.is_endangered(stat)
