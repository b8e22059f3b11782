"""The role of a file, by the contract's rules in their order."""

from __future__ import annotations

import re

import pytest

from shark.model.roles import Known, Roles, Rule, below, get_ready, is_shared_object, role

HOME = b"/home/u"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/usr/lib/x86_64-linux-gnu/libz.so.1", "library"),
        ("/lib64/ld-linux-x86-64.so.2", "library"),
        ("/usr/local/lib/libmine.so", "code"),
        ("/w/libmine.so.2.1", "code"),
        ("/proc/self/maps", "system"),
        ("/sys/devices/x", "system"),
        ("/dev/null", "system"),
        ("/dev/shm/x.csv", "data"),
        ("mnt:[4026531832]", "system"),
        ("mnt:[4026532201]/proc/cpuinfo", "system"),
        ("mnt:[4026532201]/sys/devices/x", "system"),
        ("mnt:[4026532201]/dev/null", "system"),
        ("mnt:[4026532201]/dev/shm/x.csv", "data"),
        ("mnt:[4026532201]/usr/lib/libz.so.1", "library"),
        ("mnt:[4026532201]/tmp/x]/proc/y", "data"),
        ("mnt:[4026532201]/home/u/.Rprofile", "config"),
        ("mnt:[4026532201]/w/x.py", "code"),
        ("mnt:[4026532201]/w/in.csv", "data"),
        ("mnt:[detached]/proc/cpuinfo", "data"),
        ("/etc/ld.so.cache", "system"),
        ("/run/user/1/x", "system"),
        ("/var/cache/fontconfig/x", "system"),
        ("/var/lib/x", "system"),
        ("/usr/lib/locale/locale-archive", "system"),
        ("/usr/lib/x86_64-linux-gnu/gconv/gconv-modules.cache", "system"),
        ("/usr/share/mime/mime.cache", "system"),
        ("/w/__pycache__/m.cpython-311.pyc", "cache"),
        ("/w/.git/objects/aa/bb", "cache"),
        ("/w/.gitignore", "data"),
        ("/home/u/.cache/fontconfig/x.cache-7", "cache"),
        ("/home/u/.cache/pip/http/x", "cache"),
        ("/home/u/.cache/huggingface/model.bin", "data"),
        ("/home/u/.cache/ccache/5/a/stats", "cache"),
        ("/home/u/.cache/ccache/tmp/x.c", "cache"),
        ("/home/u/.ccache/0/b/x.manifest", "cache"),
        ("/home/u/.cache/sccache/a/b/c/abc", "cache"),
        ("/home/u/.cache/go-build/trim.txt", "cache"),
        ("/w/tmp/go-build/5f/5f0a-d", "cache"),
        ("/w/tmp/go-build/trim.txt", "cache"),
        ("/w/go-build/cmd/main.go", "code"),
        ("/w/go-build/notes.txt", "data"),
        ("/w/ccache/x", "data"),
        ("/w/.snakemake/metadata/czEuc29ydGVk", "cache"),
        ("/w/.snakemake/log/2026-11-21T114217.snakemake.log", "cache"),
        ("/w/.snakemake/conda/abcdef_/share/x.csv", "data"),
        ("/w/.snakemake/scripts/tmpx.fit.R", "code"),
        ("/w/.dvc/tmp/rwlock", "cache"),
        ("/var/tmp/dvc/repo/79/hashes/local/cache.db", "cache"),
        ("/w/.dvc/cache/files/md5/26/ab", "data"),
        ("/w/.dvc/config", "data"),
        ("/w/_targets/meta/meta", "cache"),
        ("/w/_targets/objects/fit", "data"),
        ("/w/build/.ninja_deps", "cache"),
        ("/w/build/.ninja_log", "cache"),
        ("/w/.sconsign.dblite", "cache"),
        ("/w/.doit.db.dat", "cache"),
        ("/w/x.doit.db", "data"),
        ("/w/x.py", "code"),
        ("/w/X.R", "code"),
        ("/w/Makefile", "code"),
        ("/w/Snakefile", "code"),
        ("/home/u/.config/tool/settings", "config"),
        ("/home/u/.Rprofile", "config"),
        ("/home/u/.local/share/data", "data"),
        ("/home/other/.Rprofile", "data"),
        ("/v/lib/python3.11/site-packages/x.pth", "code"),
        ("/w/model.pth", "data"),
        ("/v/pyvenv.cfg", "config"),
        ("/w/in.csv", "data"),
        ("/tmp/x", "data"),
        ("/w/.py", "data"),
    ],
)
def test_unowned_files(path, expected):
    assert role(Known(path.encode(), home=HOME)) == expected


def test_what_a_package_owns_is_library_wherever_it_is():
    assert role(Known(b"/etc/p.conf", owned=True)) == "library"
    assert role(Known(b"/usr/bin/p", owned=True, executed=True)) == "library"


def test_a_packages_file_whose_content_is_not_its_own_is_never_folded_away():
    assert role(Known(b"/etc/p.conf", modified=True)) == "config"
    assert role(Known(b"/usr/lib/libp.so", modified=True)) == "code"
    assert role(Known(b"/usr/share/p/x.dat", modified=True)) == "data"


def test_executed_files_are_code():
    assert role(Known(b"/w/tool", executed=True)) == "code"


def test_a_list_that_a_compiler_wrote_is_no_code_as_a_program_in_d_is():
    assert role(Known(b"/w/a.o.d", made=True)) == "data"
    assert role(Known(b"/w/a.d")) == "code"
    assert role(Known(b"/w/a.d", executed=True, made=True)) == "code"
    assert role(Known(b"/w/a.c", made=True)) == "code"


def test_without_a_home_there_are_no_settings_in_it():
    assert role(Known(b"/home/u/.Rprofile")) == "data"


def test_further_rules_come_first():
    assert role(Known(b"/w/x.py"), [Rule("cache", "ours", below(b"/w/"))]) == "cache"


@pytest.mark.parametrize(("path", "expected"), [(b"/a/.so", False), (b"/a/x.sob", False), (b"/a/libx.so.6", True)])
def test_shared_objects(path, expected):
    assert is_shared_object(path) == expected


def test_patterns_are_compiled_before_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the roles were got ready, no file makes anybody wait for a regular expression."""
    for _ in get_ready():
        pass
    monkeypatch.setattr(re, "compile", None)
    assert Roles().role(b"/usr/share/mime/mime.cache") == "system"
    assert Roles().role(b"/w/__pycache__/m.cpython-311.pyc") == "cache"
    assert Roles().role(b"/w/site-packages/a.pth") == "code"
