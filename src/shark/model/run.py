"""A run as its events tell it: processes, files with their versions, accesses. One pass, one state, no I/O."""

from __future__ import annotations

import os
from collections.abc import Callable

from shark.events import (
    LIST,
    READ,
    WRITE,
    Before,
    Changed,
    Connected,
    DirectoryMade,
    Event,
    Gained,
    GapSeen,
    Holding,
    ImageStarted,
    Joined,
    Linked,
    Located,
    Missing,
    Opened,
    ProcessEnded,
    ProcessStarted,
    Released,
    Removed,
    Renamed,
    RunEnded,
    RunStarted,
    Sighting,
    SubRun,
    Symlinked,
    Tokens,
    Touched,
    Traced,
)
from shark.model import accesses as kinds
from shark.model import versions
from shark.model.accesses import Access, AccessTable
from shark.model.facts import Question, text
from shark.model.files import File, FileTable
from shark.model.holdings import Holdings
from shark.model.processes import ProcessTable
from shark.tuples import TYPE_CHECKING
from shark.values import Stat

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import VersionOrigin

DELEGATES = frozenset(
    b"docker podman nerdctl buildah kubectl srun sbatch salloc qsub bsub ssh mosh at systemd-run machinectl".split()
)
"""Programs whose work is done by somebody else: a daemon, a scheduler, another machine."""

GAP_LIMIT = 1000
"""Distinct gaps that are kept one by one; further ones are only counted."""


class RunModel:
    """Folds the events of one run. Memory is bounded by processes and distinct files and accesses, not by calls.

    A stream that breaks off (no RunEnded) leaves a model of what was seen until then.
    """

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        self.traced: Traced | None = None
        self.located: dict[int, bytes] = {}  # hot processes, and in which directory they are
        self.processes = ProcessTable()
        self.files = FileTable()
        self.accesses = AccessTable()
        self.holdings = Holdings(self.files.numbered)
        self.subruns: list[SubRun] = []
        self.network: dict[tuple[str, str, int], int] = {}
        self.gaps: dict[tuple[str, str, int], None] = {}
        self.gaps_dropped = 0
        self.moves: list[tuple[bytes, bytes]] = []  # renames of files that the run did not make: their sidecars follow
        self.pyc_sources: dict[int, int] = {}  # file number of a read .pyc -> of its source
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            Opened: self._opened,
            ImageStarted: self._image,
            ProcessStarted: self._process_started,
            ProcessEnded: self._process_ended,
            Changed: self._changed,
            Touched: self._touched,
            Renamed: self._renamed,
            Linked: self._linked,
            Symlinked: self._symlinked,
            Removed: self._removed,
            DirectoryMade: self._directory,
            Missing: self._missing,
            Connected: self._connected,
            SubRun: self.subruns.append,
            GapSeen: self._gap,
            RunStarted: self._run_started,
            RunEnded: self._run_ended,
            Holding: self.holdings.holding,
            Joined: self.holdings.joined,
            Gained: self.holdings.gained,
            Tokens: self.holdings.tokens,
            Released: self.released,
            Traced: self._traced,
            Located: self._located,
        }

    def observe(self, event: Event) -> None:
        """Take the next event. Raises KeyError for what is not an event."""
        self._handlers[type(event)](event)

    def questions(self) -> list[Question]:
        """What must be looked up in the world: every file that can be an input or output, and sources of `.pyc`
        files.
        """
        from shark.model.questions import questions

        return questions(self)

    def _opened(self, event: Opened) -> None:
        begin, end, number, access, sighting, created, _, _, _, via = event
        path, used, stat = sighting
        if access == READ and stat is not None and not created and (file := self.files.plainly(path, stat, begin, end)):
            version = file.current
            if version.process != number:
                version.others = True
            key = (number, self.processes[number].image, file.n, version.n, kinds.READ)
            noted = self.accesses.get(key)
            if noted is not None:
                noted.again(begin, end)
            else:
                used = path if used == path else used
                noted = self.accesses[key] = Access(begin, end, used, inherited=via == "inherited")
            self.holdings.opened_to_read(number, file.n, noted)
        elif access == WRITE and created and stat is not None and via == "open" and self._created(event, used, stat):
            pass
        else:
            self._opened_anew(event)

    def _created(self, event: Opened, used: bytes, stat: Stat) -> bool:
        """Take in that a file was made of which nothing is known yet, as most are; False if there is more to it."""
        begin, end, number, _, (path, _, _), _, _, _, before, _ = event
        file = self.files.newly(path, stat, end) if before is None else None
        if file is None:
            return False
        image = self.processes[number].image
        versions.created(file, (number, image), begin, end, stat)
        noted = Access(begin, end, path if used == path else used)
        self.accesses[number, image, file.n, 1, kinds.CREATE] = noted
        self.holdings.opened(number, file.n, noted)
        return True

    def _opened_anew(self, event: Opened) -> None:
        if event.before is not None and not event.created:
            self.files.reborn(event.before.stat, event.file.stat)
        file = self._file(event.file, event.begin, event.end, created=event.created)
        if event.before is not None:
            self._before_open(file, event)
        if event.access & LIST or file.kind == "directory":
            file.kind = "directory"
            self._begin_version(file, event.file.stat, event)
            self._note(event, event.process, file, kinds.LIST, event.file.used)
        elif (event.access & WRITE or event.created) and file.regular:
            self._written(file, event)
        elif event.created:  # a FIFO
            self._begin_version(file, event.file.stat, event)
            self._note(event, event.process, file, kinds.CREATE, event.file.used)
        else:
            self._begin_version(file, event.file.stat, event)
            versions.sighted(file, event.file.stat, event.begin, event.end)
            self._note_open(event, file, event.access)

    def _before_open(self, file: File, event: Opened) -> None:
        before = event.before
        assert before is not None
        identity = event.file.stat.id if event.file.stat else before.stat.id
        if before.stat.id[:2] == identity[:2]:
            self._begin_version(file, before.stat, event)
            versions.about_to_change(file, before, event.begin)
        elif not event.truncated:
            # Another identity at the return than at the entry: replaced meanwhile, or copied up by an overlay that
            # keeps no numbers. Its content may have become part of the file either way.
            other = self.files.seen(event.file.path, before.stat, event.begin, event.end)
            self._begin_version(other, before.stat, event)
            versions.about_to_change(other, before, event.begin)
            self._note(event, event.process, other, kinds.READ, event.file.used)
            self._file(event.file, event.begin, event.end)  # the name is the present file's again

    def _written(self, file: File, event: Opened) -> None:
        origin: VersionOrigin = "created" if event.created else "truncated" if event.truncated else "in-place"
        inherited = event.via == "inherited"
        # A memfd that the run opens by /proc/self/fd is of its own making; one that it inherited is not.
        if not event.created and (inherited or not event.file.path.startswith(b"/memfd:")):
            self._begin_version(file, None if event.truncated else event.file.stat, event)
        reads = event.access & READ
        if reads and origin == "in-place" and file.versions:
            self._note_open(event, file, READ)
        image = self.processes[event.process].image
        if event.truncated and file.versions and self.holdings.is_shell(event.process):
            file.current.others = True  # what it puts there now has nothing to do with what it put there before
        log = inherited and event.append
        versions.opened_for_writing(
            file, (event.process, image), event.begin, event.end, origin, event.file.stat, log=log
        )
        if event.file.path in file.names:
            file.path = event.file.path
        if reads and origin != "in-place":
            self._note_open(event, file, READ)
        kind = kinds.CREATE if event.created else kinds.WRITE
        noted = self._note(event, event.process, file, kind, event.file.used, inherited=inherited)
        if event.access & WRITE:  # else it was only made, as a lock, say
            self.holdings.opened(event.process, file.n, noted)

    def _note_open(self, event: Opened, file: File, access: int) -> None:
        inherited = event.via == "inherited"
        if access & READ:
            if file.current.process != event.process:
                file.current.others = True
            noted = self._note(event, event.process, file, kinds.READ, event.file.used, inherited=inherited)
            self.holdings.opened_to_read(event.process, file.n, noted)
        if access & WRITE:
            self._note(event, event.process, file, kinds.WRITE, event.file.used, inherited=inherited)

    def _image(self, event: ImageStarted) -> None:
        sightings = (event.exe, *event.scripts, *([event.loader] if event.loader else ()))
        files = [self._program(sighting, event.begin, event.end) for sighting in sightings]
        scripts = tuple(file.n for file in files[1 : 1 + len(event.scripts)])
        process = self.processes.executed(event, files[0].n, scripts)
        self.holdings.executed(event.process, process.image, event.exe.path, event.end)
        agent = os.path.basename(event.exe.path)
        if agent in DELEGATES:
            detail = f"{agent.decode()} asks processes outside of the run to act; put shark inside of what it starts"
            self._gap(GapSeen(event.begin, event.end, event.process, "delegated", detail))
        for file, sighting in zip(files, sightings, strict=True):
            self._begin_version(file, sighting.stat, event)
            versions.sighted(file, sighting.stat, event.begin, event.end)
            if file.current.process != event.process:
                file.current.others = True
            self._note(event, event.process, file, kinds.EXEC, sighting.used)

    def _program(self, sighting: Sighting, begin: int, end: int) -> File:
        path, _, stat = sighting
        return (stat and self.files.plainly(path, stat, begin, end)) or self._file(sighting, begin, end)

    def _changed(self, event: Changed) -> None:
        if event.before is not None:
            self.files.reborn(event.before.stat, event.file.stat)
        file = self._file(event.file, event.begin, event.end)
        if not file.regular:
            return
        self._begin_version(file, event.before.stat if event.before else event.file.stat, event)
        if event.before is not None:
            versions.about_to_change(file, event.before, event.begin)
        image = self.processes[event.process].image
        versions.changed(file, (event.process, image), event.begin, event.end, event.before, event.file.stat)
        self._note(event, event.process, file, kinds.WRITE, event.file.used)

    def released(self, event: Released) -> None:
        """A process holds a file no more that it had read: it sees no later versions of it."""
        n = self.files.numbered(event.key)
        image = self.processes[event.process].image
        for version in self.files[n].versions if n else ():
            access = self.accesses.get((event.process, image, n, version.n, kinds.READ))
            if access is not None:
                access.until = event.end

    def _touched(self, event: Touched) -> None:
        file = self.files.known(event.file.stat, event.file.path)
        if file is not None:
            versions.touched(file, event.file.stat, event.begin, event.end)

    def _renamed(self, event: Renamed) -> None:
        new = event.file.path
        before = event.replaced
        moved = event.file.stat
        if before is not None and moved is not None and before.stat.id == moved.id and moved.id.ino:
            return  # two names of one file: rename(2) then does nothing
        if event.exchanged:
            self.files.names.exchange(event.old, new)
        else:
            if before is not None:
                self._lost(event, new, before)
            self.files.names.move(event.old, new)
        file = self._file(event.file, event.begin, event.end)
        self._begin_version(file, event.file.stat, event)
        versions.sighted(file, event.file.stat, event.begin, event.end)
        self._note(event, event.process, file, kinds.RENAME, new)
        if file.regular and not file.current.process and not event.exchanged:
            self.moves.append((event.old, new))
        if event.exchanged and before is not None:
            other = self.files.seen(event.old, before.stat, event.begin, event.end)
            self._begin_version(other, before.stat, event)
            versions.about_to_change(other, before, event.begin)
            self._note(event, event.process, other, kinds.RENAME, event.old)

    def _removed(self, event: Removed) -> None:
        self._lost(event, event.path, event.before)

    def _lost(self, event: Removed | Renamed, path: bytes, before: Before) -> None:
        """A file lost the name `path`, by a removal or because another file took its place."""
        file = self.files.seen(path, before.stat, event.begin, event.end)
        self._begin_version(file, before.stat, event)
        versions.about_to_change(file, before, event.begin)
        self._note(event, event.process, file, kinds.REMOVE, path)
        self.files.unlink(path, file, before.stat, event.end)
        if file.regular and file.current.process and not file.names and not file.gone:
            detail = f"{text(path)} was changed, and lives on under a name that the run did not use"
            self._gap(GapSeen(event.begin, event.end, event.process, "other", detail))

    def _linked(self, event: Linked) -> None:
        file = None if event.old else self.files.known(event.file.stat, event.old)
        if file is None:
            file = self.files.seen(event.old or event.file.path, event.file.stat, event.begin, event.end)
        self._begin_version(file, event.file.stat, event)
        versions.sighted(file, event.file.stat, event.begin, event.end)
        self.files.names.add(event.file.path, file)
        self._note(event, event.process, file, kinds.RENAME, event.file.path)

    def _symlinked(self, event: Symlinked) -> None:
        file = self.files.made(event.path, "symlink")
        file.target = event.target
        self._note(event, event.process, file, kinds.CREATE, event.path)

    def _directory(self, event: DirectoryMade) -> None:
        file = self.files.made(event.path, "directory")
        self._note(event, event.process, file, kinds.CREATE, event.path)

    def _missing(self, event: Missing) -> None:
        self._note(event, event.process, self.files.missing(event.path), kinds.MISSING, event.path)

    def _connected(self, event: Connected) -> None:
        self.network.setdefault((event.family, event.address, event.port), event.process)

    def _located(self, event: Located) -> None:
        self.located[event.process] = event.cwd

    def cwd(self, number: int) -> bytes:
        """The directory in which a process was last, as far as events tell; b"" if they do not."""
        while number in self.processes:
            process = self.processes[number]
            if number in self.located:
                return self.located[number]
            if process.images:
                return process.images[-1].cwd
            number = process.parent  # a fork begins where its parent was
        return b""

    def _traced(self, event: Traced) -> None:
        self.traced = event

    def _gap(self, event: GapSeen) -> None:
        key = (event.kind, event.detail, event.process)
        if key not in self.gaps and len(self.gaps) >= GAP_LIMIT:
            self.gaps_dropped += 1
        else:
            self.gaps[key] = None

    def _process_started(self, event: ProcessStarted) -> None:
        self.processes.started(event)
        self.holdings.started(event)
        for n in self.holdings.written_by(event.process):
            if self.files[n].versions:
                self.files[n].current.others = True  # what is written from now on, its maker did not write alone

    def _process_ended(self, event: ProcessEnded) -> None:
        self.processes.over(event)
        self.holdings.ended(event)

    def _run_started(self, event: RunStarted) -> None:
        self.started = event

    def _run_ended(self, event: RunEnded) -> None:
        self.ended = event

    def _file(self, sighting: Sighting, begin: int, end: int, *, created: bool = False) -> File:
        return self.files.seen(sighting.path, sighting.stat, begin, end, created=created)

    @staticmethod
    def _begin_version(file: File, stat: Stat | None, event: Event) -> None:
        """Give a file that is met for the first time its version from before the run."""
        if not file.versions:
            versions.found(file, stat, event.begin, event.end)

    def _note(
        self, event: Event, process: int, file: File, kind: int, used: bytes, *, inherited: bool = False
    ) -> Access:
        key = (process, self.processes[process].image, file.n, file.current.n, kind)
        if used == file.path:
            used = file.path  # one object instead of two that are kept
        return self.accesses.add(key, event.begin, event.end, used, inherited=inherited)
