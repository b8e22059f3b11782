"""npm packages, from the package.json below node_modules (npm, yarn and pnpm agree on it)."""

from __future__ import annotations

from collections.abc import Sequence

from shark.content.packages.common import is_directory, package_url, regular
from shark.content.packages.look import Look
from shark.jsontext import loads
from shark.model.facts import Owner
from shark.tuples import NamedTuple

_MODULES = b"/node_modules/"


class _Module(NamedTuple):
    purl: str
    mtime: int  # of package.json, ns since the epoch


class Npm:
    """Packages in any node_modules directory. A workspace's link leads out of it: that is the user's own code."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or Look()
        self._folders: dict[bytes, _Module | None] = {}

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        return _MODULES in folder

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`.

        npm keeps no digests of single files, but gives all of a package the same mtime: a later one means a change.
        """
        result = {}
        for path in paths:
            folder = _folder(path)
            if folder is None:
                continue
            if folder not in self._folders:
                self._folders[folder] = _module(folder, self._look)
            module = self._folders[folder]
            if module is not None and not is_directory(path):
                found = regular(path)
                result[path] = Owner(module.purl, found is None or found.st_mtime_ns > module.mtime + _UNPACK_NS)
        return result


_UNPACK_NS = 60_000_000_000  # managers that keep no mtimes write a package within a minute


def _folder(path: bytes) -> bytes | None:
    """The directory of the innermost package that `path` lies in."""
    head, modules, rest = path.rpartition(_MODULES)
    parts = rest.split(b"/")
    depth = 2 if parts[0].startswith(b"@") else 1
    if not modules or len(parts) <= depth or parts[0].startswith(b"."):
        return None
    return head + modules + b"/".join(parts[:depth])


def _module(folder: bytes, look: Look) -> _Module | None:
    file = folder + b"/package.json"
    found = look.regular(file)
    try:
        document = loads(look.read(file) or b"{}")
    except ValueError:
        return None
    if found is None or not isinstance(document, dict):
        return None
    name, version = document.get("name"), document.get("version")
    if not isinstance(name, str) or not isinstance(version, str) or not name:
        return None
    space, _, last = name.rpartition("/")
    return _Module(package_url("npm", last, version, space=space), found.st_mtime_ns)
