import os
import shutil
import subprocess
import time

import pytest

from shark.content import git
from shark.content.git import Repository, find_root, parse_status, read_head, repositories
from shark.content.gitpatch import split
from shark.content.gitsettled import settle

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
    with Repository(str(repository), environ, foreign=True) as elsewhere:  # shared software, kept by somebody else
        for _ in elsewhere.ask(time.monotonic() + 60):
            pass
    assert elsewhere.gaps == []
    assert "ownership" in elsewhere.section["why"]


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


def asked(root, code=()):
    """The repository after it was asked everything, without trouble."""
    with Repository(str(root), {"PATH": os.environ["PATH"], "HOME": str(root.parent)}) as repository:
        for _ in repository.ask(time.monotonic() + 60):
            pass
        repository.add_code([str(path) for path in code], time.monotonic() + 60)
    assert repository.gaps == []
    return repository


def patch(root, written=(), code=()):
    """What would be kept as the patch of a repository, and the section."""
    repository = asked(root, code)
    kept = []
    [section] = settle(
        [repository.section],
        set(map(os.fsencode, written)),
        {str(root): repository.parts},
        kept.append,
    )
    return (kept[0] if kept else b""), section


def restored(root, text, to):
    """A fresh checkout of HEAD at `to`, with the patch applied."""
    if read_head(str(root))[0]:
        run(root, "worktree", "add", "-q", "--detach", str(to))
    else:
        to.mkdir()
        run(to, "init", "-q")
    (to.parent / "patch").write_bytes(text)
    run(to, "apply", "--whitespace=nowarn", "--index", str(to.parent / "patch"))
    return to


def files(root):
    """Path below root to content and permission of all files but git's."""
    found = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != ".git"]
        for name in names:
            path = os.path.join(folder, name)
            if name != ".git":
                content = os.readlink(path) if os.path.islink(path) else open(path, "rb").read()  # noqa: SIM115
                found[os.path.relpath(path, root)] = content, os.access(path, os.X_OK)
    return found


def test_a_patch_restores_all_that_is_not_committed(repository, tmp_path):
    """Changed, staged, removed, renamed, binary, made executable, new: applied to the commit it gives the same tree."""
    for name in ("gone.py", "staged.py", "mode.sh", "moved.py"):
        (repository / name).write_text("1\n2\n")
    (repository / "image.png").write_bytes(bytes(range(256)) * 9)
    (repository / "dir" / "no end.py").write_text("no newline")
    run(repository, "add", ".")
    run(repository, "commit", "-q", "-m", "second")
    (repository / "a.py").write_text("diff --git a/a.py b/a.py\n")
    (repository / "gone.py").unlink()
    (repository / "staged.py").write_text("staged\n")
    (repository / "fresh.c").write_text("staged and new\n")
    run(repository, "add", "staged.py", "fresh.c")
    (repository / "staged.py").write_text("staged and changed again\n")
    (repository / "mode.sh").chmod(0o755)
    run(repository, "mv", "moved.py", "elsewhere.py")
    (repository / "image.png").write_bytes(bytes(range(255, -1, -1)) * 7)
    (repository / "dir" / "no end.py").write_text("still no newline")
    (repository / "untracked").mkdir()
    (repository / "untracked" / "odd\tname.R").write_text("x <- 1\n")
    (repository / "link.py").symlink_to("a.py")
    text, section = patch(repository)
    assert section["dirty"]
    assert "patch_left_out" not in section
    assert files(restored(repository, text, tmp_path / "fresh")) == files(repository)


def test_a_repository_without_commits_has_a_patch_too(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    run(root, "init", "-q", "-b", "main")
    (root / "a.py").write_text("a\n")
    (root / "b.py").write_text("b\n")
    run(root, "add", "a.py")
    text, section = patch(root)
    assert (section["dirty"], "commit" in section) == (True, False)
    assert files(restored(root, text, tmp_path / "fresh")) == files(root)


def test_a_clean_tree_has_no_patch(repository):
    assert patch(repository)[0] == b""


def test_what_the_run_wrote_is_in_no_patch(repository):
    (repository / "a.py").write_text("mine")
    (repository / "dir" / "b é.py").write_text("the run's")
    (repository / "made.py").write_text("the run's")
    text, section = patch(repository, [repository / "dir" / "b é.py", repository / "made.py"])
    assert [part.path for part in split(text)] == ["a.py"]
    assert section["changes"] == [[".M", "a.py"]]
    text, section = patch(repository, [repository / "dir" / "b é.py", repository / "made.py", repository / "a.py"])
    assert (text, section["dirty"], "patch_sha256" in section) == (b"", False, False)


def test_untracked_files_are_in_the_patch_if_they_are_code_and_not_ignored(repository):
    (repository / ".gitignore").write_text("*.tmp.py\n")
    for name in ("new.R", "x.tmp.py", "table.csv", "tool", "unused", "secrets.py", ".env"):
        (repository / name).write_text("x\n")
    (repository / "token.py").write_text("t = 'ghp_0123456789abcdefghijABCDEFGHIJ'\n")
    (repository / "large.py").write_text("x" * (git.MAX_NEW_FILE + 1))
    (repository / "binary.py").write_bytes(b"a\0b")
    os.mkfifo(repository / "fifo.py")
    text, section = patch(repository, code=[repository / "tool", repository / "new.R", repository / "x.tmp.py"])
    assert [part.path for part in split(text)] == ["new.R", "tool"]
    assert {path for path, _ in section["patch_left_out"]} == {"secrets.py", "token.py", "large.py", "binary.py"}
    assert b"ghp_" not in text
    assert section["dirty"] is False


def test_the_users_settings_change_nothing_in_a_patch(repository, tmp_path):
    (repository / "a.py").write_text("changed\n")
    before, _ = patch(repository)
    for key, value in {
        "diff.noprefix": "true", "diff.mnemonicPrefix": "true", "color.ui": "always", "diff.external": "false",
        "diff.context": "0", "core.quotePath": "true", "diff.relative": "true", "diff.submodule": "log",
        "core.pager": "false", "diff.renames": "copies", "status.showUntrackedFiles": "no", "core.abbrev": "4",
        "diff.algorithm": "patience", "status.relativePaths": "true", "diff.ignoreSubmodules": "all",
        "diff.interHunkContext": "9", "diff.suppressBlankEmpty": "true", "diff.wordRegex": ".", "status.short": "true",
    }.items():  # fmt: skip
        run(repository, "config", key, value)
    (repository / ".git" / "info" / "attributes").write_text("*.py diff=mine\n")
    run(repository, "config", "diff.mine.textconv", "false")
    run(repository, "config", "diff.mine.command", "false")
    assert patch(repository)[0] == before != b""


def test_a_submodule_that_is_at_another_commit_is_a_change_and_has_its_own_patch(repository, tmp_path):
    outer = tmp_path / "outer"
    outer.mkdir()
    run(outer, "init", "-q", "-b", "main")
    run(outer, "submodule", "--quiet", "add", str(repository), "sub")
    run(outer, "commit", "-q", "-m", "with a submodule")
    (outer / "sub" / "a.py").write_text("changed\n")
    text, section = patch(outer)
    assert (section["dirty"], text) == (True, b"")
    text, section = patch(outer / "sub")
    assert (section["root"], [part.path for part in split(text)]) == (str(outer / "sub"), ["a.py"])
    run(outer / "sub", "commit", "-q", "-a", "-m", "ahead")
    assert b"+Subproject commit " + run(outer / "sub", "rev-parse", "HEAD").encode() in patch(outer)[0]


def test_the_patch_is_against_the_commit_from_before_the_command(repository):
    before = read_head(str(repository))
    (repository / "a.py").write_text("changed\n")
    run(repository, "commit", "-q", "-a", "-m", "made by the command")
    (repository / "a.py").write_text("changed again\n")
    with Repository(str(repository), None, before) as asking:
        for _ in asking.ask(time.monotonic() + 60):
            pass
    [part] = asking.parts
    assert b"-a\n" in part.text
    assert b"+changed again\n" in part.text


def test_a_conflict_is_in_the_patch_as_it_stands(repository, tmp_path):
    run(repository, "checkout", "-q", "-b", "side")
    (repository / "a.py").write_text("theirs\n")
    run(repository, "commit", "-q", "-a", "-m", "side")
    run(repository, "checkout", "-q", "main")
    (repository / "a.py").write_text("ours\n")
    run(repository, "commit", "-q", "-a", "-m", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        run(repository, "merge", "side")
    text, section = patch(repository)
    assert section["changes"] == [["UU", "a.py"]]
    assert files(restored(repository, text, tmp_path / "fresh")) == files(repository)


def test_a_repository_with_sha256_and_reftables(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    run(root, "init", "-q", "-b", "main", "--object-format=sha256")
    (root / "a.py").write_text("a\n")
    run(root, "add", ".")
    text, _ = patch(root)
    assert [part.path for part in split(text)] == ["a.py"]
    run(root, "commit", "-q", "-m", "first")
    assert len(asked(root).section["commit"]) == 64


def test_sidecars_of_shark_are_no_changes(repository):
    (repository / ".plot.png.shark").write_text("{}")
    assert "changes" not in asked(repository).section


def test_many_changes_do_not_hide_that_the_tree_is_dirty(repository, monkeypatch):
    monkeypatch.setattr(git, "MAX_CHANGES", 1)
    (repository / "a.py").write_text("x")
    (repository / "0").write_text("x")
    (repository / "dir" / "b é.py").write_text("x")
    section = one(repository)
    [settled] = settle([section], {os.fsencode(repository / "a.py")})
    assert (settled["dirty"], settled["changes_left_out"], "dirt_left_out" in settled) == (True, 2, False)
    run(repository, "checkout", "-q", "dir")
    assert not settle([one(repository)], {os.fsencode(repository / "a.py")})[0]["dirty"]


@pytest.mark.parametrize("where", ["config", "config.worktree", "include"])
def test_reading_code_runs_no_program_that_its_repository_names(repository, tmp_path, where):
    """A downloaded repository must not get its filters run because some file in it was read."""
    (tmp_path / "more").write_text(f'[filter "x"]\n\tclean = touch {tmp_path}/ran; cat\n')
    (repository / ".gitattributes").write_text("*.py filter=x\n")
    os.utime(repository / "a.py", (1, 1))
    run(repository, "config", "extensions.worktreeConfig", "true")
    added = f"[include]\n\tpath = {tmp_path}/more\n" if where == "include" else (tmp_path / "more").read_text()
    with open(repository / ".git" / ("config" if where == "include" else where), "a") as file:
        file.write(added)
    with Repository(str(repository), foreign=True) as elsewhere:
        for _ in elsewhere.ask(time.monotonic() + 60):
            pass
        elsewhere.add_code([str(repository / "a.py")], time.monotonic() + 60)
    assert not (tmp_path / "ran").exists()
    assert (elsewhere.gaps, elsewhere.parts, "dirty" in elsewhere.section) == ([], [], False)
    assert elsewhere.section["why"] == "its own settings name programs that git would run"
    assert elsewhere.section["commit"]
    assert "dirty" in one(repository)
    assert (tmp_path / "ran").exists()  # the working directory's own are run, as by any git status there
