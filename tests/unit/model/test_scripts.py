"""Which argument of an interpreter is its script."""

from __future__ import annotations

import pytest

from shark.model.scripts import script_paths


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("python3 x.py data.csv", ["/w/x.py"]),
        ("python3.11 -u -W ignore x data.csv", ["/w/x"]),
        ("python3 -c code x.py", []),
        ("python3 -m module x.py", []),
        ("python3 -Ec code x.py", []),
        ("python3 -- x.py", ["/w/x.py"]),
        ("python3 -", []),
        ("python3", []),
        ("Rscript --vanilla ../x.R in.csv", ["/x.R"]),
        ("Rscript -e expr in.csv", []),
        ("R --no-echo --file=x.R --args in.csv", ["/w/x.R"]),
        ("R -f x.R", ["/w/x.R"]),
        ("R -f", []),
        ("sh -e /abs/job in.csv", ["/abs/job"]),
        ("bash -o pipefail job", ["/w/job"]),
        ("bash +x job", ["/w/job"]),
        ("sh -ec code job", []),
        ("perl -I lib x.pl", ["/w/x.pl"]),
        ("perl -ne code in.txt", []),
        ("awk -f x.awk -fy.awk in.csv", ["/w/x.awk", "/w/y.awk"]),
        ("awk code in.csv", []),
        ("make -C sub -f rules all", ["/w/rules"]),
        ("make all", []),
        ("sort in.csv", []),
        ("julia --project -t 4 x.jl", ["/w/x.jl"]),
        ("node x.js y", ["/w/x.js"]),
    ],
)
def test_scripts(command, expected):
    argv = [word.encode() for word in command.split()]
    found = script_paths(b"/usr/bin/" + argv[0], argv, b"/w")
    assert [path.decode() for path in found] == expected


def test_an_interpreter_may_be_known_by_the_name_it_was_called_by():
    assert script_paths(b"/opt/strange", [b"python3", b"x.py"], b"/w") == [b"/w/x.py"]


def test_without_arguments_there_is_no_script():
    assert script_paths(b"/opt/strange", [], b"/w") == []
    assert script_paths(b"/usr/bin/sh", [b"sh", b"job\xff"], b"") == [b"/job\xff"]
