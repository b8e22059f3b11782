"""The pages of `shark verify`, `status` and `diff`: of whole documents, and of broken ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark import jsontext
from shark.view.diff import add_diff
from shark.view.status import add_status
from shark.view.verify import add_verification

from .documents import page, widest

RELEASED = Path(__file__).parents[1] / "model" / "data"
PAGES = {"verify-1": add_verification, "status-1": add_status, "diff-1": add_diff}


def released(name: str) -> Any:
    return jsontext.loads((RELEASED / f"{name}.json").read_bytes())


def text_of(name: str, document: Any = None, **how: Any) -> str:
    here = page(**how)
    PAGES[name](here, released(name) if document is None else document)
    return here.text()


def test_verify() -> None:
    text = text_of("verify-1")
    assert "✗ fit.png    input-modified  " in text
    assert "out.csv" not in text  # it is ok
    assert "table.csv changed" in text
    assert "list not compared" not in text
    assert text.endswith("3 files: 1 ok, 1 input-modified, 1 unknown; 2 files without a manifest\n")
    verbose = text_of("verify-1", verbose=True)
    assert "out.csv" in verbose
    assert "list not compared" in verbose


def test_status() -> None:
    text = text_of("status-1")
    assert "✗ fit.png  stale        " in text
    assert "(via " in text
    assert "is new in a listed directory" in text
    assert text.endswith(
        "4 outputs: 1 stale, 1 maybe stale, 2 up to date; 1 changed since they were made (see `shark verify`)\n"
    )


def test_a_moved_folder() -> None:
    """What has changed is named by where it is, and not by where it was recorded."""
    changed = {"path": "/old/in.csv", "at": "/home/ann/p/in.csv", "state": "modified", "list": "inputs"}
    document = {"files": [{"file": "a", "state": "input-modified", "inputs": [changed]}], "counts": {}}
    assert "✗ a  input-modified  in.csv changed\n" in text_of("verify-1", document)
    cause = {**changed, "change": "modified", "run": "x", "chain": []}
    document = {"files": [{"file": "a", "state": "stale", "run": "x", "causes": [cause]}], "counts": {"stale": 1}}
    assert "✗ a  stale  in.csv changed\n" in text_of("status-1", document)


def test_status_gathers_new_entries() -> None:
    causes = [{"path": f"/d/{n}", "change": "new-entry", "run": "x", "chain": []} for n in range(7)]
    file = {"file": "a", "state": "maybe-stale", "run": "x", "causes": causes}
    document = {"files": [file], "counts": {"maybe-stale": 1}}
    assert "7 new files in /d/\n" in text_of("status-1", document)
    assert "/d/6 is new" in text_of("status-1", document, verbose=True)


def test_diff() -> None:
    text = text_of("diff-1")
    assert text.startswith("✗ the contents differ\n")
    assert (
        text.index("\nCode\n") < text.index("\nInputs\n") < text.index("\nSoftware\n") < text.index("\nAlso different")
    )
    assert "4b259764fc → 407a00bf47\n" in text
    assert "    -x <- 1\n    +x <- 2\n" in text
    assert "table.csv  only in b: 407a00bf47\n" in text
    assert "r-base-core  4.2.2-1 → 4.2.2-2\n" in text
    assert "the file has changed since" in text


@pytest.mark.parametrize("name", PAGES)
def test_plain(name: str) -> None:
    """Within the width of a terminal, in ASCII where it can show no more, without control characters."""
    narrow = page(60, ascii=True)
    document = jsontext.loads((RELEASED / f"{name}.json").read_bytes().replace(b"fit.png", b"f\\u001b[31m\\u00e9.png"))
    PAGES[name](narrow, document)
    assert widest(narrow) <= 60
    assert narrow.text().isascii()
    assert "\x1b" not in narrow.text()


scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3)
junk = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


@pytest.mark.parametrize("name", PAGES)
@settings(max_examples=60)
@given(st.data())
def test_never_raises(name: str, data: Any) -> None:
    """Of a document with anything in the place of any field, what can be shown is."""
    document = released(name)
    for _ in range(data.draw(st.integers(1, 4))):
        where: Any = document
        while isinstance(where, (dict, list)) and where:
            key = data.draw(st.sampled_from(sorted(where) if isinstance(where, dict) else list(range(len(where)))))
            if not isinstance(where[key], (dict, list)) or data.draw(st.booleans()):
                where[key] = data.draw(junk)
                break
            where = where[key]
    PAGES[name](page(80), document)
