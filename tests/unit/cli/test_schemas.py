"""Every document's schema: shipped as the types say, and true of the documents that were released."""

from __future__ import annotations

from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import Any, is_typeddict

import jsonschema
import pytest

from shark import jsontext
from shark.cli.write_schemas import DOCUMENTS
from shark.lookup import remake
from shark.model import documents as documents_of_the_model
from shark.model import schema
from shark.model.manifest import manifests
from shark.store.home import Store
from shark.store.index import Index
from shark.store.manifests import parse
from shark.view import documents as documents_of_the_commands
from shark.view.directory import add_directory
from shark.view.doctor import add_checks
from shark.view.inspect import add_found, add_manifest
from shark.view.look import Look
from shark.view.markdown import summary as markdown
from shark.view.page import Page
from shark.view.runs import add_log, add_run

RELEASED = Path(__file__).parents[1] / "model" / "data"
"""One frozen example of every schema: as shark wrote it, never to be changed. A new number gets a new file."""


def released(name: str) -> Any:
    return jsontext.loads((RELEASED / f"{name}.json").read_bytes())


def test_what_is_shipped_is_what_the_types_say():
    folder = files("shark").joinpath("schemas")
    shipped = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.name.endswith(".json")}
    stale = "stale: run `python -m shark.cli.write_schemas`"
    assert shipped.keys() == {f"{name}.json" for name in DOCUMENTS}, stale
    for name, content in schema.texts(DOCUMENTS):
        assert shipped[name] == content, f"{name} is {stale}"


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_what_was_released_fits_still(name):
    """A field that became required, or another type, would break those who have such documents."""
    found = schema.schema(DOCUMENTS[name], name)
    jsonschema.Draft202012Validator.check_schema(found)
    jsonschema.validate(released(name), found)


def test_no_type_hides_another():
    """Definitions are named after their types: two types of one name would be taken for one."""
    model, commands = (
        {name for name, kind in vars(module).items() if is_typeddict(kind) and kind.__module__ == module.__name__}
        for module in (documents_of_the_model, documents_of_the_commands)
    )
    assert model
    assert commands
    assert not model & commands


class TestReadBack:
    """Today's readers understand what was released."""

    look = Look(cwd="/home/ada/fish")

    def test_run(self):
        record = released("run-1")
        page = Page(self.look)
        add_run(page, record)
        text = page.text()
        assert "sort table.csv -o out.csv" in text
        assert "reads  table.csv" in text
        again = list(manifests(record))
        assert [manifest["output"]["path"] for manifest in again] == ["/home/ada/fish/out.csv"]
        assert [entry["path"] for entry in again[0]["inputs"]] == ["/home/ada/fish/table.csv"]
        assert "out.csv" in markdown(record, again, "/home/ada/fish")

    def test_run_in_the_store(self, tmp_path):
        record = released("run-1")
        environ = {"SHARK_HOME": str(tmp_path)}
        store = Store.open(environ, write=True)
        store.write_record(record)
        assert store.read_record(record["id"]) == record
        with closing(Index.open(store, environ)) as index:
            assert index.run(record["id"]).name == "nightly"
            assert [version.path for version in index.used(run=record["id"])] == [b"/home/ada/fish/table.csv"]
        assert remake(store, record["id"], b"/home/ada/fish/out.csv")["run"] == record["id"]

    def test_manifest(self):
        manifest, problem = parse((RELEASED / "manifest-1.json").read_bytes())
        assert (manifest, problem) == (released("manifest-1"), "")
        page = Page(self.look)
        add_manifest(page, released("manifest-1"))
        assert "table.csv" in page.text()

    def test_summary(self):
        found, problem = parse((RELEASED / "summary-1.json").read_bytes())
        assert problem == ""
        assert found is not None
        page = Page(self.look)
        add_manifest(page, found)
        assert "sort table.csv -o out.csv" in page.text()

    def test_inspect(self):
        page = Page(self.look)
        for found in released("inspect-1"):
            add_found(page, found)
        add_directory(page, "/home/ada/fish", released("inspect-1"))
        text = page.text()
        for words in ("unchanged since", "changed since", "Candidates", "pyshark", "nothing is known"):
            assert words in text

    def test_log(self):
        page = Page(self.look)
        add_log(page, released("log-1")["runs"])
        assert "[nightly] sort table.csv -o out.csv" in page.text()

    def test_doctor(self):
        page = Page(self.look)
        add_checks(page, released("doctor-1"))
        assert "shark can trace here" in page.text()
