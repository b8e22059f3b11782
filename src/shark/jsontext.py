"""JSON in and out, for documents whose texts may hold undecodable bytes of paths (PEP 383 surrogates). Pure.

orjson does the work; it refuses lone surrogates, so a document that has one goes through the standard library, which
writes them as `\\udcXX` escapes. Both give the same text for everything else.
"""

from __future__ import annotations

import json
from typing import Any

import orjson


def dumps(document: object, *, indent: bool = False, sort: bool = False) -> bytes:
    r"""Serialise to UTF-8 JSON, deterministically: same document, same bytes.

    Paths that are bytes become text as PEP 383 has it, whatever the locale. Raises TypeError for what JSON cannot hold.

    >>> dumps({"path": b"a\xff"})
    b'{"path":"a\\udcff"}'
    """
    options = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort else 0)
    try:
        return orjson.dumps(document, default=_default, option=options)
    except orjson.JSONEncodeError:
        return _dumps_slowly(document, indent=indent, sort=sort)


def loads(text: bytes | str) -> Any:
    r"""Parse JSON; raises ValueError on anything else.

    >>> loads(b'{"path":"a\\udcff"}')
    {'path': 'a\udcff'}
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if isinstance(text, bytes):
            text = text.decode("utf-8", "strict")
        try:
            return json.loads(text)
        except RecursionError as problem:
            raise ValueError("nested too deeply") from problem


def _default(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # as os.fsdecode does, but in any locale
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _dumps_slowly(document: object, *, indent: bool, sort: bool) -> bytes:
    separators = (",", ": ") if indent else (",", ":")
    depth = 2 if indent else None
    text = json.dumps(
        document, default=_default, indent=depth, sort_keys=sort, separators=separators, ensure_ascii=False
    )
    # Only what UTF-8 cannot hold is escaped: the rest of the document reads the same either way.
    return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text).encode()
