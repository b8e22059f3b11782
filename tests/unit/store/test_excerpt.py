"""The index reads a long record without its files and edges, and learns the same from it."""

from __future__ import annotations

import gzip
import os
from typing import Any

import pytest

from shark import jsontext
from shark.store import rows
from shark.store.excerpt import without_lists
from shark.store.home import Store
from shark.store.reading import read
from unit.store.example import SHA, run_id

RUN = run_id(1)
ODD = '],"edges":[{"process":1 }],"software":[ \\ "files":[{"n":'


def _record(files: int = 1000, **more: Any) -> dict[str, Any]:
    """As shark writes it: the order of the keys is that of model/record.py."""
    name = {"name": more.pop("name")} if "name" in more else {}
    flow = {"flow": more.pop("flow")} if "flow" in more else {}
    file = {"role": "data", "versions": [{"n": 0, "origin": "before", "sha256": SHA, "size": 6}]}
    edge = {"image": 0, "version": 0, "access": "read", "order": [1, 2]}
    output = {"file": 1, "version": 0, "path": "/out", "role": "data", "sha256": SHA, "size": 6}
    return {
        "schema": "shark/run/1",
        "id": RUN,
        **name,
        "command": {"argv": ["x", ODD], "cwd": "/", "exit": 0},
        "processes": [{"n": 1, "parent": 0, "images": []}],
        "files": [{"n": n, "path": f"/in/{n}{ODD}", **file} for n in range(1, files + 1)],
        "channels": [],
        "edges": [{"process": 1, "file": n, **edge} for n in range(1, files + 1)],
        **flow,
        "software": [],
        "coverage": {"complete": False, "gaps": [{"kind": "other", "detail": ODD}]},
        "outputs": [output],
        "shark": "x",
        **more,
    }


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"flow": "output"},
        {"name": ODD},
        {"channels": [{"n": 1, "kind": "pipe"}]},
        {"settings": {"values": {}, "files": [{"path": "/a", "sha256": SHA}]}},
    ],
)
def test_only_files_and_edges_are_left_out(more: dict[str, Any]) -> None:
    """A record's text without them is that of the record with two empty lists."""
    record = _record(**more)
    assert without_lists(jsontext.dumps(record), RUN) == jsontext.dumps({**record, "files": [], "edges": []})


@pytest.mark.parametrize(
    "record",
    [
        _record(id=run_id(2)),
        {**_record(), "files": []},
        {**_record(), "edges": []},
        _record(values={"more": 1, "files": [{"n": 1}]}),
        _record(values={"a": [{"b": 1}], "channels": []}),
        _record(values={"a": [{"b": 1}], "software": []}),
        dict(sorted(_record().items())),
        {"schema": "shark/run/1", "id": RUN, "a": "x" * 100_000},
    ],
)
def test_what_is_odd_stays_whole(record: dict[str, Any]) -> None:
    """A text is cut only where each mark is found once, and they come in the order of shark's own records."""
    text = jsontext.dumps(record)
    assert without_lists(text, RUN) is text


def test_the_index_learns_the_same(tmp_path: Any) -> None:
    """What is kept of outputs and columns does not depend on what was parsed."""
    store = Store(os.fsencode(tmp_path))
    record = _record(flow="output", tags={"a": "b"})
    store.write_record(record)
    found = read(store, RUN, whole=False)
    assert found.prepared == rows.prepared(record, whole=False)
    assert found.prepared is not None
    assert [row.path for row in found.prepared.outputs] == ["/out"]


@pytest.mark.parametrize("damaged", [b'"shark":"x"}', b'"processes":[{"n":1,'])
def test_a_damaged_record_is_told_of_as_ever(tmp_path: Any, damaged: bytes) -> None:
    """The problem is that of the whole text."""
    store = Store(os.fsencode(tmp_path))
    path = store.write_record(_record())
    text = jsontext.dumps(_record()).replace(damaged, b"]")
    with open(path, "wb") as file:
        file.write(gzip.compress(text))
    found = read(store, RUN, whole=False)
    assert found.problem == read(store, RUN, whole=True).problem != ""
    assert found.prepared is None
