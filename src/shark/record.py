"""Finishing a run: from the model of what happened to a record in the store and manifests on the outputs.

The same road for a live run, a recovered journal and an imported strace log: ask the model what it must know of the
world, find it out, build the record, attach, keep.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from stat import S_ISREG
from types import MappingProxyType

from shark.capture.kernel import statx_owned
from shark.content import hashing
from shark.content.digestcache import DigestCache
from shark.content.masking import mask_argv, mask_text
from shark.content.packages import owners
from shark.makers import Given, makers
from shark.model.facts import Facts, HashTask, Header, Owner, Question
from shark.model.questions import hash_plan
from shark.model.run import RunModel
from shark.store import said
from shark.store.attach import Attached, Attacher, Version
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING, NamedTuple
from shark.values import Gap

if TYPE_CHECKING:
    from typing import Any, Literal

    from shark.content.context import Gatherer
    from shark.extras import Extras
    from shark.model.documents import OutputEntry, RunRecord
    from shark.model.findings import Findings


_MANY = 100
"""So many files are worth finding out on what file systems they lie."""


class Settings(NamedTuple):
    """How a run is finished: where manifests go, how files are hashed, what is left alone (gitignore patterns below
    `cwd`). Outputs in `recorded` (path and digest) stand in an earlier record of the same run. `extras`: what else the
    user's or the project's settings ask for. `secrets` are to stand nowhere. `owners` finds out whose files are.
    """

    attach: Literal["auto", "xattr", "sidecar", "none"] = "auto"
    hash: Literal["auto", "full", "off"] = "auto"
    ignore: Sequence[str] = ()
    cwd: bytes = b"/"
    recorded: frozenset[tuple[str, str]] = frozenset()
    extras: Extras | None = None
    secrets: tuple[str, ...] = ()
    owners: Callable[[Iterable[bytes]], dict[bytes, Owner]] = owners


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
    context: Mapping[str, Any] = MappingProxyType({}),
    gatherer: Gatherer | None = None,
    gaps: Sequence[Gap] = (),
    seconds: float | None = None,
    additions: Mapping[str, Any] = MappingProxyType({}),
    belated: bool = False,
) -> Outcome:
    """Find out, build, attach, keep. Raises OSError only if the record can be kept nowhere at all.

    The run's circumstances come from the `gatherer` that was started with it; without one they are `context`.
    `additions` are further sections of the record. `belated`: the run was over long ago, so that what has been written
    to since all of it had ended is no output's content.
    """
    # Much is made and little let go here: looking again and again for what nobody needs would take a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        facts = Facts(context=context, gaps=gaps, seconds=seconds, belated=belated)
        return _finish(model, header, store, settings, facts, gatherer, additions)
    finally:
        if collecting:
            gc.enable()


def _finish(
    model: RunModel,
    header: Header,
    store: Store,
    settings: Settings,
    facts: Facts,
    gatherer: Gatherer | None,
    additions: Mapping[str, Any],
) -> Outcome:
    from shark.circumstances import names_masked
    from shark.model.record import build_record

    redacted = _redaction(settings)
    header.mask, header.mask_argv = mask_text, mask_argv
    header.home = os.fsencode(os.path.expanduser("~"))
    header.ignored = _ignored(settings)
    if settings.extras is not None:
        from shark.extras import rules

        header.rules = rules(settings.extras)
    cache = DigestCache.of_user(os.environ)
    try:
        hashed, findings = _find_out(model, facts, header, store, settings, cache, gatherer)
        _move_sidecars(model.moves)
        record = names_masked(build_record(model, facts, header, findings=findings), settings.secrets)
        _add(record, additions)
        record = redacted(record)
        if settings.recorded:
            record["outputs"] = [entry for entry in record["outputs"] if _version_of(entry) not in settings.recorded]
        outcome = Outcome(record)
        _attach(record, model, settings, outcome, hashed, cache)
        for subrun in model.subruns:
            inner_header = header.of_subrun(subrun.run, *said.called(store, subrun.run))
            inner = names_masked(build_record(model, facts, inner_header, within=subrun), settings.secrets)
            for entry in inner["outputs"]:
                if "attached" not in entry:
                    entry["attached"], entry["why"] = "none", "the manifest of the outer run is attached"
            _add(inner, said.values_of(store, subrun.run))
            store.write_record(redacted(inner))
    finally:
        cache.close()
    store.write_record(record)
    return outcome


def _redaction(settings: Settings) -> Callable[[RunRecord], RunRecord]:
    """What leaves out of a record what the user does not want to be known: before anything is written."""
    if settings.extras is None or not settings.extras.redact:
        return lambda record: record
    from shark.extras import redactor_of

    redactor = redactor_of(settings.extras)
    return lambda record: redactor.document(record) if redactor else record  # type: ignore[return-value]


def _add(record: RunRecord, additions: Mapping[str, Any]) -> None:
    """Add sections to a record; values join those that are there."""
    values = {**record.get("values", {}), **additions.get("values", {})}
    record.update(additions)  # type: ignore[typeddict-item]
    if values:
        record["values"] = values


def versions_of(record: RunRecord) -> Iterator[tuple[str, str]]:
    """Path and digest of each output."""
    return map(_version_of, record["outputs"])


def _version_of(entry: OutputEntry) -> tuple[str, str]:
    return entry["path"], entry.get("sha256", "")


# --- facts


def _find_out(
    model: RunModel,
    facts: Facts,
    header: Header,
    store: Store,
    settings: Settings,
    cache: DigestCache,
    gatherer: Gatherer | None,
) -> tuple[dict[bytes, hashing.Hashed], Findings]:
    from shark.model.findings import Findings

    questions = model.questions()
    seen = _look_at(questions, facts)
    facts.owners = settings.owners(question.path for question in questions)
    findings = Findings(model, facts, header)
    if gatherer is not None:
        from shark import circumstances

        gatherer.ask(circumstances.code(model, findings))  # it is looked into while files are hashed
    plan = hash_plan(model, facts, header, findings, questions)
    fresh = {task.path for task in plan if task.fresh}
    limit = hashing.DEFAULT_LIMIT if settings.extras is None else settings.extras.hash_limit
    paths = [task.path for task in plan]
    hashed = hashing.hash_files(paths, mode=settings.hash, limit=limit, cache=cache, fresh=fresh, seen=seen)
    for n, path, _ in plan:
        found = hashed[path]
        if found.sha256:
            facts.digests[n] = found.sha256
        else:
            facts.unhashed[n] = found.why
    findings.digests_are_known()
    facts.own_devices = _own_devices(findings)
    facts.input_runs = makers(list(_given(plan, model, facts)), store, os.environ)
    if gatherer is not None:
        circumstances.take(gatherer, facts, model, findings, store)
    return hashed, findings


def _own_devices(findings: Findings) -> set[int]:
    """The devices of what the run may have made that have this machine's clock: others, of servers, have their own."""
    from shark.content.filesystems import is_own

    stats = findings.facts.stats
    made = {stat.id.dev: file.path for file in findings.changed if (stat := stats.get(file.n)) is not None}
    return {device for device, path in made.items() if is_own(path)}


def _look_at(questions: Sequence[Question], facts: Facts) -> dict[bytes, hashing.Seen]:
    """Take the states of the files that can matter. Returned are those that need not be taken again to hash them: where
    the kernel alone knows the state, it did not have to ask anybody.
    """
    from shark.content.filesystems import is_own

    seen: dict[bytes, hashing.Seen] = {}
    take = hashing.seen
    # To find out of a device takes as long as to take the states of some tens of files.
    own: dict[int, bool] | None = {} if len(questions) >= _MANY else None
    stats = facts.stats
    for n, path in questions:
        found = statx_owned(path)
        if found is None:
            if _is_hidden(path):
                facts.hidden.add(n)
            else:
                stats[n] = None
            continue
        state, uid, ctime = found
        stats[n] = state
        if own is None or not S_ISREG(state[1]):
            continue
        dev = state[0][0]
        if dev not in own:
            own[dev] = is_own(path)
        if own[dev]:
            seen[path] = take(path, state, uid, ctime)
    return seen


def _is_hidden(path: bytes) -> bool:
    """Tell whether shark may not even look for a file, as where another user opened it for the run: it is not gone."""
    try:
        os.lstat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _given(plan: Sequence[HashTask], model: RunModel, facts: Facts) -> Iterator[Given]:
    """What was there before the run: unchanged files, and what changed ones were."""
    files = model.files.all
    for n, path, _ in plan:
        digest = facts.digests.get(n)
        if digest and not files[n - 1].current.process:
            yield tuple.__new__(Given, (n, path, digest))  # a third of the time that calling the class takes
    for file in model.files.all:
        first = file.versions[0] if file.versions else None
        if first is not None and not first.process and first.sha256:
            yield Given(file.n, file.path, first.sha256)


def _ignored(settings: Settings) -> Callable[[bytes], bool]:
    extras = settings.extras
    groups = (((os.fsdecode(settings.cwd), tuple(settings.ignore)),) if settings.ignore else ()) + (
        extras.ignore if extras else ()
    )
    if not groups:
        return lambda _: False
    from shark.extras import matcher

    ignored, included = matcher(groups), matcher(extras.include if extras else ())
    return lambda path: ignored(path) and not included(path)


# --- manifests


def _attach(
    record: RunRecord,
    model: RunModel,
    settings: Settings,
    outcome: Outcome,
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
        path = model.files[entry["file"]].path  # where it is, even if its name is masked in the record
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
