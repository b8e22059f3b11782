"""The picture of a run: what its nodes and arrows are; and what each detail leaves out."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import NASTY, WORK, Record, build, nasty, pipeline
from shark.model.schema import schema
from shark.view.documents import Graph
from shark.view.graph_detail import ALIKE, CROWDED, DETAILS, fitting, overview, reduced
from shark.view.graph_page import page
from shark.view.graph_run import run_graph


def arrows(graph: Graph) -> set[tuple[str, str, str]]:
    """By what is written on both ends."""
    labels = {node["id"]: node["label"] for node in graph["nodes"]}
    return {(labels[edge["from"]], edge["kind"], labels[edge["to"]]) for edge in graph["edges"]}


def places(graph: Graph) -> dict[str, str]:
    return {node["label"]: node["place"] for node in graph["nodes"] if "place" in node}


def test_the_flow_of_a_pipeline():
    """Files go into programs that read them, and out of those that wrote them; each file has its place."""
    graph = reduced(run_graph(pipeline().document()), "files")
    assert arrows(graph) == {
        ("run.sh", "read", "sh"),
        ("sh", "start", "sort"),
        ("sh", "start", "awk"),
        ("in.csv", "read", "sort"),
        ("sort", "write", "tmp"),
        ("tmp", "read", "awk"),
        ("prog.awk", "read", "awk"),
        ("awk", "write", "out.csv"),
    }
    assert places(graph) == {
        "run.sh": "input",
        "in.csv": "input",
        "prog.awk": "input",
        "tmp": "intermediate",
        "out.csv": "output",
    }


def test_all_and_software():
    """`software` has a package in the place of its files; `all` has each file and each process."""
    graph = run_graph(pipeline().document())
    assert {"libc.so.6", "true"} <= {node["label"] for node in reduced(graph, "all")["nodes"]}
    found = reduced(graph, "software")
    assert {("libc6", "read", "sort"), ("libc6", "read", "awk")} <= arrows(found)
    assert not {"libc.so.6", "true"} & {node["label"] for node in found["nodes"]}


def test_versions_of_a_file():
    """A file that was changed in place is drawn before and after; what was only opened for writing, once."""
    run = Record("gdaladdo", "map.tif")
    file = run.file("map.tif")
    run.changed(file, 1)
    kept = run.file("log")
    run.files[kept - 1]["versions"].append(
        {"n": 1, "origin": "in-place", "by": {"process": 1, "image": 0}, "base": 0, "unchanged": True}
    )
    run.edge(1, kept, "write", 1)
    run.edge(1, kept, "read", 1)
    graph = run_graph(run.document())
    shown = {(node["label"], node.get("note", ""), node["place"]) for node in graph["nodes"] if node["kind"] == "file"}
    assert shown == {
        ("map.tif", "before · 9 B", "input"),
        ("map.tif", "9 B", "output"),
        ("log", "9 B", "input"),
    }
    assert arrows(graph) == {
        ("map.tif", "read", "gdaladdo"),
        ("gdaladdo", "write", "map.tif"),
        ("log", "read", "gdaladdo"),
    }


def test_what_was_looked_for_in_vain_is_not_drawn():
    """Neither missing files nor removals flow."""
    run = Record("rm", "x")
    run.files.append({"n": 1, "path": "/no", "role": "data", "kind": "missing", "versions": []})
    run.edge(1, 1, "missing")
    run.edge(1, run.file("x"), "remove")
    assert [node["kind"] for node in run_graph(run.document())["nodes"]] == ["process"]


def test_processes_that_are_left_out_do_not_cut_the_line_of_starts():
    """The nearest process above that is shown counts as the one that started it."""
    run = Record("make")
    shell = run.process("sh", "-c", "…")
    deep = run.process("cc", parent=shell)
    run.made("a.o", deep)
    assert ("make", "start", "cc") in arrows(reduced(run_graph(run.document()), "files"))


def test_networks():
    """Addresses stand in the picture, for what may have come from there."""
    run = Record("curl", "example.org")
    run.more["network"] = [{"family": "inet", "address": "10.0.0.1", "port": 443, "process": 1}]
    run.edge(1, run.file("a"))
    graph = reduced(run_graph(run.document()), "files")
    assert ("10.0.0.1:443", "read", "curl") in arrows(graph)


def test_a_pipeline_of_a_shell():
    """What one writes and one reads is an arrow; who only passed on is shown; the shell that did nothing is not."""
    run = Record("sh", "-c", "sort a | uniq | head > b")
    sort, uniq, head = (run.process(name) for name in ("sort", "uniq", "head"))
    run.edge(sort, run.file("a"))
    run.made("b", head)
    run.more["channels"] = [{"n": 1, "kind": "pipe"}, {"n": 2, "kind": "pipe"}]
    run.edges += [
        {"process": 1, "channel": 1, "access": "read", "order": [1, 5]},  # held by the shell before anybody wrote
        {"process": sort, "channel": 1, "access": "write", "order": [10, 20]},
        {"process": uniq, "channel": 1, "access": "read", "order": [8, 21]},
        {"process": uniq, "channel": 2, "access": "write", "order": [8, 21]},
        {"process": head, "channel": 2, "access": "read", "order": [9]},
    ]
    assert arrows(reduced(run_graph(run.document()), "files")) == {
        ("a", "read", "sort"),
        ("sort", "channel", "uniq"),
        ("uniq", "channel", "head"),
        ("head", "write", "b"),
    }


def test_channels_of_several_processes():
    """Are nodes, one for all between the same processes; both ends of a socket are one."""
    run = Record("python3", "pool.py")
    workers = [run.process("python3"), run.process("python3")]
    run.edge(workers[0], run.file("a"))
    run.edge(workers[1], run.file("b"))
    run.made("c", 1)
    run.more["channels"] = [
        {"n": 1, "kind": "pipe"},
        {"n": 2, "kind": "pipe"},
        {"n": 3, "kind": "socket", "peers": [4]},
        {"n": 4, "kind": "socket", "peers": [3]},
    ]
    for channel in (1, 2):
        run.edges += [{"process": n, "channel": channel, "access": "write", "order": [1, 9]} for n in workers]
        run.edges.append({"process": 1, "channel": channel, "access": "read", "order": [1, 9]})
    run.edges += [
        {"process": 1, "channel": 3, "access": "write", "order": [1, 9]},
        {"process": workers[0], "channel": 4, "access": "read", "order": [1, 9]},
    ]
    graph = reduced(run_graph(run.document()), "files")
    assert [node["label"] for node in graph["nodes"] if node["kind"] == "channel"] == ["pipe × 2"]
    assert {("python3", "write", "pipe × 2"), ("pipe × 2", "read", "python3")} <= arrows(graph)
    assert [(e["from"], e["to"]) for e in graph["edges"] if e["kind"] == "channel"] == [("p1", "p2")]


def test_what_is_written_through_an_inherited_descriptor():
    """The commands of a loop whose output is redirected wrote the file, as did the shell that opened it."""
    run = Record("sh", "-c", "for i in 1 2; do cat a; done > b")
    cat = run.process("cat", "a")
    run.edge(cat, run.file("a"))
    made = run.made("b", 1)
    run.more["channels"] = [{"n": 1, "kind": "file", "file": made}]
    run.edges.append({"process": cat, "channel": 1, "access": "write", "order": [3, 4]})
    assert {("cat", "write", "b"), ("sh", "write", "b")} <= arrows(run_graph(run.document()))


def test_overview_puts_alike_things_together():
    """A build of hundreds of files is a handful of nodes, which know their members; a small run stays as it is."""
    graph = run_graph(build(200).document())
    assert fitting(graph) == "overview"
    shown = reduced(graph, "overview")
    assert len(shown["nodes"]) <= CROWDED
    assert {"Makefile", "make", "f*.c", "h*.h", "gcc", "f*.o", "ar", "lib.a"} == {n["label"] for n in shown["nodes"]}
    compilers = [node for node in shown["nodes"] if node["label"] == "gcc"]
    assert [(node["kind"], node["count"], len(node["members"])) for node in compilers] == [("group", 200, 200)]
    small = reduced(run_graph(pipeline().document()), "files")
    assert overview(small)["nodes"] == small["nodes"]
    assert fitting(run_graph(pipeline().document())) == "files"


def test_overview_of_a_pipeline_of_many_kinds_keeps_its_directories():
    """Where hardly two files are of one kind, those of a directory are put together, not all inputs and all outputs."""
    run = Record("make")
    for step in range(20):
        program = run.process(f"step{step}")
        run.edge(program, run.file(f"raw/in.{step}"))
        run.made(f"results/out.{step}", program)
    for n in range(6):
        run.made(f"/dev/shm/sem.mp-{n}", 1, output=False)  # of a pool: these are no data
    shown = reduced(run_graph(run.document()), "overview")
    assert {(n["label"], n["note"]) for n in shown["nodes"] if n["kind"] == "group"} == {
        ("in*", "20 files in raw"),
        ("out*", "20 files in results"),
    }
    assert not [node for node in reduced(run_graph(run.document()), "files")["nodes"] if "sem" in node["label"]]


def test_a_group_below_the_root_says_where():
    run = Record("make")
    for n in range(70):
        run.made(f"/a{n}/out.{n}", run.process(f"step{n}"))
    shown = reduced(run_graph(run.document()), "overview")
    assert [n["note"] for n in shown["nodes"] if n["kind"] == "group"] == ["70 files in /"]


def test_overview_keeps_every_arrow():
    """The counts of the arrows add up to those of the picture, without those inside of a group."""
    files = reduced(run_graph(build(50).document()), "files")
    shown = reduced(run_graph(build(50).document()), "overview")
    reads = sum(edge.get("count", 1) for edge in files["edges"] if edge["kind"] == "read")
    assert sum(edge.get("count", 1) for edge in shown["edges"] if edge["kind"] == "read") == reads
    assert all(node["count"] >= ALIKE for node in shown["nodes"] if node["kind"] == "group")


def test_a_failure_inside_of_a_group_is_told():
    """The group has the number of its failures."""
    run = build(20)
    run.processes[5]["exit"] = 1
    [group] = [node for node in reduced(run_graph(run.document()), "overview")["nodes"] if node["label"] == "gcc"]
    assert group["failed"] == 1


@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("run", [pipeline, nasty, lambda: build(30)], ids=["pipeline", "nasty", "build"])
def test_documents_fit_their_schema(run, detail):
    """Of every detail; no arrow leads to a node that is not there."""
    graph = reduced(run_graph(run().document()), detail)
    jsonschema.validate(graph, schema(Graph, "graph-1"), jsonschema.Draft202012Validator)
    known = {node["id"] for node in graph["nodes"]}
    assert len(known) == len(graph["nodes"])
    assert all({edge["from"], edge["to"]} <= known for edge in graph["edges"])


def test_words_are_safe_to_show():
    """What is written on nodes holds no control characters, and is short."""
    for node in run_graph(nasty().document())["nodes"]:
        assert (node["label"] + node.get("note", "")).isprintable()
        assert len(node["label"]) <= 32
    assert {node.get("path") for node in run_graph(nasty().document())["nodes"]} >= {f"/out/{name}" for name in NASTY}


WRONG = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["n", "path", "by"]), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_records_of_any_shape_are_drawn(data: st.DataObject):
    """A field that is absent or of another type is left out; nothing raises."""
    record: Any = pipeline().document()
    for _ in range(data.draw(st.integers(1, 4))):
        spoil(record, data)
    graph = run_graph(record)
    for detail in DETAILS:
        reduced(graph, detail)
    page(graph, {"graph.html": "{{data}}", "graph.css": ""})


def spoil(part: Any, data: st.DataObject) -> None:
    """Put something else into one place of a document."""
    while True:
        keys = sorted(part) if isinstance(part, dict) else list(range(len(part)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(part[key], dict | list) and data.draw(st.booleans()):
            part = part[key]
        else:
            part[key] = data.draw(WRONG)
            return


def test_folders_are_seen_from_where_the_command_ran():
    """A node's note names its folder when that is another one."""
    run = Record("cat")
    run.edge(1, run.file("data/a.csv"))
    run.edge(1, run.file("/srv/b.csv"))
    notes = {node["label"]: node.get("note") for node in run_graph(run.document())["nodes"]}
    assert notes["a.csv"] == "data · 9 B"
    assert notes["b.csv"] == "/srv · 9 B"
    assert WORK not in str(notes)


def test_reducing_asks_each_node_once():
    """The sets of what is shown are joined once, not for every node: 20,000 outputs took minutes."""
    import time

    from shark.view.graph_detail import reduced

    nodes = [{"id": "p", "kind": "process", "label": "p"}]
    nodes += [{"id": f"f{n}", "kind": "file", "label": str(n), "role": "data"} for n in range(6000)]
    edges = [{"from": "p", "to": f"f{n}", "kind": "write", "count": 1} for n in range(6000)]
    graph = {"schema": "shark/graph/1", "title": "", "run": "r", "detail": "all", "nodes": nodes, "edges": edges}
    began = time.process_time()
    found = reduced(graph, "files")  # type: ignore[arg-type]
    assert len(found["nodes"]) == 6001
    assert time.process_time() - began < 0.5
