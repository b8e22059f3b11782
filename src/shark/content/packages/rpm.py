"""RPM packages, by asking rpm(8) itself, since its database has three formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from shark.content.osrelease import os_release
from shark.content.packages.common import INSTALL_NS, is_directory, package_url, regular
from shark.content.packages.look import Look
from shark.model.facts import Owner
from shark.tuples import NamedTuple

_DATABASES = (b"/var/lib/rpm", b"/usr/lib/sysimage/rpm")
_FILES = ("rpmdb.sqlite", "Packages", "Packages.db")
"""Of which one is in a database's folder: of SQLite, Berkeley DB, ndb. Debian's rpm has the folder only, and would make
a database in the user's home to look into."""
_FORMAT = r"=\t%{NAME}\t%{EPOCHNUM}\t%{VERSION}-%{RELEASE}\t%{ARCH}\t%{INSTALLTIME}\n"
_BATCH = 400  # paths per call
_SECONDS = 20.0
_BETWEEN = "/proc/self/status"  # unowned: its line ends the answer about one path, which may name several packages


class _Package(NamedTuple):
    name: str
    epoch: str
    version: str
    arch: str
    installed: int  # seconds since the epoch


class Rpm:
    """Packages of this system's RPM database. `ask` runs a command line and returns its output (None: it failed)."""

    def __init__(
        self,
        databases: Sequence[bytes] = _DATABASES,
        *,
        ask: Callable[[Sequence[str]], bytes | None] | None = None,
        release: Mapping[str, str] | None = None,
        look: Look | None = None,
    ) -> None:
        self._look = look or Look()
        self._databases = databases
        self._ask = ask or _answer
        self._release = release

    @cached_property
    def _database(self) -> bytes:
        """The folder with this system's database, b"" without one."""
        there = (
            folder
            for folder in self._databases
            for name in _FILES
            if self._look.stat(os.path.join(folder, name.encode())) is not None
        )
        return next(there, b"")

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        return bool(self._database)

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`."""
        if not self._database:
            return {}
        release = os_release() if self._release is None else self._release
        result = {}
        changed: dict[str, frozenset[bytes]] = {}
        for path, package in self._packages([path for path in paths if not is_directory(path)]).items():
            result[path] = Owner(_purl(package, release), self._modified(path, package, changed))
        return result

    def _packages(self, paths: Sequence[bytes]) -> dict[bytes, _Package]:
        found = {}
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            argv = ["-qf", "--qf", _FORMAT]
            for path in batch:
                argv += [os.fsdecode(path), _BETWEEN]
            answers = self._answer(argv).split(_BETWEEN.encode())
            for path, answer in zip(batch, answers, strict=False):
                package = _parse(answer)
                if package:
                    found[path] = package
        return found

    def _answer(self, words: Sequence[str]) -> bytes:
        return self._ask(["rpm", "--dbpath", os.fsdecode(self._database), *words]) or b""

    def _modified(self, path: bytes, package: _Package, changed: dict[str, frozenset[bytes]]) -> bool:
        found = regular(path)
        if found is None:
            return True
        if found.st_mtime_ns <= package.installed * 1_000_000_000 + INSTALL_NS:
            return False
        if package.name not in changed:
            changed[package.name] = self._changed(package.name)
        return path in changed[package.name]

    def _changed(self, name: str) -> frozenset[bytes]:
        """The files of a package whose digest is not the database's: lines such as `..5....T.  c /etc/hosts`."""
        lines = self._answer(["-V", "--nodeps", "--noscripts", name]).splitlines()
        return frozenset(line[line.find(b"/") :] for line in lines if line[2:3] == b"5" and b"/" in line)


def _answer(argv: Sequence[str]) -> bytes | None:
    from shark.content.commands import output_of

    return output_of(argv, seconds=_SECONDS, any_status=True)


def _parse(answer: bytes) -> _Package | None:
    for line in answer.decode("utf-8", "replace").splitlines():
        fields = line.split("\t")
        if fields[0] == "=" and len(fields) == 6 and fields[5].isdigit():
            return _Package(fields[1], fields[2], fields[3], fields[4], int(fields[5]))
    return None


def _purl(package: _Package, release: Mapping[str, str]) -> str:
    distro = release.get("ID", "")
    series = release.get("VERSION_ID", "")
    epoch = "" if package.epoch in ("0", "(none)") else package.epoch
    qualifiers = (
        ("arch", package.arch),
        ("distro", f"{distro}-{series}" if distro and series else distro),
        ("epoch", epoch),
    )
    return package_url("rpm", package.name, package.version, qualifiers, distro)
