"""R packages, from an installed package's DESCRIPTION ("Writing R Extensions", 1.1.1; remotes adds Remote* fields)."""

from __future__ import annotations

import os
from collections.abc import Sequence

from shark.content.masking import mask_text
from shark.content.packages.common import INSTALL_NS, is_directory, package_url, regular
from shark.content.packages.look import Look
from shark.model.facts import Owner
from shark.tuples import NamedTuple

_BIOCONDUCTOR = "https://bioconductor.org"
_MIRRORS = ("CRAN", "RSPM", "PPM", "P3M")
_HOSTS = {"github": "github", "bitbucket": "bitbucket"}


class _Library(NamedTuple):
    purl: str
    installed: int  # ns since the epoch


class Cran:
    """Installed R packages, wherever the library is; R's own packages belong to R."""

    def __init__(self, look: Look | None = None) -> None:
        self._look = look or Look()
        self._folders: dict[bytes, _Library | None] = {}

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        return self._owner(os.path.dirname(folder)) is not None

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`.

        R keeps no digests of what it installs: a file is taken for changed when it is clearly newer than its package.
        """
        result = {}
        for path in paths:
            library = self._owner(os.path.dirname(path))
            if library is not None and not is_directory(path):
                found = regular(path)
                changed = found is None or found.st_mtime_ns > library.installed + INSTALL_NS
                result[path] = Owner(library.purl, changed)
        return result

    def _owner(self, folder: bytes) -> _Library | None:
        if folder not in self._folders:
            above = os.path.dirname(folder)
            own = _library(folder, self._look)
            self._folders[folder] = own or (self._owner(above) if above != folder else None)
        return self._folders[folder]


def _library(folder: bytes, look: Look) -> _Library | None:
    file = folder + b"/DESCRIPTION"
    found = look.regular(file)
    if found is None:
        return None
    fields = parse_dcf(look.read(file).decode("utf-8", "replace"))
    # Only an installed package has the field Built; a source tree under development is the user's own code.
    if "Built" not in fields or fields.get("Package") != os.fsdecode(os.path.basename(folder)):
        return None
    return _Library(_purl(fields), found.st_mtime_ns)


def parse_dcf(text: str) -> dict[str, str]:
    """The fields of the first paragraph of a Debian control file, continuation lines joined by a space."""
    import re

    joined = re.sub(r"\n[ \t]+", " ", text.strip().split("\n\n", 1)[0])
    pairs = (line.partition(":") for line in joined.split("\n"))
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def _purl(fields: dict[str, str]) -> str:
    name, version = fields["Package"], fields.get("Version", "")
    if fields.get("Priority") == "base":
        return package_url("generic", "R", version)
    kind = fields.get("RemoteType", "github" if "GithubSHA1" in fields else "")
    commit = fields.get("RemoteSha") or fields.get("GithubSHA1", "")
    if kind in _HOSTS and commit:
        user = fields.get("RemoteUsername") or fields.get("GithubUsername", "")
        return package_url(_HOSTS[kind], fields.get("RemoteRepo") or fields.get("GithubRepo", name), commit, space=user)
    if "url" in kind or "git" in kind:
        url = mask_text(fields.get("RemoteUrl", ""))
        return package_url("generic", name, version, (("vcs_url", f"git+{url}@{commit}" if url and commit else url),))
    repository = fields.get("Repository", "")
    if (
        "biocViews" in fields
        or "bioconductor.org" in fields.get("git_url", "")
        or repository.startswith("Bioconductor")
    ):
        return package_url("generic", name, version, (("repository_url", _BIOCONDUCTOR),))
    if repository in _MIRRORS or fields.get("Priority") == "recommended":
        return package_url("cran", name, version)
    if repository:
        return package_url("cran", name, version, (("repository_url", mask_text(repository)),))
    return package_url("generic", name, version)  # installed from a directory of the user's
