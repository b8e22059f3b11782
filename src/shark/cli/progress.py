"""A bar on stderr for work that takes long, if a person looks at it. rich is imported once it does take long."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds after which work counts as long."""


class Bar:
    """Shows how many bytes of files were read. Silent if `shown` is false, or if it was over soon."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._begun = time.monotonic()
        self._bytes = 0
        self._total = 0
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def plan(self, count: int) -> None:
        """So many bytes more will be read."""
        self._total += count

    def add(self, count: int) -> None:
        """So many bytes more were read."""
        self._bytes += count
        if not self._shown:
            return
        if self._progress is None and time.monotonic() - self._begun > PATIENCE:
            self._start()
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._bytes, total=self._total)

    def _start(self) -> None:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("reading files"),
            progress.BarColumn(20),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
        )
        self._progress = progress.Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("", total=self._total)
        self._progress.start()
