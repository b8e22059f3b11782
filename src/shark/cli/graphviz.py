"""Pictures by graphviz' program `dot`, where it is installed; else SVG with shark's own layout."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from shark.errors import SharkError
from shark.view.graph_dot import dot
from shark.view.graph_svg import night
from shark.view.graph_svg import svg as own_svg

if TYPE_CHECKING:
    from shark.view.documents import Graph

PATIENCE = 30.0
"""Seconds for `dot`, whose time grows faster than the number of nodes."""
LARGE = 1500
"""Of more nodes and arrows than this shark lays SVG out itself: `dot` would hardly be done in time."""
INSTALL = "Install graphviz (apt install graphviz), or draw an SVG or HTML file: these need nothing else."


def svg(graph: Graph) -> bytes:
    """`graph` as SVG: laid out by `dot` if it is there and has done it in time, else by shark."""
    if shutil.which("dot") and len(graph["nodes"]) + len(graph["edges"]) <= LARGE:
        try:
            return night(_run("svg", graph).decode()).encode()
        except (SharkError, UnicodeDecodeError):
            return own_svg(graph).encode()
    return own_svg(graph).encode()


def png(graph: Graph) -> bytes:
    """`graph` as PNG. Raises SharkError if graphviz is not there, or could not do it."""
    if not shutil.which("dot"):
        raise SharkError("PNG pictures are made by graphviz, which is not installed", INSTALL)
    return _run("png", graph)


def _run(form: str, graph: Graph) -> bytes:
    options = ["-Gbgcolor=white", "-Gdpi=120"] if form == "png" else []
    command = ["dot", f"-T{form}", *options]
    environ = {**os.environ, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, input=dot(graph).encode(), capture_output=True, timeout=PATIENCE, env=environ, check=False
        )
    except subprocess.TimeoutExpired:
        what = f"dot was not done after {PATIENCE:.0f} s: {len(graph['nodes']):,} nodes are many"
        raise SharkError(what, "Try --detail overview, or an HTML file, which can hold them.") from None
    except OSError as error:
        raise SharkError(f"dot cannot be run: {error.strerror}", INSTALL) from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().partition("\n")[0]
        raise SharkError(f"dot failed: {said or f'exit {done.returncode}'}", "Try an SVG or HTML file.")
    return done.stdout
