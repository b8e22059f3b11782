"""Leaving out what a user does not want to be known: names of user and host, the home directory, variables, addresses.

Applied to whole documents before they are written, and to events before they are journaled. The user's own data files
and what the command itself writes are not touched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from shark.content.concealing import mapped
from shark.content.masking import MASK

_WORDS: Final = frozenset(
    {
        *("schema", "id", "run", "runs", "role", "roles", "kind", "access", "origin", "attached", "scope", "shares"),
        *("sha256", "patch_sha256", "manifest_sha256", "stdout_sha256", "stderr_sha256", "order_sha256", "commit"),
        *("package", "software", "purl", "shark", "redact", "when", "through", "same_as"),
        *("start", "end", "made", "mtime", "time", "parent", "continues"),
    }
)
"""Keys whose values are words of the contract, digests, ids and times: nothing of the user's is in them."""
_SECTIONS: Final = frozenset({"env", "network"})
"""Sections that are left out as a whole."""


_HOME_WITHIN: Final = "\x04~"
"""What the journal has instead of the home directory's path where that does not stand at the beginning."""


class Redactor:
    """Hides what `what` names: `user`, `host`, `home`, `env`, `network`. The names are this machine's and user's."""

    def __init__(self, what: Iterable[str], *, user: str = "", host: str = "", home: str = "") -> None:
        self.what = frozenset(what)
        self._user = user if "user" in self.what else ""
        self._home = home.rstrip("/") if "home" in self.what else ""
        hosts = sorted({host, host.partition(".")[0]} - {""}, key=len, reverse=True) if "host" in self.what else []
        self._patterns: list[tuple[re.Pattern[str], str]] = []
        if self._home:
            self._patterns.append((re.compile(rf"(?<![\w.~/-]){re.escape(self._home)}(?![\w.-])"), "~"))
        self._marks: list[tuple[re.Pattern[str], str, str]] = []  # what the journal has instead of a word
        for number, word in enumerate(filter(None, [self._user, *hosts]), 1):
            pattern = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(word)}(?![A-Za-z0-9_])")
            self._patterns.append((pattern, MASK))
            self._marks.append((pattern, f"{chr(number)}{MASK}", word))
        self.text = lru_cache(maxsize=8192)(self._text)

    @classmethod
    def of_user(cls, what: Iterable[str], environ: Mapping[str, str]) -> Redactor:
        """For the user who runs this process, on this machine."""
        import pwd

        try:
            entry = pwd.getpwuid(os.geteuid())
            user, directory = entry.pw_name, entry.pw_dir
        except KeyError:
            user, directory = environ.get("USER", ""), ""
        return cls(what, user=user, host=os.uname().nodename, home=environ.get("HOME") or directory)

    def _text(self, text: str) -> str:
        for pattern, instead in self._patterns:
            text = pattern.sub(instead, text)
        return text

    def document(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a record, snapshot or other document in which nothing is left of what shall not be known."""
        found = {key: value for key, value in document.items() if key not in self.what & _SECTIONS}
        if isinstance(found.get("host"), dict):
            found["host"] = self._host(found["host"])
        return {key: self._value(key, value) for key, value in found.items()}

    def _host(self, host: Mapping[str, Any]) -> dict[str, Any]:
        gone = {"host": {"name"}, "user": {"user", "uid"}}
        hidden = {key for what in self.what & gone.keys() for key in gone[what]}
        return {key: value for key, value in host.items() if key not in hidden}

    def _value(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return value if key in _WORDS else self.text(value)
        if isinstance(value, dict):
            return {name: self._value(name, each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [self._value(key, each) for each in value]
        return value

    def event(self, event: Any) -> Any:
        """An event as the journal shall have it. `revealed` undoes this for paths."""
        return mapped(event, self._bytes)

    def revealed(self, event: Any) -> Any:
        """An event from a journal, with the true paths: those are looked at when the run is finished from it."""
        return mapped(event, self._path)

    def _bytes(self, text: bytes) -> bytes:
        """With marks instead of words: no name has control characters like these, so that the way back is certain."""
        found = text.decode("utf-8", "surrogateescape")
        if self._home:
            found = self._patterns[0][0].sub(lambda match: "~" if not match.start() else _HOME_WITHIN, found)
        for pattern, mark, _ in self._marks:
            found = pattern.sub(mark, found)
        return found.encode("utf-8", "surrogateescape")

    def _path(self, path: bytes) -> bytes:
        for _, mark, word in self._marks:
            path = path.replace(mark.encode(), os.fsencode(word))
        if self._home:
            path = path.replace(_HOME_WITHIN.encode(), os.fsencode(self._home))
        if self._home and (path == b"~" or path.startswith(b"~/")):
            return os.fsencode(self._home) + path[1:]
        return path
