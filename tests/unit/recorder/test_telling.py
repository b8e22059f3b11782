"""The teller: what is usual becomes the lines that the journal would have written, and nothing else does."""

from __future__ import annotations

import os
import random
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shark.capture import kernel, look
from shark.capture.journal import line_of
from shark.capture.lines import Lines
from shark.capture.preimage import Hashed, Keeper
from shark.content import suspicion
from shark.content.concealing import Concealer
from shark.events import LIST, READ, WRITE, Missing, Opened, Sighting
from shark.recorder import layout
from shark.recorder.ring import Record
from shark.recorder.telling import Telling
from shark.values import FileId, Stat

from . import rings
from .rings import Writer

PROCESS = 7
PLAIN = frozenset(range(ord(" "), 127)) - set(b'"\\')
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def raw(stat: Stat) -> bytes:
    """A state as the kernel gives it to the stub (struct statx)."""
    birth, mtime = divmod(stat.id.birth, 10**9), divmod(stat.mtime, 10**9)
    return struct.pack(
        "=IIQIIIHHQQQQqIiqIiqIiqIiIIII",
        *(0xFFF, 4096, 0, stat.nlink, 0, 0, stat.mode, 0, stat.id.ino, stat.size, 0, 0),
        *(0, 0, 0, *birth, 0, 0, 0, 0, *mtime, 0),
        *(0, 0, os.major(stat.id.dev), os.minor(stat.id.dev)),
    ).ljust(256, b"\0")


class Bench:
    """A teller with a ring to read, a folder of files, and the lines that it has written."""

    def __init__(self, folder: Path, environ: dict[str, str] | None = None) -> None:
        self.folder = os.fsencode(folder.resolve())
        self.ring = rings.made(folder)
        self.keeper = Keeper(lambda fd: Hashed("", ""))
        self.written: list[bytes] = []
        self.concealer = concealer = Concealer(environ or {})
        lines = Lines(
            lambda: True, self.written.append, concealer.secrets, concealer.is_harmless,
            tuple(suspicion.WITHIN), suspicion.HEADS, b".values",
        )  # fmt: skip
        self.directories: list[tuple[bytes, Stat]] = []
        self.telling = Telling(self.ring._native, self.ring, lines, self.keeper, self.note)
        self.telling.add(PROCESS)
        self.writer = Writer(self.ring, PROCESS)
        self.holds = SimpleNamespace(shown={}, may_read=False, read=set())
        self.serial = 0

    def note(self, path: bytes, stat: Stat) -> None:
        """Called with each directory."""
        self.directories.append((path, stat))

    def close(self) -> None:
        """End both."""
        self.telling.close()
        self.ring.close()

    def path(self, name: str) -> bytes:
        """The path of a new file of one byte, or of one that is there."""
        path = os.path.join(self.folder, os.fsencode(name))
        if not os.path.exists(path):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(b"1")
        return path

    def open(self, name: bytes, stat: Stat | None = None, *, writer: Writer | None = None, **how: Any) -> None:
        """Record an open of a file with this state, or of one that is not there; the reader drops no repetition."""
        self.ring.forget(files=True, names=True)
        writer = writer or self.writer
        while not writer.begin():
            pass
        writer.complete(name, -2 if stat is None else 3, b"" if stat is None else raw(stat), **how)

    def untold(self) -> list[Record]:
        """Read; returns the records that are left to others."""
        return list(self.telling.untold(self.processes))

    @property
    def processes(self) -> Any:
        """As the recorder has them."""
        return {PROCESS: SimpleNamespace(holds=self.holds)}

    def lines(self) -> list[bytes]:
        """What was written since the last time, line by line."""
        text = b"".join(self.written)
        self.written.clear()
        return text.splitlines(keepends=True)

    def know(self, path: bytes, here: bytes = b"", directory: bytes | None = None) -> None:
        """Have the directory of an absolute path learned, by an open in it that nobody has made before, if need be."""
        self.serial += 1
        folder = os.path.dirname(path)
        name = b"%b/first%d" % (folder, self.serial)
        self.open(name)
        for record in self.telling.untold({}):
            self.telling.learn(record, name, folder if directory is None else directory, here)
        self.lines()

    def event(self, line: bytes, path: bytes, used: bytes, stat: Stat) -> Opened:
        """The event of which a line is to tell, with the line's own numbers."""
        begin, end = map(int, line.split(b",")[1:3])
        access = LIST if stat.directory else READ
        return Opened(begin, end, PROCESS, access, Sighting(path, used, stat), False, False, False, None, "open")

    def learn(self, name: bytes, used: bytes, directory: bytes, here: bytes = b"") -> None:
        """Have learned what a relative name's directory is called."""
        self.open(name)
        found = [record.name for record in self.telling.untold({}) if self._is_learned(record, used, directory, here)]
        assert found == [name]
        assert self.lines() == []

    def _is_learned(self, record: Record, used: bytes, directory: bytes, here: bytes) -> bool:
        self.telling.learn(record, used, directory, here)  # while its turn is on, as recorder.py does
        return True


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A teller that knows nothing yet."""
    made = Bench(tmp_path)
    yield made
    made.close()


def seen(path: bytes) -> Stat:
    """A file's state."""
    found = kernel.statx(path)
    assert found is not None
    return found


def test_a_file(bench: Bench) -> None:
    """Its line is the one that the journal writes for the event, and who must know of it does."""
    path = bench.path("d/a file")
    stat = seen(path)
    bench.open(path, stat)
    assert bench.untold() == []
    [line] = bench.lines()
    assert line == line_of(bench.event(line, path, path, stat))
    assert (bench.holds.read, bench.holds.may_read, bench.holds.shown) == ({stat.id[:2]}, True, None)
    assert bench.keeper.needed(stat, discards=True)  # it was read
    assert bench.telling.lowest == {PROCESS: 3}


def test_a_missing_file(bench: Bench) -> None:
    """The same for what is not there, by the name as it is shown."""
    bench.learn(b"x/../y/first", b"/here/y/first", b"", b"/here")
    bench.open(b"x/../y/other")
    assert bench.untold() == []
    [line] = bench.lines()
    begin, end = map(int, line.split(b",")[1:3])
    assert line == line_of(Missing(begin, end, PROCESS, b"/here/y/other", False))
    assert (bench.holds.read, bench.telling.lowest) == (set(), {})


def test_other_names_of_a_directory(bench: Bench) -> None:
    """A relative name, and one by a symbolic link: shown as used, with the true path beside it."""
    path = bench.path("true/ü/file")
    folder, stat = os.path.dirname(path), seen(path)
    os.symlink(folder, os.path.join(bench.folder, b"link"))
    used = os.path.join(bench.folder, b"link/file")
    bench.learn(b"link/first", os.path.join(bench.folder, b"link/first"), folder, bench.folder)
    bench.open(b"link/file", stat)
    assert bench.untold() == []
    [line] = bench.lines()
    assert line == line_of(bench.event(line, path, used, stat))


def test_a_directory(bench: Bench) -> None:
    """It is listed, and who must know of it does before what comes next is told of."""
    folder, path = os.path.dirname(bench.path("d/file")), bench.path("d/file")
    bench.open(folder, seen(folder))
    bench.open(path + b"2")
    bench.open(b"relative", seen(path))
    known = [(record.name, list(bench.directories)) for record in bench.telling.untold(bench.processes)]
    assert known == [(b"relative", [(folder, seen(folder))])]
    line, other = bench.lines()
    assert line == line_of(bench.event(line, folder, folder, seen(folder)))
    assert b"/file2" in other
    assert (bench.holds.read, bench.holds.may_read, bench.holds.shown) == (set(), False, None)
    assert bench.telling.lowest == {PROCESS: 3}
    bench.open(folder, seen(folder), flags=os.O_PATH)
    assert (len(bench.untold()), bench.lines()) == (1, [])  # that is no access, but somebody must know of it


def test_names_from_a_directory_that_was_told_of(bench: Bench) -> None:
    """They start where it is, by whichever name it was opened, and as long as it is there."""
    path, link = bench.path("d/e/file"), bench.folder + b"/link"
    folder = os.path.dirname(path)
    os.symlink(folder, link)
    bench.open(link, seen(folder))
    assert bench.untold() == []
    bench.lines()
    for name, stat in ((b"file", seen(path)), (b"other", None)):
        bench.open(name, stat, dirfd=5, base=raw(seen(folder)))
        assert bench.untold() == []
        [line] = bench.lines()
        begin, end = map(int, line.split(b",")[1:3])
        missing = Missing(begin, end, PROCESS, folder + b"/other", False)
        assert line == line_of(bench.event(line, path, path, stat) if stat else missing)
    os.rename(folder, folder + b"2")
    bench.open(folder + b"2", seen(folder + b"2"))
    assert bench.untold() == []
    bench.open(b"file", seen(folder + b"2/file")._replace(size=9), dirfd=5, base=raw(seen(folder + b"2")))
    assert bench.untold() == []
    assert b"/e2/file" in bench.lines()[-1]


def test_the_root_by_a_link(bench: Bench) -> None:
    """Names that start from it have one slash."""
    link = bench.folder + b"/link"
    os.symlink("/", link)
    bench.open(link, seen(b"/"))
    bench.open(b"etc", seen(b"/etc"), dirfd=5, base=raw(seen(b"/")))
    bench.open(b"none", dirfd=5, base=raw(seen(b"/")))
    assert bench.untold() == []
    first, second, third = bench.lines()
    assert first == line_of(bench.event(first, b"/", link, seen(b"/")))
    assert second == line_of(bench.event(second, b"/etc", b"/etc", seen(b"/etc")))
    assert b'"/none"' in third
    assert [path for path, _ in bench.directories] == [b"/", b"/etc"]


def test_a_directory_again(bench: Bench) -> None:
    """It is told once, and noted each time: it may have another path by then."""
    folder = bench.folder + b"/d"
    os.mkdir(folder)
    stat = seen(folder)
    for _ in range(2):
        bench.open(folder, stat)
        assert bench.untold() == []
    os.rename(folder, folder + b"2")
    bench.open(folder + b"2", stat)
    assert bench.untold() == []
    assert len(bench.lines()) == 2
    assert bench.directories == [(folder, stat), (folder, stat), (folder + b"2", stat)]


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_a_link(bench: Bench, kind: str) -> None:
    """A file is told of where it is, however it was called."""
    path = bench.path("true/file")
    if kind == "directory":
        path = os.path.dirname(path)
    link = os.path.dirname(bench.path("d/other")) + b"/link"
    os.symlink(path, link)
    bench.open(link, seen(path))
    assert bench.untold() == []
    [line] = bench.lines()
    assert line == line_of(bench.event(line, path, link, seen(path)))
    assert [path for path, _ in bench.directories] == ([path] if kind == "directory" else [])
    bench.open(link, seen(path))
    assert (bench.untold(), bench.lines()) == ([], [])


def test_a_link_that_changes(bench: Bench) -> None:
    """The same file by another true path is told of once more; another file than was opened is left to others."""
    one, other, link = bench.path("one/file"), bench.folder + b"/other", bench.folder + b"/link"
    os.link(one, other)
    for path in (one, other):
        os.symlink(path, link)
        bench.open(link, seen(one))
        assert bench.untold() == []
        [line] = bench.lines()
        assert line == line_of(bench.event(line, path, link, seen(one)))
        os.unlink(link)
    os.symlink(bench.path("third"), link)
    bench.open(link, seen(one))
    assert (len(bench.untold()), bench.lines()) == (1, [])
    os.unlink(link)
    bench.open(link, seen(one)._replace(nlink=3))
    assert (len(bench.untold()), bench.lines()) == (1, [])


@pytest.mark.parametrize("name", ["x-ghp_0123456789abcdefghijABCDEFGHIJ456789", "a.values", 'quo"te', "ümlaut/file"])
def test_where_a_link_leads(bench: Bench, name: str) -> None:
    """What cannot be shown as it is, or is shark's own, is left to others, though the link's name is harmless."""
    path, link = bench.path(f"d/{name}"), bench.folder + b"/link"
    os.symlink(path, link)
    bench.open(link, seen(path))
    assert (len(bench.untold()), bench.lines()) == (1, [])


def test_a_secret_where_a_link_leads(tmp_path: Path) -> None:
    """It stands in no line."""
    bench = Bench(tmp_path, {"DB_PASSWORD": "hunter2-hunter2"})
    for name in ("hunter2-hunter2/file", "plain/hunter2-hunter2"):
        path, link = bench.path(name), bench.folder + b"/link%d" % len(name)
        os.symlink(path, link)
        bench.open(link, seen(path))
        os.symlink(os.path.dirname(path), link + b"-folder")
        bench.open(link + b"-folder/" + os.path.basename(path), seen(path))
    assert (len(bench.untold()), bench.lines()) == (4, [])
    bench.close()


PARTS = st.sampled_from([b"d", b"d", b"e", b"link", b"file", b"..", b".", b"", b"\xc3\xbc", b".hidden"])


@unhurried
@given(st.lists(st.lists(PARTS, min_size=1, max_size=6), min_size=1, max_size=12))
def test_any_absolute_name(tmp_path: Path, names: list[list[bytes]]) -> None:
    """What is told of a name is what the kernel and the text of it say; what has no dots and is plain is told."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        bench = Bench(Path(folder))
        for name in ("d/d/file", "d/e/file", "e/d/file", "d/ü/file", "e/.hidden/file", "file"):
            bench.path(name)
        for link, target in (
            (b"link", b"d"),
            (b"d/link", b"../e"),
            (b"e/link", b"d/file"),
            (b"d/d/link", b"../\xc3\xbc"),
        ):
            os.symlink(target, os.path.join(bench.folder, link))
        for parts in names:
            name = bench.folder + b"/" + b"/".join(parts)
            stat = kernel.statx(name)
            bench.telling.forget(told=True)
            bench.open(name, stat)
            left, lines = bench.untold(), bench.lines()
            assert len(left) + len(lines) == 1
            used, true = look.absolute(b"", name), os.path.realpath(name)
            if lines and stat is not None:
                assert lines[0] == line_of(bench.event(lines[0], true, used, stat))
            elif lines:
                begin, end = map(int, lines[0].split(b",")[1:3])
                assert lines[0] == line_of(Missing(begin, end, PROCESS, used, False))
            else:
                assert {b".", b"..", b"\xc3\xbc"}.intersection(parts) or not parts[-1] or b"\xc3\xbc" in true
        bench.close()


def test_from_a_directory(bench: Bench) -> None:
    """A name that starts from a descriptor is known by which directory that was, not by its number."""
    path = bench.path("d/file")
    stat, base = seen(path), seen(os.path.dirname(path))
    bench.open(b"file", stat, dirfd=5, base=raw(base))
    records = []
    for record in bench.telling.untold({}):
        records.append(record)
        bench.telling.learn(record, path, os.path.dirname(path), b"")
    assert [record.base for record in records] == [base.id]
    for which, told in ((base, 1), (seen(bench.folder), 0)):
        bench.open(b"file", stat._replace(size=9), dirfd=6, base=raw(which))
        assert (len(bench.untold()), len(bench.lines())) == (1 - told, told)


def test_what_is_told_once(bench: Bench) -> None:
    """The same of the same process is no line again; another state, another process and a new beginning are."""
    path = bench.path("file")
    stat = seen(path)
    bench.know(path)
    others = Writer(bench.ring, PROCESS + 1)
    for what, lines in ((stat, 1), (stat, 0), (None, 1), (None, 0), (stat._replace(size=9), 1), (stat, 0)):
        bench.open(path, what)
        assert bench.untold() == []
        assert len(bench.lines()) == lines
    bench.telling.forget(told=True)
    bench.know(path)
    bench.open(path, stat)
    assert (bench.untold(), len(bench.lines())) == ([], 1)
    bench.open(path, stat, writer=others)
    assert (len(bench.untold()), len(bench.lines())) == (1, 0)  # of a process that nobody has named


def test_slots_of_repetitions_are_free_again(bench: Bench) -> None:
    """Also where the reader has dropped all that was read, and nothing is told."""
    path = bench.path("file")
    bench.know(path)
    bench.open(path, seen(path))
    assert bench.untold() == []
    while not bench.writer.begin():
        pass
    [offset] = bench.writer.slots
    bench.writer.complete(path, 3, raw(seen(path)))
    before = bench.ring.counts[1]
    assert bench.untold() == []
    assert bench.ring.counts[1] == before + 1
    assert bench.ring.slot(offset).state == layout.FREE


def test_many(bench: Bench) -> None:
    """Thousands of names in thousands of directories, and from a working directory: each is told once."""
    names = [(b"/none/%d/%d", b"none/%d/%d")[n // 2 % 2] % (n % 2000, n) for n in range(10_000)]
    told = left = 0
    for turn in range(2):
        for name in names:
            bench.open(name)
            for record in bench.telling.untold({}):
                bench.telling.learn(record, b"/here/" + record.name, b"", b"/here")
                left += 1
        told += len(bench.lines())
        if not turn:
            assert told + left == len(names)
            assert left == 1000  # the first in each that a relative name starts in
    assert told + left == len(names)


@pytest.mark.parametrize(
    "name",
    [
        *("ghp_0123456789abcdefghijABCDEFGHIJ456789", "a.values", 'quo"te', "back\\slash", "tab\t", "ümlaut", "\x7f"),
        *("ghp_0123456789abcdefghijABCDEFGHIJ456789/x", 'quo"te/x', "back\\slash/x", "tab\t/x", "ümlaut/x", "\x7f/x"),
    ],
)
def test_unusual_names(bench: Bench, name: str) -> None:
    """What may be a secret, is shark's own or cannot stand in JSON as it is, is left to others."""
    path = bench.path(f"d/{name}")
    bench.open(path, seen(path))
    assert [record.name for record in bench.untold()] == [path]
    assert bench.lines() == []


@pytest.mark.parametrize("name", [b"", b".", b"..", b"d/", b"../d/file", b"./file"])
def test_special_names(bench: Bench, name: bytes) -> None:
    """A directory is no file in itself."""
    bench.know(bench.path("d/file"))
    bench.open(bench.folder + b"/d/" + name, seen(bench.path("d/file")))
    assert (len(bench.untold()), bench.lines()) == (1, [])


WORDS = st.one_of(
    st.sampled_from(sorted(suspicion.WITHIN | set(suspicion.HEADS))), st.text("abAZ09", max_size=20).map(str.encode)
)
JOINTS = st.sampled_from([b"_", b"-", b".", b":", b" ", b""])
NAMES = st.one_of(
    st.binary(min_size=1, max_size=60),
    st.builds(lambda joint, words: joint.join(words), JOINTS, st.lists(WORDS, min_size=1, max_size=6)),
)


@unhurried
@given(st.lists(NAMES, max_size=20))
def test_which_names(tmp_path: Path, names: list[bytes]) -> None:
    """Exactly those are told of that are short or, by suspicion.py, hold no credential, and that JSON takes as is."""
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        bench = Bench(Path(folder))
        bench.know(b"/nowhere/x")
        for name in set(names):
            if b"/" in name or b"\0" in name:
                continue
            plain = 0 < len(name) < 256 and PLAIN.issuperset(name) and name not in (b".", b"..")
            harmless = len(name) < 20 or not suspicion.holds_mark(name)
            bench.open(b"/nowhere/" + name)
            left = [record.name for record in bench.untold()]
            assert left == ([] if plain and harmless and not name.endswith(b".values") else [b"/nowhere/" + name])
        bench.close()


def test_secrets(tmp_path: Path) -> None:
    """What a variable holds as a secret stands in no line, wherever in a path it is."""
    bench = Bench(tmp_path, {"DB_PASSWORD": "hunter2-hunter2"})
    inside, beside = bench.path("hunter2-hunter2/a"), bench.path("d/b hunter2-hunter2")
    bench.know(inside)
    bench.know(beside)
    for path in (inside, beside):
        bench.open(path, seen(path))
        bench.open(path)
    assert [record.name for record in bench.untold()] == [inside, inside, beside, beside]
    assert bench.lines() == []
    bench.close()


def test_a_secret_that_is_found_meanwhile(tmp_path: Path) -> None:
    """What others find in a record is concealed in the next one, though both were read at once."""
    bench = Bench(tmp_path)
    bench.know(b"/none/x")
    for name in (b"a", b"s3cr3t-value", b"b-s3cr3t-value", b"c"):
        bench.open(b"/none/" + name)
    left = []
    for record in bench.telling.untold({}):
        left.append(record.name)
        bench.concealer._mark(b"s3cr3t")
    assert left == []
    bench.open(b"elsewhere/first")
    bench.open(b"/none/d-s3cr3t")
    for record in bench.telling.untold({}):
        left.append(record.name)
        bench.concealer._mark(b"s3cr3t")
    assert left == [b"elsewhere/first", b"/none/d-s3cr3t"]
    bench.close()


def test_what_others_have_told(bench: Bench) -> None:
    """The record by which a directory was learned is not told once more."""
    path = bench.path("d/file")
    for _ in range(2):
        bench.open(b"d/file", seen(path))
        for record in bench.telling.untold(bench.processes):
            bench.telling.learn(record, path, os.path.dirname(path), bench.folder)
    assert (bench.untold(), bench.lines()) == ([], [])


def test_a_look_is_not_told(bench: Bench) -> None:
    """A file that was opened with O_PATH was not accessed, whoever has learned its directory from that."""
    path = bench.path("d/file")
    bench.open(path, seen(path), flags=os.O_PATH)
    for record in bench.telling.untold({}):
        bench.telling.learn(record, path, os.path.dirname(path), b"")
    bench.open(path, seen(path))
    assert (bench.untold(), len(bench.lines())) == ([], 1)


def test_a_link_on_the_way(bench: Bench) -> None:
    """A true path that leads through a symbolic link by now is none any more, whoever has put it there."""
    path = bench.path("up/d/file")
    bench.know(path)
    bench.open(path, seen(path))
    assert (bench.untold(), len(bench.lines())) == ([], 1)
    os.rename(os.path.join(bench.folder, b"up"), os.path.join(bench.folder, b"other"))
    os.symlink("other", os.path.join(bench.folder, b"up"))
    os.utime(path)
    bench.open(path, seen(path))
    assert (len(bench.untold()), bench.lines()) == (1, [])


def test_more_directories_than_there_is_room_for(bench: Bench) -> None:
    """They are learned again, since those that were known before are known no more."""
    for turn in range(2):
        for n in range(3200):
            for name in (b"x%d", b"y%d"):
                bench.open(b"none/%d/" % n + name % turn)
                for record in bench.telling.untold({}):
                    bench.telling.learn(record, b"/here/" + record.name, b"", b"/here")
    assert len(bench.lines()) >= 2 * 3200


def test_more_absolute_directories_than_there_is_room_for(bench: Bench) -> None:
    """They are left to others, who learn of them, and then the others are known no more."""
    left = 0
    for n in range(2 * 3200):
        bench.open(b"/none/%d/x" % n)
        for record in bench.telling.untold({}):
            bench.telling.learn(record, record.name, b"", b"")
            left += 1
    assert left == 2 * 3200 // 3072
    assert len(bench.lines()) == 2 * 3200 - left


def test_another_file(bench: Bench) -> None:
    """Where the name leads to another file by now, or to what is no file, somebody must look."""
    path = bench.path("d/file")
    bench.know(path)
    stat = seen(path)
    for other in (
        stat._replace(id=stat.id._replace(ino=stat.id.ino + 1)),
        stat._replace(id=stat.id._replace(birth=stat.id.birth + 1)),
        stat._replace(id=FileId(os.makedev(99, 1), stat.id.ino, stat.id.birth)),
        stat._replace(mode=0o020666),
    ):
        bench.open(path, other)
        assert (len(bench.untold()), bench.lines()) == (1, [])
    bench.open(path, stat, flags=os.O_PATH)
    assert (len(bench.untold()), bench.lines()) == (1, [])


def test_a_written_file(bench: Bench) -> None:
    """What the run writes to is told of where its versions are known: before the teller was there, and after."""
    path = bench.path("d/file")
    stat = seen(path)
    bench.know(path)
    bench.keeper.opened(stat, READ, emptied=False)
    bench.open(path, stat)
    assert (bench.untold(), len(bench.lines())) == ([], 1)
    bench.keeper.opened(stat, WRITE, emptied=False)
    bench.open(path, stat._replace(size=3))
    assert (len(bench.untold()), bench.lines()) == (1, [])
    other = Telling(bench.ring._native, bench.ring, bench.telling._lines, bench.keeper, bench.note)
    other.add(PROCESS)
    bench.telling, before = other, bench.telling
    before.close()
    bench.know(path)
    bench.open(path, stat._replace(size=4))
    assert (len(bench.untold()), bench.lines()) == (1, [])


def test_forgetting(bench: Bench) -> None:
    """Names may mean something else: then nothing that was learned counts, nor where a process is."""
    bench.path("one/file")
    link = bench.folder + b"/link"
    os.symlink("one", link)
    bench.learn(b"first", link + b"/first", bench.folder + b"/one", link)
    bench.open(link + b"/file", seen(link + b"/file"))
    assert (bench.untold(), len(bench.lines())) == ([], 1)
    os.unlink(link)
    os.symlink("other", link)
    os.mkdir(bench.folder + b"/other")
    os.link(bench.folder + b"/one/file", bench.folder + b"/other/file")
    bench.telling.forget()
    stat = seen(link + b"/file")
    for n, name in enumerate((link + b"/file", b"file", link + b"/file2", b"file2")):
        bench.open(name, stat if n < 2 else None)
    assert [record.name for record in bench.untold()] == [b"file", b"file2"]
    line, _ = bench.lines()
    assert line == line_of(bench.event(line, bench.folder + b"/other/file", link + b"/file", stat))


def test_a_process_that_is_gone(bench: Bench) -> None:
    """Nothing is told of it any more, and another one of its number begins anew."""
    path = bench.path("d/file")
    bench.know(path)
    bench.open(path, seen(path))
    assert (bench.untold(), len(bench.lines())) == ([], 1)
    bench.telling.remove(PROCESS)
    bench.open(path)
    assert (len(bench.untold()), bench.lines()) == (1, [])
    bench.telling.add(PROCESS)
    bench.open(path, seen(path))
    assert (bench.untold(), len(bench.lines())) == ([], 1)


@pytest.mark.parametrize("path", [b"/proc/self/first", b"/dev/fd/first", b"/proc/1/first"])
def test_names_of_a_threads_own(bench: Bench, path: bytes) -> None:
    """Below /proc and /dev nothing is learned: there the same name means something else to each."""
    bench.know(path)
    bench.open(os.path.dirname(path) + b"/other")
    assert len(bench.untold()) == 1


def test_order(bench: Bench) -> None:
    """Lines are written before the records after them are told of, and in their order."""
    known, unknown = b"/known/%d", b"unknown/%d"
    bench.know(known % 0)
    for n in range(8):
        bench.open((unknown if n in (2, 3, 6) else known) % n)
    left = [(record.name, len(b"".join(bench.written).splitlines())) for record in bench.telling.untold({})]
    assert left == [(unknown % 2, 2), (unknown % 3, 2), (unknown % 6, 4)]
    assert len(bench.lines()) == 5


def test_no_room(bench: Bench) -> None:
    """Of more lines than there is room for, one is left to others, and then there is room again."""
    folder = bench.folder + b"/" + b"/".join([b"d" * 200] * 3)
    bench.learn(b"first", folder + b"/first", folder, b"/short")
    count = layout.SLOTS - 3
    for n in range(count):
        bench.open(b"%d" % n)
    left = len(bench.untold())
    lines = bench.lines()
    assert left + len(lines) == count
    assert 0 < left < 10


@settings(unhurried, max_examples=15)
@given(st.integers(0, 1 << 32))
def test_noise(tmp_path: Path, seed: int) -> None:
    """Records of noise with names of all kinds, in directories that are known and not, harm nobody."""
    noise = random.Random(seed)
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        bench = Bench(Path(folder))
        bench.know(bench.path("d/file"))
        bench.learn(b"first", bench.folder + b"/d/first", bench.folder + b"/d", bench.folder + b"/d")
        for _ in range(40):
            name = noise.choice([b"", bench.folder + b"/d/", b"x/", b"/"]) + noise.randbytes(noise.randrange(40))
            while not bench.writer.begin():
                pass
            state = noise.choice([noise.randbytes(256), raw(seen(bench.path("d/file")))])
            result = noise.choice([-2, 3, -(1 << 62), (1 << 31) - 1])
            bench.writer.complete(name, result, state, flags=noise.getrandbits(32), dirfd=noise.choice([-100, 3]))
        bench.untold()
        for line in bench.lines():
            assert line.startswith(b"[")
            assert line.endswith(b"]\n")
        bench.close()


def test_a_directorys_link_that_changes(bench: Bench) -> None:
    """The same unchanged file by another true path is told of once more: it has a name in both directories."""
    one, link = bench.path("one/file"), bench.folder + b"/link"
    os.mkdir(bench.folder + b"/two")
    os.link(one, bench.folder + b"/two/file")
    for folder, count in ((b"one", 1), (b"two", 1), (b"one", 0)):
        os.symlink(folder, link)
        bench.open(link + b"/file", seen(one))
        assert bench.untold() == []
        lines = bench.lines()
        assert len(lines) == count
        for line in lines:
            assert line == line_of(
                bench.event(line, b"%b/%b/file" % (bench.folder, folder), link + b"/file", seen(one))
            )
        os.unlink(link)
        bench.telling.forget()


@pytest.mark.parametrize(("folder", "name"), [(b"/proc", b"self"), (b"/dev", b"stdin")])
def test_names_of_a_threads_own_from_a_directory(bench: Bench, folder: bytes, name: bytes) -> None:
    """Where a directory was opened in which names mean something else to each thread, such names are left to others."""
    link = bench.folder + b"/link"
    os.symlink(folder, link)
    bench.open(link, seen(folder))
    assert (bench.untold(), len(bench.lines())) == ([], 1)
    bench.open(name, None, dirfd=5, base=raw(seen(folder)))
    assert [record.name for record in bench.untold()] == [name]
