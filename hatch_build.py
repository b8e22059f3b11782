"""Builds what of shark is no Python: the recorder's code for hot processes and the reader of its ring.

Only for x86-64 Linux, and only where there is a C compiler: without it shark installs all the same, and each traced
call stops its process (`shark doctor` says so).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = os.path.join("src", "shark", "recorder")
MADE = os.path.join(FOLDER, "_native.so")
SOURCES = ("reader.c", "teller.c", "folders.c", "showing.c", "asking.c", "search.c", "stub.S")
FLAGS = ["-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-Wl,--build-id=none", "-s"]


class RecorderHook(BuildHookInterface):
    """Compiles the library before a wheel or an editable installation is made of the sources."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the library, and mark the wheel as one for this platform."""
        made = os.path.join(self.root, MADE)
        compiler = os.environ.get("CC") or next(filter(shutil.which, ("gcc", "cc", "clang")), "")
        if sys.platform != "linux" or platform.machine() != "x86_64" or not compiler:
            self._skip(made, "there is no C compiler, or no recorder for this machine")
            return
        sources = [os.path.join(self.root, FOLDER, name) for name in SOURCES]
        new = f"{made}.new"
        try:
            subprocess.run([*compiler.split(), *FLAGS, "-o", new, *sources], check=True)
        except (OSError, subprocess.CalledProcessError) as problem:
            self._skip(made, str(problem))
            return
        os.replace(new, made)  # a shark that runs just now keeps the one that it has
        build_data["artifacts"].append(MADE)
        build_data["pure_python"] = False
        build_data["tag"] = "py3-none-linux_x86_64"

    def _skip(self, made: str, why: str) -> None:
        if os.path.exists(made):
            os.unlink(made)
        self.app.display_warning(f"shark is installed without its recorder: {why}")
