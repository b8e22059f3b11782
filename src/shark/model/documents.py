"""The JSON documents of shark as types. The JSON Schemas that shark ships are generated from them (`schema.py`).

Fields may be added freely; a field's meaning never changes without raising the schema's number. A field that does not
apply is absent, not null. Units: sizes and memory in bytes, durations in seconds, times RFC 3339 with milliseconds and
offset, digests in lower-case hexadecimal. Paths that are not valid UTF-8 carry `surrogateescape`'s \\udcXX.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from shark.kinds import GapKind
from shark.model.sections import HookEntry, KeptFile, SettingsUsed, Streams, ValueEntry

AccessKind = Literal["read", "write", "create", "remove", "rename", "exec", "list", "missing"]
"""What a process did with a file. A further hard link counts as `rename`: a name changed, the content did not."""

Role = Literal["library", "system", "cache", "code", "config", "data"]
"""What an accessed file is for, by the first rule that fits."""

FileKind = Literal["file", "directory", "symlink", "fifo", "socket", "device", "missing"]
"""The type of what stands at a path; `missing` where a program looked for a file and found none."""

VersionOrigin = Literal["before", "outside", "created", "truncated", "in-place", "changed"]
"""How a version came about: from before the run, by someone outside meanwhile, or by the run: the file was created,
emptied at its opening, opened for writing with its content kept, or changed by a call that needs no write."""

ChannelKind = Literal["pipe", "fifo", "pty", "socket", "memory", "file"]
"""What a channel is; `file` where a file is held open beyond what the edges to that file say."""

Attached = Literal["xattr", "zlib", "sidecar", "none"]
"""Where an output's manifest was put beside the store."""


class GapEntry(TypedDict):
    """Something that could not be seen, or is not certain."""

    kind: GapKind
    detail: str
    process: NotRequired[int]


class Coverage(TypedDict):
    """How completely the run was seen; `complete` means no gaps."""

    complete: bool
    gaps: list[GapEntry]


class Endpoint(TypedDict):
    """An address outside of the run that a process connected to."""

    family: str
    address: str
    port: NotRequired[int]
    process: NotRequired[int]


class Command(TypedDict):
    """The command of a run as the user gave it. `exit` (0-255) is absent for a killed one, which has `signal`."""

    argv: list[str]
    cwd: str
    exit: NotRequired[int]
    signal: NotRequired[int]
    start: NotRequired[str]
    end: NotRequired[str]
    seconds: NotRequired[float]


class ImageRef(TypedDict):
    """An image of the run, by the number of its process and its place among that process's images."""

    process: int
    image: int


class ImageEntry(TypedDict):
    """One program executed in a process. One that began by a fork has `forked` (whose copy it is) instead of an
    argv.
    """

    forked: NotRequired[ImageRef]
    argv: NotRequired[list[str]]
    exe: NotRequired[str]
    cwd: NotRequired[str]
    script: NotRequired[str]
    start: str
    order: list[int]


class Resources(TypedDict):
    """What a run used, all its processes together; `max_rss` is the largest of any of them.

    Bytes are those that went through read(2), write(2) and their kin, whatever they went to or came from.
    """

    processes: NotRequired[int]
    user_seconds: NotRequired[float]
    system_seconds: NotRequired[float]
    cpu_seconds: NotRequired[float]
    max_rss: NotRequired[int]
    read_bytes: NotRequired[int]
    written_bytes: NotRequired[int]


class ProcessEntry(TypedDict):
    """A process of the run. `order`: the begin of its start and the end of its end (the latter absent if it lives on).
    `seconds` is how long it lived; the other figures are what it used by itself, without its children.

    `shares` tells what it shares with its parent: `memory`, `files`. `run` is the id of the sub-run that starts here.
    """

    n: int
    parent: int
    pid: int
    images: list[ImageEntry]
    start: str
    end: NotRequired[str]
    exit: NotRequired[int]
    signal: NotRequired[int]
    seconds: NotRequired[float]
    cpu_seconds: NotRequired[float]
    user_seconds: NotRequired[float]
    system_seconds: NotRequired[float]
    max_rss: NotRequired[int]
    read_bytes: NotRequired[int]
    written_bytes: NotRequired[int]
    shares: NotRequired[list[str]]
    run: NotRequired[str]
    order: list[int]


class VersionEntry(TypedDict):
    """One content of a file. `by` is the image that made it, absent where this run did not.

    `base` is the version whose content it continues. `unchanged`: opened for writing, yet the content stayed that of
    `base`. `log`: written only through a descriptor inherited in append mode. `run` is the earlier run that made it
    when that is certain, else `runs` lists the candidates. `why` says why there is no digest.
    """

    n: int
    origin: VersionOrigin
    sha256: NotRequired[str]
    size: NotRequired[int]
    mtime: NotRequired[str]
    mtime_ns: NotRequired[int]
    by: NotRequired[ImageRef]
    base: NotRequired[int]
    unchanged: NotRequired[bool]
    log: NotRequired[bool]
    run: NotRequired[str]
    runs: NotRequired[list[str]]
    why: NotRequired[str]


class FileEntry(TypedDict):
    """A file of the run. `path` is where it is when the run ends, or where it was last. `names`: all, if several.

    `id` is device, inode and birth in nanoseconds. `package` is the package URL of its owner; `modified` says that the
    content is not the package's own.
    """

    n: int
    path: str
    kind: NotRequired[FileKind]
    names: NotRequired[list[str]]
    id: NotRequired[list[int]]
    role: Role
    package: NotRequired[str]
    modified: NotRequired[bool]
    removed: NotRequired[bool]
    target: NotRequired[str]
    versions: list[VersionEntry]


class ChannelEntry(TypedDict):
    """Something through which data went between processes, with edges to it that say who held it when.

    What is written to it can be read from it; or, of the end of a connection, from its `peers` (numbers of channels).
    `file`: it stands for this file, which was held open (kind `file`) or mapped (kind `memory`).
    """

    n: int
    kind: ChannelKind
    file: NotRequired[int]
    peers: NotRequired[list[int]]


EdgeEntry = TypedDict(
    "EdgeEntry",
    {
        "process": int,
        "image": int,
        "file": NotRequired[int],
        "version": NotRequired[int],
        "channel": NotRequired[int],
        "access": AccessKind,
        "order": list[int],
        "last": NotRequired[list[int]],
        "until": NotRequired[int],
        "idle": NotRequired[bool],
        "count": NotRequired[int],
        "as": NotRequired[str],
        "inherited": NotRequired[bool],
    },
)
EdgeEntry.__doc__ = """What an image did with a file version, or with a channel (that has no `file` and `version`).

`order` is [begin, end] of the first such call, `last` that of the last one when there were several (`count`). `as` is
the path that the program used, when a symbolic link led elsewhere or the file was renamed since. `inherited`: through a
descriptor that was there when the command started. `until`: by then it held the file no more. `idle`: a
shell opened the file for a command that it started, and read or wrote nothing itself.

To a channel, `order` is [begin, end] of the time in which the process may have read from it or written to it; without
an end, until its own. A file that a process opened for writing is held until the process ends, unless edges to a
channel of kind `file` say otherwise."""


class OutputEntry(TypedDict):
    """A file that the run made. `attached` is absent until the manifest was put somewhere; `why` explains a `none`."""

    file: int
    version: int
    path: str
    names: NotRequired[list[str]]
    role: Role
    sha256: NotRequired[str]
    size: NotRequired[int]
    mtime: NotRequired[str]
    attached: NotRequired[Attached]
    why: NotRequired[str]


class SubRunEntry(TypedDict):
    """A `shark run` inside this one: its id, the process with which it starts, and its command."""

    run: str
    process: int
    argv: list[str]


class ExceptionEntry(TypedDict):
    """An exception that a block of a program ended with; `traceback` as the interpreter prints it."""

    type: str
    message: str
    traceback: NotRequired[str]


class RecordingEntry(TypedDict):
    """What part of a process's life a run is, where it is no whole command.

    `kind`: a `block` of a program, a call of a `function`, a notebook's `cell`, or a `process` that ran already. Of a
    function the qualified name, of all code its file and line (of a cell the text, `source`). `arguments` and
    `returned` are shortened texts for people. `outcome`: the block was left regularly (`returned`), by an exception
    (`raised`), not before the process ended (`ended`), or the recording lost sight of it (`lost`).
    """

    kind: Literal["block", "function", "cell", "process"]
    function: NotRequired[str]
    file: NotRequired[str]
    line: NotRequired[int]
    source: NotRequired[str]
    arguments: NotRequired[dict[str, str]]
    returned: NotRequired[str]
    exception: NotRequired[ExceptionEntry]
    outcome: NotRequired[Literal["returned", "raised", "ended", "lost"]]


class TracedEntry(TypedDict):
    """How the run was traced: stops of its threads, and file opens that busy (`hot`) processes wrote down without one.

    `sites` counts patched instructions; `repeated` opens among the `recorded` ones told nothing new.
    """

    stops: int
    hot: int
    sites: int
    recorded: int
    repeated: int


class RunRecord(TypedDict):
    """A whole run (`shark/run/1`): enough to make every manifest of it again. `values` are what the command noted,
    by key; `recorded` is all that was ever said of a key, in order.

    `flow` says that channels and edges suffice to follow the data from process to process, output by output.
    """

    schema: Literal["shark/run/1"]
    id: str
    name: NotRequired[str]
    tags: NotRequired[dict[str, str]]
    parent: NotRequired[str]
    continues: NotRequired[str]
    command: Command
    processes: list[ProcessEntry]
    resources: NotRequired[Resources]
    subruns: NotRequired[list[SubRunEntry]]
    files: list[FileEntry]
    channels: list[ChannelEntry]
    edges: list[EdgeEntry]
    flow: NotRequired[Literal["output"]]
    software: list[str]
    git: NotRequired[list[dict[str, Any]]]
    host: NotRequired[dict[str, Any]]
    container: NotRequired[dict[str, Any]]
    scheduler: NotRequired[dict[str, Any]]
    workflow: NotRequired[dict[str, Any]]
    ci: NotRequired[dict[str, Any]]
    recording: NotRequired[RecordingEntry]
    values: NotRequired[dict[str, Any]]
    env: NotRequired[dict[str, str]]
    network: NotRequired[list[Endpoint]]
    coverage: Coverage
    traced: NotRequired[TracedEntry]
    outputs: list[OutputEntry]
    shark: str
    settings: NotRequired[SettingsUsed]
    kept: NotRequired[list[KeptFile]]
    hooks: NotRequired[list[HookEntry]]
    streams: NotRequired[Streams]
    recorded: NotRequired[list[ValueEntry]]


class OutputDigest(TypedDict):
    """The file that a manifest belongs to."""

    path: NotRequired[str]
    sha256: NotRequired[str]
    size: NotRequired[int]


InputEntry = TypedDict(
    "InputEntry",
    {
        "path": str,
        "as": NotRequired[str],
        "files": NotRequired[int],
        "sha256": NotRequired[str],
        "size": NotRequired[int],
        "role": NotRequired[Role],
        "run": NotRequired[str],
        "runs": NotRequired[list[str]],
    },
)
InputEntry.__doc__ = """A file version from which an output derives.

With `files`, it stands for that many files below the directory `path`: `size` is their sum, and `sha256` the digest of
their sorted sha256sum lines (two spaces between digest and path, the path relative to the directory)."""


class ManifestProcess(TypedDict):
    """The process that wrote an output last."""

    n: int
    argv: list[str]
    exe: NotRequired[str]
    cwd: NotRequired[str]
    start: NotRequired[str]
    end: NotRequired[str]


class Manifest(TypedDict):
    """Where one output comes from (`shark/manifest/1`)."""

    schema: Literal["shark/manifest/1"]
    scope: Literal["output", "run"]
    run: str
    made: NotRequired[str]
    output: OutputDigest
    inputs: list[InputEntry]
    controls: NotRequired[list[InputEntry]]
    software: list[str]
    command: Command
    process: NotRequired[ManifestProcess]
    git: NotRequired[list[dict[str, Any]]]
    host: NotRequired[dict[str, Any]]
    container: NotRequired[dict[str, Any]]
    scheduler: NotRequired[dict[str, Any]]
    workflow: NotRequired[dict[str, Any]]
    ci: NotRequired[dict[str, Any]]
    env: NotRequired[dict[str, str]]
    network: NotRequired[list[Endpoint]]
    resources: NotRequired[Resources]
    coverage: Coverage
    shark: str


class Counts(TypedDict):
    """How much the whole manifest lists."""

    inputs: int
    controls: NotRequired[int]
    software: int


class ShortCommand(TypedDict):
    """The command of a run, its arguments cut to what fits; `cut` says that something is left out."""

    argv: list[str]
    exit: NotRequired[int]
    signal: NotRequired[int]
    cut: NotRequired[bool]


class Summary(TypedDict):
    """What stands in the attribute `user.shark` when the whole manifest does not fit: under 900 bytes of JSON."""

    schema: Literal["shark/manifest/1"]
    summary: Literal[True]
    run: str
    output: OutputDigest
    manifest_sha256: str
    counts: Counts
    command: ShortCommand
    shark: str
