"""Paths from another mount namespace, translated to shark's own (mount_namespaces(7), proc(5) on mountinfo)."""

from __future__ import annotations

import os

from shark.capture import kernel
from shark.tuples import NamedTuple
from shark.values import Stat


class Mount(NamedTuple):
    """A line of mountinfo: device number, the directory of that file system that is mounted, and where."""

    dev: int
    root: bytes
    point: bytes


def parse_mountinfo(text: bytes) -> list[Mount]:
    """The mounts of a mountinfo file, in its order (later ones lie over earlier ones)."""
    mounts = []
    for line in text.split(b"\n"):  # no other line end: a mount point may hold a carriage return
        words = line.split(b" ")
        if len(words) < 6:
            continue
        major, _, minor = words[2].partition(b":")
        mounts.append(Mount(os.makedev(int(major), int(minor)), _unescape(words[3]), _unescape(words[4])))
    return mounts


def _unescape(word: bytes) -> bytes:
    """A word of mountinfo as it was before space, tab, line feed and backslash became octal escapes."""
    first, *rest = word.split(b"\\")
    return first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest)


def below(directory: bytes, path: bytes) -> bytes | None:
    """What follows `directory` in `path` (b"" for itself, else with a leading slash); None when it is not below it."""
    if directory == b"/":
        return path if path != b"/" else b""
    if path == directory:
        return b""
    return path[len(directory) :] if path.startswith(directory + b"/") else None


class Translator:
    """Finds the path outside for a path inside another mount namespace."""

    def outside(self, pid: int, path: bytes, stat: Stat) -> bytes | None:
        """The path by which shark reaches the same file, checked by identity; None when there is none.

        By device and place in the file system: the innermost mount inside that holds `path` tells which directory of
        which device it is; any mount of that device outside that holds the same directory leads to it.
        """
        if self._is(path, stat):
            return path
        for inside in reversed(_mounts_of(str(pid))):
            rest = below(inside.point, path)
            if rest is None:
                continue
            on_device = inside.root.rstrip(b"/") + rest or b"/"
            return self._reached(inside.dev, on_device, stat)
        return None

    def _reached(self, dev: int, on_device: bytes, stat: Stat) -> bytes | None:
        for mount in reversed(_mounts_of("self")):
            rest = below(mount.root, on_device) if mount.dev == dev else None
            if rest is not None:
                candidate = mount.point.rstrip(b"/") + rest or b"/"
                if self._is(candidate, stat):
                    return candidate
        return None

    @staticmethod
    def _is(path: bytes, stat: Stat) -> bool:
        found = kernel.statx(path, flags=kernel.AT_STATX_DONT_SYNC | kernel.AT_SYMLINK_NOFOLLOW)
        return found is not None and found.id == stat.id


def _mounts_of(process: str) -> list[Mount]:
    try:
        with open(f"/proc/{process}/mountinfo", "rb") as file:
            return parse_mountinfo(file.read())
    except OSError:
        return []
