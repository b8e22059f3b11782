"""What a path tells by itself: whether it is one of another mount namespace, and whether it is the kernel's."""

from __future__ import annotations

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Final

_NAMESPACE: Final = b"mnt:["
_DETACHED: Final = b"mnt:[detached]"
_PROC: Final = b"/proc/"
SHARED_MEMORY: Final = b"/dev/shm/"
"""A tmpfs below /dev, which holds users' data."""
KERNEL: Final = (_PROC, b"/sys/", b"/dev/")


def inside(path: bytes) -> bytes:
    """A path as those in its mount namespace know it: `/proc/stat` of `mnt:[4026532201]/proc/stat` (see events.py).

    That of a mount that is nowhere stays as it is: what follows is only the end of a path, and tells nothing.
    """
    if path[:5] != _NAMESPACE or path.startswith(_DETACHED):
        return path
    _, slash, rest = path.partition(b"]/")
    return b"/" + rest if slash else path


def is_of_proc(path: bytes) -> bool:
    """True for what lies below /proc, in whichever mount namespace."""
    return inside(path).startswith(_PROC)


def is_kernels(path: bytes) -> bool:
    """True for what lies below /proc, /sys or /dev (but not for shared memory), in whichever mount namespace."""
    known = inside(path)
    return known.startswith(KERNEL) and not known.startswith(SHARED_MEMORY)
