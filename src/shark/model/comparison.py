"""Why do two results differ? What was different when they were made, ranked by what explains a difference. Pure."""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Section = Literal["command", "code", "git", "inputs", "software", "environment", "network", "host", "place", "ending"]
Change = Literal["changed", "added", "removed", "moved"]

ORDER: tuple[Section, ...] = (
    *("command", "code", "git", "inputs", "software", "environment", "network", "host", "place", "ending"),
)
"""Sections, those first that explain a difference best."""

_INCIDENTAL = re.compile(r"^(SHARK_.*|PWD|OLDPWD|SHLVL|_|TERM|COLUMNS|LINES|SHELL|.*_(JOB|RUN|TASK)_?ID|TMPDIR)$")
"""Variables that differ between any two runs."""

_WHO = frozenset({"name", "user", "memory"})
_PASSING = frozenset({"id", "pod", "hostname"})


@dataclass(slots=True)
class Side:
    """One of two things to compare: what is known of how it was made.

    `outputs` gives their digests by path; of a file, only its own. Entries of `inputs` are a manifest's.
    """

    run: str
    argv: Sequence[str] = ()
    cwd: str = ""
    writer: Sequence[str] = ()
    inputs: Sequence[Mapping[str, Any]] = ()
    software: Sequence[str] = ()
    git: Sequence[Mapping[str, Any]] = ()
    env: Mapping[str, Any] = field(default_factory=dict)
    host: Mapping[str, Any] = field(default_factory=dict)
    container: Mapping[str, Any] = field(default_factory=dict)
    network: Sequence[Mapping[str, Any]] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    ending: str = ""


@dataclass(slots=True)
class Difference:
    """One thing that was different. `a` and `b` are its values (digests, versions, words), "" on a side that lacks it.

    `explains` is False for what is different between most runs and hardly matters. `runs` made the inputs of each side.
    """

    section: Section
    name: str
    change: Change
    a: str = ""
    b: str = ""
    explains: bool = True
    entries: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None


def compare(a: Side, b: Side) -> list[Difference]:
    """What was different, the likeliest reason first."""
    found = [
        *_command(a, b),
        *_inputs(a, b),
        *_mappings("environment", a.env, b.env, lambda key: not _INCIDENTAL.match(key)),
        *_mappings("host", a.host, b.host, lambda key: key not in _WHO),
        *_mappings("host", _flat("container", a.container), _flat("container", b.container), lambda _: True),
        *_software(a.software, b.software),
        *_network(a, b),
    ]
    found += _git(a, b, [one.name for one in found if one.section == "code"])
    found.sort(key=lambda one: (not one.explains, ORDER.index(one.section), one.change == "moved", one.name))
    return found


def outputs_of(a: Side, b: Side) -> list[tuple[str, str, str, str]]:
    """The outputs of both: (path of a, path of b, digest of a, digest of b), "" on a side that has none like it."""
    if len(a.outputs) == len(b.outputs) == 1:  # two files, whatever they are called
        [(one, first)], [(other, second)] = a.outputs.items(), b.outputs.items()
        return [(one, other, first, second)]
    entries = [[{"path": p, "sha256": d} for p, d in side.outputs.items()] for side in (a, b)]
    return [
        (x.get("path", ""), y.get("path", ""), x.get("sha256", ""), y.get("sha256", ""))
        for x, y in _pairs(entries[0], entries[1], [_by_path, _by_place(a.cwd, b.cwd)])
    ]


# The command


def _command(a: Side, b: Side) -> Iterator[Difference]:
    if list(a.argv) != list(b.argv):
        same = _neutral(a.argv, a) == _neutral(b.argv, b)
        yield Difference("command", "argv", "changed", _line(a.argv), _line(b.argv), explains=not same)
    elif list(a.writer) != list(b.writer):
        same = _neutral(a.writer, a) == _neutral(b.writer, b)
        yield Difference("command", "written by", "changed", _line(a.writer), _line(b.writer), explains=not same)
    if a.cwd != b.cwd:
        yield Difference("place", "directory", "changed", a.cwd, b.cwd, explains=False)
    if a.ending != b.ending:
        yield Difference("ending", "end", "changed", a.ending, b.ending, explains=False)


def _neutral(argv: Sequence[str], side: Side) -> list[str]:
    """Arguments without what differs by place: the directory in which the command ran, and the names of its outputs."""
    names = {
        name for path in side.outputs for name in (path, _relative(path, side.cwd), os.path.basename(path)) if name
    }
    prefix = side.cwd.rstrip("/") + "/"
    pattern = "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))
    neutral = re.compile(rf"(?<![\w.-])(?:{pattern})(?![\w.-])") if names and len(names) < _MANY else None
    plain = [argument.replace(prefix, "") if side.cwd else argument for argument in argv]
    return [neutral.sub("\0", argument) for argument in plain] if neutral is not None else plain


_MANY = 2000
"""Of a run with more outputs, arguments that name them are not recognised: the pattern would be too large."""


def _line(argv: Sequence[str]) -> str:
    import shlex

    return shlex.join(argv)


# Inputs


def _inputs(a: Side, b: Side) -> Iterator[Difference]:
    keys = [_by_path, _by_place(a.cwd, b.cwd), _by_digest, _by_name]
    for x, y in _pairs(a.inputs, b.inputs, keys):
        section: Section = "code" if "code" in (x.get("role"), y.get("role")) else "inputs"
        name = str((x or y).get("path", ""))
        if not x or not y:
            yield Difference(section, name, "removed" if x else "added", _mark(x), _mark(y), entries=(x, y))
        elif _differ(x, y):
            yield Difference(section, name, "changed", _mark(x), _mark(y), entries=(x, y))
        elif _place(x, a.cwd) != _place(y, b.cwd) and x["path"] != y["path"]:
            yield Difference(section, name, "moved", x["path"], y["path"], explains=False, entries=(x, y))


def _differ(x: Mapping[str, Any], y: Mapping[str, Any]) -> bool:
    if x.get("sha256") and y.get("sha256"):
        return bool(x["sha256"] != y["sha256"])
    return "size" in x and "size" in y and bool(x["size"] != y["size"])


def _mark(entry: Mapping[str, Any]) -> str:
    """What tells a content from another: its digest, else its size."""
    if not entry:
        return ""
    return str(entry.get("sha256") or (f"{entry['size']} bytes" if "size" in entry else "not hashed"))


Key = Callable[[Mapping[str, Any], bool], Hashable]
"""Gives by what an entry (of the second side, if True) is recognised; None if it cannot be by this."""

_NONE: Mapping[str, Any] = {}


def _pairs(
    a: Iterable[Mapping[str, Any]], b: Iterable[Mapping[str, Any]], keys: Sequence[Key]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Entries that correspond: by the first key that fits, and only where it fits one of each side; then the rest."""
    left, right = list(a), list(b)
    for key in keys:
        ours, theirs = _sorted_by(key, left, False), _sorted_by(key, right, True)
        taken: set[int] = set()
        for value, entries in ours.items():
            others = theirs.get(value, [])
            if len(entries) == len(others):  # of several versions of one file each with its like, in their order
                for x, y in zip(entries, others, strict=True):
                    taken |= {id(x), id(y)}
                    yield x, y
        left = [entry for entry in left if id(entry) not in taken]
        right = [entry for entry in right if id(entry) not in taken]
    yield from ((entry, _NONE) for entry in left)
    yield from ((_NONE, entry) for entry in right)


def _sorted_by(key: Key, entries: Iterable[Mapping[str, Any]], second: bool) -> dict[Hashable, list[Mapping[str, Any]]]:
    found: dict[Hashable, list[Mapping[str, Any]]] = {}
    for entry in entries:
        value = key(entry, second)
        if value is not None:
            found.setdefault(value, []).append(entry)
    return found


def _by_path(entry: Mapping[str, Any], _: bool) -> Hashable:
    return str(entry.get("path", ""))


def _by_place(a: str, b: str) -> Key:
    """By the path relative to where each command ran."""
    return lambda entry, second: _place(entry, b if second else a)


def _by_digest(entry: Mapping[str, Any], _: bool) -> Hashable:
    return entry.get("sha256") or None


def _by_name(entry: Mapping[str, Any], _: bool) -> Hashable:
    return entry.get("role"), os.path.basename(str(entry.get("path", "")))


def _place(entry: Mapping[str, Any], cwd: str) -> str:
    path = str(entry.get("path", ""))
    return os.path.relpath(path, cwd) if cwd.startswith("/") and path.startswith("/") else path


def _relative(path: str, cwd: str) -> str:
    prefix = cwd.rstrip("/") + "/"
    return path.removeprefix(prefix) if cwd else path


# Software, surroundings


def _software(a: Iterable[str], b: Iterable[str]) -> Iterator[Difference]:
    ours, theirs = _versions(a), _versions(b)
    for name in sorted(ours.keys() | theirs.keys()):
        one, other = ours.get(name, []), theirs.get(name, [])
        if one != other:
            change: Change = "changed" if one and other else "removed" if one else "added"
            yield Difference("software", name, change, ", ".join(one), ", ".join(other))


def _versions(purls: Iterable[str]) -> dict[str, list[str]]:
    """Package (its package URL up to the version) → versions with their qualifiers."""
    found: dict[str, list[str]] = {}
    for purl in sorted(purls):
        path, mark, qualifiers = purl.partition("?")
        name, at, version = path.rpartition("@")
        found.setdefault(name if at else path, []).append((version if at else "") + mark + qualifiers)
    return found


def _mappings(
    section: Section, a: Mapping[str, Any], b: Mapping[str, Any], telling: Callable[[str], object]
) -> Iterator[Difference]:
    for key in sorted(a.keys() | b.keys()):
        if a.get(key) != b.get(key):
            change: Change = "changed" if key in a and key in b else "removed" if key in a else "added"
            one, other = (_said(side[key]) if key in side else "" for side in (a, b))
            yield Difference(section, key, change, one, other, explains=bool(telling(key)))


def _flat(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name} {key}": value for key, value in facts.items() if key not in _PASSING}


def _said(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def _network(a: Side, b: Side) -> Iterator[Difference]:
    ours, theirs = _peers(a.network), _peers(b.network)
    for peer in sorted(ours ^ theirs):
        change: Change = "removed" if peer in ours else "added"
        yield Difference("network", peer, change, peer if peer in ours else "", peer if peer in theirs else "")


def _peers(endpoints: Iterable[Mapping[str, Any]]) -> set[str]:
    return {":".join(str(e[key]) for key in ("address", "port") if key in e) for e in endpoints}


# Git


def _git(a: Side, b: Side, code: Sequence[str]) -> Iterator[Difference]:
    """Commits and patches: they explain something only where a file of code is different that was read."""
    pairs = _pairs(a.git, b.git, [_by_root, _by_remote])
    for x, y in pairs:
        root = str((x or y).get("root", ""))
        if not x or not y:
            change: Change = "removed" if x else "added"
            yield Difference("git", root, change, _state(x), _state(y), explains=False, entries=(x, y))
        elif _state(x) != _state(y):
            matters = any(path.startswith(root.rstrip("/") + "/") for path in code)
            yield Difference("git", root, "changed", _state(x), _state(y), explains=matters, entries=(x, y))


def _by_root(section: Mapping[str, Any], _: bool) -> Hashable:
    return section.get("root")


def _by_remote(section: Mapping[str, Any], _: bool) -> Hashable:
    remotes = section.get("remotes")
    return tuple(sorted(remotes.items())) if isinstance(remotes, dict) and remotes else "alone"


def _state(section: Mapping[str, Any]) -> str:
    if not section:
        return ""
    patch = str(section.get("patch_sha256", ""))
    dirty = f" with patch {patch[:10]}" if patch else " with uncommitted changes" if section.get("dirty") else ""
    return f"{section.get('commit', 'no commit')}{dirty}"
