"""Closed lists of words, as types. Apart, since importing `typing` takes 4 ms: `shark run` does without it."""

from __future__ import annotations

from typing import Literal

GapKind = Literal[
    "io_uring",
    "nested-ptrace",
    "privilege",
    "still-running",
    "changed-outside",
    "unreadable",
    "namespace",
    "unhashed",
    "delegated",
    "journal-lost",
    "other",
]
"""The kinds of things that could not be seen or are not certain (the contract's closed list)."""
