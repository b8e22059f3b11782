import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from shark.content import gathering
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
    sections = gather(str(tmp_path), ENVIRON).sections
    assert {"env", "host", "scheduler"} <= set(sections) <= {"env", "host", "scheduler", "container"}
    assert sections["env"]["R_TOKEN"] == "***"
    assert sections["scheduler"] == {"system": "slurm", "job": "7"}


def test_the_helper_gives_the_same_and_leaves_nothing_behind(tmp_path):
    descriptors = len(os.listdir("/proc/self/fd"))
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), ENVIRON, extra=["HOME"])
    found, gaps = gatherer.collect(60)
    assert (found.sections, gaps) == (gather(str(tmp_path), ENVIRON, extra=["HOME"]).sections, [])
    assert not children()
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_a_helper_that_somebody_else_reaped_is_still_collected(tmp_path):
    gatherer = Gatherer()
    pid = gatherer.start(str(tmp_path), ENVIRON)
    gatherer.ask()
    assert os.waitpid(-1, 0)[0] == pid
    found, gaps = gatherer.collect()
    assert found.sections["host"]
    assert gaps == []


def test_without_a_start_there_is_a_gap():
    found, (gap,) = Gatherer().collect()
    assert found.sections == {}
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
    found, (gap,) = gatherer.collect(0.05)
    assert found.sections["git"] == [{"root": str(tmp_path), "branch": "main"}]
    assert re.fullmatch(rf"context \(git in {tmp_path}\): not known [\d.]+ s after the command ended", gap.detail)
    assert gone(pid)
    assert not children()


def test_on_a_crowded_machine_the_limit_is_longer(tmp_path):
    """A helper that gets a thousandth of a CPU has a thousand times the time."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "git").write_text(f'#!/bin/sh\nuntil [ -e {tmp_path}/go ]; do :; done\nexec {shutil.which("git")} "$@"\n')
    (folder / "git").chmod(0o755)
    looks = []

    def crowd():
        looks.append(len(looks))
        if len(looks) == 3:  # the limit would have been over
            (tmp_path / "go").touch()
        return 1000.0

    gatherer = Gatherer(crowd)
    gatherer.start(str(tmp_path), {**ENVIRON, "PATH": f"{folder}:{os.environ['PATH']}"})
    found, gaps = gatherer.collect(0.1)
    assert len(looks) >= 3
    assert gaps == []
    assert found.finished


def test_a_helper_has_its_time_though_it_is_asked_late(tmp_path, monkeypatch):
    """Where a hundred runs end at once, shark itself may come to its question a minute after the command's end."""

    def late(*_):
        wait_for(tmp_path / "go")
        return {}

    looks = []

    def crowd():
        looks.append(len(looks))
        if len(looks) == 4:
            (tmp_path / "go").touch()
        return 50.0

    monkeypatch.setattr(gathering, "_section", late)
    gatherer = Gatherer(crowd)
    gatherer.start(str(tmp_path), ENVIRON)
    gatherer._since = time.monotonic() - 60
    found, gaps = gatherer.collect(2)
    assert gaps == []
    assert found.finished


def test_what_is_not_gits_work_has_longer(tmp_path, monkeypatch):
    """A machine whose disk is slow, or whose quota is used up, has no load that could be seen."""
    real = gathering._section

    def late(name, *rest):
        if name == "host":
            wait_for(tmp_path / "go")
        return real(name, *rest)

    looks = []

    def crowd():
        looks.append(len(looks))
        if len(looks) == 4:  # the limit is over
            (tmp_path / "go").touch()
        return 1.0

    monkeypatch.setattr(gathering, "_section", late)
    gatherer = Gatherer(crowd)
    gatherer.start(str(tmp_path), ENVIRON)
    found, gaps = gatherer.collect(0.1)
    assert gaps == []
    assert found.sections["host"]


def test_a_helper_that_never_comes_to_an_end_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr("shark.content.context._STANDSTILL", 1.1)
    monkeypatch.setattr(gathering, "_section", lambda *_: time.sleep(60))
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), ENVIRON)
    _, (gap,) = gatherer.collect(0.1)
    assert re.fullmatch(r"context \(host\): not known [1-9] s after the command ended", gap.detail), "the time it took"


def test_a_repository_may_take_its_time_and_no_more(tmp_path, hanging):
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), hanging, seconds=0.3)
    found, (gap,) = gatherer.collect(60)
    assert found.sections["git"][0]["branch"] == "main"
    assert "took longer than" in gap.detail


def test_a_helper_that_was_killed_is_a_gap(tmp_path, hanging):
    gatherer = Gatherer()
    pid = gatherer.start(str(tmp_path), hanging)
    git = int(wait_for(tmp_path / "pid"))
    os.kill(pid, signal.SIGKILL)
    found, (gap,) = gatherer.collect(60)
    os.killpg(git, signal.SIGKILL)
    assert found.sections["git"]
    assert "ended early" in gap.detail


def test_an_error_in_the_helper_is_a_gap(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("no luck")

    monkeypatch.setattr(gathering, "_section", fail)
    gatherer = Gatherer()
    gatherer.start(str(tmp_path), ENVIRON)
    assert "RuntimeError: no luck" in gatherer.collect(60)[1][0].detail


def test_the_helper_has_its_own_session_and_none_of_our_descriptors(tmp_path, monkeypatch):
    def look(*_):
        links = {
            fd: os.readlink(f"/proc/self/fd/{fd}")
            for fd in os.listdir("/proc/self/fd")
            if os.path.exists(f"/proc/self/fd/{fd}")
        }
        return {"session": os.getsid(0), "links": links, "int": signal.getsignal(signal.SIGINT) == signal.SIG_DFL}

    monkeypatch.setattr(gathering, "_section", look)
    reader, writer = os.pipe()
    end = os.fstat(writer).st_ino
    gatherer = Gatherer()
    pid = gatherer.start(str(tmp_path), ENVIRON)
    os.close(writer)
    assert os.read(reader, 1) == b""  # the end of file comes although the helper may still live
    os.close(reader)
    host = gatherer.collect(60)[0].sections["host"]
    assert host["session"] == pid
    assert host["int"]
    others = {link.partition(" ")[0] for link in host["links"].values() if not link.startswith(("/proc/", "/dev/null"))}
    assert {other for other in others if not other.startswith("pipe:")} == {
        "/memfd:shark-context", "/memfd:shark-context-paths"
    }  # fmt: skip
    assert f"pipe:[{end}]" not in others


def test_starting_imports_nothing_slow():
    code = (
        "import sys, shark.content.context as c; g = c.Gatherer(); g.start('/', {}); g.collect(60);"
        "slow = {'psutil', 'subprocess', 'sqlite3', 'packageurl', 'shark.content.masking', 'shark.content.git'};"
        "print(sorted(slow & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def git(folder, *arguments):
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    options = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", "-C", folder, *options, *arguments], env=environ, check=True, capture_output=True)


@pytest.fixture
def repositories(tmp_path):
    """Two repositories, each with a committed `a.py`, a change to it, and an untracked program without extension."""
    found = []
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        git(root, "init", "-q", "-b", "main")
        (root / "a.py").write_text("before\n")
        git(root, "add", ".")
        git(root, "commit", "-q", "-m", "first")
        (root / "a.py").write_text("after\n")
        (root / "tool").write_text("#!/bin/sh\n")
        found.append(root)
    return found


def test_code_elsewhere_is_looked_into_beside_and_after_the_command(repositories):
    one, two = repositories
    gatherer = Gatherer()
    gatherer.start("/", ENVIRON)
    gatherer.saw(os.fsencode(one / "table.csv"))
    gatherer.saw(os.fsencode(one / "a.py"))
    gatherer.ask([os.fsencode(two / "a.py"), os.fsencode(two / "tool"), b"/etc/passwd"])
    found, gaps = gatherer.collect(60)
    assert gaps == []
    assert [section["root"] for section in found.sections["git"]] == [str(one), str(two)]
    assert all(section["dirty"] for section in found.sections["git"])
    assert [part.path for part in found.patches[str(one)]] == ["a.py"]
    assert [part.path for part in found.patches[str(two)]] == ["a.py", "tool"]
    assert b"-before\n+after\n" in found.patches[str(one)][0].text


def test_asked_again_for_what_is_known_it_gives_the_same_and_else_more(repositories):
    one, two = repositories
    gatherer = Gatherer()
    gatherer.start(str(one), ENVIRON)
    first, _ = gatherer.collect(60)
    gatherer.ask([])
    assert gatherer.collect(60)[0] is first
    gatherer.ask([os.fsencode(two / "a.py")])
    again, gaps = gatherer.collect(60)
    assert gaps == []
    assert [section["root"] for section in again.sections["git"]] == [str(one), str(two)]
    assert again.sections["host"] == first.sections["host"]
    assert set(again.patches) == {str(one), str(two)}
    assert not children()


def test_more_paths_than_a_pipe_holds_can_be_told(repositories):
    gatherer = Gatherer()
    gatherer.start("/", ENVIRON)
    for n in range(20_000):
        gatherer.saw(b"/nonexistent/%d/module.py" % n)
    gatherer.ask([*(b"/nonexistent/%d" % n for n in range(50_000)), os.fsencode(repositories[0] / "a.py")])
    found, gaps = gatherer.collect(60)
    assert ([section["root"] for section in found.sections["git"]], gaps) == ([str(repositories[0])], [])
