"""Processes of every kind are followed: forks, threads, execs, scripts, namespaces (TRACING, "Following")."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from harness import NOT_HERE, Compiler, Run, World, digest, need, need_root

Trace = Callable[..., Run]
SharkRun = Callable[..., Run]

CONTENT = b"the input\n"


def copied(run: Run, world: World, source: str = "in", target: str = "out") -> None:
    """State that `source` was read and `target` made of it, and nothing else below the working directory."""
    assert run.reads >= {source}
    assert run.writes == {target}
    assert run.outputs == {target: digest(world.read(target))}
    assert run.inputs(target)[source] == digest(world.read(source))


@pytest.mark.parametrize(
    "arguments",
    [
        ["open_plain"],
        ["open_thread"],
        ["clone_untraced", "clone"],
        ["clone_untraced", "clone3"],
        ["clone_vfork"],
        ["clone_vm"],
        ["clone_files"],
        ["clone_parent"],
        ["posix_spawn"],
        ["exec_memfd"],
        ["execveat_empty"],
        ["seccomp_own"],
    ],
    ids="-".join,
)
def test_an_open_is_seen_in_every_kind_of_process(trace: Trace, world: World, arguments: list[str]) -> None:
    """What a thread, a clone of any kind or an exec of any kind opens is an input, what it writes an output."""
    world.write("in", CONTENT)
    run = trace(*arguments)
    copied(run, world)
    assert set(run.inputs("out")) == {"in"}
    assert run.gaps == set()
    assert run.record["coverage"]["complete"]


def test_threads_are_one_process(trace: Trace, world: World) -> None:
    """A thread is no process of the record."""
    world.write("in", CONTENT)
    run = trace("open_thread")
    assert [p["n"] for p in run.processes] == [1]
    assert run.processes[0]["exit"] == 0


def test_exec_from_a_thread(trace: Trace, world: World) -> None:
    """The execing thread takes the leader's id: still one process, with a second image."""
    world.write("in", CONTENT)
    world.write("before", b"read by the first image\n")
    run = trace("exec_from_thread")
    assert run.reads == {"before", "in"}
    assert run.outputs == {"out": digest(CONTENT)}
    [process] = run.processes
    assert [image["argv"][1:] for image in process["images"] if "argv" in image] == [[], ["second"]]
    assert process["exit"] == 0


def test_leader_that_ends_before_its_thread(trace: Trace, world: World) -> None:
    """A process lives until its last thread; its status is the one that exit gave, not the leader's."""
    world.write("in", CONTENT)
    run = trace("leader_exits", status=5)
    copied(run, world)
    assert run.record["command"]["exit"] == 5
    assert run.processes[0]["exit"] == 5


def test_vfork_child_opens_and_execs(trace: Trace, world: World) -> None:
    """A vfork child's own opens and those after its exec are both its own."""
    world.write("in", CONTENT)
    world.write("early", b"read in borrowed memory\n")
    run = trace("vfork")
    assert run.reads == {"early", "in"}
    assert run.outputs == {"out": digest(CONTENT)}
    assert len(run.processes) == 2
    assert run.processes[1]["parent"] == 1


def test_clone_fs_moves_the_parent_too(trace: Trace, world: World) -> None:
    """After a CLONE_FS child's chdir, the parent's relative paths mean files of that directory."""
    world.write("in", b"the wrong one\n")
    world.write("sub/in", CONTENT)
    run = trace("clone_fs")
    assert run.reads == {"sub/in"}
    assert run.outputs == {"sub/out": digest(CONTENT)}


def test_many_processes_at_once(trace: Trace, world: World) -> None:
    """A hundred and sixty processes that come and go at once: none is lost, each has its one output."""
    world.write("in", CONTENT)
    run = trace("fork_storm")
    assert run.outputs == {f"out{i}": digest(CONTENT) for i in range(120)}
    assert len(run.processes) == 1 + 120 + 40
    assert all(process["exit"] == 0 for process in run.processes)
    assert run.gaps == set()


def test_a_killed_child_does_not_disturb(trace: Trace, world: World) -> None:
    """Children killed in the midst of their opens end with their signal; what came after is recorded as ever."""
    world.write("in", CONTENT)
    run = trace("killed_while_opening")
    copied(run, world)
    assert sorted(p.get("signal", 0) for p in run.processes) == [0] + [9] * 10


@pytest.mark.parametrize("how", ["restart", "again"])
def test_interrupted_opens(trace: Trace, world: World, how: str) -> None:
    """An open that signals interrupt twenty times (restarted, or failed and called again) counts as what it became."""
    world.write("in", CONTENT)
    run = trace("fifo_restart", how)
    assert run.reads >= {"in"}
    assert "out" in run.outputs
    assert run.inputs("out") == {"in": digest(CONTENT)}
    assert "fifo" not in run.outputs
    assert run.missing == []


def test_exec_that_fails_along_path(shark_run: SharkRun, world: World) -> None:
    """A program looked for along PATH is missing in the directories before it, and run once."""
    world.write("c/tool", "#!/bin/sh\nexec cat in > out\n", mode=0o755)
    world.write("in", CONTENT)
    for name in ("a", "b"):
        (world.work / name).mkdir()
    path = f"{world.work}/a:{world.work}/b:{world.work}/c:{os.environ['PATH']}"
    run = shark_run(["env", f"PATH={path}", "tool"])
    assert run.status == 0
    assert [name for name in run.missing if name.endswith("/tool")] == ["a/tool", "b/tool"]
    assert run.accessed("exec") == {"c/tool"}
    assert run.inputs("out", role=None) == {"in": digest(CONTENT), "c/tool": digest(world.read("c/tool"))}


def test_execs_that_fail(trace: Trace, world: World) -> None:
    """A failed exec is no image: not of a missing program, nor of what is not executable."""
    world.write("in", CONTENT)
    world.write("plain", b"no program\n")
    world.write("lost-interpreter", b"#!/nowhere/interpreter\n", mode=0o755)
    (world.work / "sub").mkdir()
    run = trace("exec_fails")
    copied(run, world)
    assert len(run.images()) == 1
    assert run.accessed("exec") == set()
    assert "nowhere/program" in run.missing


def test_execs_of_what_is_not_there_stop_once(trace: Trace, world: World, mode: str) -> None:
    """Each is told. None has a second stop, but for the mode that stops at every call anyway."""
    world.write("in", CONTENT)
    few, many = trace("exec_vain", "1"), trace("exec_vain", "21")
    copied(many, world)
    assert sorted(many.missing) == sorted(f"program{n}" for n in range(1, 22))
    if mode != "full":
        assert many.record["traced"]["stops"] - few.record["traced"]["stops"] == 20


def test_an_exec_of_what_is_not_there_for_shark(trace: Trace, world: World) -> None:
    """A name that leads through /proc/self means another file to shark: what was executed is recorded all the same."""
    world.write("in", CONTENT)
    world.write("bin/tool", "#!/bin/sh\nexec cat in > out\n", mode=0o755)
    (world.work / "mine").symlink_to("/proc/self/fd/9")
    run = trace("exec_vain", "3", str(world.work / "bin"), f"{world.work}/mine/tool")
    [image] = run.images()[1:2]
    assert image["argv"][-1] == f"{world.work}/mine/tool"
    assert run.inputs("out", role=None) == {"in": digest(CONTENT), "bin/tool": digest(world.read("bin/tool"))}


def test_scripts_five_deep(shark_run: SharkRun, world: World) -> None:
    """No system call shows a script being read by the kernel: all five of a chain are executed code of the output."""
    need("sh")
    world.write("in", CONTENT)
    world.write("s5", "#!/bin/sh\ncat in > out\n", mode=0o755)
    for i in (4, 3, 2, 1):
        world.write(f"s{i}", f"#!{world.work}/s{i + 1}\n", mode=0o755)
    run = shark_run(["./s1"])
    assert run.status == 0, run.stderr
    scripts = {f"s{i}" for i in range(1, 6)}
    assert run.accessed("exec") >= scripts
    assert run.code("out") >= {f"{world.work}/{name}" for name in scripts}
    assert {n: s for n, s in run.inputs("out", role="code").items() if n in scripts} == {
        name: digest(world.read(name)) for name in scripts
    }
    [first] = [image for image in run.images() if image.get("script")]
    assert first["script"] == f"{world.work}/s1"


def test_script_by_a_descriptor(trace: Trace, world: World) -> None:
    """An execveat of a script that it has open: the script is named as the descriptor's path is."""
    world.write("in", CONTENT)
    script = world.work / "script"
    script.write_text("#!/bin/sh\n/bin/cat in > out\n")
    script.chmod(0o755)
    run = trace("execveat_empty", "script", "./script")
    copied(run, world)
    [image] = [image for image in run.images() if image.get("script")]
    assert image["script"] == str(script)


def test_script_by_relative_path_with_an_argument(shark_run: SharkRun, world: World) -> None:
    """`#! interpreter argument`, called by a relative path from below."""
    world.write("tool.sh", '#!/bin/sh -e\nread line < ../in\necho "$line" > ../out\n', mode=0o755)
    world.write("in", CONTENT)
    (world.work / "below").mkdir()
    run = shark_run(["../tool.sh"], cwd=world.work / "below")
    assert run.status == 0
    assert run.inputs("out", role=None) == {"in": digest(CONTENT), "tool.sh": digest(world.read("tool.sh"))}


def test_the_programs_of_a_run(trace: Trace, world: World, tracee: Compiler) -> None:
    """The command's own program is an input of role code when no package owns it, with its digest."""
    world.write("in", CONTENT)
    run = trace("open_plain")
    program = tracee("open_plain")
    assert str(program) in run.code("out")
    [image] = run.images()
    assert image["exe"] == str(program)
    assert image["cwd"] == str(world.work)
    assert ("deb", "libc6") in run.software or not Path("/var/lib/dpkg/status").exists()


def test_a_nested_tracer_fails_and_is_told(trace: Trace, world: World) -> None:
    """PTRACE_TRACEME fails as under strace: a gap, and a warning since it can change the exit status."""
    world.write("in", CONTENT)
    run = trace("nested_ptrace")
    copied(run, world)
    assert "nested-ptrace" in run.gaps
    assert b"ptrace" in run.stderr


def test_a_seccomp_listener_hides_nothing_in_silence(trace: Trace, world: World) -> None:
    """Opens under a NEW_LISTENER filter are seen, or the run says that they may be missing."""
    world.write("in", CONTENT)
    run = trace("seccomp_listener")
    assert ({"in"} <= run.reads and "out" in run.outputs) or not run.record["coverage"]["complete"]


def test_bind_mount_in_a_mount_namespace(trace: Trace, world: World) -> None:
    """A path below a bind mount that only the tracee sees is the file's path outside, where the manifest goes."""
    world.write("sub/in", CONTENT)
    (world.work / "mnt").mkdir()
    run = trace("namespaces", "bind")
    assert run.reads == {"sub/in"}
    assert run.outputs == {"sub/out": digest(CONTENT)}
    assert run.inputs("sub/out") == {"sub/in": digest(CONTENT)}


def test_private_tmpfs_in_a_mount_namespace(trace: Trace, world: World) -> None:
    """A file on a tmpfs of the tracee's own has no path outside: the gap `namespace`, and no manifest elsewhere."""
    world.write("in", CONTENT)
    (world.work / "mnt").mkdir()
    run = trace("namespaces", "tmpfs")
    assert "in" in run.reads
    gaps = [gap["detail"] for gap in run.record["coverage"]["gaps"] if gap["kind"] == "namespace"]
    assert [detail.partition("]")[2] for detail in gaps] == [
        f"{world.work}/mnt cannot be reached from outside, such as {world.work}/mnt/out"
    ]
    assert list((world.work / "mnt").iterdir()) == []


@pytest.mark.parametrize("how", ["openat", "fchdir"])
def test_a_mount_that_is_nowhere(trace: Trace, world: World, how: str) -> None:
    """Below a mount that open_tree made and nobody has attached: the gap `namespace`, and no path that is untrue."""
    world.write("sub/in", CONTENT)
    run = trace("detached_mount", how)
    assert "namespace" in run.gaps
    assert {"changed-outside", "unhashed"}.isdisjoint(run.gaps)
    assert {"in", "out", "sub/out"}.isdisjoint(run.writes)
    assert {"/in", "/out", "/out.tmp", "/absent", "/made"}.isdisjoint(_all_paths(run.record))
    assert not [output for output in run.record["outputs"] if output["path"].startswith("/")]


def _all_paths(part: Any) -> set[str]:
    """Whatever stands under a key `path` or `as` anywhere in a document, and plain lists of names."""
    if isinstance(part, dict):
        own = {value for key, value in part.items() if key in ("path", "as") and isinstance(value, str)}
        return own.union(*map(_all_paths, part.values()))
    if isinstance(part, list):
        return {item for item in part if isinstance(item, str)}.union(*map(_all_paths, part))
    return set()


def test_chroot(trace: Trace, world: World) -> None:
    """Paths inside a chroot are recorded as they are outside."""
    world.write("sub/in", CONTENT)
    run = trace("namespaces", "chroot")
    assert run.reads == {"sub/in"}
    assert run.outputs == {"sub/out": digest(CONTENT)}
    assert run.inputs("sub/out") == {"sub/in": digest(CONTENT)}


def test_pid_namespace(trace: Trace, world: World) -> None:
    """Inside a pid namespace the same numbers mean other processes; the record has the numbers of outside."""
    world.write("in", CONTENT)
    run = trace("namespaces", "pid")
    copied(run, world)
    assert len(run.processes) == 3
    assert all(process["pid"] > 2 for process in run.processes)


def test_a_proc_of_its_own(trace: Trace, world: World) -> None:
    """What a sandbox reads below a /proc of its own is the kernel's, as below any: no input, and no gap."""
    world.write("in", CONTENT)
    run = trace("namespaces", "proc")
    copied(run, world)
    assert not [entry["path"] for entry in run.manifest("out")["inputs"] if "/proc/" in entry["path"]]
    assert run.gaps == set()
    own = {file["path"]: file["role"] for file in run.record["files"] if file["path"].startswith("mnt:")}
    assert {"/proc/cpuinfo"} <= {path.partition("]")[2] for path in own}
    assert set(own.values()) == {"system"}


def test_a_namespace_is_no_input(shark_run: SharkRun, world: World) -> None:
    """A namespace that is opened to be entered, as nsenter does, has no content: no input, no gap."""
    world.write("in", CONTENT)
    run = shark_run(["sh", "-c", "exec 3< /proc/self/ns/mnt; cat in > out"])
    copied(run, world)
    assert [entry["path"] for entry in run.manifest("out")["inputs"]] == [str(world.work / "in")]
    assert run.gaps == set()


def test_bubblewrap(shark_run: SharkRun, world: World) -> None:
    """A sandbox made by bwrap: the work directory under another name, everything else read-only. Nothing is missed."""
    need("bwrap")
    world.write("in", CONTENT)
    sandbox = ["bwrap", "--ro-bind", "/", "/", "--bind", str(world.work), "/mnt", "--dev", "/dev", "--unshare-pid"]
    run = shark_run([*sandbox, "--proc", "/proc", "sh", "-c", "read x < /proc/cpuinfo; cat /mnt/in > /mnt/out"])
    if run.status != 0 and b"namespace" in run.stderr:
        pytest.skip(f"bwrap cannot work here: {run.stderr!r}")
    assert run.status == 0, run.stderr
    assert "in" in run.reads
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.inputs("out") == {"in": digest(CONTENT)}
    assert run.gaps == set()


@pytest.mark.root
def test_unreadable_program(shark_run: SharkRun, world: World, tracee: Compiler) -> None:
    """A program that may be executed and not read is non-dumpable for another user: a gap, no error."""
    need_root()
    need("setpriv")
    import shutil

    program = world.work / "secret"
    shutil.copy(tracee("open_plain"), program)
    program.chmod(0o111)
    world.write("in", CONTENT)
    run = shark_run(["./secret"], **world.become_nobody())
    assert run.status == 0, run.stderr
    assert "privilege" in run.gaps or "out" in run.outputs


@pytest.mark.root
def test_setuid_program_loses_its_privilege_with_a_gap(shark_run: SharkRun, world: World) -> None:
    """Under an unprivileged shark a setuid program runs as its caller; the record says so."""
    need_root()
    need("setpriv")
    import shutil

    program = world.work / "whoami"
    shutil.copy("/usr/bin/whoami", program)
    program.chmod(0o4755)
    if os.statvfs(program).f_flag & os.ST_NOSUID:
        pytest.skip("the file system ignores setuid bits")
    nobody = world.become_nobody()
    os.chown(program, 0, 0)
    program.chmod(0o4755)
    run = shark_run(["./whoami"], **nobody)
    assert run.status == 0, run.stderr
    assert run.stdout == b"nobody\n"
    assert "privilege" in run.gaps


def test_failed_clone3(trace: Trace, world: World) -> None:
    """What a clone3 asked for that failed is not what the next fork gets: its child is no thread of its parent."""
    world.write("in")
    run = trace("clone3_failed")
    assert len(run.processes) == 2
    assert run.processes[1]["exit"] == 0
    assert set(run.inputs("out")) == {"in"}


def test_child_of_a_command_that_another_thread_executed(trace: Trace, world: World) -> None:
    """The command's end hides no stop of its descendants: they neither stand still nor make the shell wait."""
    world.write("in")
    begin = time.monotonic()
    run = trace("exec_from_thread_after_fork", options=("--linger", "30"), flags=("-pthread",))
    assert time.monotonic() - begin < 15
    assert run.gaps == set()
    assert set(run.inputs("out")) == {"in"}


@pytest.mark.parametrize("how", ["kill", "exec"])
def test_killed_while_forking(trace: Trace, world: World, how: str) -> None:
    """A child whose parent was killed before it could tell of the fork is not left standing still."""
    run = trace("killed_while_forking", how)
    assert run.gaps == set()
    assert all("exit" in process or "signal" in process for process in run.processes)


def test_exec_while_the_leader_is_held(trace: Trace, world: World) -> None:
    """The new program does not wait for the hashing that its process was held for before."""
    world.write("in")
    with (world.work / "big").open("wb") as file:
        file.truncate(3 << 30)
    begin = time.monotonic()
    run = trace("exec_while_leader_held", options=("--hash", "auto", "--ignore", "big"))
    process = run.processes[0]
    assert set(run.inputs("out")) == {"in"}
    seconds = datetime.fromisoformat(process["end"]) - datetime.fromisoformat(process["start"])
    assert seconds.total_seconds() < 0.7 * (time.monotonic() - begin)


def test_thread_with_a_directory_of_its_own(trace: Trace, world: World) -> None:
    """A relative path means what it means to its thread."""
    world.write("in")
    run = trace("own_directory")
    assert set(run.outputs) == {"out", "sub/out"}
    assert run.gaps == set()


@pytest.mark.root
def test_a_number_that_a_later_process_takes_over(shark_run: SharkRun, world: World, tracee: Compiler) -> None:
    """A process is its own number in the record, whatever its pid: the reader and the writer are two."""
    need_root()
    need("unshare")
    world.write("in", CONTENT)
    world.shark = ("unshare", "--pid", "--fork", "--mount-proc", *world.shark)
    run = shark_run([tracee("reused_pid")])
    if run.status == NOT_HERE:
        pytest.skip(f"not possible here: {run.stdout!r}")
    assert run.status == 0, run.stderr
    users = {name: {process["n"] for process in run.processes if name in used(run, process)} for name in ("in", "out")}
    [reader], [writer] = users["in"], users["out"]
    assert reader != writer
    pids = {process["n"]: process["pid"] for process in run.processes}
    assert pids[reader] == pids[writer]
    assert run.inputs("out") == {}


def used(run: Run, process: dict[str, Any]) -> set[str]:
    """The files below work that a process read or wrote."""
    return run.accessed("read", "write", "create", process=process["n"])


@pytest.mark.root
def test_a_process_that_is_not_dumpable(shark_run: SharkRun, world: World, tracee: Compiler) -> None:
    """It goes on undisturbed; an ordinary user's shark sees numbers only and says so, root's sees everything."""
    need_root()
    need("setpriv")
    world.write("in", CONTENT)
    program = tracee("non_dumpable")
    copied(shark_run([program]), world)
    (world.work / "out").unlink()
    run = shark_run([program], **world.become_nobody(tracee.directory))
    assert run.status == 0, run.stderr
    assert world.read("out") == CONTENT
    assert "privilege" in run.gaps
    assert b"Traceback" not in run.stderr


def test_a_sanitizer_that_wants_to_trace(shark_run: SharkRun, world: World, tracee: Compiler) -> None:
    """The leak check at the end of a clean program fails under any tracer: that is told, and the advice helps."""
    world.write("in", CONTENT)
    program = tracee("open_plain", "-fsanitize=address")
    run = shark_run([program])
    assert "nested-ptrace" in run.gaps
    assert b"ptrace" in run.stderr
    (world.work / "out").unlink()
    run = shark_run([program], env={"ASAN_OPTIONS": "detect_leaks=0"})
    assert run.status == 0, run.stderr
    assert run.gaps == set()
    copied(run, world)


def test_a_run_inside_of_another_that_the_environment_does_not_tell_of(shark_run: SharkRun, world: World) -> None:
    """It asks its tracer, and is recorded as any run inside of another."""
    kept = [f"{key}={value}" for key, value in world.env.items() if key != "SHARK_RUN_ID"]
    run = shark_run(["env", "-i", *kept, *world.shark, "run", "--name", "inner", "--", "sh", "-c", "echo x > out"])
    assert (run.status, run.stderr) == (0, b"")
    outer, inner = run.records
    assert (inner["name"], inner["parent"]) == ("inner", outer["id"])
    assert [os.path.basename(output["path"]) for output in inner["outputs"]] == ["out"]


def test_a_run_under_another_tracer_is_refused(world: World) -> None:
    """A tracer that does not answer is no shark."""
    need("strace")
    environ = {key: value for key, value in world.env.items() if key != "SHARK_RUN_ID"}
    command = ["strace", "-f", "-o", "/dev/null", *world.shark, "run", "--", "true"]
    done = subprocess.run(command, env=environ, cwd=world.work, capture_output=True, timeout=60)
    assert done.returncode == 125
    assert b"this process is traced already" in done.stderr
