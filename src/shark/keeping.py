"""What of the world goes into the store with a run: files that the settings name, and the command's own output."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from shark import jsontext
from shark.capture.sink import Kept, turns
from shark.capture.streams import Followed
from shark.store.home import Store
from shark.store.objects import put_parts
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Final

MOST_FILES: Final = 1000
LARGEST: Final = 256 << 20
_PART: Final = 1 << 20


# --- files


def keep_files(patterns: Sequence[tuple[str, str]], store: Store) -> list[dict[str, Any]]:
    """Copy the files that the patterns (with the directories to which they are relative) find; entries for the record.

    What cannot be kept has a `why`; so has a pattern that finds nothing.
    """
    found: dict[str, dict[str, Any]] = {}
    for base, pattern in patterns:
        paths = _found(base, pattern)
        if not paths:
            found.setdefault(pattern, {"path": pattern, "why": "there is no such file"})
        for path in paths:
            if len(found) >= MOST_FILES:
                found[pattern] = {"path": pattern, "why": f"there are more than {MOST_FILES} files to keep"}
                return list(found.values())
            if path not in found:
                found[path] = _kept(path, store)
    return list(found.values())


def _found(base: str, pattern: str) -> list[str]:
    import glob

    whole = os.path.join(glob.escape(base), os.path.expanduser(pattern))
    return [os.path.normpath(path) for path in sorted(glob.glob(whole, recursive=True)) if not os.path.isdir(path)]


def _kept(path: str, store: Store) -> dict[str, Any]:
    try:
        # Opening a device or a FIFO may do something, or wait for ever.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return {"path": path, "why": "it is no regular file"}
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST:
                return {"path": path, "why": f"it is larger than {LARGEST >> 20} MiB"}
            sha256, size = put_parts(store, iter(lambda: file.read(_PART), b""))
    except OSError as problem:
        return {"path": path, "why": problem.strerror or str(problem)}
    return {"path": path, "sha256": sha256, "size": size}


# --- streams


def keep_streams(store: Store, prefix: bytes, ways: Iterable[tuple[tuple[str, ...], str]]) -> dict[str, Any]:
    """Put what a tee kept in files that begin with `prefix` into the store; the record's `streams`.

    `ways` are the names of the streams that took each way, and by what: `pipe` or `terminal`. The files are removed.
    Raises OSError.
    """
    streams: dict[str, Any] = {}
    names: list[str] = []
    for taking, through in ways:
        kept = Kept(prefix + b"." + "+".join(taking).encode())
        _enter(streams, taking, _entry(store, kept, through))
        names.append(taking[0])
        for path in kept.names:
            os.unlink(path)
    order = [[names[number], length] for number, length in turns(prefix + b".order") if number < len(names)]
    if len({name for name, _ in order}) > 1:
        streams["order_sha256"] = store.put_object(jsontext.dumps(order))
    with contextlib.suppress(FileNotFoundError):
        os.unlink(prefix + b".order")
    return streams


def drop_streams(prefix: bytes, ways: Iterable[tuple[str, ...]]) -> None:
    """Remove what a tee kept, of a command that never started."""
    kept = [path for taking in ways for path in Kept(prefix + b"." + "+".join(taking).encode()).names]
    for path in (*kept, prefix + b".order"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _entry(store: Store, kept: Kept, through: str) -> dict[str, Any]:
    sha256, size = put_parts(store, kept.parts())
    entry: dict[str, Any] = {"through": through, "sha256": sha256, "size": size}
    if kept.cut:
        entry["cut"] = {"at": kept.head, "bytes": kept.cut}
    return entry


def _enter(streams: dict[str, Any], names: Sequence[str], entry: dict[str, Any]) -> None:
    streams[names[0]] = entry
    for other in names[1:]:
        streams[other] = {"through": entry["through"], "same_as": names[0]}


def keep_followed(store: Store, followed: Followed, limit: int) -> dict[str, Any]:
    """The same for a stream that went into a regular file: what it has beyond `start` now."""
    streams: dict[str, Any] = {}
    if followed.fd < 0:
        _enter(streams, followed.names, {"through": "file", "why": followed.why})
        return streams
    end = os.fstat(followed.fd).st_size
    start = min(followed.start, end)
    half = limit // 2
    cut = max(0, end - start - limit)
    ranges = [(start, end)] if not cut else [(start, start + limit - half), (end - half, end)]
    sha256, size = put_parts(store, (part for each in ranges for part in _range(followed.fd, *each)))
    entry: dict[str, Any] = {"through": "file", "sha256": sha256, "size": size}
    if cut:
        entry["cut"] = {"at": limit - half, "bytes": cut}
    _enter(streams, followed.names, entry)
    return streams


def _range(fd: int, start: int, end: int) -> Iterator[bytes]:
    while start < end and (part := os.pread(fd, min(end - start, _PART), start)):
        start += len(part)
        yield part
