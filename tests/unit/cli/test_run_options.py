"""The arguments of `shark run`, which are read without click."""

from __future__ import annotations

import pytest

from shark.cli.run import HELP, OPTIONS, main, parse
from shark.errors import SharkError


@pytest.mark.parametrize(
    ("arguments", "settings", "command"),
    [
        (["--", "cmd"], {}, ["cmd"]),
        (["cmd", "--help", "-v"], {}, ["cmd", "--help", "-v"]),
        (["cmd", "--", "x"], {}, ["cmd", "--", "x"]),
        (["--", "--name", "x"], {}, ["--name", "x"]),
        (["--", ""], {}, [""]),
        (["-q", "cmd"], {"quiet": True}, ["cmd"]),
        (["--quiet", "-v", "cmd"], {"quiet": True, "verbose": True}, ["cmd"]),
        (["--strict", "--no-seccomp", "cmd"], {"strict": True, "seccomp": False}, ["cmd"]),
        (["--require-clean", "cmd"], {"require_clean": True}, ["cmd"]),
        (["--attach", "sidecar", "--hash=off", "cmd"], {"attach": "sidecar", "hash": "off"}, ["cmd"]),
        (["--io-uring=deny", "cmd"], {"io_uring": "deny"}, ["cmd"]),
        (["--linger", "0", "cmd"], {"linger": 0.0}, ["cmd"]),
        (["--linger=1.5", "cmd"], {"linger": 1.5}, ["cmd"]),
        (["--ignore", "*.log", "--ignore=tmp/", "cmd"], {"ignore": ("*.log", "tmp/")}, ["cmd"]),
        (["--tag", "a=1", "--tag=b=x=y", "cmd"], {"tags": {"a": "1", "b": "x=y"}}, ["cmd"]),
        (["--tag", "a=", "cmd"], {"tags": {"a": ""}}, ["cmd"]),
        (["--name", "--", "cmd"], {"name": "--"}, ["cmd"]),
        (["--name=", "--json", "./-", "cmd"], {"name": "", "json": "./-"}, ["cmd"]),
    ],
)
def test_understood(arguments: list[str], settings: dict[str, object], command: list[str]) -> None:
    """Options end at `--` or at the command, whose own options are not touched."""
    assert parse(arguments) == (settings, command)


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ([], "no command", "shark run -- COMMAND"),
        (["--"], "no command", "shark run -- COMMAND"),
        (["-q"], "no command", "shark run -- COMMAND"),
        (["--name"], "--name needs a value", "--help"),
        (["--atach", "none", "cmd"], "no option --atach", "Did you mean --attach?"),
        (["--xyzzy", "cmd"], "no option --xyzzy", "--help"),
        (["--bogus", "cmd"], "no option --bogus", "--help"),
        (["--version"], "no option --version", "--help"),
        (["-", "cmd"], "no option -", ""),
        (["--quiet=yes", "cmd"], "no option --quiet=yes", "--quiet"),
        (["--attach", "all", "cmd"], "auto, xattr, sidecar or none, not 'all'", "--help"),
        (["--linger", "soon", "cmd"], "seconds, 0 or more, not 'soon'", "--linger 2.5"),
        (["--linger", "-1", "cmd"], "seconds, 0 or more", ""),
        (["--linger", "nan", "cmd"], "seconds, 0 or more", ""),
        (["--linger", "inf", "cmd"], "seconds, 0 or more", ""),
        (["--tag", "novalue", "cmd"], "KEY=VALUE, not 'novalue'", "--tag dataset=v3"),
        (["--json", "-", "cmd"], "standard output is the command's", "--json ./-"),
        (["--tag", "=x", "cmd"], "KEY=VALUE", ""),
        (["--ignore", "!", "cmd"], "--ignore takes a gitignore pattern, and '!' is none", "`"),
        (["--ignore", "x\\", "cmd"], "is none", "`"),
        (["--ignore", "[z-a]", "cmd"], "'[z-a]' is none", "`"),
    ],
)
def test_refused(arguments: list[str], message: str, hint: str) -> None:
    """What was wrong, what would be right, and 125: nothing was started."""
    with pytest.raises(SharkError) as refused:
        parse(arguments)
    assert message in refused.value.message
    assert hint in refused.value.hint
    assert refused.value.exit_code == 125


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["-q", "--help", "cmd"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Asked for before the command, it is printed, and nothing is run."""
    assert parse(arguments) == (None, [])
    assert main(arguments) == 0
    assert capsys.readouterr().out == HELP


def test_the_help_names_every_option() -> None:
    """And no other."""
    assert all(option in HELP for option in OPTIONS)


def test_a_refusal_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard error, in two lines, with exit status 125."""
    assert main(["--frobnicate", "cmd"]) == 125
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("shark: there is no option --frobnicate\n")
    assert err.count("\n") == 2
