"""What a run looked for, out of the text of its record, of which little is parsed for that.

The record of a hundred thousand files is 60 MB of text, and what is in it of directories that were listed, and of files
that were looked for in vain, mostly a few lines. They are found by the marks between them. A mark with a quotation mark
in it is no part of a string, where that would have a backslash before it; a string with another mark in it is cut in
two, neither of which can be parsed. Whatever is not as shark writes it is for whoever parses the whole.
"""

from __future__ import annotations

from typing import Any

from shark import jsontext

_ENDS = b'}],"flow":"', b'}],"software":['
_LOOKS = b'"access":"list"', b'"access":"missing"'
_TRIES = 100


def glimpse(text: bytes, run: str) -> dict[str, Any] | None:
    """A record with its command, the edges that say what was listed or missing, and the files that these name.

    None if the text is not quite as shark writes it.
    """
    try:
        if not text.startswith(b'{"schema":"shark/run/1","id":"%b",' % run.encode()):
            return None
        command = _between(text, b',"command":{', b'},"processes":[')
        edges = _edges(text)
        numbers = sorted({edge["file"] for edge in edges})
        return {"command": jsontext.loads(b"{%b}" % command), "edges": edges, "files": _files(text, numbers)}
    except (ValueError, KeyError, TypeError):
        return None


def _between(text: bytes, begin: bytes, end: bytes) -> bytes:
    start = text.index(begin) + len(begin)
    return text[start : text.index(end, start)]


def _edges(text: bytes) -> list[dict[str, Any]]:
    mark = b',"edges":[{'
    start = text.index(mark)
    if text.find(mark, start + 1) >= 0:
        raise ValueError("two lists of edges")
    end = max(text.find(end, start) for end in _ENDS)
    if end < 0:
        raise ValueError("no end of the edges")
    each = text[start + len(mark) : end].split(b"},{")
    list_, missing = _LOOKS
    looks = [one for one in each if list_ in one or missing in one]
    return [jsontext.loads(b"{%b}" % one) for one in looks]


def _files(text: bytes, numbers: list[int]) -> list[dict[str, Any]]:
    """The files with these numbers, which are in order there."""
    at = text.index(b',"files":[')
    found = []
    for number in numbers:
        at = text.index(b'{"n":%d,"path":' % number, at)
        found.append(_object(text, at))
    return found


def _object(text: bytes, start: int) -> dict[str, Any]:
    """The object that begins at `start`, one of a list of such. It may have objects in it that end likewise."""
    end = start
    for _ in range(_TRIES):
        end = text.index(b"}", end) + 1
        try:
            found: dict[str, Any] = jsontext.loads(text[start:end])
        except ValueError:
            continue
        return found
    raise ValueError("an object without an end")
