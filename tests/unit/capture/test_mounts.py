"""Mounts of other namespaces: mountinfo as bwrap, chroots, containers and overlays leave it (proc(5))."""

from __future__ import annotations

import os

import pytest

from shark.capture import mounts
from shark.capture.mounts import Mount, Translator, below, parse_mountinfo
from shark.values import FileId, Stat

DISK, TMP, OVERLAY = os.makedev(254, 1), os.makedev(0, 40), os.makedev(0, 55)

OUTSIDE = rb"""
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:22 / /proc rw,nosuid shared:5 - proc proc rw
24 22 0:40 / /tmp rw,nosuid shared:6 - tmpfs tmpfs rw
25 22 254:1 /srv/data /data rw shared:7 - ext4 /dev/vda1 rw
"""

BWRAP = rb"""
400 399 0:60 / / rw,nosuid,nodev - tmpfs tmpfs rw,uid=1000
401 400 254:1 /usr /usr ro,nosuid - ext4 /dev/vda1 rw
402 400 254:1 /home/me/job /work rw,nosuid - ext4 /dev/vda1 rw
403 402 0:40 /scratch\040dir /work/tmp rw,nosuid - tmpfs tmpfs rw
404 400 254:1 /srv/data/set /in ro,nosuid - ext4 /dev/vda1 rw
405 400 0:61 / /secret rw - tmpfs tmpfs rw
"""

CONTAINER = rb"""
500 499 0:55 / / rw,relatime - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w
501 500 254:1 /var/lib/volumes/v/_data /vol rw - ext4 /dev/vda1 rw
502 500 254:1 /etc/hosts /etc/hosts rw - ext4 /dev/vda1 rw
"""

COVERED = rb"""
600 599 254:1 / / rw - ext4 /dev/vda1 rw
601 600 254:1 /first /mnt rw - ext4 /dev/vda1 rw
602 600 254:1 /second /mnt rw - ext4 /dev/vda1 rw
"""


def stat(ino: int, dev: int = DISK) -> Stat:
    return Stat(FileId(dev, ino, 0), 0o100644, 1, 1, 1)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch):
    """`world(inside, {path: Stat})`: process 7 has the mounts `inside`, shark those of OUTSIDE and these files."""

    def prepare(inside: bytes, files: dict[bytes, Stat]) -> Translator:
        tables = {"7": parse_mountinfo(inside), "self": parse_mountinfo(OUTSIDE)}
        monkeypatch.setattr(mounts, "_mounts_of", tables.__getitem__)
        monkeypatch.setattr(mounts.kernel, "statx", lambda path, **_: files.get(path))
        return Translator()

    return prepare


def test_lines() -> None:
    """Device, root and mount point of each line, in the file's order; other lines are none."""
    found = parse_mountinfo(b"garbage\n" + OUTSIDE)
    assert found[0] == Mount(DISK, b"/", b"/", b"ext4")
    assert found[3] == Mount(DISK, b"/srv/data", b"/data", b"ext4")
    assert len(found) == 4


def test_escapes() -> None:
    """Blank, tab, newline and backslash are written in octal; other bytes, line separators among them, are not."""
    line = b"1 2 8:1 /a\\040b\\011c\\012d\\134040e /m\xff\r\x0b\xe2\x80\xa8n rw - ext4 x rw\n"
    [found] = parse_mountinfo(line)
    assert found == Mount(os.makedev(8, 1), b"/a b\tc\nd\\040e", b"/m\xff\r\x0b\xe2\x80\xa8n", b"ext4")


@pytest.mark.parametrize(
    ("directory", "path", "rest"),
    [
        (b"/", b"/", b""),
        (b"/", b"/a", b"/a"),
        (b"/a", b"/a", b""),
        (b"/a", b"/a/b", b"/b"),
        (b"/a", b"/ab", None),
        (b"/a/b", b"/a", None),
    ],
)
def test_below(directory: bytes, path: bytes, rest: bytes | None) -> None:
    """A directory holds itself and what is below it, not what only begins like it."""
    assert below(directory, path) == rest


@pytest.mark.parametrize(
    ("inside", "path", "outside"),
    [
        (BWRAP, b"/usr/bin/env", b"/usr/bin/env"),
        (BWRAP, b"/work/out", b"/home/me/job/out"),
        (BWRAP, b"/work/tmp/x", b"/tmp/scratch dir/x"),
        (BWRAP, b"/work/tmp", b"/tmp/scratch dir"),
        (BWRAP, b"/in/a", b"/data/set/a"),
        (CONTAINER, b"/vol/x", b"/var/lib/volumes/v/_data/x"),
        (CONTAINER, b"/etc/hosts", b"/etc/hosts"),
        (COVERED, b"/mnt/x", b"/second/x"),
    ],
)
def test_translation(world, inside: bytes, path: bytes, outside: bytes) -> None:
    """By device and place in the file system; the mount that lies on top decides."""
    there = stat(5, TMP if outside.startswith(b"/tmp") else DISK)
    assert world(inside, {outside: there}).outside(7, path, there) == outside


def test_another_way_to_the_same_directory(world) -> None:
    """If the first mount outside that holds it is covered, another one may lead there."""
    there = stat(5)
    assert world(BWRAP, {b"/srv/data/set/a": there}).outside(7, b"/in/a", there) == b"/srv/data/set/a"


@pytest.mark.parametrize(("inside", "path"), [(BWRAP, b"/secret/x"), (BWRAP, b"/x"), (CONTAINER, b"/root/x")])
def test_what_is_nowhere_outside(world, inside: bytes, path: bytes) -> None:
    """A private tmpfs or an overlay: the same name outside, if there is one, is another file."""
    assert world(inside, {path: stat(99)}).outside(7, path, stat(5, OVERLAY)) is None


@pytest.mark.parametrize(
    ("path", "dev", "size", "place"),
    [
        (b"/secret/x", os.makedev(0, 61), 5, b"/secret"),
        (b"/etc/x", os.makedev(0, 60), 0, b"/"),
        (b"/newroot/gone/x", os.makedev(0, 99), 5, b"/newroot/gone"),
        (b"/proc/stat", os.makedev(0, 62), 0, None),
        (b"/newroot/proc/stat", os.makedev(0, 62), 0, None),
        (b"/newroot/dev/null", os.makedev(0, 60), 0, None),
        (b"/newroot/dev/null", os.makedev(0, 60), 5, b"/"),
    ],
)
def test_what_is_lost_with_a_mount(world, path: bytes, dev: int, size: int, place: bytes | None) -> None:
    """A file that no path outside leads to is its mount's; but /proc, and what a device lies over, is no loss."""
    mounts = BWRAP + b"406 400 0:62 / /proc rw - proc proc rw\n"
    assert world(mounts, {}).lost(7, path, stat(5, dev)._replace(size=size)) == place


def test_the_same_file_at_the_same_place(world) -> None:
    """Nothing is asked of the mounts then."""
    assert world(b"", {b"/x": stat(5)}).outside(7, b"/x", stat(5)) == b"/x"


def test_a_process_that_is_gone() -> None:
    """Has no mounts, and no file of it can be told."""
    assert Translator().outside(2**22 + 1, b"/nowhere/at/all", stat(5)) is None
