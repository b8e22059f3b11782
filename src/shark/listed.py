"""What the index knows of a run, as documents have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.documents import Command
    from shark.store.asking import RunRow
    from shark.view.documents import LogEntry


def entry(row: RunRow) -> LogEntry:
    """What a listing says of a run, named as in its record; `outputs` and `gaps` are counts."""
    found: LogEntry = {"id": row.id, "command": command(row), "outputs": row.outputs, "gaps": row.gaps}
    if row.name:
        found["name"] = row.name
    if row.tags:
        found["tags"] = row.tags
    if row.parent:
        found["parent"] = row.parent
    if row.outcome:
        found["recording"] = {"outcome": row.outcome}
        if row.raised:
            found["recording"]["exception"] = {"type": row.raised}
    return found


def command(row: RunRow) -> Command:
    """The command of a run, as its record has it."""
    found: Command = {"argv": list(row.argv), "cwd": row.cwd}
    if row.start:
        found["start"] = row.start
    if row.end:
        found["end"] = row.end
    if row.seconds >= 0:
        found["seconds"] = row.seconds
    if row.exit >= 0:
        found["exit"] = row.exit
    if row.signal >= 0:
        found["signal"] = row.signal
    return found
