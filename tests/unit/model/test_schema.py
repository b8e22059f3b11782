"""The schemas that are shipped: equal to the types, and true of real documents."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal, TypedDict

import jsonschema
import pytest

from shark import jsontext
from shark.model.manifest import manifests, summary
from shark.model.schema import DOCUMENTS, schema, texts

from .events_builder import Run, final
from .test_record import TestSubRuns


def test_what_is_shipped_is_what_the_types_say():
    folder = files("shark").joinpath("schemas")
    for name, content in texts():
        assert folder.joinpath(name).read_bytes() == content, (
            f"{name} is stale: run `python -m shark.cli.write_schemas`"
        )


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_they_are_valid_schemas(name):
    jsonschema.Draft202012Validator.check_schema(schema(DOCUMENTS[name], name))


def test_documents_fit_them():
    def check(document: Any, name: str) -> None:
        jsonschema.validate(jsontext.loads(jsontext.dumps(document)), schema(DOCUMENTS[name], name))

    run: Run = TestSubRuns().run()
    record = run.record(final(run), name="n")
    check(record, "run-1")
    for manifest in manifests(record):
        check(manifest, "manifest-1")
        check(summary(manifest), "summary-1")
    with pytest.raises(jsonschema.ValidationError):
        check(record, "manifest-1")


def test_all_kinds_of_types():
    class Node(TypedDict):
        below: list[Node]
        value: int | None
        kind: Literal["a", "b"]

    Node.__annotations__["below"] = list[Node]
    found = schema(Node, "node-1")["$defs"]["Node"]
    assert found["properties"] == {
        "below": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
        "value": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "kind": {"enum": ["a", "b"]},
    }
    assert schema(list[Node], "nodes-1")["type"] == "array"


def test_what_json_has_not():
    with pytest.raises(TypeError, match="no JSON Schema"):
        schema(set, "x")
