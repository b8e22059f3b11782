"""Which runs were broken off."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

import pytest

from shark.store.home import Store
from shark.unfinished import broken_off

RUN = "01a22caa-7042-76d7-bbfb-f7c70125d7c3"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal that was left a while ago."""
    path = tmp_path / "journals" / f"{RUN}.journal"
    path.parent.mkdir()
    path.write_bytes(b"shark-journal/1\n")
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


def store_of(journal: Path) -> Store:
    root = os.fsencode(journal.parents[1])
    return Store(root, root, dict(os.environ))


def test_a_journal_that_was_left(journal: Path) -> None:
    """Nobody holds it, and there is no record."""
    assert broken_off(store_of(journal)) == [RUN]


def test_one_that_is_being_written(journal: Path) -> None:
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert broken_off(store_of(journal)) == []


def test_one_that_is_quite_new(journal: Path) -> None:
    """Who makes it may not have locked it yet."""
    os.utime(journal)
    assert broken_off(store_of(journal)) == []


def test_what_is_no_journal(journal: Path) -> None:
    journal.rename(journal.with_suffix(".values"))
    assert broken_off(store_of(journal)) == []


def test_the_journals_of_another_user(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may not be listed: whoever only reads the records is told of nothing."""

    def refused(_: Store) -> dict[str, list[bytes]]:
        raise PermissionError(13, "Permission denied", str(journal.parent))

    monkeypatch.setattr(Store, "journals", refused)
    assert broken_off(store_of(journal)) == []
