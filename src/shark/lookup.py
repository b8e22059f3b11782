"""What is known of a file: the manifest it carries, or the one that the store can make again, and whether it is true.

The order is MANIFEST's: attribute, sidecar, store by path and digest, store by digest alone. A manifest that is true of
the present content goes before one that describes earlier contents, wherever each was found.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, cast

from shark.checking.walking import VERSION_CONTROL
from shark.content import hashing
from shark.content.digestcache import DigestCache
from shark.errors import NotFound, SharkError
from shark.model.facts import time_text
from shark.model.questions import is_sidecar
from shark.store import edges, files, manifests
from shark.store.home import Store
from shark.store.read import Reading, read_places

if TYPE_CHECKING:
    from shark.store.index import Index, Version
    from shark.view.documents import Candidate, InspectEntry, PysharkManifest

State = Literal["current", "modified", "unknown"]
Source = Literal["xattr", "sidecar", "store", "digest", "none"]

Hasher = Callable[[Sequence[bytes]], Mapping[bytes, hashing.Hashed]]
"""Hashes files, given by their true paths; may leave some out."""

_MUCH = 64 << 20
"""To hash so many bytes takes longer than to look through a large store's index for what they can be compared with."""


@dataclass(slots=True)
class Answer:
    """What is known of one file.

    `size` is -1 for what is no regular file; `sha256` is "" unless the content had to be hashed to answer.
    `state`: whether the content is the one described (by the candidates, where there is no manifest). `candidates`: the
    runs that made this very content, where there are several, or where only the content tells. `problems`: sentences
    about what could not be read.
    """

    file: str
    state: State = "unknown"
    source: Source = "none"
    manifest: dict[str, Any] | None = None
    candidates: list[Candidate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    size: int = -1
    sha256: str = ""

    def document(self) -> InspectEntry:
        """Give the element of the document of `shark inspect --json`."""
        document: InspectEntry = {
            "schema": "shark/inspect/1",
            "file": self.file,
            "state": self.state,
            "source": self.source,
        }
        if self.manifest is not None:
            document["manifest"] = cast("PysharkManifest", self.manifest)  # whatever was found
        if self.candidates:
            document["candidates"] = self.candidates
        if self.problems:
            document["problem"] = "; ".join(dict.fromkeys(self.problems))
        return document


@dataclass(slots=True)
class _File:
    """A file to answer for: the name as given, the true path, what was found there, and its digest once needed."""

    name: str
    path: bytes
    about: os.stat_result
    readings: list[Reading]
    hashed: hashing.Hashed | None = None


def inspect(paths: Sequence[bytes], store: Store, environ: Mapping[str, str] = os.environ) -> list[InspectEntry]:
    """Answer for each of `paths`, as the documents of `shark inspect --json`.

    For a directory there is one answer for each regular file below it, in order of their paths; sidecars are no files
    of their own, and symbolic links below it are not followed. Raises NotFound for a path that does not exist. Warnings
    of the index are added to the store's.
    """
    return [answer.document() for answer in answers(paths, store, environ)]


def answers(
    paths: Sequence[bytes],
    store: Store,
    environ: Mapping[str, str] = os.environ,
    *,
    hasher: Hasher | None = None,
    digests: bool = False,
) -> list[Answer]:
    """Like `inspect`, as values. Files are hashed by `hasher`, which is given true paths, if that is needed to answer.

    With `digests`, each file is hashed, whether or not that is needed. What the hasher leaves out, or without one
    everything, is hashed through the user's cache.
    """
    entries = [entry for path in paths for entry in _files(path)]
    found = [entry for entry in entries if isinstance(entry, _File)]
    with DigestCache.of_user(environ) as cache:

        def hash_all(wanted: Sequence[bytes]) -> Mapping[bytes, hashing.Hashed]:
            done = dict(hasher(wanted)) if hasher is not None else {}
            return done | hashing.hash_files([path for path in wanted if path not in done], cache=cache)

        _hash((file for file in found if digests or _needs_digest(file)), hash_all)
        given = {id(file): _attached(file) for file in found}
        open_ones = [file for file in found if _asks_store(given[id(file)])]
        if open_ones and os.path.isdir(store.root):
            _ask_store(open_ones, given, store, environ, hash_all)
        for file in found:
            given[id(file)].sha256 = file.hashed.sha256 if file.hashed else ""
    return [given[id(entry)] if isinstance(entry, _File) else entry for entry in entries]


def remake(store: Store, run: str, path: bytes, sha256: str = "") -> dict[str, Any]:
    """Make again, from the run's record, the manifest of its output at `path`, or else of the one with this digest.

    Raises NotFound, RecordDamaged or SharkError.
    """
    from shark.model.manifest import manifests as all_of

    record = store.read_record(run)
    name = path.decode("utf-8", "surrogateescape")
    try:
        outputs = record["outputs"]
        chosen = [o for o in outputs if name in (o["path"], *o.get("names", ())) and sha256 in ("", o.get("sha256"))]
        chosen = chosen or [o for o in outputs if sha256 and o.get("sha256") == sha256]
        for manifest in all_of({**record, "outputs": chosen[:1]}):  # type: ignore[typeddict-item]
            return dict(manifest)
    except (KeyError, TypeError, AttributeError) as error:
        raise SharkError(f"the record of run {run} has another shape than expected", "See `shark index`.") from error
    raise NotFound(f"run {run} made no {name}", f"See `shark show {run}` for what it made.")


def run_named(store: Store, spec: str) -> str:
    """The id of the run that `spec` names, where there is no file of that name. Raises NotFound or SharkError."""
    try:
        return store.find(spec)
    except NotFound as error:
        if spec.startswith("@"):
            raise
        raise NotFound(f"{spec!r} is neither a file nor a run in the store", error.hint) from None


def recorded_path(path: bytes) -> bytes:
    """Give the path as records have it: absolute, and true but for what is not there."""
    folder, name = os.path.split(os.path.abspath(path))
    return os.path.realpath(path) if os.path.exists(path) else os.path.join(os.path.realpath(folder), name)


def _files(path: bytes) -> Iterator[_File | Answer]:
    name = os.fsdecode(path)
    try:
        true = os.path.realpath(path)
        about = os.stat(true)
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            raise SharkError(
                f"cannot look at {name}: {files.reason(error)}", "See that you may enter its folders."
            ) from error
        raise NotFound(f"{name} does not exist", "Check the path.", 2) from error
    if stat.S_ISDIR(about.st_mode):
        yield from _below(name, path)
    elif stat.S_ISREG(about.st_mode):
        yield _File(name, true, about, read_places(true))
    else:
        yield Answer(name, problems=["not a regular file: only these have a manifest"])


def _below(name: str, directory: bytes) -> Iterator[_File | Answer]:
    unlisted: list[OSError] = []
    true = os.path.realpath(directory)
    for folder, folders, names in os.walk(true, onerror=unlisted.append):
        folders[:] = sorted(set(folders) - VERSION_CONTROL)
        for entry in sorted(names):
            path = os.path.join(folder, entry)
            shown = os.path.join(name, os.fsdecode(os.path.relpath(path, true)))
            if is_sidecar(path):
                continue
            try:
                about = os.lstat(path)
            except OSError as error:
                yield Answer(shown, problems=[files.reason(error)])
                continue
            if stat.S_ISREG(about.st_mode):
                yield _File(shown, path, about, read_places(path))
    for fault in unlisted:
        yield Answer(os.fsdecode(fault.filename), problems=[f"cannot be listed: {files.reason(fault)}"])


def _needs_digest(file: _File) -> bool:
    """Tell whether a manifest that is there can be judged by hashing only: its size is the file's."""
    described = (reading.manifest for reading in file.readings if reading.manifest is not None)
    return any(
        manifests.digest_of(manifest, file.path)[1] == "sha256" and _size_fits(manifest, file.about)
        for manifest in described
    )


def _size_fits(manifest: Mapping[str, Any], about: os.stat_result) -> bool:
    output = manifest.get("output")
    return not isinstance(output, dict) or output.get("size", about.st_size) == about.st_size


def _hash(wanted: Iterable[_File], hasher: Hasher) -> None:
    todo = [file for file in wanted if file.hashed is None]
    digests = hasher([file.path for file in todo]) if todo else {}
    for file in todo:
        file.hashed = digests[file.path]


def _attached(file: _File) -> Answer:
    """Answer by what the file carries: the first manifest that is true of it, else the first at all."""
    problems = [reading.problem for reading in file.readings if reading.problem]
    answer = Answer(file.name, problems=problems, size=file.about.st_size)
    judged = [(_judge(r.manifest, file, answer.problems), r) for r in file.readings if r.manifest is not None]
    judged.sort(key=lambda item: (item[0] != "current", bool(item[1].manifest and item[1].manifest.get("summary"))))
    for state, reading in judged[:1]:
        answer.state, answer.source, answer.manifest = state, reading.source, reading.manifest
    return answer


def _judge(manifest: Mapping[str, Any], file: _File, problems: list[str]) -> State:
    if not _size_fits(manifest, file.about):
        return "modified"
    digest, algorithm = manifests.digest_of(manifest, file.path)
    if algorithm == "sha256" and file.hashed is not None:
        if not file.hashed.sha256:
            problems.append(f"the content could not be compared: {file.hashed.why}")
            return "unknown"
        return "current" if file.hashed.sha256 == digest else "modified"
    if algorithm == "sha1":
        return _judge_sha1(digest, file, problems)
    if manifest.get("made") == time_text(file.about.st_mtime_ns):
        problems.append("its content was not hashed when it was recorded: judged by size and time")
        return "current"
    return "unknown"


def _judge_sha1(digest: str, file: _File, problems: list[str]) -> State:
    try:
        with open(file.path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha1").hexdigest()
    except OSError as error:
        problems.append(f"the content could not be compared: {files.reason(error)}")
        return "unknown"
    return "current" if found == digest else "modified"


def _asks_store(answer: Answer) -> bool:
    return answer.state != "current" or bool(answer.manifest and answer.manifest.get("summary"))


def _ask_store(
    asking: list[_File], given: Mapping[int, Answer], store: Store, environ: Mapping[str, str], hasher: Hasher
) -> None:
    from shark.store.index import Index

    with closing(Index.open(store, environ)) as index:
        store.warnings += index.warnings
        sizes = index.sizes()
        # What has no output's size was made by no run: it need not be read.
        likely = [file for file in asking if file.about.st_size in sizes]
        _hash(_comparable(likely, index), hasher)
        for file in asking:
            answer = given[id(file)]
            if answer.manifest is not None and answer.manifest.get("summary"):
                _complete(answer, file, store)
            elif file.hashed is not None and file.hashed.sha256:
                _from_store(answer, file, file.hashed.sha256, index, store)
            elif file.hashed is not None:
                answer.problems.append(f"not looked up in the store: {file.hashed.why}")
            elif file.about.st_size in sizes:
                _from_unhashed(answer, file, index, store)


def _comparable(likely: list[_File], index: Index) -> list[_File]:
    """Those whose content could be an output's with a digest; of few bytes all, since it is quicker to read them."""
    sizes = [file.about.st_size for file in likely if file.hashed is None]
    if sum(sizes) < _MUCH:
        return likely
    hashed = index.hashed_sizes(min(sizes), max(sizes))
    return [file for file in likely if file.about.st_size in hashed]


def _complete(answer: Answer, file: _File, store: Store) -> None:
    """Put the whole manifest in the place of a summary, if the store has its run."""
    summary = answer.manifest or {}
    try:
        answer.manifest = remake(store, str(summary.get("run")), file.path, manifests.digest_of(summary, file.path)[0])
    except NotFound:
        answer.problems.append("only a summary is with the file, and its run is not in this store")
    except (SharkError, ValueError) as error:
        answer.problems.append(str(error))


def _from_store(answer: Answer, file: _File, sha256: str, index: Index, store: Store) -> None:
    # Every empty file has the same digest: it tells nothing.
    same = index.made(sha256=sha256) if file.about.st_size else index.made(path=file.path, sha256=sha256)
    here = [version for version in same if version.path == file.path]
    elsewhere = [version for version in same if version.path != file.path]
    if elsewhere and (first := edges.first_use(index, file.path, sha256)):
        elsewhere = [version for version in elsewhere if version.run < first]  # others made a copy of what was here
    if here:
        try:
            answer.manifest = remake(store, here[0].run, file.path, sha256)
        except SharkError as error:
            answer.problems.append(error.message)
        else:
            answer.state, answer.source = "current", "store"
        makers = [*here, *elsewhere]
        answer.candidates = _candidates(makers, index) if len(makers) > 1 or answer.source != "store" else []
        return
    _from_unhashed(answer, file, index, store)
    answer.candidates = _candidates(elsewhere, index) if file.about.st_size else []
    if answer.candidates and answer.manifest is None:
        answer.state, answer.source = "current", "digest"


def _from_unhashed(answer: Answer, file: _File, index: Index, store: Store) -> None:
    """Answer by what was last made at the path, if that was not hashed (a cache, say, or what was to be ignored).

    Such a record cannot be found by the content; without it a file as it was made would pass for one that was changed.
    """
    last = index.made(path=file.path)[:1]
    if not last or last[0].sha256 or last[0].size != file.about.st_size:
        return
    try:
        manifest = remake(store, last[0].run, file.path)
    except SharkError as error:
        answer.problems.append(error.message)
        return
    problems: list[str] = []
    state = _judge(manifest, file, problems)
    if answer.manifest is None or state == "current":
        answer.state, answer.source, answer.manifest = state, "store", manifest
        answer.problems += problems


def _candidates(versions: Iterable[Version], index: Index) -> list[Candidate]:
    found = []
    for version in versions:
        try:
            run = index.run(version.run)
        except NotFound:
            continue  # forgotten meanwhile, or just found to be damaged
        path = version.path.decode("utf-8", "surrogateescape")
        entry: Candidate = {"run": run.id, "path": path, "start": run.start, "argv": list(run.argv)}
        if run.exit >= 0:
            entry["exit"] = run.exit
        if run.signal >= 0:
            entry["signal"] = run.signal
        found.append(entry)
    return found
