"""What the beginning of a log tells, before its events can be: that it is one, the command, and its directory."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from shark.capture.strace import words
from shark.capture.strace.lines import Line, LineParser
from shark.capture.strace.opening import exec_arguments
from shark.errors import SharkError

LOOK_AHEAD: Final = 5000
"""Lines that are searched for the working directory, and among which a log must have shown that it is one."""

_CWD: Final = (
    re.compile(rb"AT_FDCWD(<(?:/|\\x2f)[^<>]*>)"),
    re.compile(rb'(?:\s|^)getcwd\(("[^"]*"),'),
    re.compile(rb'"(?:PWD=|\\x50\\x57\\x44\\x3d)((?:/|\\x2f)[^"]*)"'),
)
_RELATIVE: Final = re.compile(rb'open(?:at)?\((?:AT_FDCWD, )?("[^"/][^"]*").* = \d+(<(?:/|\\x2f)[^<>]*>)')


class Beginning(NamedTuple):
    """The command's arguments and working directory (`assumed`: the log does not tell it), and whether each line says
    whose it is.
    """

    argv: tuple[bytes, ...]
    cwd: bytes
    assumed: bool
    prefixed: bool


def look_ahead(first: Sequence[bytes], cwd: bytes) -> Beginning:
    """What the first lines tell; `cwd` is taken if the working directory is not among it.

    Raises SharkError if they are not strace's.
    """
    parser = LineParser()
    parsed = [line for line in map(parser.parse, first) if line.kind != "other"]
    if not any(_is_telling(line) for line in parsed):
        raise SharkError(
            "this is no log of strace" if first else "the log is empty",
            "Write one with: strace -f -y -ttt -o LOG COMMAND",
        )
    begin = next((line for line in parsed if line.kind in {"call", "begun"}), None)
    argv: tuple[bytes, ...] = ()
    if begin is not None and begin.name in {b"execve", b"execveat"}:
        argv = exec_arguments(begin.name, begin.text)
    found = _find_cwd(first)
    return Beginning(argv, found or cwd, found is None, bool(parsed[0].tid))


def _is_telling(line: Line) -> bool:
    if line.kind == "call":
        return words.parse_call(line.text) is not None
    return line.kind in {"begun", "exited", "killed"}


def _find_cwd(first: Sequence[bytes]) -> bytes | None:
    """The directory in which the command was started, from what the log says before it is left."""
    for line in first:
        for pattern in _CWD:
            found = pattern.search(line)
            if found is not None:
                return words.unescape(found[1].strip(b'<>"'))
        found = _RELATIVE.search(line)
        if found is not None:
            name, about = words.string(found[1]), words.about(found[2])
            if name and about is not None and about.path.endswith(b"/" + name):
                return about.path[: -len(name) - 1] or b"/"
        if b"chdir(" in line and line.rstrip().endswith(b"= 0"):
            return None
    return None
