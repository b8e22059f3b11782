"""What must be looked up in the world after a run: which files' states and owners, and which contents to hash."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shark.model import accesses as kinds
from shark.model.facts import Facts, HashTask, Header, Question
from shark.values import FileId, Stat

if TYPE_CHECKING:
    from shark.model.files import File
    from shark.model.findings import Findings
    from shark.model.run import RunModel

_KERNEL = (b"/proc/", b"/sys/")
_S_IFREG = 0o100000
_CONTENT = frozenset({kinds.READ, kinds.WRITE, kinds.CREATE, kinds.EXEC})


def is_sidecar(path: bytes) -> bool:
    """True for `.NAME.shark`: shark's own file beside another one, never an input or output."""
    name = path.rpartition(b"/")[2]
    return name.startswith(b".") and name.endswith(b".shark") and len(name) > len(b"..shark")


def compiled_source(path: bytes) -> bytes | None:
    """The source file that belongs to a compiled Python module (PEP 3147), None for any other file."""
    if not path.endswith(b".pyc"):
        return None
    directory, _, name = path.rpartition(b"/")
    parent, _, last = directory.rpartition(b"/")
    if last == b"__pycache__":
        return parent + b"/" + name.partition(b".")[0] + b".py"
    return path[:-1]


def find_sources(model: RunModel) -> None:
    """Give every compiled Python module that was read a file that stands for its source."""
    for _, _, n, _, kind in list(model.accesses):
        if kind != kinds.READ or n in model.pyc_sources:
            continue
        path = compiled_source(model.files[n].path)
        if path is not None:
            model.pyc_sources[n] = model.files.source(path).n


def questions(model: RunModel) -> list[Question]:
    """One question per file that was read, written or executed and still has a name; the same each time."""
    find_sources(model)
    used = {n for _, _, n, _, kind in model.accesses if kind in _CONTENT}
    used.update(model.pyc_sources.values())
    return [_question(file) for file in model.files.all if file.n in used and _can_matter(file)]


def _can_matter(file: File) -> bool:
    if not file.regular or file.gone or not file.path.startswith(b"/") or file.path.startswith(_KERNEL):
        return False
    # A file that has lost its names cannot be found; one that no call ever showed is a compiled module's source.
    return bool(file.names) or not file.versions


def _question(file: File) -> Question:
    version = file.current
    expected = None
    if version.size >= 0:
        expected = Stat(file.id or FileId(0, 0, 0), _S_IFREG, version.size, version.mtime, 1)
    return Question(file.n, file.path, expected, bool(version.process))


def hash_plan(
    model: RunModel, facts: Facts, header: Header, findings: Findings | None = None, asked: Sequence[Question] = ()
) -> list[HashTask]:
    """Which files' final contents to hash: outputs, and inputs that no package identifies.

    Needs `facts.stats` and `facts.owners`. Nothing of role cache or system, nothing ignored, nothing that is gone. With
    `findings` and the questions that were `asked`, if they are at hand, nothing is worked out twice.
    """
    if findings is None:
        from shark.model.findings import Findings

        findings = Findings(model, facts, header)
    plan: list[HashTask] = []
    for question in asked or questions(model):
        file = model.files[question.n]
        outcome = findings.outcome(file)
        if not outcome.there:
            continue
        role = findings.role(file)
        version = file.current
        if role in {"cache", "system"} or (role == "library" and not version.process):
            continue
        if is_sidecar(file.path) or header.ignored(file.path):
            continue
        fresh = (
            bool(version.process) and not version.changed and outcome.stat is not None and version.agrees(outcome.stat)
        )
        plan.append(HashTask(file.n, file.path, fresh))
    return plan
