"""Tolerant reading of documents for display. Pure.

A manifest comes from an attribute that anybody may have written. A field of the wrong type is shown as if it were
absent; what can be shown is shown, and nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Document = Mapping[str, Any]
"""A parsed JSON object, of which nothing is believed."""


def value(document: object, *keys: str) -> Any:
    """What lies at the path `keys`; None where there is nothing.

    >>> value({"a": {"b": 1}}, "a", "b"), value({"a": 3}, "a", "b")
    (1, None)
    """
    for key in keys:
        if type(document) is not dict and not isinstance(document, Mapping):  # the former is quick to tell
            return None
        document = document.get(key)
    return document


def text(document: object, *keys: str) -> str:
    """The text at `keys`, "" if there is none."""
    found = value(document, *keys)
    return found if isinstance(found, str) else ""


def number(document: object, *keys: str) -> float | int | None:
    """The number at `keys`, None if there is none (true and false are no numbers)."""
    found = value(document, *keys)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def mapping(document: object, *keys: str) -> Document:
    """The object at `keys`, an empty one if there is none."""
    found = value(document, *keys)
    return found if isinstance(found, Mapping) else {}


def each(document: object, *keys: str) -> list[Document]:
    """The objects in the list at `keys`; whatever else the list holds is left out."""
    found = value(document, *keys)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def fields(document: object, named: Iterable[str], numbered: Iterable[str] = ()) -> dict[str, Any]:
    """Those of the fields that the object has: texts, and numbers.

    >>> fields({"path": "/a", "size": 3, "role": 5}, ("path", "role"), ("size",))
    {'path': '/a', 'size': 3}
    """
    found: dict[str, Any] = {key: text(document, key) for key in named if text(document, key)}
    return found | {key: number(document, key) for key in numbered if number(document, key) is not None}


def texts(document: object, *keys: str) -> list[str]:
    """The texts in the list at `keys`."""
    found = value(document, *keys)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
