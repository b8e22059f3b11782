"""Debian's and Ubuntu's packages, from dpkg's own files (dpkg-query(1): /var/lib/dpkg/info, status, diversions).

Calling `dpkg -S` takes a quarter of a second; its files are read once and kept as an index.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise

from shark.content.osrelease import PLACES, os_release
from shark.content.packages.common import file_digest, is_directory, package_url, regular, suspect
from shark.content.packages.look import Look
from shark.content.packages.pathindex import Contents, Package, PathIndex, path_index
from shark.content.packages.verdicts import Verdicts
from shark.model.facts import Owner

_MERGED = (b"/bin/", b"/sbin/", b"/lib/", b"/lib32/", b"/lib64/", b"/libx32/", b"/libo32/")


class Deb:
    """Packages of the dpkg database `admin`; `folder` is where the index is kept (None: nowhere)."""

    def __init__(
        self,
        folder: bytes | None = None,
        *,
        admin: bytes = b"/var/lib/dpkg",
        release: Mapping[str, str] | None = None,
        look: Look | None = None,
    ) -> None:
        self._look = look or Look()
        self._folder = folder
        self._admin = admin
        self._release = release

    @cached_property
    def _index(self) -> PathIndex | None:
        """None where there is no such database."""
        states = [self._look.stat(self._admin + name) for name in (b"/status", b"/info", b"/diversions")]
        if states[0] is None or states[1] is None:
            return None
        key = [-1 if state is None else state.st_mtime_ns for state in states]
        file = None if self._folder is None else self._folder + b"/deb"
        return path_index(file, key, lambda: _contents(self._admin, self._look))

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        index = self._index
        return index is not None and any(map(index.has_folder, _spellings(folder)))

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`."""
        index = self._index if paths else None
        if index is None:
            return {}
        check = _Check(self._admin, self._verdicts, self._look)
        result = {}
        for path in paths:
            package = _find(index, path)
            if package is not None and not is_directory(path):
                result[path] = Owner(_purl(package, self._distro), check.modified(path, package))
        check.verdicts.keep()
        return result

    @cached_property
    def _verdicts(self) -> Verdicts:
        return Verdicts(None if self._folder is None else self._folder + b"/deb-verdicts")

    @cached_property
    def _distro(self) -> Mapping[str, str]:
        """Which distribution the packages are of."""
        if self._release is not None:
            return self._release
        for place in PLACES:
            self._look.stat(os.fsencode(place))
        return os_release()


def _find(index: PathIndex, path: bytes) -> Package | None:
    return next((package for spelling in _spellings(path) if (package := index.find(spelling))), None)


def _spellings(path: bytes) -> Iterator[bytes]:
    """Both names of a path on a usr-merged system: dpkg lists the one that the package shipped."""
    yield path
    if path.startswith(b"/usr/"):
        if path.startswith(_MERGED, 4):
            yield path[4:]
    elif path.startswith(_MERGED):
        yield b"/usr" + path


def _purl(package: Package, release: Mapping[str, str]) -> str:
    _, name, version, arch = package
    distro = release.get("ID", "debian")
    series = release.get("VERSION_ID") or release.get("VERSION_CODENAME")
    return package_url(
        "deb", name, version, (("arch", arch), ("distro", f"{distro}-{series}" if series else "")), distro
    )


def _contents(admin: bytes, look: Look) -> Contents:
    """Every installed package as [its name in info/, name, version, architecture], and its paths."""
    known = _installed(look.read(admin + b"/status"))
    packages: list[Package] = []
    lists: list[bytes] = []
    for file in look.names(admin + b"/info"):
        if file.endswith(b".list"):
            stem = os.fsdecode(file[:-5])
            name, _, arch = stem.partition(":")
            version, only_arch = known.get((name, arch), ("", ""))
            packages.append([stem, name, version, arch or only_arch])
            lists.append(b"%b/info/%b" % (admin, file))
    return packages, _paths(packages, map(look.read, lists), _diversions(admin, look))


def _installed(status: bytes) -> dict[tuple[str, str], tuple[str, str]]:
    """(name, architecture) and (name, "") to (version, architecture), as deb-control(5) paragraphs tell."""
    known = {}
    for paragraph in status.split(b"\n\n"):
        name = _field(paragraph, b"Package")
        arch = _field(paragraph, b"Architecture")
        if name and b"not-installed" not in _field(paragraph, b"Status").encode():
            known[name, arch] = known[name, ""] = (_field(paragraph, b"Version"), arch)
    return known


def _field(paragraph: bytes, name: bytes) -> str:
    start = (b"\n" + paragraph).find(b"\n" + name + b": ")
    if start < 0:
        return ""
    return paragraph[start + len(name) + 2 :].split(b"\n", 1)[0].strip().decode("utf-8", "replace")


def _diversions(admin: bytes, look: Look) -> dict[bytes, tuple[bytes, str]]:
    """Where a path really lies: path → (diverted to, the package that keeps the path; ":" for the administrator)."""
    lines = look.read(admin + b"/diversions").splitlines()
    return {lines[n]: (lines[n + 1], os.fsdecode(lines[n + 2])) for n in range(0, len(lines) - 2, 3)}


def _paths(
    packages: list[Package], lists: Iterable[bytes], diversions: dict[bytes, tuple[bytes, str]]
) -> Iterator[tuple[bytes, int]]:
    for number, text in enumerate(lists):
        lines = text.split(b"\n")
        for line, following in pairwise(lines):
            if following.startswith(line + b"/") or line == b"/.":
                continue  # a directory, which is listed before what is in it
            if line in diversions and diversions[line][1] != packages[number][1]:
                line = diversions[line][0]  # noqa: PLW2901 - the file is there under the diverted name
            yield line, number


class _Check:
    """Whether files still have their packages' contents; reads a package's digests only for a suspected file."""

    def __init__(self, admin: bytes, verdicts: Verdicts, look: Look) -> None:
        self.verdicts = verdicts
        self._look = look
        self._admin = admin
        self._lists: dict[str, os.stat_result | None] = {}
        self._sums: dict[str, dict[bytes, bytes]] = {}
        self._status: bytes | None = None
        self._diverted: dict[bytes, bytes] | None = None

    def modified(self, path: bytes, package: Package) -> bool:
        stem = package[0]
        found = regular(path)
        if stem not in self._lists:
            self._lists[stem] = self._look.regular(self._info(stem, b".list"))
        written = self._lists[stem]
        if found is None or written is None:
            return True
        if not suspect(found, written):
            return False
        state = f"{stem} {written.st_mtime_ns}"  # of the package, whose digests need not be looked up then
        return self.verdicts.settle(path, found, state, lambda: self._differs(path, stem, found, written))

    def _differs(self, path: bytes, stem: str, found: os.stat_result, written: os.stat_result) -> bool:
        shipped = self._shipped(path, stem)
        if shipped is None:  # the package has no digest of it: only a newer content is evidence
            return found.st_mtime_ns > written.st_mtime_ns
        return file_digest(path, "md5") != shipped

    def _info(self, stem: str, suffix: bytes) -> bytes:
        return self._admin + b"/info/" + os.fsencode(stem) + suffix

    def _shipped(self, path: bytes, stem: str) -> str | None:
        """The MD5 digest with which the package came: of info/*.md5sums, or of a Conffiles field in status."""
        if stem not in self._sums:
            lines = self._look.read(self._info(stem, b".md5sums")).split(b"\n")
            self._sums[stem] = {line[34:]: line[:32] for line in lines}
        if self._status is None:
            self._status = self._look.read(self._admin + b"/status")
            self._diverted = {to: path for path, (to, _) in _diversions(self._admin, self._look).items()}
        original = (self._diverted or {}).get(path, path)
        for spelling in _spellings(original):
            if (digest := self._sums[stem].get(spelling[1:])) is not None:
                return os.fsdecode(digest)
            start = self._status.find(b"\n " + spelling + b" ")
            if start >= 0:
                return os.fsdecode(self._status[start + len(spelling) + 3 :][:32])
        return None
