"""Calls that tell where paths start and what is there, that leave the run, or that hide something."""

from __future__ import annotations

import os
import re
from typing import Final

from shark.capture.strace import using, words
from shark.capture.strace.moment import HERE, Handler, Moment, by_name
from shark.capture.strace.tables import NAMELESS, OpenFile
from shark.capture.strace.words import Call
from shark.events import Connected, GapSeen


def _chdir(m: Moment, call: Call) -> None:
    used = m.world.used(m.process, HERE, words.string(call.arguments[0]))
    if call.result == 0 and used:
        assumed = m.process.view.assumed and not (words.string(call.arguments[0]) or b"").startswith(b"/")
        m.world.entered(m.process.view, m.world.true(used))
        m.process.view.assumed = assumed


def _fchdir(m: Moment, call: Call) -> None:
    path = m.world.used(m.process, call.arguments[0], b"")
    if call.result == 0 and path:
        m.world.entered(m.process.view, path)


def _getcwd(m: Moment, call: Call) -> None:
    path = words.string(call.arguments[0])
    if call.result and path and path.startswith(b"/"):
        m.world.entered(m.process.view, m.process.view.root + path)


def _chroot(m: Moment, call: Call) -> None:
    used = m.world.used(m.process, HERE, words.string(call.arguments[0]))
    if call.result == 0 and used:
        m.process.view.root = m.world.true(used).rstrip(b"/")


def _unshare(m: Moment, call: Call) -> None:
    if call.result != 0:
        return
    if b"CLONE_FILES" in call.arguments[0]:
        m.process.descriptors = m.process.descriptors.copy()
    if b"CLONE_FS" in call.arguments[0] or b"CLONE_NEWNS" in call.arguments[0]:
        m.process.view = m.process.view.copy()
    if b"CLONE_NEWNS" in call.arguments[0]:
        _namespace(m, call)


def _namespace(m: Moment, call: Call) -> None:
    if call.result == 0:
        detail = "paths may be those of another mount namespace, which a log does not tell"
        m.world.emit(GapSeen(*m.head, "namespace", detail))


def _probed(m: Moment, call: Call) -> None:
    _exists(m, call, HERE, call.arguments[0], call.arguments[1:])


def _probed_at(m: Moment, call: Call) -> None:
    if call.arguments[1] == b'""':
        using.described(m, call)
    else:
        _exists(m, call, call.arguments[0], call.arguments[1], call.arguments[2:])


def _exists(m: Moment, call: Call, dirfd: bytes, name: bytes, rest: tuple[bytes, ...]) -> None:
    used = m.world.used(m.process, dirfd, words.string(name))
    if not used:
        return
    if call.error == b"ENOENT":
        m.world.found(used, there=False)
    elif call.result == 0:
        m.world.found(used, there=True)
        if any(b"st_mode=S_IFDIR" in word or b"stx_mode=S_IFDIR" in word for word in rest):
            m.world.directories.add(m.world.true(used))


def _connect(m: Moment, call: Call) -> None:
    if call.result == 0 or call.error == b"EINPROGRESS":
        address = _address(call.arguments[1])
        if address is not None:
            m.world.emit(Connected(*m.head, *address))


def _address(word: bytes) -> tuple[str, str, int] | None:
    family = words.field(word, b"sa_family")
    if family == b"AF_UNIX":
        return "unix", os.fsdecode(words.socket_path(word)), 0
    found = re.search(rb'(?:inet_addr\(|inet_pton\(AF_INET6, )"([^"]*)"', word)
    if family not in (b"AF_INET", b"AF_INET6") or found is None:
        return None
    port = re.search(rb"_port=htons\((\d+)\)", word)
    address = words.unescape(found[1]).decode("ascii", "replace")
    return "inet6" if family == b"AF_INET6" else "inet", address, int(port[1]) if port else 0


def _ptrace(m: Moment, call: Call) -> None:
    detail = "the program uses ptrace itself, which fails under a tracer"
    m.world.emit(GapSeen(*m.head, "nested-ptrace", detail))


def _io_uring(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        m.process.descriptors.put(call.result, OpenFile(NAMELESS), closing=True)
        detail = "files that the process opens or writes through io_uring are not seen"
        m.world.emit(GapSeen(*m.head, "io_uring", detail))


_REPORT_HANDLES: Final = (b"FAN_REPORT_FID", b"FAN_REPORT_DIR_FID", b"FAN_REPORT_DFID_NAME")
"""Groups with these are given handles of files, never descriptors (fanotify(7))."""


def _fanotify(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        m.process.descriptors.put(call.result, OpenFile(NAMELESS), closing=True)
        if any(flag in call.arguments[0] for flag in _REPORT_HANDLES):
            return
        detail = "files of which the process is given descriptors by fanotify are not seen"
        m.world.emit(GapSeen(*m.head, "other", detail))


HANDLERS: Final[dict[bytes, Handler]] = by_name(
    {
        "chdir": _chdir,
        "fchdir": _fchdir,
        "getcwd": _getcwd,
        "chroot": _chroot,
        "unshare": _unshare,
        "setns pivot_root": _namespace,
        "stat stat64 lstat lstat64 access readlink": _probed,
        "newfstatat fstatat64 statx faccessat faccessat2 readlinkat": _probed_at,
        "connect": _connect,
        "ptrace": _ptrace,
        "io_uring_setup": _io_uring,
        "fanotify_init": _fanotify,
    }
)
