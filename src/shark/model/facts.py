"""What the model asks of the world after a run, and what it is told: questions, owners, facts, and a record's
header.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from shark.values import Gap, Stat


class Question(NamedTuple):
    """A file that can matter, and must be looked up: its stat, and the package that owns it.

    `n` is the file's number, `path` where it is in the run's end state, `expected` the last state that the run's own
    calls explain (None: never seen, as for the source of a compiled Python module). `made`: the run may have made its
    current content.
    """

    n: int
    path: bytes
    expected: Stat | None
    made: bool


class HashTask(NamedTuple):
    """A file whose final content must be hashed.

    `fresh`: not from the cache, since a same-size rewrite within a clock tick leaves size and mtime as they were.
    """

    n: int
    path: bytes
    fresh: bool


class Owner(NamedTuple):
    """The package that a file belongs to, as package URL. `modified`: the content is not the package's own."""

    purl: str
    modified: bool


def _same(text: str) -> str:
    return text


def _never(path: bytes) -> bool:
    return False


@dataclass(slots=True)
class Facts:
    """What the application found out about the world after the run.

    `stats`: by file number, None for a file that is gone; a number that is not in it was not looked at. `owners`: by
    path. `digests`: sha256 of the final content by file number; `unhashed`: why there is none. `input_runs`: ids of the
    runs that made this input (one: certain; several: candidates). `context`: the record's sections `git, host,
    container, scheduler, ci, env` as they shall stand in it. `gaps`: further ones that only the application knows.
    `seconds`: the command's duration by the monotonic clock, None where only the wall clock is known.
    """

    stats: dict[int, Stat | None] = field(default_factory=dict)
    owners: dict[bytes, Owner] = field(default_factory=dict)
    digests: dict[int, str] = field(default_factory=dict)
    unhashed: dict[int, str] = field(default_factory=dict)
    input_runs: dict[int, list[str]] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    gaps: list[Gap] = field(default_factory=list)
    seconds: float | None = None


@dataclass(slots=True)
class Header:
    """What the record says of itself, and how its texts are made.

    `id` is the run's; `shark` the version that writes. `mask` hides secrets in one text, `mask_argv` in a whole
    argument vector (`--password X` shows only there; by default it is `mask` on each). `home` is the user's home
    directory, b"" if none. `ignored` is true for paths that are recorded but never hashed or attached.
    """

    id: str
    shark: str
    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    parent: str = ""
    continues: str = ""
    home: bytes = b""
    mask: Callable[[str], str] = _same
    mask_argv: Callable[[Sequence[str]], list[str]] | None = None
    ignored: Callable[[bytes], bool] = _never

    def masked(self, argv: Sequence[bytes]) -> list[str]:
        """An argument vector as text without secrets."""
        texts = [text(argument) for argument in argv]
        return self.mask_argv(texts) if self.mask_argv else [self.mask(argument) for argument in texts]


def text(path: bytes) -> str:
    r"""A path or argument as text; bytes that are not UTF-8 become `surrogateescape`'s \udcXX, whatever the locale.

    >>> text(b"a\xff")
    'a\udcff'
    """
    return path.decode("utf-8", "surrogateescape")


def time_text(nanoseconds: int) -> str:
    """A time (ns since the epoch) as RFC 3339 with milliseconds, in UTC; times beyond year 9999 or before 1 are
    clipped.

    >>> time_text(1_000_000_123_456_789)
    '1970-01-12T13:46:40.123+00:00'
    """
    from datetime import UTC, datetime, timedelta

    milliseconds = min(max(nanoseconds // 1_000_000, -62_135_596_800_000), 253_402_300_799_999)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
    return moment.isoformat(timespec="milliseconds")
