"""git: clone and commit of a local repository; a run inside a work tree leaves git's view of it alone."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from harness import Run, World, attached, digest, need, sha256
from real.packages import deb

IDENTITY = {
    f"GIT_{who}_{what}": f"{what.lower()}@example" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
}


@pytest.fixture
def repository(world: World) -> Callable[..., str]:
    """`repository(*arguments)` runs git in work/origin, which has one commit of data.csv."""
    need("git")
    world.env.update(IDENTITY)

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(world.work / "origin"), *arguments]
        return subprocess.run(command, env=world.env, stdout=subprocess.PIPE, check=True, text=True).stdout

    world.write("origin/data.csv", "x\n1\n")
    git("init", "--quiet", "--initial-branch=main")
    git("add", "data.csv")
    git("commit", "--quiet", "-m", "first")
    return git


def test_clone(shark_run: Callable[..., Run], world: World, repository: Callable[..., str]) -> None:
    """A clone's work tree is an output, with digests; what lies in .git is cache, and gets no manifest."""
    run = shark_run(["git", "clone", "--quiet", "origin", "clone"])
    assert run.status == 0, run.stderr
    visible = {name: sha for name, sha in run.outputs.items() if "/.git/" not in name}
    assert visible == {"clone/data.csv": sha256(world.work / "clone/data.csv")}
    assert attached(world.work / "clone/data.csv")
    assert run.inputs("clone/data.csv") == {}
    inside = [path for path in (world.work / "clone/.git").rglob("*") if path.is_file()]
    assert inside
    assert [path for path in inside if attached(path)] == []
    assert run.software["deb", "git"] == deb("git")
    assert repository("status", "--porcelain") == ""


def test_commit(shark_run: Callable[..., Run], world: World, repository: Callable[..., str]) -> None:
    """git add and commit read the work tree, and write only into .git."""
    world.write("origin/data.csv", "x\n1\n2\n")
    run = shark_run(["sh", "-c", "git add -A && git commit --quiet -m second"], cwd=world.work / "origin")
    assert run.status == 0, run.stderr
    assert repository("log", "--format=%s") == "second\nfirst\n"
    assert repository("status", "--porcelain") == ""
    assert "origin/data.csv" in run.reads
    assert [name for name in run.outputs if "/.git/" not in name] == []
    assert repository("fsck", "--strict") == ""


def test_a_run_in_a_work_tree(shark_run: Callable[..., Run], world: World, repository: Callable[..., str]) -> None:
    """The manifest names commit and branch; `git status` shows the outputs, and nothing of shark's."""
    run = shark_run(["cp", "data.csv", "copy.csv"], cwd=world.work / "origin")
    assert run.status == 0, run.stderr
    [git] = run.manifest("origin/copy.csv")["git"]
    assert git["root"] == f"{world.work}/origin"
    assert git["commit"] == repository("rev-parse", "HEAD").strip()
    assert git["branch"] == "main"
    assert repository("status", "--porcelain") == "?? copy.csv\n"
    assert run.inputs("origin/copy.csv") == {"origin/data.csv": digest(b"x\n1\n")}
