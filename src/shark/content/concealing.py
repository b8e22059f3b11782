"""Secrets that stand elsewhere too: a file that is called by a token, a URL with a password of a variable in it.

What variables and command lines of a run hold as secrets is looked for in all that it names; and names of files are
looked at for what has the shape of a credential. In a journal, which lies on a disk while the run goes on, a mark
stands in the secret's place, and the secret itself goes to the process that makes the record, through memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from shark.content.suspicion import holds_mark
from shark.events import (
    Changed,
    Connected,
    DirectoryMade,
    GapSeen,
    ImageStarted,
    Linked,
    Located,
    Missing,
    Opened,
    Removed,
    Renamed,
    RunStarted,
    SubRun,
    Symlinked,
    Touched,
)
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.events import Event

_MASK = "***"  # masking.MASK, whose module need not be imported to find that there is nothing to do
_SIGN = b"\x1e"
"""What a mark is told by: a control character, twice, with a number in between."""
_SHORTEST = 20
"""No credential with a shape of its own has fewer characters, but for the `sk-` ones."""
_LEAST = 6
"""Shorter secrets are not looked for elsewhere: they would be found in too much."""
_LONG = 16
_MOST_FOLDERS = 10_000
_TELLING = "PASS PWD SECRET TOKEN CRED COOKIE JWT BEARER OTP DSN PSK AUTH SIG KEY"
_HINTS = frozenset(_TELLING.split())
_WITH_PATHS = frozenset(
    {RunStarted, ImageStarted, Changed, Touched, Renamed, Linked, Symlinked, Removed, DirectoryMade, Missing, SubRun}
    | {Located}
)


class Concealer:
    """Takes secrets out of events. `environ` are the run's variables; `tell` is given each secret that a mark stands
    for, in their order, before the first event with that mark.
    """

    def __init__(self, environ: Mapping[str, str], tell: Callable[[bytes], object] = lambda _: None) -> None:
        self._tell = tell
        self._suspected = suspected(environ)
        self._known: dict[bytes, bytes] = {}  # secret → what stands in its place
        self._harmless: set[bytes] = set()  # directories in whose paths nothing has the shape of a credential

    def learn(self, argv: Sequence[str], masked: Sequence[str]) -> None:
        """An argument vector, and what masking left of it: what is gone is a secret wherever else it stands."""
        for secret in secrets_of(argv, masked):
            self._mark(secret.encode("utf-8", "surrogateescape"))

    def event(self, event: Any) -> Any:
        """The event as the journal shall have it; the same one if there is nothing to conceal, which is quick."""
        kind = type(event)
        if kind is Opened:
            file = event.file
            if self.is_harmless(file.path) and (file.used == file.path or self.is_harmless(file.used)):
                return event
        elif kind is Missing:  # a compiler looks for each header in a dozen places
            if self.is_harmless(event.path):
                return event
        elif kind is GapSeen or kind is Connected:
            return self._told(event)
        elif kind not in _WITH_PATHS or all(map(self.is_harmless, _texts(event))):
            return event
        if "argv" in event._fields:
            event = event._replace(argv=tuple(map(self._masked, event.argv)))
        return mapped(event, self._concealed)

    def _told(self, event: Any) -> Any:
        name = "detail" if type(event) is GapSeen else "address"
        text: str = getattr(event, name)
        if self.is_harmless(text.encode("utf-8", "surrogateescape")):
            return event
        told = self._masked(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        return event._replace(**{name: told})

    def secrets(self) -> tuple[bytes, ...]:
        """What may be a secret wherever it stands: a path that holds none of them can be written if it is harmless."""
        return (*self._known, *self._suspected)

    def is_harmless(self, path: bytes) -> bool:
        """Whether there is nothing to conceal in a path; if there is, it is known from now on."""
        for secret in self._known:
            if secret in path:
                return False
        if self._suspected:
            self._confirm(path)
            if any(secret in path for secret in self._known):
                return False
        folder, _, name = path.rpartition(b"/")
        if folder not in self._harmless:
            if len(folder) >= _SHORTEST and self._has_shape(folder):
                return False
            if len(self._harmless) > _MOST_FOLDERS:
                self._harmless.clear()
            self._harmless.add(folder)
        return len(name) < _SHORTEST or not self._has_shape(name)

    def _confirm(self, path: bytes) -> None:
        """Of the variables that may hold secrets, those of which one is in `path` are looked at more closely."""
        for value in [value for value in self._suspected if value in path]:
            name = self._suspected.pop(value)
            from shark.content.masking import secret_variable

            if secret_variable(name):
                self._mark(value)

    def _has_shape(self, text: bytes) -> bool:
        """Whether there is a credential in it; all there are become marks."""
        if not holds_mark(text):
            return False
        from shark.content.masking import shaped

        found = shaped(text.decode("utf-8", "surrogateescape"))
        for secret in found:
            self._mark(secret.encode("utf-8", "surrogateescape"))
        return bool(found)

    def _mark(self, secret: bytes) -> None:
        if secret not in self._known:
            self._tell(secret)
            self._known[secret] = b"%b%d%b%b" % (_SIGN, len(self._known), _SIGN, _MASK.encode())
            # One that is part of another one must not be replaced before it.
            self._known = dict(sorted(self._known.items(), key=lambda item: -len(item[0])))

    def _concealed(self, text: bytes) -> bytes:
        for secret, mark in self._known.items():
            if secret in text:
                text = text.replace(secret, mark)
        return text

    def _masked(self, text: bytes) -> bytes:
        """With masks: arguments are shown, and never looked for."""
        for secret in self._known:
            text = text.replace(secret, _MASK.encode())
        return text


def suspected(environ: Mapping[str, str]) -> dict[bytes, str]:
    """Values that may be secrets, by the look of the variables' names, and those names. Quick, and too many."""
    return {
        value.encode("utf-8", "surrogateescape"): name
        for name, value in environ.items()
        if any(word in name.upper() for word in _HINTS) and is_worth_hiding(value)
    }


def secrets_in(environ: Mapping[str, str]) -> list[str]:
    """The secrets that variables hold, by the names of these."""
    from shark.content.masking import secret_variable

    return [
        value.decode("utf-8", "surrogateescape") for value, name in suspected(environ).items() if secret_variable(name)
    ]


def secrets_of(argv: Sequence[str], masked: Sequence[str]) -> list[str]:
    """What masking has taken out of an argument vector, as far as it would be known again elsewhere.

    >>> secrets_of(["psql", "--password=hunter2x"], ["psql", "--password=***"])
    ['hunter2x']
    """
    found: list[str] = []
    for whole, left in zip(argv, masked, strict=True):
        if whole == left:
            continue
        position = 0
        first, *others = left.split(_MASK)
        position = len(first)
        for part in others:
            end = whole.find(part, position) if part else len(whole)
            if end < 0:
                break
            secret = whole[position:end].strip("\"'")
            if is_worth_hiding(secret) and secret not in found:
                found.append(secret)
            position = end + len(part)
    return found


def is_worth_hiding(secret: str) -> bool:
    """Whether a secret tells itself apart from ordinary words and paths, so that it can be looked for elsewhere."""
    if len(secret) < _LEAST or len(secret) > 4096 or secret.startswith(("/", "./", "../", "~")) or secret.isdigit():
        return False
    kinds = (str.islower, str.isupper, str.isdigit, lambda c: not c.isalnum())
    return len(secret) >= _LONG or sum(any(map(kind, secret)) for kind in kinds) > 1


# --- at the other end


def revealed(event: Event, secrets: Sequence[bytes]) -> Event:
    """An event from a journal with the true paths, since the files are to be looked at."""

    def path(text: bytes) -> bytes:
        return _replaced(text, lambda number: secrets[number] if number < len(secrets) else None)

    found: Event = mapped(event, path)
    return found


def unmarked(event: Event) -> Event:
    """An event from the journal of a run whose secrets are gone: with masks."""
    found: Event = mapped(event, lambda text: _replaced(text, lambda _: _MASK.encode()))
    return found


def has_mark(event: Event) -> bool:
    """Whether a mark stands somewhere in an event."""
    return any(_SIGN in text and _replaced(text, lambda _: b"") != text for text in _texts(event))


def _replaced(text: bytes, by: Callable[[int], bytes | None]) -> bytes:
    if _SIGN not in text:
        return text
    first, *rest = text.split(_SIGN)
    found = [first]
    while rest:
        number, *others = rest
        instead = None
        if others and number.isdigit() and len(number) < 7 and others[0].startswith(_MASK.encode()):
            instead = by(int(number))
        if instead is None:
            found.append(_SIGN + number)
            rest = others
        else:
            found.append(instead + others[0][len(_MASK) :])
            rest = others[1:]
    return b"".join(found)


def mapped(value: Any, change: Callable[[bytes], bytes]) -> Any:
    """A NamedTuple with `change` applied to all bytes in it."""
    if isinstance(value, bytes):
        return change(value)
    if isinstance(value, tuple):
        parts = [mapped(each, change) for each in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return value


def _texts(value: Any) -> Iterable[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _texts(each)


def without(value: Any, secrets: Sequence[str]) -> Any:
    """A JSON value with masks instead of these secrets."""
    if isinstance(value, str):
        for secret in secrets:
            if secret in value:
                value = value.replace(secret, _MASK)
        return value
    if isinstance(value, dict):
        return {key: without(each, secrets) for key, each in value.items()}
    return [without(each, secrets) for each in value] if isinstance(value, list) else value
