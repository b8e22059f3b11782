import os
import signal
import subprocess
import sys

import pytest

from shark.content import context
from shark.content.context import Gatherer, gather

ENVIRON = {
    "LANG": "C.UTF-8",
    "PATH": os.environ["PATH"],
    "R_TOKEN": "hunter2",
    "SLURM_JOB_ID": "7",
    "HOME": "/nonexistent",
}


def children():
    """Whether this process has children left."""
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) or True
    except ChildProcessError:
        return False


@pytest.fixture
def hanging(tmp_path):
    """An environment whose git hangs after it wrote its process group's id, and a directory with a `.git`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(
        f"#!/bin/sh\necho $$ > {tmp_path}/pid.new\nmv {tmp_path}/pid.new {tmp_path}/pid\nsleep 1000\n"
    )
    (folder / "git").chmod(0o755)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    return {**ENVIRON, "PATH": f"{folder}:{os.environ['PATH']}"}


def test_gathering_gives_the_sections_that_apply(tmp_path):
    sections = gather(str(tmp_path), ENVIRON)
    assert {"env", "host", "scheduler"} <= set(sections) <= {"env", "host", "scheduler", "container", "gaps"}
    assert sections["env"]["R_TOKEN"] == "***"
    assert sections["scheduler"] == {"system": "slurm", "job": "7"}


def test_the_helper_gives_the_same_and_leaves_nothing_behind(tmp_path):
    descriptors = len(os.listdir("/proc/self/fd"))
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), ENVIRON, extra=["HOME"])
    sections, gaps = gatherer.collect(60)
    expected = gather(str(tmp_path), ENVIRON, extra=["HOME"])
    expected.pop("gaps", None)
    assert (sections, gaps) == (expected, [])
    assert not children()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_helper_that_somebody_else_reaped_is_still_collected(tmp_path):
    gatherer = Gatherer()
    pid = gatherer.start(str(tmp_path), ENVIRON)
    assert os.waitpid(-1, 0)[0] == pid
    sections, gaps = gatherer.collect()
    assert sections["host"]
    assert gaps == []


def test_without_a_start_there_is_a_gap():
    sections, (gap,) = Gatherer().collect()
    assert sections == {}
    assert "not gathered" in gap.detail


def wait_for(path):
    """The content of a file that another process is about to rename into place."""
    return subprocess.run(
        ["sh", "-c", 'until [ -e "$0" ]; do :; done; cat "$0"', path], check=True, capture_output=True, timeout=60
    ).stdout


def gone(pid):
    """Whether the process is gone, or a zombie that nobody reaps here."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            return stream.read().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True


def test_a_git_that_hangs_costs_the_time_limit_and_is_ended(tmp_path, hanging):
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), hanging)
    pid = int(wait_for(tmp_path / "pid"))
    sections, (gap,) = gatherer.collect(0.05)
    assert sections["host"]
    assert "git" not in sections
    assert gap.detail == "context (git): not known 0.05 s after the command ended"
    assert gone(pid)
    assert not children()


def test_the_helper_ends_by_itself(tmp_path, hanging):
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), hanging, seconds=0.3)
    sections, (gap,) = gatherer.collect(60)
    assert sections["git"][0]["branch"] == "main"
    assert "took longer than" in gap.detail


def test_a_helper_that_was_killed_is_a_gap(tmp_path, hanging):
    gatherer = Gatherer()
    pid = gatherer.start(str(tmp_path), hanging)
    git = int(wait_for(tmp_path / "pid"))
    os.kill(pid, signal.SIGKILL)
    sections, (gap,) = gatherer.collect(60)
    os.killpg(git, signal.SIGKILL)
    assert sections["env"]
    assert "ended early" in gap.detail


def test_an_error_in_the_helper_is_a_gap(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no luck")

    monkeypatch.setattr(context, "_section", fail)
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), ENVIRON)
    assert "RuntimeError: no luck" in gatherer.collect(60)[1][0].detail


def test_the_helper_has_its_own_session_and_none_of_our_descriptors(tmp_path, monkeypatch):
    def look(name, *_):
        links = {
            fd: os.readlink(f"/proc/self/fd/{fd}")
            for fd in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{fd}")
        }
        value = {"session": os.getsid(0), "links": links, "int": signal.getsignal(signal.SIGINT) == signal.SIG_DFL}
        return (value, []) if name == "git" else value

    monkeypatch.setattr(context, "_section", look)
    reader, writer = os.pipe()
    gatherer = Gatherer()
    pid = gatherer.start(str(tmp_path), ENVIRON)
    os.close(writer)
    assert os.read(reader, 1) == b""  # the end of file comes although the helper may still live
    os.close(reader)
    host = gatherer.collect(60)[0]["host"]
    assert host["session"] == pid
    assert host["int"]
    others = {link for link in host["links"].values() if not link.startswith(("/proc/", "/dev/null"))}
    assert [link.partition(" ")[0] for link in others] == ["/memfd:shark-context"]


def test_starting_imports_nothing_slow():
    code = (
        "import sys, shark.content.context as c; g = c.Gatherer(); g.start('/', {}); g.collect(60);"
        "slow = {'psutil', 'subprocess', 'sqlite3', 'packageurl', 'shark.content.masking'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
