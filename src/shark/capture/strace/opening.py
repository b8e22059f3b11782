"""Calls that open or start something by name: the open family, mknod, truncate, and exec."""

from __future__ import annotations

import os
import re
import stat as stat_bits
from typing import Final

from shark.capture.look import access_of
from shark.capture.strace import words
from shark.capture.strace.moment import HERE, Handler, Moment, by_name
from shark.capture.strace.tables import OpenFile
from shark.capture.strace.words import O_TMPFILE, Call
from shark.capture.strace.world import NO_DIGEST, unknown
from shark.events import LIST, READ, WRITE, Before, Changed, ImageStarted, Missing, Opened, Sighting

_NOWHERE: Final = frozenset({b"ENOENT", b"ENOTDIR"})


def _open(m: Moment, call: Call) -> None:
    _opened(m, call, HERE, call.arguments[0], words.flags(call.arguments[1]))


def _openat(m: Moment, call: Call) -> None:
    _opened(m, call, call.arguments[0], call.arguments[1], words.flags(call.arguments[2]))


def _openat2(m: Moment, call: Call) -> None:
    dirfd, name, how = call.arguments[:3]
    if b"RESOLVE_IN_ROOT" in how:
        name = re.sub(rb'^"(?:/|\\x2f)+', b'"', name)
    _opened(m, call, dirfd, name, words.flags(words.field(how, b"flags")))


def _creat(m: Moment, call: Call) -> None:
    _opened(m, call, HERE, call.arguments[0], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _opened(m: Moment, call: Call, dirfd: bytes, name: bytes, flags: int) -> None:
    world = m.world
    used = world.used(m.process, dirfd, words.string(name) or None)
    if call.result is None or (not used and call.about is None):
        return
    if call.result < 0:
        _missing(m, call, used, execute=False, silent=bool(flags & os.O_PATH))
        return
    file = world.sighting(used, call.about)
    unnamed = bool(flags & O_TMPFILE)
    if unnamed and call.about is None:
        path = b"%s/#%d" % (file.path, m.end)
        file = Sighting(path, path, None)
    m.process.descriptors.put(call.result, OpenFile(file.path, _mode(file)), closing=bool(flags & os.O_CLOEXEC))
    if flags & os.O_DIRECTORY and not unnamed:
        world.directories.add(file.path)
        file = file._replace(stat=unknown(stat_bits.S_IFDIR))
    if flags & os.O_PATH:
        world.found(file.path, there=True)
        return
    if unnamed:
        world.unnamed[file.path] = m.process.number
        file = file._replace(used=file.path)
    _emit_opened(m, file, flags, unnamed=unnamed)


def _emit_opened(m: Moment, file: Sighting, flags: int, *, unnamed: bool) -> None:
    world = m.world
    truncated = bool(flags & os.O_TRUNC)
    access = access_of(flags) | (WRITE if truncated else 0)
    plain = file.stat is None
    if file.stat is not None and file.stat.directory:
        access = LIST
    there = world.known(file.path)
    if there is None:
        there = world.known(file.used)
    created = plain and (unnamed or (bool(flags & os.O_CREAT) and (there is False or bool(flags & os.O_EXCL))))
    before = None
    if plain and access & WRITE and not created and (there or not flags & os.O_CREAT):
        before = Before(unknown(), "", NO_DIGEST)
    if not unnamed:
        world.found(file.path, there=True)
        world.found(file.used, there=True)
    event = Opened(*m.head, access, file, created, truncated, bool(flags & os.O_APPEND), before, "open")
    if plain and access == READ:
        world.emit_doubtful(event)
    else:
        world.emit(event)


def _mode(file: Sighting) -> int:
    return stat_bits.S_IFMT(file.stat.mode) if file.stat is not None else 0


def _missing(m: Moment, call: Call, path: bytes, *, execute: bool, silent: bool = False) -> None:
    if call.error not in _NOWHERE or not path:
        return
    if call.error == b"ENOENT":
        m.world.found(path, there=False)
    if not silent:
        m.world.emit(Missing(*m.head, path, execute))


def _by_handle(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0 and call.about is not None:
        file = m.world.sighting(b"", call.about)
        flags = words.flags(call.arguments[2])
        m.process.descriptors.put(call.result, OpenFile(file.path), closing=bool(flags & os.O_CLOEXEC))
        _emit_opened(m, file, flags & ~os.O_CREAT, unnamed=False)


def _memfd(m: Moment, call: Call) -> None:
    if call.result is None or call.result < 0:
        return
    path = b"/memfd:" + (words.string(call.arguments[0]) or b"")
    m.process.descriptors.put(call.result, OpenFile(path), closing=b"MFD_CLOEXEC" in call.arguments[1])
    m.world.unnamed[path] = m.process.number
    m.world.emit(Opened(*m.head, READ | WRITE, Sighting(path, path, None), True, False, False, None, "open"))


def _mknod(m: Moment, call: Call) -> None:
    _node_made(m, call, HERE, call.arguments[0], call.arguments[1])


def _mknodat(m: Moment, call: Call) -> None:
    _node_made(m, call, *call.arguments[:3])


def _node_made(m: Moment, call: Call, dirfd: bytes, name: bytes, mode: bytes) -> None:
    path = m.world.entry(m.process, dirfd, words.string(name))
    if call.result == 0 and path and (b"S_IFREG" in mode or b"S_IF" not in mode):
        m.world.found(path, there=True)
        m.world.emit(Opened(*m.head, WRITE, Sighting(path, path, None), True, False, False, None, "open"))


def _truncate(m: Moment, call: Call) -> None:
    used = m.world.used(m.process, HERE, words.string(call.arguments[0]))
    if call.result == 0 and used:
        m.world.emit(Changed(*m.head, m.world.sighting(used, None), Before(unknown(), "", NO_DIGEST)))


def exec_arguments(name: bytes, text: bytes) -> tuple[bytes, ...]:
    """The argument vector of an exec, from what stands after its opening parenthesis (finished or not)."""
    call = words.parse_call(text.rstrip() + (b"" if re.search(rb"\) += ", text) else b") = ?"))
    place = 1 if name == b"execve" else 2
    return words.strings(call.arguments[place]) if call is not None else ()


def _execve(m: Moment, call: Call) -> None:
    _executed(m, call, HERE, call.arguments[0], call.arguments[1])


def _execveat(m: Moment, call: Call) -> None:
    _executed(m, call, call.arguments[0], call.arguments[1], call.arguments[2])


def _executed(m: Moment, call: Call, dirfd: bytes, name: bytes, argv: bytes) -> None:
    used = m.world.used(m.process, dirfd, words.string(name))
    if call.result is None:
        return
    if call.result != 0:
        _missing(m, call, used, execute=True)
        return
    m.world.found(used, there=True)
    m.process.descriptors = m.process.descriptors.after_exec()
    exe = m.world.sighting(used, None)
    m.process.exe = exe.path
    view = m.process.view = m.process.view.copy()
    m.world.emit(ImageStarted(*m.head, m.time, words.strings(argv), view.cwd, exe, (), None))


def _exits(m: Moment, call: Call) -> None:
    m.process.status = words.number(call.arguments[0]) & 0xFF


HANDLERS: Final[dict[bytes, Handler]] = by_name(
    {
        "open": _open,
        "openat": _openat,
        "openat2": _openat2,
        "creat": _creat,
        "open_by_handle_at": _by_handle,
        "memfd_create": _memfd,
        "execve": _execve,
        "execveat": _execveat,
        "exit_group": _exits,
        "mknod": _mknod,
        "mknodat": _mknodat,
        "truncate truncate64": _truncate,
    }
)
