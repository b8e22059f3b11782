"""A small machine that writes the events of a run: paths and contents in, events out, in the order of the calls."""

from __future__ import annotations

from shark import events as ev
from shark.model.facts import Facts, Header
from shark.model.files import File
from shark.model.record import build_record
from shark.model.run import RunModel
from shark.values import FileId, Stat

REGULAR, DIRECTORY, SYMLINK, FIFO, CHARACTER = 0o100644, 0o040755, 0o120777, 0o010644, 0o020666
DIGEST = "{:064x}".format


def stat(ino: int, size: int = 10, mtime: int = 1_000, *, mode: int = REGULAR, nlink: int = 1, birth: int = 7) -> Stat:
    return Stat(FileId(1, ino, birth), mode, size, mtime, nlink)


def at(path: str, seen: Stat | None, used: str = "") -> ev.Sighting:
    return ev.Sighting(path.encode(), (used or path).encode(), seen)


def before(seen: Stat, digest: int = 0, why: str = "") -> ev.Before:
    return ev.Before(seen, DIGEST(digest) if digest else "", why)


class Run:
    """Feeds a model; each method is one call of a process, one after the other unless `overlap` says otherwise."""

    def __init__(self, *argv: str, cwd: str = "/w") -> None:
        self.model = RunModel()
        self.clock = 0
        self._overlap: tuple[int, int] | None = None
        arguments = tuple(a.encode() for a in argv or ("prog",))
        self.observe(ev.RunStarted, 10**18, "run-1", arguments, cwd.encode())
        self.observe(ev.ProcessStarted, 1, 0, 100, 10**18, 0)
        self.execute(1, f"/usr/bin/{argv[0] if argv else 'prog'}", *(argv or ("prog",)), cwd=cwd)

    def overlap(self, begin: int, end: int) -> Run:
        """The next call lasted from `begin` to `end`."""
        self._overlap = (begin, end)
        return self

    def observe(self, kind, *fields):
        if self._overlap:
            begin, end = self._overlap
            self._overlap = None
        else:
            begin, end = self.clock + 1, self.clock + 2
        self.clock = max(self.clock, end)
        event = kind(begin, end, *fields)
        self.model.observe(event)
        return event

    def execute(self, process: int, exe: str, *argv: str, cwd: str = "/w", scripts=(), loader=None, seen=None) -> None:
        self.observe(
            ev.ImageStarted,
            process,
            10**18 + self.clock,
            tuple(a.encode() for a in argv or (exe,)),
            cwd.encode(),
            at(exe, seen or stat(10_000 + sum(exe.encode()))),
            tuple(scripts),
            loader,
        )

    def fork(self, parent: int, child: int) -> None:
        self.observe(ev.ProcessStarted, child, parent, 100 + child, 10**18 + self.clock, 0)

    def read(self, path: str, seen: Stat | None, process: int = 1, used: str = "", via: str = "open") -> None:
        self.observe(ev.Opened, process, ev.READ, at(path, seen, used), False, False, False, None, via)

    def list(self, path: str, seen: Stat, process: int = 1) -> None:
        self.observe(ev.Opened, process, ev.LIST, at(path, seen), False, False, False, None, "open")

    def write(
        self,
        path: str,
        seen: Stat | None,
        process: int = 1,
        *,
        access: int = ev.WRITE,
        created: bool = False,
        truncated: bool = False,
        append: bool = False,
        was: ev.Before | None = None,
        via: str = "open",
    ) -> None:
        self.observe(ev.Opened, process, access, at(path, seen), created, truncated, append, was, via)

    def create(self, path: str, ino: int, process: int = 1, **more) -> None:
        self.write(path, stat(ino, 0, 2_000 + self.clock), process, created=True, **more)

    def remove(self, path: str, was: ev.Before, process: int = 1) -> None:
        self.observe(ev.Removed, process, path.encode(), was)

    def rename(
        self,
        old: str,
        new: str,
        seen: Stat | None,
        replaced: ev.Before | None = None,
        *,
        exchanged=False,
        process: int = 1,
    ) -> None:
        self.observe(ev.Renamed, process, old.encode(), at(new, seen), replaced, exchanged)

    def link(self, old: str, new: str, seen: Stat, process: int = 1) -> None:
        self.observe(ev.Linked, process, old.encode(), at(new, seen))

    def change(self, path: str, seen: Stat, was: ev.Before | None, process: int = 1) -> None:
        self.observe(ev.Changed, process, at(path, seen), was)

    def touch(self, path: str, seen: Stat, process: int = 1) -> None:
        self.observe(ev.Touched, process, at(path, seen))

    def finish(self, process: int, status: int = 0, signal: int = -1, usage=None) -> None:
        self.observe(ev.ProcessEnded, process, 10**18 + 10**9, status, signal, usage)

    def end(self) -> Run:
        for process in list(self.model.processes.values()):
            if not process.ended:
                self.finish(process.n)
        self.observe(ev.RunEnded, 10**18 + 2 * 10**9)
        return self

    def file(self, path: str):
        """The file that is at `path` now."""
        return self.model.files.names.at[path.encode()]

    def record(self, facts: Facts | None = None, within=None, **header):
        return build_record(self.model, facts or Facts(), Header("run-1", "0.1.0", **header), within)


def explained(file: File) -> Stat | None:
    """The last state of a file that the run's own calls explain, None if none ever saw it."""
    version = file.current
    if version.size < 0:
        return None
    return Stat(file.id or FileId(0, 0, 0), 0o100000, version.size, version.mtime, 1)


def final(run: Run, **paths: Stat | None) -> Facts:
    """Facts in which every file asked about is as expected, except those given (by the last part of the path)."""
    facts = Facts()
    for question in run.model.questions():
        name = question.path.rpartition(b"/")[2].decode("latin-1").replace(".", "_")
        facts.stats[question.n] = paths.get(name, explained(run.model.files[question.n]))
        if facts.stats[question.n] is not None:
            facts.digests[question.n] = DIGEST(question.n)
    return facts


def input_names(manifest) -> list[str]:
    return [entry["path"] for entry in manifest["inputs"]]
