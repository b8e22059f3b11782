"""Manifests (`shark/manifest/1`), made from a run record alone, so that each can be made again at any time."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from shark import jsontext
from shark.model.derivation import Derive, input_versions, software_of
from shark.model.folding import LIMIT, Folder
from shark.model.lineage import by_output
from shark.model.serialising import Serialiser
from shark.model.writers import last_writers
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import (
        ImageEntry,
        InputEntry,
        Manifest,
        ManifestProcess,
        OutputEntry,
        ProcessEntry,
        RunRecord,
        Summary,
    )

_CONTEXT = ("git", "host", "container", "scheduler", "workflow", "ci", "env")
_RECORD_ONLY = frozenset({"changes", "changes_left_out", "patch_left_out"})
_COMMAND = ("argv", "cwd", "exit", "signal", "start", "end", "seconds")
SUMMARY_LIMIT = 900
"""A summary's JSON is shorter than this, in bytes: it must fit into any file system's attributes."""

__all__ = ["SUMMARY_LIMIT", "attachments", "input_versions", "manifests", "software_of", "summary"]


def manifests(record: RunRecord, derive: Derive = by_output, *, fold: bool = True) -> Iterator[Manifest]:
    """One manifest per output, in the record's order. They share parts with the record: do not change them.

    Without `fold`, a large one lists all its inputs one by one nevertheless.
    """
    for _, manifest in _all(record, record["outputs"], derive, fold=fold):
        yield manifest


def attachments(
    record: RunRecord, derive: Derive = by_output, serialiser: Serialiser | None = None
) -> Iterator[tuple[OutputEntry, Manifest]]:
    """The outputs to which a manifest shall be attached, each with it: those whose `attached` is not settled yet.

    Their JSON is best had from the `serialiser`: it knows the parts that they share.
    """
    return _all(record, [output for output in record["outputs"] if "attached" not in output], derive, serialiser)


def _all(
    record: RunRecord,
    outputs: list[OutputEntry],
    derive: Derive,
    serialiser: Serialiser | None = None,
    *,
    fold: bool = True,
) -> Iterator[tuple[OutputEntry, Manifest]]:
    if not outputs:
        return
    derivation_of = derive(record)
    folder = Folder(LIMIT if fold else sys.maxsize, serialiser)
    common = _common(record)
    processes = {process["n"]: process for process in record["processes"]}
    writers: dict[tuple[int, int], ManifestProcess] = {}
    last_writer = last_writers(record)
    for output in outputs:
        derivation = derivation_of(output)
        writer = last_writer(output)
        manifest: dict[str, Any] = {"schema": "shark/manifest/1", "scope": derivation.scope, "run": record["id"]}
        if "mtime" in output:
            manifest["made"] = output["mtime"]
        manifest["output"] = {key: output[key] for key in ("path", "sha256", "size") if key in output}
        manifest["inputs"] = derivation.inputs
        if derivation.controls:
            manifest["controls"] = derivation.controls
        manifest["software"] = derivation.software
        manifest["command"] = common["command"]
        if writer is not None and writer["process"] in processes:
            key = writer["process"], writer["image"]
            if key not in writers:
                writers[key] = _process(processes, *key, certain=record.get("flow") == "output")
            manifest["process"] = writers[key]
        manifest.update(common["rest"])
        yield output, _folded(manifest, derivation.own, folder)  # type: ignore[arg-type]


def _folded(manifest: Manifest, own: Sequence[InputEntry], folder: Folder) -> Manifest:
    """The manifest, small enough, with the output's `own` inputs among the others; those are never folded."""
    if not own:
        return folder.fold(manifest)
    folded = folder.fold(manifest, sum(len(jsontext.dumps(entry)) + 1 for entry in own))
    inputs = list(folded["inputs"])
    for entry in own:
        inputs.insert(bisect_right(inputs, entry["path"], key=lambda other: other["path"]), entry)
    return {**folded, "inputs": inputs}


def _common(record: RunRecord) -> dict[str, Any]:
    rest: dict[str, Any] = {key: record[key] for key in _CONTEXT if key in record}  # type: ignore[literal-required]
    if "git" in rest:  # how large a manifest is must not depend on how untidy a repository is
        rest["git"] = [{k: v for k, v in section.items() if k not in _RECORD_ONLY} for section in rest["git"]]
    if "cpu_details" in rest.get("host", ()):
        rest["host"] = {key: value for key, value in rest["host"].items() if key != "cpu_details"}
    if "network" in record:
        rest["network"] = [
            {key: endpoint[key] for key in ("family", "address", "port") if key in endpoint}
            for endpoint in record["network"]
        ]
    if "resources" in record:
        rest["resources"] = record["resources"]
    rest["coverage"] = record["coverage"]
    rest["shark"] = record["shark"]
    command = {key: value for key, value in record["command"].items() if key in _COMMAND}
    return {"command": command, "rest": rest}


def _process(processes: dict[int, ProcessEntry], n: int, image: int, *, certain: bool) -> ManifestProcess:
    """The writer of an output.

    If it is not `certain`: of a process that opened the file between its fork and its first exec (a shell's
    redirection), the program that it then became is named: that one wrote.
    """
    process = processes[n]
    images = process["images"]
    number = image + 1 if not certain and image + 1 < len(images) and "forked" in images[image] else image
    shown = _program(processes, images[number]) if number < len(images) else None
    entry: dict[str, Any] = {"n": n, "argv": shown["argv"] if shown else []}
    for key in ("exe", "cwd"):
        if shown and shown.get(key):
            entry[key] = shown[key]
    for key in ("start", "end"):
        if key in process:
            entry[key] = process[key]  # type: ignore[literal-required]
    return entry  # type: ignore[return-value]


def _program(processes: dict[int, ProcessEntry], image: ImageEntry) -> ImageEntry | None:
    """An image, or the one of which it is a fork's copy."""
    seen = 0
    while "forked" in image and seen <= len(processes):
        seen += 1
        origin = processes.get(image["forked"]["process"])
        if origin is None or image["forked"]["image"] >= len(origin["images"]):
            return None
        image = origin["images"][image["forked"]["image"]]
    return image if "argv" in image else None


def summary(manifest: Manifest, text: bytes = b"") -> Summary:
    """What to keep in an attribute when the whole manifest does not fit; its JSON is under `SUMMARY_LIMIT` bytes.

    `text` is the manifest's JSON, if that is at hand.
    """
    import hashlib

    counts = {"inputs": _count(manifest["inputs"])}
    if "controls" in manifest:
        counts["controls"] = _count(manifest["controls"])
    counts["software"] = len(manifest["software"])
    document: dict[str, Any] = {
        "schema": "shark/manifest/1",
        "summary": True,
        "run": manifest["run"],
        "output": {key: manifest["output"][key] for key in ("sha256", "size") if key in manifest["output"]},
        "manifest_sha256": hashlib.sha256(text or jsontext.dumps(manifest)).hexdigest(),
        "counts": counts,
        "command": {"argv": []},
        "shark": manifest["shark"],
    }
    command = document["command"]
    for key in ("exit", "signal"):
        if key in manifest["command"]:
            command[key] = manifest["command"][key]
    argv = manifest["command"]["argv"]
    command["cut"] = True
    room = SUMMARY_LIMIT - 1 - len(jsontext.dumps(document))
    command["argv"] = _shortened(argv, room)
    if command["argv"] == argv:
        del command["cut"]
    return document  # type: ignore[return-value]


def _count(entries: list[InputEntry]) -> int:
    return len(entries) + sum([entry["files"] - 1 for entry in entries if "files" in entry])


def _shortened(argv: list[str], room: int) -> list[str]:
    """As many arguments as fit into `room` bytes of JSON, each cut to 200 characters."""
    kept: list[str] = []
    for argument in argv:
        short = argument if len(argument) <= 200 else argument[:199] + "…"
        room -= len(jsontext.dumps(short)) + 1
        if room < 0:
            break
        kept.append(short)
    return kept
