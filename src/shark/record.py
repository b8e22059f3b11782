"""Finishing a run: from the model of what happened to a record in the store and manifests on the outputs.

The same road for a live run, a recovered journal and an imported strace log: ask the model what it must know of the
world, find it out, build the record, attach, keep.
"""

from __future__ import annotations

import gc
import os
import stat as stat_bits
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from shark import __version__, jsontext
from shark.capture.kernel import AT_STATX_DONT_SYNC, AT_SYMLINK_NOFOLLOW, statx
from shark.content import hashing
from shark.content.digestcache import DigestCache
from shark.content.masking import mask_argv, mask_text
from shark.errors import NotFound, RecordDamaged, SharkError
from shark.makers import Given, makers
from shark.model.facts import Facts, HashTask, Header
from shark.model.questions import hash_plan
from shark.model.run import RunModel
from shark.store import files
from shark.store.attach import Attached, Attacher, Version
from shark.store.home import Store
from shark.values import Gap

if TYPE_CHECKING:
    from shark.model.documents import OutputEntry, RunRecord
    from shark.model.findings import Findings


class Settings(NamedTuple):
    """How a run is finished: where manifests go, how files are hashed, what is left alone (gitignore patterns below
    `cwd`). Outputs in `recorded` (path and digest) stand in an earlier record of the same run.
    """

    attach: Literal["auto", "xattr", "sidecar", "none"] = "auto"
    hash: Literal["auto", "full", "off"] = "auto"
    ignore: Sequence[str] = ()
    cwd: bytes = b"/"
    recorded: frozenset[tuple[str, str]] = frozenset()


class Outcome:
    """What came of it: the record, sentences for the user, and how many outputs lack their manifest."""

    def __init__(self, record: RunRecord) -> None:
        self.record = record
        self.warnings: list[str] = []
        self.unattached = 0


def finish(
    model: RunModel,
    header: Header,
    store: Store,
    settings: Settings,
    *,
    context: Mapping[str, Any],
    gaps: Sequence[Gap] = (),
    seconds: float | None = None,
) -> Outcome:
    """Find out, build, attach, keep. Raises OSError only if the record can be kept nowhere at all."""
    # Much is made and little let go here: looking again and again for what nobody needs would take a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _finish(model, header, store, settings, Facts(context=context, gaps=gaps, seconds=seconds))
    finally:
        if collecting:
            gc.enable()


def _finish(model: RunModel, header: Header, store: Store, settings: Settings, facts: Facts) -> Outcome:
    from shark.model.record import build_record

    header.mask, header.mask_argv = mask_text, mask_argv
    header.home = os.fsencode(os.path.expanduser("~"))
    header.ignored = _ignored(settings)
    cache = DigestCache.of_user(os.environ)
    try:
        hashed, findings = _find_out(model, facts, header, store, settings, cache)
        _move_sidecars(model.moves)
        record = build_record(model, facts, header, findings=findings)
        if settings.recorded:
            record["outputs"] = [entry for entry in record["outputs"] if _version_of(entry) not in settings.recorded]
        outcome = Outcome(record)
        _attach(record, settings, outcome, facts, hashed, cache)
        for subrun in model.subruns:
            inner = build_record(model, facts, header.of_subrun(subrun.run), within=subrun)
            for entry in inner["outputs"]:
                if "attached" not in entry:
                    entry["attached"], entry["why"] = "none", "the manifest of the outer run is attached"
            store.write_record(inner)
    finally:
        cache.close()
    store.write_record(record)
    return outcome


def versions_of(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Path and digest of each output."""
    return map(_version_of, record["outputs"])


def _version_of(entry: OutputEntry) -> tuple[str, str]:
    return entry["path"], entry.get("sha256", "")


# --- facts


def _find_out(
    model: RunModel, facts: Facts, header: Header, store: Store, settings: Settings, cache: DigestCache
) -> tuple[dict[bytes, hashing.Hashed], Findings]:
    from shark.content.packages import owners
    from shark.model.findings import Findings

    questions = model.questions()
    for question in questions:
        facts.stats[question.n] = statx(question.path, flags=AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW)
    facts.owners = owners(question.path for question in questions)
    findings = Findings(model, facts, header)
    plan = hash_plan(model, facts, header, findings, questions)
    fresh = {task.path for task in plan if task.fresh}
    hashed = hashing.hash_files([task.path for task in plan], mode=settings.hash, cache=cache, fresh=fresh)
    for task in plan:
        found = hashed[task.path]
        if found.sha256:
            facts.digests[task.n] = found.sha256
        else:
            facts.unhashed[task.n] = found.why
    findings.digests_are_known()
    facts.input_runs = makers(list(_given(plan, model, facts)), store, os.environ)
    if "git" in facts.context:
        from shark.content.git import settle

        made = {question.path for question in questions if question.made}
        facts.context["git"] = settle(facts.context["git"], made)
    return hashed, findings


def _given(plan: Sequence[HashTask], model: RunModel, facts: Facts) -> Iterator[Given]:
    """What was there before the run: unchanged files, and what changed ones were."""
    for task in plan:
        digest = facts.digests.get(task.n)
        if digest and not model.files[task.n].current.process:
            yield Given(task.n, task.path, digest)
    for file in model.files.all:
        first = file.versions[0] if file.versions else None
        if first is not None and not first.process and first.sha256:
            yield Given(file.n, file.path, first.sha256)


def _ignored(settings: Settings) -> Any:
    if not settings.ignore:
        return lambda _: False
    import pathspec

    spec = pathspec.GitIgnoreSpec.from_lines(settings.ignore)
    base = os.fsdecode(settings.cwd)
    return lambda path: (
        spec.match_file(os.path.relpath(os.fsdecode(path), base)) or spec.match_file(os.fsdecode(path).lstrip("/"))
    )


# --- manifests


def _attach(
    record: RunRecord,
    settings: Settings,
    outcome: Outcome,
    facts: Facts,
    hashed: Mapping[bytes, hashing.Hashed],
    cache: DigestCache,
) -> None:
    """Attach each output's manifest, and note in the record where it went."""
    from shark.model.manifest import attachments, summary
    from shark.model.serialising import Serialiser

    serialiser = Serialiser()
    attacher = Attacher(summary, settings.attach, dumps=serialiser.dumps)  # type: ignore[arg-type]  # its own Mapping
    done: list[tuple[bytes, hashing.Hashed]] = []
    for entry, manifest in attachments(record, serialiser=serialiser):
        path = manifest["output"]["path"].encode("utf-8", "surrogateescape")
        about = hashed.get(path)
        expected = Version(about.ino, about.size, about.mtime) if about is not None and about.sha256 else None
        attached = attacher.attach(path, manifest, expected)
        _note(entry, attached)
        if attached.where == "none":
            outcome.unattached += settings.attach != "none"
            if settings.attach != "none":
                outcome.warnings.append(f"no manifest on {entry['path']}: {attached.why}")
        elif about is not None:
            done.append((path, about))
    hashing.renew(done, cache)
    outcome.warnings.extend(attacher.warnings)
    del outcome.warnings[20:]


def _move_sidecars(moves: Sequence[tuple[bytes, bytes]]) -> None:
    """A file that was only renamed keeps its manifest: an attribute does so by itself, a sidecar is moved here."""
    from shark.store.files import read_regular
    from shark.store.manifests import is_manifest, sidecar_path

    for old, new in moves:
        source, target = sidecar_path(old), sidecar_path(new)
        if not os.path.lexists(source) or os.path.lexists(old) or os.path.lexists(target):
            continue
        try:
            text = read_regular(source, 1 << 26)
            if text and is_manifest(text):
                os.rename(source, target)
        except OSError:
            continue  # it stays where it is, and the store knows the file by its digest


def _note(entry: OutputEntry, attached: Attached) -> None:
    entry["attached"] = attached.where
    if attached.why:
        entry["why"] = attached.why


def write_json(record: Mapping[str, Any], path: str) -> None:
    """Write a record where the user asked for it, by temp file and rename if that is a plain file; raises OSError."""
    data = jsontext.dumps(record, indent=True) + b"\n"
    if os.path.exists(path) and not stat_bits.S_ISREG(os.stat(path).st_mode):
        with open(path, "wb") as file:
            file.write(data)
        return
    mask = os.umask(0)
    os.umask(mask)
    files.write_whole(os.fsencode(path), data, mode=0o666 & ~mask)


# --- runs that were not finished, or not live


def recover(run: str | None = None) -> list[str]:
    """Make records and manifests of runs whose supervisor died: of `run`, or of all journals that nobody writes.

    Returns the ids. Raises NotFound if there is no such journal, RecordDamaged for one that cannot be read.
    """
    store = Store.open(os.environ, write=True)
    journals = store.journals()
    if run is not None and run not in journals:
        raise NotFound(f"no journal of run {run}", "`shark recover` without a run looks for all of them.")
    return [
        recovered
        for name in ([run] if run else sorted(journals))
        for recovered in _recover(name, journals[name], store)
    ]


def _recover(run: str, paths: Sequence[bytes], store: Store) -> Iterator[str]:
    from shark.capture.journal import is_being_written, read_journal

    path = next((path for path in paths if path == store.journal_path(run)), None)
    if path is None or is_being_written(path):
        return
    model = RunModel()
    damage: SharkError | None = None
    try:
        for event in read_journal(path):
            model.observe(event)
    except RecordDamaged as problem:
        if model.started is None:
            raise
        damage = problem
    if model.started is None:
        os.unlink(path)  # it broke off before the command was started
        return
    header = Header(id=run, shark=__version__)
    detail = "shark was ended before the run was; recovered from the journal"
    gaps = [Gap("journal-lost", f"{detail}: {damage.message}" if damage else detail)]
    finish(model, header, store, Settings(cwd=model.started.cwd), context={}, gaps=gaps)
    os.unlink(path)
    yield run


def import_strace(log: str, *, name: str = "", tags: Mapping[str, str] | None = None) -> Outcome:
    """Make a run record from an strace log. Raises OSError, or SharkError if it is none.

    What the log leaves open is taken from the present: symbolic links as they are, and, if it has neither, the working
    directory and the date of the log's last line.
    """
    from functools import cache

    from shark.capture.strace import read_strace
    from shark.store.ids import uuid7

    model = RunModel()
    with open(log, "rb") as lines:
        written = os.fstat(lines.fileno()).st_mtime_ns
        for event in read_strace(lines, cwd=os.getcwdb(), resolve=cache(os.path.realpath), written=written):
            model.observe(event)
    header = Header(id=uuid7(time.time_ns(), os.urandom(10)), shark=__version__, name=name, tags=dict(tags or {}))
    store = Store.open(os.environ, write=True)
    cwd = model.started.cwd if model.started else b"/"
    return finish(model, header, store, Settings(attach="none", cwd=cwd), context={})
