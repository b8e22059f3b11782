"""Starts shark so that its processes tell what they took: `measured.py FILE WORDS...`, where WORDS follow `shark`.

FILE gets a JSON object: `seconds` of processor time from the command's end until all is written, and `peak`, the most
memory that supervisor and scribe ever had, in bytes: the sum of both.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from typing import Any

from shark.scribing import Scribing


def peak(pid: int) -> int:
    """The most memory that a process ever had, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read())
    assert found is not None
    return int(found[1]) << 10


def supervisor_of(scribing: Any) -> int:
    """The process that holds the other end of the scribe's pipe."""
    pipe = os.readlink(f"/proc/self/fd/{scribing._writing}")
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                held = [os.readlink(f"/proc/{entry}/fd/{fd}") for fd in os.listdir(f"/proc/{entry}/fd")]
            except OSError:
                continue
            if pipe in held:
                return int(entry)
    raise LookupError("there is no supervisor")


def main() -> int:
    path = sys.argv[1]
    sys.argv[:] = ["shark", *sys.argv[2:]]
    scribing: Any = Scribing
    finish = scribing._finish

    def measured(self: Any, **arguments: Any) -> None:
        begin = time.thread_time()
        told: dict[str, float] = {}
        send = self._send

        def told_before(answer: Any) -> None:
            told["seconds"] = time.thread_time() - begin
            told["peak"] = peak(os.getpid()) + peak(supervisor_of(self))
            with open(path, "w") as file:
                json.dump(told, file)
            send(answer)

        self._send = told_before
        finish(self, **arguments)

    scribing._finish = measured
    from shark.__main__ import main as shark

    return shark()


if __name__ == "__main__":
    sys.exit(main())
