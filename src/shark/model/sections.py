"""Sections of a run record, as types: from settings, captured output, and what a run says of itself."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class SettingsSource(TypedDict):
    """A settings file, and the digest of what it said."""

    path: str
    sha256: str


class SettingsUsed(TypedDict):
    """The settings of a run: `values` of all keys that somebody set, by key. `untrusted`: keys of a project's file that
    did not hold, since the user had not trusted it.
    """

    values: dict[str, Any]
    files: NotRequired[list[SettingsSource]]
    untrusted: NotRequired[list[str]]


class HookEntry(TypedDict):
    """A command that settings had run `before` or `after`. `exit` is as shells tell it (128 + N for signal N); where
    there is none, `why` says why. What it said is in the store's objects, with secrets masked; `cut`: not all of it.
    """

    when: Literal["before", "after"]
    argv: list[str]
    name: NotRequired[str]
    seconds: float
    exit: NotRequired[int]
    why: NotRequired[str]
    stdout_sha256: NotRequired[str]
    stderr_sha256: NotRequired[str]
    cut: NotRequired[bool]


class KeptFile(TypedDict):
    """A file that was copied into the store's objects before the command started, or `why` it was not."""

    path: str
    sha256: NotRequired[str]
    size: NotRequired[int]
    why: NotRequired[str]


class Cut(TypedDict):
    """So many `bytes` of a stream are not kept; in the object they would stand at `at`."""

    at: int
    bytes: int


class StreamEntry(TypedDict):
    """What the command wrote to a standard stream, byte for byte, in the store's objects; `size` is the object's.

    `through` is what the stream went through: a pipe or pseudo-terminal of shark's, or its own regular file. `same_as`:
    both streams went to the same place, so what they said stands together. `why` says what may be missing.
    """

    through: Literal["pipe", "terminal", "file"]
    sha256: NotRequired[str]
    size: NotRequired[int]
    cut: NotRequired[Cut]
    same_as: NotRequired[str]
    why: NotRequired[str]


class Streams(TypedDict):
    """The captured output. `order_sha256`: an object with a JSON array of [stream, bytes], in the order of arrival."""

    stdout: NotRequired[StreamEntry]
    stderr: NotRequired[StreamEntry]
    order_sha256: NotRequired[str]


class ValueEntry(TypedDict):
    """A value that a process of the run recorded (`shark record`), in the order in which they came."""

    key: str
    value: Any
    time: str
