"""Which file system a directory lies on, and whether a database may be kept there."""

from __future__ import annotations

import os

NETWORK = frozenset(  # a text split, since a list of words reads better on two lines than on twenty-three
    "9p afs beegfs ceph cifs coda fhgfs gfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 ocfs2 orangefs panfs pvfs2 "  # noqa: SIM905
    "smb3 smbfs virtiofs wekafs".split()
)
"""File systems that other machines may change at the same time, by type: on these, locks and shared memory maps, which
a database needs, are slow, broken or local to the machine."""

OWN = frozenset(("ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "bcachefs", "tmpfs"))
"""File systems of which this machine's kernel always knows the state itself: statx(2) says the same with
AT_STATX_DONT_SYNC as without. There are more of them; of others it is not certain."""

LOCAL_FUSE = frozenset(
    ("fuse.encfs", "fuse.gocryptfs", "fuse.fuse-overlayfs", "fuse.ntfs", "fuse.ntfs-3g", "fuse.bindfs")
)
"""FUSE file systems that are on this machine; any other (sshfs, s3fs, rclone, glusterfs …) counts as network."""


def is_network(kind: str) -> bool:
    """Tell whether a file-system type, as /proc/PID/mountinfo names it, is one that is shared over a network."""
    return kind in NETWORK or (kind.startswith("fuse.") and kind not in LOCAL_FUSE)


def kind_of(path: bytes) -> str:
    """Give the file-system type at an existing directory or file, "" if it cannot be told; OSError if it is not there.

    By the mount id of an open descriptor (proc(5), fdinfo and mountinfo): path prefixes mislead under bind mounts and
    symbolic links, device numbers under btrfs.
    """
    descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", "rb") as about:
            mount = next((line.split()[1] for line in about if line.startswith(b"mnt_id:")), b"")
        with open("/proc/self/mountinfo", "rb") as mounts:
            return next((_type(line) for line in mounts if line.split(b" ", 1)[0] == mount), "")
    finally:
        os.close(descriptor)


def is_own(path: bytes) -> bool:
    """Tell whether a file (no symbolic link) lies on one of the OWN file systems; False if that cannot be told."""
    try:
        return kind_of(path) in OWN
    except OSError:
        return False


def on_network(path: bytes) -> bool:
    """Tell whether `path` (or, while it is not there, what it will be made in) is on a network file system."""
    while True:
        try:
            return is_network(kind_of(path))
        except FileNotFoundError:
            parent = os.path.dirname(path)
            if parent == path:
                return False  # no /proc to ask
            path = parent
        except OSError:
            return False  # the attempt to write there will say what is wrong


def _type(line: bytes) -> str:
    # Optional fields end with a lone "-"; the type follows.
    return os.fsdecode(line.partition(b" - ")[2].split(b" ", 1)[0])
