"""Where a repository is and what HEAD points at, from its files alone: quick enough before the command starts."""

from __future__ import annotations

import os
import re

SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
"""An object name: SHA-1 or SHA-256 in hexadecimal."""


def find_root(path: str) -> str | None:
    """The work tree that `path` (absolute) lies in: itself or the nearest ancestor with a `.git`; runs no process."""
    while True:
        if git_directory(path):
            return path
        parent = os.path.dirname(path)
        if parent == path:
            return None
        path = parent


def read_head(root: str) -> tuple[str, str]:
    """(commit, branch) of the work tree `root` as its files tell at once, without a git process.

    The branch is "" when HEAD is detached, the commit "" when there is none yet or the references are kept in a form
    that only git reads (reftable).
    """
    folder = git_directory(root)
    head = read_text(f"{folder}/HEAD") if folder else ""
    if not head.startswith("ref:"):
        return (head if SHA.fullmatch(head) else ""), ""
    reference = head[4:].strip()
    branch = reference.removeprefix("refs/heads/")
    common = read_text(
        f"{folder}/commondir"
    )  # a worktree shares its references with the main one (gitrepository-layout(5))
    shared = os.path.normpath(os.path.join(folder, common)) if common else folder
    for place in (folder, shared):
        commit = read_text(f"{place}/{reference}")
        if SHA.fullmatch(commit):
            return commit, branch
    return _packed(shared, reference), branch


def _packed(folder: str, reference: str) -> str:
    for line in read_text(f"{folder}/packed-refs").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference and SHA.fullmatch(commit):
            return commit
    return ""


def git_directory(root: str) -> str:
    """The directory with HEAD: `.git`, or where the file `.git` of a worktree or submodule points; "" without one."""
    place = f"{root.rstrip('/')}/.git"
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
    except OSError:
        return ""
