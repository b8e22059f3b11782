"""Which runs made the inputs: what the files carry, and what the store knows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from shark.makers import Given, makers
from shark.store.home import Store
from shark.store.ids import uuid7

A, B = "a" * 64, "b" * 64
FIRST, SECOND = (uuid7(1_790_000_000_000_000_000 + n, bytes(8)) for n in (0, 10**9))


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SHARK_HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache")}


@pytest.fixture
def store(environ: dict[str, str]) -> Store:
    return Store.open(environ, write=True)


def record(store: Store, run: str, path: bytes, sha256: str) -> None:
    output = {"file": 1, "version": 1, "path": os.fsdecode(path), "role": "data", "sha256": sha256}
    store.write_record({"schema": "shark/run/1", "id": run, "files": [], "edges": [], "outputs": [output]})


def sidecar(path: bytes, run: str, sha256: str) -> None:
    directory, name = os.path.split(path)
    manifest = {"schema": "shark/manifest/1", "run": run, "output": {"path": "/x", "sha256": sha256}, "inputs": []}
    with open(os.path.join(directory, b"." + name + b".shark"), "w") as stream:
        json.dump(manifest, stream)


@pytest.mark.parametrize("count", [1, 30])
def test_a_files_own_manifest_comes_before_the_store(
    tmp_path: Path, store: Store, environ: dict[str, str], count: int
) -> None:
    paths = [os.fsencode(tmp_path / f"x{n}") for n in range(count)]
    for path in paths:
        Path(os.fsdecode(path)).write_text("")
        record(store, FIRST, path, A) if path == paths[0] else None
    sidecar(paths[0], SECOND, A)
    given = [Given(n, path, A) for n, path in enumerate(paths)]
    assert makers(given, store, environ) == {0: [SECOND]}


@pytest.mark.parametrize("count", [1, 30])
def test_a_manifest_about_another_content_does_not_count(
    tmp_path: Path, store: Store, environ: dict[str, str], count: int
) -> None:
    paths = [os.fsencode(tmp_path / f"x{n}") for n in range(count)]
    Path(os.fsdecode(paths[-1])).write_text("")
    record(store, FIRST, paths[-1], A)
    sidecar(paths[-1], SECOND, B)
    assert makers([Given(n, path, A) for n, path in enumerate(paths)], store, environ) == {count - 1: [FIRST]}


def test_a_directory_with_much_else_in_it_is_not_listed(
    tmp_path: Path, store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shark.makers._NAMES_PER_FILE", 1)
    paths = [os.fsencode(tmp_path / f"x{n}") for n in range(40)]
    for path in paths:
        Path(os.fsdecode(path)).write_text("")
    sidecar(paths[7], SECOND, A)
    given = [Given(n, path, A) for n, path in enumerate(paths[:10])]
    assert makers(given, store, environ) == {7: [SECOND]}


def test_two_files_of_a_run_that_stood_at_one_path(tmp_path: Path, store: Store, environ: dict[str, str]) -> None:
    path = os.fsencode(tmp_path / "x")
    record(store, FIRST, path, A)
    assert makers([Given(1, path, A), Given(2, path, A)], store, environ) == {1: [FIRST], 2: [FIRST]}


def test_what_the_store_knows_of_one_content_of_a_file_counts(
    tmp_path: Path, store: Store, environ: dict[str, str]
) -> None:
    """A file may be given with two contents, of which it carries the manifest of the later one."""
    path = os.fsencode(tmp_path / "x")
    Path(os.fsdecode(path)).write_text("")
    record(store, FIRST, path, B)
    sidecar(path, SECOND, A)
    assert makers([Given(1, path, A)], store, environ) == {1: [SECOND]}
    assert makers([Given(1, path, A), Given(1, path, B)], store, environ) == {1: [FIRST]}


def test_files_of_many_folders_are_asked_for_where_a_run_made_any(
    tmp_path: Path, store: Store, environ: dict[str, str]
) -> None:
    """Folders in which no run made anything, and other files of one where a run did, have no makers."""
    paths = [os.fsencode(tmp_path / f"d{n}" / "x") for n in range(40)]
    record(store, FIRST, paths[3], A)
    record(store, SECOND, paths[9], B)
    given = [Given(n, path, A) for n, path in enumerate([*paths, os.path.dirname(paths[3]) + b"/y"])]
    assert makers(given, store, environ) == {3: [FIRST]}


def test_a_store_that_cannot_be_asked_is_a_warning(
    store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("shark.store.index.Index.open", fail)
    assert makers([Given(1, b"/none/x", A)], store, environ) == {}
    assert len(store.warnings) == 1
