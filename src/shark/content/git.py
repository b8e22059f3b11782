"""What git knows of the code: repository, commit, branch, remotes, dirt; read without changing or waiting for anything.

git is run without optional locks, hooks, fsmonitor, prompts or lazy fetches, and without the GIT_* variables of the
caller (a hook's GIT_DIR would name another repository). What goes wrong becomes a gap's text.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from shark.content.commands import run_limited
from shark.content.githead import SHA, find_root, git_directory, read_head, read_text
from shark.content.masking import mask_text
from shark.values import Gap

__all__ = ["MAX_CHANGES", "find_root", "parse_status", "read_head", "repositories", "settle"]

MAX_CHANGES = 10_000
"""How many changed paths of a repository are kept; `changes_left_out` counts the rest."""

_OPTIONS = (
    "--no-optional-locks",
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.quotePath=false"),
    *("-c", "color.ui=false"),
)
_KEPT = frozenset({"GIT_CEILING_DIRECTORIES", "GIT_EXEC_PATH", "GIT_CONFIG_NOSYSTEM"})


def repositories(
    paths: Iterable[str],
    *,
    environ: Mapping[str, str] | None = None,
    heads: Mapping[str, tuple[str, str]] | None = None,
    seconds: float = 20.0,
) -> tuple[list[dict[str, Any]], list[Gap]]:
    """What is known of the repositories in which `paths` lie, and the gaps; all within about `seconds`.

    Each has `root`, and where there is such: `commit, branch, describe, remotes` (credentials masked), `submodules`
    (path → commit), `worktree_of`, `dirty`, `changes` ([state as in `git status --porcelain`, path below root];
    `settle` makes the final `dirty` of it). `heads` are commits and branches that `read_head` read earlier: they are
    believed.
    """
    until = time.monotonic() + seconds
    found: list[dict[str, Any]] = []
    gaps: list[Gap] = []
    for root in sorted({root for path in paths if (root := find_root(os.path.abspath(path)))}):
        commit, branch = (heads or {}).get(root) or read_head(root)
        section, trouble = _repository(root, commit, branch, _environment(environ), until)
        found.append(section)
        gaps += [Gap("other", f"git in {root}: {text}") for text in trouble]
    return found, gaps


def _environment(environ: Mapping[str, str] | None) -> dict[str, str]:
    kept = {k: v for k, v in (os.environ if environ is None else environ).items() if k[:4] != "GIT_" or k in _KEPT}
    return {
        **kept,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ASKPASS": "true",
    }


def _repository(
    root: str, commit: str, branch: str, environ: Mapping[str, str], until: float
) -> tuple[dict[str, Any], list[str]]:
    section: dict[str, Any] = {"root": root}
    trouble: list[str] = []

    def ask(*arguments: str) -> bytes | None:
        left = until - time.monotonic()
        if left <= 0:
            trouble.append(f"no time was left for git {arguments[0]}")
            return None
        status, output, errors = run_limited(["git", "-C", root, *_OPTIONS, *arguments], seconds=left, environ=environ)
        if status == 0:
            return output
        if status != 1 or errors:
            trouble.append(mask_text(errors.strip().split("\n", 1)[0][:300]) or f"git {arguments[0]} failed")
        return None

    status = ask("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--ignore-submodules=none")
    if status is not None:
        seen_commit, seen_branch, changes = parse_status(status)
        if not commit and not branch:
            commit, branch = seen_commit, seen_branch
        elif not commit and branch == seen_branch:
            commit = seen_commit
        section.update(dirty=any(state != "??" for state, _ in changes), changes=changes[:MAX_CHANGES])
        if len(changes) > MAX_CHANGES:
            section["changes_left_out"] = len(changes) - MAX_CHANGES
        section.update(remotes=_remotes(ask("config", "-z", "--get-regexp", r"^remote\..*\.url$") or b""))
        if commit:
            section.update(describe=os.fsdecode(ask("describe", "--always", "--tags", commit) or b"").strip())
    section.update(commit=commit, branch=branch, submodules=_submodules(root), worktree_of=_main_work_tree(root))
    return {key: value for key, value in section.items() if value or value is False}, trouble[:1]


def parse_status(output: bytes) -> tuple[str, str, list[list[str]]]:
    """(commit, branch, changes) of `git status --porcelain=v2 --branch -z` (git-status(1)).

    A change is [two letters of state, path below the root]; untracked ones have "??". A renamed path is told by its new
    name.
    """
    commit = branch = ""
    changes: list[list[str]] = []
    entries = iter(output.decode("utf-8", "surrogateescape").split("\0"))
    for entry in entries:
        kind = entry[:2]
        if entry.startswith("# branch.oid "):
            commit = entry[13:] if SHA.fullmatch(entry[13:]) else ""
        elif entry.startswith("# branch.head "):
            branch = "" if entry[14:] == "(detached)" else entry[14:]
        elif kind == "? ":
            changes.append(["??", entry[2:]])
        elif kind in ("1 ", "2 ", "u "):
            columns = {"1 ": 8, "2 ": 9, "u ": 10}[kind]
            fields = entry.split(" ", columns)
            changes.append([fields[1], fields[-1]])
            if kind == "2 ":
                next(entries, None)  # the former name
    return commit, branch, changes


def settle(sections: Iterable[Mapping[str, Any]], written: Container[bytes]) -> list[dict[str, Any]]:
    """The sections as they shall be recorded: what the run itself wrote (absolute paths) is no dirt.

    `dirty` means that tracked files differ from the commit, as in `git describe --dirty`; untracked ones stay in
    `changes`.
    """
    settled = []
    for section in sections:
        final = dict(section)
        changes = [
            change
            for change in section.get("changes", ())
            if os.fsencode(os.path.join(section["root"], change[1])) not in written
        ]
        final.pop("changes", None)
        if "dirty" in section:
            final["dirty"] = any(state != "??" for state, _ in changes) or bool(section.get("changes_left_out"))
        if changes:
            final["changes"] = changes
        settled.append(final)
    return settled


def _remotes(output: bytes) -> dict[str, str]:
    """Name → URL of `git config -z` output: key, newline, value, NUL. A remote's further URLs are left out."""
    remotes: dict[str, str] = {}
    for entry in os.fsdecode(output).split("\0"):
        key, _, url = entry.partition("\n")
        name = key.removeprefix("remote.").removesuffix(".url")
        if url:
            remotes.setdefault(name, mask_text(url))
    return remotes


def _submodules(root: str) -> dict[str, str]:
    """Path → checked-out commit of the submodules that .gitmodules names (gitmodules(5)) and that are checked out."""
    paths: Sequence[str] = re.findall(r"^\s*path\s*=\s*(.+?)\s*$", read_text(f"{root}/.gitmodules"), re.MULTILINE)
    heads = {path: read_head(os.path.join(root, path))[0] for path in paths}
    return {path: commit for path, commit in heads.items() if commit}


def _main_work_tree(root: str) -> str:
    """The main work tree of a linked one (git-worktree(1)), "" for any other."""
    folder = git_directory(root)
    common = read_text(f"{folder}/commondir") if folder else ""
    return os.path.dirname(os.path.normpath(os.path.join(folder, common))) if common else ""
