"""What became of each file, from the run's calls and the world's answers: roles, which versions are real, digests."""

from __future__ import annotations

from collections.abc import Container, Iterable
from functools import cached_property

from shark.model import accesses as kinds
from shark.model.facts import Facts, Header, Owner
from shark.model.roles import PLAIN, Roles
from shark.model.scripts import script_paths
from shark.tuples import TYPE_CHECKING
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from shark.kinds import GapKind
    from shark.model.documents import Role
    from shark.model.files import File
    from shark.model.run import RunModel
    from shark.model.versions import Version


_NOT_ASKED = Stat(FileId(0, 0, 0), 0, 0, 0, 0)


class Outcome:
    """What became of a file.

    `there`: it stands at its path when the run ends; `vanished`: it does not, though no call of the run removed it.
    `stat`: its final state, None where it was not looked at or is gone. `foreign`: that state is explained by no call
    of the run. `unchanged`: numbers of versions that a write-open began, but whose content stayed that of their base.
    """

    __slots__ = ("foreign", "stat", "there", "unchanged", "vanished")

    def __init__(self, *, there: bool, vanished: bool = False, stat: Stat | None = None) -> None:
        self.there = there
        self.vanished = vanished
        self.stat = stat
        self.foreign = False
        self.unchanged: Container[int] = ()

    def final(self, file: File, version: Version) -> bool:
        """True if the file's final content is that of `version`."""
        if not self.there or self.foreign:
            return False
        if version is file.current:
            return True
        return all(later.n in self.unchanged for later in file.versions if later.n > version.n)


class Findings:
    """Answers about the files of a run, each worked out once."""

    def __init__(self, model: RunModel, facts: Facts, header: Header) -> None:
        self.model = model
        self.facts = facts
        self.header = header
        self._outcomes: dict[int, Outcome] = {}
        self._compared: list[int] = []  # files of which contents were compared to find their outcome
        self._roles: dict[int, Role] = {}
        self._rules = Roles(header.home, header.rules)
        self._executed = _executed(model)
        self._sources = {source for pyc, source in model.pyc_sources.items() if self.has_source(pyc)}

    def digests_are_known(self) -> None:
        """The facts have digests now: look again at what they may tell, which is whether a content changed."""
        for n in self._compared:
            del self._outcomes[n]
        self._compared.clear()

    def disown(self, files: Iterable[File]) -> None:
        """Take what these files hold now for somebody else's, of which the run knows nothing."""
        for file in files:
            self.outcome(file).foreign = True

    @cached_property
    def changed(self) -> list[File]:
        """The files of which the run may have made a content; most files it only reads."""
        return [file for file in self.model.files.all if file.current.process or len(file.versions) > 1]

    def has_source(self, pyc: int) -> bool:
        """True if a compiled module's source exists, or existed: then reading the module counts as reading that."""
        source = self.model.pyc_sources[pyc]
        return bool(self.model.files[source].versions) or self.facts.stats.get(source) is not None

    def owner(self, file: File) -> Owner | None:
        """The package that owns a file at the path where it is now."""
        return self.facts.owners.get(file.path)

    def role(self, file: File) -> Role:
        """The file's role."""
        found = self._roles.get(file.n)
        if found is None:
            found = self._roles[file.n] = self._find_role(file)
        return found

    def _find_role(self, file: File) -> Role:
        n, path = file.n, file.path
        owner = self.facts.owners.get(path)
        if owner is None and n in self.model.pyc_sources:
            return "cache" if self.has_source(n) else "code"
        executed, made = n in self._executed, bool(file.current.process and file.versions)
        if owner is None:
            return self._rules.role(path, (False, False, executed, made) if executed or made else PLAIN)
        return self._rules.role(path, (not owner.modified, owner.modified, executed, made))

    def outcome(self, file: File) -> Outcome:
        """What became of the file."""
        found = self._outcomes.get(file.n)
        if found is None:
            found = self._outcomes[file.n] = self._find_outcome(file)
        return found

    def _find_outcome(self, file: File) -> Outcome:
        version = file.current
        stat = self.facts.stats.get(file.n)
        plain = not version.process and len(file.versions) == 1 and file.names and not file.gone
        if plain and stat is not None and file.id == stat.id and file.kind == "file" and version.size >= 0:
            # As most are: read, and there. What follows would come to the same.
            outcome = Outcome(there=True, stat=stat)
            outcome.foreign = version.size != stat.size or version.mtime != stat.mtime
            return outcome
        outcome = self._whereabouts(file)
        stat = outcome.stat
        if stat is None:
            pass
        elif not version.process and file.kind == "file" and version.size >= 0:
            outcome.foreign = not version.agrees(stat)
        elif file.id is None:
            outcome.foreign = self._is_younger_than_the_run(stat)
        if version.process or len(file.versions) > 1:
            self._compared.append(file.n)
            outcome.unchanged = {
                version.n
                for place, version in enumerate(file.versions)
                if version.process and version.base >= 0 and not self._differs(file, place, outcome)
            }
        return outcome

    def _is_younger_than_the_run(self, stat: Stat) -> bool:
        """True for a file without a known state (a parsed strace log) that was written after the run had ended."""
        ended = self.model.ended
        return ended is not None and 0 < ended.time < stat.mtime

    def _whereabouts(self, file: File) -> Outcome:
        if file.gone:
            return Outcome(there=False)
        if file.versions and not file.names:
            return Outcome(there=False, vanished=file.evicted)
        stat = self.facts.stats.get(file.n, _NOT_ASKED)
        if stat is _NOT_ASKED:
            return Outcome(there=True)
        if stat is None or not _same_file(file, stat):
            return Outcome(there=False, vanished=True)
        return Outcome(there=True, stat=stat)

    def _differs(self, file: File, place: int, outcome: Outcome) -> bool:
        """True if the content of a version that continues another one differs from that one's, as far as can be
        told.
        """
        version = file.versions[place]
        if version.changed:
            return True
        last = place == len(file.versions) - 1
        stat = outcome.stat
        if last and stat is not None and not version.agrees(stat):
            return True
        own = version.sha256
        if last and outcome.there and not own:
            own = self.facts.digests.get(file.n, "")
        base = self._base_digest(file, version)
        if own and base:
            return own != base
        return version.touched

    def _base_digest(self, file: File, version: Version) -> str:
        """The digest of the version that this one continues, through versions that changed nothing."""
        number = version.base
        first = file.versions[0].n
        while number >= first:
            base = file.versions[number - first]
            if base.sha256 or base.changed or base.base < 0:
                return base.sha256
            number = base.base
        return ""

    def final(self, file: File, version: Version) -> bool:
        """True if the file's final content is that of `version`."""
        return self.outcome(file).final(file, version)

    def digest(self, file: File, version: Version) -> tuple[str, GapKind | None, str]:
        """The digest of a version's content; without one, the kind of gap that this is and why."""
        sha256 = self.sha256(file, version, final=self.final(file, version))
        return (sha256, None, "") if sha256 else ("", *self.lack(file, version))

    def sha256(self, file: File, version: Version, *, final: bool) -> str:
        """The digest alone, "" if there is none. `final` is what the method of that name says of the version."""
        return (self.facts.digests.get(file.n) if final else None) or version.sha256

    def lack(self, file: File, version: Version) -> tuple[GapKind | None, str]:
        """Of a version without a digest: the kind of gap that this is, and why."""
        outcome = self.outcome(file)
        if not file.regular:
            return None, "not a regular file"
        if self.final(file, version):
            why = self.facts.unhashed.get(file.n, "")
            kind: GapKind = "unreadable" if why.startswith("it cannot be read") else "unhashed"
            return (kind, why) if why else (None, "")
        if version.why:
            return "unhashed", version.why
        if file.path.startswith(b"mnt:[") and b"]/" in file.path:
            return "namespace", "only the command could reach it"
        place = version.n - file.versions[0].n
        superseded = len(file.versions) > place + 1
        if outcome.vanished:
            return "changed-outside", "moved or removed by someone outside, during the run or since"
        if outcome.foreign or (superseded and file.versions[place + 1].origin == "outside"):
            return "changed-outside", "changed by someone outside, during the run or since"
        return "unhashed", "changed or removed by the run before its content was hashed"


def _executed(model: RunModel) -> set[int]:
    """Files that were executed, or are scripts that an interpreter's arguments name."""
    executed = {n for _, _, n, _, kind in model.accesses if kind == kinds.EXEC}
    scripts = {
        path
        for process in model.processes.values()
        for image in process.images
        if image.forked is None
        for path in script_paths(image.exe_path, image.argv, image.cwd)
    }
    if scripts:
        for (_, _, n, _, kind), access in model.accesses.items():
            if kind == kinds.READ and (access.used in scripts or model.files[n].path in scripts):
                executed.add(n)
    return executed


def _same_file(file: File, stat: Stat) -> bool:
    """True if the stat taken after the run is of this file; only dev and ino count where an overlay changed the
    birth.
    """
    before, now = file.id, stat.id
    if before == now or before is None or not now.ino:
        return True
    if before[:2] != now[:2]:
        return False
    return not (before.birth and now.birth) or file.current.agrees(stat)
