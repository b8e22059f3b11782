"""What is known of one thing that is to be compared: a run by its record, a file by its manifest."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from shark import lookup
from shark.checking.records import Records
from shark.errors import EXIT_USAGE, NotFound, SharkError
from shark.model.comparison import Side
from shark.model.derivation import Contents, input_versions
from shark.store.manifests import is_legacy
from shark.view.legacy import modern
from shark.view.words import advised

if TYPE_CHECKING:
    from shark.view.documents import DiffSide


@dataclass(slots=True)
class Given:
    """A side with what is to be said of it; `file` is "" for a whole run."""

    side: Side
    file: str = ""
    sha256: str = ""
    start: str = ""
    note: str = ""

    def document(self) -> DiffSide:
        """Give its part of the document of `shark diff --json`."""
        document: DiffSide = {"run": self.side.run, "argv": list(self.side.argv)}
        for key in ("file", "sha256", "start", "note"):
            if value := getattr(self, key):
                document[key] = value
        return document


def given(spec: str, records: Records) -> Given:
    """What `spec` names: a path if there is one, else a run. Raises SharkError with the status for trouble."""
    try:
        if not os.path.lexists(spec):
            return _run(lookup.run_named(records.store, spec), records)
        if os.path.isdir(spec):
            raise SharkError(f"{spec} is a directory", "Name two files, or two runs (see `shark log`).")
        return _file(spec, records)
    except NotFound as error:  # 1 would say that they differ
        raise SharkError(error.message, error.hint, EXIT_USAGE) from error


def _run(run: str, records: Records) -> Given:
    record = records.store.read_record(run)
    try:
        contents = Contents(cast("Any", record))
        versions = input_versions(cast("Any", record))
        inputs = [contents.entry(file, version, used) for (file, version), used in versions.items()]
        outputs = {output["path"]: output.get("sha256", "") for output in record["outputs"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise SharkError(f"the record of run {run} has another shape than expected", "See `shark index`.") from error
    side = _side(record, run, cast("Any", inputs), outputs)
    return Given(side, start=_text(_object(record, "command"), "start"))


def _file(name: str, records: Records) -> Given:
    [answer] = lookup.answers([os.fsencode(name)], records.store, records.environ)
    manifest, note = answer.manifest, ""
    if manifest is None and answer.candidates:
        first = answer.candidates[0]
        manifest = lookup.remake(records.store, first["run"], os.fsencode(first["path"]))
        note = f"{len(answer.candidates)} runs made these bytes" if len(answer.candidates) > 1 else ""
    if manifest is None:
        why = f": {answer.problems[0]}" if answer.problems else ""
        raise NotFound(
            f"nothing is known of where {name} comes from{why}", f"See {advised('shark', 'inspect', path=name)}."
        )
    if answer.manifest is not None and answer.state == "modified":
        note = "the file has changed since: compared is what was recorded"
    if is_legacy(manifest):
        manifest = {**modern(manifest), "output": {}}
    output = _object(manifest, "output")
    run, path, sha256 = _text(manifest, "run"), _text(output, "path"), _text(output, "sha256")
    lists = records.lists(run, path, sha256)
    if lists is None and manifest.get("summary"):
        note = note or "only a summary is with the file: its inputs are not known here"
    inputs = [entry for key in ("inputs", "controls") for entry in manifest.get(key, ())]
    if lists is not None:
        inputs = [*lists[0], *lists[1]]
    side = _side(manifest, run, inputs, {path or os.path.abspath(name): sha256})
    side.writer = _object(manifest, "process").get("argv", [])
    return Given(side, name, sha256, _text(_object(manifest, "command"), "start"), note)


def _side(document: Mapping[str, Any], run: str, inputs: list[Mapping[str, Any]], outputs: Mapping[str, str]) -> Side:
    command = _object(document, "command")
    ended = {key: command[key] for key in ("exit", "signal") if key in command}
    return Side(
        run,
        [str(argument) for argument in command.get("argv", ())],
        _text(command, "cwd"),
        (),
        inputs,
        [purl for purl in document.get("software", ()) if isinstance(purl, str)],
        [section for section in document.get("git", ()) if isinstance(section, dict)],
        _object(document, "env"),
        _object(document, "host"),
        _object(document, "container"),
        [endpoint for endpoint in document.get("network", ()) if isinstance(endpoint, dict)],
        outputs,
        ", ".join(f"{key} {value}" for key, value in ended.items()),
    )


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _text(document: Mapping[str, Any], key: str) -> str:
    found = document.get(key)
    return found if isinstance(found, str) else ""
