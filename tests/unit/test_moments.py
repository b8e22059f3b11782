"""Times as people say them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest

from shark.errors import SharkError
from shark.moments import moment

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


@pytest.fixture
def berlin() -> Iterator[None]:
    """A machine in a zone with summer time."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    os.environ.pop("TZ")
    if before is not None:
        os.environ["TZ"] = before
    time.tzset()


def said(text: str, *, end: bool = False, now: datetime = NOW) -> str:
    return datetime.fromtimestamp(moment(text, now, end=end) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", "2026-11-21 12:30:00"),
        ("2026-11-20", "2026-11-20 00:00:00"),
        (" 2026-11-20 10:15 ", "2026-11-20 10:15:00"),
        ("2026-11-20T10:15:30.5", "2026-11-20 10:15:30"),
        ("2026-11-20T10:15:30+02:00", "2026-11-20 08:15:30"),
        ("2026-11-20T10:15:30Z", "2026-11-20 10:15:30"),
        ("today", "2026-11-21 00:00:00"),
        ("Yesterday", "2026-11-20 00:00:00"),
        ("2h", "2026-11-21 10:30:00"),
        ("90 min", "2026-11-21 11:00:00"),
        ("3 days ago", "2026-11-18 12:30:00"),
        ("1 week", "2026-11-14 12:30:00"),
    ],
)
def test_times(text: str, expected: str) -> None:
    """Each says the moment that people mean."""
    assert said(text) == expected


def test_the_end_of_a_day_is_the_beginning_of_the_next() -> None:
    """`--until` a day has that day in it; what names a time of day is that time."""
    assert said("2026-11-20", end=True) == "2026-11-21 00:00:00"
    assert said("yesterday", end=True) == "2026-11-21 00:00:00"
    assert said("2026-11-20 10:15", end=True) == "2026-11-20 10:15:00"
    assert said("2h", end=True) == "2026-11-21 10:30:00"


def test_the_zone_of_the_present_counts() -> None:
    """A time without a zone is that of who asks."""
    there = timezone(timedelta(hours=5))
    assert said("2026-11-20", now=NOW.astimezone(there)) == "2026-11-19 19:00:00"


@pytest.mark.usefixtures("berlin")
def test_a_day_in_summer_is_asked_for_in_winter() -> None:
    """It began by the clock of that day."""
    assert said("2026-07-01", now=NOW.astimezone()) == "2026-06-30 22:00:00"
    assert said("2026-11-01", now=NOW.astimezone()) == "2026-10-31 23:00:00"


@pytest.mark.parametrize("text", ["", "foo", "2026-13-01", "5 parsecs", "99999999h", "-2h", "tomorrowish", "20 99"])
def test_what_is_no_time(text: str) -> None:
    """A message that shows how to say one."""
    with pytest.raises(SharkError, match="is no time") as caught:
        moment(text, NOW)
    assert "yesterday" in caught.value.hint
    assert caught.value.exit_code == 2
