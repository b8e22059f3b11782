"""Pre-images: what a file contained before the run changed, replaced or removed it, hashed while the process is held.

Which versions matter is known from the run itself: those that it has read and did not make, and non-empty files that
are about to be changed in place. A worker hashes, only the process that is about to change the file waits, and each
version is hashed once.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from shark.capture import kernel, look
from shark.events import READ, WRITE, Before
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from shark.capture.supervisor import Supervisor
    from shark.capture.tasks import Finish, Task


class Hashed(NamedTuple):
    """A digest in hexadecimal, or "" and why there is none."""

    sha256: str
    why: str


HashDescriptor = Callable[[int], Hashed]
"""Hashes the regular file behind a descriptor that is open for reading."""


class Keeper:
    """Knows which file versions would be lost, and the digests of those that were saved.

    `hash_descriptor` does the hashing, in a worker thread; `enabled` False (`--hash off`) saves nothing.
    """

    def __init__(self, hash_descriptor: HashDescriptor, *, enabled: bool = True) -> None:
        self._hash = hash_descriptor
        self._enabled = enabled
        self._read: set[FileId] = set()
        self._made: set[FileId] = set()
        self._written: dict[FileId, int] = {}
        self._endangered: set[FileId] = set()
        self._digests: dict[tuple[FileId, int, int], Hashed] = {}
        self._on_write: Callable[[FileId], object] = lambda _: None

    def on_write(self, listener: Callable[[FileId], object]) -> None:
        """Have somebody told of each file that the run opens for writing, and of those that it has opened so before."""
        self._on_write = listener
        for identity in self._written:
            listener(identity)

    def forget(self) -> None:
        """Begin anew: what was made, read or saved so far is from before, for one who listens from now on."""
        for known in (self._read, self._made, self._written, self._digests, self._endangered):
            known.clear()

    def writes(self, identity: FileId) -> int:
        """How often the run opened this file for writing: it tells contents apart that no stat can."""
        return self._written.get(identity, 0)

    def opened(self, stat: Stat, access: int, *, emptied: bool) -> None:
        """Note an access. `emptied`: the file was made or truncated by it."""
        if not stat.regular:
            return
        if emptied:
            self._made.add(stat.id)
            self._endangered.discard(stat.id)
        elif access & READ and stat.id not in self._made:
            self._read.add(stat.id)
        if access & WRITE:
            self._written[stat.id] = self._written.get(stat.id, 0) + 1
            self._on_write(stat.id)

    def read(self, identities: Iterable[tuple[int, int, int]]) -> None:
        """Note that regular files were opened to be read, of which the run has written none (as `FileId`)."""
        self._read.update(identities)  # type: ignore[arg-type]  # equal to a FileId, and made in a fifth of the time

    def removed(self, stat: Stat) -> None:
        """Note that a file's last name is gone: its inode number may soon be another file's."""
        if stat.nlink <= 1:
            self._made.discard(stat.id)
            self._read.discard(stat.id)
            self._endangered.discard(stat.id)

    def needed(self, stat: Stat, *, discards: bool) -> bool:
        """True when the content must be hashed before the call goes on.

        `discards`: the call throws the whole content away (truncation, removal, replacement), so that only what was
        read matters; else the content becomes part of what the run makes.
        """
        if not stat.regular or stat.size == 0 or stat.id in self._made or stat.version in self._digests:
            return False
        if stat.id in self._written:
            return False  # changed by the run since it was saved: no longer a version from before
        if discards and stat.id not in self._read:
            self._endangered.add(stat.id)
            return False
        return True

    def is_endangered(self, stat: Stat) -> bool:
        """True for a file that was just opened for reading, while a call is under way that throws its content away.

        When that call began, nobody had read it, so it was not hashed; what reads it now may still get that content.
        """
        return stat.id in self._endangered and stat.size > 0 and stat.version not in self._digests

    def before(self, stat: Stat) -> Before:
        """The version with what is known of its digest."""
        saved = self._digests.get(stat.version)
        return Before(stat, saved.sha256, saved.why) if saved else Before(stat, "", "")

    def after_all(self, before: Before | None) -> Before | None:
        """The same, with the digest that was found since the call began: somebody else was about to read it."""
        if before is None or before.sha256 or before.why:
            return before
        return self.before(before.stat)

    def save(self, fd: int, stat: Stat) -> Before:
        """Hash the file behind an O_PATH descriptor, and close that. Runs in a worker."""
        try:
            hashed = self._read_through(fd, stat) if self._enabled else Hashed("", "hashing is off")
        finally:
            os.close(fd)
        self._digests[stat.version] = hashed
        return Before(stat, *hashed)

    def _read_through(self, fd: int, stat: Stat) -> Hashed:
        if kernel.statx_fd(fd) != stat:
            return Hashed("", "it changed while it was looked up")
        try:
            readable = os.open(b"/proc/self/fd/%d" % fd, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as problem:
            return Hashed("", f"it could not be read: {problem.strerror}")
        try:
            hashed = self._hash(readable)
        except OSError as problem:
            return Hashed("", f"it could not be read: {problem.strerror}")
        finally:
            os.close(readable)
        after = kernel.statx_fd(fd)
        if after is None or after.version != stat.version:
            return Hashed("", "it changed while it was hashed")
        return hashed


def before(
    s: Supervisor,
    task: Task,
    dirfd: int,
    name: bytes,
    prepared: Callable[[Before | None], Finish],
    *,
    follow: bool,
    discards: bool,
) -> Finish | None:
    """Find out what a call is about to change, hash it if that must be, and go on with `prepared`.

    Hashing goes to a worker; the task is then held, and None returned.
    """
    stat = s.places.stat(task, dirfd, name, follow=follow)
    if stat is None:
        return prepared(None)
    keeper = s.keeper
    needed = keeper.needed(stat, discards=discards)
    fd = s.places.open_path(task, dirfd, name, follow=follow) if needed else None
    if fd is None:
        return prepared(keeper.before(stat))
    if s.fuse:
        return prepared(keeper.save(fd, stat))  # this is a worker already
    s.hold(task, lambda: prepared(keeper.save(fd, stat)), s.entered)
    return None


def save_first(task: Task, fd: int, stat: Stat) -> None:
    """Have the file behind a descriptor that a call has given hashed before the thread can read it."""
    try:
        task.saves = os.open(b"/proc/%d/fd/%d" % (task.tid, fd), os.O_PATH | os.O_CLOEXEC), stat
    except OSError as problem:
        look.note_shortage(problem)  # else it was killed
