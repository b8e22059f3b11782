"""The reader of strace's logs: what it makes of each form, and what it must admit not to know."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark import events as ev
from shark.capture.strace import read_strace, words
from shark.capture.strace.calls import HANDLERS
from shark.capture.strace.lines import LineParser
from shark.capture.table import ROWS
from shark.errors import SharkError

DATA = Path(__file__).parent / "data"
LOGS = sorted(path.name for path in DATA.glob("*.log"))
BEGIN = b'1 execve("/bin/prog", ["prog"], 0x7ffe /* 3 vars */) = 0'
QUIET = ("/etc/ld.so.", "/lib/", "/usr/lib/", "/proc/")


def read(lines: Iterable[bytes], **how) -> list[ev.Event]:
    return list(read_strace((line + b"\n" for line in lines), **{"cwd": b"/w", **how}))


def log(name: str, **how) -> list[ev.Event]:
    return list(read_strace((DATA / name).read_bytes().splitlines(keepends=True), **how))


def after(*lines: bytes, pid: bytes = b"1 ", **how) -> list[ev.Event]:
    """The events of further calls of one process, without those that every log has."""
    events = read([BEGIN, *(pid + line for line in lines)], **how)
    common = (ev.RunStarted, ev.ProcessStarted, ev.ImageStarted, ev.RunEnded)
    return [event for event in events if not isinstance(event, common) and not is_standing(event)]


def is_standing(event: ev.Event) -> bool:
    return isinstance(event, ev.GapSeen) and event.detail.startswith(
        ("read from an strace", "the log does not tell the")
    )


def of(events: Sequence[ev.Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def gaps(events: Sequence[ev.Event]) -> str:
    return "\n".join(event.detail for event in of(events, ev.GapSeen))


def opened(events: Sequence[ev.Event]) -> list[tuple[int, str, int]]:
    """(process, path, access) of what is no library."""
    found = [(event.process, event.file.path.decode(), event.access) for event in of(events, ev.Opened)]
    return [row for row in found if not row[1].startswith(QUIET)]


# --- whole logs, as strace 6.1 wrote them


@pytest.mark.parametrize("name", ["file_paths_epoch.log", "file_names_only.log", "stderr_hex_clock.log"])
def test_one_job_in_three_forms(name: str) -> None:
    """With paths and without, into a file and among other output, in plain and hexadecimal text: the same events."""
    events = log(name)
    assert [(e.process, e.parent, e.shares) for e in of(events, ev.ProcessStarted)] == [
        (1, 0, 0),
        (2, 1, 0),
        (3, 1, 0),
        (4, 1, ev.SHARES_MEMORY),
        (5, 1, ev.SHARES_MEMORY),
    ]
    programs = {e.process: (e.exe.path, e.cwd) for e in of(events, ev.ImageStarted)}
    assert programs == {
        1: (b"/usr/bin/sh", b"/tmp/example"),
        2: (b"/usr/bin/cat", b"/tmp/example"),
        3: (b"/usr/bin/sort", b"/tmp/example"),
        4: (b"/usr/bin/mv", b"/tmp/example/sub"),
        5: (b"/usr/bin/rm", b"/tmp/example/sub"),
    }
    assert sorted(opened(events)) == [
        (1, "/tmp/example/job.sh", ev.READ),
        (1, "/tmp/example/sub/final", ev.WRITE),
        (2, "/tmp/example/in", ev.READ),
        (3, "/tmp/example/sorted", ev.WRITE),
    ]
    [renamed] = of(events, ev.Renamed)
    assert (renamed.old, renamed.file.path) == (b"/tmp/example/sorted", b"/tmp/example/sub/final")
    assert sorted((e.process, e.exit, e.signal) for e in of(events, ev.ProcessEnded)) == [
        (n, 0, -1) for n in range(1, 6)
    ]
    assert "could not be understood" not in gaps(events)


def test_exec_in_a_thread() -> None:
    """The thread that made the exec goes on under the leader's id, and nothing of the process is lost."""
    events = log("exec_in_thread.log")
    assert len(of(events, ev.ProcessStarted)) == 1
    images = of(events, ev.ImageStarted)
    assert [image.argv for image in images] == [(b"./prog",), (b"./prog", b"second")]
    assert {image.exe.path for image in images} == {b"/tmp/example/prog"}
    assert opened(events)[-1] == (1, "/tmp/example/out", ev.WRITE)
    assert [e.exit for e in of(events, ev.ProcessEnded)] == [0]


def test_threads_that_spawn_at_once() -> None:
    """Children that show before the calls that made them have returned are given to the right parents."""
    events = log("spawns_at_once.log", cwd=b"/w")
    children = {e.pid: e.process for e in of(events, ev.ProcessStarted)}
    assert list(children) == [14219, 14225, 14224, 14222]
    programs = {e.process: e.argv for e in of(events, ev.ImageStarted)}
    assert opened(events) == [
        (process, f"/w/{argv[1].decode()}", ev.READ) for process, argv in sorted(programs.items())[1:]
    ]
    assert all(e.shares == ev.SHARES_MEMORY for e in of(events, ev.ProcessStarted)[1:])


def test_a_killed_command_and_its_surviving_child() -> None:
    """Lines without a process id belong to the only process that is left; a signal is told by its number."""
    events = log("stderr_relative_killed.log")
    ends = {e.process: (e.exit, e.signal) for e in of(events, ev.ProcessEnded)}
    assert ends == {2: (2, -1), 4: (0, -1), 1: (-1, 9), 3: (0, -1)}
    assert {e.process: e.parent for e in of(events, ev.ProcessStarted)} == {1: 0, 2: 1, 3: 1, 4: 3}


def test_one_file_of_many() -> None:
    """A log of -ff is one process's: its children are not followed, and that is said."""
    events = log("one_of_many_clock.log")
    assert len(of(events, ev.ProcessStarted)) == 1
    assert "does not follow processes that the command started: 4" in gaps(events)


@pytest.mark.parametrize("name", LOGS)
def test_order_and_knowledge(name: str) -> None:
    """Order numbers rise within each process, no event pretends to know an inode, and the gap is told once."""
    events = log(name)
    assert isinstance(events[0], ev.RunStarted)
    assert isinstance(events[-1], ev.RunEnded)
    assert all(event.begin <= event.end for event in events)
    for event in of(events, ev.Opened):
        assert event.file.stat is None or event.file.stat.id.ino == 0
        assert event.file.path.startswith(b"/")
        assert event.before is None or not event.before.sha256
    assert gaps(events).count("knows no inodes") == 1


@pytest.mark.parametrize("name", LOGS)
@pytest.mark.parametrize("cut", [1, 17, 40])
def test_a_log_that_breaks_off(name: str, cut: int) -> None:
    """The beginning of a log is a log, wherever it was cut."""
    data = (DATA / name).read_bytes()
    whole = data[: len(data) * cut // 41]
    events = list(read_strace(whole.splitlines(keepends=True)))
    assert isinstance(events[-1], ev.RunEnded)


# --- lines


@pytest.mark.parametrize(
    ("line", "tid", "when"),
    [
        (b"close(3) = 0", 0, 0),
        (b"17 close(3) = 0", 17, 0),
        (b"[pid    17] close(3) = 0", 17, 0),
        (b"17 1700000000.123456 close(3) = 0", 17, 1_700_000_000_123_456_000),
        (b"[pid 17] 1700000000.123456 close(3) = 0", 17, 1_700_000_000_123_456_000),
        (b"1700000000.123456 (+     0.000010) close(3) = 0", 0, 1_700_000_000_123_456_000),
        (b"     0.000123 close(3) = 0", 0, 0),
        (b"17      0.000123 close(3) = 0", 17, 0),
        (b"17<sh> close(3</a>) = 0", 17, 0),
        (b"10:20:30 close(3) = 0", 0, 0),
        (b"17 10:20:30.123456 [ 257] [00007f7e66e50ad7] close(3) = 0", 17, 0),
    ],
)
def test_prefixes(line: bytes, tid: int, when: int) -> None:
    """Every form of -f, -t, -r, -n, -i and -Y leads to the same call."""
    parsed = LineParser().parse(line + b"\n")
    assert (parsed.tid, parsed.time, parsed.kind, parsed.name) == (tid, when, "call", b"close")


def test_times_of_day_have_the_date_of_the_end() -> None:
    """A log that began before midnight began on the day before."""
    midnight = int(time.mktime((2024, 3, 2, 0, 0, 0, 0, 0, -1)))
    lines = [b"23:59:59 " + BEGIN[2:], b"00:00:01 close(3) = 0", b"00:00:02 +++ exited with 0 +++"]
    events = read(lines, written=(midnight + 2) * 10**9)
    assert events[0].time == (midnight - 1) * 10**9
    assert of(events, ev.ProcessEnded)[0].time == (midnight + 2) * 10**9
    assert events[-1].time == (midnight + 3) * 10**9 - 1  # the second that has passed when a clock shows the next
    assert "date" in gaps(events)


@pytest.mark.parametrize(
    ("ending", "result"),
    [
        (b"+++ exited with 3 +++", (3, -1)),
        (b"+++ killed by SIGKILL +++", (-1, 9)),
        (b"+++ killed by SIGSEGV (core dumped) +++", (-1, 11)),
        (b"+++ killed by SIGRT_5 +++", (-1, 37)),
        (b"exit_group(7) = ?", (7, -1)),
        (b"exit_group(7 <unfinished ...>", ()),
    ],
)
def test_ends(ending: bytes, result: tuple[int, ...]) -> None:
    """Exit and signal, also where -qq leaves the last line out; a log that ends before the process does has none."""
    ends = of(after(ending), ev.ProcessEnded)
    assert [(end.exit, end.signal) for end in ends] == ([result] if result else [])


@pytest.mark.parametrize(
    "noise",
    [
        b"--- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=2, si_uid=0, si_status=0} ---",
        b"restart_syscall(<... resuming interrupted read ...>) = 0",
        b"read(5, 0x1, 4) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
        b" > /usr/lib/libc.so.6(open+0x26f0) [0x1ab70]",
        b"strace: [ Process PID=1 runs in 32 bit mode. ]",
        b"some output of the program",
        b"",
    ],
)
def test_noise(noise: bytes) -> None:
    """Signals, restarts, stack traces and a program's own output are no events, and no doubt either."""
    assert after(noise) == []


@pytest.mark.parametrize("text", [b"", b"hello\n", b"\x7fELF\0\0\n", b"% time     seconds  usecs/call\n------ ---\n"])
def test_what_is_no_log(text: bytes) -> None:
    """Something else is refused, with advice how to get a log."""
    with pytest.raises(SharkError) as refused:
        list(read_strace(text.splitlines(keepends=True)))
    assert "strace -f" in refused.value.hint


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), max_size=5), st.data())
def test_no_line_is_a_fault(lines: list[bytes], data: st.DataObject) -> None:
    """Whatever stands in a log, reading it gives events or a gap, never an exception."""
    recorded = (DATA / "file_paths_epoch.log").read_bytes().splitlines()
    some = data.draw(st.lists(st.sampled_from(recorded), max_size=8))
    torn = [line[: data.draw(st.integers(0, len(line)))] for line in some]
    events = read([BEGIN, *lines, *some, *torn])
    assert isinstance(events[-1], ev.RunEnded)


# --- words


def test_arguments_with_everything_in_them() -> None:
    """Quotes, brackets, commas and arrows inside an argument do not end it."""
    call = words.parse_call(
        rb'3<UNIX-STREAM:[74368->74369, "/run/a, b) = 5"]>, "x\", ) = 1 \74", {a=[1, 2], b="}"}, ...) = 7</a\74b\76>'
    )
    assert call is not None
    assert call.arguments[1] == rb'"x\", ) = 1 \74"'
    assert call.arguments[2] == b'{a=[1, 2], b="}"}'
    assert (call.result, call.about) == (7, words.About(b"/a<b>", 0))


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        (b"</tmp/a->", b"/tmp/a-", 0),
        (b"</tmp/x>(deleted)", b"/tmp/x", 0),
        (b"</tmp/x (deleted)>", b"/tmp/x", 0),
        (b"</dev/null<char 1:3>>", b"/dev/null", stat.S_IFCHR),
        (b"<pipe:[54]>", b"pipe:[54]", stat.S_IFIFO),
        (b"<socket:[54]>", b"socket:[54]", stat.S_IFSOCK),
        (b"<TCPv6:[[::1]:80->[::1]:90]>", b"TCPv6:[[::1]:80->[::1]:90]", stat.S_IFSOCK),
        (b"<anon_inode:[eventpoll]>", b"anon_inode:[eventpoll]", stat.S_IFCHR),
        (rb"<\x2f\x61>", b"/a", 0),
    ],
)
def test_what_is_said_of_a_descriptor(text: bytes, path: bytes, kind: int) -> None:
    """All that -y and -yy write after a descriptor."""
    call = words.parse_call(b"3" + text + b") = 0")
    assert call is not None
    assert words.descriptor(call.arguments[0]) == (3, words.About(path, kind))


@given(st.binary(max_size=30))
def test_every_byte_can_be_read_back(content: bytes) -> None:
    """Octal escapes as strace writes them, and hexadecimal ones of -x."""
    octal = b"".join(b"\\%03o" % byte for byte in content)
    hexadecimal = b"".join(b"\\x%02x" % byte for byte in content)
    assert words.string(b'"' + octal + b'"') == words.string(b'"' + hexadecimal + b'"') == content


def test_flags() -> None:
    """By name, by number, with strace's comment."""
    assert words.flags(b"O_RDWR|O_CREAT|O_CLOEXEC") == os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    assert words.flags(b"0x80000 /* O_RDONLY|O_CLOEXEC */") == 0x80000


# --- calls


_OF_FLOW = """
    accept attach bind datagrams ipc map old_map queue read_process send_message socketpair take_message uncounted
    wait write_process
"""
FLOW = {name for name, row in ROWS.items() if row.operation in _OF_FLOW.split()}
"""What tells how data flows from process to process: of that a log knows too little to follow it."""


def test_every_traced_call_is_known() -> None:
    """What the live trace decodes, the reader does too, but for calls that hide things without a log's showing it."""
    known = {name.decode() for name in HANDLERS} | {"clone", "clone3"}
    assert set(ROWS) - known - FLOW == {"prctl", "seccomp", "socketcall"}


@pytest.mark.parametrize(
    ("line", "access", "created", "truncated", "append", "before"),
    [
        (b'open("x", O_RDONLY) = 3', ev.READ, False, False, False, False),
        (b'openat(AT_FDCWD, "x", O_RDONLY|O_DIRECTORY) = 3', ev.LIST, False, False, False, False),
        (b'openat(AT_FDCWD, "x", O_WRONLY) = 3', ev.WRITE, False, False, False, True),
        (b'openat(AT_FDCWD, "x", O_RDWR|O_CREAT, 0666) = 3', ev.READ | ev.WRITE, False, False, False, False),
        (b'openat(AT_FDCWD, "x", O_WRONLY|O_CREAT|O_EXCL, 0666) = 3', ev.WRITE, True, False, False, False),
        (b'openat(AT_FDCWD, "x", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3', ev.WRITE, False, True, False, False),
        (b'openat(AT_FDCWD, "x", O_WRONLY|O_APPEND) = 3', ev.WRITE, False, False, True, True),
        (b'creat("x", 0666) = 3', ev.WRITE, False, True, False, False),
        (b'openat2(AT_FDCWD, "x", {flags=O_RDWR, resolve=RESOLVE_BENEATH}, 24) = 3', 3, False, False, False, True),
    ],
)
def test_opens(line: bytes, access: int, created: bool, truncated: bool, append: bool, before: bool) -> None:
    """The flags decide, as in the live trace; whether the file was there may not be known."""
    [event] = after(line)
    assert (event.file.path, event.access) == (b"/w/x", access)
    assert (event.created, event.truncated, event.append) == (created, truncated, append)
    assert (event.before is not None) is before


def test_opens_that_are_none() -> None:
    """O_PATH gives no access; a failure is a missing path, once it is of that kind."""
    assert (
        after(b'openat(AT_FDCWD, "x", O_RDONLY|O_PATH) = 3', b'openat(AT_FDCWD, "x", O_RDONLY) = -1 EACCES (P)') == []
    )
    [missing] = after(b'openat(AT_FDCWD, "x", O_RDONLY) = -1 ENOENT (No such file or directory)')
    assert missing[2:] == (1, b"/w/x", False)
    [missing] = after(b'execve("x", ["x"], 0x1) = -1 ENOENT (No such file or directory)')
    assert missing[2:] == (1, b"/w/x", True)


def test_absence_shows_who_made_a_file() -> None:
    """What a stat or open did not find is created by the next open; what was removed can be made again."""
    write = b'openat(AT_FDCWD, "x", O_WRONLY|O_CREAT|O_TRUNC, 0666) = 3'
    events = after(b'stat("x", 0x1) = -1 ENOENT (No such file or directory)', write, write, b'unlink("x") = 0', write)
    assert [event.created for event in of(events, ev.Opened)] == [True, False, True]


def test_names_as_the_process_means_them() -> None:
    """Directories, descriptors of directories, and a root directory of one's own."""
    events = after(
        b'chdir("sub") = 0',
        b'open("a", O_RDONLY) = 3',
        b'open("/d", O_RDONLY|O_DIRECTORY) = 4',
        b'openat(4, "../b", O_RDONLY) = 5',
        b"fchdir(4) = 0",
        b'open("c", O_RDONLY) = 6',
        b'chroot("/jail") = 0',
        b'open("/e", O_RDONLY) = 7',
        b'openat(AT_FDCWD</other>, "f", O_RDONLY) = 8',
        b'open("g", O_RDONLY) = 9',
    )
    paths = [path for _, path, access in opened(events) if access == ev.READ]
    assert paths == ["/w/sub/a", "/b", "/d/c", "/jail/e", "/other/f", "/other/g"]


def test_the_working_directory_shows_later() -> None:
    """What names it first decides for all that came before; else it is assumed, and that is a gap."""
    first = b'1 open("a", O_RDONLY) = 3'
    for line in (b'1 getcwd("/here", 4096) = 6', b'1 openat(AT_FDCWD</here>, "b", O_RDONLY) = -1 ENOENT (No)'):
        assert opened(read([BEGIN, first, line])) == [(1, "/here/a", ev.READ)]
    assert opened(read([BEGIN, b'1 open("a", O_RDONLY) = 3</here/a>', b'1 open("b", 0) = 3']))[1][1] == "/here/b"
    assert "working directory, which is taken to be /w" in gaps(read([BEGIN, first]))
    assert "working directory" not in gaps(read([BEGIN, b'1 open("/a", O_RDONLY) = 3']))


def test_true_paths() -> None:
    """-y tells what a symbolic link leads to; without it, `resolve` may know."""
    [event] = after(b'open("link", O_RDONLY) = 3</real/file>')
    assert event.file == ev.Sighting(b"/real/file", b"/w/link", None)
    [event] = after(b'open("link", O_RDONLY) = 3', resolve=lambda path: path.replace(b"link", b"file"))
    assert event.file == ev.Sighting(b"/w/file", b"/w/link", None)
    [event] = after(b'open("/dev/fd/0", O_RDONLY) = 3', resolve=os.path.realpath)
    assert event.file.path == b"/dev/fd/0"  # not the descriptor of who reads the log
    [removed] = after(b'unlink("link/link") = 0', resolve=lambda path: path.replace(b"link", b"file"))
    assert removed.path == b"/w/file/link"  # the entry itself is not followed


def test_descriptors_are_followed() -> None:
    """Through dup, fcntl, fork, exec and close, as far as a name is looked up by them."""
    events = read(
        [
            BEGIN,
            b'1 open("/d", O_RDONLY|O_DIRECTORY|O_CLOEXEC) = 3',
            b"1 dup2(3, 7) = 7",
            b"1 fcntl(3, F_DUPFD_CLOEXEC, 10) = 10",
            b"1 dup(3) = 4",
            b"1 close(4) = 0",
            b"1 clone(child_stack=NULL, flags=CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1) = 2",
            b'2 openat(3, "before", O_RDONLY) = 5',
            b'2 execve("/bin/other", ["other"], 0x1) = 0',
            b'2 openat(7, "kept", O_RDONLY) = 5',
            b'2 openat(3, "closed", O_RDONLY) = 5',
            b'2 openat(10, "closed", O_RDONLY) = 5',
            b'1 openat(3, "parent", O_RDONLY) = 5',
            b'1 openat(4, "closed", O_RDONLY) = 5',
        ]
    )
    reads = [(process, path) for process, path, access in opened(events) if access == ev.READ]
    assert reads == [(2, "/d/before"), (2, "/d/kept"), (1, "/d/parent")]
    assert "which directories were open as 3, 4, 10" in gaps(events)


def test_shared_tables() -> None:
    """CLONE_FILES and CLONE_FS share what they say; threads share everything."""
    events = read(
        [
            BEGIN,
            b"1 clone3({flags=CLONE_VM|CLONE_FILES|CLONE_FS, exit_signal=SIGCHLD}, 88) = 2",
            b'2 open("/d", O_RDONLY|O_DIRECTORY) = 3',
            b'2 chdir("/c") = 0',
            b'1 openat(3, "a", O_RDONLY) = 4',
            b'1 open("b", O_RDONLY) = 5',
            b"1 clone(child_stack=0x1, flags=CLONE_VM|CLONE_FS|CLONE_FILES|CLONE_THREAD, parent_tid=[9]) = 9",
            b'9 open("c", O_RDONLY) = 6',
            b"9 +++ exited with 0 +++",
            b"1 +++ exited with 0 +++",
        ]
    )
    assert [row for row in opened(events) if row[2] == ev.READ] == [(1, "/d/a", 1), (1, "/c/b", 1), (1, "/c/c", 1)]
    assert of(events, ev.ProcessStarted)[1].shares == ev.SHARES_MEMORY | ev.SHARES_FILES
    assert len(of(events, ev.ProcessStarted)) == 2
    assert len(of(events, ev.ProcessEnded)) == 1


def test_descriptors_of_before() -> None:
    """With -y, a file that the command was started with shows when it is used; it was open from the start."""
    events = after(
        b"fstat(1</w/out>, {st_mode=S_IFREG|0644, st_size=0, ...}) = 0",
        b"fcntl(2</w/log>, F_GETFL) = 0x401 (flags O_WRONLY|O_APPEND)",
        b'read(0</w/in>, "x", 4096) = 1',
        b'write(1</w/out>, "x", 1) = 1',
        b'write(1</w/out>, "x", 1) = 1',
        b'write(2</w/log>, "x", 1) = 1',
        b'write(3</dev/pts/0>, "x", 1) = 1',
        b'write(4<pipe:[5]>, "x", 1) = 1',
    )
    assert [(e.begin, e.file.path, e.access, e.truncated, e.append, e.via) for e in events] == [
        (1, b"/w/in", ev.READ, False, False, "inherited"),
        (1, b"/w/out", ev.WRITE, True, False, "inherited"),
        (1, b"/w/log", ev.WRITE, False, True, "inherited"),
    ]


def test_descriptors_that_are_not_told() -> None:
    """Without -y it is a gap, but not for what the log shows to be no file."""
    assert "open as 0 (" in gaps(after(b'read(0, "x", 1) = 1'))
    quiet = after(
        b"fstat(1, {st_mode=S_IFCHR|0620, st_rdev=makedev(0x88, 0), ...}) = 0",
        b'write(1, "x", 1) = 1',
        b"pipe2([3, 4], O_CLOEXEC) = 0",
        b"socket(AF_UNIX, SOCK_STREAM, 0) = 5",
        b'write(4, "x", 1) = 1',
        b'read(5, "x", 1) = 1',
        b'open("/w/f", O_WRONLY) = 6',
        b'write(6, "x", 1) = 1',
    )
    assert len(quiet) == 1


def test_received_descriptors() -> None:
    """A descriptor that came over a socket is told at its first use."""
    events = after(
        b"recvmsg(3, {msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, cmsg_type=SCM_RIGHTS, cmsg_data=[5</w/x>]}], "
        b"msg_controllen=24}, 0) = 1",
        b'read(5</w/x>, "x", 1) = 1',
    )
    assert [(event.file.path, event.via) for event in events] == [(b"/w/x", "received")]


def test_a_directory_that_is_opened_like_a_file() -> None:
    """A stat of the descriptor, or the listing itself, shows what it is; other processes may come in between."""
    is_directory = b"1 fstat(3, {st_mode=S_IFDIR|0755, st_size=1, ...}) = 0"
    plain = [BEGIN, b'1 open("/d", O_RDONLY) = 3']
    assert opened(read([*plain, is_directory])) == [(1, "/d", ev.LIST)]
    assert opened(read([*plain, b"1 getdents64(3, 0x1 /* 2 entries */, 32768) = 48"])) == [(1, "/d", ev.LIST)]
    fork = b"1 fork() = 2"
    between = read([BEGIN, fork, plain[1], b'2 open("/f", O_RDONLY) = 3', is_directory])
    assert sorted(opened(between)) == [(1, "/d", ev.LIST), (2, "/f", ev.READ)]
    written = read([BEGIN, fork, plain[1], b'2 open("/f", O_WRONLY) = 3', is_directory])
    assert sorted(opened(written)) == [(1, "/d", ev.LIST), (2, "/f", ev.WRITE)]
    renamed = read([BEGIN, fork, plain[1], b'2 rename("/e", "/f") = 0', is_directory])
    assert opened(renamed) == [(1, "/d", ev.READ), (1, "/d", ev.LIST)], "what has a name by then might be another file"
    changed = read([BEGIN, fork, b'1 open("/f", O_RDONLY) = 3', b'2 open("/f", O_WRONLY) = 3'])
    assert opened(changed) == [(1, "/f", ev.READ), (2, "/f", ev.WRITE)], "in the order in which they happened"


def test_names_change() -> None:
    """Renames, links, removals: the entries themselves, with what is known of what they replaced."""
    events = after(
        b'open("b", O_RDONLY) = 3',
        b'rename("a", "b") = 0',
        b'renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE) = 0',
        b'linkat(AT_FDCWD, "c", AT_FDCWD, "d", 0) = 0',
        b'symlink("../target", "e") = 0',
        b'unlinkat(AT_FDCWD, "f", 0) = 0',
        b'unlinkat(AT_FDCWD, "g", AT_REMOVEDIR) = 0',
        b'mkdir("h", 0777) = 0',
        b'mknod("i", S_IFREG|0644) = 0',
        b'mknod("j", S_IFIFO|0644) = 0',
        b'truncate("k", 3) = 0',
        b'utimensat(AT_FDCWD, "l", NULL, 0) = 0',
        b"utimensat(3</w/b>, NULL, NULL, 0) = 0",
        b'rename("nothing", "b") = -1 ENOENT (No such file or directory)',
    )
    first, exchange, link, symlink, removed, rmdir, mkdir, node, truncated, touched, by_descriptor = events[1:]
    assert (first.old, first.file.path, first.exchanged) == (b"/w/a", b"/w/b", False)
    assert first.replaced is not None
    assert (exchange.exchanged, exchange.replaced is not None) == (True, True)
    assert (link.old, link.file.path) == (b"/w/c", b"/w/d")
    assert symlink[2:] == (1, b"../target", b"/w/e")
    assert removed.path == b"/w/f"
    assert rmdir.before.stat.directory
    assert mkdir.path == b"/w/h"
    assert (node.file.path, node.created) == (b"/w/i", True)
    assert truncated.file.path == b"/w/k"
    assert (touched.file.path, by_descriptor.file.path) == (b"/w/l", b"/w/b")


def test_a_renamed_directory_takes_along_what_is_open_below() -> None:
    """Working directories and descriptors below it are elsewhere now."""
    events = after(
        b'mkdir("d", 0777) = 0',
        b'open("d", O_RDONLY|O_DIRECTORY) = 3',
        b'chdir("d") = 0',
        b'rename("/w/d", "/w/e") = 0',
        b'openat(3, "a", O_RDONLY) = 4',
        b'open("b", O_RDONLY) = 5',
    )
    assert [path for _, path, access in opened(events) if access == ev.READ] == ["/w/e/a", "/w/e/b"]
    assert of(events, ev.Renamed)[0].file.stat.directory


def test_unnamed_files() -> None:
    """A memfd ends with the run; an O_TMPFILE that gets a name is the file of that name."""
    events = after(
        b'memfd_create("m", MFD_CLOEXEC) = 3',
        b'open("/w", O_WRONLY|O_TMPFILE, 0600) = 4',
        b'linkat(AT_FDCWD, "/proc/self/fd/4", AT_FDCWD, "out", AT_SYMLINK_FOLLOW) = 0',
    )
    memfd, unnamed, renamed, removed = events
    assert (memfd.file.path, memfd.created) == (b"/memfd:m", True)
    assert unnamed.created
    assert (renamed.old, renamed.file.path) == (unnamed.file.path, b"/w/out")
    assert removed.path == b"/memfd:m"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (b'{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("10.0.0.1")}', ("inet", "10.0.0.1", 80)),
        (
            b'{sa_family=AF_INET6, sin6_port=htons(9), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}',
            ("inet6", "::1", 9),
        ),
        (b'{sa_family=AF_UNIX, sun_path="/run/x"}', ("unix", "/run/x", 0)),
        (b'{sa_family=AF_UNIX, sun_path=@"x"}', ("unix", "@x", 0)),
        (b"{sa_family=AF_NETLINK, nl_pid=0, nl_groups=00000000}", None),
    ],
)
@pytest.mark.parametrize("result", [b"0", b"-1 EINPROGRESS (Operation now in progress)"])
def test_connections(address: bytes, expected: tuple[str, str, int] | None, result: bytes) -> None:
    """To whom, as in the live trace; a connection that is under way counts."""
    events = after(b"connect(3, " + address + b", 16) = " + result)
    assert [event[3:] for event in events] == ([expected] if expected else [])
    assert after(b"connect(3, " + address + b", 16) = -1 ECONNREFUSED (Connection refused)") == []


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"ptrace(PTRACE_TRACEME) = -1 EPERM (Operation not permitted)", "nested-ptrace"),
        (b"io_uring_setup(8, {flags=0}) = 3", "io_uring"),
        (b"fanotify_init(FAN_CLASS_NOTIF, O_RDONLY) = 3", "other"),
        (b"unshare(CLONE_NEWNS) = 0", "namespace"),
        (b"open(gibberish", "other"),
    ],
)
def test_gaps(line: bytes, kind: str) -> None:
    """What hides things in a live trace hides them in a log."""
    assert [event.kind for event in after(line)] == [kind]


@pytest.mark.parametrize("flag", [b"FAN_REPORT_FID", b"FAN_REPORT_DIR_FID|FAN_REPORT_NAME", b"FAN_REPORT_DFID_NAME"])
def test_fanotify_without_descriptors_is_no_gap(flag: bytes) -> None:
    """A group that is given handles of files is given no descriptor of any."""
    assert after(b"fanotify_init(FAN_CLASS_NOTIF|" + flag + b", O_RDONLY) = 3") == []


def test_a_log_of_a_running_process() -> None:
    """Strace -p begins in the middle: no program is known, and that is said."""
    events = read([b"strace: Process 5 attached", b'5 open("/a", O_RDONLY) = 3', b"5 <detached ...>"])
    assert opened(events) == [(1, "/a", ev.READ)]
    assert of(events, ev.ImageStarted) == []
    assert "middle of a process" in gaps(events)
    assert of(events, ev.ProcessStarted)[0].pid == 5


def test_unfinished_calls_have_begin_and_end() -> None:
    """A call during which others were made overlaps them."""
    events = read(
        [
            BEGIN,
            b"1 fork() = 2",
            b'1 open("/a", O_RDONLY <unfinished ...>',
            b'2 open("/b", O_WRONLY) = 3',
            b"1 <... open resumed>) = 3",
            b'1 open("/c", O_WRONLY <unfinished ...>',
            b"1 <... open resumed> ) = ? <unavailable>",
        ]
    )
    first, second = sorted(of(events, ev.Opened), key=lambda event: event.begin)
    assert (first.file.path, first.begin, first.end) == (b"/a", 3, 5)
    assert (second.file.path, second.begin, second.end) == (b"/b", 4, 4)


def test_a_child_with_two_possible_parents() -> None:
    """Its lines wait until one of the two names it as its child."""
    events = read(
        [
            BEGIN,
            b"1 fork() = 2",
            b"1 fork( <unfinished ...>",
            b"2 fork( <unfinished ...>",
            b'3 open("/a", O_RDONLY) = 3',
            b"3 +++ exited with 0 +++",
            b"2 <... fork resumed>) = 3",
            b"1 <... fork resumed>) = 4",
            b"4 +++ exited with 0 +++",
        ]
    )
    assert [(e.process, e.parent, e.pid) for e in of(events, ev.ProcessStarted)] == [
        (1, 0, 1),
        (2, 1, 2),
        (3, 2, 3),
        (4, 1, 4),
    ]
    assert opened(events) == [(3, "/a", ev.READ)]
    assert of(events, ev.Opened)[0].begin == 5
