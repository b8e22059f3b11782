"""Manifests of pyshark, shark's predecessor, brought into today's shape so that one page shows both. Pure.

Its keys: `args, start, end, env, inputs[{path, sha|hash, history}|{url}], outputs, git, uname, python`.
"""

from __future__ import annotations

from typing import Any

from shark.view import reading
from shark.view.reading import Document


def is_legacy(manifest: Document) -> bool:
    """True for a manifest of pyshark: it names no schema."""
    return "schema" not in manifest and bool({"args", "inputs", "outputs"} & set(manifest))


def modern(manifest: Document) -> Document:
    """`manifest` in the shape of `shark/manifest/1`, as far as it goes; a modern one is returned as it is."""
    if not is_legacy(manifest):
        return manifest
    made: dict[str, Any] = {
        "command": _command(manifest),
        "inputs": [_input(i) for i in reading.each(manifest, "inputs")],
    }
    uname = reading.value(manifest, "uname")
    if isinstance(uname, list) and uname:
        made["host"] = {"name": next((u for u in uname[1:2] if isinstance(u, str)), "")}
    if python := reading.text(manifest, "python"):
        made["python"] = python
    if git := _git(reading.value(manifest, "git")):
        made["git"] = [git]
    return made


def _command(manifest: Document) -> dict[str, Any]:
    args = reading.texts(manifest, "args") or [reading.text(manifest, "args")]
    command: dict[str, Any] = {"argv": [arg for arg in args if arg]}
    for key in ("start", "end"):
        if stamp := reading.text(manifest, key):
            command[key] = stamp
    return command


def _input(entry: Document) -> dict[str, Any]:
    if url := reading.text(entry, "url"):
        return {"path": url, "role": "data"}
    digest = reading.text(entry, "sha") or reading.text(entry, "hash")
    return {"path": reading.text(entry, "path"), "role": "data", **({"sha256": digest} if digest else {})}


def _git(git: object) -> dict[str, Any]:
    if isinstance(git, str):
        return {"commit": git}
    return {k: v for k, v in reading.mapping(git).items() if isinstance(v, str | bool | dict)}
