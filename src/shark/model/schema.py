"""JSON Schemas (draft 2020-12) of shark's documents, generated from their types.

The files in `shark/schemas/` hold what `texts` yields; a test keeps them equal to what the types say. Unknown keys are
allowed, since readers ignore them; but not in what people write (`CLOSED`), where they are slips.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NotRequired, Required, is_typeddict

from shark import jsontext
from shark.model import documents

DOCUMENTS: Mapping[str, type] = {
    "run-1": documents.RunRecord,
    "manifest-1": documents.Manifest,
    "summary-1": documents.Summary,
}
"""The names of the schema files (without `.json`), and the types that they describe."""

CLOSED = frozenset({"settings-1"})
"""The documents in which a key that is not known is an error."""

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    Any: {},
}


def schema(document: type, name: str) -> dict[str, Any]:
    """The JSON Schema of a document type: a TypedDict, or a list of one. Raises TypeError for what JSON has not."""
    definitions: dict[str, Any] = {}
    root = _of(document, definitions)
    if name in CLOSED:
        definitions = _closed(definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:shark:schema:{name}",
        "title": f"shark {name}",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _closed(definitions: dict[str, Any]) -> dict[str, Any]:
    return {name: {**definition, "additionalProperties": False} for name, definition in definitions.items()}


def texts(named: Mapping[str, type] = DOCUMENTS) -> Iterator[tuple[str, bytes]]:
    """File names and contents of all schemas that shark ships."""
    for name, document in named.items():
        yield f"{name}.json", jsontext.dumps(schema(document, name), indent=True) + b"\n"


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    try:
        return dict(_PLAIN[kind])
    except (KeyError, TypeError):
        pass
    if is_typeddict(kind):
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}  # a type may contain itself
            definitions[kind.__name__] = _object(kind, definitions)
        return {"$ref": f"#/$defs/{kind.__name__}"}
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {Required, NotRequired}:
        return _of(arguments[0], definitions)
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _of(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _of(arguments[1], definitions)}
    if origin in {types.UnionType, typing.Union}:
        return {"anyOf": [_of(argument, definitions) for argument in arguments]}
    raise TypeError(f"{kind!r} has no JSON Schema")


def _object(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, include_extras=True)
    found: dict[str, Any] = {"type": "object"}
    if kind.__doc__:
        found["description"] = " ".join(kind.__doc__.split())
    found["properties"] = {name: _of(hint, definitions) for name, hint in hints.items()}
    # Not __required_keys__: under `from __future__ import annotations` it does not see NotRequired (PEP 655).
    found["required"] = [name for name, hint in hints.items() if typing.get_origin(hint) is not NotRequired]
    return found
