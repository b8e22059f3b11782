"""What the commands give with --json fits the schemas that are shipped: every command, and documents of real runs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import jsonschema
import pytest

from shark.cli.app import COMMANDS
from shark.cli.write_schemas import DOCUMENTS
from shark.model import schema

from .conftest import Shark

ELSEWHERE = {"run", "ci", "show"}
"""They give the run record."""


def check(document: Any, name: str) -> None:
    jsonschema.validate(document, closed(schema.schema(DOCUMENTS[name], name)), jsonschema.Draft202012Validator)


def closed(part: Any) -> Any:
    """A schema that refuses keys which it does not name: readers ignore those, but shark shall not write them."""
    if isinstance(part, list):
        return [closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: closed(value) for key, value in part.items()}
    return {**found, "additionalProperties": False} if isinstance(found.get("required"), list) else found


def check_named(document: Any) -> None:
    """By the name that it gives itself, which the list of inspect leaves to its elements."""
    named = document[0] if isinstance(document, list) else document
    project, kind, number = named["schema"].split("/")
    assert project == "shark"
    check(document, f"{kind}-{number}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect", "b.csv"],
        ["inspect", "a.csv"],
        ["inspect", "copy.csv"],
        ["inspect", "changed.csv", "failed.txt"],
        ["inspect", "."],
        ["log"],
        ["log", "--failed"],
        ["show", "@1"],
        ["show", "b.csv"],
        ["verify", "b.csv", "changed.csv", "a.csv"],
        ["verify", "."],
        ["graph", "b.csv"],
        ["graph", "@4"],
        ["graph", "--detail", "overview", "@4"],
        ["status"],
        ["diff", "@2", "@1"],
        ["diff", "b.csv", "c.csv"],
        ["index"],
        ["recover"],
        ["doctor"],
        ["schema"],
        ["completion", "bash"],
        ["man"],
    ],
    ids=" ".join,
)
def test_of_commands_that_look(runs: Shark, arguments):
    """One document on stdout, that names its schema and fits it."""
    document = json.loads(runs(*arguments, "--json").stdout)
    check_named(document)
    for entry in document if isinstance(document, list) else ():
        assert entry.get("manifest", {"schema": "shark/manifest/1"})["schema"] == "shark/manifest/1"
        if "manifest" in entry:
            check(entry["manifest"], "manifest-1")


def test_of_commands_that_change(shark: Shark):
    """A run is recorded, stripped and forgotten; each step's document fits."""
    shark.run("sh", "-c", "echo > out; echo > out2", options=("--json", "run.json"))
    check_named(json.loads((shark.work / "run.json").read_text()))
    assert shark("ci", "--json", "ci.json", "--manifests", "m", "--", "touch", "x").returncode == 0
    check_named(json.loads((shark.work / "ci.json").read_text()))
    for manifest in (shark.work / "m").iterdir():
        check_named(json.loads(manifest.read_text()))
    stripped = shark.json("strip", "--json", ".")
    assert stripped["files"]
    check_named(stripped)
    forgotten = shark.json("forget", "--json", "@1", "@2")
    assert forgotten["runs"]
    check_named(forgotten)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs the program strace")
def test_of_an_imported_log(shark: Shark):
    """The document, and the record that was made."""
    subprocess.run(
        ["strace", "-f", "-y", "-ttt", "-o", "job.log", "cp", "/etc/hostname", "o"], cwd=shark.work, check=True
    )
    check_named(shark.json("import-strace", "--json", "job.log"))
    check_named(shark.json("show", "--json", "@1"))


def test_of_damaged_records(shark: Shark, edit_record):
    """The index's document has them, and fits."""
    shark.run("true")
    edit_record(lambda record: record.clear())
    document = shark.json("index", "--json", status=1)
    assert document["damaged"]
    check_named(document)


@pytest.mark.parametrize("attach", ["auto", "sidecar", "none"])
def test_of_a_real_run(shark: Shark, attach):
    """Processes, pipes, links, removed files, a failure, a name that is not text: record and manifests fit."""
    (shark.work / "in.csv").write_text("2\n1\n")
    (shark.work / "link.csv").symlink_to("in.csv")
    script = """
        sort link.csv | uniq > sorted; echo 3 >> in.csv; mv sorted final; (echo t > tmp; rm tmp) & wait
        echo x > "$(printf 'a\\377')"; ls nowhere; ln final second; python3 -c 'import os; os.kill(os.getpid(), 9)'
        exit 3
    """
    shark.run("sh", "-c", script, options=("--attach", attach, "--name", "n", "--tag", "k=v"), status=3)
    record = shark.json("show", "--json", "@1")
    check_named(record)
    assert record["outputs"]
    document = json.loads(shark("inspect", "--json", ".").stdout)
    check_named(document)
    manifests = [entry["manifest"] for entry in document if "manifest" in entry]
    assert len(manifests) >= 3
    for manifest in manifests:
        check(manifest, "manifest-1")


def test_of_a_manifest_that_was_too_large(shark: Shark):
    """The summary in the attribute of a file with many inputs."""
    (shark.work / "in").mkdir()
    for n in range(800):
        (shark.work / "in" / f"a-rather-long-name-{n:04}").write_text(str(n))
    shark.run("sh", "-c", "cat in/* > all")
    try:
        attribute = json.loads(os.getxattr(shark.work / "all", "user.shark"))
    except OSError:
        pytest.skip("this file system keeps no user attributes")
    check(attribute, "summary-1" if attribute.get("summary") else "manifest-1")
    [found] = shark.json("inspect", "--json", "all")
    check(found["manifest"], "manifest-1")


def test_every_command_has_a_schema():
    """A new command without one is found here."""
    kinds = {name.rpartition("-")[0] for name in DOCUMENTS}
    kinds.add("schema")  # its document lists them: schemas-1
    assert set(COMMANDS) - ELSEWHERE <= kinds


def test_schemas_by_name(runs: Shark):
    """`shark schema` finds one by the command, by file name, and by the name in the document."""
    for name in DOCUMENTS:
        kind, _, number = name.rpartition("-")
        for asked in (kind, name, f"shark/{kind}/{number}"):
            assert runs.json("schema", asked)["title"] == f"shark {name}"
