"""Is an input still what it was? Looked for where it was, then beside the moved output, then by its digest.

And does the name by which it was used still lead to it: a symbolic link may lead to another file by now.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from shark.checking.contents import Contents, Present
from shark.checking.records import Records

State = Literal["current", "modified", "missing", "touched", "unchecked"]
"""`touched`: no digest was recorded, and it has the same size, but another time: it may have been changed. `unchecked`:
nothing speaks for a change, but there is no digest to compare it with, or it cannot be read."""

How = Literal["path", "relative", "store", "run", ""]
"""Where it was found: at its path, at the same place relative to the output, in the store or where the store knows a
file of this content; `run`: it is as the run that used it left it (changed or removed). "" where it was not found."""


_CODEC = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
_SHA1 = 40  # hexadecimal digits; pyshark, the predecessor, had these


class Where(NamedTuple):
    """Where an output is and was, and which run made it: what the search for its inputs needs."""

    run: str
    recorded: str
    present: bytes

    @property
    def moved(self) -> tuple[str, str] | None:
        """The folder in which the output was and is, if it was moved."""
        present = os.fsdecode(self.present)
        if present == self.recorded:
            return None
        now, before = os.path.dirname(present), os.path.dirname(self.recorded)
        return None if not before or now == before else (before, now)


class Input(NamedTuple):
    """The state of one input.

    `at` is the file that was compared or found, `why` explains what is `touched` or `unchecked`.
    """

    path: str
    sha256: str
    state: State
    how: How = ""
    at: bytes = b""
    why: str = ""
    control: bool = False


class Inputs:
    """Finds the states of inputs, each once."""

    def __init__(self, contents: Contents, records: Records) -> None:
        self._contents = contents
        self._records = records
        self._lists: dict[tuple[int, str, tuple[str, str] | None], tuple[object, list[Input]]] = {}
        self._known: dict[tuple[Any, ...], Input] = {}

    def prepare(self, lists: Iterable[tuple[Where, list[dict[str, Any]]]]) -> None:
        """Look at the files of many lists together, which is faster than one by one."""
        wanted: dict[bytes, int] = {}
        seen = set()
        for where, entries in lists:
            moved = where.moved
            if (id(entries), moved) in seen:
                continue
            seen.add((id(entries), moved))
            for entry in entries:
                path = entry.get("path", "")
                if path[:1] == "/" and "files" not in entry and "sha256" in entry:
                    size = entry.get("size", -1)
                    if moved is None:
                        wanted[encoded(path)] = size
                    else:
                        wanted.update((place, size) for place in places(path, moved))
        self._contents.fetch(wanted.items())

    def changed(self, where: Where, entries: list[dict[str, Any]], *, control: bool = False) -> list[Input]:
        """The inputs (or controls) of an output that are not current. The list may be shared: do not change it."""
        key = id(entries), where.run, where.moved
        known = self._lists.get(key)
        if known is None:  # the entries are kept with it, so that the id stays theirs
            suspects = [entry for entry in entries if not self._is_plainly_there(entry)]
            found = [state._replace(control=control) for entry in suspects for state in self._states(where, entry)]
            known = self._lists[key] = entries, [state for state in found if state.state != "current"]
        return known[1]

    def _is_plainly_there(self, entry: Mapping[str, Any]) -> bool:
        """Tell whether an entry is of one file, which is where it was, unchanged."""
        sha256 = entry.get("sha256")
        plain = bool(sha256) and "files" not in entry and "as" not in entry
        return plain and self._contents.peek(encoded(entry.get("path", ""))) == sha256

    def _states(self, where: Where, entry: Mapping[str, Any]) -> Iterable[Input]:
        """The states of what an entry stands for."""
        if "files" not in entry:
            return (self.state(where, entry),)
        from shark.checking.folded import unfolded

        sha256 = entry.get("sha256", "")
        members, why = unfolded(where, entry, self._records, self._contents)
        if members is None:
            return [Input(str(entry.get("path", "")), str(sha256), "unchecked", why=why)]
        return [self.state(where, member) for member in members]

    def present(self, path: bytes) -> str:
        """The digest of what is at a path now, "" if there is none."""
        return self._contents.of(path).sha256

    def state(self, where: Where, entry: Mapping[str, Any]) -> Input:
        """The state of one input of an output."""
        path, sha256, size = str(entry.get("path", "")), str(entry.get("sha256", "")), entry.get("size", -1)
        used = str(entry.get("as", ""))
        key = path, used, sha256, size, where.run, where.moved
        if key not in self._known:
            found = self._find(where, path, sha256, size)
            other = used and found.state == "current" and where.moved is None and self._otherwise(where, used, found)
            self._known[key] = other or found
        return self._known[key]

    def _otherwise(self, where: Where, used: str, found: Input) -> Input | None:
        """What the name is by which an input was used, if that leads to a file with another content now."""
        if used.startswith(("/proc/", "/dev/")):  # /dev/stdin, say: that is another file for each process
            return None
        try:
            now = os.stat(used)
            if os.path.samestat(now, os.stat(found.at)) or not stat.S_ISREG(now.st_mode):
                return None
        except (OSError, ValueError):
            return None
        place = encoded(used)
        if _judged(self._contents.of(place), found.sha256, -1) != "modified" or self._records.led(where.run, used):
            return None
        changed = Input(used, found.sha256, "modified", "path", place)
        return None if self._as_left(where, used, changed) else changed

    def _find(self, where: Where, path: str, sha256: str, size: int) -> Input:
        if not path.startswith("/"):
            return Input(path, sha256, "unchecked", why="it is no file of this machine")
        changed: Input | None = None
        unread: Input | None = None
        for number, place in enumerate(places(path, where.moved)):
            how: How = "relative" if number else "path"
            present = self._contents.of(place, size)
            judged = _judged(present, sha256, size) if len(sha256) != _SHA1 else _judged_sha1(present, place, sha256)
            if judged == "current":
                return Input(path, sha256, "current", how, place)
            if judged == "unchecked":
                unread = unread or self._unread(where, Input(path, sha256, "unchecked", how, place), present, size)
            elif present.kind != "gone":
                changed = changed or Input(path, sha256, "modified", how, place)
        if self._as_left(where, path, changed):
            return Input(path, sha256, "current", "run", changed.at if changed else b"")
        if changed or unread:
            return changed or unread or Input(path, sha256, "missing")
        return self._elsewhere(path, sha256, size)

    def _unread(self, where: Where, found: Input, present: Present, size: int) -> Input:
        """What can be said of a file whose content cannot be compared: its size is the same, and its time may tell."""
        if present.kind != "file" or found.sha256:
            return found._replace(why=present.why or "no digest was recorded")
        # The time of what lies elsewhere, a copy perhaps, is its own.
        known = self._records.times(where.run, found.path) if found.how == "path" else ()
        if not known:
            lacking = self._records.run(where.run) is None
            why = "no digest was recorded" + (", and its run is not in the store" if lacking else "")
            return found._replace(why=f"{why}: {'only its size' if size >= 0 else 'nothing'} was compared")
        if _time_of(found.at) in known:
            return found._replace(why="no digest was recorded: its size and time are the same")
        return found._replace(state="touched", why="no digest was recorded, and its time has changed")

    def _as_left(self, where: Where, path: str, changed: Input | None) -> bool:
        """Tell whether what stands at `path` (or that nothing does) is what the run itself left there."""
        left = self._records.left(where.run, path)
        if left is not None and left.removed:
            return changed is None
        if changed is None:
            return False
        if left is not None:
            return _judged(self._contents.of(changed.at, left.size), left.sha256, left.size) == "current"
        return self._says_so_itself(where, changed.at)

    def _says_so_itself(self, where: Where, path: bytes) -> bool:
        """Without the run's record: a file that carries a manifest of that run which is true of it was left by it."""
        from shark.store.manifests import digest_of
        from shark.store.read import read_attached

        manifest = read_attached(path).manifest
        if not manifest or not where.run or manifest.get("run") != where.run:
            return False
        return _judged(self._contents.of(path), digest_of(manifest, path)[0], -1) == "current"

    def _elsewhere(self, path: str, sha256: str, size: int) -> Input:
        if sha256 and size != 0:  # all empty files have one digest: it tells nothing
            if self._records.kept(sha256):
                return Input(path, sha256, "current", "store", self._records.store.object_path(sha256))
            for version in self._records.made(sha256=sha256):
                if _judged(self._contents.of(version.path, size), sha256, size) == "current":
                    return Input(path, sha256, "current", "store", version.path)
        return Input(path, sha256, "missing")


def places(path: str, moved: tuple[str, str] | None) -> list[bytes]:
    """Where an input may be: where it was, and as far from the output as it was."""
    found = [encoded(path)]
    if moved is not None:
        before, now = moved
        beside = encoded(os.path.normpath(os.path.join(now, os.path.relpath(path, before))))
        if beside != found[0]:
            found.append(beside)
    return found


def encoded(path: object) -> bytes:
    """The bytes of a path in a manifest, of which nothing is believed."""
    path = str(path)
    try:
        return path.encode(*_CODEC)  # as os.fsencode does, which takes thrice as long
    except UnicodeEncodeError:  # no path of a file: a lone surrogate in a damaged manifest
        return path.encode("utf-8", "backslashreplace")


def _judged(present: Present, sha256: str, size: int) -> State:
    if present.kind == "gone":
        return "missing"
    if present.kind == "unreadable":
        return "unchecked"
    if present.kind == "other" or size not in (-1, present.size):
        return "unchecked" if present.kind == "other" and not sha256 else "modified"
    if not sha256 or not present.sha256:
        return "unchecked"
    return "current" if present.sha256 == sha256 else "modified"


def _time_of(path: bytes) -> int:
    """The mtime (ns) of a file, -1 if it cannot be had any more."""
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1


def _judged_sha1(present: Present, path: bytes, digest: str) -> State:
    import hashlib

    if present.kind != "file":
        return _judged(present, digest, -1)
    try:
        with open(path, "rb") as stream:
            return "current" if hashlib.file_digest(stream, "sha1").hexdigest() == digest else "modified"
    except OSError:
        return "unchecked"
