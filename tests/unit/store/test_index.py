from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shark.errors import NotFound
from shark.store import schema
from shark.store.forget import forget
from shark.store.home import Store
from shark.store.index import Index

from . import example

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SHARK_HOME": str(tmp_path / "store"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}


@pytest.fixture
def store(environ: dict[str, str]) -> Store:
    return Store.open(environ, write=True)


def record(n: int, out: str = "/out", sha256: str = A, **more: Any) -> dict[str, Any]:
    """A run that reads /in.csv, changes /db in place, runs a library, and makes `out` (hard-linked as /twin)."""
    return {
        "schema": "shark/run/1",
        "id": example.run_id(n),
        "command": {"argv": ["Rscript", f"{n}.R"], "cwd": "/abs", "exit": 0, "start": "2026-09-21T10:00:00.000+00:00"},
        "files": [
            {
                "n": 1,
                "path": "/in.csv",
                "role": "data",
                "versions": [{"n": 1, "origin": "before", "sha256": B, "size": 9}],
            },
            {"n": 2, "path": "/lib.so", "role": "library", "versions": [{"n": 1, "origin": "before"}]},
            {
                "n": 3,
                "path": "/db\udcff",
                "role": "data",
                "versions": [
                    {"n": 1, "origin": "before", "sha256": C},
                    {"n": 2, "origin": "in-place", "by": {"process": 1, "image": 1}, "base": 1},
                ],
            },
            {"n": 4, "path": "/seen", "role": "data", "versions": [{"n": 1, "origin": "before", "sha256": A}]},
        ],
        "edges": [
            {"process": 1, "image": 1, "file": 1, "version": 1, "access": "read", "order": [1, 2]},
            {"process": 1, "image": 1, "file": 2, "version": 1, "access": "exec", "order": [1, 2]},
            {"process": 1, "image": 1, "file": 3, "version": 2, "access": "write", "order": [1, 2]},
            {"process": 1, "image": 1, "file": 4, "version": 1, "access": "rename", "order": [1, 2]},
        ],
        "coverage": {"complete": False, "gaps": [{"kind": "other", "detail": "x"}]},
        "outputs": [
            {"file": 9, "version": 1, "path": out, "names": [out, "/twin"], "role": "data", "sha256": sha256},
            {"file": 3, "version": 2, "path": "/db\udcff", "role": "data"},
        ],
        **more,
    }


def test_runs_are_listed_newest_first_with_what_log_shows(store: Store, environ: dict[str, str]) -> None:
    store.write_record(record(1, name="first", tags={"k": "ä\udcff"}))
    store.write_record(record(2, parent=example.run_id(1)))
    index = Index.open(store, environ)
    two, one = index.runs()
    assert (two.id, two.parent, two.exit, two.signal, two.outputs, two.gaps) == (
        example.run_id(2),
        example.run_id(1),
        0,
        -1,
        2,
        1,
    )
    assert (one.argv, one.cwd, one.name, one.tags) == (("Rscript", "1.R"), "/abs", "first", {"k": "ä\udcff"})
    assert index.runs(1) == [two]
    assert index.run(one.id) == one
    with pytest.raises(NotFound):
        index.run(example.run_id(9))


def test_outputs_are_found_by_path_and_content(store: Store, environ: dict[str, str]) -> None:
    store.write_record(record(1))
    store.write_record(record(2, "/other"))
    store.write_record(record(3, sha256=B))
    index = Index.open(store, environ)
    assert [v.run for v in index.made(path=b"/out", sha256=A)] == [example.run_id(1)]
    assert [(v.run, v.path) for v in index.made(sha256=A)] == [
        (example.run_id(2), b"/other"),
        (example.run_id(2), b"/twin"),
        (example.run_id(1), b"/out"),
        (example.run_id(1), b"/twin"),
    ]
    assert [v.run for v in index.made(path=b"/out")] == [example.run_id(3), example.run_id(1)]
    assert os.stat(store.index_path).st_mode & 0o777 == 0o600
    assert index.makers([(b"/out", A), (b"/none", A)]) == {(b"/out", A): [example.run_id(1)], (b"/none", A): []}


def test_inputs_are_what_was_read_or_continued_and_not_made(store: Store, environ: dict[str, str]) -> None:
    store.write_record(record(1))
    index = Index.open(store, environ)
    assert [(v.path, v.sha256) for v in index.used(run=example.run_id(1))] == [(b"/db\xff", C), (b"/in.csv", B)]
    assert [v.run for v in index.used(path=b"/in.csv")] == [v.run for v in index.used(sha256=B)] == [example.run_id(1)]


def test_makers_of_many_files_are_found_at_once(store: Store, environ: dict[str, str]) -> None:
    for n in (1, 2, 3):
        store.write_record(record(n, sha256=A if n < 3 else B))
    asked = [(b"/none", A), (b"/out", A), (b"/out", B), (b"/twin", C), (b"/twin", A)]
    assert Index.open(store, environ).makers(asked) == {
        (b"/none", A): [],
        (b"/out", A): [example.run_id(2), example.run_id(1)],
        (b"/out", B): [example.run_id(3)],
        (b"/twin", C): [],
        (b"/twin", A): [example.run_id(2), example.run_id(1)],
    }


def test_inputs_are_taken_in_when_they_are_asked_for(store: Store, environ: dict[str, str]) -> None:
    path = store.write_record(record(1))
    store.write_record(record(2))
    index = Index.open(store, environ)
    assert index._db.execute("SELECT count(*) FROM uses").fetchone() == (0,)
    with open(path, "wb") as stream:
        stream.write(b"damaged since")
    assert {v.run for v in index.used()} == {example.run_id(2)}
    assert [run for run, _ in index.problems()] == [example.run_id(1)]
    again = Index.open(store, environ)
    assert again._db.execute("SELECT count(*) FROM uses").fetchone() == (1,)


def test_records_that_come_and_go_are_noticed(store: Store, environ: dict[str, str]) -> None:
    store.write_record(record(1))
    index = Index.open(store, environ)
    path = store.write_record(record(2))
    store.write_record(record(5000))
    assert index.refresh() == 2
    assert index.refresh() == 0
    os.unlink(path)
    assert index.refresh() == 1
    shutil.rmtree(os.path.dirname(path))
    assert index.refresh() == 1
    assert [run.id for run in index.runs()] == [example.run_id(5000)]
    assert index.made(path=b"/out", run=example.run_id(1)) == []


def test_a_settled_folder_is_not_listed_again(
    store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_record(record(1))
    monkeypatch.setattr("shark.store.index._UNSETTLED", -1)
    index = Index.open(store, environ)
    monkeypatch.setattr(store, "runs_of", lambda *_: pytest.fail("listed"))
    assert index.refresh() == 0


def test_a_folder_whose_mtime_was_set_back_is_noticed(
    store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shark.store.index._UNSETTLED", -1)
    day = os.path.dirname(store.write_record(record(1)))
    before = os.stat(day)
    index = Index.open(store, environ)
    store.write_record(record(2))
    os.utime(day, ns=(before.st_atime_ns, before.st_mtime_ns))  # as rsync does
    assert index.refresh() == 1


def test_a_damaged_record_is_a_problem_until_it_is_restored(store: Store, environ: dict[str, str]) -> None:
    path = store.write_record(record(1))
    store.write_record(record(2))
    with open(path, "rb") as stream:
        whole = stream.read()
    with open(path, "wb") as stream:
        stream.write(whole[:50])
    index = Index.open(store, environ)
    assert [run.id for run in index.runs()] == [example.run_id(2)]
    assert [run for run, _ in index.problems()] == [example.run_id(1)]
    assert index.refresh() == 0
    with open(path, "wb") as stream:
        stream.write(whole)
    index.refresh()
    assert index.problems() == []
    assert len(index.runs()) == 2


def test_a_record_of_the_wrong_shape_is_taken_as_far_as_it_goes(store: Store, environ: dict[str, str]) -> None:
    odd = {
        "command": 3,
        "files": "x",
        "edges": [7],
        "outputs": [{"path": 5}, {"path": "\ud800", "size": 1 << 70}],
        "tags": [],
    }
    store.write_record({"schema": "shark/run/1", "id": example.run_id(1), **odd})
    index = Index.open(store, environ)
    assert index.problems() == []
    assert [run.argv for run in index.runs()] == [()]
    assert len(index.made(run=example.run_id(1))) == 1


@pytest.mark.parametrize("text", [b"this is no database" * 100, b"", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_index_is_made_anew(store: Store, environ: dict[str, str], text: bytes) -> None:
    store.write_record(record(1))
    with open(store.index_path, "wb") as stream:
        stream.write(text)
    assert len(Index.open(store, environ).runs()) == 1
    again = Index.open(store, environ)
    assert len(again.runs()) == 1
    assert again.warnings == []


def test_the_index_of_an_older_shark_is_made_anew_and_of_a_newer_one_left_alone(
    store: Store, environ: dict[str, str]
) -> None:
    store.write_record(record(1))
    Index.open(store, environ).close()
    for version, warned in ((0, False), (schema.VERSION + 1, True)):
        connection = sqlite3.connect(store.index_path)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()
        connection.close()
        index = Index.open(store, environ)
        assert len(index.runs()) == 1
        assert bool(index.warnings) == warned
        index.close()
    connection = sqlite3.connect(store.index_path)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION + 1,)
    connection.close()


def test_it_can_be_rebuilt_and_deleted_at_any_time(store: Store, environ: dict[str, str]) -> None:
    for n in range(3):
        store.write_record(record(n))
    index = Index.open(store, environ)
    before = (index.runs(), index.made(), index.used())
    assert index.rebuild() == 3
    assert (index.runs(), index.made(), index.used()) == before
    index.close()
    os.unlink(store.index_path)
    assert Index.open(store, environ).runs() == before[0]


def test_more_records_than_one_batch(store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shark.store.index._BATCH", 3)
    for n in (1, 2, 3, 4, 5000, 5001, 9000):
        store.write_record(record(n))
    assert len(Index.open(store, environ).runs()) == 7


def test_a_store_that_is_not_there_is_empty(environ: dict[str, str], tmp_path: Path) -> None:
    assert Index.open(Store.open(environ), environ).runs() == []
    assert list(tmp_path.iterdir()) == []


def test_without_a_place_to_write_the_index_is_in_the_cache_or_in_memory(
    store: Store, environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_record(record(1))
    monkeypatch.setattr(os, "access", lambda *_: False)  # as on a read-only medium, for root too
    assert len(Index.open(store, environ).runs()) == 1
    assert not os.path.exists(store.index_path)
    assert [p.suffix for p in (tmp_path / "cache" / "shark").iterdir()] == [".sqlite"]
    (tmp_path / "file").write_text("")
    nowhere = {**environ, "XDG_CACHE_HOME": str(tmp_path / "file")}
    assert len(Index.open(store, nowhere).runs()) == 1


MANY = """
import sys
from shark.store.home import Store
from shark.store.index import Index
sys.path.insert(0, sys.argv[2])
from store import example
from store.test_index import record
environ = {"SHARK_HOME": sys.argv[1]}
store = Store.open(environ, write=True)
for n in range(int(sys.argv[3]), int(sys.argv[3]) + 10):
    store.write_record(record(n))
    index = Index.open(store, environ)
    assert index.warnings == [], index.warnings
    assert [v.run for v in index.made(run=example.run_id(n), path=b"/out")] == [example.run_id(n)]
    index.close()
"""


def test_many_processes_at_once_neither_fail_nor_miss_a_run(store: Store, environ: dict[str, str]) -> None:
    unit = str(Path(__file__).parent.parent)
    command = [sys.executable, "-c", MANY, environ["SHARK_HOME"], unit]
    started = [subprocess.Popen([*command, str(n * 10)], stderr=subprocess.PIPE) for n in range(12)]
    for process in started:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    assert len(Index.open(store, environ).runs()) == 120


def test_a_forgotten_run_takes_only_what_no_other_needs(store: Store, environ: dict[str, str]) -> None:
    mine, shared, later = (store.put_object(text) for text in (b"mine", b"shared", b"later"))
    store.write_record(record(1, git=[{"patch_sha256": mine}, {"patch_sha256": shared}, {"patch_sha256": later}]))
    store.write_record(record(2, git=[{"patch_sha256": shared}]))
    os.utime(store.object_path(mine), (1, 1))
    os.utime(store.object_path(later), (2_000_000_000, 2_000_000_000))
    with open(store.journal_path(example.run_id(3)), "wb"):  # a run that goes on
        pass
    index = Index.open(store, environ)
    forgotten = forget(store, example.run_id(1))
    assert forgotten.objects == 1
    assert forgotten.kept
    assert not os.path.exists(store.object_path(mine))
    assert os.path.exists(store.object_path(shared))
    assert os.path.exists(store.object_path(later))
    index.refresh()
    assert [run.id for run in index.runs()] == [example.run_id(2)]
    with pytest.raises(NotFound):
        forget(store, example.run_id(1))


def test_forgetting_a_damaged_run_or_beside_one_keeps_all_objects(store: Store) -> None:
    mine = store.put_object(b"mine")
    store.write_record(record(1, git=[{"patch_sha256": mine}]))
    damaged = store.write_record(record(2))
    with open(damaged, "wb") as stream:
        stream.write(b"x")
    assert forget(store, example.run_id(1)).kept
    assert forget(store, example.run_id(2)).kept
    assert os.path.exists(store.object_path(mine))
    assert list(store.runs()) == []


def test_an_index_that_is_damaged_inside_does_not_hinder(store: Store, environ: dict[str, str]) -> None:
    for n in range(20):
        store.write_record(record(n))
    Index.open(store, environ).close()
    with open(store.index_path, "r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xaa" * (os.stat(store.index_path).st_size - 4096))
    damaged = Index.open(store, environ)
    assert len(damaged.runs()) == 20
    assert len(damaged.warnings) == 1
    again = Index.open(store, environ)
    assert len(again.runs()) == 20
    assert again.warnings == []


def test_an_index_catches_up_early_and_again(store: Store, environ: dict[str, str]) -> None:
    """What came since an index caught up is there all the same, and in the same order."""
    Index.catch_up(store, environ)
    assert os.path.exists(store.index_path)
    for n in (2, 1, 3):
        store.write_record(record(n))
        Index.catch_up(store, environ)
    index = Index.open(store, environ)
    assert not index.refresh()
    assert index.makers([(b"/out", A)]) == {(b"/out", A): [example.run_id(n) for n in (3, 2, 1)]}


@pytest.mark.parametrize("content", [b"no database" * 1000, b"newer", b"busy", b"no store"])
def test_an_index_that_cannot_catch_up_early_is_left_to_who_asks(
    store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """Trouble is for those to tell who want to know something."""
    monkeypatch.setattr(schema, "BUSY_SECONDS", 0.01)
    store.write_record(record(1))
    other = sqlite3.connect(store.index_path, isolation_level=None)
    if content == b"newer":
        other.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    elif content == b"busy":
        other.execute("BEGIN EXCLUSIVE")
    elif content == b"no store":
        shutil.rmtree(store.root)
    else:
        Path(os.fsdecode(store.index_path)).write_bytes(content)
    Index.catch_up(store, environ)
    other.close()
    if content == b"no store":
        assert not os.path.exists(store.root)
    else:
        store.write_record(record(2))
        assert [row.id for row in Index.open(store, environ).runs()] == [example.run_id(2), example.run_id(1)]
