"""What the commands give with `--json`, as types; JSON Schemas are generated from them (`shark.cli.write_schemas`).

The run record, the manifest and its summary are the model's (`shark.model.documents`), and so are the rules: fields are
added freely, a field that does not apply is absent, and a meaning never changes without raising the schema's number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, NotRequired, TypedDict

from shark.model.documents import Command, GapEntry, Manifest, ShortCommand, Summary
from shark.model.sections import HookEntry, KeptFile, SettingsUsed


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


class LogException(TypedDict):
    """The exception with which a block ended."""

    type: str


class LogRecording(TypedDict):
    """How a block of a program ended; `outcome` is as in a record's `recording`."""

    outcome: str
    exception: NotRequired[LogException]


class LogEntry(TypedDict):
    """What a listing says of one run, named as in its record; `outputs` and `gaps` are counts."""

    id: str
    name: NotRequired[str]
    tags: NotRequired[dict[str, str]]
    parent: NotRequired[str]
    command: Command
    recording: NotRequired[LogRecording]
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


class StepEntry(TypedDict):
    """A process of a run that took part in making an output: its number in the run record, and what it ran last."""

    process: int
    argv: list[str]
    exe: NotRequired[str]


KnowledgeEnd = Literal["source", "unknown-run", "damaged", "unhashed", "folded", "depth", "many"]
"""Why a graph of lineage goes no further: no run is known that made (or used) this content; the run is known by its
id alone; its record cannot be read; there is no digest to look it up by; the manifest stands for several files at once;
the depth that was asked for is reached; there are more candidates than are shown."""


class FileNode(TypedDict):
    """One content of a file, at the path at which a run used or made it.

    `at` is where the file is now, if that is known and another place; `files` says that it stands for so many files
    below `path`. `depth` counts the runs between it and the nearest file that was asked about. For such a file, `state`
    says whether what is shown is about its present content. `candidates`: so many runs made (or paths had) the same
    bytes, of which not all are shown. `end` and, in words, `why`: the graph goes no further here.
    """

    id: str
    kind: Literal["file"]
    path: str
    sha256: NotRequired[str]
    size: NotRequired[int]
    role: NotRequired[str]
    files: NotRequired[int]
    at: NotRequired[str]
    depth: int
    candidates: NotRequired[int]
    state: NotRequired[Literal["current", "modified", "unknown", "missing"]]
    end: NotRequired[KnowledgeEnd]
    why: NotRequired[str]


class RunNode(TypedDict):
    """A run, or the part of it that made some outputs from the same inputs.

    `part` numbers these parts (from 1) where the outputs of the run derive from different inputs. `source` says from
    what it is known: the store, or a manifest that a file carries. `steps` are the processes that led to the outputs.
    """

    id: str
    kind: Literal["run"]
    run: str
    part: NotRequired[int]
    name: NotRequired[str]
    command: NotRequired[Command | ShortCommand]
    scope: NotRequired[Literal["output", "run"]]
    source: Literal["store", "manifest", "none"]
    steps: NotRequired[list[StepEntry]]
    depth: int
    end: NotRequired[KnowledgeEnd]
    why: NotRequired[str]


LineageEdge = TypedDict(
    "LineageEdge",
    {
        "from": str,
        "to": str,
        "kind": Literal["input", "control", "output", "same"],
        "as": NotRequired[str],
        "certain": NotRequired[Literal[False]],
        "only": NotRequired[str],
    },
)
LineageEdge.__doc__ = """Where data flowed: `input` and `control` from a file to a run, `output` from a run to a file,
and `same` from a file to another one with the same bytes, moved or copied outside of any run that is known.

`certain` is there, and false, where it is one of several possibilities, or known by the path alone. `only`: this input
flowed into that one output of the run and no other (its earlier content). `as` is the path that the program used."""


class Lineage(TypedDict):
    """Where files come from, across runs: `shark lineage --json`. `roots` are the ids of the files asked about.

    Candidates (runs that made the same bytes) are in the order of their likelihood. `problems` are sentences.
    """

    schema: Literal["shark/lineage/1"]
    roots: list[str]
    nodes: list[FileNode | RunNode]
    edges: list[LineageEdge]
    problems: NotRequired[list[str]]


class Impact(TypedDict):
    """What was made from files, across runs: `shark impact --json`. As in lineage; `depth` counts downstream."""

    schema: Literal["shark/impact/1"]
    roots: list[str]
    nodes: list[FileNode | RunNode]
    edges: list[LineageEdge]
    problems: NotRequired[list[str]]


class VerifiedInput(TypedDict):
    """An input of a file that is not as it was, or could not be compared (`why` says why).

    Without a digest, it is `touched` if it has the same size but another time, and `unchecked` if nothing speaks for a
    change.

    `list` is where the manifest names it, `path` and `sha256` what it names; `at` is the file that was compared.
    """

    path: str
    state: Literal["modified", "missing", "touched", "unchecked"]
    list: Literal["inputs", "controls"]
    sha256: NotRequired[str]
    at: NotRequired[str]
    why: NotRequired[str]


class VerifiedFile(TypedDict):
    """One file, compared with its manifest. `recorded` is where it was when it was recorded, if that is elsewhere.

    `unknown`: nothing is known of it, or it could not be compared; `problem` says why. Only `ok` is a good state.
    """

    file: str
    state: Literal["ok", "modified", "missing", "input-modified", "input-missing", "unknown"]
    run: NotRequired[str]
    source: NotRequired[Literal["xattr", "sidecar", "store", "digest"]]
    recorded: NotRequired[str]
    inputs: NotRequired[list[VerifiedInput]]
    problem: NotRequired[str]


class Verify(TypedDict):
    """Files compared with what was recorded of them and of their inputs: `shark verify --json`.

    `counts` is the number of files in each state, `without` that of the files below directories that have no manifest.
    """

    schema: Literal["shark/verify/1"]
    files: list[VerifiedFile]
    counts: dict[str, int]
    without: int


class GraphNode(TypedDict):
    """A thing in a picture. `label` and `note` are what is written on it, every odd character escaped.

    `kind` says which of the other fields there are. A `file` is one content of a file, with the fields of the run
    record's files and versions; `place` is where it stands in the flow. A `process` has the fields of the run record's
    processes, with the program that it ran last in `argv`, those before it in `before`, and the node of its `parent`.
    A `run` has its id in `run`. A `package` has its package URL. A `channel` joins processes, a `network` is an address
    outside. A `group` stands for `count` alike nodes, its `members`, all of the kind `of`; `failed` says how many of
    them failed. `unknown` says why nothing is known of where it comes from.
    """

    id: str
    kind: Literal["file", "process", "run", "package", "channel", "network", "group"]
    label: str
    note: NotRequired[str]
    path: NotRequired[str]
    type: NotRequired[str]
    place: NotRequired[Literal["input", "intermediate", "output"]]
    role: NotRequired[str]
    package: NotRequired[str]
    sha256: NotRequired[str]
    size: NotRequired[int]
    mtime: NotRequired[str]
    why: NotRequired[str]
    run: NotRequired[str]
    unknown: NotRequired[str]
    n: NotRequired[int]
    parent: NotRequired[str]
    argv: NotRequired[list[str]]
    before: NotRequired[list[list[str]]]
    exe: NotRequired[str]
    cwd: NotRequired[str]
    start: NotRequired[str]
    end: NotRequired[str]
    seconds: NotRequired[float]
    exit: NotRequired[int]
    signal: NotRequired[int]
    cpu_seconds: NotRequired[float]
    max_rss: NotRequired[int]
    read_bytes: NotRequired[int]
    written_bytes: NotRequired[int]
    of: NotRequired[Literal["file", "process", "run", "package", "channel", "network"]]
    count: NotRequired[int]
    failed: NotRequired[int]
    members: NotRequired[list[str]]


GraphEdge = TypedDict(
    "GraphEdge",
    {
        "from": str,
        "to": str,
        "kind": Literal["read", "write", "exec", "list", "start", "control", "same", "channel"],
        "count": NotRequired[int],
        "certain": NotRequired[Literal[False]],
    },
)
GraphEdge.__doc__ = """An arrow of a picture, in the direction of the data: from a file to the process that read it.

`start` leads from a process to one that it started, `control` from a file that decided on a step without being its
input, `same` from a file to another one with the same bytes, `channel` from a process to one that it sent data to
through a pipe, a socket or shared memory. `count` is how many arrows it stands for, where there are several; `certain`
is there, and false, where it is one of several possibilities."""


class Graph(TypedDict):
    """A picture of a run, or of where a file comes from: `shark graph --json`. `detail` says what is left out."""

    schema: Literal["shark/graph/1"]
    title: str
    run: NotRequired[str]
    file: NotRequired[str]
    command: NotRequired[Command]
    detail: Literal["overview", "files", "software", "all"]
    nodes: list[GraphNode]
    edges: list[GraphEdge]


class StaleCause(TypedDict):
    """What changed since a file was made: an input (`modified`, `missing`), or what its run did not find then.

    `touched`: an input of which no digest was recorded has the same size but another time: it may have changed.
    `new-entry`: a file in a directory that the run listed; `appeared`: a path that it looked for. `run` is the run that
    used it. `chain` are the paths through which it reached the file: those of the intermediate files, in that order.
    `at` is the file that has changed, where the folder was moved.
    """

    path: str
    change: Literal["modified", "missing", "touched", "new-entry", "appeared"]
    sha256: NotRequired[str]
    at: NotRequired[str]
    run: str
    list: NotRequired[Literal["inputs", "controls"]]
    chain: list[str]


class StatusFile(TypedDict):
    """An output that is not up to date, or may not be: `causes`, the nearest first."""

    file: str
    state: Literal["stale", "maybe-stale"]
    run: str
    causes: list[StaleCause]


class Status(TypedDict):
    """The outputs below a directory that should be made again: `shark status --json`.

    `counts` is the number of outputs that are `current`, `stale` and `maybe-stale`, and of those that are not compared
    with their inputs: `modified` (not as their run left them) and `unknown` (it could not be told).
    """

    schema: Literal["shark/status/1"]
    directory: str
    files: list[StatusFile]
    counts: dict[str, int]


class DiffSide(TypedDict):
    """One of the two things that are compared; `file` is absent for a whole run, `sha256` is the content as recorded.

    `note` is something to know of it, in words: that the file has changed since, that several runs made these bytes.
    """

    file: NotRequired[str]
    sha256: NotRequired[str]
    run: str
    argv: list[str]
    start: NotRequired[str]
    note: NotRequired[str]


class DiffOutput(TypedDict):
    """An output that is not the same on both sides: its path and digest on each side that has it."""

    a: NotRequired[str]
    b: NotRequired[str]
    a_sha256: NotRequired[str]
    b_sha256: NotRequired[str]


class DiffDifference(TypedDict):
    """One thing that was different when the two were made.

    `name` is the file, package, variable, repository or the like; `a` and `b` are its values (digest, version …),
    absent on a side that lacks it. `explains`: false for what is different between most runs, or of no effect. `diff`
    is a unified diff of a text. `a_run` and `b_run` made the input of that side: comparing them tells more.
    """

    section: Literal[
        "command", "code", "git", "inputs", "software", "environment", "network", "host", "place", "ending"
    ]
    name: str
    change: Literal["changed", "added", "removed", "moved"]
    explains: bool
    a: NotRequired[str]
    b: NotRequired[str]
    diff: NotRequired[str]
    a_run: NotRequired[str]
    b_run: NotRequired[str]


class Diff(TypedDict):
    """Two runs, or two files, compared: `shark diff --json`. The first of `differences` is the likeliest reason.

    `equal`: nothing is different. `same_outputs` is the number of outputs that are the same, byte by byte.
    """

    schema: Literal["shark/diff/1"]
    a: DiffSide
    b: DiffSide
    equal: bool
    same_outputs: int
    outputs: list[DiffOutput]
    differences: list[DiffDifference]


class SettingPiece(TypedDict):
    """What one place says of a setting. `source`: `user` or `project` (a file), `variable`; `place` names it."""

    value: Any
    source: Literal["user", "project", "variable", "option"]
    place: str


class Setting(TypedDict):
    """A setting: its effective value, and the `pieces` that make it up (none: it is the default)."""

    key: str
    value: Any
    about: str
    pieces: list[SettingPiece]


class SettingsFileState(TypedDict):
    """A settings file that was read. One that `runs` commands or notifies, of a project, must be `trusted`."""

    path: str
    level: Literal["user", "project"]
    sha256: str
    runs: bool
    trusted: bool


class Config(TypedDict):
    """The settings that hold for a run started here: `shark config --json`."""

    schema: Literal["shark/config/1"]
    directory: str
    files: list[SettingsFileState]
    settings: list[Setting]


class RecordedValue(TypedDict):
    """The value that was noted in a run's record: `shark record --json`."""

    schema: Literal["shark/record/1"]
    run: str
    key: str
    value: Any


class Snapshot(TypedDict):
    """The circumstances of a command that would be started in `cwd` now: `shark snapshot --json`."""

    schema: Literal["shark/snapshot/1"]
    time: str
    cwd: str
    git: NotRequired[list[dict[str, Any]]]
    host: NotRequired[dict[str, Any]]
    container: NotRequired[dict[str, Any]]
    scheduler: NotRequired[dict[str, Any]]
    workflow: NotRequired[dict[str, Any]]
    ci: NotRequired[dict[str, Any]]
    env: NotRequired[dict[str, str]]
    settings: NotRequired[SettingsUsed]
    kept: NotRequired[list[KeptFile]]
    hooks: NotRequired[list[HookEntry]]
    gaps: list[GapEntry]
    shark: str


DOCUMENTS: Final[Mapping[str, Any]] = {
    "inspect-1": list[InspectEntry],
    "log-1": Log,
    "verify-1": Verify,
    "status-1": Status,
    "diff-1": Diff,
    "strip-1": Strip,
    "forget-1": Forget,
    "recover-1": Recover,
    "index-1": IndexState,
    "lineage-1": Lineage,
    "impact-1": Impact,
    "doctor-1": Doctor,
    "import-strace-1": ImportedRun,
    "graph-1": Graph,
    "schemas-1": SchemaNames,
    "completion-1": CompletionScript,
    "man-1": ManualPage,
    "config-1": Config,
    "record-1": RecordedValue,
    "snapshot-1": Snapshot,
}
"""The names of the schema files (without `.json`), and the types that they describe."""
