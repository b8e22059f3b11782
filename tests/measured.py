"""Starts shark so that its supervisor tells what it took: `measured.py FILE WORDS...`, where WORDS follow `shark`.

FILE gets a JSON object: `seconds` of processor time from the command's end until all is written, and `peak`, the most
memory that the supervisor ever had, in bytes.
"""

from __future__ import annotations

import json
import re
import sys
import time
from typing import Any

from shark import running


def main() -> int:
    path = sys.argv[1]
    sys.argv[:] = ["shark", *sys.argv[2:]]
    tracing: Any = running._Tracing
    finish = tracing._finish

    def measured(self: Any) -> None:
        begin = time.thread_time()
        finish(self)
        seconds = time.thread_time() - begin
        with open("/proc/self/status") as status:
            found = re.search(r"VmHWM:\s*(\d+) kB", status.read())
        assert found is not None
        with open(path, "w") as file:
            json.dump({"seconds": seconds, "peak": int(found[1]) << 10}, file)

    tracing._finish = measured
    from shark.__main__ import main as shark

    return shark()


if __name__ == "__main__":
    sys.exit(main())
