"""Python distributions, from the RECORD of each .dist-info directory (PyPA: Recording installed projects)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cached_property

from shark.content.masking import mask_text
from shark.content.packages.common import file_digest, package_url, regular, suspect
from shark.content.packages.look import Look
from shark.content.packages.pathindex import Contents, PathIndex, path_index
from shark.content.packages.verdicts import Verdicts
from shark.jsontext import loads
from shark.model.facts import Owner

_SITES = (b"/site-packages/", b"/dist-packages/")
_BESIDE = (b"/bin/", b"/share/", b"/etc/", b"/include/")
"""Where scripts and data lie, in the directory that has lib/python3.N."""
_FEW = 8
"""So many look-ups in a RECORD are made by searching its text; for more, its lines are split."""
_ALGORITHMS = ("sha256", "sha384", "sha512")


class Pypi:
    """Distributions in any site-packages or dist-packages directory: a system's, a user's, a virtual environment's.

    `folder` is where indexes are kept (None: nowhere).
    """

    def __init__(self, folder: bytes | None = None, look: Look | None = None) -> None:
        self._look = look or Look()
        self._folder = folder
        self._sites: dict[bytes, _Site] = {}
        self._prefixes: dict[bytes, list[bytes]] = {}

    def concerns(self, folder: bytes) -> bool:
        """See `Ecosystem.concerns`."""
        return any(self._candidates(folder + b"x"))

    def owners(self, paths: Sequence[bytes]) -> dict[bytes, Owner]:
        """See `Ecosystem.owners`. What an editable installation points to is the user's own code, and unowned."""
        result = {}
        for path in paths:
            for site, name in self._candidates(path):
                entry = self._site(site).find(name)
                if entry:
                    distribution, fields = entry
                    result[path] = Owner(distribution.purl, _modified(path, fields, distribution, self._verdicts))
                    break
        self._verdicts.keep()
        return result

    @cached_property
    def _verdicts(self) -> Verdicts:
        return Verdicts(None if self._folder is None else self._folder + b"/pypi-verdicts")

    def _site(self, folder: bytes) -> _Site:
        if folder not in self._sites:
            cache = None
            if self._folder is not None:
                from hashlib import blake2b

                cache = b"%b/pypi-%b" % (self._folder, blake2b(folder, digest_size=8).hexdigest().encode())
            self._sites[folder] = _Site(folder, cache, self._look)
        return self._sites[folder]

    def _candidates(self, path: bytes) -> Iterator[tuple[bytes, bytes]]:
        """(site directory, path as its RECORDs would have it)."""
        site, name = _behind(path, _SITES)
        if name:
            yield site, name
            return
        beside, name = _behind(path, _BESIDE)
        if name:
            prefix, _, folder = beside[:-1].rpartition(b"/")
            for site in self._sites_of(prefix):
                yield site, b"../../../%b/%b" % (folder, name)

    def _sites_of(self, prefix: bytes) -> list[bytes]:
        if prefix not in self._prefixes:
            names = [name for name in self._look.names(prefix + b"/lib") if name.startswith(b"python3")]
            folders = [b"%b/lib/%b/site-packages/" % (prefix, name) for name in sorted(names)]
            self._prefixes[prefix] = [folder for folder in folders if self._look.is_directory(folder)]
        return self._prefixes[prefix]


def _behind(path: bytes, folders: Sequence[bytes]) -> tuple[bytes, bytes]:
    """A path behind the last of these folders in it; with b"" as second part if there is none."""
    end = max((at + len(folder) for folder in folders if (at := path.rfind(folder)) >= 0), default=len(path))
    return path[:end], path[end:]


class _Distribution:
    def __init__(self, folder: bytes, look: Look) -> None:
        self._folder = folder
        self._look = look
        name, _, version = os.fsdecode(os.path.basename(folder)).removesuffix(".dist-info").rpartition("-")
        self.name, self._version = name, version
        self._asked = 0

    @cached_property
    def record(self) -> bytes:
        """The RECORD's text. An editable installation's lists what points to the sources, not these."""
        return b"\n" + self._look.read(self._folder + b"/RECORD").replace(b"\r\n", b"\n")

    @cached_property
    def written(self) -> os.stat_result | None:
        return self._look.regular(self._folder + b"/RECORD")

    @cached_property
    def purl(self) -> str:
        # As the specification of package URLs normalises it: what is left to `package_url` of that costs an import.
        return package_url("pypi", self.name.replace("_", "-").lower(), self._version, self._origin())

    @cached_property
    def _direct(self) -> dict[str, object]:
        """direct_url.json: where it was installed from, if not from an index (PyPA: Direct URL data structure)."""
        try:
            document = loads(self._look.read(self._folder + b"/direct_url.json") or b"{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def _origin(self) -> tuple[tuple[str, str], ...]:
        url, vcs = self._direct.get("url"), self._direct.get("vcs_info")
        if not isinstance(url, str):
            return ()
        if isinstance(vcs, dict):
            return (("vcs_url", mask_text(f"{vcs.get('vcs', 'git')}+{url}@{vcs.get('commit_id', '')}")),)
        folder = self._direct.get("dir_info")
        if isinstance(folder, dict) and folder.get("editable"):
            return ()  # what is installed is a pointer to a directory that goes on changing
        return (("download_url", mask_text(url)),)

    def line(self, name: bytes) -> list[bytes] | None:
        """The fields after the path of its RECORD line (digest, size), None if it has none."""
        if b"," in name or b'"' in name:
            name = b'"%b"' % name.replace(b'"', b'""')
        self._asked += 1
        if self._asked > _FEW:
            rest = self._lines.get(name)
            return None if rest is None else rest.split(b",")
        start = self.record.find(b"\n%b," % name)
        if start < 0:
            return None
        return self.record[start + len(name) + 2 :].split(b"\n", 1)[0].split(b",")

    @cached_property
    def _lines(self) -> dict[bytes, bytes]:
        """The rest of each line by its path, as it is quoted."""
        return {path: rest for path, _, rest in (_split(line) for line in self.record.split(b"\n"))}

    def firsts(self) -> set[bytes]:
        """What the paths in its RECORD begin with: the names in the site directory, and whole paths outside of it (as
        far as there is nothing quoted in them).
        """
        import re

        return set(re.findall(rb'\n"?(\.\./[^,"\n]+|[^/,\n]+)', self.record))


def _split(line: bytes) -> tuple[bytes, bytes, bytes]:
    if not line.startswith(b'"'):
        return line.partition(b",")
    end = line.rfind(b'",')
    return line[: end + 1], b",", line[end + 2 :]


class _Site:
    """The distributions of one site directory; what they brought is kept as an index in `cache` (None: nowhere)."""

    def __init__(self, folder: bytes, cache: bytes | None, look: Look) -> None:
        self._folder = folder
        self._look = look
        self._cache = cache
        names = sorted(name for name in look.names(folder) if name.endswith(b".dist-info"))
        self._all = {os.fsdecode(name): _Distribution(folder + name, look) for name in names}
        self._named: dict[str, list[_Distribution]] = {}
        for distribution in self._all.values():
            self._named.setdefault(_normal(distribution.name), []).append(distribution)

    def find(self, name: bytes) -> tuple[_Distribution, list[bytes]] | None:
        """The distribution whose RECORD lists `name`, and that line's fields."""
        for distribution in self._likely(name):
            fields = distribution.line(name)
            if fields is not None:
                return distribution, fields
        return None

    def _likely(self, name: bytes) -> Iterator[_Distribution]:
        """Those named like the path's first part, then those that have such a first part at all."""
        if name.startswith(b"../"):
            first = name.replace(b'"', b",").partition(b",")[0]
        else:
            first = name.split(b"/", 1)[0]
            stem = os.fsdecode(first)
            stem = stem[:-10] if first.endswith(b".dist-info") else stem.split(".", 1)[0]
            yield from self._named.get(_normal(stem.rpartition("-")[0] or stem), ())
        for folder in self._by_first.find(first) or ():
            if folder in self._all:
                yield self._all[folder]

    @cached_property
    def _by_first(self) -> PathIndex:
        """The names of the .dist-info directories whose paths begin so."""
        # An installation adds and removes directories here, which sets the time.
        found = self._look.stat(self._folder)
        if found is None:
            return PathIndex([], b"")
        return path_index(self._cache, [found.st_mtime_ns, found.st_ino], self._firsts)

    def _firsts(self) -> Contents:
        owners: dict[bytes, list[str]] = {}
        for folder, distribution in self._all.items():
            for first in distribution.firsts():
                owners.setdefault(first, []).append(folder)
        return list(owners.values()), [(first, number) for number, first in enumerate(owners)]


def _normal(name: str) -> str:
    if name.isalnum():
        return name.lower()
    import re

    return re.sub(r"[-_.]+", "-", name).lower()


def _modified(path: bytes, fields: list[bytes], distribution: _Distribution, verdicts: Verdicts) -> bool:
    found, written = regular(path), distribution.written
    if found is None or written is None:
        return True
    digest, size = (*fields, b"", b"")[:2]
    if size.isdigit() and int(size) != found.st_size:
        return True
    algorithm, _, value = digest.partition(b"=")
    if os.fsdecode(algorithm) not in _ALGORITHMS or not suspect(found, written):
        return False
    state = f"{os.fsdecode(digest)} {written.st_mtime_ns}"
    return verdicts.settle(path, found, state, lambda: _differs(path, os.fsdecode(algorithm), value))


def _differs(path: bytes, algorithm: str, value: bytes) -> bool:
    import base64
    import binascii

    try:
        recorded = base64.urlsafe_b64decode(value + b"==").hex()
    except binascii.Error:
        return True
    return file_digest(path, algorithm) != recorded
