"""What the index keeps of a run record. Pure; takes any JSON object for a record, and leaves out what is odd in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from shark import jsontext
from shark.model.derivation import Contents, Derivation, Derive, input_versions, whole_run
from shark.store.ids import is_run_id
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from shark.model.documents import InputEntry, OutputEntry, RunRecord

_ODD = (KeyError, TypeError, AttributeError, ValueError)
"""What reading a record that is no shark's own may raise."""


class FileRow(NamedTuple):
    """A file version that a run made, or that it used and did not make, as its record names it.

    `sha256` is "" if it has none, `size` -1.
    """

    path: str
    sha256: str
    size: int
    role: str


class Note(NamedTuple):
    """What is to be kept of a run's use of a file: the path that it `used`, if another one, and the file's makers.

    `makers` are the ids of runs, 16 bytes each, the certain one alone.
    """

    used: bytes
    makers: bytes


class Set(NamedTuple):
    """From what some outputs of a run derive."""

    inputs: tuple[FileRow, ...]
    controls: tuple[FileRow, ...]


class Made(NamedTuple):
    """An output, under one of its names: the place of its set (None: not known), its own earlier content."""

    file: FileRow
    inputs: int | None
    own: tuple[FileRow, ...]


class Derived(NamedTuple):
    """What a run used, and from what its outputs derive. `rest` is what flowed into none of them."""

    scope: str
    sets: list[Set]
    made: list[Made]
    rest: tuple[FileRow, ...]
    notes: dict[FileRow, Note]


class Prepared(NamedTuple):
    """All that the index keeps of one record: the columns of its run, its outputs, and what it used (if asked for)."""

    columns: dict[str, object]
    outputs: list[FileRow]
    derived: Derived | None


def prepared(record: Mapping[str, Any], *, whole: bool) -> Prepared:
    """Read a record; `whole` with what the run used, which takes longer."""
    return Prepared(_columns(record), list(outputs(record)), derived(record) if whole else None)


def outputs(record: Mapping[str, Any]) -> Iterator[FileRow]:
    """Iterate over the outputs, once for each name that a file has."""
    for output in _objects(record.get("outputs")):
        yield from _named(output)


def derived(record: Mapping[str, Any]) -> Derived:
    """Give what a run used; of an odd record what can be had: all of that for each output, or the outputs alone."""
    some: RunRecord = record  # type: ignore[assignment]  # what is odd in it shows as one of _ODD
    for derive in DERIVE:
        try:
            return _Deriving(some, derive).done()
        except _ODD:
            continue
    return Derived("", [], [Made(row, None, ()) for row in outputs(record)], (), {})


def _exactly(record: RunRecord) -> Callable[[OutputEntry], Derivation]:
    from shark.model.lineage import by_output  # most who ask the index take no record in

    return by_output(record)


def _all_that_was_read(record: RunRecord) -> Callable[[OutputEntry], Derivation]:
    contents = Contents(record)
    entries = [contents.entry(*key, used) for key, used in input_versions(record).items()]
    return lambda _: Derivation("run", entries, [], [])


DERIVE: tuple[Derive, ...] = (_exactly, whole_run, _all_that_was_read)
"""How to find out from what the outputs of a record derive; where it is too odd for the first, the next is tried."""


class _Deriving:
    """Goes through the outputs of one record. Lists that outputs share are looked at once."""

    def __init__(self, record: RunRecord, derive: Derive) -> None:
        self._record = record
        self._derive = derive
        self._rows: dict[int, tuple[object, tuple[FileRow, ...]]] = {}
        self._notes: dict[FileRow, Note] = {}
        self._sets: dict[Set, int] = {}
        self._known: dict[tuple[int, int], tuple[Derivation, int]] = {}

    def done(self) -> Derived:
        scope = ""
        made: list[Made] = []
        derive = self._derive(self._record)
        for output in self._record["outputs"]:
            derivation = derive(output)
            scope = derivation.scope
            number, own = self._set(derivation), self._entries(derivation.own)
            made += [Made(row, number, own) for row in _named(output)]
        rest = () if scope == "run" else self._rest(made)  # else all outputs have all that was read
        return Derived(scope, list(self._sets), made, rest, self._notes)

    def _set(self, derivation: Derivation) -> int:
        key = id(derivation.inputs), id(derivation.controls)
        if key not in self._known:
            found = Set(self._entries(derivation.inputs), self._entries(derivation.controls))
            # The derivation is kept with its number, so that its lists' ids stay their own.
            self._known[key] = derivation, self._sets.setdefault(found, len(self._sets))
        return self._known[key][1]

    def _rest(self, made: Iterable[Made]) -> tuple[FileRow, ...]:
        seen = {row for found in self._sets for rows in found for row in rows}
        seen.update(row for each in made for row in each.own)
        flowed = {(row.path, row.sha256) for row in seen if row.sha256}
        contents = Contents(self._record)
        used = input_versions(self._record).items()
        entries = [
            contents.entry(file, version, path)
            for (file, version), path in used
            if (contents.files[file]["path"], contents.versions[file, version].get("sha256", "")) not in flowed
        ]
        return tuple(row for row in self._entries(entries) if row not in seen)

    def _entries(self, entries: Iterable[InputEntry]) -> tuple[FileRow, ...]:
        known = self._rows.get(id(entries))
        if known is None:
            known = self._rows[id(entries)] = entries, tuple(dict.fromkeys(map(self._entry, entries)))
        return known[1]

    def _entry(self, entry: InputEntry) -> FileRow:
        row = _row(entry["path"], entry, entry.get("role"))
        if row is None:
            raise TypeError("a path that is no text")
        runs = [entry["run"]] if "run" in entry else entry.get("runs", ())
        if runs or "as" in entry:
            self._notes[row] = Note(encoded(entry.get("as", "")), packed(runs))
        return row


def packed(runs: Iterable[str]) -> bytes:
    """Give run ids as 16 bytes each; what is no run id is left out."""
    return b"".join(bytes.fromhex(run.replace("-", "")) for run in runs if is_run_id(run))


def unpacked(makers: bytes) -> tuple[str, ...]:
    """Give back the run ids of `packed`.

    >>> unpacked(packed(["017f22e2-79b0-7800-8000-000000000000"]))
    ('017f22e2-79b0-7800-8000-000000000000',)
    """
    texts = (makers[at : at + 16].hex() for at in range(0, len(makers), 16))
    return tuple(f"{t[:8]}-{t[8:12]}-{t[12:16]}-{t[16:20]}-{t[20:]}" for t in texts)


def encoded(path: str) -> bytes:
    r"""Give the bytes of a path of a document; what no path can be (a lone surrogate of another kind) keeps its escape.

    >>> encoded("a\udcff")
    b'a\xff'
    """
    try:
        return path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return path.encode("utf-8", "backslashreplace")


def digest(text: object) -> bytes:
    """Give the 32 bytes of a sha256 in hexadecimal, b"" for anything else."""
    try:
        value = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
    return value if len(value) == 32 else b""


def _columns(record: Mapping[str, Any]) -> dict[str, object]:
    command = _object(record, "command")
    gaps = _object(record, "coverage").get("gaps")
    argv = command.get("argv")
    recording = _object(record, "recording")
    return {
        "problem": "",
        "start": _text(command, "start"),
        "end": _text(command, "end"),
        "seconds": _number(command, "seconds"),
        "exit": int(_number(command, "exit")),
        "signal": int(_number(command, "signal")),
        "argv": jsontext.dumps([str(a) for a in argv] if isinstance(argv, list) else []),
        "cwd": encoded(_text(command, "cwd")),
        "name": _text(record, "name"),
        "tags": jsontext.dumps(_object(record, "tags")),
        "parent": _text(record, "parent"),
        "outputs": len(record["outputs"]) if isinstance(record.get("outputs"), list) else 0,
        "gaps": len(gaps) if isinstance(gaps, list) else 0,
        "outcome": _text(recording, "outcome"),
        "raised": _text(_object(recording, "exception"), "type"),
        "inputs": 0,
        "scope": "",
    }


def _named(output: Mapping[str, Any]) -> Iterator[FileRow]:
    row = _row(output.get("path"), output, output.get("role"))
    if row is None:
        return
    yield row
    names = output.get("names")
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str) and name != row.path:
            yield row._replace(path=name)


def _row(path: object, version: Mapping[str, Any], role: object) -> FileRow | None:
    if not isinstance(path, str):
        return None
    size = version.get("size", -1)
    sha256 = version.get("sha256", "")
    return FileRow(
        path,
        sha256 if isinstance(sha256, str) else "",
        size if isinstance(size, int) and size < 1 << 63 else -1,
        role if isinstance(role, str) else "",
    )


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _object(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def _text(document: Mapping[str, Any], key: str) -> str:
    """Give a text, with what UTF-8 cannot hold escaped: SQLite takes no surrogates."""
    value = document.get(key)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def _number(document: Mapping[str, Any], key: str) -> float:
    value = document.get(key)
    return value if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1 << 62 else -1
