"""Who owns a file: one small module per package manager behind one function."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

from shark.content.packages.common import Ecosystem
from shark.content.packages.look import Look
from shark.content.places import cache_home
from shark.model.facts import Owner

__all__ = ["Ecosystem", "Owner", "ecosystems", "owners", "source_of"]

_COMPILED = rb"^(.*/)__pycache__/([^/]+?)\.[^./]+(?:\.opt-[^./]+)?\.pyc$"


def ecosystems(environ: Mapping[str, str], look: Look | None = None) -> list[Ecosystem]:
    """Every known package manager, in the order in which they are believed: the system's before the language's.

    Their databases are looked at by `look`.
    """
    from shark.content.packages.conda import Conda
    from shark.content.packages.cran import Cran
    from shark.content.packages.deb import Deb
    from shark.content.packages.npm import Npm
    from shark.content.packages.pypi import Pypi
    from shark.content.packages.rpm import Rpm
    from shark.content.packages.runtimes import Runtimes

    home = cache_home(environ)
    folder = None if home is None else home + b"/packages"
    return [
        Deb(folder, look=look),
        Rpm(look=look),
        Conda(folder, look),
        Pypi(folder, look),
        Cran(look),
        Npm(look),
        Runtimes(look),
    ]


def owners(
    paths: Iterable[bytes],
    *,
    environ: Mapping[str, str] | None = None,
    known: Sequence[Ecosystem] | None = None,
    told: Mapping[bytes, Owner | None] = MappingProxyType({}),
) -> dict[bytes, Owner]:
    """The package that owns each of `paths` (absolute and true, without symbolic links); unowned ones are left out.

    `Owner.modified` is true when the content is not the package's own any more, or the file is gone. A file compiled by
    Python (`__pycache__/x.cpython-311.pyc`) belongs to the owner of its source. Directories belong to nobody. `known`
    are the package managers to ask, by default all. What is `told` of a file (None: it has no owner) is not asked.
    """
    asked = {path: source_of(path) for path in paths}
    folders: dict[bytes, list[bytes]] = {}
    found: dict[bytes, Owner] = {}
    for path in dict.fromkeys(asked.values()):
        if path not in told:
            folders.setdefault(path[: path.rfind(b"/") + 1], []).append(path)
        elif owner := told[path]:
            found[path] = owner
    for ecosystem in ecosystems(os.environ if environ is None else environ) if known is None else known:
        if left := [
            path
            for folder, inside in folders.items()
            if ecosystem.concerns(folder)
            for path in inside
            if path not in found
        ]:
            found.update(ecosystem.owners(left))
    return {path: found[source] for path, source in asked.items() if source in found}


@lru_cache(maxsize=1 << 14)
def source_of(path: bytes) -> bytes:
    """The source of a compiled Python file (PEP 3147, PEP 488); any other path as it is."""
    if not path.endswith(b".pyc"):
        return path
    import re

    match = re.match(_COMPILED, path, re.DOTALL)
    return match[1] + match[2] + b".py" if match else path
