"""A command line that is not looked at closely is one that masking leaves alone."""

from __future__ import annotations

import shlex
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.content import masking, suspicion

WORDS = [
    "-p",
    "-u",
    "--password",
    "--token",
    "-x",
    "--user",
    "-psecret",
    "me:pw",
    "a=b",
    "password=x",
    "hunter2",
    "fit.R",
]
PROGRAMS = ["mysql", "/usr/bin/curl", "sshpass", "zip", "redis-cli", "psql", "Rscript", "gcc", "http"]
SECRETS = [mark + "A" * 40 for shape in masking._SHAPES for mark in shape.marks.split()]
ARGUMENTS = st.one_of(
    st.sampled_from([*WORDS, *PROGRAMS, *SECRETS]),
    st.text(string.ascii_letters + string.digits + "-_=:./@ ", max_size=12),
    st.text(max_size=6),
)


@given(st.lists(ARGUMENTS, max_size=5))
def test_what_is_plain_has_no_secret(argv: list[str]) -> None:
    """Whatever masking would change is not plain."""
    if suspicion.is_plain(argv):
        assert masking.mask_argv(argv) == argv


@given(st.sampled_from(SECRETS), st.text("ab./-", max_size=3), st.text("ab./-", max_size=3))
def test_every_known_shape_is_suspicious(secret: str, before: str, after: str) -> None:
    """Also in the middle of a word."""
    assert not suspicion.is_plain([before + secret + after])


def test_all_marks_are_there() -> None:
    """Those of masking, and no others."""
    assert {mark for shape in masking._SHAPES for mark in shape.marks.split()} == suspicion.MARKS


@pytest.mark.parametrize(
    "line", ["true", "Rscript fit.R", "make -j8 all", "sort -n -r in.txt", "python3 -m pkg --fast"]
)
def test_ordinary_commands_are_plain(line: str) -> None:
    """Else it would save nothing."""
    assert suspicion.is_plain(shlex.split(line))
