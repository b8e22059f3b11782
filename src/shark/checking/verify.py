"""Is this still what was recorded? The content of outputs, and of what they were made from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shark.checking import claims
from shark.checking.carried import Claim
from shark.checking.claims import Known
from shark.checking.inputs import Input, Inputs, Where
from shark.checking.walking import Found, controlled, find
from shark.store import files

if TYPE_CHECKING:
    from shark.checking.contents import Contents
    from shark.checking.records import Records
    from shark.view.documents import VerifiedFile, VerifiedInput, Verify

State = Literal["ok", "modified", "missing", "input-modified", "input-missing", "unknown"]
"""`unknown`: nothing is known of the file, or it could not be compared."""


@dataclass(slots=True)
class Checked:
    """What was found of one file. `inputs` are those that are not as they were, or could not be compared.

    `hindered`: something could not be read. `recorded` is where it was when it was recorded, if that is elsewhere.
    """

    file: str
    state: State
    run: str = ""
    source: str = ""
    recorded: str = ""
    inputs: Sequence[Input] = ()
    problem: str = ""
    hindered: bool = False

    def document(self) -> VerifiedFile:
        """Give the element of the document of `shark verify --json`."""
        document: VerifiedFile = {"file": self.file, "state": self.state}
        if self.run:
            document["run"] = self.run
        if self.source:
            document["source"] = self.source  # type: ignore[typeddict-item]  # one of the places
        if self.recorded:
            document["recorded"] = self.recorded
        if self.inputs:
            document["inputs"] = [_entry(one) for one in self.inputs]
        if self.problem:
            document["problem"] = self.problem
        return document


class Verification:
    """The answer of `shark verify`: the files that have a manifest, and how many were passed over as they have none.

    `unlisted` are what could not be looked at, with the reason.
    """

    def __init__(self) -> None:
        self.files: list[Checked] = []
        self.without = 0
        self.unlisted: list[tuple[str, str]] = []

    def counts(self) -> dict[str, int]:
        """How many files are in each state."""
        found: dict[str, int] = {}
        for file in self.files:
            found[file.state] = found.get(file.state, 0) + 1
        return found

    def document(self, *, whole: bool = True) -> Verify:
        """Give the document of `shark verify --json`; if not `whole`, without the files that are ok."""
        return {
            "schema": "shark/verify/1",
            "files": [file.document() for file in self.files if whole or file.state != "ok"],
            "counts": self.counts(),
            "without": self.without,
        }


def verify(arguments: Sequence[bytes], contents: Contents, records: Records) -> Verification:
    """Compare the files that `arguments` name, or those below them, and their inputs, with what was recorded.

    An argument that is not there is `missing` if the store knows it as an output, else it is among the `unlisted`.
    """
    answer = Verification()
    for argument in arguments:
        if not os.path.lexists(argument):
            _absent(argument, records, answer)
            continue
        try:
            found = list(find(argument, lambda name, error: answer.unlisted.append((name, files.reason(error)))))
        except OSError as error:
            answer.unlisted.append((os.fsdecode(argument), files.reason(error)))
            continue
        directory = os.path.isdir(argument)
        if not found and not directory:
            answer.unlisted.append((os.fsdecode(argument), "not a regular file: only these have a manifest"))
        true = os.path.realpath(argument)
        outputs = records.below(true) if directory else None
        known = claims.known(found, contents, records, outputs, records.caches(true) if directory else ())
        if outputs is not None:
            answer.without += sum(not one.claims and not one.problem for one in known)
            known = [one for one in known if one.claims or one.problem]
        answer.files += check(known, Inputs(contents, records), records)
        if outputs is not None:
            gone = outputs.difference(file.path for file in found)
            answer.files += _lacking(argument, gone, known, records)
    return answer


def check(known: Sequence[Known], inputs: Inputs, records: Records) -> list[Checked]:
    """The state of each file, its inputs included."""
    # Files of one run mostly share their inputs: these are looked at once.
    groups = {one.group: one for one in known if one.group >= 0}
    firsts = [(one, one.claims[0]) for one in groups.values()]
    alone = [(one, claim) for one in known if one.group < 0 for claim in one.claims]
    inputs.prepare(_lists([*firsts, *alone], records))
    fine = {one.group for one, claim in firsts if _is_fine(_checked(one, claim, inputs, records))}
    return [
        Checked(one.found.shown, "ok", one.claims[0].run, one.claims[0].source)
        if one.group in fine
        else _best(one, inputs, records)
        for one in known
    ]


def _is_fine(checked: Checked) -> bool:
    return checked.state == "ok" and not checked.inputs and not checked.problem


def _lists(claimed: Iterable[tuple[Known, Claim]], records: Records) -> Iterator[tuple[Where, list[dict[str, Any]]]]:
    for one, claim in claimed:
        for entries in claims.whole(claim, records) or ():
            if entries:
                yield _where(one.found, claim), entries


def _where(found: Found, claim: Claim) -> Where:
    return Where(claim.run, claim.path, found.path)


def _best(one: Known, inputs: Inputs, records: Records) -> Checked:
    """Of several runs that made the same bytes, one whose inputs are as they were, if there is one."""
    first: Checked | None = None
    for claim in one.claims:
        checked = _checked(one, claim, inputs, records)
        if checked.state == "ok":
            return checked
        first = first or checked
    if first is not None:
        return first
    problem = one.problem or "nothing is known of where it comes from"
    return Checked(one.found.shown, "unknown", problem=problem, hindered=bool(one.problem))


def _checked(one: Known, claim: Claim, inputs: Inputs, records: Records) -> Checked:
    where = _where(one.found, claim)
    lists = claims.whole(claim, records)
    checked = Checked(one.found.shown, "ok", claim.run, claim.source, problem=one.problem)
    if one.state == "unknown":
        checked.hindered = bool(one.problem)
        checked.problem = one.problem or "its content was not hashed when it was recorded, and its time has changed"
    if claim.path and where.recorded != os.fsdecode(one.found.path):
        checked.recorded = claim.path
    if lists is None:
        checked.problem = checked.problem or "only a summary is with the file: its inputs are not known here"
    else:
        for control, entries in enumerate(lists):
            if entries:
                changed = inputs.changed(where, entries, control=bool(control))
                # That its own earlier content is gone is told by its state already.
                checked.inputs = [*checked.inputs, *(other for other in changed if other.at != where.present)]
    checked.state = _state(one, {state.state for state in checked.inputs})
    if checked.state == "unknown" and one.state != "unknown":
        checked.problem = _touched([os.fsdecode(state.at) for state in checked.inputs if state.state == "touched"])
    return checked


def _touched(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f"no digest was recorded of its input {names[0]}{more}, and the time has changed"


def _state(one: Known, inputs: set[str]) -> State:
    if one.state == "modified":
        return "modified"
    if one.state == "unknown":
        return "unknown"
    if "modified" in inputs:
        return "input-modified"
    if "missing" in inputs:
        return "input-missing"
    return "unknown" if "touched" in inputs else "ok"


def _absent(argument: bytes, records: Records, answer: Verification) -> None:
    """An argument that is not there: missing, if it was an output or had outputs below it."""
    name = argument.rstrip(b"/")
    path = os.path.join(os.path.realpath(os.path.dirname(name) or b"."), os.path.basename(name))
    made = records.made(path=path)
    below = sorted(records.below(path)) if name and not made else []
    makers = [(gone, records.made(path=gone)[0].run) for gone in below]
    lacking = [(gone, run) for gone, run in makers if not _taken(run, gone, records)]
    if made:
        answer.files.append(Checked(os.fsdecode(argument), "missing", made[0].run, "store"))
    for gone, run in lacking:
        shown = os.fsdecode(os.path.join(name, os.path.relpath(gone, path)))
        answer.files.append(Checked(shown, "missing", run, "store"))
    if not made and not lacking:
        answer.unlisted.append((os.fsdecode(argument), "no such file, and no run is known to have made it"))


def _lacking(argument: bytes, gone: set[bytes], known: Sequence[Known], records: Records) -> Iterator[Checked]:
    """Outputs that the store knows below a directory, and that are not there any more, though others of their run are.

    Outputs of a run of which nothing is left were cleared away, or made anew by another run; and what was renamed, or
    removed by a run that used it, is not lacking.
    """
    if not gone:
        return
    top = os.path.realpath(argument)
    claimed = [claim for one in known for claim in one.claims]
    runs = {claim.run for claim in claimed}
    elsewhere = {(claim.run, claim.path) for claim in claimed}
    for path in sorted(gone):
        if os.path.lexists(path) or controlled(path, top):
            continue  # a link stands there now, say
        version = records.made(path=path)[0]
        text = path.decode("utf-8", "surrogateescape")
        if version.run in runs and (version.run, text) not in elsewhere and not _taken(version.run, path, records):
            shown = os.path.join(os.fsdecode(argument), os.fsdecode(os.path.relpath(path, top)))
            yield Checked(os.path.normpath(shown), "missing", version.run, "store")


def _taken(run: str, path: bytes, records: Records) -> bool:
    """Tell whether a later run that used an output removed it."""
    index = records.index()
    users = {used.run for used in index.used(path=path)} if index is not None else set()
    for user in users - {run}:
        left = records.left(user, path.decode("utf-8", "surrogateescape"))
        if left is not None and left.removed:
            return True
    return False


def _entry(one: Input) -> VerifiedInput:
    entry: VerifiedInput = {"path": one.path, "state": one.state, "list": "controls" if one.control else "inputs"}  # type: ignore[typeddict-item]  # no current ones
    if one.sha256:
        entry["sha256"] = one.sha256
    if one.at:
        entry["at"] = os.fsdecode(one.at)
    if one.why:
        entry["why"] = one.why
    return entry
