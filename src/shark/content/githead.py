"""Where a repository is, what HEAD points at, and what else its files tell at once: quick enough before the command."""

from __future__ import annotations

import os
from collections.abc import Sequence

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def is_object_name(text: str) -> bool:
    """True for SHA-1 or SHA-256 in hexadecimal."""
    return len(text) in (40, 64) and not text.strip("0123456789abcdef")


def find_root(path: str) -> str | None:
    """The work tree that `path` (absolute) lies in: itself or the nearest ancestor with a `.git`; runs no process."""
    while True:
        if git_directory(path):
            return path
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent


class Roots:
    """Finds the work trees of many paths: each directory is looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, str | None] = {}

    def of(self, path: str) -> str | None:
        """The work tree that the file `path` (absolute) lies in."""
        asked: list[str] = []
        while True:
            parent = os.path.dirname(path)
            if parent in self._known or parent == path:
                break
            asked.append(parent)
            if git_directory(parent):
                self._known[parent] = parent
                break
            path = parent
        root = self._known.get(parent)
        self._known.update(dict.fromkeys(asked, root))
        return root


def read_head(root: str) -> tuple[str, str]:
    """(commit, branch) of the work tree `root` as its files tell at once, without a git process.

    The branch is "" when HEAD is detached, the commit "" when there is none yet or the references are kept in a form
    that only git reads (reftable).
    """
    folder = git_directory(root)
    head = read_text(f"{folder}/HEAD") if folder else ""
    if not head.startswith("ref:"):
        return (head if is_object_name(head) else ""), ""
    reference = head[4:].strip()
    branch = reference.removeprefix("refs/heads/")
    if branch == ".invalid":  # what a repository with reftables has there (git-refs(1))
        return "", ""
    shared = common_directory(folder)
    for place in (folder, shared):
        commit = read_text(f"{place}/{reference}")
        if is_object_name(commit):
            return commit, branch
    return _packed(shared, reference), branch


def read_files(root: str, head: tuple[str, str] | None = None) -> dict[str, Any]:
    """What the files of the work tree `root` tell without git: `root, commit, branch, remotes, submodules,
    worktree_of`; absent what there is not. `head` is what `read_head` gave earlier.
    """
    from shark.content.gitconfig import remotes

    commit, branch = head or read_head(root)
    folder = git_directory(root)
    shared = common_directory(folder)
    section = {
        "root": root,
        "commit": commit,
        "branch": branch,
        "remotes": remotes(read_text(f"{shared}/config")) if folder else {},
        "submodules": _submodules(root),
        "worktree_of": os.path.dirname(shared) if folder and shared != folder else "",
    }
    return {key: value for key, value in section.items() if value}


def common_directory(folder: str) -> str:
    """The directory with references and settings: a linked work tree has the main one's (gitrepository-layout(5))."""
    common = read_text(f"{folder}/commondir") if folder else ""
    return os.path.normpath(os.path.join(folder, common)) if common else folder


def runs_programs(root: str) -> bool:
    """Whether the repository's own settings name filters, which git status runs, or further files of settings."""
    import re

    folder = git_directory(root)
    texts = (
        read_text(f"{place}/{name}")
        for place, name in ((common_directory(folder), "config"), (folder, "config.worktree"))
    )
    return any(re.search(r"(?im)^\s*\[\s*(?:filter|include|includeif)\b", text) for text in texts)


def _packed(folder: str, reference: str) -> str:
    for line in read_text(f"{folder}/packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference and is_object_name(commit):
            return commit
    return ""


def _submodules(root: str) -> dict[str, str]:
    """Path → checked-out commit of the submodules that .gitmodules names (gitmodules(5)) and that are checked out."""
    text = read_text(f"{root}/.gitmodules")
    if not text:
        return {}
    import re

    paths: Sequence[str] = re.findall(r"^\s*path\s*=\s*(.+?)\s*$", text, re.MULTILINE)
    heads = {path: read_head(os.path.join(root, path))[0] for path in paths}
    return {path: commit for path, commit in heads.items() if commit}


def git_directory(root: str) -> str:
    """The directory with HEAD: `.git`, or where the file `.git` of a worktree or submodule points; "" without one."""
    place = f"{root.rstrip('/')}/.git"
    try:
        os.lstat(place)
    except (OSError, ValueError):
        return ""
    if os.path.isfile(place):
        pointer = read_text(place)
        if not pointer.startswith("gitdir:"):
            return ""
        place = os.path.normpath(os.path.join(root, pointer[7:].strip()))
    return place if os.path.exists(f"{place}/HEAD") else ""


def read_text(file: str) -> str:
    """A small file's text, stripped; "" if it cannot be read."""
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().strip()
    except (OSError, ValueError):
        return ""
