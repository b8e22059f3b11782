"""The decoders of a log's calls, by name: the operations of capture/table.py, and what concerns descriptors."""

from __future__ import annotations

from typing import Final

from shark.capture.strace import naming, opening, others, using
from shark.capture.strace.moment import Handler

HANDLERS: Final[dict[bytes, Handler]] = {
    **opening.HANDLERS,
    **using.HANDLERS,
    **naming.HANDLERS,
    **others.HANDLERS,
}
"""Every call of which a log's reader makes something, by name."""
