"""The text of a run record without its two long lists, for whoever asks for neither: parsing takes longer than reading.

The lists are found by the marks between them. A mark with a quotation mark in it is no part of a string, where that
would have a backslash before it; and each must be there once. Whatever is not as shark writes it stays whole. Pure.
"""

from __future__ import annotations

_MARKS = b',"files":[{"n":', b'}],"channels":[', b'],"edges":[{"process":'
_ENDS = b'}],"flow":"', b'}],"software":['


def without_lists(text: bytes, run: str) -> bytes:
    """Give the JSON text of a run's record with no files and no edges in it; all of it, if it is odd."""
    if not text.startswith(b'{"schema":"shark/run/1","id":"%b",' % run.encode()):
        return text
    end = next((mark for mark in _ENDS if mark in text), _ENDS[0])
    places = [_only(text, mark) for mark in (*_MARKS, end)]
    if places[0] < 0 or sorted(places) != places:
        return text
    files, channels, edges, rest = places
    files, edges = text.index(b"{", files), text.index(b"{", edges)
    return b"".join((text[:files], text[channels + 1 : edges], text[rest + 1 :]))


def _only(text: bytes, mark: bytes) -> int:
    """Where the mark is, -1 unless there is just one."""
    place = text.find(mark)
    return place if text.find(mark, place + 1) < 0 else -1
