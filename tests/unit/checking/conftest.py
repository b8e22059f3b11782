from __future__ import annotations

from pathlib import Path

import pytest

from shark.checking import halving

from .world import World


@pytest.fixture(params=[halving.LEAST, 1], ids=["whole", "halved"])
def world(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An empty world, the files of which are looked at by one process, or by two."""
    monkeypatch.setattr(halving, "LEAST", request.param)
    return World(tmp_path)
