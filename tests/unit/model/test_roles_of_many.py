"""The roles of many files at once: they must be those that the rules give one by one."""

from __future__ import annotations

import itertools

import pytest

from shark.model.roles import ENDING, FOLDER, RULES, Known, Roles, Rule, below, ending, matching, role

HOME = b"/home/u"
FOLDERS = (
    *(b"", b"/", b"/w/", b"/w/tree/", b"/usr/lib/", b"/usr/lib/x/gconv/", b"/usr/share/info/", b"/usr/share/mime/"),
    *(b"/lib64/", b"/dev/shm/", b"/dev/", b"/proc/1/", b"/etc/", b"/var/lib/p/", b"/w/.git/", b"/w/__pycache__/"),
    *(b"/home/u/", b"/home/u/.config/p/", b"/home/u/.cache/matplotlib/", b"/home/u/.cache/pip/x/", b"/home/u/sub/"),
    *(b"/v/lib/python3.11/site-packages/", b"/v/lib/python3.11/site-packages/p/", b"/w/a.so.1/", b"/w/b.py/"),
    *(b"/w/go-build/", b"/w/go-build/0a/", b"/home/u/.ccache/"),
    *(b"/home/u/.cache/matplotlib/fontlist-1.json/", b"mnt:[4026532201]/proc/1/", b"mnt:[4026532201]/w/"),
)
NAMES = (
    *(b"a.txt", b"b.txt", b"000.csv", b"README", b"x", b"Makefile", b"x.Makefile", b"CMakeLists.txt", b"b.py", b"B.PY"),
    *(b".py", b".git", b".gitignore", b".Rprofile", b"py", b"x.", b"*.py", b"a.so", b".so", b"b.so.1", b"c.so.1.txt"),
    *(b"pyvenv.cfg", b"setup.cfg", b"other.cfg", b"a.pth", b".pth", b"b.pth\n", b"fontlist-v330.json", b"list.json"),
    *(b"gconv-modules.cache", b"dir", b"a.jsa", b"package.json", b"a b.R", b"\xff.r", b"a.sol", b"makefile.am"),
    *(b"a.d", b"a.o.d", b".d", b"x.d.txt", b"a.so.d"),
    *(b"trim.txt", b"testexpire.txt"),
)
STATES = (
    *((False, False, False, False), (True, False, False, False), (False, True, False, False)),
    *((False, False, True, False), (False, False, False, True), (False, False, True, True)),
)
EXTRA = (
    (),
    (Rule("config", "all of a folder", below(b"/w/tree/"), FOLDER), Rule("cache", "a pattern", matching(rb"/a\.txt$"))),
    (Rule("config", "a place", matching(rb"^/(w|etc)/.*x$"), within=(b"/w/", b"/etc/")),),
)


@pytest.mark.parametrize("extra", EXTRA)
@pytest.mark.parametrize("home", [HOME, b"", b"/"])
def test_each_file_has_the_role_that_the_first_fitting_rule_gives(extra, home):
    roles = Roles(home, extra)
    for folder, name, state in itertools.product(FOLDERS, NAMES, STATES):
        path = folder + name
        expected = role(Known(path, *state, home), extra)
        assert roles.role(path, state) == expected, path


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.why)
def test_a_rule_looks_at_no_more_than_it_says(rule):
    for folder, state in itertools.product(FOLDERS, STATES):
        seen: dict[object, bool] = {}
        for name in NAMES:
            key = () if rule.looks == FOLDER else ending(name) if rule.looks == ENDING else name
            fits = rule.fits(Known(folder + name, *state, HOME))
            assert seen.setdefault(key, fits) == fits, folder + name
            assert not (fits and rule.within and not folder.startswith(rule.within)), folder + name


def test_names_that_no_rule_tells_apart_are_asked_about_once():
    asked: list[bytes] = []

    def fits(known):
        asked.append(known.path)
        return False

    roles = Roles(extra=[Rule("code", "counted", fits, ENDING)])
    for n in range(100):
        assert roles.role(b"/w/%d.csv" % n) == "data"
    assert asked == [b"/w/0.csv"]
