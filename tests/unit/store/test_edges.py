"""The graph in the index: what outputs derive from, kept once, found from both ends, and gone when its run is."""

from __future__ import annotations

import itertools
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.model.derivation import Contents, Derivation
from shark.store import edges, rows
from shark.store.forget import forget
from shark.store.home import Store
from shark.store.index import Index
from shark.store.interning import Interner, packed, unpacked
from shark.store.schema import TABLES, in_memory

from . import example


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"SHARK_HOME": str(tmp_path / "store"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}


@pytest.fixture
def store(environ: dict[str, str]) -> Store:
    return Store.open(environ, write=True)


def digest(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def record(n: int, used: str, made: str, **more: Any) -> dict[str, Any]:
    """A run that read the files /USED and made /MADE, one for each letter."""
    files: list[dict[str, Any]] = []
    for name in used:
        version = {"n": 1, "origin": "before", "sha256": digest(name), "size": 1}
        files.append({"n": len(files) + 1, "path": f"/{name}", "role": "data", "versions": [version]})
    reads = [
        {"process": 1, "image": 0, "file": file["n"], "version": 1, "access": "read", "order": [1, 2]} for file in files
    ]
    outputs = []
    for name in made:
        by = {"process": 1, "image": 0}
        version = {"n": 1, "origin": "created", "sha256": digest(name), "size": 1, "by": by}
        files.append({"n": len(files) + 1, "path": f"/{name}", "role": "data", "versions": [version]})
        outputs.append(
            {"file": len(files), "version": 1, "path": f"/{name}", "role": "data", "sha256": digest(name), "size": 1}
        )
    return {
        "schema": "shark/run/1",
        "id": example.run_id(n),
        "command": {"argv": ["run", str(n)], "cwd": "/"},
        "processes": [],
        "files": files,
        "channels": [],
        "edges": reads,
        "software": [],
        "coverage": {"complete": True, "gaps": []},
        "outputs": outputs,
        "shark": "0",
        **more,
    }


def count(index: Index, table: str) -> int:
    return int(index.ask(f"SELECT count(*) FROM {table}")[0][0])


def derives(index: Index, run: int, made: str) -> dict[str, str]:
    """The inputs of an output by their letters, and as what: input, control or only."""
    found = edges.output(index, example.run_id(run), f"/{made}".encode(), digest(made))
    assert found is not None
    return {
        each.version.path.decode()[1:]: "control" if each.control else "only" if each.only else "input"
        for each in edges.inputs(index, found)
    }


def test_outputs_of_a_run_share_one_set(store: Store, environ: dict[str, str]) -> None:
    """Neither more outputs nor another run with the same inputs need more room for these."""
    store.write_record(record(1, "abcdefghij", "xyz"))
    store.write_record(record(2, "abcdefghij", "w"))
    index = Index.open(store, environ)
    assert derives(index, 1, "y") == dict.fromkeys("abcdefghij", "input")
    assert derives(index, 2, "w") == dict.fromkeys("abcdefghij", "input")
    assert count(index, "sets") == 1
    assert count(index, "members") == 10
    assert count(index, "files") == 14
    assert index.edges() == 40


def test_who_used_a_content_is_found_from_the_other_end(store: Store, environ: dict[str, str]) -> None:
    store.write_record(record(1, "ab", "xy"))
    store.write_record(record(2, "b", "z"))
    store.write_record(record(3, "b", ""))
    index = Index.open(store, environ)
    found = [(use.run, use.made and use.made.version.path) for use in edges.uses(index, b"/b", digest("b"))]
    one, two, three = map(example.run_id, (1, 2, 3))
    assert found == [(one, b"/x"), (one, b"/y"), (two, b"/z"), (three, None)]
    assert [use.run for use in edges.uses(index, b"/a", digest("a"))] == [one, one]
    assert edges.uses(index, b"/a", digest("b")) == []


def test_outputs_that_derive_from_different_inputs(
    store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has its own; what they have in common is kept once, and found from both ends."""
    common = "abcdefghijkl"
    wanted = {"x": (common, "m"), "y": (common + "n", ""), "z": (common + "n" + "o", "p"), "w": (common + "o", "")}

    def derive(made: Any) -> Any:
        contents = Contents(made)
        numbers = {file["path"][1:]: file["n"] for file in made["files"]}

        def of(output: Any) -> Derivation:
            inputs, controls = wanted[output["path"][1:]]
            entries = [[contents.entry(numbers[n], 1, None) for n in names] for names in (inputs, controls)]
            own = (contents.entry(numbers["q"], 1, None),) if output["path"] == "/w" else ()
            return Derivation("output", entries[0], entries[1], [], own)

        return of

    monkeypatch.setattr(rows, "DERIVE", (derive,))
    store.write_record(record(1, common + "mnopqr", "xyzw"))
    index = Index.open(store, environ)
    for made, (inputs, controls) in wanted.items():
        expected = dict.fromkeys(inputs, "input") | dict.fromkeys(controls, "control")
        assert derives(index, 1, made) == expected | ({"q": "only"} if made == "w" else {})
    assert count(index, "members") < sum(len(i) + len(c) for i, c in wanted.values()) / 2
    parts = [row[0] for row in index.ask("SELECT part FROM outputs ORDER BY n")]
    assert parts == [1, 2, 3, 4]
    users = {
        letter: {
            (use.made.version.path.decode()[1:] if use.made else "", use.control, use.only)
            for use in edges.uses(index, f"/{letter}".encode(), digest(letter))
        }
        for letter in "anpqr"
    }
    assert users == {
        "a": {(made, False, False) for made in "xyzw"},
        "n": {("y", False, False), ("z", False, False)},
        "p": {("z", True, False)},
        "q": {("w", False, True)},
        "r": {("", False, False)},  # read, but nothing derives from it
    }
    assert {version.path.decode()[1:] for version in index.used(run=example.run_id(1))} == set(common + "mnopqr")


def test_nothing_of_a_forgotten_run_stays(store: Store, environ: dict[str, str]) -> None:
    """Nor of one whose record was removed by hand; what other runs have too does stay."""
    store.write_record(record(1, "abcdefghij", "x"))
    first = Index.open(store, environ)
    first.take_in_inputs()
    tables = [table for table in TABLES if table not in ("days", "sizes")]
    before = {table: first.ask(f"SELECT * FROM {table}") for table in tables}
    store.write_record(record(2, "abcdefghijkl", "yx"))
    first.refresh()
    first.take_in_inputs()
    forget(store, example.run_id(2))
    first.refresh()
    assert {table: first.ask(f"SELECT * FROM {table}") for table in tables} == before
    forget(store, example.run_id(1))
    first.refresh()
    assert {table: count(first, table) for table in tables} == dict.fromkeys(tables, 0)


def test_makers_are_ordered_by_path_and_time(store: Store, environ: dict[str, str]) -> None:
    for n, made in enumerate("xyxy"):
        changed = record(n, "", made)
        changed["outputs"][0]["sha256"] = digest("same")
        store.write_record(changed)
    index = Index.open(store, environ)
    found, total = edges.makers(index, b"/x", digest("same"))
    assert [version.run for version in found] == [example.run_id(n) for n in (2, 0, 3, 1)]
    assert total == 4
    assert len(edges.makers(index, b"/x", digest("same"), limit=1)[0]) == 1


def test_files_without_a_digest_are_one_by_path(store: Store, environ: dict[str, str]) -> None:
    for n in (1, 2):
        changed = record(n, "ab", "x")
        for file in changed["files"]:
            file["versions"][0].pop("sha256")
        changed["outputs"][0].pop("sha256")
        store.write_record(changed)
    index = Index.open(store, environ)
    index.take_in_inputs()
    assert count(index, "files") == 3
    assert len(edges.uses(index, b"/a", "")) == 2
    assert edges.contents_at(index, b"/x") == [""]


def test_many_records_at_once_are_read_by_several_processes(
    store: Store, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the same result as by one; damaged ones among them included."""
    for n in range(30):
        path = store.write_record(record(n, "abc"[: n % 3 + 1], "xyz"[n % 3]))
        if n == 7:
            with open(path, "wb") as stream:
                stream.write(b"damaged")
    monkeypatch.setattr("shark.store.index._BATCH", 9)
    results = []
    for many in (1000, 5):
        monkeypatch.setattr("shark.store.reading._MANY", many)
        monkeypatch.setattr("shark.store.reading._CHUNK", 4)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        index = Index.open(store, environ, rebuild=True)
        results.append({table: index.ask(f"SELECT * FROM {table}") for table in TABLES})
        assert [run for run, _ in index.problems()] == [example.run_id(7)]
        index.close()
    assert results[0] == results[1]


def test_a_rebuilt_index_takes_no_more_room_than_a_new_one(store: Store, environ: dict[str, str]) -> None:
    for n in range(20):
        store.write_record(record(n, "abcdef", "xyz", name=f"{n}" * 3000))
    Index.open(store, environ).close()
    size = os.path.getsize(store.index_path)
    for _ in range(2):
        Index.open(store, environ, rebuild=True).close()
    assert os.path.getsize(store.index_path) <= size * 1.5


@given(st.sets(st.integers(0, 1 << 40)))
def test_packed_numbers_come_back(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    assert list(unpacked(packed(ordered))) == ordered


@given(st.lists(st.frozensets(st.integers(0, 40)), max_size=8))
def test_sets_come_back_whatever_they_share(wanted: list[frozenset[int]]) -> None:
    connection = in_memory()
    numbers = Interner(connection).sets(wanted)
    assert [everything(connection, number) for number in numbers] == wanted
    again = Interner(connection).sets(wanted)
    assert again == numbers
    for one, other in itertools.combinations(range(len(wanted)), 2):
        assert (numbers[one] == numbers[other]) == (wanted[one] == wanted[other])
    connection.close()


def everything(connection: sqlite3.Connection, number: int) -> frozenset[int]:
    """A set's members, by the packed ones and by the table that leads back from them: both must say the same."""
    found: set[int] = set()
    size = None
    while number is not None:
        row = connection.execute("SELECT parent, count, members FROM sets WHERE n = ?", (number,)).fetchone()
        own = set(unpacked(row[2]))
        assert own == {m for (m,) in connection.execute("SELECT member FROM members WHERE inputs = ?", (number,))}
        found |= own
        size = row[1] if size is None else size
        number = row[0]
    assert size == len(found)
    return frozenset(found)
