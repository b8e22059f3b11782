"""`shark doctor`: what this machine allows, and what to do where it does not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shark.cli.common import Voice, command
from shark.view.doctor import add_checks
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.capture.probe import Check
    from shark.view.documents import Doctor, DoctorCheck

NOTES = (
    "AddressSanitizer looks for leaks by tracing itself, and fails under any tracer: set ASAN_OPTIONS=detect_leaks=0.",
    "setuid programs get no privileges while an ordinary user traces them: put shark inside (sudo shark run -- CMD).",
    "What docker, srun, ssh or a daemon does on request happens outside: put shark inside (srun shark run -- CMD).",
    "io_uring can read and write files unseen; a gap says so. shark run --io-uring=deny makes programs do without.",
)


def _entry(check: Check) -> DoctorCheck:
    entry: DoctorCheck = {"name": check.name, "state": check.state, "detail": check.detail}
    if check.advice:
        entry["advice"] = check.advice
    return entry


@command(
    "doctor",
    ("shark doctor", "Check whether shark can trace here, and keep manifests in this directory"),
    short_help="Check what this machine allows.",
)
def doctor(voice: Voice) -> int:
    """Check what this machine allows: the kernel, tracing, filters, attributes, the store.

    Each line says ok, warn (it works, but) or fail (it does not), and what to do. Tracing is really tried, in a child
    process. Exit status: 0 if shark can trace here, 1 if not.
    """
    from shark.capture import probe
    from shark.store import places

    try:
        cwd = os.getcwd()
    except OSError:
        cwd = ""
    root = places.store_root(os.environ)
    found = probe.checks(probe.gather(cwd, os.fsdecode(root) if root else "", os.environ))
    document: Doctor = {
        "schema": "shark/doctor/1",
        "checks": [_entry(check) for check in found],
        "notes": list(NOTES),
    }
    if voice.as_json:
        voice.document(document)
    else:
        page = Page(voice.look())
        add_checks(page, document)
        voice.page(page)
    return 1 if any(check.state == "fail" for check in found) else 0
