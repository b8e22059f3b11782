"""Values as people read them: names, sizes, times, commands, packages. Pure."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Sequence
from datetime import UTC, datetime

from shark.escaping import escape
from shark.view import reading

_JOINERS = "\u200c\u200d"
"""Format characters that names in Persian, Hindi and emoji need; every other one can make a name look like another."""


def visible(text: str, *, ascii_only: bool = False) -> str:
    r"""`text` with everything escaped that a terminal would act on or could not show.

    Control characters, undecodable bytes (surrogateescape), direction overrides and line separators become `\n`, `\xff`
    or `\u202e`: a file name must be able neither to send escape sequences nor to pose as another.

    >>> visible("a\x1b[31m\udcff.csv")
    'a\\x1b[31m\\xff.csv'
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _harmless(c, ascii_only) else escape(c) for c in text)


def _harmless(char: str, ascii_only: bool) -> bool:
    if ascii_only and not char.isascii():
        return False
    return char.isprintable() or char in _JOINERS


def command(argv: Sequence[str], *, ascii_only: bool = False) -> str:
    r"""A command as a shell would take it back; odd characters in the `$'…'` form that bash and zsh read.

    >>> command(["grep", "a b", "x\udcff"])
    "grep 'a b' $'x\\xff'"
    """
    return " ".join(_quoted(word, ascii_only) for word in argv)


def advised(*argv: str, path: str) -> str:
    r"""A command that is advised for a file: quoted, to be pasted, with `--` where a name looks like an option.

    >>> advised("shark", "inspect", path="-a b")
    "`shark inspect -- '-a b'`"
    """
    return f"`{command([*argv, *(['--'] if path.startswith('-') else []), path])}`"


def trouble(message: str, hint: str = "") -> str:
    r"""What was wrong and what to do, for a terminal: no name in a message can make a line of its own.

    A hint may have several lines, as of what a program said.

    >>> trouble("no file a\nshark: b", "Check the path.")
    'shark: no file a\\nshark: b\nCheck the path.\n'
    """
    lines = [f"shark: {visible(message)}", *(visible(line) for line in hint.split("\n") if hint)]
    return "\n".join(lines) + "\n"


def _quoted(word: str, ascii_only: bool) -> str:
    if visible(word, ascii_only=ascii_only) == word:
        # shlex.quote is right but hard to read where there are apostrophes: 'don'"'"'t'.
        return f'"{word}"' if "'" in word and not set(word) & set('"$`\\!') else shlex.quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'")
    return f"$'{visible(escaped, ascii_only=ascii_only)}'"


def size(count: float | None) -> str:
    """Bytes, in decimal units as `ls --si` and disk makers use; "" if not known.

    >>> size(9), size(4711), size(12_400_000)
    ('9 B', '4.7 kB', '12.4 MB')
    """
    if count is None:
        return ""
    if abs(count) < 1000:
        return f"{count:.0f} B"
    units = ["kB", "MB", "GB", "TB", "PB"]
    count /= 1000
    while abs(count) >= 999.95 and len(units) > 1:
        count /= 1000
        del units[0]
    return f"{count:.1f} {units[0]}"


def duration(seconds: float | None) -> str:
    """A length of time; "" if not known.

    >>> duration(0.0421), duration(1.234), duration(125), duration(90061)
    ('0.04 s', '1.23 s', '2 min 5 s', '1 d 1 h')
    """
    if seconds is None or not 0 <= seconds < 1e12:
        return ""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    for unit, length, small, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        count, rest = divmod(round(seconds), length)
        if count:
            return f"{count} {unit}" + (f" {rest // part} {small}" if rest // part else "")
    return ""


def moment(stamp: str) -> str:
    """An RFC 3339 time, in the zone in which it was recorded, to the second; what is no such time comes back as it is.

    >>> moment("2026-11-21T10:00:00.123+00:00")
    '2026-11-21 10:00:00 UTC'
    """
    time = parse_time(stamp)
    if time is None:
        return visible(stamp)
    zone = "UTC" if time.utcoffset() == UTC.utcoffset(None) else f"{time:%z}"[:3] + ":" + f"{time:%z}"[3:5]
    return f"{time:%Y-%m-%d %H:%M:%S} {zone}"


def parse_time(stamp: str) -> datetime | None:
    """An RFC 3339 time with its offset; None for anything else."""
    try:
        time = datetime.fromisoformat(stamp)
        return time if time.utcoffset() is not None else None
    except ValueError:
        return None


def ago(stamp: str, now: datetime) -> str:
    """How long before `now` that was, roughly; "" for what is no time or lies ahead.

    >>> ago("2026-11-21T10:00:00+00:00", datetime(2026, 11, 21, 12, 30, tzinfo=UTC))
    '2 hours ago'
    """
    time = parse_time(stamp)
    seconds = (now - time).total_seconds() if time else -1.0
    if seconds < 0:
        return ""
    if seconds < 60:
        return "just now"
    steps = (("minute", 60), ("hour", 3600), ("day", 86400), ("week", 604800), ("month", 2629800), ("year", 31557600))
    name, length = [(n, s) for n, s in steps if seconds >= s][-1]
    return counted(int(seconds // length), name) + " ago"


def counted(count: int, noun: str, plural: str = "") -> str:
    """A count with its noun.

    >>> counted(1, "input"), counted(1234, "input"), counted(2, "process", "processes")
    ('1 input', '1,234 inputs', '2 processes')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def short_id(run: str) -> str:
    """The last eight digits of a run's id: the part that differs between runs of one day."""
    return visible(run)[-8:]


def ending(command_part: object) -> tuple[str, bool]:
    """How a command or process ended, and whether that is a failure; ("", False) if not known.

    >>> ending({"exit": 0}), ending({"exit": 3}), ending({"signal": 9})
    (('exit 0', False), ('exit 3', True), ('killed by SIGKILL', True))
    """
    number = reading.number(command_part, "signal")
    name = reading.text(command_part, "signal")
    if number is not None:
        try:
            name = signal.Signals(int(number)).name
        except (ValueError, OverflowError):
            name = f"signal {number}"
    if name:
        return f"killed by {visible(name)}", True
    status = reading.number(command_part, "exit")
    return ("", False) if status is None else (f"exit {status}", status != 0)


def package(purl: str) -> tuple[str, str, str]:
    """A package URL as (ecosystem, name, version); an unreadable one is all name.

    >>> package("pkg:deb/debian/r-base-core@4.2.2-2?arch=amd64")
    ('deb', 'r-base-core', '4.2.2-2')
    """
    from packageurl import PackageURL

    try:
        parsed = PackageURL.from_string(purl)
    except ValueError:
        return "", visible(purl), ""
    scoped = parsed.type in {"npm", "github", "conda"} and parsed.namespace
    name = f"{parsed.namespace}/{parsed.name}" if scoped else parsed.name
    return visible(parsed.type), visible(name), visible(parsed.version or "")


def is_semaphore(path: str) -> bool:
    """Tell whether a file is a named semaphore, which holds a number and no data (sem_overview(7)).

    A pool of Python's processes makes six.
    """
    return path.startswith("/dev/shm/sem.")


def near(path: str, cwd: str) -> str:
    """`path` relative to `cwd` when it lies below it, else as it is.

    >>> near("/home/ann/a.csv", "/home/ann"), near("/etc/hosts", "/home/ann")
    ('a.csv', '/etc/hosts')
    """
    if not cwd or not os.path.isabs(path):
        return path
    below = cwd.rstrip("/") + "/"
    return path[len(below) :] if path.startswith(below) and len(path) > len(below) else path
