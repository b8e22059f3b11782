"""What shall not be known is in nothing that is written, and paths can be had back from the journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.content.redaction import Redactor
from shark.events import Missing

ALL = Redactor({"user", "host", "home"}, user="ada", host="box.example.org", home="/home/ada")
PARTS = st.lists(
    st.sampled_from(["ada", "box", "box.example.org", "of-ada", "ada.box", "home", "***", "~", "x", "adam"]), max_size=5
)


@given(PARTS)
def test_paths_come_back(parts: list[str]) -> None:
    """Names of user and host as components of a path and as parts of them; asterisks that were there before, too."""
    path = "/".join(["", *parts]).encode()
    event = Missing(1, 2, 3, path, False)
    hidden = ALL.event(event)
    for word in (b"ada", b"box"):
        assert word not in [part.strip(b"\x01\x02\x03*") for part in hidden.path.replace(b"-", b"/").split(b"/")]
    assert ALL.revealed(hidden) == event


@pytest.mark.parametrize(
    ("what", "path"),
    [
        ({"user"}, b"/tmp/pytest-of-ada/x"),
        ({"host"}, b"/data/box/x"),
        ({"home"}, b"/home/ada/x"),
        ({"home"}, b"/data (1)/home/ada/x"),
        (set(), b"/home/ada"),
    ],
)
def test_one_kind_alone(what: set[str], path: bytes) -> None:
    """Each can be had back without the others."""
    redactor = Redactor(what, user="ada", host="box", home="/home/ada")
    event = Missing(1, 2, 3, path, False)
    assert redactor.revealed(redactor.event(event)) == event
    assert (redactor.event(event) == event) is not bool(what)


def test_documents_have_asterisks() -> None:
    """What is for reading has no marks."""
    assert ALL.document({"cwd": "/tmp/of-ada/box", "argv": ["/home/ada/x"]}) == {
        "cwd": "/tmp/of-***/***",
        "argv": ["~/x"],
    }
