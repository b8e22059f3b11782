"""What a run's own processes say of it (`shark record KEY VALUE`): a file beside the journal, one JSON line a value."""

from __future__ import annotations

import contextlib
import os
import time
from types import MappingProxyType

from shark import jsontext
from shark.store import files
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from shark.store.home import Store

SUFFIX = b".values"
LIMIT = 1 << 20
"""A value is at most so many bytes of JSON."""


def values_path(store: Store, run: str) -> bytes:
    """The file of a run's values; its directory need not be there."""
    return os.path.join(store.local, b"journals", run.encode() + SUFFIX)


def expect(store: Store, run: str, name: str = "", tags: Mapping[str, str] = MappingProxyType({})) -> None:
    """Let values be said of a run that keeps no journal of its own (one inside another), and note its name and tags for
    whoever writes its record. Raises OSError.
    """
    path = values_path(store, run)
    files.make_private(os.path.dirname(path))
    line = b""
    if name or tags:
        from shark.content.masking import mask_environment, mask_text

        # A value without a key is no value.
        line = jsontext.dumps([0, None, {"name": mask_text(name), "tags": mask_environment(tags)}]) + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


def called(store: Store, run: str) -> tuple[str, dict[str, str]]:
    """The name and tags that were noted of a run inside another; "" and none if there are none."""
    for _, key, value in _lines(store, run):
        if key is None and isinstance(value, dict):
            name, tags = value.get("name"), value.get("tags")
            return (name if isinstance(name, str) else "", tags if isinstance(tags, dict) else {})
    return "", {}


def is_going_on(store: Store, run: str) -> bool:
    """Whether values may be said of a run: it keeps a journal, or a file of values."""
    journal = os.path.join(store.local, b"journals", run.encode() + b".journal")
    # The journal first: a path that was looked for and not found would stand in the run's record.
    return os.path.exists(journal) or os.path.exists(values_path(store, run))


def say(store: Store, run: str, key: str, value: Any) -> None:
    """Append a value. Any number of processes may do so at once; each line is there whole or not at all.

    Raises OSError.
    """
    import fcntl

    line = jsontext.dumps([time.time_ns(), key, value]) + b"\n"
    fd = os.open(values_path(store, run), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        size = os.fstat(fd).st_size
        if size and os.pread(fd, 1, size - 1) != b"\n":  # somebody was killed while it wrote
            line = b"\n" + line
        try:
            written = os.write(fd, line)
            if written < len(line):
                os.write(fd, line[written:])
        except OSError:
            os.ftruncate(fd, size)  # a full disk: no half lines
            raise
    finally:
        os.close(fd)


def heard(store: Store, run: str) -> list[tuple[int, str, Any]]:
    """All values of a run, as (time in ns, key, value), in their order. Lines that broke off are left out."""
    return [(moment, key, value) for moment, key, value in _lines(store, run) if isinstance(key, str)]


def _lines(store: Store, run: str) -> list[tuple[int, Any, Any]]:
    try:
        text = files.read_regular(values_path(store, run), 1 << 30)
    except OSError:
        return []
    found = []
    for line in (text or b"").splitlines():
        with contextlib.suppress(ValueError):
            moment, key, value = jsontext.loads(line)
            if isinstance(moment, int):
                found.append((moment, key, value))
    return found


def values_of(store: Store, run: str) -> dict[str, Any]:
    """The same as the run's record has it (`values`, the last of each key, and `recorded`, all); the file is removed.
    Nothing without values, which costs one look.
    """
    if not os.path.exists(values_path(store, run)):
        return {}
    from shark.model.facts import time_text

    found = heard(store, run)
    forget(store, run)
    if not found:
        return {}
    recorded = [{"key": key, "value": value, "time": time_text(moment)} for moment, key, value in found]
    return {"values": {key: value for _, key, value in found}, "recorded": recorded}


def forget(store: Store, run: str) -> None:
    """Remove the file: its run has a record now."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(values_path(store, run))
