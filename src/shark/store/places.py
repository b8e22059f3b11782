"""Where a user's store lies: `$SHARK_HOME`, else the XDG data directory; and what lies elsewhere, and why."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, MutableMapping

from shark.content.filesystems import on_network
from shark.errors import EXIT_RUN, SharkError
from shark.store import files

_TEMPORARY = b"shark-store-"


def home(environ: Mapping[str, str]) -> bytes | None:
    """Give the user's home directory; None if they have none (a container with an unknown user id)."""
    if environ.get("HOME", "").startswith("/"):
        return os.fsencode(environ["HOME"])
    import pwd

    try:
        return os.fsencode(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def store_root(environ: Mapping[str, str]) -> bytes | None:
    """Give the absolute path of the store (there or not), by the environment; None if nothing says where.

    A relative XDG_DATA_HOME does not count (XDG Base Directory Specification).
    """
    if environ.get("SHARK_HOME"):
        return os.path.abspath(os.fsencode(environ["SHARK_HOME"]))
    return _below(environ, "XDG_DATA_HOME", b".local/share")


def settle(environ: MutableMapping[str, str]) -> None:
    """Make a relative SHARK_HOME absolute, before processes that need it leave the directory that it is relative to."""
    named = environ.get("SHARK_HOME", "")
    if named and not named.startswith("/"):
        with contextlib.suppress(FileNotFoundError):  # that directory is gone: there is no such store
            environ["SHARK_HOME"] = os.path.abspath(named)


def local_directory(root: bytes, environ: Mapping[str, str]) -> bytes | None:
    """Give the directory for what a network file system cannot hold (journals, index): `root` itself where it is local.

    Otherwise a directory of the user's own on this machine, made if need be, one for each store; None if there is none.
    """
    if not on_network(root):
        return root
    import hashlib

    name = b"store-" + hashlib.sha256(root).hexdigest()[:12].encode()
    for base in _local_candidates(environ):
        # Made with care: /var/tmp is everybody's, and whoever makes a directory first owns it.
        if not on_network(base) and own_directory(base) and own_directory(os.path.join(base, name)):
            return os.path.join(base, name)
    return None


def holds_databases(directory: bytes) -> bool:
    """Tell whether a database may be kept in a directory: it can be written, and is on a disk of this machine."""
    return os.access(directory, os.W_OK | os.X_OK) and not on_network(directory)


def own_directory(path: bytes) -> bool:
    """Make `path` as a private directory if it is not there; tell whether it is the user's own, and can be written."""
    try:
        files.make_private(path)
        about = os.lstat(path)
    except OSError:
        return False
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & 0o022
    return mine and why_not_writable(path) == ""


def why_not_writable(directory: bytes) -> str:
    """Say why no file can be made in `directory`, "" if one can: by trying, since access(2) knows no quota."""
    probe = os.path.join(directory, files.TEMPORARY + os.urandom(6).hex().encode())
    try:
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.unlink(probe)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def temporary_directory(environ: Mapping[str, str]) -> bytes:
    """Make a private directory for what has no other place. Raises SharkError if there is no room for it anywhere."""
    import tempfile

    for base in _temporary_bases(environ):
        try:
            return tempfile.mkdtemp(prefix=_TEMPORARY, dir=base)
        except OSError:
            continue
    raise SharkError(
        "no directory can be written for the record of this run",
        "Set SHARK_HOME (or TMPDIR) to a directory that you can write.",
        EXIT_RUN,
    )


def temporary_directories(environ: Mapping[str, str]) -> Iterator[bytes]:
    """Iterate over the directories that runs of this environment have been given by `temporary_directory`."""
    for base in dict.fromkeys(_temporary_bases(environ)):
        with contextlib.suppress(OSError):
            yield from (os.path.join(base, name) for name in os.listdir(base) if name.startswith(_TEMPORARY))


def _temporary_bases(environ: Mapping[str, str]) -> list[bytes]:
    return [os.fsencode(environ.get("TMPDIR") or "/tmp"), b"/tmp", b"/var/tmp", b"/dev/shm"]


def _below(environ: Mapping[str, str], variable: str, default: bytes) -> bytes | None:
    if environ.get(variable, "").startswith("/"):
        return os.path.join(os.fsencode(environ[variable]), b"shark")
    base = home(environ)
    return None if base is None else os.path.join(base, default, b"shark")


def _local_candidates(environ: Mapping[str, str]) -> Iterator[bytes]:
    state = _below(environ, "XDG_STATE_HOME", b".local/state")
    if state is not None:
        yield state
    user = b"shark-%d" % os.geteuid()
    # What survives a reboot first: a journal is of use after a crash above all.
    yield os.path.join(b"/var/tmp", user)
    yield os.path.join(os.fsencode(environ.get("TMPDIR") or "/tmp"), user)
