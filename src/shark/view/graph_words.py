"""The words on the nodes of a picture: short, and safe to show. Pure."""

from __future__ import annotations

import os.path
import re
from collections.abc import Sequence

from shark.view import words

TITLE, NOTE = 32, 32
"""So many characters fit on the first and the second line of a node."""

_SETTING = re.compile(r"--?[\w-]+=(.+)", re.DOTALL)


def short(said: str, room: int) -> str:
    """`said` in at most `room` characters, every odd one escaped; of a longer one the end matters as the start does.

    >>> short("a_rather_long_name_of_a_file_2026.csv", 20)
    'a_rather_lo…2026.csv'
    """
    shown = words.visible(said)
    if len(shown) <= room:
        return shown
    tail = (room - 1) * 2 // 5
    return f"{shown[: room - 1 - tail]}…{shown[-tail:]}"


def cut(said: str, room: int) -> str:
    """`said` in at most `room` characters, every odd one escaped; the beginning of a longer one."""
    shown = words.visible(" ".join(said.split()) if "\n" in said else said)
    return shown if len(shown) <= room else f"{shown[: room - 1]}…"


def base(path: str) -> str:
    """The last part of a path; "/" for the root."""
    return os.path.basename(path.rstrip("/")) or path


def folder(path: str, cwd: str) -> str:
    """The directory of a path, as seen from `cwd`; "" if that is the same.

    >>> folder("/home/ann/p/data/a.csv", "/home/ann/p"), folder("/home/ann/p/a.csv", "/home/ann/p")
    ('data', '')
    """
    parent = os.path.dirname(path)
    return "" if parent == cwd else words.near(parent, cwd)


def program(argv: Sequence[str], exe: str = "") -> str:
    """The name of a program.

    >>> program(["/usr/bin/sort", "a.csv"]), program([], "/usr/bin/env")
    ('sort', 'env')
    """
    name = argv[0] if argv and argv[0] else exe
    return base(name).removeprefix("-") if name else "?"


def arguments(argv: Sequence[str]) -> str:
    """What a program was told, without what a reader of a picture can do without: bare options, folders, `--file=`.

    >>> arguments(["R", "--no-echo", "--file=/home/ann/fit.R"]), arguments(["sh", "-c", "sort a | uniq"])
    ('fit.R', 'sort a | uniq')
    """
    shown = []
    for word in argv[1:]:
        setting = _SETTING.fullmatch(word)
        value = setting[1] if setting else word
        if not value.startswith("-") and value:
            shown.append(base(value) if "/" in value and " " not in value else value)
    return " ".join(shown)
