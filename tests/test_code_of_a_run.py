"""What a run's record says of the code: repositories, commits, patches; and that git costs the command nothing."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import Run, World, digest, need

SharkRun = Callable[..., Run]
Git = Callable[..., str]
IDENTITY = {f"GIT_{who}_{what}": "x@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def git(world: World) -> Git:
    """`git(DIRECTORY, *arguments)` runs git there, below the working directory."""
    need("git")

    def run(place: str, *arguments: str, stdin: bytes = b"") -> str:
        command = ["git", "-C", str(world.work / place), *arguments]
        done = subprocess.run(command, env={**world.env, **IDENTITY}, input=stdin, stdout=subprocess.PIPE, check=True)
        return done.stdout.decode().strip()

    return run


@pytest.fixture
def repository(world: World, git: Git) -> Path:
    """work/repo: one commit of make.sh, which writes `out`, and of notes.md and table.csv."""
    world.write("repo/make.sh", "#!/bin/sh\necho first > out\n", mode=0o755)
    world.write("repo/notes.md", "notes\n")
    world.write("repo/table.csv", "x\n1\n")
    git("repo", "init", "-q", "-b", "main")
    git("repo", "add", ".")
    git("repo", "commit", "-q", "-m", "first")
    return world.work / "repo"


def show_patch(world: World, run: Run) -> bytes:
    """What `shark show --patch` writes for the run."""
    command = [*world.shark, "show", "--patch", run.record["id"]]
    return subprocess.run(command, env=world.env, stdout=subprocess.PIPE, check=True).stdout


def test_a_dirty_tree_is_recorded_with_its_patch(
    shark_run: SharkRun, world: World, git: Git, repository: Path, mode: str
) -> None:
    """Commit, branch, remote, what is not committed: in the record and on the output; the patch gives the code back."""
    git("repo", "remote", "add", "origin", "https://me:hunter2@example.org/x.git")
    git("repo", "tag", "v1")
    world.write("repo/make.sh", "#!/bin/sh\n. ./part.sh\n", mode=0o755)
    world.write("repo/part.sh", "echo second > out\n")
    world.write("repo/notes.md", "staged\n")
    git("repo", "add", "notes.md")
    run = shark_run(["./make.sh"], cwd=repository)
    assert run.status == 0, run.stderr
    [section] = run.record["git"]
    assert {key: section[key] for key in ("root", "commit", "branch", "describe", "remotes", "dirty")} == {
        "root": str(repository),
        "commit": git("repo", "rev-parse", "HEAD"),
        "branch": "main",
        "describe": "v1",
        "remotes": {"origin": "https://me:***@example.org/x.git"},
        "dirty": True,
    }
    assert section["changes"] == [[".M", "make.sh"], ["M.", "notes.md"], ["??", "part.sh"]]
    [manifested] = run.manifest("repo/out")["git"]
    assert manifested == {key: value for key, value in section.items() if key != "changes"}
    patch = show_patch(world, run)
    assert digest(patch) == section["patch_sha256"] == manifested["patch_sha256"]
    git(".", "clone", "-q", "repo", "again")
    git("again", "apply", "-", stdin=patch)
    for name in ("make.sh", "part.sh", "notes.md", "table.csv"):
        assert (world.work / "again" / name).read_bytes() == (repository / name).read_bytes()


def test_equal_patches_are_kept_once(shark_run: SharkRun, world: World, repository: Path) -> None:
    """Two runs of the same uncommitted code share one object."""
    world.write("repo/make.sh", "#!/bin/sh\necho another > out\n", mode=0o755)
    first, second = (shark_run(["./make.sh"], cwd=repository) for _ in range(2))
    assert first.record["git"][0]["patch_sha256"] == second.record["git"][0]["patch_sha256"]
    assert len([path for path in world.store.glob("objects/*/*") if path.is_file()]) == 1


def test_what_the_run_itself_wrote_is_no_dirt(shark_run: SharkRun, world: World, git: Git, repository: Path) -> None:
    """A run that overwrites, appends to, removes and renames tracked files leaves its own code clean."""
    for name in ("append.csv", "gone.csv", "old.csv", "new.csv"):
        world.write(f"repo/{name}", "x\n")
    git("repo", "add", ".")
    git("repo", "commit", "-q", "-m", "second")
    script = "echo a > table.csv; echo b >> append.csv; rm gone.csv; mv old.csv new.csv; echo c > made.sh; sleep 0.3"
    run = shark_run(["sh", "-c", script], cwd=repository)
    [section] = run.record["git"]
    assert section["dirty"] is False
    assert "patch_sha256" not in section
    assert section.get("changes", []) == []
    assert len(git("repo", "status", "--porcelain").splitlines()) == 5


def test_code_outside_of_the_working_directory(shark_run: SharkRun, world: World, git: Git, repository: Path) -> None:
    """The repository of a script that lies elsewhere is told too, whoever reads it and however."""
    world.write("lib/part.sh", "echo part > part\n")
    git("lib", "init", "-q", "-b", "side")
    run = shark_run(["sh", "-c", "sh repo/make.sh; . lib/part.sh; cat repo/table.csv lib/absent"])
    assert [(section["root"], section["branch"], section["dirty"]) for section in run.record["git"]] == [
        (str(world.work / "lib"), "side", False),
        (str(repository), "main", False),
    ]
    assert b"+echo part > part" in show_patch(world, run)


def test_the_working_directory_comes_first(shark_run: SharkRun, world: World, git: Git, repository: Path) -> None:
    """Wherever the others lie, `git[0]` is the repository in which the command ran."""
    others = [str(world.work / name) for name in ("a", "z")]
    for root in others:
        world.write(f"{root}/part.sh", "echo part > part\n")
        git(root, "init", "-q")
    script = f". {others[1]}/part.sh; . {others[0]}/part.sh"
    run = shark_run(["sh", "-c", script])
    assert [section["root"] for section in run.record["git"]] == others
    run = shark_run(["sh", "-c", script], cwd=repository)
    assert [section["root"] for section in run.record["git"]] == [str(repository), *others]
    world.write("repo/deps/part.sh", "echo part > part\n")
    git("repo/deps", "init", "-q")
    run = shark_run(["sh", "-c", ". ../make.sh; . ./part.sh"], cwd=repository / "deps")
    assert [section["root"] for section in run.record["git"]] == [str(repository / "deps"), str(repository)]


def test_data_of_a_repository_elsewhere_asks_no_git(shark_run: SharkRun, repository: Path) -> None:
    """Only code leads to a repository; without any there is no section at all."""
    run = shark_run(["cat", "repo/table.csv"])
    assert "git" not in run.record
    assert run.gaps == set()


def test_head_is_the_one_from_before_the_command(shark_run: SharkRun, world: World, git: Git, repository: Path) -> None:
    """What the command commits is its result, not its code."""
    before = git("repo", "rev-parse", "HEAD")
    world.env.update(IDENTITY)
    run = shark_run(["git", "commit", "-q", "--allow-empty", "-m", "by the run"], cwd=repository)
    assert run.status == 0, run.stderr
    assert git("repo", "rev-parse", "HEAD") != before
    assert run.record["git"][0]["commit"] == before


@pytest.mark.parametrize("how", ["detached", "worktree", "submodule", "unborn"])
def test_other_kinds_of_work_trees(shark_run: SharkRun, world: World, git: Git, repository: Path, how: str) -> None:
    """A detached HEAD, a linked work tree, a submodule, a repository without commits."""
    commit = git("repo", "rev-parse", "HEAD")
    root, expected = repository, {"commit": commit, "branch": "main"}
    if how == "detached":
        git("repo", "checkout", "-q", "--detach")
        expected = {"commit": commit}
    elif how == "worktree":
        git("repo", "worktree", "add", "-q", "-b", "side", "../tree")
        root, expected = world.work / "tree", {"commit": commit, "branch": "side", "worktree_of": str(repository)}
    elif how == "submodule":
        world.write("outer/x", "x")
        git("outer", "init", "-q", "-b", "main")
        git("outer", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(repository), "sub")
        root = world.work / "outer" / "sub"
    else:
        world.write("empty/make.sh", "echo > out\n")
        git("empty", "init", "-q", "-b", "trunk")
        root, expected = world.work / "empty", {"branch": "trunk"}
    run = shark_run(["sh", "make.sh"], cwd=root)
    [section] = run.record["git"]
    told = {key: section[key] for key in ("commit", "branch", "worktree_of") if key in section}
    assert (section["root"], told, section["dirty"]) == (str(root), expected, False)
    assert run.gaps == set()


def fake_git(world: World, text: str) -> dict[str, str]:
    """An environment in which `git` is this shell script."""
    world.write("bin/git", f"#!/bin/sh\n{text}\n", mode=0o755)
    return {"PATH": f"{world.work / 'bin'}:{world.env['PATH']}"}


@pytest.mark.serial
def test_a_huge_repository_delays_nothing(shark_run: SharkRun, world: World, repository: Path) -> None:
    """Of a git that takes for ever, what its files tell is recorded, and the rest is a gap 2 s after the end."""
    environ = fake_git(world, "exec sleep 1000")
    begin = time.monotonic()
    run = shark_run(["./make.sh"], cwd=repository, env=environ)
    assert time.monotonic() - begin < 10
    assert (run.status, run.outputs["repo/out"]) == (0, digest(b"first\n"))
    [section] = run.record["git"]
    assert (section["branch"], "dirty" in section) == ("main", False)
    [gap] = run.record["coverage"]["gaps"]
    assert re.fullmatch(rf"context \(git in {repository}\): not known [2-9] s after the command ended", gap["detail"])
    assert run.record["command"]["seconds"] < 1
    assert run.manifest("repo/out")["git"][0]["commit"] == section["commit"]


def test_a_long_command_gives_git_the_time_that_it_needs(shark_run: SharkRun, world: World, repository: Path) -> None:
    """A git that takes longer than the limit is no gap where the command takes longer still: it works beside it."""
    environ = fake_git(world, f'sleep 0.5; exec {subprocess.check_output(["which", "git"], text=True).strip()} "$@"')
    world.write("repo/make.sh", "#!/bin/sh\nsleep 1.5\n", mode=0o755)
    begin = time.monotonic()
    run = shark_run(["./make.sh"], cwd=repository, env=environ)
    assert run.gaps == set()
    assert run.record["git"][0]["dirty"] is True
    assert time.monotonic() - begin < 20


def test_without_git_its_files_tell(shark_run: SharkRun, world: World, git: Git, repository: Path) -> None:
    """Where git is not installed the commit is known all the same, and the rest is a gap."""
    (world.work / "bin").mkdir()
    for name in ("sh", "cat"):
        (world.work / "bin" / name).symlink_to(f"/bin/{name}")
    run = shark_run(["sh", "make.sh"], cwd=repository, env={"PATH": str(world.work / "bin")})
    assert run.status == 0, run.stderr
    assert run.record["git"] == [
        {"root": str(repository), "commit": git("repo", "rev-parse", "HEAD"), "branch": "main"}
    ]
    assert [gap["detail"] for gap in run.record["coverage"]["gaps"]] == [f"git in {repository}: git is not installed"]


def test_nothing_of_the_repository_is_run_or_changed(
    shark_run: SharkRun, world: World, git: Git, repository: Path
) -> None:
    """No hook, no fsmonitor, no refreshed index, no lock."""
    world.write("hook", f"#!/bin/sh\necho $0 >> {world.work}/ran\n", mode=0o755)
    git("repo", "config", "core.fsmonitor", str(world.work / "hook"))
    for name in ("post-index-change", "fsmonitor-watchman"):
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
        (repository / ".git" / "hooks" / name).symlink_to(world.work / "hook")
    os.utime(repository / "table.csv", (1, 1))
    index = (repository / ".git" / "index").read_bytes()
    run = shark_run(["./make.sh"], cwd=repository)
    assert run.record["git"][0]["dirty"] is False
    assert (repository / ".git" / "index").read_bytes() == index
    assert not (world.work / "ran").exists()


def test_a_patch_goes_with_the_last_run_that_needs_it(shark_run: SharkRun, world: World, repository: Path) -> None:
    """Forgetting one of two runs of the same code keeps the patch; forgetting both removes it."""
    world.write("repo/make.sh", "#!/bin/sh\necho another > out\n", mode=0o755)
    runs = [shark_run(["./make.sh"], cwd=repository).record["id"] for _ in range(2)]
    for run, left in zip(runs, (1, 0), strict=True):
        subprocess.run([*world.shark, "forget", run], env=world.env, check=True, stdout=subprocess.PIPE)
        assert len([path for path in world.store.glob("objects/*/*") if path.is_file()]) == left


def test_the_surroundings_are_in_the_record(shark_run: SharkRun, world: World) -> None:
    """A job of a scheduler, of CI and of a workflow engine at once; and without their variables none of them."""
    job = {"SLURM_JOB_ID": "2051", "SLURM_ARRAY_TASK_ID": "3", "SLURM_PROCID": "1", "SLURM_STEP_ID": "0"}
    ci = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "octocat/fish", "GITHUB_RUN_ID": "7", "GITHUB_SHA": "ffac"}
    task = {"AIRFLOW_CTX_DAG_ID": "etl", "AIRFLOW_CTX_TASK_ID": "fit"}
    run = shark_run(["sh", "-c", "echo > out"], env={**job, **ci, **task})
    sections = {
        "scheduler": {"system": "slurm", "job": "2051", "array_index": "3", "rank": "1", "step": "0"},
        "workflow": {"system": "airflow", "workflow": "etl", "task": "fit"},
        "ci": {"system": "github", "repository": "octocat/fish", "commit": "ffac", "run": "7",
               "url": "https://github.com/octocat/fish/actions/runs/7"},
    }  # fmt: skip
    assert {key: run.record[key] for key in sections} == sections
    assert {key: run.manifest("out")[key] for key in sections} == sections
    plain = {key: world.env[key] for key in ("PATH", "HOME", "SHARK_HOME", "XDG_CACHE_HOME", "SHARK_TEST_TOKEN")}
    plain |= {"PYTHONPATH": world.env["PYTHONPATH"]} if "PYTHONPATH" in world.env else {}
    world.env.clear()
    world.env.update(plain)
    bare = shark_run(["true"])
    assert not {"scheduler", "workflow", "ci", "git"} & set(bare.record)
    assert bare.record["host"]["locale"] == "C"


class TestRequireClean:
    """--require-clean refuses before the command starts; nothing else ever does."""

    def test_a_clean_tree_runs(self, shark_run: SharkRun, world: World, repository: Path) -> None:
        """An untracked file is no dirt."""
        world.write("repo/untracked", "x")
        run = shark_run(["./make.sh"], "--require-clean", cwd=repository)
        assert (run.status, set(run.outputs)) == (0, {"repo/out"})

    @pytest.mark.parametrize("staged", [False, True])
    def test_a_dirty_tree_is_refused(
        self, shark_run: SharkRun, world: World, git: Git, repository: Path, staged: bool
    ) -> None:
        """With 125, the name of what is not committed, and nothing done."""
        world.write("repo/notes.md", "changed\n")
        if staged:
            git("repo", "add", "notes.md")
        run = shark_run(["./make.sh"], "--require-clean", cwd=repository)
        assert (run.status, run.record, (repository / "out").exists()) == (125, {}, False)
        assert (
            f"shark: --require-clean: {repository} has changes that are not committed: notes.md\n"
            in run.stderr.decode()
        )

    def test_where_it_cannot_be_told_it_is_refused(self, shark_run: SharkRun, world: World, repository: Path) -> None:
        """Outside of a repository, and where git does not work."""
        run = shark_run(["true"], "--require-clean")
        assert (run.status, b"is in no git repository" in run.stderr) == (125, True)
        run = shark_run(["true"], "--require-clean", cwd=repository, env=fake_git(world, "echo broken >&2; exit 3"))
        assert (run.status, b"it is not known whether all is committed" in run.stderr) == (125, True)
        assert b"broken" in run.stderr
