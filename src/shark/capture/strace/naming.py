"""Calls that change names, and times by name."""

from __future__ import annotations

import stat as stat_bits
from typing import Final

from shark.capture.strace import words
from shark.capture.strace.moment import HERE, Handler, Moment, by_name
from shark.capture.strace.words import Call
from shark.capture.strace.world import NO_DIGEST, unknown
from shark.events import Before, DirectoryMade, Linked, Removed, Renamed, Sighting, Symlinked, Touched


def _rename(m: Moment, call: Call) -> None:
    _renamed(m, call, HERE, call.arguments[0], HERE, call.arguments[1])


def _renameat(m: Moment, call: Call) -> None:
    exchange = b"RENAME_EXCHANGE" in call.arguments[4]
    _renamed(m, call, *call.arguments[:4], exchange=exchange)


def _renamed(
    m: Moment, call: Call, old_dirfd: bytes, old: bytes, new_dirfd: bytes, new: bytes, *, exchange: bool = False
) -> None:
    world = m.world
    source = world.entry(m.process, old_dirfd, words.string(old))
    path = world.entry(m.process, new_dirfd, words.string(new))
    if call.result != 0 or not source or not path or source == path:
        return
    replaced = Before(world.stat(path) or unknown(), "", NO_DIGEST) if exchange else world.before(path)
    stat = world.stat(source)
    if not exchange:
        world.moved(source, path)
    world.emit(Renamed(*m.head, source, Sighting(path, path, stat), replaced, exchange))


def _link(m: Moment, call: Call) -> None:
    _linked(m, call, HERE, call.arguments[0], HERE, call.arguments[1])


def _linkat(m: Moment, call: Call) -> None:
    _linked(m, call, *call.arguments[:4])


def _linked(m: Moment, call: Call, old_dirfd: bytes, old: bytes, new_dirfd: bytes, new: bytes) -> None:
    world = m.world
    source = world.used(m.process, old_dirfd, words.string(old))
    path = world.entry(m.process, new_dirfd, words.string(new))
    if call.result != 0 or not source or not path:
        return
    world.found(path, there=True)
    if source in world.unnamed:
        # Its first name; inodes being unknown, only a rename says that it is the same file.
        del world.unnamed[source]
        world.emit(Renamed(*m.head, source, Sighting(path, path, None), None, False))
    else:
        source = world.entry(m.process, old_dirfd, words.string(old))
        world.emit(Linked(*m.head, source, Sighting(path, path, None)))


def _symlink(m: Moment, call: Call) -> None:
    _symlinked(m, call, call.arguments[0], HERE, call.arguments[1])


def _symlinkat(m: Moment, call: Call) -> None:
    _symlinked(m, call, *call.arguments[:3])


def _symlinked(m: Moment, call: Call, target: bytes, dirfd: bytes, name: bytes) -> None:
    path, to = m.world.entry(m.process, dirfd, words.string(name)), words.string(target)
    if call.result == 0 and path and to is not None:
        m.world.emit(Symlinked(*m.head, to, path))


def _unlink(m: Moment, call: Call) -> None:
    _removed(m, call, HERE, call.arguments[0], directory=False)


def _rmdir(m: Moment, call: Call) -> None:
    _removed(m, call, HERE, call.arguments[0], directory=True)


def _unlinkat(m: Moment, call: Call) -> None:
    _removed(m, call, call.arguments[0], call.arguments[1], directory=b"AT_REMOVEDIR" in call.arguments[2])


def _removed(m: Moment, call: Call, dirfd: bytes, name: bytes, *, directory: bool) -> None:
    path = m.world.entry(m.process, dirfd, words.string(name))
    if call.result == 0 and path:
        stat = unknown(stat_bits.S_IFDIR if directory else stat_bits.S_IFREG)
        m.world.found(path, there=False)
        m.world.emit(Removed(*m.head, path, Before(stat, "", NO_DIGEST)))


def _mkdir(m: Moment, call: Call) -> None:
    _directory_made(m, call, HERE, call.arguments[0])


def _mkdirat(m: Moment, call: Call) -> None:
    _directory_made(m, call, *call.arguments[:2])


def _directory_made(m: Moment, call: Call, dirfd: bytes, name: bytes) -> None:
    path = m.world.entry(m.process, dirfd, words.string(name))
    if call.result == 0 and path:
        m.world.found(path, there=True)
        m.world.directories.add(path)
        m.world.emit(DirectoryMade(*m.head, path))


def _utime(m: Moment, call: Call) -> None:
    _touched(m, call, HERE, call.arguments[0])


def _utimensat(m: Moment, call: Call) -> None:
    _touched(m, call, *call.arguments[:2])


def _touched(m: Moment, call: Call, dirfd: bytes, name: bytes) -> None:
    used = m.world.used(m.process, dirfd, b"" if name == b"NULL" else words.string(name))
    file = m.world.sighting(used, None) if call.result == 0 and used else None
    if file is not None and file.stat is None:
        m.world.emit(Touched(*m.head, file))


HANDLERS: Final[dict[bytes, Handler]] = by_name(
    {
        "rename": _rename,
        "renameat renameat2": _renameat,
        "link": _link,
        "linkat": _linkat,
        "symlink": _symlink,
        "symlinkat": _symlinkat,
        "unlink": _unlink,
        "rmdir": _rmdir,
        "unlinkat": _unlinkat,
        "mkdir": _mkdir,
        "mkdirat": _mkdirat,
        "utime utimes": _utime,
        "futimesat utimensat utimensat_time64": _utimensat,
    }
)
