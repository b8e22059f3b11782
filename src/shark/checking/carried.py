"""The manifests that many files carry in their attributes, read quickly.

The outputs of a run carry manifests that are mostly the same text. What follows `"inputs":` is parsed once for each
text, and the few words before it for each file: that is the same as parsing the whole, since a quotation mark inside of
a JSON text would have a backslash before it, and halves that do not parse by themselves are left to `store/read.py`.
Whatever is odd, damaged or elsewhere is left to it, too.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any, NamedTuple

from shark import jsontext
from shark.store import manifests
from shark.store.attach import ATTRIBUTE, COMPRESSED
from shark.store.read import inflate

_JOINT = b',"inputs":'
_MOST = 20_000
"""So many different texts are remembered."""


Lists = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""Inputs and controls, one by one."""


NOTHING: list[dict[str, Any]] = []
"""The list of no controls: one for all, since outputs are known to have something in common by their lists. Do not
change it."""


class Claim(NamedTuple):
    """What a manifest says of its file. Lists are shared between files: do not change them.

    `path` is where the file was when it was recorded; `inputs` and `controls` are None if only a summary is at hand.
    `source` is where the manifest was found.
    """

    run: str
    path: str
    sha256: str
    size: int
    inputs: list[dict[str, Any]] | None
    controls: list[dict[str, Any]] | None
    source: str = "xattr"


def claim_of(manifest: dict[str, Any], source: str) -> Claim:
    """The claim of a manifest that `manifests.parse` found whole (no legacy one)."""
    output = manifest["output"]
    summary = bool(manifest.get("summary"))
    return Claim(
        str(manifest.get("run", "")),
        str(output.get("path", "")),
        str(output.get("sha256", "")),
        output.get("size", -1),
        None if summary else manifest.get("inputs", []),
        None if summary else manifest.get("controls", NOTHING),
        source,
    )


_ROOM = 8192
_NAME = os.fsencode(ATTRIBUTE)
_lgetxattr = ctypes.PyDLL(None, use_errno=True).lgetxattr
_lgetxattr.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
_lgetxattr.restype = ctypes.c_ssize_t
_buffer = bytearray(_ROOM)
_address = ctypes.addressof(ctypes.c_char.from_buffer(_buffer))


def _fill(path: bytes) -> int:
    """Put the attribute `user.shark` of a file into the buffer: its length, -1 if there is no room.

    Raises OSError. Not for several threads at once. os.getxattr asks twice for what is longer than 128 bytes, the
    second time with room for 64 KiB, which the kernel fills with zeros first: that takes as long as all the rest.
    """
    size: int = _lgetxattr(path, _NAME, _address, _ROOM)
    if size >= 0:
        return size
    number = ctypes.get_errno()
    if number == errno.ERANGE:
        return -1
    raise OSError(number, os.strerror(number))


class Text(NamedTuple):
    """What an attribute says, its lists as they are written there: `tail` follows `"inputs":`, b"" is a summary's."""

    run: str
    path: str
    sha256: str
    size: int
    tail: bytes


class Reader:
    """Reads manifests from attributes."""

    def __init__(self) -> None:
        self._tails: dict[bytes, Lists] = {}
        self._last = _JOINT  # the last text from the joint on: most texts are the same from there
        self._tail = b""

    def read(self, path: bytes) -> Text | bool:
        """What the attribute of a file says; False if it has none, True if it has one that needs a closer look."""
        try:
            size = _fill(path)
            text = os.getxattr(path, ATTRIBUTE, follow_symlinks=False) if size < 0 else b""
        except OSError as error:
            return error.errno not in manifests.ABSENT
        at = _buffer.find(_JOINT, 0, size) if size >= 0 else -1
        if at >= 0 and size - at == len(self._last) and _buffer.startswith(self._last, at):
            return _told(bytes(_buffer[:at]) + b"}", self._tail)
        told = self._parsed(text or bytes(_buffer[:size]))
        return told if isinstance(told, bool) or told.tail else self._whole(path, told)

    def _whole(self, path: bytes, summary: Text) -> Text | bool:
        """What the compressed manifest beside a summary says: it has the inputs, and the place of the file.

        The summary if there is none, True if it needs a closer look.
        """
        try:
            text, problem = inflate(os.getxattr(path, COMPRESSED, follow_symlinks=False))
        except OSError as error:
            return summary if error.errno in manifests.ABSENT else True
        told = True if problem else self._parsed(text)
        return isinstance(told, bool) or not told.tail or told.run != summary.run or told

    def _parsed(self, text: bytes) -> Text | bool:
        head, joint, tail = text.partition(_JOINT)
        if not joint:
            return _told(text, b"")
        if tail not in self._tails:
            try:
                if not self._learn(text, tail):
                    return True
            except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
                return True
        self._last, self._tail = joint + tail, tail
        return _told(head + b"}", tail)

    def lists(self, tail: bytes) -> Lists | tuple[None, None]:
        """The lists of a `tail` that this or another reader gave: always the same ones for the same text."""
        if not tail:
            return None, None
        if tail not in self._tails:
            self._keep(tail, jsontext.loads(b'{"inputs":' + tail))
        return self._tails[tail]

    def _learn(self, text: bytes, tail: bytes) -> bool:
        """Parse a whole manifest; False if it needs a closer look. Raises ValueError."""
        jsontext.loads(b'{"inputs":' + tail)  # raises ValueError if the joint was not where it should be
        manifest, problem = manifests.parse(text)
        if manifest is None or problem:
            return False
        self._keep(tail, manifest)
        return True

    def _keep(self, tail: bytes, manifest: dict[str, Any]) -> None:
        if len(self._tails) >= _MOST:
            self._tails.clear()
        self._tails[tail] = manifest.get("inputs", []), manifest.get("controls", NOTHING)


def _told(head: bytes, tail: bytes) -> Text | bool:
    """What a manifest's words before its lists say; without lists it must be a summary."""
    try:
        short = jsontext.loads(head)
        output = short["output"]
        sha256, size, run = output["sha256"], output["size"], short["run"]
        plain = short["schema"] == manifests.SCHEMA and type(size) is int and type(sha256) is str
        if not plain or not (tail or short.get("summary") is True):
            return True
        return Text(str(run), str(output.get("path", "")), sha256, size, tail)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return True
