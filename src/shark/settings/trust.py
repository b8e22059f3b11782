"""Which project files may run commands: those that the user looked at, remembered by path and digest of the content."""

from __future__ import annotations

import os
from collections.abc import Mapping

from shark import jsontext
from shark.errors import SharkError
from shark.store.files import make_private, write_whole
from shark.store.places import home

SCHEMA = "shark/trusted/1"


def trusted_path(environ: Mapping[str, str]) -> bytes | None:
    """The file that remembers what is trusted, in the XDG state directory; None without a home directory."""
    base = environ.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return os.path.join(os.fsencode(base), b"shark", b"trusted.json")
    directory = home(environ)
    return None if directory is None else os.path.join(directory, b".local/state/shark/trusted.json")


def digest(data: bytes) -> str:
    """The sha256 of a file's content."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def is_trusted(path: str, data: bytes, environ: Mapping[str, str]) -> bool:
    """Whether exactly this content of this file was trusted."""
    return _known(environ).get(os.path.realpath(path)) == digest(data)


def trust(path: str, data: bytes | None, environ: Mapping[str, str]) -> None:
    """Remember this content of a file as trusted; with None, forget the file. Raises SharkError or OSError."""
    place = trusted_path(environ)
    if place is None:
        raise SharkError("no place to remember it: you have no home directory", "Set XDG_STATE_HOME.")
    known = _known(environ)
    if data is None:
        known.pop(os.path.realpath(path), None)
    else:
        known[os.path.realpath(path)] = digest(data)
    make_private(os.path.dirname(place))
    write_whole(place, jsontext.dumps({"schema": SCHEMA, "files": known}, indent=True) + b"\n")


def _known(environ: Mapping[str, str]) -> dict[str, str]:
    """What is trusted, by path. A file that somebody else could have written tells nothing."""
    place = trusted_path(environ)
    if place is None:
        return {}
    try:
        with open(place, "rb") as file:
            about = os.fstat(file.fileno())
            document = jsontext.loads(file.read()) if about.st_uid in (os.geteuid(), 0) else {}
            if about.st_mode & 0o022:
                return {}
    except (OSError, ValueError):
        return {}
    files = document.get("files") if isinstance(document, dict) else None
    return {str(path): str(sha256) for path, sha256 in files.items()} if isinstance(files, dict) else {}
