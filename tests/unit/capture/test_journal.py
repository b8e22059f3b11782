"""The journal: what was written is read back, and what was cut short or damaged is never read as something else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness import need_root
from shark import jsontext
from shark.capture.journal import MAGIC, JournalWriter, is_being_written, lock
from shark.capture.reading import Follower, read_journal
from shark.errors import RecordDamaged
from shark.events import EVENT_TYPES, Before, Event, GapSeen, Removed, RunEnded, RunStarted
from shark.values import FileId, Stat

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
TEXTS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=8
)

BEFORE = Before(Stat(FileId(1, 2, 3), 0o100644, 4, 5, 6), "", "")


def values(hint: Any) -> st.SearchStrategy[Any]:
    """All values that a field with this annotation can have."""
    if get_origin(hint) is UnionType:
        return st.none() | values(next(part for part in get_args(hint) if part is not NoneType))
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    if hasattr(hint, "_fields"):
        return st.builds(hint, **{name: values(part) for name, part in get_type_hints(hint).items()})
    return {
        int: st.integers(-(2**63), 2**64 - 1),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        str: TEXTS,
        bytes: st.binary(max_size=12).map(lambda text: text.replace(b"\0", b"/")),
    }[hint]


EVENTS: st.SearchStrategy[Event] = st.one_of([values(kind) for kind in EVENT_TYPES])  # type: ignore[arg-type]


def write(path: Path, events: list[Event]) -> Path:
    path.unlink(missing_ok=True)
    writer = JournalWriter.create(os.fsencode(path))
    for event in events:
        writer.write(event)
    writer.close()
    return path


def gap(n: int, size: int = 10) -> GapSeen:
    return GapSeen(n, n, 1, "other", "x" * size)


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda kind: kind.__name__)
@QUICK
@given(data=st.data())
def test_every_event_comes_back(kind: Any, data: st.DataObject, tmp_path: Path) -> None:
    """Each type with every value of its fields: paths of any bytes, texts with surrogates, absent parts."""
    events = data.draw(st.lists(values(kind), min_size=1, max_size=3))
    back = list(read_journal(os.fsencode(write(tmp_path / "journal", events))))
    assert back == events
    assert [type(event) for event in back] == [type(event) for event in events]


def test_the_codes_do_not_change() -> None:
    """A journal is read back years later: new event types come at the end."""
    assert [kind.__name__ for kind in EVENT_TYPES][:21] == [
        "RunStarted",
        "ProcessStarted",
        "ImageStarted",
        "Opened",
        "Changed",
        "Touched",
        "Renamed",
        "Linked",
        "Symlinked",
        "Removed",
        "DirectoryMade",
        "Missing",
        "Connected",
        "SubRun",
        "ProcessEnded",
        "GapSeen",
        "RunEnded",
        "Holding",
        "Joined",
        "Gained",
        "Tokens",
    ]


@settings(QUICK, max_examples=6)
@given(events=st.lists(EVENTS, max_size=2))
def test_cut_at_every_byte(events: list[Event], tmp_path: Path) -> None:
    """What is left of a journal gives the first of its events, and never another one."""
    whole = write(tmp_path / "journal", events).read_bytes()
    cut = tmp_path / "cut"
    for length in range(len(MAGIC), len(whole)):
        cut.write_bytes(whole[:length])
        found = list(read_journal(os.fsencode(cut)))
        assert found == events[: len(found)]
        assert len(found) == whole[:length].count(b"\n") - 1
        cut.write_bytes(whole[:length] + bytes(50))  # as a crash leaves it: unused room is NUL bytes
        assert list(read_journal(os.fsencode(cut))) == found


@pytest.mark.parametrize("length", range(len(MAGIC)))
def test_cut_in_its_first_line(length: int, tmp_path: Path) -> None:
    """That is no journal yet."""
    path = tmp_path / "journal"
    path.write_bytes(MAGIC[:length])
    with pytest.raises(RecordDamaged):
        list(read_journal(os.fsencode(path)))


@pytest.mark.parametrize(
    "line",
    [
        b"nonsense",
        b"{}",
        b"[]",
        b"5",
        b'"text"',
        b"[99,1,1,1]",
        b"[-1,1,1,1]",
        b"[true,1,1,1]",
        b'["16",1,1,1]',
        b"[16,1,1]",
        b"[16,1,1,1,1]",
        b'[16,1,1,"late"]',
        b"[16,1,1,null]",
        b'[15,1,1,1,5,"detail"]',
        b'[10,1,1,1,"\\ud800"]',
        b'[0,1,1,1,"run","argv","/"]',
        b'[9,1,1,1,"/x","abc"]',
        b'[9,1,1,1,"/x",[[[1,2],33188,1,1,1],"",""]]',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=lambda line: repr(line[:30]),
)
def test_damaged_lines(line: bytes, tmp_path: Path) -> None:
    """A line that is no event is said to be damaged; what stands before it has been read by then."""
    path = write(tmp_path / "journal", [gap(1)])
    with open(path, "ab") as file:
        file.write(line + b"\n")
    found = []
    with pytest.raises(RecordDamaged) as damaged:
        found.extend(read_journal(os.fsencode(path)))
    events = read_journal(os.fsencode(path))
    assert next(events) == gap(1)
    assert "before it can be recovered" in damaged.value.hint


def test_another_file(tmp_path: Path) -> None:
    """What is no journal is refused; what is not there is the caller's OSError."""
    (tmp_path / "text").write_text("hello\n")
    with pytest.raises(RecordDamaged, match="no journal of this version"):
        list(read_journal(os.fsencode(tmp_path / "text")))
    with pytest.raises(FileNotFoundError):
        list(read_journal(os.fsencode(tmp_path / "absent")))


def test_growth(tmp_path: Path) -> None:
    """Events larger than a chunk, and many chunks of them."""
    events = [gap(n, size) for n, size in enumerate((10, 1 << 20, 3_000_000, 10, 1_048_500, 70))]
    assert list(read_journal(os.fsencode(write(tmp_path / "journal", events)))) == events


def test_a_journal_is_private_and_new(tmp_path: Path) -> None:
    """Nobody else may read it, and none is overwritten."""
    path = write(tmp_path / "journal", [gap(1)])
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        JournalWriter.create(os.fsencode(path))


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    """The mapping is shared: no call is needed between an event and its being safe."""
    path = tmp_path / "journal"
    script = (
        "import os, signal, sys; from shark.capture.journal import JournalWriter; from shark.events import GapSeen\n"
        "writer = JournalWriter.create(os.fsencode(sys.argv[1]))\n"
        "for n in range(100): writer.write(GapSeen(n, n, 1, 'other', 'x'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True)
    assert done.returncode == -9, done.stderr
    assert [event.begin for event in read_journal(os.fsencode(path))] == list(range(100))
    assert not is_being_written(os.fsencode(path))


def test_is_being_written(tmp_path: Path) -> None:
    """While its writer lives: readers do not disturb it, nor each other."""
    path = os.fsencode(tmp_path / "journal")
    writer = JournalWriter.create(path)
    writer.write(gap(1))
    assert is_being_written(path)
    assert is_being_written(path)
    assert list(read_journal(path)) == [gap(1)]
    writer.close()
    assert not is_being_written(path)
    with pytest.raises(FileNotFoundError):
        is_being_written(path + b"-absent")


def test_a_full_disk(tmp_path: Path) -> None:
    """It is an error at the event that does not fit; all before it are kept, and smaller ones may still follow."""
    need_root()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    try:
        path = os.fsencode(tmp_path / "journal")
        writer = JournalWriter.create(path)
        events: list[Event] = [RunStarted(1, 1, 1, "run", (b"x",), b"/"), gap(2, 1_700_000)]
        for event in events:
            writer.write(event)
        for _ in range(2):
            with pytest.raises(OSError, match="No space left"):
                writer.write(gap(3, 1_700_000))
        assert list(read_journal(path)) == events
        writer.write(RunEnded(4, 4, 4))
        writer.close()
        assert list(read_journal(path)) == [*events, RunEnded(4, 4, 4)]
        os.unlink(path)
        filler = tmp_path / "filler"
        filler.write_bytes(bytes(4_000_000))
        with pytest.raises(OSError, match="No space left"):
            JournalWriter.create(path)
        assert os.listdir(tmp_path) == ["filler"]
    finally:
        subprocess.run(["umount", "-l", tmp_path], check=True)


def test_paths_do_not_depend_on_the_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal written under Latin-1 and recovered under UTF-8 has the same bytes in its paths."""
    with monkeypatch.context() as other:
        other.setattr(os, "fsdecode", lambda path: path if isinstance(path, str) else path.decode("latin-1"))
        path = write(tmp_path / "journal", [Removed(1, 1, 1, b"/\xe4", BEFORE)])
    [event] = read_journal(os.fsencode(path))
    assert event.path == b"/\xe4"
    assert jsontext.dumps(b"\xe4") == b'"\\udce4"'


def test_a_follower_reads_what_is_there(tmp_path: Path) -> None:
    """Event by event while the journal grows, a long line and one that is half there too; then the memory file."""
    path = os.fsencode(tmp_path / "journal")
    writer = JournalWriter.create(path)
    spill = os.memfd_create("spill")
    journal = os.open(path, os.O_RDONLY)
    follower = Follower(journal, spill)
    assert list(follower.news()) == []
    events: list[Event] = [gap(1), gap(2, 200_000), gap(3)]
    for event in events:
        writer.write(event)
        assert list(follower.news()) == [event]
    many = [gap(n, 1_000) for n in range(4, 500)]
    for event in many:
        writer.write(event)
    assert list(follower.news()) == many
    half = jsontext.dumps((15, *gap(1000))) + b"\n"
    os.pwrite(journal_for_writing := os.open(path, os.O_RDWR), half[:-1], writer._position)
    assert list(follower.news()) == []
    os.pwrite(journal_for_writing, half[-1:], writer._position + len(half) - 1)
    assert list(follower.news()) == [gap(1000)]
    JournalWriter(spill).write(gap(1001))
    assert list(follower.news()) == [gap(1001)]
    for fd in (journal, journal_for_writing, spill):
        os.close(fd)
    writer.close()


def test_a_follower_tells_when_it_has_looked(tmp_path: Path) -> None:
    """What was written elsewhere before an event can be there unseen only while the number of looks is the same."""
    path = os.fsencode(tmp_path / "journal")
    writer = JournalWriter.create(path)
    journal, spill = os.open(path, os.O_RDONLY), os.memfd_create("spill")
    follower = Follower(journal, spill)
    writer.write(gap(1))
    writer.write(gap(2))
    news = follower.news()
    assert next(news) == gap(1)
    looks = follower.chunks
    writer.write(gap(3))  # not in what was read, so before this one comes there is another look
    assert next(news) == gap(2)
    assert follower.chunks == looks
    assert next(news) == gap(3)
    assert follower.chunks > looks
    for fd in (journal, spill):
        os.close(fd)
    writer.close()


def test_a_line_whose_middle_is_not_there_yet(tmp_path: Path) -> None:
    """A processor may show the end of a line before its middle: it is taken when it is whole."""
    text = MAGIC + jsontext.dumps((15, *gap(1, 100))) + b"\n"
    fd = os.open(tmp_path / "journal", os.O_RDWR | os.O_CREAT)
    spill = os.memfd_create("spill")
    follower = Follower(fd, spill)
    os.pwrite(fd, text[:40] + bytes(20) + text[60:] + bytes(100), 0)
    assert list(follower.news()) == []
    os.pwrite(fd, text, 0)
    assert list(follower.news()) == [gap(1, 100)]
    os.close(fd)
    os.close(spill)


def test_only_a_memory_file() -> None:
    """Where no journal could be made, all is in there."""
    spill = os.memfd_create("spill")
    follower = Follower(None, spill)
    assert list(follower.news()) == []
    JournalWriter(spill).write(gap(1))
    assert list(follower.news()) == [gap(1)]
    os.close(spill)


def test_whoever_follows_keeps_the_lock(tmp_path: Path) -> None:
    """While one of the two is alive nobody else may make a record of it."""
    path = os.fsencode(tmp_path / "journal")
    writer = JournalWriter.create(path)
    follower = os.open(path, os.O_RDONLY)
    lock(follower)
    writer.close()
    assert is_being_written(path)
    os.close(follower)
    assert not is_being_written(path)


def test_a_follower_that_is_left_in_the_middle_goes_on_there(tmp_path: Path) -> None:
    """At the end of a run its reader stops, and what follows belongs to the next record: nothing of it is lost."""
    path = os.fsencode(tmp_path / "journal")
    writer = JournalWriter.create(path)
    journal, spill = os.open(path, os.O_RDONLY), os.memfd_create("spill")
    events: list[Event] = [gap(1), RunEnded(2, 2, 2), gap(3), gap(4)]
    for event in events:
        writer.write(event)
    follower = Follower(journal, spill)
    taken = []
    for event in follower.news():
        taken.append(event)
        if type(event) is RunEnded:
            break
    assert taken == events[:2]
    assert list(follower.news()) == events[2:]
    os.close(journal)
    os.close(spill)
    writer.close()
