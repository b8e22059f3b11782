"""JSON in and out: the standard library at first, orjson once there is much to do, with the same text."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark import jsontext
from shark.values import FileId

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(0.001, 1e9).map(lambda number: round(number, 6))
    | st.text(st.characters(codec=None))
    | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=12,
)


@given(VALUES, st.booleans(), st.booleans())
def test_both_write_the_same(value: Any, indent: bool, sort: bool) -> None:
    first, then = jsontext._Work(), jsontext._fast()
    text = first.dumps(value, indent, sort)
    assert text == then[0](value, indent, sort)
    assert first.loads(text) == then[1](text) == json.loads(text)


def test_orjson_takes_over() -> None:
    """After some work, and for a text that alone is more."""
    written, read = jsontext._Work(), jsontext._Work()
    written.dumps("x" * jsontext._ENOUGH, False, False)
    assert written.dumps.__module__ == "shark.jsontext"
    assert written.dumps.__name__ == "dumps"
    assert written.dumps(FileId(1, 2, 3), False, False) == b"[1,2,3]"
    assert read.loads(b"1").__class__ is int
    assert read.loads.__name__ == "_first_loads"
    much = jsontext._ENOUGH * jsontext._READ + jsontext._READ
    assert len(read.loads(b'"%b"' % (b"x" * much))) == much
    assert read.loads.__name__ == "loads"


def test_many_short_texts_count_too() -> None:
    """Each takes time beyond its length: a journal's lines, for one."""
    work = jsontext._Work()
    for _ in range(jsontext._ENOUGH // jsontext._TEXT):
        assert work.loads(b"1") == 1
    assert work.loads.__name__ == "_first_loads"
    assert work.loads(b"1") == 1
    assert work.loads.__name__ == "loads"


def test_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long document is written by orjson at once."""
    monkeypatch.setattr(jsontext, "_work", work := jsontext._Work())
    jsontext.expect(jsontext._ENOUGH)
    assert work.dumps.__name__ == "_first_dumps"
    jsontext.expect(jsontext._ENOUGH + 1)
    assert work.dumps.__name__ == work.loads.__name__.replace("loads", "dumps") == "dumps"
    assert jsontext.dumps({"a": [1]}) == b'{"a":[1]}'


@pytest.mark.parametrize("text", [b"", b"{", b"NaN", b"[Infinity]", b"\xff", b'"\xff"', "[" * 100_000, "x", b"1 2"])
def test_what_is_no_json(text: bytes | str) -> None:
    """Is refused by both with the same kind of error."""
    for loads in (jsontext._Work().loads, jsontext._fast()[1]):
        with pytest.raises(ValueError):  # noqa: PT011  json, orjson and the codec each have their own
            loads(text)


def test_what_json_cannot_hold() -> None:
    """Is a fault of the caller's."""
    for dumps in (jsontext._Work().dumps, jsontext._fast()[0]):
        with pytest.raises(TypeError):
            dumps(object(), False, False)


@pytest.mark.parametrize(
    "text", ["", " ", "{", '{"a": "b', '{"a" 1}', "[1,]", "nul", '"\\x"', "1 2", "NaN", "\ufeff1", "[" * 10**5]
)
def test_what_is_no_json_is_a_valueerror_without_the_package_too(text: str) -> None:
    """In a process that has not imported `json`, whose decoder is used without it."""
    script = (
        "import sys; from shark import jsontext; assert 'json' not in sys.modules\n"
        "try: jsontext.loads(sys.stdin.read()); print('read')\n"
        "except ValueError as problem: print('error')"
    )
    done = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout != "read\n") == (0, "", True)


@pytest.mark.parametrize("text", ["1", " [1, 2.5, null, true] ", '{"a": "\\u00e9\\ud800"}', '\n{"a": {"b": []}}\t'])
def test_json_is_read_without_the_package(text: str) -> None:
    """With the same result as with it."""
    script = (
        "import sys; from shark import jsontext; found = jsontext.loads(sys.stdin.read())\n"
        "assert 'json' not in sys.modules; print(ascii(found))"
    )
    done = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip("\n") == ascii(json.loads(text))
