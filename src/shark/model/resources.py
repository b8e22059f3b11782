"""What processes used, each by itself, and the whole run: time, memory, bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shark.tuples import TYPE_CHECKING
from shark.values import Usage

if TYPE_CHECKING:
    from shark.model.documents import ProcessEntry, Resources
    from shark.model.processes import Process

_FIGURES = ("user_seconds", "system_seconds", "cpu_seconds", "read_bytes", "written_bytes")


def own_usage(processes: Mapping[int, Process]) -> dict[int, Usage]:
    """What each process that has ended used by itself, by its number.

    Linux adds the bytes of a child to its parent's when that waits for it (`wait_task_zombie` in kernel/exit.c), which
    is taken off again. Of a child that nobody waited for nothing was added: then less is left than the parent read, and
    never less than nothing.
    """
    found = {n: process.usage for n, process in processes.items() if process.usage is not None}
    children: dict[int, list[int]] = {}
    for n in found:
        process = processes[n]
        parent = processes.get(process.parent)
        if parent is not None and parent.n != n and process.ended < parent.ended:
            children.setdefault(parent.n, []).append(n)
    return {n: _without(usage, [found[child] for child in children.get(n, ())]) for n, usage in found.items()}


def _without(usage: Usage, children: list[Usage]) -> Usage:
    read = usage.read_bytes - sum(max(child.read_bytes, 0) for child in children)
    written = usage.written_bytes - sum(max(child.written_bytes, 0) for child in children)
    return usage._replace(
        read_bytes=max(read, 0) if usage.read_bytes >= 0 else -1,
        written_bytes=max(written, 0) if usage.written_bytes >= 0 else -1,
    )


def put_usage(entry: ProcessEntry, process: Process, usage: Usage | None) -> None:
    """Write into a process's entry how long it lived and what it used, as far as that is known."""
    if process.ended and process.stop and process.start:
        entry["seconds"] = round(max(process.stop - process.start, 0) / 1e9, 4)
    if usage is None:
        return
    if usage.user_seconds >= 0 and usage.system_seconds >= 0:
        entry["cpu_seconds"] = round(usage.user_seconds + usage.system_seconds, 4)
        entry["user_seconds"] = round(usage.user_seconds, 4)
        entry["system_seconds"] = round(usage.system_seconds, 4)
    if usage.max_rss >= 0:
        entry["max_rss"] = usage.max_rss
    if usage.read_bytes >= 0:
        entry["read_bytes"] = usage.read_bytes
    if usage.written_bytes >= 0:
        entry["written_bytes"] = usage.written_bytes


def total(processes: Iterable[ProcessEntry]) -> Resources:
    """What the processes used together; `max_rss` is the largest of any. Empty if nothing is known."""
    entries = list(processes)
    sums: Resources = {}
    for key in _FIGURES:
        if known := [entry[key] for entry in entries if key in entry]:  # type: ignore[literal-required]
            sums[key] = round(sum(known), 4)  # type: ignore[literal-required]
    if sizes := [entry["max_rss"] for entry in entries if "max_rss" in entry]:
        sums["max_rss"] = max(sizes)
    if sums:
        sums["processes"] = len(entries)
    return sums
