"""Values as people read them."""

from __future__ import annotations

import doctest
import os
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.view import reading, words

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize("module", [words, reading])
def test_examples(module):
    """The examples in the docstrings hold."""
    assert doctest.testmod(module).failed == 0


@given(st.text(st.characters(codec=None, categories=None)))
def test_visible_lets_nothing_through_that_acts(text):
    """Whatever the name: one printable line that any UTF-8 terminal takes, without control sequences."""
    shown = words.visible(text)
    shown.encode("utf-8")
    assert all(c.isprintable() or c in "\u200c\u200d" for c in shown.replace(" ", ""))
    assert words.visible(text, ascii_only=True).isascii()


def test_visible_keeps_what_people_write():
    """Ordinary names in any script are shown as they are."""
    for name in ("Größe.csv", "日本語.tif", "naïve café", "e\u0301", "می\u200cخواهم", "📈.png"):
        assert words.visible(name) == name


def test_visible_shows_what_would_deceive():
    """A direction override cannot make an .exe look like a .txt."""
    assert words.visible("a\u202etxt.exe") == "a\\u202etxt.exe"
    assert words.visible("a\u2028b\x85\ufeff") == "a\\u2028b\\u0085\\ufeff"


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_a_shell_takes_a_command_back():
    """What is shown can be pasted into bash, and gives the same arguments."""
    argv = ["a b", "it's", "$x", "", "new\nline", "\udcff", "back\\slash\n", "tab\t'quote'", "ü"]
    shown = words.command(argv)
    printed = subprocess.run(["bash", "-c", f"printf '%s\\0' {shown}"], capture_output=True, check=True).stdout
    assert printed == b"".join(os.fsencode(word) + b"\0" for word in argv)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0.00 s"), (9.999, "10.0 s"), (59.97, "1 min"), (3600, "1 h"), (3725, "1 h 2 min"), (90061, "1 d 1 h")],
)
def test_durations(seconds, shown):
    """Two figures that matter, no more."""
    assert words.duration(seconds) == shown


@pytest.mark.parametrize("nonsense", [None, -1.0, float("nan"), float("inf")])
def test_a_length_that_is_none_is_not_shown(nonsense):
    """A manifest may say anything."""
    assert words.duration(nonsense) == ""


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_960, "1.0 MB"), (10**18, "1000.0 PB")]
)
def test_sizes(count, shown):
    """Decimal units."""
    assert words.size(count) == shown


def test_times_of_day():
    """In the zone of recording; what is no time is shown as it came, made harmless."""
    assert words.moment("2026-11-21T10:00:00.123+05:30") == "2026-11-21 10:00:00 +05:30"
    assert words.moment("2026-11-21T10:00:00-03:00") == "2026-11-21 10:00:00 -03:00"
    assert words.moment("yesterday\x1b") == "yesterday\\x1b"
    assert words.moment("2026-11-21T10:00:00") == "2026-11-21T10:00:00"


@pytest.mark.parametrize(
    ("stamp", "shown"),
    [
        ("2026-11-21T12:29:30+00:00", "just now"),
        ("2026-11-21T12:29:00+00:00", "1 minute ago"),
        ("2026-11-19T12:29:00+00:00", "2 days ago"),
        ("2021-11-19T12:29:00+00:00", "5 years ago"),
        ("2027-11-19T12:29:00+00:00", ""),
        ("", ""),
    ],
)
def test_ago(stamp, shown):
    """Roughly, and nothing about the future."""
    assert words.ago(stamp, NOW) == shown


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({}, ("", False)),
        ({"signal": "SIGTERM"}, ("killed by SIGTERM", True)),
        ({"signal": 40}, ("killed by signal 40", True)),
        ({"signal": 10**30}, (f"killed by signal {10**30}", True)),
        ({"exit": "0"}, ("", False)),
        ([], ("", False)),
    ],
)
def test_endings(part, shown):
    """Signals by name where they have one."""
    assert words.ending(part) == shown


def test_packages():
    """Scopes belong to a name; what is no package URL is shown whole."""
    assert words.package("pkg:npm/%40babel/core@7.0.0") == ("npm", "@babel/core", "7.0.0")
    assert words.package("pkg:pypi/numpy") == ("pypi", "numpy", "")
    assert words.package("nonsense\n") == ("", "nonsense\\n", "")
