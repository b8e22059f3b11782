"""A log's lines: whose they are, when they were written, and what kind of thing they tell."""

from __future__ import annotations

import re
import time
from typing import Final, NamedTuple

_PREFIX: Final = re.compile(
    rb"""
    (?: \[pid\ +(?P<pid>\d+)(?:<[^>]*>)?\]\ + | (?P<file_pid>\d+)(?:<[^>]*>)?\ + )?   # -f: standard error, or -o
    \ *
    (?: (?P<seconds>\d+)\.(?P<fraction>\d{3,9})\ +                                    # -ttt, or -r
      | (?P<clock>\d\d:\d\d:\d\d)(?:\.(?P<part>\d{3,9}))?\ + )?                       # -t, -tt
    (?: \(\+\ +[\d.]+\)\ + )?                                                         # -r beside another form
    (?: \[\ *\d+\]\ + )?                                                              # -n: the call's number
    (?: \[[0-9a-f?]{8,16}\]\ + )?                                                     # -i: the instruction's address
    """,
    re.VERBOSE,
)
_CALL: Final = re.compile(rb"([a-z_][a-z0-9_]*)\(")
_RESUMED: Final = re.compile(rb"<\.\.\. ([a-z_][a-z0-9_]*) resumed>\s*")
_UNFINISHED: Final = re.compile(rb"\s*<(?:unfinished|pid changed to \d+|detached) \.\.\.>$")
_ENDED: Final = re.compile(
    rb"\+\+\+ (?:exited with (?P<exit>\d+)|killed by (?P<signal>SIG[A-Z0-9_+]+).*"
    rb"|superseded by execve in pid (?P<heir>\d+)) \+\+\+$"
)
_ATTACHED: Final = re.compile(rb"(?:strace: )?Process (\d+) attached")
TORN: Final = re.compile(rb"(.*?\w\(.*?)(strace: Process \d+ attached)$")
"""A call that strace was writing to standard error when it told of a new process, in the middle of the line."""

_EPOCH: Final = 100_000_000  # fewer seconds than this (the year 1973) are those of -r: since the line before


class Line(NamedTuple):
    """One line. `tid` is 0 where the log does not say whose it is; `time` is ns since the epoch, 0 if not told.

    `kind` is "call" (whole), "begun" (unfinished), "resumed", "exited", "killed", "superseded", "attached" or "other".
    `name` is the call's, or the signal's of a killed process; `text` what stands after the opening parenthesis, or what
    completes it; `number` an exit status or a thread id.
    """

    tid: int
    time: int
    kind: str
    name: bytes = b""
    text: bytes = b""
    number: int = 0


class LineParser:
    """Takes lines apart. `undated`: their times have no date; `resolution`: the ns for which a time stands.

    `written` is when the log's last line was written (ns since the epoch, 0 if not known): the
    times of -t and -tt have no date, so that one is taken from it, and the local time zone with it.
    """

    def __init__(self, written: int = 0) -> None:
        self.undated = False
        self.resolution = 1000
        self._written = written
        self._midnight: int | None = None
        self._last = 0

    def parse(self, raw: bytes) -> Line:
        """The line's parts; what is no line of strace's has the kind "other"."""
        raw = raw.rstrip(b"\r\n")
        prefix = _PREFIX.match(raw)
        assert prefix is not None  # all of it is optional
        tid = int(prefix["pid"] or prefix["file_pid"] or 0)
        body = raw[prefix.end() :]
        call = _CALL.match(body)
        if call is not None:
            rest = body[call.end() :]
            cut = _UNFINISHED.search(rest)
            kind, rest = ("call", rest) if cut is None else ("begun", rest[: cut.start()])
            return Line(tid, self._time(prefix), kind, call[1], rest)
        resumed = _RESUMED.match(body)
        if resumed is not None:
            rest = body[resumed.end() :]
            return Line(tid, self._time(prefix), "resumed", resumed[1], rest)
        return self._without_call(tid, body, prefix)

    def _without_call(self, tid: int, body: bytes, prefix: re.Match[bytes]) -> Line:
        ended = _ENDED.match(body)
        if ended is not None:
            now = self._time(prefix)
            if ended["exit"]:
                return Line(tid, now, "exited", number=int(ended["exit"]))
            if ended["heir"]:
                return Line(tid, now, "superseded", number=int(ended["heir"]))
            return Line(tid, now, "killed", ended["signal"])
        attached = _ATTACHED.match(body)
        if attached is not None:
            return Line(int(attached[1]), self._time(prefix), "attached")
        return Line(tid, 0, "other", text=body)

    def _time(self, prefix: re.Match[bytes]) -> int:
        if prefix["seconds"]:
            seconds = int(prefix["seconds"])
            return 0 if seconds < _EPOCH else seconds * 1_000_000_000 + _nanoseconds(prefix["fraction"])
        if prefix["clock"]:
            self.resolution = 1000 if prefix["part"] else 1_000_000_000
            hours, minutes, seconds = map(int, prefix["clock"].split(b":"))
            return self._dated((hours * 60 + minutes) * 60 + seconds, _nanoseconds(prefix["part"] or b""))
        return 0

    def _dated(self, seconds: int, nanoseconds: int) -> int:
        """A time of day with its date: the first line's is the latest that is not after the last line's."""
        self.undated = True
        if not self._written:
            return 0
        if self._midnight is None:
            end = self._written // 1_000_000_000
            day = time.localtime(end)
            self._midnight = int(time.mktime((day.tm_year, day.tm_mon, day.tm_mday, 0, 0, 0, 0, 0, -1)))
            if self._midnight + seconds > end + 1:
                self._midnight -= 86_400
        elif seconds < self._last - 43_200:
            self._midnight += 86_400  # midnight has passed
        self._last = seconds
        return (self._midnight + seconds) * 1_000_000_000 + nanoseconds


def _nanoseconds(digits: bytes) -> int:
    return int(digits.ljust(9, b"0")) if digits else 0
