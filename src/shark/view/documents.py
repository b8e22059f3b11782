"""What the commands give with `--json`, as types; JSON Schemas are generated from them (`shark.cli.write_schemas`).

The run record, the manifest and its summary are the model's (`shark.model.documents`), and so are the rules: fields are
added freely, a field that does not apply is absent, and a meaning never changes without raising the schema's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired, TypedDict

from shark.model.documents import Command, Manifest, Summary


class PysharkManifest(TypedDict):
    """A manifest of pyshark, shark's predecessor, as it was found. It names no `schema`."""

    args: NotRequired[Any]
    start: NotRequired[Any]
    end: NotRequired[Any]
    env: NotRequired[Any]
    inputs: NotRequired[Any]
    outputs: NotRequired[Any]
    git: NotRequired[Any]
    uname: NotRequired[Any]
    python: NotRequired[Any]


class Candidate(TypedDict):
    """A run that made the same bytes, at `path`; where `signal` is given, its command was killed."""

    run: str
    path: str
    start: str
    argv: list[str]
    exit: NotRequired[int]
    signal: NotRequired[int]


class InspectEntry(TypedDict):
    """What is known of one file: an element of the list that `shark inspect --json` gives.

    `state` says whether the content is the one described. `source` is where the manifest was found: `store` by path and
    digest, `digest` by the digest alone. `manifest` is absent where only `candidates` are known, or nothing. `problem`
    is what could not be read, in words.
    """

    schema: Literal["shark/inspect/1"]
    file: str
    state: Literal["current", "modified", "unknown"]
    source: Literal["xattr", "sidecar", "store", "digest", "none"]
    manifest: NotRequired[Manifest | Summary | PysharkManifest]
    candidates: NotRequired[list[Candidate]]
    problem: NotRequired[str]


class LogEntry(TypedDict):
    """What a listing says of one run, named as in its record; `outputs` and `gaps` are counts."""

    id: str
    name: NotRequired[str]
    tags: NotRequired[dict[str, str]]
    parent: NotRequired[str]
    command: Command
    outputs: int
    gaps: int


class Log(TypedDict):
    """The runs, newest first: `shark log --json`."""

    schema: Literal["shark/log/1"]
    runs: list[LogEntry]


class StrippedFile(TypedDict):
    """A file from which a manifest was removed, from these places; `why` says what hindered it."""

    file: str
    removed: list[Literal["xattr", "sidecar"]]
    why: NotRequired[str]


class Strip(TypedDict):
    """The files that had a manifest: `shark strip --json`."""

    schema: Literal["shark/strip/1"]
    files: list[StrippedFile]


class ForgottenRun(TypedDict):
    """A run that was removed, with so many objects that only it needed; `kept` says why others had to stay."""

    run: str
    objects: int
    kept: NotRequired[str]


class Forget(TypedDict):
    """The runs that were removed from the store: `shark forget --json`."""

    schema: Literal["shark/forget/1"]
    runs: list[ForgottenRun]


class Recover(TypedDict):
    """The ids of the runs that were finished from their journals: `shark recover --json`."""

    schema: Literal["shark/recover/1"]
    runs: list[str]


class DamagedRecord(TypedDict):
    """A run whose record cannot be read, and why, in words."""

    run: str
    problem: str


class IndexState(TypedDict):
    """The index as it is now: its file, the number of runs in it, the records that cannot be read (`shark index`)."""

    schema: Literal["shark/index/1"]
    path: str
    runs: int
    damaged: list[DamagedRecord]


class DoctorCheck(TypedDict):
    """One line of `shark doctor`. `warn`: it works, but; `fail`: shark cannot trace here. `advice`: what to do."""

    name: str
    state: Literal["ok", "warn", "fail"]
    detail: str
    advice: NotRequired[str]


class Doctor(TypedDict):
    """What this machine allows: `shark doctor --json`. `notes` are true of every machine."""

    schema: Literal["shark/doctor/1"]
    checks: list[DoctorCheck]
    notes: list[str]


class ImportedRun(TypedDict):
    """The id of the run that a log became: `shark import-strace --json`."""

    schema: Literal["shark/import-strace/1"]
    run: str


class SchemaNames(TypedDict):
    """The names of the JSON Schemas that there are: `shark schema --json`."""

    schema: Literal["shark/schemas/1"]
    names: list[str]


class CompletionScript(TypedDict):
    """The script that lets a shell complete shark's words: `shark completion SHELL --json`."""

    schema: Literal["shark/completion/1"]
    shell: Literal["bash", "zsh", "fish"]
    script: str


class ManualPage(TypedDict):
    """The manual page, in roff: `shark man --json`."""

    schema: Literal["shark/man/1"]
    text: str


DOCUMENTS: Final[Mapping[str, Any]] = {
    "inspect-1": list[InspectEntry],
    "log-1": Log,
    "strip-1": Strip,
    "forget-1": Forget,
    "recover-1": Recover,
    "index-1": IndexState,
    "doctor-1": Doctor,
    "import-strace-1": ImportedRun,
    "schemas-1": SchemaNames,
    "completion-1": CompletionScript,
    "man-1": ManualPage,
}
"""The names of the schema files (without `.json`), and the types that they describe."""
