"""Descriptors: where they come from and go to, and, of those that no call of the log has opened, how they are used."""

from __future__ import annotations

import os
import re
from typing import Final

from shark.capture.strace import words
from shark.capture.strace.moment import Handler, Moment, by_name
from shark.capture.strace.tables import NAMELESS, OpenFile
from shark.capture.strace.words import Call
from shark.capture.strace.world import NO_DIGEST, unknown
from shark.events import LIST, READ, WRITE, Before, Opened


def _nameless(m: Moment, call: Call) -> None:
    """A pipe, a socket: it takes descriptors, and has no path."""
    if call.result is None or call.result < 0:
        return
    fds = [call.result] if call.result else [fd for word in call.arguments for fd, _ in words.descriptors(word)]
    closing = any(b"CLOEXEC" in word for word in call.arguments)
    for fd in fds:
        m.process.descriptors.put(fd, OpenFile(NAMELESS), closing=closing)


def _duplicated(m: Moment, call: Call, *, closing: bool) -> None:
    source = words.descriptor(call.arguments[0])
    if source is None or call.result is None or call.result < 0:
        return
    file = _file(m, *source)
    if file is not None:
        m.process.descriptors.put(call.result, file, closing=closing)


def _dup(m: Moment, call: Call) -> None:
    _duplicated(m, call, closing=b"O_CLOEXEC" in call.arguments[2])


def _fcntl(m: Moment, call: Call) -> None:
    operation = call.arguments[1]
    source = words.descriptor(call.arguments[0])
    if call.result is None or call.result < 0 or source is None:
        return
    if operation in (b"F_DUPFD", b"F_DUPFD_CLOEXEC"):
        _duplicated(m, call, closing=operation != b"F_DUPFD")
    elif operation == b"F_SETFD":
        m.process.descriptors.mark(source[0], closing=b"FD_CLOEXEC" in call.arguments[2])
    elif operation == b"F_GETFL":
        file = _file(m, *source)
        if file is not None:
            file.append = bool(call.result & os.O_APPEND)


def _ioctl(m: Moment, call: Call) -> None:
    source = words.descriptor(call.arguments[0])
    if source is not None and call.result == 0 and call.arguments[1] in (b"FIOCLEX", b"FIONCLEX"):
        m.process.descriptors.mark(source[0], closing=call.arguments[1] == b"FIOCLEX")


def _close(m: Moment, call: Call) -> None:
    source = words.descriptor(call.arguments[0])
    if source is not None and call.error != b"EBADF":
        m.process.descriptors.close(source[0], source[0])


def _close_range(m: Moment, call: Call) -> None:
    if call.result != 0:
        return
    if b"CLOSE_RANGE_UNSHARE" in call.arguments[2]:
        m.process.descriptors = m.process.descriptors.copy()
    table, first, last = m.process.descriptors, words.number(call.arguments[0]), words.number(call.arguments[1])
    if b"CLOSE_RANGE_CLOEXEC" in call.arguments[2]:
        table.mark_range(first, last)
    else:
        table.close(first, last)


def _received(m: Moment, call: Call) -> None:
    """Descriptors in a message: what they are is told by -y, what they may do shows when they are used."""
    if call.result is None or call.result < 0:
        return
    for word in call.arguments[1:]:
        for rights in re.finditer(rb"SCM_RIGHTS, cmsg_data=\[(.*?)\]\}", word):
            for fd, about in words.descriptors(rights[1]):
                m.process.descriptors.put(fd, _given(about, "received"))


def _taken(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        m.process.descriptors.put(call.result, _given(call.about, "received"), closing=True)


def _given(about: words.About | None, via: str) -> OpenFile:
    if about is None or not about.path.startswith(b"/"):
        return OpenFile(NAMELESS)
    return OpenFile(about.path, about.mode, 0, via)


def _file(m: Moment, fd: int, about: words.About | None) -> OpenFile | None:
    """The open file behind a descriptor; one that the log has not shown before was there when the command started."""
    file = m.process.descriptors.get(fd)
    if about is not None and (file is None or (file.path not in (NAMELESS, about.path) and about.mode == 0)):
        known = file
        file = _given(about, "inherited")
        if known is not None and about.path.startswith(b"/"):
            known.path, file = about.path, known  # renamed, or another mount's name for it
        m.process.descriptors.put(fd, file)
    return file


def described(m: Moment, call: Call) -> None:
    """A stat of a descriptor: it may be seen to be a directory, or an empty file that was given to the command."""
    source = words.descriptor(call.arguments[0])
    file = _file(m, *source) if source is not None and call.result == 0 else None
    about = next((word for word in call.arguments[1:] if b"_mode=S_IF" in word), b"")
    if file is None and source is not None and about and b"_mode=S_IFREG" not in about:
        m.process.descriptors.put(source[0], OpenFile(NAMELESS))
    if file is None or not about:
        return
    if file.told and b"_mode=S_IFDIR" in about:
        _listed(m, file)
    elif not file.told:
        regular = b"_mode=S_IFREG" in about
        file.empty = regular and words.field(about, b"stx?_size") == b"0"
        file.path = file.path if regular else NAMELESS


def _listed(m: Moment, file: OpenFile) -> None:
    if file.path and file.path not in m.world.directories and not m.world.is_directory(file.path, m.process.number):
        seen = m.world.sighting(file.path, words.About(file.path, 0))
        m.world.emit(Opened(*m.head, LIST, seen, False, False, False, None, file.via))


def _used(m: Moment, word: bytes, access: int) -> None:
    """A descriptor was read from or written to: tell of it, unless its opening was told."""
    source = words.descriptor(word)
    if source is None or source[0] < 0:
        return
    file = _file(m, *source)
    if file is None:
        m.process.descriptors.put(source[0], m.world.not_told(source[0]))
        return
    if file.told & access or not file.path:
        return
    file.told |= access
    seen = m.world.sighting(file.path, words.About(file.path, file.mode))
    if seen.stat is not None and file.via == "inherited":
        return  # a terminal or device
    before = Before(unknown(), "", NO_DIGEST) if access & WRITE else None
    # It was open all the time: nothing in the log precedes it.
    m.world.emit(Opened(1, m.end, m.process.number, access, seen, False, file.empty, file.append, before, file.via))


def _reads(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        _used(m, call.arguments[0], READ)


def _writes(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        _used(m, call.arguments[0], WRITE)


def _sends_file(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        _used(m, call.arguments[0], WRITE)
        _used(m, call.arguments[1], READ)


def _copies(m: Moment, call: Call) -> None:
    if call.result is not None and call.result >= 0:
        _used(m, call.arguments[0], READ)
        _used(m, call.arguments[2], WRITE)


def _maps(m: Moment, call: Call) -> None:
    if call.result is not None and b"MAP_ANONYMOUS" not in call.arguments[3]:
        shared = b"MAP_SHARED" in call.arguments[3] and b"PROT_WRITE" in call.arguments[2]
        _used(m, call.arguments[4], WRITE if shared else READ)


def _lists(m: Moment, call: Call) -> None:
    source = words.descriptor(call.arguments[0])
    file = _file(m, *source) if source is not None and call.result is not None and call.result >= 0 else None
    if file is not None:
        _listed(m, file)


HANDLERS: Final[dict[bytes, Handler]] = by_name(
    {
        "fstat fstat64": described,
        "close": _close,
        "close_range": _close_range,
        "dup dup2 dup3": _dup,
        "fcntl fcntl64": _fcntl,
        "ioctl": _ioctl,
        "recvmsg recvmmsg recvmmsg_time64": _received,
        "pidfd_getfd": _taken,
        "read pread64 readv preadv preadv2": _reads,
        "write pwrite64 writev pwritev pwritev2 ftruncate ftruncate64 fallocate": _writes,
        "sendfile sendfile64": _sends_file,
        "copy_file_range splice": _copies,
        "mmap mmap2": _maps,
        "getdents getdents64": _lists,
        "pipe pipe2 socket socketpair accept accept4 eventfd eventfd2 epoll_create epoll_create1": _nameless,
        "inotify_init inotify_init1 timerfd_create signalfd signalfd4 pidfd_open userfaultfd": _nameless,
    }
)
