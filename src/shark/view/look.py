"""For whom a page is laid out: a terminal of some width, or a file; colours, the characters that can be shown.

The one module of the layer that looks at a stream, so that all others are functions of their arguments.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

_UNICODE = {"ok": "✓", "bad": "✗", "warn": "!", "unknown": "?", "more": "…", "dash": "–", "dot": "·"}
_ASCII = {"ok": "+", "bad": "x", "warn": "!", "unknown": "?", "more": "...", "dash": "-", "dot": "-"}


@dataclass(frozen=True, slots=True)
class Look:
    """How a page shall look.

    `width` is the terminal's in columns, 0 for no limit (a file or a pipe, where lines are neither cut nor folded);
    `ascii` means that nothing beyond ASCII may be written; `verbose` shows all that would otherwise be left out; `cwd`
    is the directory relative to which paths are shown, "" to show them absolute; `now` is when the reader looks.
    """

    width: int = 0
    ascii: bool = False
    color: bool = False
    verbose: bool = False
    cwd: str = ""
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)

    def sign(self, name: str) -> str:
        """The character for "ok", "bad", "warn", "unknown", "more", "dash" or "dot"."""
        return (_ASCII if self.ascii else _UNICODE)[name]


def look_at(stream: TextIO, environ: Mapping[str, str], *, verbose: bool = False, now: datetime | None = None) -> Look:
    """The look for `stream`: colours and a width only for a terminal; NO_COLOR and TERM=dumb are heeded."""
    terminal = stream.isatty()
    return Look(
        width=_width(stream, environ) if terminal else 0,
        ascii=not _unicode(stream, environ, terminal),
        color=terminal and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") not in {"dumb", ""},
        verbose=verbose,
        cwd=_cwd(),
        now=now or datetime.now(UTC),
    )


def _width(stream: TextIO, environ: Mapping[str, str]) -> int:
    try:
        columns = (
            int(environ.get("COLUMNS", "")) if environ.get("COLUMNS") else os.get_terminal_size(stream.fileno()).columns
        )
    except (ValueError, OSError):
        columns = 80
    return max(columns, 40) if columns else 80


def _unicode(stream: TextIO, environ: Mapping[str, str], terminal: bool) -> bool:
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("_", "-")
    if encoding not in {"utf-8", "utf8", "utf-16", "utf-32"}:
        return False
    # Python encodes to UTF-8 in the C locale too (PEP 538, PEP 540); the terminal of someone who asks for it may not.
    locale = next((environ[k] for k in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(k)), "")
    return not terminal or locale not in {"C", "POSIX"}


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # the directory was removed: then every path is shown whole
        return ""
