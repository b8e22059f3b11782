"""Layout: fields, grids and trees at any width."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.view.filetree import FOLD_ABOVE, Leaf, tree_rows
from shark.view.look import Look, look_at
from shark.view.page import Page, Row, Span, cell, cell_columns, columns, cut, fold
from shark.view.paint import painted


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Mn", "Me"])), st.integers(8, 60))
def test_folding_loses_nothing_and_fits(text, width):
    """Folded lines fit the width; together they are the text, but for spaces at the folds."""
    lines = fold((Span(text, "path"),), width)
    assert all(columns("".join(s.text for s in line).rstrip(" ")) <= width for line in lines)
    joined = "".join(s.text for line in lines for s in line)
    assert joined.replace(" ", "") == text.replace(" ", "")


def test_wide_characters_take_two_columns():
    """East Asian names do not push a column out of line."""
    assert columns("日本.csv") == 8
    assert columns("e\u0301") == 1


def test_cut_marks_the_loss():
    """What is cut says so, and is no wider than asked."""
    short = cut((Span("Rscript", "path"), Span(" a very long script")), 12, "…")
    assert "".join(s.text for s in short) == "Rscript a v…"
    assert cell_columns(short) == 12
    assert cut(cell("abc"), 3, "…") == cell("abc")


def test_a_file_gets_whole_lines():
    """Without a width nothing is cut or folded, so that grep finds it."""
    page = Page(Look())
    page.field("Command", Span("x" * 500))
    page.grid([Row((cell("y" * 500), cell("9 B")))])
    assert len(page.text().splitlines()) == 2


def test_a_long_line_of_a_file_moves_no_other():
    """Without a width, what follows an overlong cell goes on behind it; the other rows are aligned among themselves."""
    page = Page(Look())
    page.grid([Row((cell(name), cell("9 B"), cell("note"))) for name in ("y" * 500, "a", "bcd")])
    assert page.text() == f"  {'y' * 500}  9 B  note\n  a    9 B  note\n  bcd  9 B  note\n"


def test_grid_aligns_and_folds_its_wide_column():
    """The wide column goes on below itself; numbers are right-aligned; no spaces at the ends of lines."""
    page = Page(Look(width=40))
    rows = [Row((cell("a" * 50), cell("9 B"), ())), Row((cell("b"), cell("12 kB"), cell("note")))]
    page.grid(rows, right=frozenset({1}))
    assert page.text() == (
        "  aaaaaaaaaaaaaaaaaaaaaaaaa    9 B\n  aaaaaaaaaaaaaaaaaaaaaaaaa\n  b                          12 kB  note\n"
    )
    assert all(line == line.rstrip() for line in page.text().splitlines())


def test_an_empty_grid_is_nothing():
    """No rows, no lines."""
    page = Page(Look())
    page.grid([])
    page.grid([Row(())])
    assert page.text() in ("", "\n")


def test_tree_joins_directories_and_sorts_as_people_do():
    """A chain of directories is one line; f2 comes before f10; relative paths before absolute ones."""
    leaves = [Leaf(p, 1) for p in ("/a/b/c/f10", "/a/b/c/f2", "/home/x.R", "/home/data/in.csv", "/etc/hosts")]
    page = Page(Look(cwd="/home"))
    page.grid(tree_rows(leaves, page.look), indent=0)
    assert page.text() == (
        "data/in.csv  1 B\nx.R          1 B\n/a/b/c/\n├── f2       1 B\n└── f10      1 B\n/etc/hosts   1 B\n"
    )


def test_tree_in_ascii():
    """Without Unicode the branches are ASCII."""
    page = Page(Look(ascii=True))
    page.grid(tree_rows([Leaf("/a/ü"), Leaf("/a/c")], page.look), indent=0)
    assert page.text() == "/a/\n|-- c\n`-- \\u00fc\n"


@pytest.mark.parametrize("spread", [1, 7, 1000])
def test_a_long_tree_is_folded_unless_asked_for(spread):
    """Of 1,000 files a screenful is shown, and the rest counted; -v shows all."""
    leaves = [Leaf(f"/d/{n % spread}/f{n}", 1000) for n in range(1000)]
    short = tree_rows(leaves, Look())
    assert len(short) <= FOLD_ABOVE
    page = Page(Look())
    page.grid(short)
    hidden = sum(int(n) for n in re.findall(r"(\d+) more file", page.text().replace(",", "")))
    assert len(re.findall(r"f\d+  ", page.text())) + hidden == 1000
    everything = Page(Look(verbose=True))
    everything.grid(tree_rows(leaves, everything.look))
    assert len(re.findall(r"f\d+ ", everything.text())) == 1000


def test_a_file_may_also_be_a_directory():
    """Two versions of one path, or a path below a file (a name used twice): both are shown."""
    rows = tree_rows([Leaf("/a", 1), Leaf("/a", 2), Leaf("/a/b", 3), Leaf("", 4), Leaf("/", 5)], Look())
    assert len([row for row in rows if len(row.cells) > 1 and row.cells[1][0].text]) == 5


class Stream:
    def __init__(self, encoding="utf-8", terminal=True):
        self.encoding = encoding
        self.terminal = terminal

    def isatty(self):
        return self.terminal

    def fileno(self):
        raise OSError("no descriptor")


@pytest.mark.parametrize(
    ("environ", "encoding", "ascii_only"),
    [
        ({"LANG": "en_US.UTF-8"}, "utf-8", False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, "utf-8", True),
        ({"LC_ALL": "C.UTF-8"}, "UTF-8", False),
        ({"LANG": "de_DE"}, "iso-8859-1", True),
        ({}, None, True),
    ],
)
def test_what_the_terminal_can_show(environ, encoding, ascii_only):
    """ASCII where the encoding or the locale cannot do more."""
    assert look_at(Stream(encoding), environ).ascii is ascii_only


@pytest.mark.parametrize(
    ("environ", "terminal", "color"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, True, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, True),
        ({"TERM": "dumb"}, True, False),
        ({}, True, False),
        ({"TERM": "xterm"}, False, False),
    ],
)
def test_colours_only_where_wanted(environ, terminal, color):
    """Only on a terminal that has them, and not under NO_COLOR."""
    assert look_at(Stream(terminal=terminal), environ).color is color


def test_width():
    """COLUMNS is believed on a terminal alone; nonsense gives 80."""
    assert look_at(Stream(), {"COLUMNS": "120"}).width == 120
    assert look_at(Stream(), {"COLUMNS": "many"}).width == 80
    assert look_at(Stream(), {"COLUMNS": "3"}).width == 40
    assert look_at(Stream(terminal=False), {"COLUMNS": "120"}).width == 0


def test_a_directory_that_is_gone(monkeypatch):
    """Without a current directory paths are shown whole."""

    def gone():
        raise FileNotFoundError

    monkeypatch.setattr("os.getcwd", gone)
    assert look_at(Stream(), {}).cwd == ""


def test_colours_change_no_text(monkeypatch):
    """With the colour sequences taken away it is the same text; names that look like markup stay."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    pages = [Page(Look(width=80, color=color)) for color in (True, False)]
    for page in pages:
        page.line(Span("[bold]a[/]", "good"), Span(" :smile: " + "x" * 200, "path"))
        page.blank()
        page.head("Inputs", "note")
    colored, plain = map(painted, pages)
    assert "\x1b[" in colored
    text = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in text.splitlines()] == plain.splitlines()
