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
NAMES = st.one_of(
    st.from_regex(masking._SECRET_NAME().pattern[1:-1], fullmatch=True).map(lambda name: name[:60]),
    st.from_regex(masking._RUN_TOGETHER().pattern, fullmatch=True),
    st.sampled_from(
        [
            "--file",
            "-DNDEBUG",
            "CFLAGS",
            "userSessionId",
            "X-Amz-Signature",
            "apiKey",
            "pass-through",
            "my-pass-through-key",
            "\u212aey",
            "pa\u017fs",
        ]
    ),
)
"""Names of secrets, as masking knows them, and of other things."""
BOUND = st.builds(
    "{}{}{}{}".format, st.sampled_from(["", "-", "--", "a "]), NAMES, st.sampled_from("= :"), st.just("x1")
)
HEADERS = st.sampled_from(["Basic abcdef1", "AWS4-HMAC-SHA256 abcdefg", "Negotiate abcdefg", "ApiKey abcdefg"])
ARGUMENTS = st.one_of(
    st.sampled_from([*WORDS, *PROGRAMS, *SECRETS]),
    BOUND,
    HEADERS,
    NAMES.map("--{}".format),
    st.text(string.ascii_letters + string.digits + "-_=:./@ ", max_size=12),
    st.text(max_size=6),
)


@given(st.lists(ARGUMENTS, max_size=5))
def test_what_is_plain_has_no_secret(argv: list[str]) -> None:
    """Whatever masking would change is not plain."""
    if suspicion.is_plain(argv):
        assert masking.mask_suspicious(argv) == argv


@given(st.sampled_from(SECRETS), st.text("ab./-", max_size=3), st.text("ab./-", max_size=3))
def test_every_known_shape_is_suspicious(secret: str, before: str, after: str) -> None:
    """Also in the middle of a word."""
    assert not suspicion.is_plain([before + secret + after])


def test_all_marks_are_there() -> None:
    """Those of masking, and no others."""
    assert {mark for shape in masking._SHAPES for mark in shape.marks.split()} == suspicion.MARKS


@pytest.mark.parametrize(
    "line",
    [
        "true",
        "Rscript fit.R",
        "/usr/lib/R/bin/exec/R --no-echo --no-restore --file=fit.R",
        "make -j8 all CFLAGS=-O2",
        "/usr/bin/ld -plugin-opt=-pass-through=-lgcc --build-id -o out",
        "cc1 -quiet -imultiarch x86_64-linux-gnu x.c -mtune=generic -o /tmp/x.s",
        "awk 'BEGIN { n = 1 } { print n }'",
        "sort -n -r in.txt",
        "python3 -m pkg --fast",
    ],
)
def test_ordinary_commands_are_plain(line: str) -> None:
    """Else it would save nothing."""
    assert suspicion.is_plain(shlex.split(line))
