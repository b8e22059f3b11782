import os
import shutil
import subprocess

import pytest

from shark.content import git
from shark.content.git import find_root, parse_status, read_head, repositories, settle

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


def run(folder, *arguments):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environ = {**plain, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    options = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "protocol.file.allow=always"]
    result = subprocess.run(
        ["git", "-C", str(folder), *options, *arguments], env=environ, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    run(root, "init", "-q", "-b", "main")
    (root / "a.py").write_text("a")
    (root / "dir").mkdir()
    (root / "dir" / "b é.py").write_text("b")
    run(root, "add", ".")
    run(root, "commit", "-q", "-m", "first")
    return root


def one(path, **options):
    (section,), gaps = repositories([str(path)], **options)
    assert gaps == []
    return section


def test_a_clean_repository(repository):
    run(repository, "tag", "v1")
    run(repository, "remote", "add", "origin", "https://me:hunter2@example.org/x.git")
    run(repository, "remote", "add", "other", "git@example.org:x.git")
    assert one(repository / "dir") == {
        "root": str(repository),
        "commit": run(repository, "rev-parse", "HEAD"),
        "branch": "main",
        "describe": "v1",
        "remotes": {"origin": "https://me:***@example.org/x.git", "other": "git@example.org:x.git"},
        "dirty": False,
    }


def test_what_the_run_wrote_is_no_dirt(repository):
    (repository / "dir" / "b é.py").write_text("changed")
    (repository / "new\nline").write_text("x")
    section = one(repository)
    assert section["dirty"]
    assert sorted(section["changes"]) == [[".M", "dir/b é.py"], ["??", "new\nline"]]
    written = os.fsencode(repository / "dir" / "b é.py")
    (settled,) = settle([section], {written})
    assert (settled["dirty"], settled["changes"]) == (False, [["??", "new\nline"]])
    (settled,) = settle([section], {os.fsencode(repository / "new\nline")})
    assert (settled["dirty"], settled["changes"]) == (True, [[".M", "dir/b é.py"]])
    assert settle([{"root": "/x", "commit": "c"}], set()) == [{"root": "/x", "commit": "c"}]


def test_a_rename_is_one_change(repository):
    run(repository, "mv", "a.py", "z.py")
    assert one(repository)["changes"] == [["R.", "z.py"]]


def test_changes_are_bounded(repository, monkeypatch):
    monkeypatch.setattr(git, "MAX_CHANGES", 1)
    (repository / "x").write_text("x")
    (repository / "y").write_text("y")
    section = one(repository)
    assert (len(section["changes"]), section["changes_left_out"]) == (1, 1)


def test_head_is_read_without_git(repository):
    commit = run(repository, "rev-parse", "HEAD")
    assert read_head(str(repository)) == (commit, "main")
    run(repository, "pack-refs", "--all")
    assert read_head(str(repository)) == (commit, "main")
    run(repository, "checkout", "-q", "--detach")
    assert read_head(str(repository)) == (commit, "")
    assert "branch" not in one(repository)
    assert read_head(str(repository.parent)) == ("", "")


def test_a_repository_without_commits(tmp_path):
    run(tmp_path, "init", "-q", "-b", "main")
    assert read_head(str(tmp_path)) == ("", "main")
    assert one(tmp_path) == {"root": str(tmp_path), "branch": "main", "dirty": False}


def test_a_linked_work_tree(repository, tmp_path):
    tree = tmp_path / "tree"
    run(repository, "worktree", "add", "-q", "-b", "side", str(tree))
    assert read_head(str(tree)) == (run(repository, "rev-parse", "HEAD"), "side")
    section = one(tree)
    assert (section["root"], section["worktree_of"]) == (str(tree), str(repository))


def test_submodules(repository, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    run(outer, "init", "-q", "-b", "main")
    run(outer, "submodule", "--quiet", "add", str(repository), "sub")
    run(outer, "commit", "-q", "-m", "with a submodule")
    commit = run(repository, "rev-parse", "HEAD")
    assert one(outer)["submodules"] == {"sub": commit}
    assert find_root(str(outer / "sub" / "dir")) == str(outer / "sub")
    assert read_head(str(outer / "sub"))[0] == commit


def test_several_paths_give_each_repository_once(repository, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    run(other, "init", "-q")
    found, _ = repositories([str(repository / "a.py"), str(repository), str(other), "/"])
    assert [section["root"] for section in found] == sorted([str(repository), str(other)])


def test_the_callers_variables_hooks_and_index_do_not_matter(repository, tmp_path):
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    run(repository, "config", "core.fsmonitor", str(hook))
    environ = {**os.environ, "GIT_DIR": "/nonexistent", "GIT_INDEX_FILE": "/nonexistent"}
    os.utime(repository / "a.py", (1, 1))  # git status would refresh the index
    before = (repository / ".git" / "index").read_bytes()
    assert one(repository, environ=environ)["dirty"] is False
    assert (repository / ".git" / "index").read_bytes() == before
    assert not (tmp_path / "ran").exists()


def test_head_as_it_was_before_the_command_is_believed(repository):
    before = read_head(str(repository))
    run(repository, "commit", "-q", "--allow-empty", "-m", "made by the command")
    assert one(repository)["commit"] != before[0]
    assert one(repository, heads={str(repository): before})["commit"] == before[0]


def test_without_git_the_files_still_tell_and_the_rest_is_a_gap(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (section,), (gap,) = repositories([str(repository)], environ={"PATH": str(tmp_path)})
    assert (section["branch"], gap.detail) == ("main", f"git in {repository}: git is not installed")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a repository away")
def test_somebody_elses_repository_is_a_gap(repository):
    for folder, _, names in os.walk(repository):
        for name in (".", *names):
            os.chown(os.path.join(folder, name), 12345, 12345)
    environ = {"PATH": os.environ["PATH"], "HOME": str(repository.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    (section,), (gap,) = repositories([str(repository)], environ=environ)
    assert section["commit"]
    assert "dirty" not in section
    assert "ownership" in gap.detail


def test_a_git_that_hangs_is_a_gap(repository, tmp_path):
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\nexec sleep 1000\n")
    fake.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
        (section,), (gap,) = repositories([str(repository)], seconds=0.2)
    assert section["commit"]
    assert "took longer than" in gap.detail


def test_a_damaged_repository_is_a_gap(repository):
    (repository / ".git" / "index").write_bytes(b"garbage")
    (section,), (gap,) = repositories([str(repository)])
    assert section["commit"]
    assert "index" in gap.detail


def test_conflicts_are_parsed():
    entry = "u UU N... 100644 100644 100644 100644 a b c name with spaces"
    assert parse_status(entry.encode() + b"\0") == ("", "", [["UU", "name with spaces"]])
