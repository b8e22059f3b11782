"""Which file system a directory lies on, and whether a database may be kept there."""

from __future__ import annotations

import os

NETWORK = frozenset(  # a text split, since a list of words reads better on two lines than on twenty-three
    "9p afs beegfs ceph cifs coda fhgfs gfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs panfs pvfs2 "  # noqa: SIM905
    "smb3 smbfs virtiofs wekafs".split()
)
"""File systems that other machines may change at the same time, by type: on these, locks and shared memory maps, which
a database needs, are slow, broken or local to the machine."""

LOCAL_FUSE = frozenset(
    ("fuse.encfs", "fuse.gocryptfs", "fuse.fuse-overlayfs", "fuse.ntfs", "fuse.ntfs-3g", "fuse.bindfs")
)
"""FUSE file systems that are on this machine; any other (sshfs, s3fs, rclone, glusterfs …) counts as network."""


def is_network(kind: str) -> bool:
    """Tell whether a file-system type, as /proc/PID/mountinfo names it, is one that is shared over a network."""
    return kind in NETWORK or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def kind_of(directory: bytes) -> str:
    """Give the file-system type at an existing directory, "" if it cannot be told. Raises OSError if it is not there.

    By the mount id of an open descriptor (proc(5), fdinfo and mountinfo): path prefixes mislead under bind mounts and
    symbolic links, device numbers under btrfs.
    """
    descriptor = os.open(directory, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as about:
            mount = next((line.split()[1] for line in about if line.startswith(b"mnt_id:")), b"")
        with open("/proc/self/mountinfo", "rb") as mounts:
            return next((_type(line) for line in mounts if line.split(b" ", 1)[0] == mount), "")
    finally:
        os.close(descriptor)


def _type(line: bytes) -> str:
    # Optional fields end with a lone "-"; the type follows.
    return os.fsdecode(line.partition(b" - ")[2].split(b" ", 1)[0])
