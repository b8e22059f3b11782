"""The page of `shark inspect`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark.view.directory import add_directory
from shark.view.inspect import add_found

from .documents import found, manifest, page, widest


def shown(entry: dict[str, Any], width: int = 0, **how: Any) -> str:
    here = page(width, **how)
    add_found(here, entry)
    return here.text()


def test_the_whole_page():
    """What it is, whether it is unchanged, how it was made, from what, with what, where."""
    assert (
        shown(found(), 100)
        == """\
plot.png  4.7 kB
✓ unchanged since it was made 2026-11-21 10:00:01 UTC (2 hours ago)

Command     Rscript x.R 'a b'
Written by  /usr/lib/R/bin/exec/R --file=x.R
In          /home/ann/p
Started     2026-11-21 10:00:00 UTC, took 1.23 s, exit 0
Run         0193aaaa-bbbb-7ccc-8ddd-eeee7f3a9c21

Inputs  2 files, 1.2 kB
  data/in.csv     9 B  as link.csv, from run 12345678
  x.R          1.2 kB  code

Software  2 packages
  r-base-core  4.2.2.20221110-2  deb
  ggplot2      3.4.1             cran

Git         main @ 0123456789 with uncommitted changes  https://example.org/p.git
Host        ann@box, Debian GNU/Linux 12, Linux 6.1.0, x86_64
Network     [fe80::1]:5432
Coverage    ✓ complete: nothing escaped the trace
"""
    )


def test_inputs_of_the_whole_run():
    """Where they are not this file's own, the page says so."""
    entry = found()
    assert "all that the run read" not in shown(entry, 100)
    entry["manifest"]["scope"] = "run"
    assert "Inputs  2 files, 1.2 kB: all that the run read" in shown(entry, 100)


def test_a_changed_file():
    """The page says that it describes earlier contents."""
    assert "✗ changed since: this describes its contents of 2026-11-21 10:00:01" in shown(found("modified"))


def test_unknown_state():
    """Without a digest it is not known whether the file is unchanged."""
    assert "? not known whether it is unchanged" in shown(found("unknown"))


def test_nothing_known():
    """A file without a manifest."""
    entry = {"file": "/home/ann/p/a.csv", "state": "unknown", "source": "none"}
    assert shown(entry) == "a.csv\n? nothing is known of where this file comes from\n"


@pytest.mark.parametrize(("ending", "said"), [({"exit": 3}, "exit 3"), ({"signal": 9}, "killed by SIGKILL")])
def test_made_by_a_failed_run(ending, said):
    """Both kinds of failure are said at the top."""
    command = {k: v for k, v in manifest()["command"].items() if k != "exit"} | ending
    assert f"! made by a failed run ({said})" in shown(found(manifest=manifest(command=command)))


def test_no_inputs():
    """An empty list of inputs is a finding, not an absence."""
    assert "none but software, and caches such as .git" in shown(found(manifest=manifest(inputs=[])))


def test_gaps_are_counted():
    """Equal gaps once, with how often they came."""
    gaps = [{"kind": "io_uring", "detail": "process 3 set up a ring"}] * 3 + [{"kind": "other", "detail": "x\x1b"}]
    text = shown(found(manifest=manifest(coverage={"complete": False, "gaps": gaps})))
    assert "! 4 gaps: not everything could be seen" in text
    assert "io_uring  process 3 set up a ring  3 times" in text
    assert "x\\x1b" in text


def test_controls_and_folded_inputs():
    """Files that only chose what was done stand apart; a folded directory says how many files it stands for."""
    inputs = [{"path": "/data/tiles", "files": 500, "sha256": "a" * 64}]
    text = shown(found(manifest=manifest(inputs=inputs, controls=[{"path": "/home/ann/p/list", "size": 3}])))
    assert "Inputs  500 files" in text
    assert "/data/tiles/  500 files" in text
    assert "Chosen by  1 file, 3 B\n  list  3 B" in text


def test_candidates():
    """All runs that made these bytes are shown, none is picked."""
    candidates = [{"manifest": manifest(run=f"0193-{n}aaaaaaa")} for n in range(2)]
    entry = {"file": "/home/ann/p/c.png", "state": "unknown", "source": "digest", "candidates": candidates}
    text = shown(entry)
    assert "Candidates  runs that made these same bytes" in text
    assert "0aaaaaaa" in text
    assert "1aaaaaaa" in text


def test_a_summary_says_that_it_is_one():
    """Only a summary came with the file: how many inputs there were, and where to find them."""
    summary = {
        "schema": "shark/manifest/1",
        "summary": True,
        "run": "0193-12345678",
        "output": {"sha256": "a" * 64, "size": 10},
        "counts": {"inputs": 1200, "software": 30},
        "command": {"argv": ["make"], "cut": True},
    }
    text = shown(found(manifest=summary))
    assert "Only a summary came with the file (1200 inputs, 30 software)" in text


def test_pyshark():
    """A manifest of the predecessor is shown as far as it goes."""
    old = {
        "args": ["python", "x.py"],
        "start": "2014-01-01T00:00:00",
        "inputs": [{"path": "a.csv", "sha": "b" * 40}, {"url": "https://example.org/x.csv"}],
        "outputs": [{"path": "plot.png", "sha": "c" * 40}],
        "git": {"commit": "abc"},
        "uname": ["Linux", "oldbox", "3.2"],
    }
    text = shown(found("unknown", manifest=old))
    assert "python x.py" in text
    assert "a.csv" in text
    assert "https:" in text
    assert "oldbox" in text
    assert "Recorded by pyshark" in text


def test_many_inputs_fit_on_a_screen():
    """Of 1,000 inputs the page shows some of each directory; -v all."""
    inputs = [{"path": f"/home/ann/p/d{n % 7}/f{n}.csv", "size": n} for n in range(1000)]
    entry = found(manifest=manifest(inputs=inputs))
    assert len(shown(entry, 80).splitlines()) < 70
    assert "more file" in shown(entry, 80)
    assert len(shown(entry, 80, verbose=True).splitlines()) > 1000


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(width):
    """Long paths, names in wide characters, long arguments and gaps fold below themselves."""
    inputs = [
        {"path": "/data/" + "long" * 60 + "/日本語" * 20 + "/a\udcff.tif", "size": 5, "run": "1" * 36, "role": "code"}
    ]
    gaps = [{"kind": "unreadable", "detail": "word " * 60}]
    entry = found(
        manifest=manifest(
            inputs=inputs,
            coverage={"complete": False, "gaps": gaps},
            command={"argv": ["x" * 300, "y z" * 50], "cwd": "/q" * 100},
        )
    )
    here = page(width)
    add_found(here, entry)
    assert widest(here) <= width


def test_ascii():
    """For a terminal that cannot do more, nothing beyond ASCII, whatever the names are."""
    inputs = [{"path": "/home/ann/p/日本語.csv", "as": "/ü"}]
    assert shown(found(manifest=manifest(inputs=inputs)), 80, ascii=True).isascii()


def test_escape_sequences_stay_out():
    """A manifest cannot send commands to the terminal, in whatever field."""
    evil = "\x1b]0;evil\x07\u202e"

    def poisoned(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: poisoned(v) for k, v in value.items()}
        if isinstance(value, list):
            return [poisoned(v) for v in value]
        return value + evil if isinstance(value, str) else value

    bad = poisoned(manifest(container={"kind": "docker"}, tags={"a": "b"}))
    for verbose in (False, True):
        text = shown({**found(problem=evil), "file": "/x" + evil, "manifest": bad}, 80, verbose=verbose)
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\u202e" not in text


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = [*sorted(manifest()), "controls", "container", "scheduler", "ci", "counts", "summary", "name", "tags"]


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), json), st.sampled_from(sorted(manifest()["command"])), json)
def test_any_manifest_gives_a_page(fields, key, value):
    """Wrong types in any field: what can be shown is shown, and nothing raises."""
    command = {**manifest()["command"], key: value}
    for document in (manifest(**fields), manifest(command=command), manifest(inputs=[{key: value}, {"path": value}])):
        assert shown(found(manifest=document, candidates=value), 80)


def test_a_directory():
    """Files of a directory by the runs that made them, and those that nobody knows."""
    entries = [
        {**found(), "file": "/home/ann/p/r/a.png"},
        {**found("modified"), "file": "/home/ann/p/r/b.png"},
        {**found(manifest=manifest(run="0193-99999999")), "file": "/home/ann/p/r/c.png"},
        {"file": "/home/ann/p/r/notes.txt", "state": "unknown", "source": "none"},
    ]
    here = page(80)
    add_directory(here, "/home/ann/p/r", entries)
    text = here.text()
    assert text.startswith("r  4 files, 3 with a manifest, from 2 runs\n")
    assert "b.png  4.7 kB  ✗ changed since" in text
    assert "Without a manifest  1 file\n  r/notes.txt\n" in text
    assert "\n\nOutputs  2 files\n  r/\n" in text


def test_a_directory_in_which_nothing_is_known():
    """What the bytes tell is told, though no manifest is there."""
    candidate = {"run": "0193-11111111", "path": "/x"}
    same = {"state": "current", "source": "digest", "candidates": [candidate] * 4}
    here = page(80)
    add_directory(here, "/home/ann/p/r", [{"file": "/home/ann/p/r/copy.png", **same}])
    assert here.text().startswith("r  1 file, none with a manifest\n")
    assert "copy.png  same bytes as made by 11111111, 11111111 and 2 more\n" in here.text()
    empty = page(80)
    add_directory(empty, "/home/ann/p/r", [])
    assert empty.text() == "r  no files\n"


def test_a_very_long_command():
    """A linker's command takes some lines of a terminal and no page; -v and a file have all of it."""
    process = {"n": 2, "argv": ["ld", *["-lsomething"] * 200, "last"]}
    document = found(manifest=manifest(process=process))
    text = shown(document, 80)
    assert text.count("-lsomething") < 30
    assert "…" in text
    assert shown(document).count("-lsomething") == 200
    verbose = page(80, verbose=True)
    add_found(verbose, document)
    assert verbose.text().count("-lsomething") == 200


def test_long_notes_leave_the_names_whole():
    """Where a link leads is cut before a file's name is broken; -v shows it whole."""
    used = "/elsewhere/" + "long-" * 20 + "link.csv"
    document = found(manifest=manifest(inputs=[{"path": "/home/ann/p/data/temperatures.csv", "as": used, "size": 9}]))
    text = shown(document, 80)
    assert "data/temperatures.csv  9 B  as /elsewhere/long-" in text
    assert max(map(len, text.splitlines())) <= 80
    verbose = page(80, verbose=True)
    add_found(verbose, document)
    assert "data/temperatures.csv  9 B" in verbose.text()
    assert used in verbose.text()


def test_compiled_modules_are_shown_as_their_source():
    """That Python read the compiled form of a module is no news, but for those who ask for all."""
    entry = {"path": "/home/ann/p/m.py", "as": "/home/ann/p/__pycache__/m.cpython-311.pyc", "size": 9, "role": "code"}
    document = found(manifest=manifest(inputs=[entry]))
    assert "m.py  9 B  code\n" in shown(document)
    verbose = page(verbose=True)
    add_found(verbose, document)
    assert "as __pycache__/m.cpython-311.pyc" in verbose.text()
