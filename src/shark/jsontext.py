"""JSON in and out, for documents whose texts may hold undecodable bytes of paths (PEP 383 surrogates). Pure.

orjson is many times faster than the standard library, but importing it (with dataclasses, inspect, uuid and more) takes
as long as the standard library needs to write 100 KB. So that does the work until there was that much of it, and the
command of a short run does not wait. It also does what orjson refuses: lone surrogates, which are written as `\\udcXX`
escapes. Both give the same text (but for floats that need an exponent, of which shark's documents have none).
"""

from __future__ import annotations

from collections.abc import Callable

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_ENOUGH = 100_000  # bytes written after which orjson is worth its import
_LONG = 50_000  # bytes which orjson is worth its import to lay out with indents, or sort
_READ = 16  # bytes are read in the time in which one is written
_TEXT = 25  # bytes are written in the time that a text takes beyond its length


def dumps(document: object, *, indent: bool = False, sort: bool = False) -> bytes:
    r"""Serialise to UTF-8 JSON, deterministically: same document, same bytes.

    Paths that are bytes become text as PEP 383 has it, whatever the locale. Raises TypeError for what JSON cannot hold.

    >>> dumps({"path": b"a\xff"})
    b'{"path":"a\\udcff"}'
    """
    return _work.dumps(document, indent, sort)


def expect(size: int) -> None:
    """Say that a document of some `size` bytes is about to be written, for which orjson may be worth its import."""
    if size > _ENOUGH:
        _work.hurry()


def dumps_short(document: object) -> bytes:
    """The same for what is some hundred bytes long, of which there may be very many: orjson is no faster there."""
    return _encoded(_work.encode(document))


def loads(text: bytes | str) -> Any:
    r"""Parse JSON; raises ValueError on anything else.

    >>> loads(b'{"path":"a\\udcff"}')
    {'path': 'a\udcff'}
    """
    return _work.loads(text)


class _Work:
    """Who does it: `dumps(document, indent, sort)` and `loads(text)`, at first by the standard library."""

    dumps: Callable[[object, bool, bool], bytes]
    loads: Callable[[bytes | str], Any]

    def __init__(self) -> None:
        self._done = 0
        self.encode = _encoder()
        self.dumps = self._first_dumps
        self.loads = self._first_loads

    def _first_dumps(self, document: object, indent: bool, sort: bool) -> bytes:
        compact = self.encode(document)
        self._add(len(compact))
        if not indent and not sort:
            return _encoded(compact)
        if len(compact) > _LONG:  # the standard library lays out in Python
            self.dumps, self.loads = _fast()
            return self.dumps(document, indent, sort)
        return _dumps_slowly(document, indent=indent, sort=sort)

    def _first_loads(self, text: bytes | str) -> Any:
        self._add(len(text) // _READ + _TEXT)
        return _loads_slowly(text) if self._done <= _ENOUGH else self.loads(text)

    def _add(self, size: int) -> None:
        self._done += size
        if self._done > _ENOUGH:
            self.hurry()

    def hurry(self) -> None:
        self.dumps, self.loads = _fast()


def _fast() -> tuple[Callable[[object, bool, bool], bytes], Callable[[bytes | str], Any]]:
    import orjson

    def dumps(document: object, indent: bool, sort: bool) -> bytes:
        options = (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort else 0)
        try:
            return orjson.dumps(document, default=_default, option=options)
        except orjson.JSONEncodeError:
            return _dumps_slowly(document, indent=indent, sort=sort)

    def loads(text: bytes | str) -> Any:
        try:
            return orjson.loads(text)
        except orjson.JSONDecodeError:
            return _loads_slowly(text)

    return dumps, loads


def _default(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # as os.fsdecode does, but in any locale
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _encoder() -> Callable[[object], str]:
    """The standard library's encoder, which is written in C; importing the package around it takes 4 ms."""
    try:
        from _json import encode_basestring, make_encoder

        encode = make_encoder(None, _default, encode_basestring, None, ":", ",", False, False, True)
        encode([], 0)
    except (ImportError, TypeError):  # an implementation detail of CPython's
        from json import JSONEncoder

        return JSONEncoder(default=_default, separators=(",", ":"), ensure_ascii=False).encode
    return lambda document: "".join(encode(document, 0))


def _loads_slowly(text: bytes | str) -> Any:
    if isinstance(text, bytes):
        text = text.decode("utf-8", "strict")
    try:
        return _decode(text)
    except RecursionError as problem:
        raise ValueError("nested too deeply") from problem


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _decoder() -> Callable[[str], Any]:
    """The standard library's decoder, likewise. What it cannot make anything of, the package explains."""

    def explained(text: str) -> Any:
        import json

        return json.loads(text, parse_constant=_refuse)

    class Options:  # those of json.JSONDecoder
        strict = True
        object_hook = object_pairs_hook = None
        parse_float, parse_int, parse_constant = float, int, _refuse

    try:
        from _json import make_scanner

        scan = make_scanner(Options)  # type: ignore[arg-type]  # any object with these attributes
        scan("[]", 0)
    except (ImportError, TypeError, AttributeError):
        return explained

    def decode(text: str) -> Any:
        stripped = text.strip(" \t\n\r")
        try:
            value, end = scan(stripped, 0)
        except (StopIteration, SystemError):  # before 3.12 it cannot raise an error of a package that is not imported
            return explained(text)
        return value if end == len(stripped) else explained(text)

    return decode


def _dumps_slowly(document: object, *, indent: bool, sort: bool) -> bytes:
    import json

    separators = (",", ": ") if indent else (",", ":")
    depth = 2 if indent else None
    return _encoded(
        json.dumps(document, default=_default, indent=depth, sort_keys=sort, separators=separators, ensure_ascii=False)
    )


def _encoded(text: str) -> bytes:
    """In UTF-8. Only what that cannot hold is escaped: the rest of the document reads the same either way."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join(f"\\u{ord(c):04x}" if "\ud800" <= c <= "\udfff" else c for c in text).encode()


_decode = _decoder()
_work = _Work()
