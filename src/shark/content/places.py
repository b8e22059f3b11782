"""Where shark may keep what it can lose: the user's cache directory, on a disk of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from shark.content.filesystems import on_network


def cache_home(environ: Mapping[str, str]) -> bytes | None:
    """The directory for shark's caches, made with mode 0700 if need be; None if there can be none.

    `$XDG_CACHE_HOME/shark`, else `~/.cache/shark` (XDG base directory specification: a relative value is ignored).
    Where that lies on a network file system, on which neither locks nor shared memory can be relied on, a directory of
    the user's own in /var/tmp. A cache is a convenience: what prevents it is not an error.
    """
    base = environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = f"{home}/.cache"
    wanted = os.fsencode(f"{base.rstrip('/')}/shark")
    if on_network(wanted):
        wanted = b"/var/tmp/shark-cache-%d" % os.getuid()
    return wanted if _own_directory(wanted) else None


def _own_directory(path: bytes) -> bool:
    """True if `path` is a directory of this user's that nobody else can enter, as it should be in /var/tmp."""
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return False
        if found.st_mode & 0o077:
            os.chmod(path, 0o700)
    except OSError:
        return False
    return True
