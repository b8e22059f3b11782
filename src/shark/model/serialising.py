"""JSON of many documents that share large parts: what was written of a part once is not written again."""

from __future__ import annotations

from collections.abc import Mapping

from shark import jsontext

_KEPT = 64
"""Parts that are kept: those that only one document has are not worth more."""

_CONTAINERS = (list, dict)

_TEXTS = 1000
"""Texts that are kept: keys, and what most documents of a run have in common."""

_LARGE = 256
"""Shorter parts, in bytes, are not worth keeping."""


class Serialiser:
    """Gives the same bytes as jsontext.dumps. Parts are known by their identity: they must not change meanwhile."""

    def __init__(self) -> None:
        # By id(): the object is kept with its text, so that the id stays its own.
        self._parts: dict[int, tuple[object, bytes]] = {}
        self._texts: dict[str, bytes] = {}

    def dumps(self, document: Mapping[str, object]) -> bytes:
        """The JSON of a document."""
        text, part = self._text, self.part
        return b"{%b}" % b",".join([b"%b:%b" % (text(key), part(value)) for key, value in document.items()])

    def size(self, document: Mapping[str, object]) -> int:
        """The length of `dumps(document)`, without joining it."""
        text, part = self._text, self.part
        inner = sum([len(text(key)) + 2 + len(part(value)) for key, value in document.items()])
        return 1 + max(inner, 1)  # the braces; of n members, n - 1 commas

    def part(self, value: object) -> bytes:
        """The JSON of one part of a document."""
        if type(value) is str:
            return self._text(value)
        if not isinstance(value, _CONTAINERS):
            return jsontext.dumps(value)
        known = self._parts.get(id(value))
        if known is not None:
            return known[1]
        text = jsontext.dumps(value)
        if len(text) >= _LARGE:
            if len(self._parts) >= _KEPT:
                self._parts.clear()
            self._parts[id(value)] = value, text
        return text

    def _text(self, value: str) -> bytes:
        known = self._texts.get(value)
        if known is None:
            if len(self._texts) >= _TEXTS:
                self._texts.clear()
            known = self._texts[value] = jsontext.dumps(value)
        return known
