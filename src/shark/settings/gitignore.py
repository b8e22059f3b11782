"""Gitignore patterns of settings: which of them are none, so that they are refused before a run and not after it."""

from __future__ import annotations

from collections.abc import Iterable

_ODD = frozenset("!\\[")
"""Only patterns with one of these can be wrong: all others are spared the import of pathspec, and of `re` with it."""


def is_pattern(text: str) -> bool:
    """Tell whether `text` is a gitignore pattern: `!`, `x\\` and `[z-a]` are none."""
    return _ODD.isdisjoint(text) or _compiles(text)


def wrong(patterns: Iterable[str]) -> list[str]:
    """Those of `patterns` that are none, each once."""
    return list(dict.fromkeys(pattern for pattern in patterns if not is_pattern(pattern)))


def _compiles(text: str) -> bool:
    import re
    import warnings

    import pathspec

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of `[[`, which is nobody's fault but a matter of `re`
        try:
            pathspec.GitIgnoreSpec.from_lines([text])
        except (ValueError, re.error):
            return False
    return True
