"""What the package managers themselves say, to hold shark's package URLs against."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def deb(package: str) -> str:
    """The version of an installed Debian package, by dpkg-query."""
    if shutil.which("dpkg-query") is None:
        pytest.skip("no Debian system")
    command = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout


def pip(python: str, package: str) -> str:
    """The version of a package of a Python environment, by pip."""
    command = [python, "-m", "pip", "show", "--disable-pip-version-check", package]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    return dict(line.split(": ", 1) for line in shown.splitlines() if ": " in line)["Version"]
