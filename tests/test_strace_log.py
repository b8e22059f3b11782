"""An imported strace log and a live trace of the same command tell the same accesses, but for what no log can know."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import SHARK, Argument, Compiler, Run, World, need

SCRIPT = """\
sort in | uniq > counts
while read line; do echo "$line" >> log; done < in
mv counts final
mkdir d; cp final d/copy
cd d; ln copy other; ln -s copy soft; cat soft > /dev/null; cat absent 2> /dev/null
exec rm other
"""

PROGRAMS = [
    ["openat_dirfd"],
    ["openat2"],
    ["o_tmpfile", "proc"],
    ["exec_from_thread"],
    ["renames", "tmp"],
    ["renames", "noreplace"],
    ["renames", "directory"],
    ["renames", "link"],
    ["renames", "two-names"],
    ["copies", "sendfile"],
    ["posix_spawn"],
    ["vfork"],
    ["clone_fs"],
    ["clone_files"],
    ["list_directory"],
]


def prepare(world: World) -> None:
    for name in ("in", "before", "early", "after", "later", "sub/in"):
        world.write(name)


def fresh(world: World) -> None:
    """Everything anew for the second of two runs."""
    subprocess.run(["sh", "-c", "rm -rf ./*"], cwd=world.work, check=True)
    prepare(world)


def imported(world: World, argv: Sequence[Argument], *options: str, **how: Any) -> Run:
    """Run a command under strace, make a run of the log, and read its record."""
    need("strace")
    log = world.root / "strace.log"
    traced = ["strace", "-f", *options, "-o", str(log), *argv]
    subprocess.run(traced, cwd=world.work, env=world.env, check=True, **{"stdin": subprocess.DEVNULL, **how})
    known = set(world.record_paths())
    done = subprocess.run(
        [*SHARK, "import-strace", "--json", str(log)], cwd=world.work, env=world.env, capture_output=True, check=True
    )
    assert json.loads(done.stdout)["run"]
    return world.finished(0, done.stdout, done.stderr, None, known)


def accesses(run: Run) -> set[tuple[str, str]]:
    """(path, access) of the record, reduced by what a log cannot know."""
    files = {file["n"]: file for file in run.record["files"]}
    found = set()
    for edge in run.record["edges"]:
        if "file" not in edge:
            continue  # a channel: a log has none
        file, access = files[edge["file"]], edge["access"]
        # Rule 1: that a call made the file is known only if a call before it had shown its absence.
        access = "write" if access == "create" and file.get("kind", "file") == "file" else access
        # Rule 2: a loader, and the interpreter of a script, are opened by the kernel.
        if access == "exec" and file["path"] not in own_programs(run):
            continue
        # Rule 3: a file that a rename replaced is known only if the run had met it before.
        # Rule 4: a file without a name is called by its inode number.
        if "/#" in file["path"] or file["path"].startswith(("/proc/", "/memfd:")):
            continue
        found.add((file["path"], access))
    return found


def arguments(run: Run) -> list[list[str] | None]:
    return [process["images"][-1].get("argv") for process in run.processes]


def own_programs(run: Run) -> set[str]:
    return {image["exe"] for image in run.images() if "exe" in image}


@pytest.mark.parametrize("options", [("-y", "-ttt"), ("-yy", "-s", "4"), ("-xx", "-tt"), ("-y", "-T", "-r", "-q")])
def test_shell(world: World, options: tuple[str, ...]) -> None:
    """Pipes, redirections, subprocesses, changes of directory, renames, links: in all forms of log."""
    prepare(world)
    command = ["/bin/sh", "-c", SCRIPT]
    live = world.run(command)
    fresh(world)
    log = imported(world, command, *options)
    assert accesses(log) == accesses(live)
    assert log.outputs == live.outputs
    if "-s" not in options:  # which shortens arguments
        assert arguments(log) == arguments(live)
    assert log.record["coverage"]["gaps"][0]["kind"] == "other"


@pytest.mark.parametrize("options", [("-y",), ()], ids=["-y", "names"])
@pytest.mark.parametrize("arguments", PROGRAMS, ids=" ".join)
def test_programs(world: World, tracee: Compiler, arguments: list[str], options: tuple[str, ...]) -> None:
    """Descriptors, threads, children: what the log shows by -y, or what the reader keeps account of itself."""
    prepare(world)
    command = [tracee(arguments[0]), *arguments[1:]]
    live = world.run(command)
    assert live.status == 0
    fresh(world)
    log = imported(world, command, *options)
    assert accesses(log) == accesses(live)
    assert set(log.outputs) == set(live.outputs)


def test_inherited_descriptors(world: World) -> None:
    """With -y, what the shell redirected shows at its first use; without, it is a gap."""
    prepare(world)
    with open(world.work / "in", "rb") as given, open(world.work / "out", "wb") as result:
        log = imported(world, ["sort"], "-y", stdin=given, stdout=result)
    assert (log.reads, set(log.outputs)) == ({"in"}, {"out"})
    with open(world.work / "in", "rb") as given:
        log = imported(world, ["sort"], stdin=given, stdout=subprocess.DEVNULL)
    assert "which files were open as 0" in str(log.record["coverage"]["gaps"])


def test_not_a_log(world: World) -> None:
    """Something else than a log is refused, with advice."""
    world.write("text", "int main(void) { return 0; }\n")
    done = subprocess.run([*SHARK, "import-strace", "text"], cwd=world.work, env=world.env, capture_output=True)
    assert done.returncode == 2
    assert b"strace -f -y -ttt -o" in done.stderr
    assert not Path(world.store, "runs").exists() or world.record_paths() == []
