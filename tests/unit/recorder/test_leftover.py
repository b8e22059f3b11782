"""What a killed run has left in its ring: names lead where programs went, and what cannot be placed is counted."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from shark.capture import kernel
from shark.events import Event, Missing, Opened
from shark.recorder import leftover

from . import rings


def read(folder: Path, *opens: tuple[bytes, int, int]) -> leftover.Left:
    """What is left of a process in `folder` that has opened these: name, directory's descriptor, result."""
    ring = rings.made(folder)
    writer = rings.Writer(ring, 5)
    writer.begin()  # the first slot is never used
    for name, dirfd, result in opens:
        assert writer.begin()
        writer.complete(name, result, b"" if result < 0 else statx(folder / os.fsdecode(name)), dirfd=dirfd)
    left = leftover.read(ring.path, leftover.Known(lambda _: bytes(folder), lambda _: b""))
    ring.close()
    return left


def statx(path: Path) -> bytes:
    """What the kernel says of a file."""
    found = kernel.statx(bytes(path))
    assert found is not None
    stat = bytearray(rings.statx(found.id.ino, found.size))
    struct.pack_into("=qI", stat, 80, *divmod(found.id.birth, 10**9))
    struct.pack_into("=II", stat, 136, os.major(found.id.dev), os.minor(found.id.dev))
    return bytes(stat)


def paths(events: tuple[Event, ...]) -> list[bytes]:
    """What was opened, and what was looked for."""
    return [e.file.path if isinstance(e, Opened) else e.path for e in events if isinstance(e, Opened | Missing)]


def test_up_from_where_a_link_leads(tmp_path: Path) -> None:
    """A name is looked up as the kernel does it."""
    (tmp_path / "to/deep").mkdir(parents=True)
    (tmp_path / "to/in").write_text("x")
    (tmp_path / "in").write_text("another")
    (tmp_path / "link").symlink_to("to/deep")
    here = bytes(tmp_path)
    left = read(tmp_path, (b"link/../in", kernel.AT_FDCWD, 3), (b"none", kernel.AT_FDCWD, -2))
    assert paths(left.events) == [here + b"/to/in", here + b"/none"]
    assert left.torn == 0


def test_from_nowhere(tmp_path: Path) -> None:
    """A name that starts from a directory of which nothing is known is not lost in silence."""
    assert read(tmp_path, (b"none", 7, -2)) == ((), 1)
