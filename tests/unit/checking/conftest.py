from __future__ import annotations

from pathlib import Path

import pytest

from shark.checking import halving
from shark.content import digestcache

from .world import World


@pytest.fixture(params=[halving.LEAST, 1], ids=["whole", "halved"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty world, the files of which are looked at by one process, or by two."""
    monkeypatch.setattr(halving, "LEAST", request.param)
    monkeypatch.setattr(digestcache, "_TICK_NS", -1)  # a ctime cannot be put back as the tests do with mtimes
    return World(tmp_path)
