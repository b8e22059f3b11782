"""What the model asks of the world after a run, and what it is told: questions, owners, facts, and a record's
header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Gap, Stat

if TYPE_CHECKING:
    from typing import Any

    from shark.model.roles import Rule


class Question(NamedTuple):
    """A file that can matter, and must be looked up: its stat, and the package that owns it.

    `n` is the file's number, `path` where it is in the run's end state.
    """

    n: int
    path: bytes


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


class Facts:
    """What the application found out about the world after the run.

    `stats`: by file number, None for a file that is gone; a number that is not in it was not looked at. `owners`: by
    path. `hidden`: numbers of files that shark may not even look for. `own_devices`: numbers of devices
    whose files have their times from this machine's clock. `digests`: sha256 of the final content by file
    number; `unhashed`: why there is none. `input_runs`: ids of the
    runs that made this input (one: certain; several: candidates). `context`: the record's sections `git, host,
    container, scheduler, ci, env` as they shall stand in it. `gaps`: further ones that only the application knows.
    `seconds`: the command's duration by the monotonic clock, None where only the wall clock is known. `belated`: all
    this was found out long after the run, of which others may have changed the outputs meanwhile.
    """

    __slots__ = (
        "belated",
        "context",
        "digests",
        "gaps",
        "hidden",
        "input_runs",
        "own_devices",
        "owners",
        "seconds",
        "stats",
        "unhashed",
    )

    def __init__(
        self,
        *,
        context: Mapping[str, Any] | None = None,
        gaps: Iterable[Gap] = (),
        seconds: float | None = None,
        belated: bool = False,
    ) -> None:
        self.stats: dict[int, Stat | None] = {}
        self.owners: dict[bytes, Owner] = {}
        self.hidden: set[int] = set()
        self.own_devices: set[int] = set()
        self.digests: dict[int, str] = {}
        self.unhashed: dict[int, str] = {}
        self.input_runs: dict[int, list[str]] = {}
        self.context = dict(context or {})
        self.gaps = list(gaps)
        self.seconds = seconds
        self.belated = belated


class Header:
    """What the record says of itself, and how its texts are made.

    `id` is the run's; `shark` the version that writes. `mask` hides secrets in one text, `mask_argv` in a whole
    argument vector (`--password X` shows only there; by default it is `mask` on each). `home` is the user's home
    directory, b"" if none. `ignored` is true for paths that are recorded but never hashed or attached. `rules` are for
    roles, before the built-in ones.
    """

    __slots__ = ("continues", "home", "id", "ignored", "mask", "mask_argv", "name", "parent", "rules", "shark", "tags")

    def __init__(
        self,
        id: str,  # noqa: A002  the word that the record has
        shark: str,
        *,
        name: str = "",
        tags: Mapping[str, str] | None = None,
        parent: str = "",
        continues: str = "",
        home: bytes = b"",
        mask: Callable[[str], str] = _same,
        mask_argv: Callable[[Sequence[str]], list[str]] | None = None,
        ignored: Callable[[bytes], bool] = _never,
        rules: Sequence[Rule] = (),
    ) -> None:
        self.id = id
        self.shark = shark
        self.name = name
        self.tags = dict(tags or {})
        self.parent = parent
        self.continues = continues
        self.home = home
        self.mask = mask
        self.mask_argv = mask_argv
        self.ignored = ignored
        self.rules = rules

    def of_subrun(self, run: str, name: str = "", tags: Mapping[str, str] | None = None) -> Header:
        """The header of the record of a run inside this one."""
        return Header(
            run,
            self.shark,
            name=name,
            tags=tags,
            parent=self.id,
            home=self.home,
            mask=self.mask,
            mask_argv=self.mask_argv,
            ignored=self.ignored,
            rules=self.rules,
        )

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
    milliseconds = nanoseconds // 1_000_000
    seconds, part = milliseconds // 1000, milliseconds % 1000
    found = _seconds.get(seconds)
    if found is None:
        if not _FIRST_SECOND <= seconds <= _LAST_SECOND:
            return time_text(min(max(nanoseconds, _FIRST_TIME), _LAST_TIME))
        if len(_seconds) > 10_000:
            _seconds.clear()
        found = _seconds[seconds] = _second(seconds)
    rest = _rests.get(part)
    if rest is None:
        rest = _rests[part] = f".{part:03}+00:00"
    return found + rest


_FIRST_TIME = -62_135_596_800_000_000_000
_LAST_TIME = 253_402_300_799_999_999_999
_FIRST_SECOND, _LAST_SECOND = _FIRST_TIME // 1_000_000_000, _LAST_TIME // 1_000_000_000


_seconds: dict[int, str] = {}  # files that were made together were made within a few seconds
_rests: dict[int, str] = {}  # what comes after the seconds, of which there are a thousand
_days: dict[int, str] = {}  # a run's times are of few days


def _second(seconds: int) -> str:
    """A time (seconds since the epoch) without what comes after the seconds."""
    days, second = divmod(seconds, 86400)
    minute, second = divmod(second, 60)
    return f"{_day(days)}T{minute // 60:02}:{minute % 60:02}:{second:02}"


def _day(days: int) -> str:
    """The date that lies so many days after the epoch."""
    found = _days.get(days)
    if found is None:
        if len(_days) > 1000:
            _days.clear()
        found = _days[days] = _date(days)
    return found


def _date(days: int) -> str:
    """The date in the Gregorian calendar: years are counted from March on, so that the leap day is the last of one.
    (`datetime` takes 1 ms to import.)
    """
    era, day = divmod(days + 719_468, 146_097)  # eras of 400 years; the first day is 0000-03-01
    year = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    late = month > 9  # January and February, which belong to the next year
    return f"{400 * era + year + late:04}-{month - 9 if late else month + 3:02}-{day + 1:02}"
