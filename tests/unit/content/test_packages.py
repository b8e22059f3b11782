import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packageurl import PackageURL

from shark.content import packages
from shark.content.packages.common import SMALL, package_url
from shark.content.packages.conda import Conda
from shark.content.packages.cran import Cran
from shark.content.packages.deb import Deb
from shark.content.packages.npm import Npm
from shark.content.packages.pathindex import path_index
from shark.content.packages.pypi import Pypi
from shark.content.packages.rpm import Rpm
from shark.content.packages.runtimes import Runtimes

OLD = 1_500_000_000  # seconds: when the made-up packages were installed


def write(path, content="", mtime=OLD):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    os.utime(path, (mtime, mtime))
    return os.fsencode(path)


class TestDeb:
    @pytest.fixture
    def system(self, tmp_path):
        """A dpkg database of two packages, whose files lie below tmp_path."""
        root = tmp_path / "root"
        admin = tmp_path / "dpkg"
        tool = write(root / "bin" / "tool", "tool\n")
        conf = write(root / "etc" / "tool.conf", "conf\n")
        diverted = write(root / "bin" / "view.real", "view\n")
        write(root / "bin" / "view", "not the package's\n")
        sums = f"{hashlib.md5(b'tool' + bytes([10])).hexdigest()}  {os.fsdecode(tool)[1:]}\n"
        write(admin / "info" / "tool:amd64.md5sums", sums)
        listed = [root.parent, root, root / "bin", root / "bin" / "tool", root / "etc", root / "etc" / "tool.conf"]
        write(admin / "info" / "tool:amd64.list", "/.\n" + "".join(f"{path}\n" for path in listed))
        write(admin / "info" / "view.list", f"/.\n{root}\n{root / 'bin'}\n{root / 'bin' / 'view'}\n")
        conffile = f"Conffiles:\n {os.fsdecode(conf)} {hashlib.md5(b'conf' + bytes([10])).hexdigest()}\n"
        status = (
            "Package: tool\nStatus: install ok installed\nArchitecture: amd64\nMulti-Arch: same\nVersion: 1:2.0-1+b1\n"
            f"{conffile}\n\nPackage: view\nStatus: install ok installed\nArchitecture: all\nVersion: 3\n"
        )
        write(admin / "status", status)
        write(admin / "diversions", f"{root / 'bin' / 'view'}\n{os.fsdecode(diverted)}\nother\n")
        os.utime(admin / "info", (OLD, OLD))
        return root, Deb(
            os.fsencode(tmp_path / "cache"), admin=os.fsencode(admin), release={"ID": "x", "VERSION_ID": "9"}
        )

    def test_files_have_owners_and_directories_have_none(self, system):
        root, deb = system
        paths = [os.fsencode(root / name) for name in ("bin/tool", "bin", "etc/tool.conf", "none")]
        owners = deb.owners(paths)
        purl = "pkg:deb/x/tool@1:2.0-1%2Bb1?arch=amd64&distro=x-9"
        assert {path: owner.modified for path, owner in owners.items()} == {paths[0]: False, paths[2]: False}
        assert {owner.purl.replace("%3A", ":") for owner in owners.values()} == {purl}

    def test_a_changed_file_is_modified_and_a_touched_one_is_not(self, system):
        root, deb = system
        tool, conf = (
            write(root / "bin" / "tool", "tool\n", OLD + 5),
            write(root / "etc" / "tool.conf", "mine\n", OLD + 5),
        )
        owners = deb.owners([tool, conf])
        assert (owners[tool].modified, owners[conf].modified) == (False, True)
        write(root / "bin" / "tool", "loot\n", OLD + 5)
        assert deb.owners([tool])[tool].modified
        os.unlink(tool)
        assert deb.owners([tool])[tool].modified

    def test_where_all_ctimes_are_new_a_small_file_with_an_old_time_is_compared(self, system, monkeypatch):
        """As in an unpacked image, over which a file was copied that keeps its mtime. It is read once only."""
        root, deb = system
        tool, conf = os.fsencode(root / "bin" / "tool"), write(root / "etc" / "tool.conf", "mine\n")
        monkeypatch.setattr("shark.content.packages.verdicts._DISTRUST_NS", -1_000_000_000)
        assert {path: owner.modified for path, owner in deb.owners([tool, conf]).items()} == {tool: False, conf: True}
        monkeypatch.setattr("shark.content.packages.deb.file_digest", lambda *_: pytest.fail("read again"))
        again = Deb(deb._folder, admin=deb._admin, release={})
        assert {path: owner.modified for path, owner in again.owners([tool, conf]).items()} == {tool: False, conf: True}

    def test_a_large_file_is_judged_by_its_times(self, system):
        root, deb = system
        path = write(root / "bin" / "tool", b"x" * (SMALL + 1))
        assert not deb.owners([path])[path].modified

    def test_a_file_that_only_the_installation_touched_is_not_read(self, system, monkeypatch):
        root, deb = system
        monkeypatch.setattr("shark.content.packages.deb.file_digest", lambda *_: pytest.fail("read"))
        entry = os.path.join(deb._admin, b"info", b"tool:amd64.list")
        later = os.stat(root / "bin" / "tool").st_ctime_ns + 1_000_000
        os.utime(entry, ns=(later, later))
        paths = [os.fsencode(root / name) for name in ("bin/tool", "etc/tool.conf")]
        assert [owner.modified for owner in deb.owners(paths).values()] == [False, False]

    def test_a_diverted_file_is_found_where_it_really_is(self, system):
        root, deb = system
        real, name = os.fsencode(root / "bin" / "view.real"), os.fsencode(root / "bin" / "view")
        owners = deb.owners([real, name])
        assert list(owners) == [real]
        assert owners[real].purl == "pkg:deb/x/view@3?arch=all&distro=x-9"

    def test_without_dpkg_nobody_owns_anything(self, tmp_path):
        assert Deb(None, admin=os.fsencode(tmp_path)).owners([b"/bin/sh"]) == {}

    @pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no dpkg here")
    def test_the_real_database_gives_what_dpkg_says(self, tmp_path):
        path = os.path.realpath("/bin/sh")
        spellings = [path, path.removeprefix("/usr")]
        said = next(filter(None, (_output("dpkg-query", "-S", spelling) for spelling in spellings)))
        name = said.split(":")[0]
        version, arch = _output("dpkg-query", "-W", "-f", "${Version} ${Architecture}", name).split()
        result = Deb(os.fsencode(tmp_path)).owners([os.fsencode(spelling) for spelling in spellings])
        assert len(result) == 2
        for owner in result.values():
            head, _, qualifiers = owner.purl.partition("?")
            assert head.split("/", 2)[2] == f"{name}@{version}".replace("+", "%2B")
            assert f"arch={arch}" in qualifiers
            assert not owner.modified


def _output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


class TestPathIndex:
    CONTENTS = ([["a", "1"], ["b", "2"]], [(b"/x", 0), (b"/y", 1), (b"/z\xff", 1)])

    def test_it_is_kept_until_the_database_changes(self, tmp_path):
        file = os.fsencode(tmp_path / "deep" / "index")
        made = []

        def make():
            made.append(1)
            return self.CONTENTS

        for key in ([1], [1], [2]):
            index = path_index(file, key, make)
            assert [index.find(path) for path in (b"/x", b"/z\xff", b"/none")] == [["a", "1"], ["b", "2"], None]
        assert len(made) == 2

    @pytest.mark.parametrize("damage", [b"", b"{}\n", b"garbage", b'[1,[1],[["a","1"]]]\n12345'])
    def test_a_damaged_one_is_made_again(self, tmp_path, damage):
        file = write(tmp_path / "index", damage)
        assert path_index(file, [1], lambda: self.CONTENTS).find(b"/y") == ["b", "2"]

    def test_a_place_that_cannot_be_written_is_no_error(self):
        assert path_index(b"/proc/none/index", [1], lambda: self.CONTENTS).find(b"/x") == ["a", "1"]

    def test_the_state_of_a_database_that_just_changed_is_not_kept(self, tmp_path):
        path_index(os.fsencode(tmp_path / "index"), [time.time_ns()], lambda: self.CONTENTS)
        assert not list(tmp_path.iterdir())

    def test_there_are_never_more_than_a_few_in_the_cache(self, tmp_path):
        for number in range(70):
            path_index(os.fsencode(tmp_path / f"{number}"), [1], lambda: self.CONTENTS)
        assert len(list(tmp_path.iterdir())) == 64


def install(site, name, files, *, direct=None, mtime=OLD):
    """An installed distribution as pip leaves it."""
    lines = []
    for path, content in files.items():
        write(site / path, content, mtime)
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        lines.append(f'"{path}"' if "," in path else path)
        lines[-1] += f",sha256={digest},{len(content)}"
    folder = site / f"{name}.dist-info"
    write(folder / "METADATA", "Metadata-Version: 2.1\n")
    if direct:
        write(folder / "direct_url.json", json.dumps(direct))
    write(folder / "RECORD", "\n".join([*lines, f"{name}.dist-info/RECORD,,"]) + "\n")


class TestPypi:
    @pytest.fixture
    def site(self, tmp_path):
        return tmp_path / "venv" / "lib" / "python3.11" / "site-packages"

    def owner(self, site, name):
        path = os.fsencode(os.path.normpath(site / name))
        return Pypi().owners([path]).get(path)

    def test_modules_libraries_and_scripts_are_owned(self, site):
        install(site, "Foo_Bar-1.2", {"foo/a.py": "a", "foo/a,b.py": "x", "../../../bin/foo": "s", "single.py": "1"})
        install(site, "other-3", {"foo/nested/b.py": "b"})
        for name in ("foo/a.py", "foo/a,b.py", "../../../bin/foo", "single.py", "Foo_Bar-1.2.dist-info/RECORD"):
            assert self.owner(site, name) == ("pkg:pypi/foo-bar@1.2", False)
        assert self.owner(site, "foo/nested/b.py") == ("pkg:pypi/other@3", False)
        assert self.owner(site, "foo/none.py") is None
        assert self.owner(site, "../../../bin/none") is None

    def test_what_the_distributions_brought_is_remembered_until_one_is_installed(self, site, tmp_path, monkeypatch):
        install(site, "foo-1", {"bar/a.py": "a", "../../../bin/x,y": "s"})
        os.utime(site, ns=(OLD, OLD))
        paths = [os.fsencode(os.path.normpath(site / name)) for name in ("bar/a.py", "../../../bin/x,y", "baz.py")]
        folder = os.fsencode(tmp_path / "cache")
        owned = Pypi(folder).owners(paths)
        assert list(owned) == paths[:2]
        with monkeypatch.context() as patch:
            patch.setattr("shark.content.packages.pypi._Site._firsts", lambda _: pytest.fail("read again"))
            assert Pypi(folder).owners(paths) == owned
        install(site, "other-2", {"baz.py": "b"})
        os.utime(site, ns=(OLD + 1, OLD + 1))
        assert list(Pypi(folder).owners(paths)) == paths

    def test_many_files_of_one_distribution(self, site):
        install(site, "foo-1", {f"foo/{n},.py": "a" for n in range(20)})
        paths = [os.fsencode(site / f"foo/{n},.py") for n in range(21)]
        assert list(Pypi().owners(paths)) == paths[:20]

    def test_another_size_or_a_later_change_is_modified(self, site):
        install(site, "foo-1", {"foo/a.py": "aaaa", "foo/b.py": "bbbb", "foo/c.py": "cccc"})
        write(site / "foo" / "a.py", "aaaaa")
        write(site / "foo" / "b.py", "BBBB", OLD + 1)
        write(site / "foo" / "c.py", "cccc", OLD + 1)
        assert [self.owner(site, f"foo/{name}.py").modified for name in "abc"] == [True, True, False]

    def test_a_change_that_put_size_and_time_back_is_noticed(self, site, tmp_path, monkeypatch):
        """And what was compared once is not read again."""
        install(site, "foo-1", {"foo/a.py": "aaaa", "foo/b.py": "bbbb"})
        paths = [write(site / "foo" / "a.py", "AAAA"), os.fsencode(site / "foo" / "b.py")]
        monkeypatch.setattr("shark.content.packages.verdicts._DISTRUST_NS", -1_000_000_000)
        folder = os.fsencode(tmp_path / "cache")
        assert [owner.modified for owner in Pypi(folder).owners(paths).values()] == [True, False]
        monkeypatch.setattr("shark.content.packages.pypi.file_digest", lambda *_: pytest.fail("read again"))
        assert [owner.modified for owner in Pypi(folder).owners(paths).values()] == [True, False]

    def test_an_editable_installation_owns_its_pointer(self, site):
        direct = {"url": "file:///home/me/foo", "dir_info": {"editable": True}}
        install(site, "foo-1", {"_editable_impl_foo.pth": "/home/me/foo"}, direct=direct)
        owner = self.owner(site, "_editable_impl_foo.pth")
        assert owner is not None
        assert owner.purl == "pkg:pypi/foo@1"

    def test_an_installation_from_elsewhere_says_where_from(self, site):
        vcs = {"url": "https://me:hunter2@example.org/foo.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}
        install(site, "foo-1", {"foo.py": "a"}, direct=vcs)
        install(site, "bar-1", {"bar.py": "a"}, direct={"url": "file:///home/me/bar", "dir_info": {}})
        assert "vcs_url=git%2Bhttps://me:%2A%2A%2A%40example.org" in self.owner(site, "foo.py").purl.replace("%3A", ":")
        assert "hunter2" not in self.owner(site, "foo.py").purl
        assert "download_url=file" in self.owner(site, "bar.py").purl

    @pytest.mark.parametrize("direct", ["[]", "{", '{"url": 1}'])
    def test_a_damaged_installation_is_no_error(self, site, direct):
        install(site, "foo-1", {"foo.py": "a"})
        write(site / "foo-1.dist-info" / "direct_url.json", direct)
        assert self.owner(site, "foo.py").purl == "pkg:pypi/foo@1"
        os.unlink(site / "foo-1.dist-info" / "RECORD")
        assert self.owner(site, "foo.py") is None

    def test_this_very_environment_gives_what_pip_says(self):
        import importlib.metadata

        path = os.fsencode(os.path.realpath(pytest.__file__))
        version = importlib.metadata.version("pytest")
        assert Pypi().owners([path])[path] == (f"pkg:pypi/pytest@{version}", False)

    def test_files_of_a_site_that_is_gone_have_no_owner(self, tmp_path):
        assert self.owner(tmp_path / "site-packages", "gone/x.py") is None


class TestCran:
    @pytest.mark.parametrize(
        ("fields", "purl"),
        [
            ("Repository: CRAN", "pkg:cran/abc@1.0"),
            ("Repository: RSPM", "pkg:cran/abc@1.0"),
            ("Priority: recommended", "pkg:cran/abc@1.0"),
            ("Priority: base", "pkg:generic/R@1.0"),
            ("biocViews: Software", "pkg:generic/abc@1.0?repository_url=https://bioconductor.org"),
            (
                "RemoteType: github\nRemoteUsername: Me\nRemoteRepo: abc.r\nRemoteSha: 0123abc",
                "pkg:github/me/abc.r@0123abc",
            ),
            ("RemoteType: git2r\nRemoteUrl: https://e.org/x\nRemoteSha: 01", "pkg:generic/abc@1.0?vcs_url=git%2Bhttps://e.org/x%4001"),
            ("RemoteType: local", "pkg:generic/abc@1.0"),
            ("Repository: https://me.r-universe.dev", "pkg:cran/abc@1.0?repository_url=https://me.r-universe.dev"),
        ],
    )  # fmt: skip
    def test_the_description_tells_where_a_package_is_from(self, tmp_path, fields, purl):
        write(tmp_path / "abc" / "DESCRIPTION", f"Package: abc\nVersion: 1.0\nTitle: A\n  B\nBuilt: R 4\n{fields}\n")
        path = write(tmp_path / "abc" / "R" / "abc.rdb", "x")
        owner = Cran().owners([path])[path]
        assert owner.purl.replace("%3A", ":") == purl
        assert not owner.modified

    def test_a_much_newer_file_is_modified(self, tmp_path):
        write(tmp_path / "abc" / "DESCRIPTION", "Package: abc\nVersion: 1.0\nBuilt: R 4\nRepository: CRAN\n")
        path = write(tmp_path / "abc" / "R" / "abc.rdb", "x", OLD + 3600)
        assert Cran().owners([path])[path].modified

    def test_a_source_tree_is_the_users_own(self, tmp_path):
        write(tmp_path / "abc" / "DESCRIPTION", "Package: abc\nVersion: 1.0\n")
        assert Cran().owners([write(tmp_path / "abc" / "R" / "abc.R", "x")]) == {}


class TestConda:
    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "env"
        lib = write(root / "lib" / "libx.so", "x")
        document = {
            "name": "xlib", "version": "1.2", "build": "h1_0", "subdir": "linux-64",
            "channel": "https://conda.anaconda.org/conda-forge/linux-64", "files": ["lib/libx.so", "bin/x"],
            "paths_data": {"paths": [{"_path": "lib/libx.so", "sha256": hashlib.sha256(b"x").hexdigest()}, "?"]},
        }  # fmt: skip
        write(root / "conda-meta" / "xlib-1.2-h1_0.json", json.dumps(document))
        write(root / "conda-meta" / "history", "")
        write(root / "conda-meta" / "broken.json", "{")
        os.utime(root / "conda-meta", (OLD, OLD))
        return lib, root

    def test_packages_have_build_channel_and_subdir(self, root, tmp_path):
        lib, root = root
        purl = "pkg:conda/xlib@1.2?build=h1_0&channel=conda-forge&subdir=linux-64"
        for _ in range(2):
            conda = Conda(os.fsencode(tmp_path / "cache"))
            assert conda.owners([lib, os.fsencode(root / "lib" / "none"), b"/etc/passwd"]) == {lib: (purl, False)}

    def test_a_changed_file_is_modified(self, root):
        lib, root = root
        write(root / "lib" / "libx.so", "x", OLD + 1)
        assert not Conda().owners([lib])[lib].modified
        write(root / "lib" / "libx.so", "y", OLD + 1)
        assert Conda().owners([lib])[lib].modified
        script = write(root / "bin" / "x", "no digest", OLD + 1)
        assert Conda().owners([script])[script].modified

    def test_a_change_that_put_the_time_back_is_noticed(self, root, tmp_path, monkeypatch):
        """And what was compared once is not read again."""
        lib, root = root
        monkeypatch.setattr("shark.content.packages.verdicts._DISTRUST_NS", -1_000_000_000)
        write(root / "lib" / "libx.so", "y")
        folder = os.fsencode(tmp_path / "cache")
        assert Conda(folder).owners([lib])[lib].modified
        monkeypatch.setattr("shark.content.packages.conda.file_digest", lambda *_: pytest.fail("read again"))
        assert Conda(folder).owners([lib])[lib].modified


class TestNpm:
    def test_the_innermost_package_owns_a_file(self, tmp_path):
        modules = tmp_path / "node_modules"
        write(modules / "a" / "package.json", '{"name": "a", "version": "1.0.0"}')
        write(modules / "a" / "node_modules" / "@s" / "b" / "package.json", '{"name": "@s/b", "version": "2.0.0"}')
        outer, inner = (
            write(modules / "a" / "x.js"),
            write(modules / "a" / "node_modules" / "@s" / "b" / "lib" / "y.js"),
        )
        lock = write(modules / ".package-lock.json", "{}")
        owners = Npm().owners([outer, inner, lock, os.fsencode(tmp_path / "own.js")])
        assert owners == {outer: ("pkg:npm/a@1.0.0", False), inner: ("pkg:npm/%40s/b@2.0.0", False)}

    def test_a_later_file_is_modified_and_a_damaged_package_owns_nothing(self, tmp_path):
        module = tmp_path / "node_modules" / "a"
        path = write(module / "x.js", "x", OLD + 100)
        for content in ("{", "[]", '{"name": "a"}'):
            write(module / "package.json", content)
            assert Npm().owners([path]) == {}
        write(module / "package.json", '{"name": "a", "version": "1.0.0"}')
        assert Npm().owners([path])[path].modified


class TestRpm:
    ANSWER = "=\tbash\t0\t5.1-2.el9\tx86_64\t1500000000\nfile /proc/self/status is not owned by any package\n"

    def rpm(self, tmp_path, answers):
        folder = tmp_path / "database"
        folder.mkdir()
        (folder / "rpmdb.sqlite").touch()

        def ask(argv):
            assert argv[:3] == ["rpm", "--dbpath", str(folder)]
            return answers[argv[3]].encode()

        return Rpm(
            [b"/nonexistent", os.fsencode(folder)],
            ask=ask,
            release={"ID": "rhel", "VERSION_ID": "9.3"},
        )

    def test_each_path_is_matched_with_its_own_answer(self, tmp_path):
        tool, mine, gone = write(tmp_path / "tool"), write(tmp_path / "mine"), os.fsencode(tmp_path / "gone")
        second = self.ANSWER.replace("bash\t0", "multi\t2") + ""
        twice = second.splitlines(keepends=True)[0] + second
        unowned = "file /x is not owned by any package\nfile /proc/self/status is not owned by any package\n"
        owners = self.rpm(tmp_path, {"-qf": self.ANSWER + unowned + twice}).owners([tool, mine, gone])
        assert owners == {
            tool: ("pkg:rpm/rhel/bash@5.1-2.el9?arch=x86_64&distro=rhel-9.3", False),
            gone: ("pkg:rpm/rhel/multi@5.1-2.el9?arch=x86_64&distro=rhel-9.3&epoch=2", True),
        }

    def test_a_file_newer_than_the_installation_is_verified(self, tmp_path):
        tool, conf = write(tmp_path / "tool", mtime=OLD + 3600), write(tmp_path / "conf", mtime=OLD + 3600)
        said = f"S.5....T.  c {os.fsdecode(conf)}\n.......T.    {os.fsdecode(tool)}\n"
        owners = self.rpm(tmp_path, {"-qf": self.ANSWER * 2, "-V": said}).owners([tool, conf])
        assert [owners[path].modified for path in (tool, conf)] == [False, True]

    def test_without_a_database_rpm_is_not_asked(self, tmp_path):
        """Neither where its folder is empty, as on Debian: rpm would make a database in the user's home then."""
        for folder in (b"/nonexistent", os.fsencode(tmp_path)):
            rpm = Rpm([folder], ask=lambda _: pytest.fail("asked"))
            assert not rpm.concerns(b"/bin/")
            assert rpm.owners([b"/bin/sh"]) == {}


class TestRuntimes:
    def test_a_python_that_nobody_packaged_is_one_piece_of_software(self, tmp_path):
        write(tmp_path / "include" / "python3.12" / "patchlevel.h", '#define PY_VERSION "3.12.1"\n')
        owned = [
            write(tmp_path / name) for name in ("bin/python3.12", "lib/python3.12/os.py", "lib/libpython3.12.so.1.0")
        ]
        other = [
            write(tmp_path / name) for name in ("lib/python3.12/site-packages/x.py", "bin/tool", "lib/python3.9/os.py")
        ]
        assert Runtimes().owners(owned + other) == dict.fromkeys(owned, ("pkg:generic/python@3.12.1", False))
        write(tmp_path / "lib" / "python3.12" / "os.py", "mine", OLD + 3600)
        assert Runtimes().owners(owned)[owned[1]].modified

    def test_an_r_that_nobody_packaged_too(self, tmp_path):
        write(tmp_path / "lib" / "R" / "library" / "base" / "DESCRIPTION", "Package: base\nVersion: 4.3.2\n")
        path = write(tmp_path / "lib" / "R" / "bin" / "exec" / "R")
        assert Runtimes().owners([path]) == {path: ("pkg:generic/R@4.3.2", False)}


class TestAll:
    def test_the_first_that_knows_a_path_owns_it_and_compiled_files_follow_their_source(self):
        class Fake:
            def __init__(self, **known):
                self.known = {os.fsencode(f"/{path}"): packages.Owner(purl, False) for path, purl in known.items()}
                self.asked = []
                self.foreign = ()

            def concerns(self, folder):
                return folder not in self.foreign

            def owners(self, paths):
                self.asked += paths
                return {path: self.known[path] for path in paths if path in self.known}

        first, second = Fake(a="one", b="one"), Fake(b="two", c="two")
        assert packages.owners([b"/a", b"/b", b"/c", b"/d"], known=[first, second]) == {
            b"/a": ("one", False), b"/b": ("one", False), b"/c": ("two", False)
        }  # fmt: skip
        assert second.asked == [b"/c", b"/d"]
        second.foreign, second.asked = (b"/",), []
        assert packages.owners([b"/c", b"/e/c"], known=[second]) == {}
        assert second.asked == [b"/e/c"]
        source = Fake(**{"p/x.py": "p"})
        compiled = [b"/p/__pycache__/x.cpython-311.pyc", b"/p/__pycache__/x.cpython-311.opt-1.pyc"]
        assert packages.owners([*compiled, b"/p/__pycache__/y.cpython-311.pyc"], known=[source]) == dict.fromkeys(
            compiled, ("p", False)
        )

    def test_this_interpreter_is_owned(self, tmp_path):
        path = os.fsencode(os.path.realpath(sys.executable))
        owner = packages.owners([path], environ={"XDG_CACHE_HOME": str(tmp_path)})[path]
        assert "python" in owner.purl
        assert packages.owners([], environ={}) == {}


class TestPackageUrl:
    @given(
        st.sampled_from(["deb", "rpm", "pypi", "conda", "cran", "npm", "generic", "github", "bitbucket"]),
        st.text("azAZ09.-_+~:@%é", min_size=1, max_size=6),
        st.text("azAZ09.-_+~:@/ %é", max_size=6),
        st.dictionaries(
            st.sampled_from(["arch", "distro", "build"]), st.text("azAZ09.-_+~:/é", max_size=4), max_size=2
        ),
        st.sampled_from(["", "debian", "User", "@scope"]),
    )
    def test_is_what_packageurl_makes(self, kind, name, version, qualifiers, space):
        kept = {key: value for key, value in qualifiers.items() if value}
        try:
            expected = PackageURL(kind, space or None, name, version or None, kept or None).to_string()
        except ValueError:
            assume(False)
        made = package_url(kind, name, version, tuple(qualifiers.items()), space)
        # The digits of an escape may have either case (RFC 3986, 2.1): where names are small, the library's mostly are.
        made, expected = (re.sub("%..", lambda escape: escape[0].upper(), text) for text in (made, expected))
        assert made.replace("%3A", ":") == expected.replace("%3A", ":")
