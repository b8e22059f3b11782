"""Points in time as people name them on a command line. Pure: the present and its zone come in."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta

from shark.errors import EXIT_USAGE, SharkError

_UNITS = {"min": 60, "m": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400, "w": 604800, "week": 604800, "s": 1}
_UNITS |= {"minute": 60, "second": 1, "month": 30 * 86400, "year": 365 * 86400, "y": 365 * 86400}
_AGO = re.compile(r"(\d{1,6}) ?([a-z]+?)s?(?: ago)?")
_DAYS = {"today": 0, "yesterday": 1}


def moment(text: str, now: datetime, *, end: bool = False) -> int:
    """The milliseconds since the epoch of a time: RFC 3339, a date, "2h", "3 days ago", "yesterday", "now".

    What names no zone is in that of `now`. A day is its first moment; with `end`, its last: the first of the next.
    Raises SharkError for anything else.

    >>> from datetime import UTC
    >>> noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    >>> (moment("2026-11-20", noon), moment("yesterday", noon), moment("36h", noon)) == (1795132800000,) * 3
    True
    """
    said = text.strip().lower()
    if said == "now":
        return _milliseconds(now)
    ago = _AGO.fullmatch(said)
    if ago and ago[2] in _UNITS:
        return _milliseconds(now - timedelta(seconds=int(ago[1]) * _UNITS[ago[2]]))
    try:
        day = now.date() - timedelta(days=_DAYS[said]) if said in _DAYS else date.fromisoformat(said)
        return _milliseconds(_midnight(day + timedelta(days=1) if end else day, now))
    except (ValueError, OverflowError):
        pass
    try:
        time = datetime.fromisoformat(text.strip())
        return _milliseconds(time if time.tzinfo else _zoned(time, now))
    except (ValueError, OverflowError):
        hint = 'Say it like 2026-11-21, "2026-11-21 10:30", 2h, "3 days ago", yesterday.'
        raise SharkError(f"{text!r} is no time", hint, EXIT_USAGE) from None


def _midnight(day: date, now: datetime) -> datetime:
    return _zoned(datetime(day.year, day.month, day.day), now)  # noqa: DTZ001  the zone follows


def _zoned(time: datetime, now: datetime) -> datetime:
    # By the system's rules for that day (summer time), unless the present was given in a zone of its own.
    local = now.astimezone().utcoffset() == now.utcoffset()
    return time.astimezone() if local else time.replace(tzinfo=now.tzinfo)


def _milliseconds(time: datetime) -> int:
    return int(time.timestamp() * 1000)
