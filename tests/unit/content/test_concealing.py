"""Secrets in events: concealed wherever a journal would name them."""

from __future__ import annotations

from shark.content.concealing import Concealer
from shark.events import Located, Missing

TOKEN = b"ghp_" + b"aB3dE6gH9j" * 3 + b"aB3dE6"


def test_a_directory_in_the_middle_of_a_path() -> None:
    """A credential is one between slashes too."""
    told: list[bytes] = []
    event = Concealer({}, told.append).event(Missing(1, 2, 1, b"/work/" + TOKEN + b"/some/file", False))
    assert TOKEN not in event.path
    assert told == [TOKEN]


def test_where_a_process_is() -> None:
    """The working directory of a busy process, which the journal keeps for `shark recover`."""
    concealer = Concealer({"DB_PASSWORD": "hunter2-hunter2"})
    for secret in (b"hunter2-hunter2", TOKEN):
        assert secret not in concealer.event(Located(1, 2, 1, b"/work/" + secret)).cwd
    plain = Located(1, 2, 1, b"/work")
    assert concealer.event(plain) is plain
