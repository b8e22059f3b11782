"""What a run looked for is found in its record's text without parsing the whole."""

from __future__ import annotations

from typing import Any

import pytest

from shark import jsontext
from shark.checking.glimpse import glimpse

RUN = "01a22792-bcba-746c-ae2c-524ab5e452d8"
HARD = ['},{"access":"list"', '}],"flow":"', "}],", "},{", ',"edges":[{', '{"n":2,"path":', "\\", "\udcff"]


def record(name: str = "a") -> dict[str, Any]:
    """A record in which `name` stands wherever a command can put a text."""
    edges: list[dict[str, Any]] = [
        {"process": 1, "image": 0, "file": 1, "version": 0, "access": "read", "as": name, "order": [1, 2]},
        {"process": 1, "image": 0, "file": 2, "access": "list", "order": [3, 4]},
        {"process": 1, "image": 0, "file": 3, "access": "missing", "as": name, "order": [5, 6]},
        {"process": 1, "image": 0, "file": 4, "version": 1, "access": "create", "as": name, "order": [7, 8]},
    ]
    return {
        "schema": "shark/run/1",
        "id": RUN,
        "command": {"argv": [name], "cwd": "/w", "end": "2026-11-29T13:52:31.667+00:00"},
        "processes": [{"n": 1, "argv": [name]}],
        "files": [
            {"n": 1, "path": f"/w/{name}", "role": "data", "versions": [{"n": 0}, {"n": 2, "by": {"process": 1}}]},
            {"n": 2, "path": f"/w/{name}2", "kind": "directory", "role": "data", "versions": []},
            {"n": 3, "path": f"/w/{name}3", "kind": "missing", "role": "config", "versions": [{"n": 0}]},
            {"n": 4, "path": f"/w/{name}4", "role": "data", "versions": [{"n": 1}]},
        ],
        "channels": [],
        "edges": edges,
        "flow": "output",
        "software": [name],
        "outputs": [{"file": 4, "version": 1, "path": f"/w/{name}4"}],
    }


def test_it_is_what_the_record_says() -> None:
    """What a glimpse tells is what parsing the whole tells."""
    whole = record()
    found = glimpse(jsontext.dumps(whole), RUN)
    assert found == {"command": whole["command"], "edges": whole["edges"][1:3], "files": whole["files"][1:3]}


@pytest.mark.parametrize("name", HARD)
def test_texts_that_look_like_marks_do_not_mislead(name: str) -> None:
    """Names that a command made up to look like a record's structure are told rightly, or the whole is parsed."""
    whole = record(name)
    found = glimpse(jsontext.dumps(whole), RUN)
    right = {"command": whole["command"], "edges": whole["edges"][1:3], "files": whole["files"][1:3]}
    assert found in (None, right)


@pytest.mark.parametrize("key", ["command", "processes", "files", "edges", "software"])
def test_what_lacks_a_part_is_left_alone(key: str) -> None:
    """A text without what every record has is for whoever parses the whole."""
    whole = record()
    if key == "software":
        del whole["flow"]
    del whole[key]
    assert glimpse(jsontext.dumps(whole), RUN) is None


def test_another_run_or_damage_is_left_alone() -> None:
    """The record of another run, and one that breaks off, give no glimpse."""
    text = jsontext.dumps(record())
    assert glimpse(text, RUN.replace("0", "1")) is None
    assert all(glimpse(text[:length], RUN) is None for length in range(text.index(b'"flow"')))
