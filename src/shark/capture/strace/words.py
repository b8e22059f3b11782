"""The words of a call: strings with their escapes, descriptors with what -y says of them, flags by their names."""

from __future__ import annotations

import os
import re
import stat as stat_bits
from typing import Final, NamedTuple

# What -y and -yy write after a descriptor: a path (with <, > and non-printing bytes escaped), or something in brackets.
_ABOUT: Final = rb"<(?:[A-Za-z][\w-]*:\[.*?\]|[^<>]*(?:<[^<>]*>)?)>(?:\(deleted\))?"
_TOKEN: Final = re.compile(
    rb'"(?:[^"\\]|\\.)*"(?:\.\.\.)?|(?<=[\dD])' + _ABOUT + rb'|/\*.*?\*/|[][(){},]|[^][(){},"/<]+|.', re.DOTALL
)
_RESULT: Final = re.compile(
    rb"\s*=\s+(0x[0-9a-f]+|-?\d+|\?)(?:\s*/\* (\d+) in strace's PID NS \*/)?(" + _ABOUT + rb")?\s*(E[A-Z0-9]+)?"
)
_STRING: Final = re.compile(rb'\s*(@?)"((?:[^"\\]|\\.)*)"(\.\.\.)?')
_DESCRIPTOR: Final = re.compile(rb"\s*(-?\d+|AT_FDCWD)(" + _ABOUT + rb")?\s*$")
_HEAD: Final = re.compile(rb"(\d+(?:" + _ABOUT + rb")?), ")
_ESCAPE: Final = re.compile(rb"\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"t": b"\t", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_OPENING: Final = frozenset((b"(", b"[", b"{"))
_CLOSING: Final = frozenset((b")", b"]", b"}"))

AT_FDCWD: Final = -100
O_TMPFILE: Final = 0o20000000
"""The bit of O_TMPFILE that is not O_DIRECTORY."""

_FLAGS: Final = {
    **{name.encode(): getattr(os, name) for name in dir(os) if name.startswith("O_")},
    b"O_TMPFILE": O_TMPFILE,
    b"__O_TMPFILE": O_TMPFILE,
}


class About(NamedTuple):
    """What -y says of a descriptor: its path (or "pipe:[1]" and so on), and the type that it tells, 0 for none."""

    path: bytes
    mode: int


class Call(NamedTuple):
    """A call that has returned: arguments as written (at least six, empty where there are none), and the result.

    `result` is None if there was none (interrupted, or killed in it), below 0 if it failed; `error` is then the errno's
    name. `about` is what -y says of a descriptor that was returned.
    """

    arguments: tuple[bytes, ...]
    result: int | None
    error: bytes
    about: About | None


def parse_call(text: bytes) -> Call | None:
    """A call from what stands after its opening parenthesis; None if that cannot be understood."""
    split = _arguments(text)
    if split is None:
        return None
    arguments, rest = split
    found = _RESULT.match(rest)
    if found is None:
        return None
    word = found[2] or found[1]
    result = None if found[1] == b"?" else int(word, 0)
    return Call(arguments + (b"",) * (6 - len(arguments)), result, found[4] or b"", about(found[3]))


def parse_interrupted(name: bytes, text: bytes) -> Call | None:
    """A write(2) or its like of which only the beginning is there: what the program wrote stands in the middle of it,
    where it and strace share standard error.
    """
    found = _HEAD.match(text) if b"write" in name else None
    return None if found is None else Call((found[1], *(b"",) * 5), 0, b"", None)


def _arguments(text: bytes) -> tuple[tuple[bytes, ...], bytes] | None:
    """The arguments up to the closing parenthesis, and what follows that; None if there is none."""
    parts: list[bytes] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        word = token[0]
        if word in _OPENING:
            depth += 1
        elif word in _CLOSING:
            if depth == 0:
                parts.append(text[start : token.start()].strip())
                return tuple(parts), text[token.end() :]
            depth -= 1
        elif word == b"," and depth == 0:
            parts.append(text[start : token.start()].strip())
            start = token.end()
    return None


def unescape(text: bytes) -> bytes:
    r"""What C escapes stand for.

    >>> unescape(rb"a\x2fb\40\74\n")
    b'a/b <\n'
    """
    return _ESCAPE.sub(_unescaped, text) if b"\\" in text else text


def _unescaped(match: re.Match[bytes]) -> bytes:
    word = match[1]
    if word[:1] == b"x" and len(word) == 3:
        return bytes([int(word[1:], 16)])
    if word[:1].isdigit():
        return bytes([int(word, 8) & 0xFF])
    return _LETTERS.get(word, word)


def string(word: bytes) -> bytes | None:
    """A string argument; None if it is none (NULL, an address), or was cut short by strace."""
    found = _STRING.match(word)
    return None if found is None or found[3] else unescape(found[2])


def strings(word: bytes) -> tuple[bytes, ...]:
    """All strings of an array; one that strace cut short (-s) ends in "...", as does the list."""
    found = [unescape(match[2]) + (match[3] or b"") for match in _STRING.finditer(word)]
    if re.search(rb"(?:,|\[) ?\.\.\.\]?$", word):
        found.append(b"...")
    return tuple(found)


def socket_path(word: bytes) -> bytes:
    """The path in an AF_UNIX address, with a leading "@" for an abstract one."""
    found = re.search(rb'sun_path=(@?)"((?:[^"\\]|\\.)*)"', word)
    return found[1] + unescape(found[2]) if found else b""


def descriptor(word: bytes) -> tuple[int, About | None] | None:
    """A descriptor argument (AT_FDCWD is -100) and what -y says of it; None if it is no descriptor."""
    found = _DESCRIPTOR.match(word)
    if found is None:
        return None
    number = AT_FDCWD if found[1] == b"AT_FDCWD" else int(found[1])
    return number, about(found[2])


def descriptors(word: bytes) -> list[tuple[int, About | None]]:
    """The descriptors in a list, such as pipe(2)'s or a received message's."""
    found = re.finditer(rb"(?<![\w>-])(\d+)(" + _ABOUT + rb")?", word)
    return [(int(match[1]), about(match[2])) for match in found]


_TYPES: Final = {b"char": stat_bits.S_IFCHR, b"block": stat_bits.S_IFBLK}
_UNNAMED: Final = {
    b"pipe": stat_bits.S_IFIFO,
    b"socket": stat_bits.S_IFSOCK,
    b"UNIX": stat_bits.S_IFSOCK,
    b"TCP": stat_bits.S_IFSOCK,
    b"UDP": stat_bits.S_IFSOCK,
    b"NETLINK": stat_bits.S_IFSOCK,
    b"anon_inode": stat_bits.S_IFCHR,
}


def about(word: bytes | None) -> About | None:
    """What the part in angle brackets says."""
    if not word:
        return None
    text = word.removesuffix(b"(deleted)")[1:-1]
    text, _, device = text.partition(b"<")
    path = unescape(text)
    if path.startswith(b"/"):
        return About(path.removesuffix(b" (deleted)"), _TYPES.get(device.split(b" ")[0], 0))
    kind = re.split(rb"[:\-v]", path, maxsplit=1)[0]
    return About(path, _UNNAMED.get(kind, stat_bits.S_IFCHR))


def flags(word: bytes) -> int:
    """Flags of open(2), by name or number; names that are not known count for nothing.

    >>> flags(b"O_WRONLY|O_APPEND|FASYNC|0x800000") == os.O_WRONLY | os.O_APPEND | 0x800000
    True
    """
    value = 0
    for name in word.split(b"/*")[0].strip().split(b"|"):
        value |= int(name, 16 if name[:2] == b"0x" else 8) if name[:1].isdigit() else _FLAGS.get(name, 0)
    return value


def number(word: bytes) -> int:
    """A number, decimal or hexadecimal, without strace's comment; 0 if it is none."""
    found = re.match(rb"\s*(0x[0-9a-f]+|-?\d+)", word)
    return int(found[1], 0) if found else 0


def field(word: bytes, name: bytes) -> bytes:
    """A structure's member (or a call's named argument) as written; b"" if it is not there."""
    found = re.search(rb"(?<![\w])" + name + rb"=([^,}\s]*)", word)
    return found[1] if found else b""
