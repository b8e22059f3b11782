"""Journals that are left: what goes wrong with one is no business of the others."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from shark import recovering
from shark.errors import SharkError

RUNS = ["01a22caa-7042-76d7-bbfb-f7c70125d7c3", "01a22caa-7042-76d7-bbfb-f7c70125d7c4"]


def test_a_fault_at_one_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told of, and the next one is finished."""
    monkeypatch.setenv("SHARK_HOME", str(tmp_path))
    monkeypatch.delenv("SHARK_DEBUG", raising=False)
    (tmp_path / "runs").mkdir()
    (tmp_path / "journals").mkdir()
    for run in RUNS:
        (tmp_path / "journals" / f"{run}.journal").write_bytes(b"")

    def one(run: str, *_: object) -> list[str]:
        if run == RUNS[0]:
            raise KeyError("x")
        return [run]

    monkeypatch.setattr(recovering, "_recover", one)
    troubles: list[SharkError] = []
    assert recovering.recover(None, troubles.append) == RUNS[1:]
    [trouble] = troubles
    assert trouble.message == f"run {RUNS[0]} is not recovered: internal error: KeyError: 'x'"
    assert f"shark forget {RUNS[0]}" in trouble.hint


def test_values_of_runs_that_are_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They go, but not those of a run that began after one that goes on: it may be inside of that."""
    monkeypatch.setenv("SHARK_HOME", str(tmp_path))
    (tmp_path / "runs").mkdir()
    (tmp_path / "journals").mkdir()
    old, going_on, new = (f"01a22caa-704{n}-76d7-bbfb-f7c70125d7c3" for n in (1, 2, 3))
    for run in (old, new):
        (tmp_path / "journals" / f"{run}.values").write_bytes(b'[1,"a",2]\n')
    journal = tmp_path / "journals" / f"{going_on}.journal"
    journal.write_bytes(b"")
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert recovering.recover(None, pytest.fail) == []
    assert sorted(path.name for path in journal.parent.iterdir()) == [journal.name, f"{new}.values"]
    journal.unlink()
    assert recovering.recover(None, pytest.fail) == []
    assert list(journal.parent.iterdir()) == []


def test_a_store_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said, and the journals stay where they are; a temporary store would be made anew each time."""
    (tmp_path / "store" / "journals").mkdir(parents=True)
    (tmp_path / "store" / "journals" / f"{RUNS[0]}.journal").write_bytes(b"")
    (tmp_path / "store" / "runs").write_bytes(b"")  # no directory, which binds root too
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("SHARK_HOME", str(tmp_path / "store"))
    with pytest.raises(SharkError, match="cannot be written"):
        recovering.recover(None, pytest.fail)
    monkeypatch.setenv("SHARK_HOME", str(tmp_path / "store" / "runs" / "none"))
    assert recovering.recover(None, pytest.fail) == []
    assert list((tmp_path / "tmp").iterdir()) == []
    assert len(list((tmp_path / "store" / "journals").iterdir())) == 1
