"""Everything that gives a process a file (TRACING, "What gives a process a file")."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Compiler, Run, World, attached, digest, need, need_root

Trace = Callable[..., Run]
SharkRun = Callable[..., Run]

CONTENT = b"the input\n"
OLD = b"old content\n"


@pytest.mark.parametrize(
    ("arguments", "source"),
    [
        (["creat"], "in"),
        (["openat_dirfd"], "sub/in"),
        (["openat2"], "sub/in"),
        (["o_tmpfile", "proc"], "in"),
        (["o_tmpfile", "empty-path"], "in"),
        (["proc_self_fd"], "in"),
        (["scm_rights"], "in"),
        (["pidfd_getfd"], "in"),
        (["memfd"], "in"),
        (["open_by_handle"], "in"),
        (["copies", "sendfile"], "in"),
        (["copies", "copy_file_range"], "in"),
        (["copies", "splice"], "in"),
        (["copies", "reflink"], "in"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_every_way_to_a_file(trace: Trace, world: World, arguments: list[str], source: str) -> None:
    """However a file was opened, it is an input of what was made of it."""
    world.write("in", CONTENT)
    world.write("sub/in", CONTENT)
    run = trace(*arguments)
    assert run.reads == {source}
    assert run.outputs["out"] == digest(CONTENT)
    assert run.inputs("out") == {source: digest(CONTENT)}
    assert set(run.outputs) <= {"out", "later"}
    assert run.gaps == set()


def test_o_path_is_no_access(trace: Trace, world: World) -> None:
    """A descriptor that gives no access to content is neither a read nor a listing, nor does it hide a later read."""
    world.write("in", CONTENT)
    world.write("seen", b"never read\n")
    (world.work / "sub").mkdir()
    run = trace("o_path")
    assert run.reads == {"in"}
    assert "sub" not in run.accessed("list")
    assert set(run.inputs("out")) == {"in"}


def test_descriptor_received_by_another_process(trace: Trace, world: World) -> None:
    """The process that a descriptor was passed to is a reader of its own, though it closed it long before its end."""
    world.write("in", CONTENT)
    run = trace("scm_rights")
    assert "in" in run.accessed("read", process=1)
    assert "in" in run.accessed("read", process=2)


def test_descriptor_received_from_outside(world: World, tracee: Compiler, mode: str) -> None:
    """A file that someone outside of the run opened and passed over a socket is an input."""
    content = world.write("in", CONTENT)
    here, there = socket.socketpair()
    with here, there, open(world.work / "in", "rb") as file:
        socket.send_fds(here, [b"x"], [file.fileno()])
        # The tracee expects the socket at number 3.
        run = world.run(
            ["bash", "-c", f'exec "$0" outside 3<&{there.fileno()}', tracee("scm_rights")],
            mode=mode,
            pass_fds=[there.fileno()],
        )
    assert run.status == 0, run.stderr
    assert run.reads == {"in"}
    assert run.inputs("out") == {"in": content}


def test_inherited_standard_streams(world: World, mode: str) -> None:
    """`shark run -- sort < a > b` has the input a and the output b."""
    a = world.write("a", b"2\n1\n")
    with open(world.work / "a", "rb") as source, open(world.work / "b", "wb") as target:
        run = world.run(["sort"], mode=mode, stdin=source.fileno(), stdout=target)
    assert run.status == 0
    assert world.read("b") == b"1\n2\n"
    assert run.outputs == {"b": digest(b"1\n2\n")}
    assert run.inputs("b") == {"a": a}


def test_inherited_descriptor_3(world: World, mode: str) -> None:
    """Descriptors from 3 up are inherited as well, and count."""
    world.write("in", CONTENT)
    with open(world.work / "in", "rb") as source, open(world.work / "out", "wb") as target:
        i, o = source.fileno(), target.fileno()
        run = world.run(["bash", "-c", f"cat <&{i} >&{o}"], mode=mode, pass_fds=[i, o])
    assert run.status == 0
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.inputs("out") == {"in": digest(CONTENT)}


def test_inherited_log(world: World, mode: str) -> None:
    """A file inherited in append mode is a log: recorded, no manifest on it, and no input of itself or of others."""
    world.write("in", CONTENT)
    world.write("log", b"from earlier jobs\n")
    with open(world.work / "log", "ab") as log:
        run = world.run(["sh", "-c", "echo hello; cat in > out"], mode=mode, stdout=log, stderr=log)
    assert run.status == 0
    assert world.read("log") == b"from earlier jobs\nhello\n"
    assert "log" in run.accessed("write")
    assert attached(world.work / "log") is None
    assert run.inputs("out") == {"in": digest(CONTENT)}


def test_appending_by_the_command_itself(shark_run: SharkRun, world: World) -> None:
    """`>>` inside the command is an ordinary output: the old content is an input of the new."""
    old = world.write("data", OLD)
    run = shark_run(["sh", "-c", "echo more >> data"])
    assert run.outputs == {"data": digest(OLD + b"more\n")}
    assert run.inputs("data") == {"data": old}


def test_listing_a_directory(trace: Trace, world: World) -> None:
    """A directory opened to be listed has the access `list`, and is no input."""
    world.write("sub/one", b"1")
    run = trace("list_directory")
    assert run.accessed("list") == {"sub"}
    assert run.reads == set()
    assert run.inputs("out") == {}


def test_failed_opens(trace: Trace, world: World) -> None:
    """A path that was looked for and not found is missing, once; a refused open is no access; neither is an input."""
    world.write("in", CONTENT)
    (world.work / "sub").mkdir()
    (world.work / "loop").symlink_to("loop")
    run = trace("missing")
    assert run.missing.count("nowhere") == 1
    assert {"nowhere", "sub/nowhere"} <= set(run.missing) <= {"nowhere", "sub/nowhere", "in/below", "loop"}
    assert run.reads == {"in"}
    assert run.writes == {"out"}
    assert run.inputs("out") == {"in": digest(CONTENT)}


def test_names_that_end_in_deleted(trace: Trace, world: World) -> None:
    """A file really named "x (deleted)" is not taken for a deleted one."""
    sha = world.write("in (deleted)", CONTENT)
    run = trace("deleted_name")
    assert run.reads == {"in (deleted)"}
    assert run.outputs == {"out (deleted)": sha}
    assert run.inputs("out (deleted)") == {"in (deleted)": sha}


@pytest.mark.parametrize("name", ["two\nlines", "sp ace", "quote'\"", "ünïcode", "-dash", "back\\slash"])
def test_strange_names(shark_run: SharkRun, world: World, name: str) -> None:
    """Names of any characters come through."""
    sha = world.write(f"{name}.in", CONTENT)
    run = shark_run(["sh", "-c", 'cat < "$1" > "$2"', "sh", f"./{name}.in", f"./{name}.out"])
    assert run.outputs == {f"{name}.out": sha}
    assert run.inputs(f"{name}.out") == {f"{name}.in": sha}


def test_names_that_are_not_utf8(shark_run: SharkRun, world: World) -> None:
    """Names that are not valid UTF-8 are written with surrogateescape, and round-trip."""
    source = os.fsencode(world.work) + b"/\xff.in"
    target = os.fsencode(world.work) + b"/\xfe.out"
    with open(source, "wb") as file:
        file.write(CONTENT)
    run = shark_run([b"sh", b"-c", b'cat < "$1" > "$2"', b"sh", source, target])
    assert run.outputs == {"\udcfe.out": digest(CONTENT)}
    assert run.inputs("\udcfe.out") == {"\udcff.in": digest(CONTENT)}


def test_symbolic_links(trace: Trace, world: World) -> None:
    """An input's path is the true one, `as` the path that was used; the output is the file, not the link."""
    sha = world.write("real-in", CONTENT)
    (world.work / "link-in").symlink_to("real-in")
    (world.work / "link-out").symlink_to("real-out")
    run = trace("symlinks")
    assert run.outputs == {"real-out": sha}
    assert run.inputs("real-out") == {"real-in": sha}
    assert os.path.basename(run.input("real-out", "real-in")["as"]) == "link-in"
    assert "made-link" not in run.outputs


def test_links_to_directories(shark_run: SharkRun, world: World) -> None:
    """A link in the midst of the path is resolved, too."""
    sha = world.write("deep/er/in", CONTENT)
    (world.work / "short").symlink_to("deep/er")
    run = shark_run(["cp", "short/in", "short/out"])
    assert run.outputs == {"deep/er/out": sha}
    assert run.inputs("deep/er/out") == {"deep/er/in": sha}


def test_io_uring_is_a_gap(trace: Trace, world: World) -> None:
    """A ring may do what no call shows: the run says so."""
    world.write("in", CONTENT)
    run = trace("io_uring")
    if run.stdout != b"ring\n":
        pytest.skip(f"this kernel gives no ring: {run.stdout!r}")
    assert "io_uring" in run.gaps
    assert not run.manifest("out")["coverage"]["complete"]
    assert run.inputs("out") == {"in": digest(CONTENT)}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("raw", "socket"),
        ("raw6", "socket"),
        ("packet", "socket"),
        ("packet-datagrams", "socket"),
        ("usersock", "socket"),
        ("usersock-datagrams", "socket"),
        ("fanotify", "fanotify"),
    ],
)
def test_what_is_not_followed_is_a_gap(trace: Trace, world: World, what: str, said: str) -> None:
    """Kinds of sockets that are not followed, and descriptors that a read gives, are told when they are made."""
    world.write("in", CONTENT)
    run = trace("unseen", what)
    assert run.gaps == {"other"}
    assert [said in gap["detail"] for gap in run.record["coverage"]["gaps"]] == [True]


@pytest.mark.parametrize("what", ["icmp", "route", "fanotify-handles"])
def test_what_carries_no_data_is_no_gap(trace: Trace, world: World, what: str) -> None:
    """The echo requests of ping, questions to the kernel about its own tables, and events that only name files."""
    world.write("in", CONTENT)
    run = trace("unseen", what)
    assert run.gaps == set()


def test_a_core_is_a_gap(trace: Trace, world: World) -> None:
    """The kernel writes a file without a call: said, unless it goes to a program through a pipe."""
    world.write("in", CONTENT)
    piped = Path("/proc/sys/kernel/core_pattern").read_text().startswith("|")
    run = trace("unseen", "core")
    said = ["core" in gap["detail"] for gap in run.record["coverage"]["gaps"] if gap["process"] == 2]
    assert said == ([] if piped else [True])


def test_a_block_device_that_is_written_is_a_gap(shark_run: SharkRun, world: World) -> None:
    """What is written to it may come back by its name or out of the file behind it; to read it alone is no gap."""
    need_root()
    world.write("image", bytes(1 << 16))
    made = subprocess.run(["losetup", "-f", "--show", "image"], cwd=world.work, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"no loop device here: {made.stderr!r}")
    device = made.stdout.decode().strip()
    try:
        world.write("in", CONTENT)
        looked = shark_run(["head", "-c", "1", device])
        run = shark_run(["sh", "-c", f"cat in > {device}; head -c {len(CONTENT)} {device} > out"])
    finally:
        subprocess.run(["losetup", "-d", device], check=True)
    assert looked.gaps == set()
    assert [gap["kind"] for gap in run.record["coverage"]["gaps"]] == ["other"]
    assert device in run.record["coverage"]["gaps"][0]["detail"]


def test_a_loop_device_that_the_run_sets_up_is_a_gap(shark_run: SharkRun, world: World) -> None:
    """From then on what is in the file is read under another name, also through a file system on it."""
    need_root()
    need("losetup")
    world.write("image", bytes(1 << 16))
    run = shark_run(["sh", "-c", "device=$(losetup -r -f --show image) && losetup -d $device"])
    if run.status != 0:
        pytest.skip(f"no loop device here: {run.stderr!r}")
    assert run.gaps == {"other"}


def test_io_uring_denied(trace: Trace, world: World) -> None:
    """`--io-uring=deny` answers ENOSYS, and programs fall back."""
    world.write("in", CONTENT)
    run = trace("io_uring", options=["--io-uring=deny"])
    assert run.stdout == b"Function not implemented\n"
    assert "io_uring" not in run.gaps
    assert run.inputs("out") == {"in": digest(CONTENT)}


def test_shared_mapping(trace: Trace, world: World) -> None:
    """A file changed through memory after its descriptor was closed is an output; its old content is an input."""
    old = world.write("data", OLD)
    run = trace("mmap_shared")
    assert world.read("data") == b"NEW!content\n"
    assert run.outputs == {"data": digest(b"NEW!content\n")}
    assert run.inputs("data") == {"data": old}


@pytest.mark.root
def test_file_system_served_by_the_run_itself(trace: Trace, world: World) -> None:
    """A FUSE daemon inside the run is never waited for while it is held: the run ends, and the reads are there.

    That what it reads is not followed to those who read its files is a gap.
    """
    need_root()
    world.write("backing", b"what the daemon opens\n")
    (world.work / "mnt").mkdir()
    run = trace("fuse", timeout=30)
    assert world.read("out") == b"hello\n"
    assert "out" in run.outputs
    assert "backing" in run.reads
    assert any("FUSE" in gap["detail"] for gap in run.record["coverage"]["gaps"])


def test_connection_to_the_outside(trace: Trace, world: World) -> None:
    """An address that the run connected to is named, in the record and on the output."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        server.settimeout(60)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"x")

        thread = threading.Thread(target=serve)
        thread.start()
        run = trace("connect_outside", str(port))
        thread.join()
    [endpoint] = run.record["network"]
    assert (endpoint["family"], endpoint["address"], endpoint["port"]) == ("inet", "127.0.0.1", port)
    assert run.manifest("out")["network"]


def test_devices_are_no_inputs(shark_run: SharkRun, world: World) -> None:
    """/dev/null, /dev/urandom and /proc are of role system."""
    run = shark_run(["sh", "-c", "head -c 3 /dev/urandom > /dev/null; cat /proc/self/stat > /dev/null; echo 1 > out"])
    assert run.status == 0
    assert set(run.outputs) == {"out"}
    paths = {entry["path"] for entry in run.manifest("out").get("inputs", [])}
    assert not any(path.startswith(("/dev/", "/proc/")) for path in paths)


def test_busybox_static(shark_run: SharkRun, world: World) -> None:
    """A static program without any libc call that could be wrapped."""
    need("busybox")
    sha = world.write("in", b"b\na\n")
    run = shark_run(["busybox", "sort", "-o", "out", "in"])
    assert run.status == 0, run.stderr
    assert run.outputs == {"out": digest(b"a\nb\n")}
    assert run.inputs("out") == {"in": sha}


def test_append_below_a_root(trace: Callable[..., Run], world: World) -> None:
    """What an odd way leads to was there before, if it is not empty: its old content is an input."""
    world.write("root/shark-test-file", b"old\n")
    run = trace("open_in_root")
    assert "root/shark-test-file" in run.inputs("root/shark-test-file")


@pytest.mark.parametrize("how", ["close", "replace"])
def test_a_descriptor_that_another_thread_takes_away(trace: Callable[..., Run], world: World, how: str) -> None:
    """What was opened is told by the name that was used, or the run says what it did not see; nothing is invented."""
    world.write("in", CONTENT)
    world.write("other", CONTENT)
    run = trace("replaced_by_thread", how)
    assert "in" in run.reads or "other" in run.gaps
    assert run.gaps <= {"other"}
    assert run.reads <= {"in", "other"}
    assert set(run.outputs) == {"out"}
