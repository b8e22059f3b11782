"""The pages of `shark log`, `shark show`, `shark doctor`, and the summary for CI."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shark.view.doctor import add_checks
from shark.view.markdown import summary
from shark.view.runs import add_log, add_run

from .documents import command, manifest, page, record, widest


def test_log_is_one_line_for_each_run():
    """On a terminal a long command is cut; in a file it is whole."""
    runs = [
        {"id": "0193-11111111", "command": command(argv=["make", "x" * 200]), "outputs": 3, "name": "fit"},
        {"id": "0193-22222222", "command": command(exit=2), "outputs": [{}]},
        {"id": "0193-33333333", "command": {"argv": ["a"], "signal": 15}, "outputs": 0},
    ]
    narrow, wide = page(80), page(0)
    add_log(narrow, runs)
    add_log(wide, runs)
    assert len(narrow.lines) == 3
    assert widest(narrow) <= 80
    assert "x" * 200 in wide.text()
    assert re.search(r"^22222222 .* ✗ exit 2 +1 output  Rscript x.R 'a b'$", wide.text(), re.MULTILINE)
    assert "✗ SIGTERM" in wide.text()
    assert "[fit] make" in wide.text()


def test_log_says_how_a_block_ended():
    """A block of a program has no exit status: what left it is said, or that it is not known."""
    endings = [
        ({"outcome": "returned"}, "✓"),
        ({"outcome": "raised", "exception": {"type": "Value\nError"}}, "✗ raised Value\\nError"),
        ({"outcome": "raised"}, "✗ raised an exception"),
        ({"outcome": "ended"}, "? ended"),
        ({"outcome": "lost"}, "? lost"),
        ({}, "?"),
    ]
    for block, said in endings:
        here = page(0)
        add_log(here, [{"id": "0193-44444444", "command": {"argv": ["a"]}, "recording": block, "outputs": 0}])
        assert re.search(rf"^44444444 +{re.escape(said)} +0 outputs", here.text()), here.text()


def test_show():
    """Processes as a tree, steps from data to data, outputs with what was attached, software, gaps."""
    here = page(100)
    add_run(here, record())
    text = here.text()
    assert "Named       fit, data=v2" in text
    assert re.search(r"^  make all +1.23 s  0.50 s cpu  5.0 MB$", text, re.MULTILINE)
    assert "├── sort in.csv" in text
    assert "└── (fork)" in text
    assert "killed by SIGKILL" in text
    assert "   2  sort in.csv\n      reads  in.csv\n      writes out.csv\n" in text
    assert "libc" not in text
    assert "not attached: of role cache" in text
    assert "2 times" in text
    assert widest(here) <= 100


def test_what_a_step_was_for_is_shown_first():
    """Temporary files come after those that stay, and semaphores, which hold no data, are not told of."""
    temporary = [{"path": f"/tmp/t{n}", "removed": True} for n in range(4)]
    locks = [{"path": f"/dev/shm/sem.mp-{n}", "removed": True} for n in range(4)]
    files = [*locks, *temporary, {"path": "/home/ann/p/out.csv"}]
    made = [{**file, "n": n, "role": "data", "versions": [{"n": 0}]} for n, file in enumerate(files)]
    edges = [{"process": 1, "file": n, "version": 0, "access": "create"} for n in range(len(files))]
    here = page(100)
    add_run(here, {**record(), "files": made, "edges": edges})
    assert "      writes out.csv, /tmp/t0, /tmp/t1 and 2 more\n" in here.text()
    assert "/dev/shm" not in here.text()


def test_show_tells_which_part_of_a_program_it_was():
    """Function, place, arguments and how it came out; a block, a cell and a process by what they are."""
    block = {"kind": "function", "function": "m.fit", "file": "/x/m.py", "line": 7, "arguments": {"a": "1", "b": "'c'"}}
    here = page(0)
    add_run(here, {**record(), "recording": {**block, "outcome": "returned", "returned": "42"}})
    assert "Recorded    function m.fit  /x/m.py:7\nArguments   a=1, b='c'\nReturned    42\n" in here.text()
    here = page(0)
    raised = {"type": "ValueError", "message": "no fit\x1b", "traceback": "…"}
    add_run(here, {**record(), "recording": {**block, "outcome": "raised", "exception": raised}})
    assert "Raised      ValueError: no fit\\x1b\n" in here.text()
    for kind, said in (("block", "a block"), ("cell", "a notebook's cell"), ("process", "a running process")):
        here = page(0)
        add_run(here, {**record(), "recording": {"kind": kind, "outcome": "ended"}})
        assert f"Recorded    {said}\nEnded       the process ended inside of it\n" in here.text()


def test_a_deep_and_a_circular_tree():
    """A chain of 5,000 forks, and parents that are each other's: every process at most once, and no recursion."""
    chain = [{"n": n, "parent": n - 1, "images": []} for n in range(1, 5001)]
    here = page(0, verbose=True)
    add_run(here, {**record(), "processes": chain, "edges": []})
    assert here.text().count("(fork)") == 5000
    circle = [{"n": 1, "parent": 2}, {"n": 2, "parent": 1}, {"n": 3, "parent": 3}]
    add_run(page(80), {**record(), "processes": circle})


def test_many_processes_are_counted():
    """Of a large build some processes are shown, and the rest counted."""
    many = [{"n": n, "parent": 0, "images": [{"argv": ["cc"]}]} for n in range(500)]
    here = page(80)
    add_run(here, {**record(), "processes": many, "edges": []})
    assert "Processes  500 processes" in here.text()
    assert "… and 440 more; -v shows them" in here.text()


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(record())), json)
def test_any_record_gives_a_page(key, value):
    """Wrong types in any field do not raise."""
    damaged = {**record(), key: value}
    here = page(80)
    add_run(here, damaged)
    add_log(here, [damaged])
    assert summary(damaged, [manifest(**{key: value})], "/home/ann/p")


def test_summary_for_ci():
    """Outputs, data inputs (not code), software, gaps; nothing in a name can break the table or act as markup."""
    told: dict[str, Any] = record()
    told["outputs"][0]["path"] = "/home/ann/p/a|b`c\n<img>.csv"
    text = summary(told, [manifest(), manifest()], "/home/ann/p")
    assert text.startswith("## Where the files come from\n\n`make all`\n\nexit 0, took 1.23 s, run `0193aaaa")
    assert "| ``a\\|b`c\\n<img>.csv`` | 9 B |  |" in text
    assert text.count("data/in.csv") == 1
    assert "x.R" not in text
    assert "| make | 4.3-4.1 | deb |" in text
    assert "| io\\_uring | a ring |" in text


def test_summary_of_a_failure_and_of_much():
    """A failed run says so; tables end after some rows, and say how many are left."""
    told = record()
    told["command"] = command(exit=2)
    told["coverage"] = {"complete": True, "gaps": []}
    told["outputs"] = [{"path": f"/o/{n}"} for n in range(500)]
    text = summary(told, [], "")
    assert "## Files made by a failed run" in text
    assert "… and 450 more" in text
    assert "Nothing escaped the trace." in text


@pytest.mark.parametrize(("state", "said"), [("ok", "can trace here"), ("fail", "cannot trace here")])
def test_doctor(state, said):
    """Each check with what to do below it, and the verdict."""
    document = {
        "checks": [{"name": "tracing", "state": state, "detail": "x" * 100, "advice": "Do this."}],
        "notes": ["Mind " * 40],
    }
    here = page(80)
    add_checks(here, document)
    assert said in here.text()
    assert "Do this." in here.text()
    assert widest(here) <= 80


def test_what_stayed_as_it_was_is_not_written():
    """A file that was opened for writing, or inherited so, and whose content stayed, is in no step's list."""
    document = record()
    document["files"].append(
        {"n": 4, "path": "/home/ann/p/err", "role": "data", "versions": [{"n": 1, "base": 0, "unchanged": True}]}
    )
    document["edges"].append({"process": 2, "image": 2, "file": 4, "version": 1, "access": "write", "order": [7, 8]})
    here = page(100)
    add_run(here, document)
    assert "writes out.csv\n" in here.text()
    assert "/err" not in here.text()


def test_a_step_that_is_a_fork_says_of_what():
    """rsync writes in a copy of itself: alone, "(fork)" would tell nothing. A loop of parents ends."""
    document = record()
    document["edges"].append({"process": 3, "image": 1, "file": 2, "version": 1, "access": "write", "order": [7, 8]})
    here = page(100)
    add_run(here, document)
    assert "   3  (fork) make all\n" in here.text()
    document["processes"] = [{"n": 3, "parent": 4, "images": []}, {"n": 4, "parent": 3, "images": []}]
    here = page(100)
    add_run(here, document)
    assert "   3  (fork)\n" in here.text()


def test_summary_without_inputs():
    """An empty section is one line, and no fold to open for nothing."""
    text = summary(record(), [manifest(inputs=[])], "/home/ann/p")
    assert "**Data inputs**: none\n" in text
    assert "Data inputs</b>" not in text


def test_steps_stand_in_a_table_longest_first():
    """Each process that executed something, with what it used; the whole run's sums are a line of their own."""
    document = record()
    used = {"user_seconds": 0.25, "system_seconds": 0.125, "max_rss": 2_000_000, "read_bytes": 1500, "written_bytes": 0}
    document["processes"][1].update(used, seconds=3.5)
    document["resources"] = {**used, "processes": 3}
    shown = page(width=120)
    add_run(shown, document)
    lines = shown.text().splitlines()
    start = lines.index("Resources  each step by itself, longest first")
    assert [" ".join(line.split()) for line in lines[start + 1 : start + 4]] == [
        "took user system memory read wrote",
        "3.50 s 0.25 s 0.12 s 2.0 MB 1.5 kB 0 B exit 2 sort in.csv",
        "1.23 s 5.0 MB make all",
    ]
    [line] = [line for line in lines if line.startswith("Used ")]
    assert line.split(None, 1)[1] == (
        "0.25 s user, 0.12 s system, 2.0 MB of memory at most, 1.5 kB read, 0 B written, in 3 processes"
    )


def test_of_many_steps_the_longest_are_shown():
    document = record()
    document["processes"] = [
        {"n": n, "parent": 0, "seconds": float(n), "images": [{"argv": [f"step{n}"]}]} for n in range(1, 41)
    ]
    shown = page(width=120)
    add_run(shown, document)
    table = shown.text().partition("Resources")[2].partition("Outputs")[0]
    assert "step40" in table
    assert "step29" in table
    assert "step28" not in table
    assert "and 28 more" in table
