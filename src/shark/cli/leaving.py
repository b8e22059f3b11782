"""Ending a command that has made very much: letting go of it piece by piece would take a tenth of its time."""

from __future__ import annotations

import os
import sys

_kept: list[object] = []


def keep(*things: object) -> None:
    """Nobody needs these any more, but they shall not be taken apart."""
    _kept.extend(things)


def leave(status: int) -> int:
    """End the process at once if something was kept and all is written; else `status`, to end with as ever."""
    if _kept:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            return status  # Python says what is wrong
        os._exit(status)
    return status
