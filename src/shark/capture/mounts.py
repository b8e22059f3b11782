"""Paths from another mount namespace, translated to shark's own (mount_namespaces(7), proc(5) on mountinfo)."""

from __future__ import annotations

import os

from shark.capture import kernel
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Stat

if TYPE_CHECKING:
    from typing import Final

DETACHED: Final = b"mnt:[detached]"
"""What stands before a path below a mount that is in no namespace (open_tree(2)), as a namespace's name does."""

_MANY: Final = 4096

_KERNELS: Final = frozenset(
    b"proc sysfs cgroup cgroup2 devpts debugfs tracefs securityfs selinuxfs smackfs bpf configfs pstore efivarfs "
    b"binfmt_misc fusectl nsfs".split()
)
"""Types of file systems whose files are questions to the kernel: they hold nothing that could be lost (proc(5))."""

_DEVICES: Final = tuple(b"/dev/" + name for name in b"null zero full random urandom tty console".split())


class Mount(NamedTuple):
    """A line of mountinfo: device number, the directory of that file system that is mounted, where, and its type."""

    dev: int
    root: bytes
    point: bytes
    kind: bytes


def parse_mountinfo(text: bytes) -> list[Mount]:
    """The mounts of a mountinfo file, in its order (later ones lie over earlier ones)."""
    mounts = []
    for line in text.split(b"\n"):  # no other line end: a mount point may hold a carriage return
        words = line.split(b" ")
        if len(words) < 6:
            continue
        major, _, minor = words[2].partition(b":")
        kind = line.partition(b" - ")[2].partition(b" ")[0]
        mounts.append(Mount(os.makedev(int(major), int(minor)), _unescape(words[3]), _unescape(words[4]), kind))
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

    def lost(self, pid: int, path: bytes, stat: Stat) -> bytes | None:
        """The mount point (inside) below which a regular file lies that has no path outside; None if nothing is lost.

        So it is of a file that is the kernel's own, and of an empty one with the name of a device: sandboxes make such
        files to mount the devices over them. A file system is told by its device number, as its mount may be covered.
        """
        if not stat.size and path.endswith(_DEVICES):
            return None
        mounts = [mount for mount in _mounts_of(str(pid)) if mount.dev == stat.id.dev]
        if any(mount.kind in _KERNELS for mount in mounts):
            return None
        points = [mount.point for mount in mounts if below(mount.point, path) is not None]
        return max(points, key=len, default=os.path.dirname(path))

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


class Attached:
    """Tells mounts that are somewhere from those that are in no namespace: below these the kernel gives half a path.

    Each mount is looked for once. One that is nowhere may be attached later, and is looked for each time.
    """

    def __init__(self) -> None:
        self._known = {0}  # of kernels that do not tell
        self.doubtful = False  # whether there was one that is nowhere

    def has(self, mount: int, link: bytes, path: bytes, stat: Stat) -> bool:
        """Whether a mount is somewhere. `link` of /proc leads to a file on it, for which the kernel gives `path`.

        A path that leads to the same file through the same mount proves it. Else the file may have been moved or have
        something mounted over it, or lie below another root: then it is asked what is mounted.
        """
        if mount in self._known:
            return True
        found = kernel.statx(path, flags=kernel.AT_STATX_DONT_SYNC | kernel.AT_SYMLINK_NOFOLLOW)
        if (found is None or found.id != stat.id or kernel.mount_seen() != mount) and not _is_listed(link):
            self.doubtful = True
            return False
        if len(self._known) >= _MANY:
            self._known = {0}
        self._known.add(mount)
        return True


def _is_listed(link: bytes) -> bool:
    """Whether the mount of what a link of /proc/PID leads to is mounted for that process or for shark."""
    try:
        fd = os.open(link, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return True  # it is gone, and nothing can be said of it
    try:
        with open(f"/proc/self/fdinfo/{fd}", "rb") as about:
            number = next((line.split()[1] for line in about if line.startswith(b"mnt_id:")), b"")
    finally:
        os.close(fd)
    tables = (b"/proc/self/mountinfo", b"/".join(link.split(b"/", 3)[:3]) + b"/mountinfo")
    return any(_has_line(table, number + b" ") for table in tables)


def _has_line(table: bytes, beginning: bytes) -> bool:
    try:
        with open(table, "rb") as lines:
            return any(line.startswith(beginning) for line in lines)
    except OSError:
        return False
