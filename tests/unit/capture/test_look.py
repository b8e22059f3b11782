"""Paths by text: made absolute, and as a process means them where it speaks of itself."""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.capture import look
from shark.capture.preimage import Hashed
from shark.capture.supervisor import Options, Supervisor
from shark.capture.tasks import Process, Task
from shark.events import READ, WRITE, Event, GapSeen

PATHS = st.lists(st.sampled_from([b"a", b"..", b".", b"", b".hidden", b"..x", b"\xff"]), max_size=6).map(b"/".join)


@pytest.mark.parametrize(
    ("base", "name", "path"),
    [
        (b"/w", b"x", b"/w/x"),
        (b"/w", b"/x", b"/x"),
        (b"/", b"x", b"/x"),
        (b"/w", b".", b"/w"),
        (b"/w", b"..", b"/"),
        (b"/w", b"../../..", b"/"),
        (b"/w", b"a/../b", b"/w/b"),
        (b"/w", b"a//b/", b"/w/a/b"),
        (b"/w", b"//x", b"/x"),
        (b"", b"//", b"/"),
        (b"/w", b".hidden", b"/w/.hidden"),
        (b"/w", b"..more", b"/w/..more"),
        (b"/w\xff", b"\xfe", b"/w\xff/\xfe"),
    ],
)
def test_absolute(base: bytes, name: bytes, path: bytes) -> None:
    """Dots and doubled slashes are resolved by text; names that only begin with dots are names."""
    assert look.absolute(base, name) == path


@given(PATHS, PATHS)
def test_absolute_is_normal(base: bytes, name: bytes) -> None:
    """Whatever goes in, one path comes out that is absolute and stays itself."""
    path = look.absolute(b"/" + base, name)
    assert path.startswith(b"/")
    assert not {b".", b".."} & set(path.split(b"/"))
    assert b"//" not in path
    assert look.absolute(b"/elsewhere", path) == path


@pytest.mark.parametrize(
    ("path", "own"),
    [
        (b"/proc/self/fd/3", b"/proc/17/fd/3"),
        (b"/proc/self", b"/proc/17"),
        (b"/proc/thread-self", b"/proc/17/task/19"),
        (b"/proc/thread-self/maps", b"/proc/17/task/19/maps"),
        (b"/proc/selfish/x", b"/proc/selfish/x"),
        (b"/proc/1/fd/3", b"/proc/1/fd/3"),
        (b"/dev/fd/3", b"/proc/17/fd/3"),
        (b"/dev/stdin", b"/proc/17/fd/0"),
        (b"/dev/stdout", b"/proc/17/fd/1"),
        (b"/dev/stderr", b"/proc/17/fd/2"),
        (b"/dev/stdinx", b"/dev/stdinx"),
        (b"/dev/null", b"/dev/null"),
        (b"/device/fd/3", b"/device/fd/3"),
        (b"/home/proc/self/x", b"/home/proc/self/x"),
    ],
)
def test_own_path(path: bytes, own: bytes) -> None:
    """The supervisor must not open its own descriptors in their stead."""
    assert look.own_path(Task(19, Process(1, 17)), path) == own


@pytest.mark.parametrize(
    ("flags", "access"),
    [
        (os.O_RDONLY, READ),
        (os.O_WRONLY | os.O_APPEND, WRITE),
        (os.O_RDWR | os.O_CREAT, READ | WRITE),
        (os.O_ACCMODE, 0),  # neither: only ioctl(2) is allowed
        (os.O_PATH, 0),
        (os.O_PATH | os.O_RDWR, 0),
    ],
)
def test_access_of(flags: int, access: int) -> None:
    """What a descriptor may do with content."""
    assert look.access_of(flags) == access


def test_a_descriptor_of_a_removed_file(tmp_path) -> None:
    """Its path has no " (deleted)", unless the file is really called so."""
    for name in ("plain", "odd (deleted)"):
        path = os.fsencode(tmp_path / name)
        fd = os.open(path, os.O_RDWR | os.O_CREAT)
        try:
            seen = look.descriptor(os.getpid(), fd)
            assert seen is not None
            assert seen[0] == path
            assert look.descriptor_flags(os.getpid(), fd) & os.O_ACCMODE == os.O_RDWR
            os.unlink(path)
            gone = look.descriptor(os.getpid(), fd)
            assert gone is not None
            assert (gone[0], gone[1].nlink) == (path, 0)
        finally:
            os.close(fd)
    assert look.descriptor(os.getpid(), fd) is None


def test_usage_of_oneself() -> None:
    """All figures are there; of a process that is gone, none."""
    used = look.usage(os.getpid())
    assert used is not None
    assert used.user_seconds + used.system_seconds > 0
    assert used.max_rss > 1_000_000
    assert min(used.read_bytes, used.written_bytes) >= 0
    assert look.usage(2**22 + 1) is None
    since = look.usage_since(used, os.getpid())
    assert since is not None
    assert 0 <= since.user_seconds < 60


def test_a_shortage_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where shark itself has no descriptor left there is a gap, once; a file that is not there is none."""
    told: list[Event] = []
    supervisor = Supervisor([told.append], Options(), lambda fd: Hashed("", ""))
    assert look.slurp(b"/proc/none") == b""
    supervisor.handle(1 << 30, 0)
    assert told == []

    def exhausted(path: bytes, flags: int) -> int:
        raise OSError(errno.EMFILE, "")

    for _ in range(2):
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", exhausted)
            assert look.slurp(b"/proc/self/stat") == b""
        supervisor.handle(1 << 30, 0)
    assert [type(event) for event in told] == [GapSeen]
