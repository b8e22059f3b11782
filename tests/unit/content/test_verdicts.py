"""Verdicts on suspected files are believed for the very same file and package only."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from shark.content.packages.verdicts import Verdicts

OLD = 1_600_000_000_000_000_000


def stat(**other: int) -> os.stat_result:
    """What stat(2) says of a file that has not changed for long."""
    state = {"st_dev": 1, "st_ino": 2, "st_size": 3, "st_mtime_ns": OLD, "st_ctime_ns": OLD}
    return cast("os.stat_result", SimpleNamespace(**{**state, **other}))


def test_a_verdict_is_kept(tmp_path: Path) -> None:
    """What was found out once is known to the next run."""
    first = Verdicts(bytes(tmp_path / "cache" / "verdicts"))
    assert first.get(b"/x\xff", stat(), "x 1") is None
    first.put(b"/x\xff", stat(), "x 1", modified=False)
    first.put(b"/y", stat(), "x 1", modified=True)
    first.keep()
    second = Verdicts(bytes(tmp_path / "cache" / "verdicts"))
    assert (second.get(b"/x\xff", stat(), "x 1"), second.get(b"/y", stat(), "x 1")) == (False, True)


@pytest.mark.parametrize("name", ["st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"])
def test_another_state_is_another_file(name: str) -> None:
    """A changed file, and a package that was installed anew, are looked at again."""
    verdicts = Verdicts(None)
    verdicts.put(b"/x", stat(), "x 1", modified=False)
    assert verdicts.get(b"/x", stat(), "x 1") is False
    assert verdicts.get(b"/x", stat(), "x 2") is None
    assert verdicts.get(b"/x", stat(**{name: 7}), "x 1") is None


def test_what_has_just_changed_is_not_believed(tmp_path: Path) -> None:
    """It might change again within the same tick of the clock."""
    file = tmp_path / "file"
    file.write_text("x")
    verdicts = Verdicts(None)
    verdicts.put(bytes(file), os.stat(file), "x 1", modified=False)
    assert verdicts.get(bytes(file), os.stat(file), "x 1") is None


def test_of_too_many_the_newest_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is used again after long is compared again."""
    monkeypatch.setattr("shark.content.packages.verdicts._MOST", 2)
    place = bytes(tmp_path / "verdicts")
    verdicts = Verdicts(place)
    for path, state in ((b"/a", "x 1"), (b"/b", "x 1"), (b"/c", "x 1"), (b"/a", "x 2")):
        verdicts.put(path, stat(), state, modified=False)
    verdicts.keep()
    kept = Verdicts(place)
    assert [kept.get(b"/a", stat(), "x 2"), kept.get(b"/b", stat(), "x 1"), kept.get(b"/c", stat(), "x 1")] == [
        False,
        None,
        False,
    ]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"[2,{}]", b'[1,{"/x":3}]', b'[1,{"/x":[]}]', b"\xff"])
def test_a_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    """Whatever lies there, nothing is known and nothing fails."""
    place = bytes(tmp_path / "verdicts")
    (tmp_path / "verdicts").write_bytes(content)
    verdicts = Verdicts(place)
    assert verdicts.get(b"/x", stat(), "x 1") is None
    verdicts.put(b"/x", stat(), "x 1", modified=True)
    verdicts.keep()
    assert Verdicts(place).get(b"/x", stat(), "x 1") is True


def test_a_place_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    """Then every run looks for itself."""
    (tmp_path / "file").write_text("")
    for place in (None, bytes(tmp_path / "file" / "verdicts")):
        verdicts = Verdicts(place)
        verdicts.put(b"/x", stat(), "x 1", modified=True)
        verdicts.keep()
