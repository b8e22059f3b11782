"""Patches in git's format, file by file: taken apart, and made for files that git does not know. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from shark.content.credentials import holds_credentials, named_like_credentials
from shark.content.gitsettled import Part
from shark.content.masking import mask_text

MAX_PATCH = 32 << 20
"""A patch of a repository has at most so many bytes; what is beyond is left out, and named."""
MAX_NEW_FILE = 1 << 20
"""An untracked file of more bytes is no program that somebody wrote: it is left out, and named."""

_BEGIN = b"diff --git "
_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_TO_QUOTE = re.compile(rb'[\x00-\x1f"\\\x7f]')


def split(patch: bytes) -> list[Part]:
    """The parts of what `git diff --no-renames` printed, whatever the files hold.

    No line of a hunk begins with a letter, and a line of a binary patch has no spaces: so it is plain where a part
    begins.
    """
    starts = [match.start() for match in re.finditer(rb"^diff --git ", patch, re.MULTILINE)]
    ends = [*starts[1:], len(patch)]
    texts = [patch[start:end] for start, end in zip(starts, ends, strict=False)]
    return [Part(_path(text), text) for text in texts]


def _path(text: bytes) -> str:
    """The one path of a part: its first line names it twice, as `a/PATH` and `b/PATH`, each quoted if it has to be."""
    names = text[len(_BEGIN) : text.find(b"\n")]
    name = names[: len(names) // 2]
    if name.startswith(b'"'):
        name = _ESCAPE.sub(_unescape, name[1:-1])
    return name[2:].decode("utf-8", "surrogateescape")


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    return bytes([int(escape, 8) & 0xFF]) if len(escape) == 3 else _ESCAPES.get(escape, escape)


def new_file(path: str, content: bytes, mode: int = 0o100644) -> Part:
    """The part that makes a file: a text (or, with mode 0o120000, a symbolic link to `content`). Apply it by git apply.

    Raises ValueError for content with NUL bytes, which only a binary patch can hold.
    """
    if b"\0" in content:
        raise ValueError("it is binary")
    name = path.encode("utf-8", "surrogateescape")
    old, new = _quoted(b"a/" + name), _quoted(b"b/" + name)
    text = b"%s%s %s\nnew file mode %o\n" % (_BEGIN, old, new, mode)
    if content:
        complete = content.endswith(b"\n")
        lines = content.removesuffix(b"\n").split(b"\n")
        count = b"" if len(lines) == 1 else b",%d" % len(lines)
        text += b"--- /dev/null\n+++ %s%s\n@@ -0,0 +1%s @@\n+" % (new, _after(name), count)
        text += b"\n+".join(lines) + (b"\n" if complete else b"\n\\ No newline at end of file\n")
    return Part(path, text)


def _after(name: bytes) -> bytes:
    """What git puts behind a name with white space in it, so that patch(1) does not take it for a time."""
    return b"\t" if b" " in name else b""


def _quoted(name: bytes) -> bytes:
    if not _TO_QUOTE.search(name):
        return name
    return b'"' + _TO_QUOTE.sub(_escape, name) + b'"'


def _escape(match: re.Match[bytes]) -> bytes:
    character = match[0]
    named = next((b"\\" + escape for escape, meant in _ESCAPES.items() if meant == character), b"")
    return named or (b"\\" + character if character in b'"\\' else b"\\%03o" % character[0])


def select(
    parts: Iterable[Part], *, room: int = MAX_PATCH, secrets: Iterable[bytes] = ()
) -> tuple[list[Part], list[list[str]]]:
    """The parts that may be kept within `room` bytes, and those that may not as [path, why]. `secrets` are to stand in
    none.
    """
    secrets = tuple(secrets)
    kept: list[Part] = []
    left_out: list[list[str]] = []
    for part in parts:
        why = ""
        if named_like_credentials(part.path):
            why = "it is called as files with credentials are"
        elif holds_credentials(part.text):
            why = "it holds what looks like a credential"
        elif any(secret in part.text for secret in secrets):
            why = "it holds a secret of an environment variable"
        elif len(part.text) > room:
            why = "the patch would be too large"
        if why:
            left_out.append([mask_text(part.path), why])
        else:
            kept.append(part)
            room -= len(part.text)
    return kept, left_out
