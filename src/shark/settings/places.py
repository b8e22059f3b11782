"""Where settings files are, and whether they may be believed. Without a file, all this costs a few stats."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

from shark.errors import SharkError

NAME = "shark.toml"
PROJECT = "pyproject.toml"
VARIABLE = "SHARK_SETTINGS"
"""Names the project's settings file instead of looking for one; empty: none."""
_LIMIT = 1 << 20


def project_file(cwd: str, environ: Mapping[str, str]) -> tuple[str, bytes] | None:
    """The nearest settings file from `cwd` upwards, and its content: `shark.toml`, or a `pyproject.toml` that speaks of
    shark. Raises SharkError for a file that may not be believed, or that SHARK_SETTINGS names and is not there.
    """
    if VARIABLE in environ:
        named = environ[VARIABLE]
        return (os.path.join(cwd, named), read_trusted(os.path.join(cwd, named))) if named else None
    directory = cwd
    while True:
        path = os.path.join(directory, NAME)
        if _is_there(path):
            return path, read_trusted(path)
        path = os.path.join(directory, PROJECT)
        if _is_there(path) and _mentions_shark(path):
            return path, read_trusted(path)
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent


def user_file(environ: Mapping[str, str]) -> str | None:
    """The path of the user's settings file, there or not; None without a home directory."""
    base = environ.get("XDG_CONFIG_HOME", "")
    if not base.startswith("/"):  # a relative one does not count (XDG Base Directory Specification)
        home = environ.get("HOME", "")
        if not home.startswith("/"):
            return None
        base = os.path.join(home, ".config")
    return os.path.join(base, "shark", NAME)


def user_settings(environ: Mapping[str, str]) -> tuple[str, bytes] | None:
    """The user's settings file and its content, None if there is none. Raises SharkError as `project_file` does."""
    path = user_file(environ)
    return (path, read_trusted(path)) if path is not None and _is_there(path) else None


def read_trusted(path: str) -> bytes:
    """Read a settings file that is the user's own or root's, and that not everybody may change. Raises SharkError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as problem:
        raise SharkError(f"{path}: {problem.strerror}", f"{VARIABLE}= (empty) runs without it.") from None
    about = os.fstat(fd)
    if not stat.S_ISREG(about.st_mode):
        os.close(fd)
        raise SharkError(f"{path} is no regular file", "Settings are read from plain files only.")
    with open(fd, "rb") as file:
        if about.st_uid not in (os.geteuid(), 0):
            who = f"{path} belongs to user {about.st_uid}, neither to you nor to root"
            raise SharkError(f"{who}: it is not believed", f"chown it, or run without it: {VARIABLE}= (empty).")
        if about.st_mode & stat.S_IWOTH:
            raise SharkError(f"{path} may be changed by everybody: it is not believed", f"chmod o-w {path}")
        data = file.read(_LIMIT + 1)
    if len(data) > _LIMIT:
        raise SharkError(f"{path} is larger than {_LIMIT >> 20} MiB", "Settings are smaller than that.")
    return data


def _is_there(path: str) -> bool:
    try:
        os.stat(path)
    except OSError as problem:
        import errno

        return problem.errno == errno.ELOOP
    except ValueError:
        return False
    return True


def _mentions_shark(path: str) -> bool:
    """Whether a pyproject.toml has something to say to shark: read before it is judged, as most have not."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return False
    with open(fd, "rb") as file:
        data = file.read(_LIMIT)
    if b"shark" not in data:
        return False
    # One that is no TOML is other tools' business, unless it has our table: settings must not be lost in silence.
    ours = any(line.replace(b" ", b"").startswith(b"[tool.shark") for line in data.splitlines())
    return ours or table_of(path, data, quietly=True) is not None


def table_of(path: str, data: bytes, *, quietly: bool = False) -> dict[str, object] | None:
    """The settings in a file: all of a shark.toml; of a pyproject.toml the table `tool.shark`, None without one.

    Raises SharkError for what is no TOML (`quietly`: gives None, since that is other tools' file).
    """
    import tomllib

    try:
        table = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as problem:
        if quietly:
            return None
        raise SharkError(f"{path} is no TOML: {problem}", "See https://toml.io for its syntax.") from None
    if os.path.basename(path) != PROJECT:
        return table
    tool = table.get("tool")
    found = tool.get("shark") if isinstance(tool, dict) else None
    if found is not None and not isinstance(found, dict):
        raise SharkError(f"{path}: tool.shark is no table", "Write it as [tool.shark].")
    return found
