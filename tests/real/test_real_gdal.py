"""GDAL: a raster converted, and one changed in place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from harness import Run, World, need, sha256
from real.packages import deb

GRID = "ncols 64\nnrows 64\nxllcorner 0\nyllcorner 0\ncellsize 1\n"


@pytest.fixture
def grid(world: World) -> str:
    """grid.asc, 64 by 64."""
    need("gdal_translate", "gdaladdo")
    rows = (" ".join(str((x * y) % 251) for x in range(64)) for y in range(64))
    return world.write("grid.asc", GRID + "\n".join(rows) + "\n")


def test_translate(shark_run: Callable[..., Run], world: World, grid: str) -> None:
    """ASCII grid to GeoTIFF: one input, one output."""
    run = shark_run(["gdal_translate", "-q", "-of", "GTiff", "grid.asc", "grid.tif"])
    assert run.status == 0, run.stderr
    assert run.outputs["grid.tif"] == sha256(world.work / "grid.tif")
    assert run.inputs("grid.tif") == {"grid.asc": grid}
    assert run.software["deb", "gdal-bin"] == deb("gdal-bin")
    assert run.software["deb", "libgdal32"] == deb("libgdal32")
    assert run.gaps == set()


def test_overviews_in_place(shark_run: Callable[..., Run], world: World, grid: str) -> None:
    """gdaladdo changes the file: the old digest is the input, the new one the output, and the first run is named."""
    first = shark_run(["gdal_translate", "-q", "grid.asc", "grid.tif"])
    before = sha256(world.work / "grid.tif")
    run = shark_run(["gdaladdo", "-q", "grid.tif", "2", "4"])
    assert run.status == 0, run.stderr
    after = sha256(world.work / "grid.tif")
    assert after != before
    assert run.outputs == {"grid.tif": after}
    assert run.inputs("grid.tif") == {"grid.tif": before}
    assert run.input("grid.tif", "grid.tif")["run"] == first.record["id"]
    assert run.manifest("grid.tif")["output"]["sha256"] == after


def test_virtual_raster(shark_run: Callable[..., Run], world: World, grid: str) -> None:
    """A VRT refers to its source: both were read."""
    subprocess.run(["gdal_translate", "-q", "-of", "VRT", "grid.asc", "grid.vrt"], cwd=world.work, check=True)
    run = shark_run(["gdal_translate", "-q", "-outsize", "50%", "50%", "grid.vrt", "small.tif"])
    assert run.status == 0, run.stderr
    assert run.inputs("small.tif") == {"grid.asc": grid, "grid.vrt": sha256(world.work / "grid.vrt")}
