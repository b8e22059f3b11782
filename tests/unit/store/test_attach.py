from __future__ import annotations

import errno
import json
import os
import zlib
from pathlib import Path
from typing import Any

import pytest

from shark.store import attach as attaching
from shark.store.attach import Attached, Attacher, Room, Version
from shark.store.read import NOTHING, read_attached, read_places
from shark.store.strip import strip, strip_tree

from . import example


@pytest.fixture
def file(tmp_path: Path) -> bytes:
    path = tmp_path / "out"
    path.write_bytes(b"hello\n")
    try:
        os.setxattr(path, "user.probe", b"")
        os.removexattr(path, "user.probe")
    except OSError:
        pytest.skip("the temporary directory's file system has no user attributes")
    return os.fsencode(path)


def attach(path: bytes, manifest: dict[str, Any], how: Any = "auto") -> Attached:
    return Attacher(example.summary, how).attach(path, manifest)


def sidecar(path: bytes) -> bytes:
    return os.path.join(os.path.dirname(path), b"." + os.path.basename(path) + b".shark")


def put(path: bytes, text: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(text)


def test_a_small_manifest_is_the_attribute_as_json(file: bytes) -> None:
    manifest = example.manifest()
    assert attach(file, manifest).where == "xattr"
    assert json.loads(os.getxattr(file, "user.shark")) == manifest
    assert read_attached(file) == (manifest, "xattr", "")


def test_attaching_leaves_content_mtime_atime_mode_and_owner(file: bytes) -> None:
    os.chmod(file, 0o640)
    os.utime(file, ns=(1_000_000_007, 2_000_000_009))
    before = os.stat(file)
    attached = attach(file, example.manifest())
    after = os.stat(file)
    for field in ("st_mtime_ns", "st_atime_ns", "st_mode", "st_uid", "st_gid", "st_size", "st_ino"):
        assert getattr(after, field) == getattr(before, field), field
    assert attached.ctime == after.st_ctime_ns


def test_asked_for_it_goes_into_a_sidecar_and_the_attribute_goes(file: bytes) -> None:
    attach(file, example.manifest())
    os.chmod(file, 0o751)
    assert attach(file, example.manifest(run=example.run_id(2)), "sidecar").where == "sidecar"
    assert os.listxattr(file) == []
    assert json.loads(Path(os.fsdecode(sidecar(file))).read_bytes())["run"] == example.run_id(2)
    assert os.stat(sidecar(file)).st_mode & 0o777 == 0o640, "readable for whoever may read the file"
    assert attach(file, example.manifest(), "auto").where == "xattr"
    assert not os.path.exists(sidecar(file)), "a stale one of the two places is removed"


def test_none_means_none(file: bytes) -> None:
    assert attach(file, example.manifest(), "none").where == "none"
    assert os.listxattr(file) == []


def test_a_file_that_changed_since_gets_none(file: bytes) -> None:
    about = os.stat(file)
    known = Version(about.st_ino, about.st_size, about.st_mtime_ns)
    attacher = Attacher(example.summary)
    assert attacher.attach(file, example.manifest(), known).where == "xattr"
    put(file, b"other, and longer")
    assert attacher.attach(file, example.manifest(), known)[:2] == ("none", "it changed since it was recorded")


def test_only_regular_files_get_one(tmp_path: Path, file: bytes) -> None:
    link, fifo = os.fsencode(tmp_path / "link"), os.fsencode(tmp_path / "fifo")
    os.symlink(file, link)
    os.mkfifo(fifo)
    for path in (link, fifo, os.fsencode(tmp_path)):
        assert attach(path, example.manifest())[:2] == ("none", "not a regular file")
    assert attach(b"/nonexistent/x", example.manifest()).where == "none"
    assert os.listxattr(file) == [], "a link is never followed"
    assert read_places(link) == read_places(fifo) == []


def test_names_of_any_bytes(tmp_path: Path) -> None:
    for name in (b"new\nline", b"\xff\xfe", b"-rf *", b".hidden"):
        path = os.path.join(os.fsencode(tmp_path), name)
        put(path, b"hello\n")
        assert attach(path, example.manifest(), "sidecar").where == "sidecar"
        assert read_attached(path).source == "sidecar"


def test_a_name_too_long_for_a_sidecar_is_a_reason(tmp_path: Path) -> None:
    path = os.path.join(os.fsencode(tmp_path), b"n" * 250)
    put(path, b"hello\n")
    attached = attach(path, example.manifest(), "sidecar")
    assert attached.where == "none"
    assert "too long" in attached.why
    assert strip(path) == ((), "")
    assert attach(path, example.manifest()).why == ""


@pytest.mark.parametrize("text", [b"", b"my own notes", b'{"schema": "other/1"}', b"[]", b"\x00" * 100])
def test_a_file_that_is_no_manifest_is_never_replaced(file: bytes, text: bytes) -> None:
    put(sidecar(file), text)
    assert attach(file, example.manifest(), "sidecar").where == "none"
    assert attach(file, example.manifest()).where == "xattr"
    strip(file)
    assert Path(os.fsdecode(sidecar(file))).read_bytes() == text


def test_a_link_in_the_sidecars_place_stays(tmp_path: Path, file: bytes) -> None:
    target = tmp_path / "manifest.json"
    target.write_text(json.dumps(example.manifest()))
    os.symlink(target, sidecar(file))
    assert attach(file, example.manifest(), "sidecar").where == "none"
    assert os.path.islink(sidecar(file))


def test_over_the_limit_the_store_alone_keeps_them_with_one_warning(tmp_path: Path) -> None:
    attacher = Attacher(example.summary, "sidecar", sidecars_per_directory=3)
    paths = [os.fsencode(tmp_path / f"f{n}") for n in range(6)]
    for path in paths:
        put(path, b"hello\n")
    places = [attacher.attach(path, example.manifest()).where for path in paths]
    assert places == ["sidecar"] * 3 + ["none"] * 3
    assert len(attacher.warnings) == 1
    again = Attacher(example.summary, "sidecar", sidecars_per_directory=1)
    assert [again.attach(path, example.manifest()).where for path in paths[:3]] == ["sidecar"] * 3, "replaced: not new"


def test_no_temporary_file_stays(tmp_path: Path, file: bytes) -> None:
    attach(file, example.manifest(), "sidecar")
    os.mkdir(os.path.join(os.fsencode(tmp_path), b"d"))
    assert sorted(os.listdir(tmp_path)) == [".out.shark", "d", "out"]


def test_strip_removes_both_places_and_nothing_else(file: bytes) -> None:
    attach(file, example.manifest(), "sidecar")
    os.setxattr(file, "user.shark", json.dumps(example.manifest()).encode())
    os.setxattr(file, "user.other", b"x")
    assert strip(file) == (("xattr", "sidecar"), "")
    assert os.listxattr(file) == ["user.other"]
    assert strip(file) == ((), "")
    assert read_attached(file) == NOTHING


def test_strip_of_a_tree(tmp_path: Path, file: bytes) -> None:
    deep = os.fsencode(tmp_path / "a" / "b")
    os.makedirs(deep)
    put(deep + b"/f", b"hello\n")
    attach(deep + b"/f", example.manifest())
    attach(file, example.manifest(), "sidecar")
    put(deep + b"/.gone.shark", json.dumps(example.manifest()).encode())
    put(deep + b"/.mine.shark", b"not a manifest")
    os.symlink(b"f", deep + b"/link")
    stripped = dict(strip_tree(os.fsencode(tmp_path)))
    assert stripped == {
        file: (("sidecar",), ""),
        deep + b"/f": (("xattr",), ""),
        deep + b"/.gone.shark": (("sidecar",), ""),
    }
    assert sorted(os.listdir(deep)) == [b".mine.shark", b"f", b"link"]


class FakeFileSystem:
    """Attributes of one file on a file system that holds `limit` bytes of them; `tried` are the sizes of values."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, limit: int, others: tuple[str, ...] = ()) -> None:
        self.values = dict.fromkeys(others, b"x")
        self.tried: list[int] = []
        self._limit = limit
        monkeypatch.setattr(os, "setxattr", self.setxattr)
        monkeypatch.setattr(os, "listxattr", lambda _: list(self.values))

    def setxattr(self, _: int, name: str, value: bytes) -> None:
        self.tried.append(len(value))
        if sum(len(other) for key, other in self.values.items() if key != name) + len(value) > self._limit:
            raise OSError(errno.ENOSPC, "no space")
        self.values[name] = value


def test_what_did_not_fit_once_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    system, room = FakeFileSystem(monkeypatch, 4000), Room()
    assert not room.try_value(3, "user.shark", bytes(5000))
    assert not room.try_value(3, "user.shark", bytes(5001))
    assert room.try_value(3, "user.shark", bytes(4000))
    assert not room.try_value(3, "user.shark", bytes(4500))
    assert system.tried == [5000, 4000, 4500]


def test_what_did_not_fit_beside_anothers_attribute_may_fit_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeFileSystem(monkeypatch, 4000, ("user.other",))
    room = Room()
    assert not room.try_value(3, "user.shark", bytes(4000))
    FakeFileSystem(monkeypatch, 4000)
    assert room.try_value(4, "user.shark", bytes(4000))


def test_nothing_is_compressed_in_vain_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    system, room = FakeFileSystem(monkeypatch, 4000), Room()
    packed = []
    compress = zlib.compress
    monkeypatch.setattr(attaching.zlib, "compress", lambda text, level: packed.append(level) or compress(text, level))
    text = json.dumps(example.manifest(30_000)).encode()
    for _ in range(3):
        assert room.try_value(3, "user.shark", bytes(800))
        assert not room.try_compressed(3, "user.shark.zlib", text, 800)
    assert packed == [1, 9]
    assert room.try_compressed(3, "user.shark.zlib", json.dumps(example.manifest(4000)).encode(), 800)
    assert sum(map(len, system.values.values())) <= 4000
