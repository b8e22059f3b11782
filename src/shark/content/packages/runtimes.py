"""Interpreters that no package manager installed: a Python or R built from source, or unpacked (pyenv, uv)."""

from __future__ import annotations

from collections.abc import Sequence

from shark.content.packages.common import INSTALL_NS, is_directory, package_url, regular
from shark.content.packages.cran import parse_dcf
from shark.content.packages.look import Look
from shark.model.facts import Owner
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

_PYTHON = rb"^(.*)/(?:lib/(python3\.\d+t?)/|bin/(python3\.\d+t?)$|lib/lib(python3\.\d+t?)\.so)"
_R = rb"^(.*/R)/(?:bin|etc|lib|library|modules|share)/"
_INSTALLED_LATER = (b"/site-packages/", b"/dist-packages/")


class _Runtime(NamedTuple):
    purl: str
    installed: int  # ns since the epoch


class Runtimes:
    """Standard library and program of such an interpreter: `pkg:generic/python@3.12.1`, `pkg:generic/R@4.3.2`."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or Look()
        self._known: dict[bytes, _Runtime | None] = {}

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        return b"/lib/" in folder or b"/R/" in folder or folder.endswith(b"/bin/")

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`. There are no digests: a file much newer than the installation counts as changed."""
        result = {}
        for path in paths:
            runtime = self._runtime(path)
            if runtime is not None and not is_directory(path):
                found = regular(path)
                result[path] = Owner(runtime.purl, found is None or found.st_mtime_ns > runtime.installed + INSTALL_NS)
        return result

    def _runtime(self, path: bytes) -> _Runtime | None:
        if b"python3." in path and (match := _matched(_PYTHON, path)):
            if any(path.find(folder, match.end() - 1) >= 0 for folder in _INSTALLED_LATER):
                return None
            name = match[2] or match[3] or match[4]
            return self._cached(b"%b/include/%b/patchlevel.h" % (match[1], name))
        if b"/R/" in path and (match := _matched(_R, path)):
            return self._cached(match[1] + b"/library/base/DESCRIPTION")
        return None

    def _cached(self, witness: bytes) -> _Runtime | None:
        if witness not in self._known:
            self._known[witness] = _identify(witness, self._look)
        return self._known[witness]


def _matched(pattern: bytes, path: bytes) -> re.Match[bytes] | None:
    import re  # here, as few runs have such a path, and all wait for imports

    return re.match(pattern, path)


def _identify(witness: bytes, look: Look) -> _Runtime | None:
    """What the file that tells the version says, None if there is no such file."""
    found = look.regular(witness)
    if found is None:
        return None
    text = look.read(witness).decode("utf-8", "replace")
    if witness.endswith(b".h"):
        import re

        match = re.search(r'^#define\s+PY_VERSION\s+"([^"]+)"', text, re.MULTILINE)
        return _Runtime(package_url("generic", "python", match[1]), found.st_mtime_ns) if match else None
    version = parse_dcf(text).get("Version", "")
    return _Runtime(package_url("generic", "R", version), found.st_mtime_ns) if version else None
