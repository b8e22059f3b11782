"""Documents that share parts are written as the parts' JSON put together."""

from __future__ import annotations

from shark import jsontext
from shark.model.serialising import Serialiser


def documents():
    shared = [{"path": f"/in/{n}\udcff", "size": n} for n in range(50)]
    for n in range(200):
        yield {
            "n": n,
            "output": {"path": f"/out/{n}"},
            "inputs": shared,
            "more": [str(n) * 300],
            "x": None,
            "é\n": True,
        }


def test_the_bytes_are_those_of_the_whole():
    serialiser = Serialiser()
    for document in [{}, {"a": []}, *documents()]:
        text = serialiser.dumps(document)
        assert text == jsontext.dumps(document)
        assert serialiser.size(document) == len(text)


def test_what_only_one_document_has_is_not_kept_for_ever():
    serialiser = Serialiser()
    for document in documents():
        serialiser.dumps(document)
    assert len(serialiser._parts) <= 64
