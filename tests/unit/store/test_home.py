from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from shark.content import filesystems
from shark.errors import NotFound, RecordDamaged, SharkError
from shark.store import files, places, records
from shark.store.home import Store
from shark.store.index import Index

from . import example


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open({"SHARK_HOME": str(tmp_path / "store")}, write=True)


def record(n: int = 0) -> dict[str, object]:
    return {"schema": "shark/run/1", "id": example.run_id(n), "name": "ä\udcff"}


def test_the_store_lies_where_the_environment_says(tmp_path: Path) -> None:
    assert places.store_root({"SHARK_HOME": "/s", "XDG_DATA_HOME": "/x"}) == b"/s"
    assert places.store_root({"XDG_DATA_HOME": "/x", "HOME": "/h"}) == b"/x/shark"
    assert places.store_root({"XDG_DATA_HOME": "relative", "HOME": "/h"}) == b"/h/.local/share/shark"
    assert places.store_root({"SHARK_HOME": "", "HOME": "/h"}) == b"/h/.local/share/shark"


def test_everything_in_it_is_private(store: Store) -> None:
    old = os.umask(0)
    try:
        path = store.write_record(record())
        store.put_object(b"patch")
        store.journal_path(example.RUN)
    finally:
        os.umask(old)
    assert os.stat(path).st_mode & 0o777 == 0o600
    for folder, _, names in os.walk(store.root):
        assert os.stat(folder).st_mode & 0o777 == 0o700
        assert all(os.stat(os.path.join(folder, name)).st_mode & 0o777 == 0o600 for name in names)


def test_reading_touches_nothing(tmp_path: Path) -> None:
    store = Store.open({"SHARK_HOME": str(tmp_path / "none")})
    assert list(store.runs()) == []
    assert not (tmp_path / "none").exists()
    with pytest.raises(NotFound):
        store.read_record(example.RUN)


def test_a_record_comes_back_and_is_the_same_bytes_each_time(store: Store, tmp_path: Path) -> None:
    path = store.write_record(record())
    assert os.fsdecode(path) == f"{tmp_path}/store/runs/2026/09/21/{example.run_id(0)}.json.gz"
    assert store.read_record(example.run_id(0)) == record()
    first = Path(os.fsdecode(path)).read_bytes()
    os.unlink(path)
    store.write_record(record())
    assert Path(os.fsdecode(path)).read_bytes() == first
    assert first[4:8] == bytes(4), "no time in the header"


def test_records_are_never_changed(store: Store) -> None:
    store.write_record(record())
    store.write_record(record())
    with pytest.raises(SharkError, match="recorded already"):
        store.write_record({**record(), "name": "other"})


@pytest.mark.parametrize("harm", ["empty", "truncated", "noise", "a list", "another's"])
def test_a_damaged_record_is_told_with_what_to_do_and_can_be_replaced(store: Store, harm: str) -> None:
    path = store.write_record(record())
    with open(path, "rb") as stream:
        whole = stream.read()
    other = Store(store.root + b"2")
    with open(other.write_record(record(1)), "rb") as stream:
        strange = stream.read()
    harmed = {"empty": b"", "truncated": whole[:-9], "noise": b"noise", "a list": records.compress(b"[]")}
    with open(path, "wb") as stream:
        stream.write(harmed.get(harm, strange))
    with pytest.raises(RecordDamaged) as caught:
        store.read_record(example.run_id(0))
    assert caught.value.hint
    if harm != "another's":
        store.write_record(record())
        assert store.read_record(example.run_id(0)) == record()


def test_a_record_of_a_newer_shark_is_refused_clearly(store: Store) -> None:
    store.write_record({**record(), "schema": "shark/run/2"})
    with pytest.raises(SharkError, match="shark/run/2"):
        store.read_record(example.run_id(0))


def test_runs_are_found_by_number_prefix_and_suffix(store: Store) -> None:
    for n in range(3000, 6000, 1000):  # on several days
        store.write_record(record(n))
    ids = [example.run_id(n) for n in (5000, 4000, 3000)]
    assert list(store.runs()) == ids
    assert [store.find(f"@{n}") for n in (1, 2, 3)] == ids
    assert store.find(ids[1]) == store.find(ids[1].upper()) == store.find(ids[1][-8:]) == ids[1]
    assert store.find(ids[2][:13]) == ids[2]
    with pytest.raises(SharkError, match="not unique") as caught:
        store.find(ids[0][:3])
    assert ids[1] in caught.value.hint
    for unknown in ("@4", "ffff", "", "../x"):
        with pytest.raises(NotFound):
            store.find(unknown)
    for wrong in ("@0", "@", "@x", "@-1"):
        with pytest.raises(SharkError, match="names no run"):
            store.find(wrong)


def test_what_is_not_a_record_is_not_a_run(store: Store) -> None:
    path = store.write_record(record())
    day = os.path.dirname(path)
    for name in (b".shark-tmp-00", b"notes.txt", b"x.json.gz", example.run_id(90_000).encode() + b".json.gz"):
        with open(os.path.join(day, name), "wb"):
            pass
    assert list(store.runs()) == [example.run_id(0)]


def test_objects_are_kept_by_their_digest(store: Store) -> None:
    sha256 = store.put_object(b"hello\n")
    assert sha256 == example.SHA
    assert store.put_object(b"hello\n") == sha256
    assert store.get_object(sha256) == b"hello\n"
    with open(store.object_path(sha256), "wb") as stream:
        stream.write(b"other")
    with pytest.raises(RecordDamaged):
        store.get_object(sha256)
    with pytest.raises(NotFound):
        store.get_object("0" * 64)


def test_journals_are_listed_by_run(store: Store) -> None:
    path = store.journal_path(example.RUN)
    for name in (path, path.replace(b".journal", b".state"), os.path.join(os.path.dirname(path), b"other")):
        with open(name, "wb"):
            pass
    assert store.journals() == {example.RUN: [path, path.replace(b".journal", b".state")]}


def test_the_kind_of_a_file_system_is_told() -> None:
    assert filesystems.kind_of(b"/proc") == "proc"
    for kind in ("nfs", "nfs4", "cifs", "lustre", "gpfs", "beegfs", "ceph", "fuse.sshfs", "fuse.s3fs"):
        assert filesystems.is_network(kind)
    for kind in ("ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuseblk", "fuse.gocryptfs", ""):
        assert not filesystems.is_network(kind)


def test_on_a_network_journals_and_index_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = os.fsencode(tmp_path / "remote")
    os.mkdir(remote)
    monkeypatch.setattr(places, "on_network", lambda path: path.startswith(remote))
    environ = {
        "SHARK_HOME": os.fsdecode(remote) + "/store",
        "XDG_STATE_HOME": os.fsdecode(remote) + "/state",
        "TMPDIR": str(tmp_path / "tmp"),
        "HOME": os.fsdecode(remote),
    }
    candidates = [remote + b"/state", os.fsencode(tmp_path / "local")]
    monkeypatch.setattr(places, "_local_candidates", lambda _: iter(candidates))
    store = Store.open(environ, write=True)
    assert store.root == remote + b"/store"
    assert store.journal_path(example.RUN).startswith(os.fsencode(tmp_path / "local" / "store-"))
    store.write_record(record())
    assert len(Index.open(store, {**environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}).runs()) == 1
    assert [path.suffix for path in (tmp_path / "cache" / "shark").iterdir()] == [".sqlite"]
    assert b"index.sqlite" not in os.listdir(store.root)
    assert Store.open(environ).local == store.local, "readers look at the same place"
    assert store.warnings == []


def test_a_directory_of_somebody_else_is_not_taken_for_ones_own(tmp_path: Path) -> None:
    open_to_all = os.fsencode(tmp_path / "open")
    os.mkdir(open_to_all)
    os.chmod(open_to_all, 0o777)
    assert not places.own_directory(open_to_all)
    os.symlink(tmp_path, os.fsencode(tmp_path / "link"))
    assert not places.own_directory(os.fsencode(tmp_path / "link"))
    assert places.own_directory(os.fsencode(tmp_path / "new"))


def test_no_home_directory_means_a_temporary_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "home", lambda _: None)
    store = Store.open({"TMPDIR": str(tmp_path)}, write=True)
    assert store.root.startswith(os.fsencode(tmp_path))
    assert "home" in store.warnings[0]
    with pytest.raises(SharkError, match="home"):
        Store.open({})


def test_a_record_that_fits_nowhere_is_an_error_that_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    store = Store.open({"SHARK_HOME": str(tmp_path / "store"), "TMPDIR": str(tmp_path / "tmp")}, write=True)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "write_whole", full)
    with pytest.raises(SharkError, match="cannot keep") as caught:
        store.write_record(record())
    assert "Make room" in caught.value.hint
    assert list((tmp_path / "tmp").iterdir()) == []
