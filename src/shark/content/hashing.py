"""sha256 of files: fast, beside each other, through the cache, and never of a file that is not what it was.

The calling thread takes the small files one after the other (a hand-over between threads costs more than hashing one);
threads take the large ones, since hashlib releases the interpreter's lock.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import MappingProxyType

from shark.content.digestcache import DigestCache, Key, key_of
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    from shark.values import Stat

    HashMode = Literal["auto", "full", "off"]
    """`auto`: through the cache, up to the limit; `full`: everything, neither cache nor limit; `off`: nothing."""

__all__ = ["DEFAULT_LIMIT", "DigestCache", "Hashed", "Seen", "hash_file", "hash_files", "renew", "seen"]

DEFAULT_LIMIT = 16 << 30
"""The size in bytes over which `auto` hashes no file whose digest is not in the cache."""

INTERRUPTED = "interrupted"
CHANGED = "it changed while it was read"

_new = tuple.__new__  # a third of the time that calling the class takes

_SMALL = 256 << 10  # bytes: under this a file is read in one go
_BUFFER = 1 << 20  # bytes: measured, 64 KiB to 4 MiB differ by 5 %; a megabyte is checked for ^C often enough
_STORE_EVERY = 2000  # digests kept per transaction, so that a killed run loses little


class Hashed(NamedTuple):
    """What hashing a file gave.

    `sha256` is lower-case hexadecimal, or "" and `why` says why there is none. `size` (bytes), `mtime`, `ctime` (ns
    since the epoch), `dev` and `ino` are the stat that the digest belongs to (-1 where there was none); `at` is when
    the hashing began (ns since the epoch; of a cached digest: when it was looked up).
    """

    sha256: str
    why: str
    size: int = -1
    mtime: int = -1
    ctime: int = -1
    dev: int = -1
    ino: int = -1
    at: int = 0


class Seen(NamedTuple):
    """A regular file: its state as it was a moment ago, and its owner's uid."""

    path: bytes
    key: Key
    own: int


def seen(path: bytes, stat: Stat, own: int, ctime: int) -> Seen:
    """What hashing needs to know of a regular file whose state was taken just now."""
    (dev, ino, _), _, size, mtime, _ = stat
    return _new(Seen, (path, _new(Key, (dev, ino, size, mtime, ctime)), own))


def hash_files(
    paths: Sequence[bytes],
    *,
    mode: HashMode = "auto",
    limit: int = DEFAULT_LIMIT,
    cache: DigestCache | None = None,
    fresh: Container[bytes] = (),
    workers: int = 2,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int], None] = lambda _: None,
    plan: Callable[[int], None] = lambda _: None,
    seen: Mapping[bytes, Seen] = MappingProxyType({}),
) -> dict[bytes, Hashed]:
    """The digest of each of `paths`, or why there is none; never raises for a file's sake.

    `stop` is asked between buffers; once it is true, or on ^C (KeyboardInterrupt, which ends here), what is left comes
    back with `why` "interrupted". `fresh` are paths whose cached digest is not to be believed. `plan` is told how many
    bytes are to be read in all, and `progress` those of each file that was. `cache` is left open. Files that
    were `seen` are not looked at again before their digests are looked up.
    """
    if mode == "off":
        return {path: Hashed("", "hashing is off") for path in paths}
    done: dict[bytes, Hashed] = {}
    jobs: list[Seen] = []
    try:
        jobs = _look(paths, seen, done)
        if mode == "auto":
            jobs = _from_cache(jobs, cache, fresh, limit, done)
        plan(sum(job.key.size for job in jobs))
        _Work(jobs, done, cache, stop, progress).run(workers)
    except KeyboardInterrupt:
        pass
    for path in paths:
        if path not in done:
            done[path] = Hashed("", INTERRUPTED)
    return done


def renew(entries: Iterable[tuple[bytes, Hashed]], cache: DigestCache) -> None:
    """Keep the digests of these paths under their present ctime, which attaching a manifest has changed.

    Only for files whose identity, size and mtime are those that were hashed. The moment of hashing stays what it was,
    and with it the rule of distrust.
    """
    renewed = []
    for path, hashed in entries:
        if not hashed.sha256:
            continue
        try:
            key = key_of(os.lstat(path))
        except OSError:
            continue
        if key[:4] == (hashed.dev, hashed.ino, hashed.size, hashed.mtime):
            renewed.append((key, hashed.sha256, hashed.at))
    cache.put_many(renewed)


def _look(paths: Sequence[bytes], seen: Mapping[bytes, Seen], done: dict[bytes, Hashed]) -> list[Seen]:
    jobs = []
    for path in dict.fromkeys(paths):
        if path in seen:
            jobs.append(seen[path])
            continue
        try:
            found = os.lstat(path)
        except (OSError, ValueError) as error:
            done[path] = Hashed("", _reason(error))
            continue
        if stat.S_ISREG(found.st_mode):
            jobs.append(Seen(path, key_of(found), found.st_uid))
        else:
            done[path] = Hashed("", "it is not a regular file")
    return jobs


def _from_cache(
    jobs: list[Seen], cache: DigestCache | None, fresh: Container[bytes], limit: int, done: dict[bytes, Hashed]
) -> list[Seen]:
    """Settles what the cache knows and what is too large; returns the rest."""
    now = time.time_ns()
    known = cache.get_many(key for _, key, _ in jobs) if cache else {}
    left = []
    for job in jobs:
        path, key, _ = job
        digest = known.get(key)
        if digest is not None and path not in fresh:
            done[path] = _hashed(digest, "", key, now)
        elif key.size > limit:
            done[path] = _hashed("", f"it is larger than {limit} bytes", key, 0)
        else:
            left.append(job)
    return left


def _hashed(digest: str, why: str, key: Key, at: int) -> Hashed:
    dev, ino, size, mtime, ctime = key
    return _new(Hashed, (digest, why, size, mtime, ctime, dev, ino, at))


class _Work:
    """Small jobs for the calling thread, large ones (largest first) for all; what is done is kept, come what may."""

    def __init__(
        self,
        jobs: list[Seen],
        done: dict[bytes, Hashed],
        cache: DigestCache | None,
        stop: Callable[[], bool],
        progress: Callable[[int], None],
    ) -> None:
        by_size = sorted(jobs, key=lambda job: job.key.size)  # stacks: the last one is taken first
        self._small = [job for job in reversed(jobs) if job.key.size <= _SMALL]
        self._large = [job for job in by_size if job.key.size > _SMALL]
        self._done = done
        self._new: list[Hashed] = []
        self._cache = cache
        self._progress = progress
        self._asked = stop
        self._ended = False

    def run(self, workers: int) -> None:
        """Does all jobs, or those that are done when it is stopped. Raises KeyboardInterrupt after tidying up."""
        helpers = min(workers - 1, len(self._large) - (not self._small))
        if helpers > 0:
            import threading

        threads = [threading.Thread(target=self._drain, args=(self._large,), daemon=True) for _ in range(helpers)]
        for thread in threads:
            thread.start()
        try:
            self._drain(self._small, keep=True)
            self._drain(self._large)
            for thread in threads:
                thread.join()
        except KeyboardInterrupt:
            self._ended = True
            raise
        finally:
            for thread in threads:
                thread.join()
            self._keep()

    def _halted(self) -> bool:
        return self._ended or self._asked()

    def _drain(self, stack: list[Seen], *, keep: bool = False) -> None:
        buffer = bytearray(_BUFFER) if stack and stack[-1].key.size > _SMALL else bytearray()
        while not self._halted():
            try:
                job = stack.pop()
            except IndexError:
                return
            hashed = hash_file(job.path, buffer=buffer, own=job.own, halted=self._halted)
            self._done[job.path] = hashed
            if hashed.sha256:
                self._progress(hashed.size)
                self._new.append(hashed)
            if keep and len(self._new) >= _STORE_EVERY:
                self._keep()

    def _keep(self) -> None:
        new, self._new = self._new, []
        if self._cache and new:
            self._cache.put_many((Key(h.dev, h.ino, h.size, h.mtime, h.ctime), h.sha256, h.at) for h in new)


def hash_file(
    path: bytes, *, buffer: bytearray | None = None, own: int = -1, halted: Callable[[], bool] = lambda: False
) -> Hashed:
    """The digest of one regular file, read now. `own` is its owner's uid where known (its access time is spared then).

    A file whose size, mtime or ctime changes meanwhile is read again (a chmod is no harm), then given up as changed.
    """
    try:
        fd = _open(path, own)
    except (OSError, ValueError) as error:
        return Hashed("", _reason(error))
    try:
        for _ in range(2):
            at = time.time_ns()
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                return Hashed("", "it is not a regular file")
            digest, length = _digest(fd, before.st_size, buffer, halted)
            if length < 0:
                return _hashed("", INTERRUPTED, key_of(before), 0)
            key = key_of(before)
            if key_of(os.fstat(fd)) == key and length == key.size:
                return _hashed(digest, "", key, at)
            os.lseek(fd, 0, os.SEEK_SET)
        return _hashed("", CHANGED, key, 0)
    except OSError as error:
        return Hashed("", _reason(error))
    finally:
        os.close(fd)


def _open(path: bytes, own: int) -> int:
    # Neither follows a link that was put there meanwhile nor waits for a FIFO's writer or a lease's holder.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    if own == os.geteuid():
        try:
            return os.open(path, flags | os.O_NOATIME)
        except PermissionError:
            pass
    return os.open(path, flags)


def _digest(fd: int, size: int, buffer: bytearray | None, halted: Callable[[], bool]) -> tuple[str, int]:
    """(sha256, bytes read); -1 bytes if it was halted."""
    import hashlib  # when it is needed: it brings OpenSSL's library

    if size <= _SMALL:
        data = os.read(fd, size + 1)
        if len(data) == size:
            return hashlib.sha256(data, usedforsecurity=False).hexdigest(), size
        os.lseek(fd, 0, os.SEEK_SET)  # a short read, or a file that grew: the loop below tells
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    digest = hashlib.sha256(usedforsecurity=False)
    view = memoryview(buffer or bytearray(_BUFFER))
    total = 0
    while not halted():
        got = os.readv(fd, [view])
        if not got:
            return digest.hexdigest(), total
        digest.update(view[:got])
        total += got
        if total > size:  # it grows as fast as it is read: without this, a log could keep us for ever
            return "", total
    return "", -1


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "it is gone"
    if isinstance(error, OSError) and error.errno == errno.ELOOP:
        return "it is not a regular file"
    return f"it cannot be read: {error.strerror if isinstance(error, OSError) else error}"
