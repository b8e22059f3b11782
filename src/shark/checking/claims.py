"""What is known of the files that are asked about: their manifests, and whether these are true of them.

Most files of a large directory carry a manifest that is true of them; those are settled quickly. All others are asked
about as `shark inspect` does (`lookup.py`).
"""

from __future__ import annotations

import os
from collections.abc import Container, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from shark import lookup
from shark.checking.carried import NOTHING, Claim, Lists, claim_of
from shark.checking.contents import Contents
from shark.checking.inputs import Where, places
from shark.checking.records import Records
from shark.checking.walking import Found
from shark.content.hashing import Hashed
from shark.errors import NotFound, SharkError

State = Literal["current", "modified", "unknown"]


BY_CHANCE = 64
"""Contents of fewer bytes are often the same by chance: of such, only one of the same name passes for a copy."""


class Known(NamedTuple):
    """A file and what is claimed of it: one claim, several if runs made the same bytes, none if nothing is known.

    `state` is `unknown` if nothing is known, or if the content could not be compared (`problem` says why). `group` is a
    number that unchanged outputs of one run share which derive from the same and are where they were, else -1.
    """

    found: Found
    state: State
    claims: tuple[Claim, ...]
    problem: str = ""
    group: int = -1


def known(
    files: Sequence[Found],
    contents: Contents,
    records: Records,
    outputs: Container[bytes] | None = None,
    caches: Container[bytes] = (),
) -> list[Known]:
    """What is known of each of `files`, in their order. Raises KeyboardInterrupt.

    `outputs` are the paths that the store knows as such. If they are given, files that carry nothing, stand at none of
    these, and have a size that no output has, are passed over as unknown. So are `caches` that carry nothing: whoever
    needs them makes them anew, in a run or not.
    """
    sifted = contents.sieve().sift([file.path for file in files])
    contents.fetch(
        (file.path, one.size) for file, one in zip(files, sifted, strict=True) if one.claim is not None and not one.sure
    )
    answered: list[Known] = []
    rest: list[tuple[Found, int]] = []
    for file, (said, size, sure, bare, group) in zip(files, sifted, strict=True):
        claim = said if said is None or said.inputs is not None else _placed(said, file, records)
        if claim is not None and (sure or contents.of(file.path, size).sha256 == claim.sha256):
            if sure:
                contents.note(file.path, claim.sha256, size)
            answered.append(Known(file, "current", (claim,), "", group))
            continue
        carries = not bare or file.sidecar
        likely = outputs is None or file.path in outputs or size in records.sizes()
        if carries or (likely and file.path not in caches):
            rest.append((file, len(answered)))
        answered.append(Known(file, "unknown", ()))
    asked = _asked([file for file, _ in rest], contents, records)
    for file, place in rest:
        found = asked.get(file.path)
        if found is not None and (outputs is None or not _by_chance(found, contents)):
            answered[place] = found
    return answered


def _placed(claim: Claim, file: Found, records: Records) -> Claim | None:
    """A summary's claim, which names no path, with that of its run's record: where its inputs are looked for.

    None if the store does not have the run: a sidecar may have all of it.
    """
    path = records.place(claim.run, os.fsdecode(file.path), claim.sha256)
    return None if path is None else claim._replace(path=path)


def whole(claim: Claim, records: Records) -> Lists | None:
    """The inputs and controls of a claim; None if only a summary is at hand and the store does not have its run."""
    if claim.inputs is None:
        return records.lists(claim.run, claim.path, claim.sha256)
    lists = claim.inputs, claim.controls or NOTHING
    if any("files" in entry for entries in lists for entry in entries):
        return records.lists(claim.run, claim.path, claim.sha256) or lists
    return lists


def _asked(files: Sequence[Found], contents: Contents, records: Records) -> dict[bytes, Known]:
    if not files:
        return {}

    def hasher(paths: Sequence[bytes]) -> Mapping[bytes, Hashed]:
        contents.fetch((path, -1) for path in paths)
        return contents.hashed(paths)

    while True:
        paths = [file.path for file in files]
        try:
            answers = lookup.answers(paths, records.store, records.environ, hasher=hasher)
            break
        except NotFound:
            there = [file for file in files if os.path.exists(file.path)]
            if len(there) == len(files):
                raise
            files = there  # some were removed meanwhile
    return {file.path: _answer(file, answer, records) for file, answer in zip(files, answers, strict=True)}


def _answer(file: Found, answer: lookup.Answer, records: Records) -> Known:
    problem = "; ".join(dict.fromkeys(answer.problems))
    if answer.manifest is not None:
        claim = _claim(file, answer.manifest, answer.source)
        return Known(file, answer.state, (claim,), problem)
    claims = []
    state: State = answer.state
    made = [(candidate["run"], os.fsencode(candidate["path"]), answer.source) for candidate in answer.candidates]
    if not made and not problem:  # an output to which nothing was attached, with another content now
        state, made = "modified", [(one.run, one.path, "store") for one in records.made(path=file.path)[:1]]
    for run, path, source in made:
        try:
            claim = _claim(file, lookup.remake(records.store, run, path), source)
            if source != "digest" or not _used(file, claim):
                claims.append(claim)
        except (SharkError, ValueError) as error:
            problem = problem or str(error)
    return Known(file, state if claims else "unknown", tuple(claims), problem)


def _by_chance(one: Known, contents: Contents) -> bool:
    """Tell whether all that speaks for a file being an output is a few bytes that it has in common with one."""
    name = os.path.basename(os.fsdecode(one.found.path))
    copies = [claim for claim in one.claims if claim.source == "digest"]
    same_name = any(os.path.basename(claim.path) == name for claim in copies)
    return bool(copies) and contents.of(one.found.path).size < BY_CHANCE and not same_name


def _used(file: Found, claim: Claim) -> bool:
    """Tell whether the file is one of those that the run used: then it is no copy of the output.

    By its place, also in a folder that was moved; and by its bytes, if the run had found them already (`cat a > b`),
    unless the file has the name of the output.
    """
    moved = Where(claim.run, claim.path, file.path).moved
    name = os.path.basename(os.fsdecode(file.path))
    named = os.path.basename(claim.path) == name
    for entry in claim.inputs or ():
        path = str(entry.get("path", ""))
        if path[:1] == "/" and file.path in places(path, moved):
            return True
        if entry.get("sha256") == claim.sha256 and (not named or os.path.basename(path) == name):
            return True
    return False


def _claim(file: Found, manifest: dict[str, Any], source: str) -> Claim:
    from shark.store.manifests import digest_of, is_legacy

    if not is_legacy(manifest):
        return claim_of(manifest, source)
    from shark.view.legacy import modern

    inputs = [dict(entry) for entry in modern(manifest)["inputs"]]
    return Claim("", "", digest_of(manifest, file.path)[0], -1, inputs, [], source)
