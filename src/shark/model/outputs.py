"""Which files are outputs: regular, there when the run ends, with content that the run made."""

from __future__ import annotations

from shark.model.files import File
from shark.model.findings import Findings
from shark.model.paths import is_kernels
from shark.model.questions import is_sidecar
from shark.model.scope import Scope
from shark.model.versions import Version
from shark.tuples import NamedTuple


class Output(NamedTuple):
    """An output and its version. `why`: the reason why no manifest shall be attached to it, "" where one shall."""

    file: File
    version: Version
    why: str


def outputs(findings: Findings, scope: Scope) -> list[Output]:
    """The outputs of a run or sub-run, in the order of their file numbers."""
    found: list[Output] = []
    for file in findings.changed:
        version = made_version(findings, scope, file)
        if version is not None and not is_sidecar(file.path):
            found.append(Output(file, version, why_not_attached(findings, scope, file, version)))
    return found


def made_version(findings: Findings, scope: Scope, file: File) -> Version | None:
    """The version in which the run left a file, None unless it is an output.

    What is written below /proc, /sys or /dev says something to the kernel, and is no content that would be there later.
    """
    if not file.regular or is_kernels(file.path) or not any(version.process for version in file.versions):
        return None
    outcome = findings.outcome(file)
    if not outcome.there:
        return None
    made = [version for version in file.versions if scope.made(version)]
    return made[-1] if any(version.n not in outcome.unchanged for version in made) else None


def why_not_attached(findings: Findings, scope: Scope, file: File, version: Version) -> str:
    """Why an output is recorded, but gets no manifest: "" if it gets one."""
    role = findings.role(file)
    if all(made.log for made in file.versions if scope.made(made) and made.n not in findings.outcome(file).unchanged):
        return "a log that the command inherited"
    if findings.header.ignored(file.path):
        return "ignored"
    owner = findings.owner(file)
    if owner is not None and not owner.modified:
        return "owned by a package"
    if role in {"cache", "system"}:
        return f"role {role}"
    if not findings.final(file, version):
        return "changed later"
    return ""
