"""What must be looked up in the world after a run: which files' states and owners, and which contents to hash."""

from __future__ import annotations

from collections.abc import Sequence

from shark.model import accesses as kinds
from shark.model.facts import Facts, HashTask, Header, Question
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.files import File
    from shark.model.findings import Findings, Outcome
    from shark.model.run import RunModel
    from shark.model.versions import Version

_KERNEL = (b"/proc/", b"/sys/")
_COMPILED = b".pyc"
_NEVER_HASHED = frozenset({"cache", "system"})
_new = tuple.__new__  # a third of the time that calling the class takes
_CONTENT = frozenset({kinds.READ, kinds.WRITE, kinds.CREATE, kinds.EXEC})


def is_sidecar(path: bytes) -> bool:
    """True for `.NAME.shark`: shark's own file beside another one, never an input or output."""
    if not path.endswith(b".shark"):
        return False
    name = path.rpartition(b"/")[2]
    return name.startswith(b".") and len(name) > len(b"..shark")


def compiled_source(path: bytes) -> bytes | None:
    """The source file that belongs to a compiled Python module (PEP 3147), None for any other file."""
    if not path.endswith(_COMPILED):
        return None
    directory, _, name = path.rpartition(b"/")
    parent, _, last = directory.rpartition(b"/")
    if last == b"__pycache__":
        return parent + b"/" + name.partition(b".")[0] + b".py"
    return path[:-1]


def find_sources(model: RunModel) -> None:
    """Give every compiled Python module that was read a file that stands for its source."""
    files = model.files.all
    known = model.pyc_sources
    if all(n in known for n in [file.n for file in files if file.path.endswith(_COMPILED)]):
        return  # mostly: going through the accesses takes much longer
    for _, _, n, _, kind in model.accesses:
        if kind != kinds.READ or n in known:
            continue
        path = files[n - 1].path
        if path.endswith(_COMPILED) and (source := compiled_source(path)) is not None:
            known[n] = model.files.source(source).n


def questions(model: RunModel) -> list[Question]:
    """One question per file that was read, written or executed and still has a name; the same each time."""
    find_sources(model)
    used = {n for _, _, n, _, kind in model.accesses if kind in _CONTENT}
    used.update(model.pyc_sources.values())
    return [_new(Question, (file.n, file.path)) for file in model.files.all if file.n in used and _can_matter(file)]


def _can_matter(file: File) -> bool:
    if file.kind != "file" or file.gone or file.path[:1] != b"/" or file.path.startswith(_KERNEL):
        return False
    # A file that has lost its names cannot be found; one that no call ever showed is a compiled module's source.
    return bool(file.names) or not file.versions


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
    files, ignored = model.files.all, header.ignored
    for n, _ in asked or questions(model):
        file = files[n - 1]
        outcome = findings.outcome(file)
        if not outcome.there:
            continue
        role = findings.role(file)
        version, path = file.current, file.path
        if role in _NEVER_HASHED or (role == "library" and not version.process):
            continue
        if is_sidecar(path) or ignored(path):
            continue
        plan.append(_new(HashTask, (n, path, bool(version.process) and _is_fresh(version, outcome))))
    return plan


def _is_fresh(version: Version, outcome: Outcome) -> bool:
    return not version.changed and outcome.stat is not None and version.agrees(outcome.stat)
