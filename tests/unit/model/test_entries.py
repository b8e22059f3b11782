"""Files that were only read take a short way to their entries: it must lead where the long one does."""

from __future__ import annotations

from shark import jsontext
from shark.model.facts import Facts, Header, Owner
from shark.model.findings import Findings, Outcome
from shark.model.record import Entries
from shark.model.scope import Scope

from .events_builder import DIRECTORY, Run, before, final, stat


def _run() -> tuple[Run, Facts]:
    run = Run("prog")
    for n, name in enumerate(
        ("plain", "candidate", "candidates", "owned", "modified", "fresh", "gone", "twin", "bare")
    ):
        run.read(f"/w/{name}", stat(n + 1))
    run.link("/w/twin", "/w/twin2", stat(8, nlink=2))
    run.read("/w/changed", stat(20))
    run.read("/w/changed", stat(20, 11, 9_000))
    run.read("/w/replaced", stat(21))
    run.read("/w/reborn", stat(22))
    run.list("/w/folder", stat(23, mode=DIRECTORY))
    run.read("/w/kept", stat(24))
    run.change("/w/kept", stat(24, 12, 9_000), before(stat(24), 7))
    run.create("/w/made", 25)
    run.read("/w/m.pyc", stat(26))
    run.end()
    facts = final(
        run,
        fresh=stat(6, 10, 77_000),
        gone=None,
        replaced=stat(99),
        reborn=stat(22, birth=8),
        bare=stat(9, 0),
    )
    number = {name: run.file(f"/w/{name}").n for name in ("candidate", "candidates", "bare", "plain")}
    facts.input_runs = {number["candidate"]: ["r"], number["candidates"]: ["r", "s"], number["plain"]: []}
    del facts.digests[number["bare"]]
    facts.owners = {b"/w/owned": Owner("pkg:deb/x", False), b"/w/modified": Owner("pkg:deb/y", True)}
    return run, facts


def _findings(run: Run, facts: Facts) -> Findings:
    return Findings(run.model, facts, Header("run-1", "x"))


def test_a_given_content_is_told_in_the_same_words() -> None:
    """Where the short way knows the entry of a version, it is the long one's, in the same order."""
    run, facts = _run()
    findings = _findings(run, facts)
    entries = Entries(facts, Scope(run.model), findings)
    short = set()
    for file in run.model.files.all:
        outcome = findings.outcome(file)
        found = entries._as_given(file, outcome)
        if found is not None:
            short.add(file.path.decode())
            assert jsontext.dumps(found) == jsontext.dumps(entries.version(file, file.current, outcome))
    assert short >= {"/w/plain", "/w/candidate", "/w/candidates", "/w/owned", "/w/modified", "/w/twin", "/w/reborn"}
    assert not short & {
        "/w/fresh",
        "/w/gone",
        "/w/changed",
        "/w/replaced",
        "/w/folder",
        "/w/kept",
        "/w/made",
        "/w/bare",
    }


def test_the_outcome_of_a_file_that_was_only_read() -> None:
    """It is there as it was, or changed by others since, or another one is in its place."""
    run, facts = _run()
    findings = _findings(run, facts)
    told = {file.path: _told(findings.outcome(file)) for file in run.model.files.all}
    assert told[b"/w/plain"] == (True, False, facts.stats[run.file("/w/plain").n], False)
    assert told[b"/w/fresh"] == (True, False, stat(6, 10, 77_000), True)
    assert told[b"/w/gone"] == told[b"/w/replaced"] == (False, True, None, False)
    assert told[b"/w/reborn"] == (True, False, stat(22, birth=8), False)  # an overlay copied it up
    assert told[b"/w/twin"][:2] == (True, False)
    facts.stats.clear()
    unseen = _findings(run, facts).outcome(run.file("/w/plain"))
    assert _told(unseen) == (True, False, None, False)


def _told(outcome: Outcome) -> tuple[object, ...]:
    return outcome.there, outcome.vanished, outcome.stat, outcome.foreign


def test_a_module_that_is_read_later_gets_its_source_too() -> None:
    """Questions may be asked again, after more has happened."""
    run = Run("prog")
    run.read("/w/a.pyc", stat(1))
    program, *first = [question.path for question in run.model.questions()]
    run.read("/w/b.pyc", stat(2))
    second = [question.path for question in run.model.questions()]
    assert first == [b"/w/a.pyc", b"/w/a.py"]
    assert second == [program, *first, b"/w/b.pyc", b"/w/b.py"]
