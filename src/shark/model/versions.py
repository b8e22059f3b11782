"""The contents that one file had during a run: what was there before, what others put there, and what the run made.

Writes are not traced; opens are. So a made version stands for everything that one image wrote through its descriptors
until another image opened the file for writing, or someone else had read it or got hold of it.
"""

from __future__ import annotations

from shark.events import Before
from shark.tuples import TYPE_CHECKING
from shark.values import Stat

if TYPE_CHECKING:
    from shark.model.documents import VersionOrigin
    from shark.model.files import File

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The SHA-256 of no bytes at all."""

LIMIT = 64
"""Made versions of one file that are kept apart; further writers join the last one (more flows then, never less)."""


class Version:
    """One content of a file.

    `process` is 0 for a version that the run did not make. `base` is the number of the version whose content it
    continues, -1 for none. `size`, `mtime`: of a given version, its state; of a made one, its state as last seen, while
    `changed` says that it once differed from what it was right after the opening. `touched`: a call set the mtime
    meanwhile, so that it is no evidence any more. `others`: an image other than the maker has read it, or may write to
    it.
    """

    __slots__ = (
        "base",
        "begin",
        "changed",
        "end",
        "image",
        "log",
        "mtime",
        "n",
        "origin",
        "others",
        "process",
        "sha256",
        "size",
        "touched",
        "why",
    )

    def __init__(self, n: int, origin: VersionOrigin, process: int, image: int, base: int, begin: int) -> None:
        self.n = n
        self.origin = origin
        self.process = process
        self.image = image
        self.base = base
        self.begin = begin
        self.end = begin
        self.size = -1
        self.mtime = 0
        self.sha256 = ""
        self.why = ""
        self.changed = False
        self.touched = False
        self.others = False
        self.log = False

    def agrees(self, stat: Stat) -> bool:
        """True if size and mtime are as they were."""
        return self.size == stat.size and self.mtime == stat.mtime

    def note(self, stat: Stat | None) -> None:
        """Remember size and mtime."""
        if stat is not None and stat.id.ino:
            self.size = stat.size
            self.mtime = stat.mtime


def found(file: File, stat: Stat | None, begin: int, end: int) -> None:
    """The file is met for the first time, with its content from before."""
    version = Version(0, "before", 0, 0, -1, begin)
    version.end = end
    version.note(stat)
    file.start(version)


def sighted(file: File, stat: Stat | None, begin: int, end: int) -> None:
    """Compare the present state with what the calls of the run explain; what they do not, someone outside did."""
    version = file.current
    if stat is None or not stat.id.ino or not file.regular or version.agrees(stat):
        return
    if version.process:
        version.changed = True
        version.note(stat)
    elif version.size < 0:
        version.note(stat)
    elif version.end < begin:
        _outside(file, stat, begin, end)


def _outside(file: File, stat: Stat, begin: int, end: int) -> None:
    if len(file.versions) > LIMIT:
        file.current.sha256 = ""
        file.current.note(stat)
        return
    version = Version(file.current.n + 1, "outside", 0, 0, -1, begin)
    version.end = end
    version.note(stat)
    file.start(version)


def about_to_change(file: File, before: Before, begin: int) -> None:
    """Take the digest of the version that a call was about to change, replace or remove."""
    version = _version_before(file, before.stat, begin)
    if before.sha256:
        version.sha256, version.why = before.sha256, ""
    elif before.stat.size == 0 and file.regular and before.stat.id.ino:
        version.sha256 = EMPTY_SHA256
    elif before.why:
        version.why = before.why


def _version_before(file: File, stat: Stat, begin: int) -> Version:
    if not file.current.agrees(stat) and len(file.versions) > 1:
        # A call that overlapped this one may have been told of first, and have shown a later state.
        former = file.versions[-2]
        if former.agrees(stat) and begin <= file.current.end:
            return former
    sighted(file, stat, begin, begin - 1)  # the state before the call cannot be of its making
    return file.current


def opened_for_writing(
    file: File,
    maker: tuple[int, int],
    begin: int,
    end: int,
    origin: VersionOrigin,
    stat: Stat | None,
    *,
    log: bool = False,
) -> Version:
    """A call of image `maker` (process, image) gave it the means to write; `stat` is the state right after.

    Returns the version into which it writes: a new one, or one that is still its own.
    """
    version = _reusable(file, maker, begin, origin)
    if version is None:
        base = -1 if origin in {"created", "truncated"} or not file.versions else file.current.n
        version = Version(file.versions[-1].n + 1 if file.versions else 1, origin, *maker, base, begin)
        version.log = log
        file.start(version)
        version.note(stat)
    else:
        sighted(file, stat, begin, end)
        version.sha256 = version.why = ""
        version.log = version.log and log
    version.changed = version.changed or origin in {"created", "truncated"}
    version.end = max(version.end, end)
    return version


def created(file: File, maker: tuple[int, int], begin: int, end: int, stat: Stat) -> None:
    """A call of image `maker` made a file of which nothing was known: what `opened_for_writing` does then, at once."""
    version = Version(1, "created", *maker, -1, begin)
    version.end, version.size, version.mtime = max(begin, end), stat.size, stat.mtime
    version.changed = True
    file.start(version)


def _reusable(file: File, maker: tuple[int, int], begin: int, origin: VersionOrigin) -> Version | None:
    """The current version, if this call cannot be told from those that made it."""
    if not file.versions:
        return None
    version = file.current
    clears = origin in {"created", "truncated"}
    if not version.process:
        return _claimed(file, maker, begin, origin)
    if len(file.versions) > LIMIT:
        version.others = True
        return version
    same = (version.process, version.image) == maker and not version.others
    return version if same and not (clears and version.base >= 0) else None


def _claimed(file: File, maker: tuple[int, int], begin: int, origin: VersionOrigin) -> Version | None:
    """A version that a reader showed first, though a call that was then under way and is told of only now had made
    it.
    """
    version = file.current
    overlapped = begin <= version.end
    if version.origin == "outside" and overlapped:
        version.base = -1 if origin == "truncated" else file.versions[-2].n
    elif not (version.origin == "before" and origin == "created"):
        return None
    version.origin = origin
    version.process, version.image = maker
    version.others = version.changed = True
    return version


def changed(
    file: File, maker: tuple[int, int], begin: int, end: int, before: Before | None, stat: Stat | None
) -> Version:
    """A call that needs no write (truncate, fallocate) may have changed the content; `stat` is the state after it."""
    emptied = stat is not None and bool(stat.id.ino) and stat.size == 0
    version = opened_for_writing(file, maker, begin, end, "truncated" if emptied else "changed", stat)
    if before is None or stat is None or (before.stat.size, before.stat.mtime) != (stat.size, stat.mtime):
        version.changed = True
    return version


def touched(file: File, stat: Stat | None, begin: int, end: int) -> None:
    """A call set the file's times: the mtime is explained, and proves nothing about a made content any more."""
    if stat is None or not file.versions:
        return
    version = file.current
    if version.process:
        version.touched = True
        version.changed = version.changed or version.size != stat.size
    elif version.size not in {-1, stat.size}:
        sighted(file, stat, begin, end)
        return
    version.note(stat)
    version.end = max(version.end, end)
