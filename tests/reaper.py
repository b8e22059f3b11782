"""reaper.py REPORT COMMAND… : runs the command, waits for it and for all that it leaves behind, and tells of them.

Supervisor and scribe of a `shark run` are nobody's children; as their subreaper this process gets to know their peak
memory. REPORT becomes {"status": as subprocess gives it, "supervisors": [peak memory in KiB of each of the two]}.
"""

import ctypes
import json
import os
import subprocess
import sys

PR_SET_CHILD_SUBREAPER = 36


def is_supervisor(pid: int) -> bool:
    """A Python that leads a session of its own; for one that has ended but was not waited for."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        name, _, rest = file.read().partition(b"(")[2].rpartition(b")")
    return name.startswith(b"python") and int(rest.split()[3]) == pid


def main(report: str, command: list[str]) -> None:
    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        sys.exit("this process may not be a subreaper")
    root = subprocess.Popen(command).pid
    status, peaks = 0, []
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:
            break
        supervisor = is_supervisor(ended.si_pid) and ended.si_pid != root
        _, how, used = os.wait4(ended.si_pid, 0)
        if ended.si_pid == root:
            status = os.waitstatus_to_exitcode(how)
        if supervisor:
            peaks.append(used.ru_maxrss)
    with open(report, "w") as file:
        json.dump({"status": status, "supervisors": peaks}, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
