"""Where shark may keep what it can lose: the user's cache directory, on a disk of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping

_SHARED = (
    "nfs nfs4 cifs smb3 smbfs 9p afs ceph glusterfs lustre gpfs beegfs orangefs pvfs2 panfs wekafs virtiofs ocfs2 gfs2 "
    "fuse.sshfs fuse.glusterfs fuse.ceph fuse.s3fs fuse.rclone fuse.gcsfuse fuse.mfs"
)
NETWORK_TYPES = frozenset(_SHARED.split())
"""File-system types (proc_pid_mountinfo(5), the field after the hyphen) that several machines may share."""


def cache_home(environ: Mapping[str, str], *, mounts: str = "/proc/self/mountinfo") -> bytes | None:
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
    if is_network(wanted, mounts=mounts):
        wanted = b"/var/tmp/shark-cache-%d" % os.getuid()
    return wanted if _own_directory(wanted) else None


def is_network(path: bytes, *, mounts: str = "/proc/self/mountinfo") -> bool:
    """Whether `path`, or its nearest ancestor that exists, lies on a file system shared with other machines.

    Unknown (no /proc; a btrfs subvolume, whose st_dev is in no mountinfo line) counts as local.
    """
    dev = _device(path)
    try:
        with open(mounts, "rb") as stream:
            lines = stream.read().splitlines()
    except OSError:
        return False
    number = b"%d:%d" % (os.major(dev), os.minor(dev))
    for line in reversed(lines):
        before, _, after = line.partition(b" - ")
        fields = before.split()
        if len(fields) > 2 and fields[2] == number:
            return after.split()[:1] != [] and os.fsdecode(after.split()[0]) in NETWORK_TYPES
    return False


def _device(path: bytes) -> int:
    while True:
        try:
            return os.stat(path).st_dev
        except OSError:
            parent = os.path.dirname(path)
            if parent == path:
                return 0
            path = parent


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
