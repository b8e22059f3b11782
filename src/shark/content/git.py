"""What git knows of the code: repository, commit, branch, remotes, dirt, patch; read without changing anything.

git is run without optional locks, hooks, fsmonitor, prompts or lazy fetches, and without the GIT_* variables of the
caller (a hook's GIT_DIR would name another repository). What goes wrong becomes a gap's text.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from shark.content import githead, gitpatch
from shark.content.commands import Asked, run_limited
from shark.content.concealing import secrets_in
from shark.content.githead import find_root, is_object_name, read_head, runs_programs
from shark.content.gitpatch import MAX_NEW_FILE, MAX_PATCH
from shark.content.gitsettled import Part
from shark.content.masking import mask_text
from shark.tuples import TYPE_CHECKING
from shark.values import Gap

if TYPE_CHECKING:
    from typing import Any

__all__ = ["MAX_CHANGES", "Repository", "find_root", "parse_status", "read_head", "repositories"]

MAX_CHANGES = 1000
"""How many changed paths of a repository are kept; `changes_left_out` counts the rest."""
MAX_NEW_FILES = 1000
"""How many untracked code files a patch has at most."""

_MAX_OUTPUT = 64 << 20  # of one git
_OPTIONS = (
    "--no-optional-locks",
    "--no-pager",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.quotePath=false"),
    *("-c", "color.ui=false"),
    *("-c", "diff.relative=false"),
)
_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal")
# Options for each of which there is a setting that would make the patch another one, or one that does not apply.
_DIFF = (
    *("diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames"),
    *("--src-prefix=a/", "--dst-prefix=b/", "--unified=3", "--inter-hunk-context=0", "--diff-algorithm=myers"),
    *("--submodule=short", "--ignore-submodules=dirty"),
)
_OTHERS = ("ls-files", "--others", "--exclude-standard", "-z", "--")
_KEPT = frozenset({"GIT_CEILING_DIRECTORIES", "GIT_EXEC_PATH", "GIT_CONFIG_NOSYSTEM"})


def repositories(
    paths: Iterable[str],
    *,
    environ: Mapping[str, str] | None = None,
    heads: Mapping[str, tuple[str, str]] | None = None,
    seconds: float = 20.0,
) -> tuple[list[dict[str, Any]], list[Gap]]:
    """What is known of the repositories in which `paths` lie, without patches, and the gaps; all within about
    `seconds`. `heads` are commits and branches that `read_head` read earlier: they are believed.
    """
    until = time.monotonic() + seconds
    found: list[dict[str, Any]] = []
    gaps: list[Gap] = []
    for root in sorted({root for path in paths if (root := find_root(os.path.abspath(path)))}):
        with Repository(root, environ, (heads or {}).get(root)) as repository:
            for _ in repository.ask(until, patch=False):
                pass
            found.append(repository.section)
            gaps += repository.gaps
    return found, gaps


class Repository:
    """One repository that is being asked. Leaving its context ends the git processes that are still at work.

    `section` has what is known so far: `root`, and where there is such `commit, branch, describe, remotes` (credentials
    masked), `submodules` (path → commit), `worktree_of`, `dirty`, `changes` ([state as in `git status --porcelain`,
    path below root]), `changes_left_out` (their number), `dirt_left_out` (tracked ones are among them),
    `patch_left_out` ([path, why]), `why` (git tells nothing more). `parts` are those of the patch, file by file.
    `settle` makes of both what is recorded.

    A `foreign` one is not that of the working directory: code was read there. It is no gap that git refuses to look
    into somebody else's files (safe.directory in git-config(1)), as shared software may well be kept so. And reading a
    file must not run what its repository's settings say: then git is not asked.
    """

    def __init__(
        self,
        root: str,
        environ: Mapping[str, str] | None = None,
        head: tuple[str, str] | None = None,
        *,
        foreign: bool = False,
    ) -> None:
        self._root = root
        self._foreign = foreign
        self._given = os.environ if environ is None else environ
        self._environ = _environment(environ)
        self._asked: list[Asked] = []
        self._untracked: list[str] = []
        self._all_untracked: list[str] | None = None
        self.section = githead.read_files(root, head)
        self.parts: list[Part] = []
        self.gaps: list[Gap] = []
        self._status: Asked | None = None
        self._describe: Asked | None = None

    def __enter__(self) -> Repository:
        return self

    def __exit__(self, *_: object) -> None:
        for asked in self._asked:
            asked.end()

    def begin(self) -> None:
        """Set git to work; `ask` waits for it."""
        if self._foreign and runs_programs(self._root):
            self.section["why"] = "its own settings name programs that git would run"
            return
        self._status = self._start(*_STATUS, f"--ignore-submodules={'dirty' if self._foreign else 'none'}")
        if commit := self.section.get("commit"):
            self._describe = self._start("describe", "--always", "--tags", commit)

    def ask(self, until: float, *, patch: bool = True) -> Iterator[None]:
        """Complete `section`, and with `patch` also `parts`, until that time of the monotonic clock; a step each."""
        if self._status is None:
            self.begin()
        if self._status is None:
            return
        output = self._answer(self._status, until)
        if output is None:
            return
        self._take_status(output)
        yield
        commit = self.section.get("commit", "")
        if self._describe is None and commit:
            self._describe = self._start("describe", "--always", "--tags", commit)
        if self._describe is not None and (said := self._answer(self._describe, until)):
            self.section["describe"] = os.fsdecode(said).strip()
        yield
        if patch and self.section["dirty"]:
            diff = self._answer(self._start(*_DIFF, commit or self._empty_tree(until), "--"), until)
            self._keep(gitpatch.split(diff or b""))
            yield
        if patch and self._untracked:
            self._add_untracked(until)
        yield

    def add_code(self, paths: Collection[str], until: float) -> None:
        """Add those of the files (absolute) that are untracked: code that only its use shows to be such."""
        if self._untracked and "dirty" in self.section:
            self._add_untracked(until, {os.path.relpath(path, self._root) for path in paths})

    def _take_status(self, output: bytes) -> None:
        commit, branch, changes = parse_status(output)
        if "commit" not in self.section and self.section.get("branch", branch) == branch:
            self.section.update({key: value for key, value in (("commit", commit), ("branch", branch)) if value})
        changes = [change for change in changes if not _is_sidecar(change[1])]
        self._untracked = [path for state, path in changes if state == "??"]
        self.section["dirty"] = any(state != "??" for state, _ in changes)
        # The changes of tracked files come first: they are what makes the tree dirty.
        changes.sort(key=lambda change: change[0] == "??")
        if changes:
            self.section["changes"] = changes[:MAX_CHANGES]
        if len(changes) > MAX_CHANGES:
            self.section["changes_left_out"] = len(changes) - MAX_CHANGES
            self.section["dirt_left_out"] = changes[MAX_CHANGES][0] != "??"

    def _empty_tree(self, until: float) -> str:
        """What a repository without commits is compared with; the name depends on its hash function."""
        return os.fsdecode(self._answer(self._start("hash-object", "-t", "tree", "--stdin"), until) or b"").strip()

    def _add_untracked(self, until: float, also: Collection[str] = frozenset()) -> None:
        """Untracked files that are code by their names, or are in `also`, as parts that make them."""
        from shark.model.roles import is_source

        if self._all_untracked is None:
            self._all_untracked = [path for path in self._untracked if not path.endswith("/")]
            if folders := [path for path in self._untracked if path.endswith("/")]:
                listed = self._answer(self._start(*_OTHERS, *(f":(literal){path}" for path in folders)), until)
                self._all_untracked += [os.fsdecode(path) for path in (listed or b"").split(b"\0") if path]
        there = {part.path for part in self.parts}
        wanted = [
            path
            for path in self._all_untracked
            if path not in there and (path in also or (not also and is_source(os.fsencode(path))))
        ]
        left_out = [[mask_text(path), "there are too many untracked files"] for path in wanted[MAX_NEW_FILES:]]
        parts = []
        for path in wanted[:MAX_NEW_FILES]:
            try:
                parts.append(_new_file(self._root, path))
            except (OSError, ValueError) as problem:
                left_out.append([mask_text(path), str(getattr(problem, "strerror", None) or problem)])
        self._keep(parts, left_out)

    def _keep(self, parts: Sequence[Part], left_out: Sequence[list[str]] = ()) -> None:
        room = MAX_PATCH - sum(len(part.text) for part in self.parts)
        secrets = [os.fsencode(secret) for secret in secrets_in(self._given)] if parts else ()
        kept, too_much = gitpatch.select(parts, room=room, secrets=secrets)
        self.parts += kept
        if said := [*self.section.get("patch_left_out", ()), *left_out, *too_much]:
            self.section["patch_left_out"] = said[:MAX_CHANGES]

    def _start(self, *arguments: str) -> Asked:
        argv = ["git", "-C", self._root, *_OPTIONS, *arguments]
        self._asked.append(Asked(argv, environ=self._environ, limit=_MAX_OUTPUT))
        return self._asked[-1]

    def _answer(self, asked: Asked, until: float) -> bytes | None:
        status, output, errors = asked.answer(until - time.monotonic())
        if status == 0:
            return output
        if (status != 1 or errors) and not self.gaps and "why" not in self.section:
            said = mask_text(errors.strip().split("\n", 1)[0][:300]) or f"git ended with status {status}"
            if self._foreign and "dubious ownership" in said:
                self.section["why"] = said
            else:
                self.gaps.append(Gap("other", f"git in {self._root}: {said}"))
        return None


def ask(root: str, *arguments: str, seconds: float = 10.0, limit: int = _MAX_OUTPUT) -> bytes | None:
    """What git prints when asked about a repository; None if it is not there, fails, or takes too long or too much."""
    argv = ["git", "-C", root, *_OPTIONS, *arguments]
    answer = run_limited(argv, seconds=seconds, environ=_environment(None), limit=limit)
    return answer.output if answer.status == 0 else None


def _environment(environ: Mapping[str, str] | None) -> dict[str, str]:
    kept = {k: v for k, v in (os.environ if environ is None else environ).items() if k[:4] != "GIT_" or k in _KEPT}
    return {
        **kept,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ASKPASS": "true",
    }


def _is_sidecar(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") and name.endswith(".shark")


def _new_file(root: str, path: str) -> Part:
    """The part that makes an untracked file. Raises OSError, or ValueError if it cannot be part of a patch."""
    place = os.path.join(root, path)
    about = os.lstat(place)
    if stat.S_ISLNK(about.st_mode):
        return gitpatch.new_file(path, os.fsencode(os.readlink(place)), 0o120000)
    if not stat.S_ISREG(about.st_mode):
        raise ValueError("it is no regular file")
    if about.st_size > MAX_NEW_FILE:
        raise ValueError(f"it has more than {MAX_NEW_FILE >> 20} MiB")
    with open(place, "rb") as file:
        content = file.read(MAX_NEW_FILE)
    return gitpatch.new_file(path, content, 0o100755 if about.st_mode & stat.S_IXUSR else 0o100644)


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
            commit = entry[13:] if is_object_name(entry[13:]) else ""
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
