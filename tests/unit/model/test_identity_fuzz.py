"""Random calls on a small file system whose truth is known: the model must tell its files and contents apart."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from shark import events as ev
from shark.model import accesses as kinds
from shark.values import FileId, Stat

from .events_builder import DIRECTORY, REGULAR, Run


@dataclass(eq=False)
class Inode:
    """The truth about a file: its content is a number that no other content has."""

    number: int
    directory: bool = False
    content: int = 0
    writer: int = 0
    names: set[str] = field(default_factory=set)
    mtime: int = 1


class Machine:
    """A file system that gives a freed inode number to the next file at once, and keeps no birth times."""

    def __init__(self) -> None:
        self.run = Run("fuzz")
        self.run.fork(1, 2)
        self.run.fork(1, 3)
        self.at: dict[str, Inode] = {}
        self.used: set[int] = set()
        self.next_content = 1
        self.clock = 10
        self.truth: dict[int, Inode] = {}  # the model's file number -> the inode that it is
        self.reads: list[tuple[int, int, tuple[int, int]]] = []
        for name in ("/d", "/e"):
            self._new(name, directory=True)

    def _new(self, path: str, *, directory: bool = False) -> Inode:
        number = next(n for n in range(1, 99) if n not in self.used)
        self.used.add(number)
        inode = self.at[path] = Inode(number, directory)
        inode.names.add(path)
        return inode

    def _stat(self, inode: Inode) -> Stat:
        mode = DIRECTORY if inode.directory else REGULAR
        return Stat(FileId(1, inode.number, 0), mode, inode.content, inode.mtime, len(inode.names))

    def _before(self, path: str) -> ev.Before | None:
        inode = self.at.get(path)
        return ev.Before(self._stat(inode), "", "") if inode else None

    def _forget(self, path: str) -> None:
        inode = self.at.pop(path)
        inode.names.discard(path)
        if not inode.names:
            self.used.discard(inode.number)

    def _below(self, path: str) -> list[str]:
        return [name for name in self.at if name.startswith(path + "/")]

    def read(self, path: str, process: int) -> None:
        inode = self.at.get(path)
        if inode is None or inode.directory:
            return
        self.run.read(path, self._stat(inode), process)
        file = self.run.file(path)
        if process != inode.writer:
            self.reads.append((id(inode), inode.content, (file.n, file.current.n)))

    def write(self, path: str, process: int, *, truncate: bool) -> None:
        inode = self.at.get(path)
        if path.count("/") > 1 and path.rpartition("/")[0] not in self.at:
            return
        if inode is not None and inode.directory:
            return
        was = self._before(path)
        created = inode is None
        if inode is None:
            inode = self._new(path)
        self.clock += 1
        inode.mtime = self.clock
        if created or truncate:
            inode.content = 0
        seen = self._stat(inode)
        self.run.write(path, seen, process, created=created, truncated=truncate and not created, was=was)
        inode.content, inode.writer = self.next_content, process
        self.next_content += 1

    def unlink(self, path: str) -> None:
        inode = self.at.get(path)
        if inode is None or (inode.directory and self._below(path)):
            return
        self.run.remove(path, self._before(path))
        self._forget(path)

    def link(self, old: str, new: str) -> None:
        inode = self.at.get(old)
        if inode is None or inode.directory or new in self.at or self._homeless(new):
            return
        self.at[new] = inode
        inode.names.add(new)
        self.run.link(old, new, self._stat(inode))

    def rename(self, old: str, new: str, *, exchange: bool) -> None:
        source, target = self.at.get(old), self.at.get(new)
        if source is None or old == new or source is target or self._homeless(new) or new.startswith(old + "/"):
            return
        if exchange and (target is None or old.startswith(new + "/")):
            return
        if target is not None and not exchange and (source.directory != target.directory or self._below(new)):
            return
        was, seen = self._before(new), self._stat(source)
        moves = [(old, new)] + [(name, new + name[len(old) :]) for name in self._below(old)]
        if exchange:
            moves += [(new, old)] + [(name, old + name[len(new) :]) for name in self._below(new)]
        elif target is not None:
            self._forget(new)
        inodes = [(to, self.at.pop(name)) for name, to in moves]
        for (name, _), (_, inode) in zip(moves, inodes, strict=True):
            inode.names.discard(name)
        for to, inode in inodes:
            self.at[to] = inode
            inode.names.add(to)
        self.run.rename(old, new, seen, was, exchanged=exchange)

    def _homeless(self, path: str) -> bool:
        parent = path.rpartition("/")[0]
        return bool(parent) and (parent not in self.at or not self.at[parent].directory)

    def check(self) -> None:
        """Every known path leads to the file that is there, and different files never share a number."""
        for path, inode in self.at.items():
            file = self.run.model.files.names.at.get(path.encode())
            if file is None:
                assert inode.directory
                continue
            assert self.truth.setdefault(file.n, inode) is inode, path
            assert {name.decode() for name in file.names} <= inode.names
        known = {path.decode() for path in self.run.model.files.names.at} - {"/usr/bin/fuzz"}
        assert known <= set(self.at)


PATHS = st.sampled_from(["/a", "/b", "/d", "/e", "/d/a", "/d/e", "/d/e/a", "/e/a"])
FEW = st.sampled_from(["/a", "/d/a"])
STEPS = st.one_of(
    st.tuples(st.just("read"), FEW, st.integers(1, 3)),
    st.tuples(st.just("write"), FEW, st.integers(1, 3), st.booleans()),
    st.tuples(st.just("read"), PATHS, st.integers(1, 3)),
    st.tuples(st.just("write"), PATHS, st.integers(1, 3), st.booleans()),
    st.tuples(st.just("unlink"), PATHS),
    st.tuples(st.just("link"), PATHS, PATHS),
    st.tuples(st.just("rename"), PATHS, PATHS, st.booleans()),
)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_files_and_contents_are_told_apart(steps):
    """Same file, same number; other file under the same inode number, another one; other content, another version."""
    machine = Machine()
    for name, *arguments in steps:
        if name == "write":
            machine.write(arguments[0], arguments[1], truncate=arguments[2])
        elif name == "rename":
            machine.rename(arguments[0], arguments[1], exchange=arguments[2])
        else:
            getattr(machine, name)(*arguments)
        machine.check()
    versions: dict[tuple[int, int], tuple[int, int]] = {}
    for inode, content, version in machine.reads:
        assert versions.setdefault((inode, content), version) == version
    assert len(set(versions.values())) == len(versions)
    read = {(key[2], key[3]) for key in machine.run.model.accesses if key[4] == kinds.READ}
    assert set(versions.values()) <= read
