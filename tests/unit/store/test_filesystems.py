"""Attributes on real file systems, on loop devices: what fits differs, what is read back does not."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from shark.content import filesystems
from shark.store.attach import Attacher
from shark.store.read import read_attached
from shark.store.strip import strip

from . import example

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")]

# name: (program that makes it, its arguments, size of the image in MiB, (bytes of inputs, where they go) …)
SYSTEMS: dict[str, tuple[str, list[str], int, list[tuple[int, str]]]] = {
    "ext4": (
        "mkfs.ext4",
        ["-q", "-b", "4096"],
        16,
        [(0, "xattr"), (3000, "xattr"), (5000, "zlib"), (60000, "sidecar")],
    ),
    "ext4-1k": ("mkfs.ext4", ["-q", "-b1024"], 16, [(0, "xattr"), (1200, "zlib"), (5000, "sidecar")]),
    "xfs": ("mkfs.xfs", ["-q"], 310, [(0, "xattr"), (60000, "xattr"), (90000, "zlib"), (300000, "sidecar")]),
    "btrfs": ("mkfs.btrfs", ["-q"], 128, [(0, "xattr"), (14000, "xattr"), (20000, "zlib"), (60000, "sidecar")]),
}


@contextlib.contextmanager
def mounted(directory: Path, *arguments: str) -> Iterator[Path]:
    point = directory / "mounted"
    point.mkdir()
    done = subprocess.run(["mount", *arguments, str(point)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield point
    finally:
        subprocess.run(["umount", str(point)], check=True)


@contextlib.contextmanager
def system(name: str, directory: Path) -> Iterator[Path]:
    program, arguments, size, _ = SYSTEMS[name]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    image = directory / "image"
    with open(image, "wb") as stream:
        stream.truncate(size << 20)
    subprocess.run([program, *arguments, str(image)], check=True, capture_output=True)
    with mounted(directory, "-o", "loop", str(image)) as point:
        yield point


def check(point: Path, size: int, expected: str, fits_little: str = "xattr") -> None:
    path = os.fsencode(point / f"out{size}")
    with open(path, "wb") as stream:
        stream.write(b"hello\n")
    before = os.stat(path)
    manifest = example.manifest(size)
    attached = Attacher(example.summary).attach(path, manifest)
    assert attached.where == expected, attached
    assert os.stat(path).st_mtime_ns == before.st_mtime_ns
    reading = read_attached(path)
    assert reading.manifest == manifest
    assert reading.source == ("sidecar" if expected == "sidecar" else "xattr")
    # A run later: a small manifest, then a large one again, over what lies there.
    small = example.manifest(0, example.run_id(1))
    again = Attacher(example.summary).attach(path, small)
    assert read_attached(path).manifest == small
    assert again.where == fits_little
    assert Attacher(example.summary).attach(path, manifest).where == expected
    assert read_attached(path).manifest == manifest
    strip(path)
    assert read_attached(path).manifest is None
    assert os.listdir(point).count(f".out{size}.shark") == 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_each_file_system_holds_what_it_can(name: str, tmp_path: Path) -> None:
    with system(name, tmp_path) as point:
        assert filesystems.kind_of(os.fsencode(point)) == name.removesuffix("-1k")
        for size, expected in SYSTEMS[name][3]:
            check(point, size, expected)


def test_tmpfs(tmp_path: Path) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "none") as point:
        path = os.fsencode(point / "out")
        with open(path, "wb") as stream:
            stream.write(b"hello\n")
        attached = Attacher(example.summary).attach(path, example.manifest())
        if "not supported" in attached.why or attached.where == "sidecar":
            pytest.skip("this kernel's tmpfs has no user attributes (before 6.6)")
        check(point, 0, "xattr")
        check(point, 50_000, "xattr")


def test_one_without_attributes_has_sidecars(tmp_path: Path) -> None:
    with mounted(tmp_path, "-t", "ramfs", "none") as point:
        check(point, 0, "sidecar", "sidecar")
        check(point, 90_000, "sidecar", "sidecar")


def test_overlay(tmp_path: Path) -> None:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "lower" / "below").write_bytes(b"hello\n")
    layers = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    with mounted(tmp_path, "-t", "overlay", "overlay", "-o", layers) as point:
        check(point, 0, "xattr")
        before = os.stat(point / "below").st_mtime_ns
        assert Attacher(example.summary).attach(os.fsencode(point / "below"), example.manifest()).where == "xattr"
        assert os.stat(point / "below").st_mtime_ns == before


def test_a_full_disk_leaves_nothing_half_done(tmp_path: Path) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=64k", "none") as point:
        path = os.fsencode(point / "out")
        with open(path, "wb") as stream:
            stream.write(b"hello\n")
        with contextlib.suppress(OSError), open(point / "fill", "wb") as stream:
            stream.write(bytes(1 << 20))
        attached = Attacher(example.summary, "sidecar").attach(path, example.manifest(9000))
        assert attached[:2] == ("none", "no sidecar: no space left on device")
        assert sorted(os.listdir(point)) == ["fill", "out"]


def test_a_read_only_file_system_is_a_reason(tmp_path: Path) -> None:
    with mounted(tmp_path, "-t", "tmpfs", "none") as point:
        path = os.fsencode(point / "out")
        with open(path, "wb") as stream:
            stream.write(b"hello\n")
        subprocess.run(["mount", "-o", "remount,ro", str(point)], check=True)
        attached = Attacher(example.summary).attach(path, example.manifest())
        assert attached.where == "none"
        assert "read-only file system" in attached.why
        assert strip(path) == ((), "")


def test_an_immutable_file_gets_a_sidecar(tmp_path: Path) -> None:
    with system("ext4", tmp_path) as point:
        path = point / "out"
        path.write_bytes(b"hello\n")
        done = subprocess.run(["chattr", "+i", str(path)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("no chattr here")
        try:
            assert Attacher(example.summary).attach(os.fsencode(path), example.manifest()).where == "sidecar"
        finally:
            subprocess.run(["chattr", "-i", str(path)], check=True)


def test_a_store_on_a_full_disk_gives_way_to_a_temporary_one(tmp_path: Path) -> None:
    from shark.store.home import Store

    with mounted(tmp_path, "-t", "tmpfs", "-o", "size=64k", "none") as point:
        store = Store.open({"SHARK_HOME": str(point / "store"), "TMPDIR": str(tmp_path)}, write=True)
        assert store.warnings == []
        with contextlib.suppress(OSError), open(point / "fill", "wb") as stream:
            stream.write(bytes(1 << 20))
        record = {"schema": "shark/run/1", "id": example.RUN, "noise": os.urandom(90_000).hex()}
        path = store.write_record(record)
        assert path.startswith(os.fsencode(tmp_path / "shark-store-"))
        assert len(store.warnings) == 1


def test_a_store_on_a_read_only_medium_can_be_asked(tmp_path: Path) -> None:
    from shark.store.home import Store
    from shark.store.index import Index

    with mounted(tmp_path, "-t", "tmpfs", "none") as point:
        environ = {"SHARK_HOME": str(point / "store"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        Store.open(environ, write=True).write_record({"schema": "shark/run/1", "id": example.RUN})
        subprocess.run(["mount", "-o", "remount,ro", str(point)], check=True)
        for _ in range(2):
            index = Index.open(Store.open(environ), environ)
            assert [run.id for run in index.runs()] == [example.RUN]
            assert index.warnings == []
            index.close()
        assert os.listdir(point / "store") == ["runs"]


def test_only_where_the_kernel_alone_knows_the_state_is_it_certain(tmp_path, monkeypatch):
    path = os.fsencode(tmp_path / "x")
    for kind, own in (("ext4", True), ("tmpfs", True), ("nfs4", False), ("fuse.sshfs", False), ("overlay", False)):
        monkeypatch.setattr(filesystems, "kind_of", lambda _, kind=kind: kind)
        assert filesystems.is_own(path) is own
    monkeypatch.setattr(filesystems, "kind_of", lambda asked: "nfs4" if asked == path else "ext4")
    assert not filesystems.is_own(path)  # a single file can be mounted upon one of another file system
    monkeypatch.undo()
    assert not filesystems.is_own(os.fsencode(tmp_path / "gone" / "x"))
