from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from shark import lookup
from shark.errors import NotFound
from shark.model.facts import time_text
from shark.model.manifest import manifests, summary
from shark.store.attach import Attacher
from shark.store.home import Store
from shark.store.ids import uuid7

TEXT = b"hello\n"


class World:
    """A store, and files that runs are said to have made."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {"SHARK_HOME": str(directory / "store"), "XDG_CACHE_HOME": str(directory / "cache")}
        self.store = Store.open(self.environ, write=True)
        self.files = directory / "files"
        self.files.mkdir()
        self.count = 0

    def put(self, name: str, text: bytes = TEXT) -> bytes:
        path = self.files / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        return os.fsencode(path)

    def run(self, *outputs: bytes, attach: Any = "none", hashed: bool = True) -> str:
        """Record a run that made these files as they are now."""
        self.count += 1
        run = uuid7(1_790_000_000_000_000_000 + self.count * 10**9, bytes(8))
        entries = []
        for number, path in enumerate(outputs, 1):
            about = os.stat(path)
            text = Path(os.fsdecode(path)).read_bytes()
            digest = {"sha256": hashlib.sha256(text).hexdigest()} if hashed else {}
            where = {"path": os.fsdecode(path), "size": about.st_size, "mtime": time_text(about.st_mtime_ns)}
            entries.append({"file": number, "version": 1, "role": "data", **where, **digest})
        record: dict[str, Any] = {
            "schema": "shark/run/1",
            "id": run,
            "command": {
                "argv": ["make", run[-4:]],
                "cwd": "/",
                "exit": 0,
                "start": f"2026-09-21T10:00:{self.count:02}.000+00:00",
            },
            "processes": [],
            "files": [],
            "channels": [],
            "edges": [],
            "software": [],
            "coverage": {"complete": True, "gaps": []},
            "outputs": entries,
            "shark": "0",
        }
        self.store.write_record(record)
        attacher = Attacher(summary, attach)  # type: ignore[arg-type]
        for path, manifest in zip(outputs, manifests(record), strict=True):  # type: ignore[arg-type]
            attacher.attach(path, manifest)
        return run

    def ask(self, *paths: bytes) -> list[dict[str, Any]]:
        return lookup.inspect(paths, self.store, self.environ)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def essence(answer: dict[str, Any]) -> tuple[str, str, str | None]:
    return answer["state"], answer["source"], answer.get("manifest", {}).get("run")


def test_nothing_known_is_said(world: World) -> None:
    [found] = world.ask(world.put("a"))
    assert found == {
        "schema": "shark/inspect/1",
        "file": str(world.files / "a"),
        "state": "unknown",
        "source": "none",
    }
    with pytest.raises(NotFound):
        world.ask(b"/nonexistent/x")


def test_what_the_file_carries_answers_first(world: World) -> None:
    path = world.put("a")
    run = world.run(path, attach="sidecar")
    assert essence(world.ask(path)[0]) == ("current", "sidecar", run)


def test_a_changed_file_is_modified_whether_or_not_its_size_is(world: World) -> None:
    path = world.put("a")
    run = world.run(path, attach="sidecar")
    for text in (b"longer than before", b"HELLO\n"):
        world.put("a", text)
        assert essence(world.ask(path)[0]) == ("modified", "sidecar", run)


def test_the_store_answers_by_path_and_digest(world: World) -> None:
    path = world.put("a")
    run = world.run(path)
    answer = world.ask(path)[0]
    assert essence(answer) == ("current", "store", run)
    assert "candidates" not in answer
    assert answer["manifest"]["output"]["path"] == os.fsdecode(path)


def test_several_runs_that_made_it_are_all_told_newest_first(world: World) -> None:
    path = world.put("a")
    runs = [world.run(path), world.run(path)]
    answer = world.ask(path)[0]
    assert essence(answer) == ("current", "store", runs[1])
    assert [c["run"] for c in answer["candidates"]] == runs[::-1]


def test_runs_that_made_the_same_bytes_elsewhere_are_told_after_the_one_that_made_them_here(world: World) -> None:
    """The path decides whose manifest is shown; that others made these bytes as well is not kept in silence."""
    runs = {name: world.run(world.put(name)) for name in ("a", "b", "c")}
    answer = world.ask(os.fsencode(world.files / "b"))[0]
    assert essence(answer) == ("current", "store", runs["b"])
    assert [c["run"] for c in answer["candidates"]] == [runs["b"], runs["c"], runs["a"]]


def test_an_empty_file_has_no_candidates_elsewhere(world: World) -> None:
    """All empty files have the same bytes."""
    runs = {name: world.run(world.put(name, b"")) for name in ("a", "b")}
    answer = world.ask(os.fsencode(world.files / "a"))[0]
    assert essence(answer) == ("current", "store", runs["a"])
    assert "candidates" not in answer


def test_a_true_manifest_in_the_store_goes_before_a_stale_one_on_the_file(world: World) -> None:
    path = world.put("a", b"earlier")
    world.run(path, attach="sidecar")
    world.put("a")
    run = world.run(path)
    assert essence(world.ask(path)[0]) == ("current", "store", run)


def test_by_digest_alone_there_are_candidates_and_no_manifest(world: World) -> None:
    run = world.run(world.put("a"))
    answer = world.ask(world.put("elsewhere"))[0]
    assert essence(answer) == ("current", "digest", None)
    assert [(c["run"], c["path"], c["argv"][0]) for c in answer["candidates"]] == [
        (run, str(world.files / "a"), "make")
    ]


def test_a_stale_manifest_is_kept_beside_candidates(world: World) -> None:
    stale = world.run(world.put("a", b"one"), attach="sidecar")
    run = world.run(world.put("b"))
    answer = world.ask(world.put("a"))[0]
    assert essence(answer) == ("modified", "sidecar", stale)
    assert [c["run"] for c in answer["candidates"]] == [run]


def test_an_empty_file_is_never_looked_up_by_digest(world: World) -> None:
    path = world.put("a", b"")
    run = world.run(path)
    assert essence(world.ask(path)[0]) == ("current", "store", run)
    assert essence(world.ask(world.put("b", b""))[0]) == ("unknown", "none", None)


def test_a_file_of_no_outputs_size_is_not_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run(world.put("a"))
    path = world.put("b", b"of another size")
    hashed: list[bytes] = []
    real = lookup.hashing.hash_files
    monkeypatch.setattr(
        lookup.hashing, "hash_files", lambda paths, **more: (hashed.extend(paths), real(paths, **more))[1]
    )
    assert essence(world.ask(path)[0]) == ("unknown", "none", None)
    assert hashed == []


def test_a_summary_is_completed_from_the_store(world: World) -> None:
    path = world.put("a")
    run = world.run(path)
    record = world.store.read_record(run)
    short = summary(next(manifests(record)))  # type: ignore[arg-type]
    (world.files / ".a.shark").write_text(json.dumps(short))
    answer = world.ask(path)[0]
    assert essence(answer) == ("current", "sidecar", run)
    assert "summary" not in answer["manifest"]
    os.unlink(world.store.record_path(run))
    answer = world.ask(path)[0]
    assert answer["manifest"]["summary"]
    assert "summary" in answer["problem"]


def test_an_output_that_was_not_hashed_is_judged_by_size_and_time(world: World) -> None:
    path = world.put("a")
    world.run(path, attach="sidecar", hashed=False)
    answer = world.ask(path)[0]
    assert answer["state"] == "current"
    assert "not hashed" in answer["problem"]
    os.utime(path, (1, 1))
    assert world.ask(path)[0]["state"] == "unknown"


def test_an_output_that_was_neither_hashed_nor_attached_to_is_found_by_its_path(world: World) -> None:
    """So it is with caches, and with what was to be ignored."""
    path = world.put("a")
    run = world.run(path, hashed=False)
    answer = world.ask(path)[0]
    assert essence(answer) == ("current", "store", run)
    assert "not hashed" in answer["problem"]
    os.utime(path, (1, 1))
    assert essence(world.ask(path)[0]) == ("unknown", "store", run)
    world.put("a", b"of another size")
    assert essence(world.ask(path)[0]) == ("unknown", "none", None)


def test_what_was_not_hashed_is_found_though_the_file_carries_what_was_true_earlier(world: World) -> None:
    path = world.put("a", b"earlier")
    world.run(path, attach="sidecar")
    world.put("a")
    run = world.run(path, hashed=False)
    assert essence(world.ask(path)[0]) == ("current", "store", run)


def test_an_unhashed_record_is_no_answer_once_a_later_run_made_the_file(world: World) -> None:
    path = world.put("a")
    world.run(path, hashed=False)
    world.run(path)
    world.put("a", b"HELLO\n")
    assert essence(world.ask(path)[0]) == ("unknown", "none", None)


def test_a_manifest_of_pyshark_is_judged_by_its_sha1(world: World) -> None:
    path = world.put("a")
    legacy = {
        "args": [],
        "start": "",
        "inputs": [],
        "outputs": [{"path": "x/a", "sha": hashlib.sha1(TEXT).hexdigest()}],
    }
    (world.files / ".a.shark").write_text(json.dumps(legacy))
    answer = world.ask(path)[0]
    assert (answer["state"], answer["source"], answer["manifest"]) == ("current", "sidecar", legacy)
    world.put("a", b"other")
    assert world.ask(path)[0]["state"] == "modified"


def test_garbage_is_a_problem_and_the_store_still_answers(world: World) -> None:
    path = world.put("a")
    run = world.run(path)
    (world.files / ".a.shark").write_bytes(b"{")
    answer = world.ask(path)[0]
    assert essence(answer) == ("current", "store", run)
    assert "damaged" in answer["problem"]


def test_a_link_stands_for_its_file(world: World) -> None:
    path = world.put("a")
    run = world.run(path)
    os.symlink(path, world.files / "link")
    answer = world.ask(os.fsencode(world.files / "link"))[0]
    assert answer["file"] == str(world.files / "link")
    assert essence(answer) == ("current", "store", run)


def test_version_controls_own_files_are_nobodys_question(world: World) -> None:
    """Of a directory they are not listed; of one that is named itself they are."""
    for name in ("d/.git/HEAD", "d/sub/.git/config", "d/sub/.gitignore", "d/file"):
        world.put(name)
    found = world.ask(os.fsencode(world.files / "d"))
    names = [os.path.relpath(answer["file"], world.files / "d") for answer in found]
    assert names == ["file", "sub/.gitignore"]
    assert len(world.ask(os.fsencode(world.files / "d" / ".git"))) == 1


def test_a_directory_stands_for_the_files_below_it(world: World) -> None:
    one, two = world.put("d/z"), world.put("d/sub/a", b"another text")
    run = world.run(one, two, attach="sidecar")
    world.put("d/unknown", b"x")
    os.symlink("z", world.files / "d" / "link")
    found = world.ask(os.fsencode(world.files / "d"))
    names = [os.path.relpath(answer["file"], world.files / "d") for answer in found]
    assert names == ["unknown", "z", "sub/a"]
    assert [essence(answer)[2] for answer in found] == [None, run, run]


def test_what_is_no_regular_file_has_none(world: World) -> None:
    os.mkfifo(world.files / "fifo")
    answer = world.ask(os.fsencode(world.files / "fifo"))[0]
    assert answer["state"] == "unknown"
    assert "regular" in answer["problem"]


def test_a_damaged_record_is_a_problem_not_a_crash(world: World) -> None:
    path = world.put("a")
    run = world.run(path)
    world.ask(path)  # the index knows it by now
    Path(os.fsdecode(world.store.record_path(run))).write_bytes(b"x")
    answer = world.ask(path)[0]
    assert answer["state"] == "unknown"
    assert "damaged" in answer["problem"]
    assert [c["run"] for c in answer["candidates"]] == [run]
