"""Owners that were found out early are those that would be found out late, whatever changes in between."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from shark.content import packages
from shark.content.packages.deb import Deb
from shark.content.packages.early import Early
from shark.content.packages.noting import Noting

OLD = 1_500_000_000


def write(path: Path, content: str, mtime: int = OLD) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (mtime, mtime))
    return os.fsencode(path)


def a_tick_passes(folder: Path) -> None:
    """Wait until the file system's clock shows another time."""
    probe = folder / "probe"
    probe.write_bytes(b"")
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        time.sleep(0.001)
        probe.touch()
    probe.unlink()


class Installed:
    """Packages of several kinds below one folder, and the paths to ask about."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.site = root / "venv/lib/python3.11/site-packages"
        self.library = root / "R/abc"
        self.node = root / "node_modules/left"
        self.conda = root / "conda"
        self.own = root / "own"
        files = {
            self.site / "pkg/x.py": "x = 1\n",
            self.site / "pkg-1.0.dist-info/RECORD": "pkg/x.py,,6\npkg/y.py,,6\n",
            self.site / "pkg/y.py": "y = 1\n",
            self.site / "alone/x.py": "x = 2\n",
            root / "venv/bin/tool": "tool\n",
            self.site / "tool-2.dist-info/RECORD": "../../../bin/tool,,5\n",
            self.library / "R/abc.rdb": "r\n",
            self.library / "DESCRIPTION": "Package: abc\nVersion: 1.0\nBuilt: R 4.3.2\nRepository: CRAN\n",
            self.node / "index.js": "j\n",
            self.node / "package.json": '{"name": "left", "version": "1.0.0"}',
            self.conda / "lib/z.so": "z\n",
            self.conda / "conda-meta/z-1-0.json": '{"name": "z", "version": "1", "files": ["lib/z.so"]}',
            self.own / "data.csv": "1\n",
        }
        for path, content in files.items():
            write(path, content)
        self.gone = self.library / "R/gone.rdb"
        self.paths = [os.fsencode(path) for path in files] + [os.fsencode(self.gone)]
        self.paths.append(os.fsencode(self.site / "pkg/__pycache__/y.cpython-311.pyc"))
        self.environ = {"XDG_CACHE_HOME": str(cache)}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests here, as an index of this system's own packages takes a while to make."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def installed(tmp_path: Path, cache: Path) -> Installed:
    found = Installed(tmp_path, cache)
    a_tick_passes(tmp_path)
    return found


def early_of(installed: Installed) -> Early:
    early = Early(installed.environ, settled_ns=0)
    unowned = {*early.take_up(installed.paths[:5]), *early.take_up(installed.paths[3:])}
    assert os.fsencode(installed.own / "data.csv") in unowned
    assert os.fsencode(installed.site / "pkg/x.py") not in unowned
    return early


def test_what_has_not_changed_is_not_asked_again(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files that are as they were nobody is asked a second time; the answer is the same, in the same order."""
    early = early_of(installed)
    late = packages.owners(installed.paths, environ=installed.environ)
    assert {owner.purl.split("@")[0] for owner in late.values()} == {
        *("pkg:pypi/pkg", "pkg:pypi/tool", "pkg:cran/abc", "pkg:npm/left", "pkg:conda/z")
    }
    assert list(early.owners(installed.paths).items()) == list(late.items())
    asked: list[bytes] = []
    for name in ("cran.Cran", "pypi.Pypi", "conda.Conda", "npm.Npm", "deb.Deb"):
        monkeypatch.setattr(f"shark.content.packages.{name}.owners", lambda _, paths: asked.extend(paths) or {})
    assert early.owners(installed.paths)
    assert set(asked) == {os.fsencode(installed.gone)}


CHANGES: dict[str, Callable[[Installed], object]] = {
    "nothing": lambda _: None,
    "a RECORD, written in place": lambda at: write(at.site / "pkg-1.0.dist-info/RECORD", "pkg/x.py,,6\npkg/z.py,,6\n"),
    "a RECORD, gone": lambda at: (at.site / "pkg-1.0.dist-info/RECORD").unlink(),
    "another version": lambda at: (at.site / "pkg-1.0.dist-info").rename(at.site / "pkg-1.1.dist-info"),
    "where it came from": lambda at: write(at.site / "pkg-1.0.dist-info/direct_url.json", '{"url": "https://a/b.whl"}'),
    "another distribution": lambda at: write(at.site / "other-1.dist-info/RECORD", "alone/x.py,,6\n"),
    "no site directory": lambda at: shutil.rmtree(at.site),
    "another Python": lambda at: write(
        at.site.parents[1] / "python3.10/site-packages/tool-3.dist-info/RECORD", "../../../bin/tool,,5\n"
    ),
    "a package's file": lambda at: write(at.site / "pkg/x.py", "x = 10\n"),
    "a package's file, gone": lambda at: (at.site / "pkg/x.py").unlink(),
    "a description": lambda at: write(at.library / "DESCRIPTION", "Package: abc\nVersion: 1.1\nBuilt: R 4.3.2\n"),
    "a description of the user's": lambda at: write(at.own / "DESCRIPTION", "Package: own\nVersion: 1\nBuilt: R 4\n"),
    "a package.json": lambda at: write(at.node / "package.json", '{"name": "left", "version": "1.0.1"}'),
    "an environment": lambda at: write(
        at.own / "conda-meta/d-1-0.json", '{"name": "d", "version": "1", "files": ["data.csv"]}'
    ),
    "no environment": lambda at: shutil.rmtree(at.conda / "conda-meta"),
    "a file that was not there": lambda at: write(at.gone, "here\n"),
    "a directory in its place": lambda at: [(at.site / "pkg/x.py").unlink(), (at.site / "pkg/x.py").mkdir()],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_it_was_taken_up_is_seen(installed: Installed, change: str) -> None:
    """Whatever changes after a file was taken up, its owner is the one that would be found out now."""
    early = early_of(installed)
    before = packages.owners(installed.paths, environ=installed.environ)
    CHANGES[change](installed)
    now = packages.owners(installed.paths, environ=installed.environ)
    assert list(early.owners(installed.paths).items()) == list(now.items())
    assert change == "nothing" or now != before


def test_a_change_before_is_taken_up_and_a_young_state_is_not_believed(installed: Installed) -> None:
    """What changed a moment ago may change again under the same times: it is asked for late."""
    early = Early(installed.environ)
    assert set(early.take_up(installed.paths)) == set(map(packages.source_of, installed.paths))
    record = installed.site / "pkg-1.0.dist-info/RECORD"
    write(record, record.read_text().replace("y.py", "w.py"))
    assert early.owners(installed.paths) == packages.owners(installed.paths, environ=installed.environ)


def test_where_nobody_can_be_asked_all_files_are_without_an_owner(
    installed: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database that cannot be read is no reason to keep silent of the files: no owner of them is known."""

    def fails(*_: object, **__: object) -> NoReturn:
        raise OSError(5, "Input/output error")

    early = Early(installed.environ, settled_ns=0)
    monkeypatch.setattr("shark.content.packages.early.owners", fails)
    for _ in range(2):
        assert set(early.take_up(installed.paths)) == set(map(packages.source_of, installed.paths))


@pytest.mark.parametrize("name", ["status", "diversions", "info/tool.list", "info/tool.md5sums"])
def test_a_change_of_dpkgs_database_is_noted(tmp_path: Path, name: str) -> None:
    """Each file of dpkg's that an answer rests on tells when it is another one."""
    tool = write(tmp_path / "root/tool", "tool\n", OLD + 5)
    admin = tmp_path / "dpkg"
    write(admin / "status", "Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n")
    write(admin / "info/tool.list", f"/.\n{os.fsdecode(tool)}\n")
    write(admin / "info/tool.md5sums", "")
    a_tick_passes(tmp_path)
    look = Noting(settled_ns=0)
    assert Deb(admin=os.fsencode(admin), release={"ID": "x"}, look=look).owners([tool])
    assert look.holds()
    write(admin / name, "Package: tool\n")
    assert not look.holds()


def test_what_is_seen_in_two_states_is_not_believed(tmp_path: Path) -> None:
    """A database that came and went while it was looked at leaves nothing to rely on."""
    look = Noting(settled_ns=0)
    path = tmp_path / "x"
    assert look.read(os.fsencode(path)) == b""
    assert look.holds()
    path.write_text("x")
    a_tick_passes(tmp_path)
    assert look.read(os.fsencode(path)) == b"x"
    path.unlink()
    assert not look.holds()
