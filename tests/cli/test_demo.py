"""`make demo`: its script runs here as it does for a newcomer, and shows what it is to show."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from harness import need

DEMO = Path(__file__).parent.parent.parent / "examples" / "demo.sh"


def test_the_demo_shows_code_software_and_resources(tmp_path: Path) -> None:
    """Git's state with the patch, packages, and what the steps took: on files (inspect) and on the run (show)."""
    need("git")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "shark").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shark "$@"\n')
    (tmp_path / "bin" / "shark").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path)}
    for name in ("XDG_CACHE_HOME", "SHARK_HOME"):
        environ.pop(name, None)
    done = subprocess.run(
        ["sh", DEMO, tmp_path / "demo"],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    pages = dict(re.findall(r"^\$ (shark \w+ \S+)[^\n]*\n(.*?)(?=^\$ |\Z)", done.stdout, re.MULTILINE | re.DOTALL))
    inspected = next(page for command, page in pages.items() if command.startswith("shark inspect"))
    shown = next(
        page for command, page in pages.items() if command.startswith("shark show") and "--patch" not in command
    )
    for page in (inspected, shown):
        assert re.search(r"^Git +main @ [0-9a-f]{10} with uncommitted changes", page, re.MULTILINE)
        assert re.search(r"^Software  \d+ packages$", page, re.MULTILINE)
        assert re.search(r"^Used +[0-9.]+ s user, .* read, .* written", page, re.MULTILINE)
        assert re.search(r"^Coverage +. complete", page, re.MULTILINE)
    assert re.search(r"^Resources  each step by itself, longest first\n +took +user +system", shown, re.MULTILINE)
    assert "\n+# checked by hand\n" in pages["shark show --patch"]
