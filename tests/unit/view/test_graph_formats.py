"""DOT, Mermaid and SVG: each is what its readers take for valid, whatever the names are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from graphs import build, nasty, pipeline
from shark.view.documents import Graph
from shark.view.graph_detail import reduced
from shark.view.graph_dot import dot
from shark.view.graph_lineage import lineage_graph
from shark.view.graph_mermaid import mermaid
from shark.view.graph_page import page
from shark.view.graph_run import run_graph
from shark.view.graph_svg import drawn, night, svg

SVG = "{http://www.w3.org/2000/svg}"


def lineage() -> Graph:
    """A file that one of two runs made from a file with the same bytes as another one."""
    nodes = [
        {"id": "f1", "kind": "file", "path": "/p/plot.png", "sha256": "ab" * 32, "size": 9, "depth": 0},
        {"id": "R1", "kind": "run", "run": "R1", "source": "store", "command": {"argv": ["Rscript", "x.R"], "exit": 3}},
        {"id": "R2", "kind": "run", "run": "R2", "source": "none", "why": "that run is not in this store"},
        {"id": "f2", "kind": "file", "path": "/p/in.csv", "depth": 1},
        {"id": "f3", "kind": "file", "path": "/q/list", "depth": 1, "files": 12, "why": "no run is known"},
        {"id": "f4", "kind": "file", "path": "/q/in.csv", "depth": 1},
    ]
    edges = [
        {"from": "R1", "to": "f1", "kind": "output", "certain": False},
        {"from": "R2", "to": "f1", "kind": "output", "certain": False},
        {"from": "f2", "to": "R1", "kind": "input"},
        {"from": "f2", "to": "R1", "kind": "input", "only": "f1"},
        {"from": "f3", "to": "R1", "kind": "control"},
        {"from": "f4", "to": "f2", "kind": "same"},
        {"from": "nobody", "to": "f2", "kind": "same"},
    ]
    document = {"schema": "shark/lineage/1", "roots": ["f1"], "nodes": nodes, "edges": edges}
    return lineage_graph(document, "plot.png", "/p")


GRAPHS = {
    "pipeline": lambda: run_graph(pipeline().document()),
    "files": lambda: reduced(run_graph(pipeline().document()), "files"),
    "nasty": lambda: run_graph(nasty().document()),
    "overview": lambda: reduced(run_graph(build(60).document()), "overview"),
    "lineage": lineage,
    "empty": lambda: run_graph({}),
}


@pytest.fixture(params=GRAPHS)
def graph(request) -> Graph:
    return GRAPHS[request.param]()


def test_lineage():
    """Roots are outputs, what nobody made are inputs; what is one of several possibilities is marked so."""
    graph = lineage()
    assert [node.get("place", "") for node in graph["nodes"]] == ["output", "", "", "intermediate", "input", "input"]
    assert [edge["kind"] for edge in graph["edges"] if edge.get("certain") is False] == ["write", "write"]
    assert len(graph["edges"]) == 5
    assert graph["nodes"][2]["label"] == "unknown run"
    assert graph["nodes"][4]["note"] == "12 files · /q"


def test_dot_is_read_by_graphviz(graph: Graph):
    """With as many nodes and lines as there are; labels are shown as they are."""
    if shutil.which("dot") is None:
        pytest.skip("needs the program dot")
    done = subprocess.run(["dot", "-Tplain"], input=dot(graph).encode(), capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    kinds = [line.split(" ", 1)[0] for line in done.stdout.decode().splitlines()]
    assert kinds.count("node") == len(graph["nodes"])
    assert kinds.count("edge") == len({(edge["from"], edge["to"]) for edge in graph["edges"]})


def test_dot_shows_names_as_they_are():
    """In the SVG that graphviz makes of it."""
    if shutil.which("dot") is None:
        pytest.skip("needs the program dot")
    text = dot(run_graph(nasty().document())).encode()
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, timeout=60, check=True)
    shown = {element.text for element in ET.fromstring(night(done.stdout.decode())).iter(f"{SVG}text")}
    labels = {node["label"] for node in run_graph(nasty().document())["nodes"]}
    assert {label for label in labels if "  " not in label} <= shown


LINE = re.compile(
    r"""flowchart\ LR
    | \ \ n\d+(\["TEXT"\]|\[\["TEXT"\]\]|\(\["TEXT"\]\)|>"TEXT"\]|\{\{"TEXT"\}\})
    | \ \ n\d+\ (-->|-\.->)\ n\d+
    | \ \ classDef\ \w+\ [\w:#,-]+
    | \ \ class\ n\d+(,n\d+)*\ \w+""".replace("TEXT", r"([^\W_]|[ ._/,+=()\[\]:@%*·…-]|\#\d+;|<br/><small>|</small>)*"),
    re.VERBOSE,
)


def test_mermaid(graph: Graph):
    """Every line is of Mermaid's grammar; nothing in a label can end it."""
    lines = mermaid(graph).splitlines()
    for line in lines:
        assert LINE.fullmatch(line), line
    assert sum(bool(re.match(r"  n\d+\W+\"", line)) for line in lines) == len(graph["nodes"])


def test_svg(graph: Graph):
    """XML with a node for each node and a line for each line; nothing in it runs or is fetched."""
    root = ET.fromstring(svg(graph))
    assert root.tag == f"{SVG}svg"
    titles = [g for g in root.iter(f"{SVG}g") if g.find(f"{SVG}title") is not None]
    assert len(titles) == len(graph["nodes"])
    assert len([p for p in root.iter(f"{SVG}path") if p.get("class") == "flow"]) == len(drawn(graph).routes)
    assert not list(root.iter(f"{SVG}script"))
    assert not [key for element in root.iter() for key in element.attrib if "href" in key or key.startswith("on")]


def test_the_page_escapes_everything():
    """No name gets into the markup, nor into the script's data as a tag; and the policy names every script."""
    assets = {
        "graph.html": '<title>{{title}}</title><meta content="{{policy}}"><script>{{script}}</script>|{{data}}|',
        "graph.css": "",
        "graph-1.js": "'{{data}}'",
    }
    text = page(run_graph(nasty().document()), assets)
    assert text.count("<") == 5
    assert text.count("<script>") == 1
    assert "'{{data}}'" in text
    data = text.rpartition("'</script>|")[2]
    assert "<" not in data
    json.loads(data.removesuffix("|"))
    assert "&amp;lt;" in text.partition("</title>")[0]
    assert not {"\udcff", "\u202e", "\u2028", "\n", "\x1b"} & set(text)
