"""Contents that the run made, and that somebody else has written to since: they are younger than the time until which
something in the run could write to them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from shark.events import SHARES_FILES
from shark.model.writers import last_holds
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.documents import RunRecord
    from shark.model.files import File
    from shark.model.findings import Findings

_SLACK = 20_000_000
"""Nanoseconds by which a file's time may be later than the end of who wrote it: two ticks of the slowest clock."""


def written_late(findings: Findings, record: RunRecord) -> Iterator[File]:
    """Outputs whose last write no process of the run can have made, of the file systems that have this machine's clock.

    When a process let go of a file is known in the order of the run only; the next end of a process has a time, too.
    """
    own = findings.facts.own_devices
    if any(process.shares & SHARES_FILES for process in findings.model.processes.values()):
        return  # what one of them lets go of another one may still have
    ends = sorted((process.ended, process.stop) for process in findings.model.processes.values() if process.stop)
    orders = [order for order, _ in ends]
    holds = last_holds(record) if own else {}
    for output in record["outputs"]:
        file = findings.model.files[output["file"]]
        outcome = findings.outcome(file)
        stat = outcome.stat
        if outcome.foreign:
            continue  # as is known already
        if stat is None or stat.id.dev not in own or file.current.touched or file.n not in holds:
            continue
        place = bisect_left(orders, holds[file.n])
        if place < len(ends) and stat.mtime > ends[place][1] + _SLACK:
            yield file
