"""The circumstances of a run on their way into its record: which code to ask git about, and what it answered."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from shark.errors import EXIT_RUN, ConditionFailed
from shark.model import accesses as kinds
from shark.tuples import TYPE_CHECKING
from shark.values import Gap

if TYPE_CHECKING:
    from typing import Any

    from shark.content.context import Gatherer
    from shark.model.documents import RunRecord
    from shark.model.facts import Facts
    from shark.model.findings import Findings
    from shark.model.run import RunModel
    from shark.store.home import Store

SECONDS = 2.0
"""How long the context may take after the command's end; what is not there by then is left out, with a gap."""

_CLEAN_SECONDS = 600.0
"""So long `--require-clean` waits for git's answer: the command must not start without it."""

_USES = frozenset({kinds.READ, kinds.EXEC})
_CHANGES = frozenset({kinds.WRITE, kinds.CREATE, kinds.REMOVE, kinds.RENAME})


def check_clean(cwd: bytes) -> None:
    """Refuse a run in a directory whose code is not all committed, or of which that cannot be told.

    Raises ConditionFailed (exit code 125). What counts is what `dirty` means in a record: tracked files that differ
    from the commit, staged ones and submodules included.
    """
    from shark.content.git import repositories
    from shark.content.gitsettled import settle

    sections, gaps = repositories([os.fsdecode(cwd)], seconds=_CLEAN_SECONDS)
    hint = "Without --require-clean shark records what is not committed, as a patch."
    if not sections:
        raise ConditionFailed(f"--require-clean: {os.fsdecode(cwd)} is in no git repository", hint, EXIT_RUN)
    [section] = settle(sections, frozenset())
    root = section["root"]
    if "dirty" not in section:
        why = gaps[0].detail if gaps else f"git in {root} does not answer"
        raise ConditionFailed(f"--require-clean: it is not known whether all is committed: {why}", hint, EXIT_RUN)
    if section["dirty"]:
        changed = [path for state, path in section["changes"] if state != "??"]
        some = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        raise ConditionFailed(f"--require-clean: {root} has changes that are not committed: {some}", hint, EXIT_RUN)


def code(model: RunModel, findings: Findings) -> list[bytes]:
    """The paths of the code that the run read or executed and did not make itself, each once."""
    used = {n for _, _, n, _, kind in model.accesses if kind in _USES}
    sources = {source for pyc, source in model.pyc_sources.items() if pyc in used}
    files = model.files.all
    return sorted(
        file.path
        for n in used | sources
        if findings.role(file := files[n - 1]) == "code"
        and file.regular
        and file.path.startswith(b"/")
        and not (file.versions and file.versions[0].process)
        and findings.owner(file) is None
    )


def names_masked(record: RunRecord, secrets: Sequence[str] = ()) -> RunRecord:
    """The record, with secrets masked in file names too: `secrets` and those of variables wherever they stand, and all
    that looks like one where the command lines of the run have some.

    A file that is called by a secret (`result-TOKEN.csv`) mostly was named so by an argument. Without such an argument
    no name is looked at: a file may be called `password=5` and has to be found under that name.
    """
    from shark.content.concealing import secrets_in, without
    from shark.content.masking import MASK, mask_text

    if known := sorted({*secrets, *secrets_in(os.environ)}, key=len, reverse=True):
        record = without(record, known)
    command_lines = (image["argv"] for process in record["processes"] for image in process["images"] if "argv" in image)
    if not any(MASK in argument for argv in (record["command"]["argv"], *command_lines) for argument in argv):
        return record

    def masked(value: Any) -> Any:
        if isinstance(value, str):
            return mask_text(value)
        if isinstance(value, dict):
            return {key: masked(each) for key, each in value.items()}
        return [masked(each) for each in value] if isinstance(value, list) else value

    found: RunRecord = masked(record)
    return found


def take(gatherer: Gatherer, facts: Facts, model: RunModel, findings: Findings, store: Store) -> None:
    """Put what the gatherer found into the facts; patches go into the store."""
    context, gaps = gatherer.collect(SECONDS)
    facts.context.update(context.sections)
    facts.gaps += gaps
    if "git" not in context.sections:
        return
    from shark.content.gitsettled import nearest_first, settle

    untidy = any("changes" in section for section in context.sections["git"])
    written = set(_written(model, findings)) if untidy else set()
    cwd = os.fsdecode(model.started.cwd) if model.started is not None else ""
    sections = nearest_first(context.sections["git"], cwd)
    try:
        facts.context["git"] = settle(sections, written, context.patches, store.put_object)
    except OSError as problem:
        facts.context["git"] = settle(sections, written)
        facts.gaps.append(Gap("other", f"the patch could not be kept: {problem.strerror}"))


def _written(model: RunModel, findings: Findings) -> Iterator[bytes]:
    """Where the run wrote, made or removed something, so that it is not as it was before."""
    for (_, _, n, version, kind), access in model.accesses.items():
        if kind not in _CHANGES:
            continue
        file = model.files[n]
        if kind == kinds.WRITE and version in findings.outcome(file).unchanged:
            continue
        yield access.used
        yield file.path
    for moved in model.moves:
        yield from moved
