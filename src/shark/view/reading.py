"""Tolerant reading of documents for display. Pure.

A manifest comes from an attribute that anybody may have written. A field of the wrong type is shown as if it were
absent; what can be shown is shown, and nothing here raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Document = Mapping[str, Any]
"""A parsed JSON object, of which nothing is believed."""


def value(document: object, *keys: str) -> Any:
    """What lies at the path `keys`; None where there is nothing.

    >>> value({"a": {"b": 1}}, "a", "b"), value({"a": 3}, "a", "b")
    (1, None)
    """
    for key in keys:
        if not isinstance(document, Mapping):
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


def texts(document: object, *keys: str) -> list[str]:
    """The texts in the list at `keys`."""
    found = value(document, *keys)
    return [item for item in found if isinstance(item, str)] if isinstance(found, list) else []
