"""What is done ahead of a run's end changes nothing of its record (src/shark/ahead.py)."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from harness import Run, World
from shark import ahead, jsontext
from shark.capture.reading import read_journal
from shark.content.packages.early import Early
from shark.events import Event
from shark.model.facts import Header
from shark.model.run import RunModel
from shark.record import Settings, finish
from shark.store.home import Store

ID = "01a229d7-c579-732e-a9e6-129331912680"

SCRIPT = """
import csv, iniconfig
rows = open("in").read() + open("made").read()
open("out", "w").write(rows)
"""

UNTIL_INDEXED = """
cat in > out
until test -e "$SHARK_HOME/index.sqlite"; do sleep 0.02; done
"""


@pytest.fixture
def journal(world: World) -> bytes:
    """That of a run which reads packages of Python's and the system's, a run's output and another file."""
    world.write("in", b"1\n")
    world.write("script.py", SCRIPT.encode())
    assert world.run(["sh", "-c", "echo 2 > made"]).status == 0
    command = '"$0" script.py; cp "$SHARK_HOME/journals/$SHARK_RUN_ID.journal" kept'
    assert world.run(["sh", "-c", command, sys.executable], "--attach", "none").status == 0
    return os.fsencode(world.work / "kept")


def record_of(events: Iterable[Event], store: Store, *, early: Early | None = None) -> bytes:
    """The text of the record of these events; with `early`, after a step ahead for every few of them."""
    model = RunModel()
    steps = ahead.steps(model, early, lambda: store, hashes=True, wait=0) if early else iter(())
    for number, event in enumerate(events):
        model.observe(event)
        if number % 7 == 0:
            next(steps, None)
    while next(steps, None):
        pass
    settings = Settings(attach="none", owners=early.owners) if early else Settings(attach="none")
    header = Header(id=ID, shark="test")
    return jsontext.dumps(finish(model, header, store, settings, seconds=1.0).record)


def test_the_record_is_the_same_with_and_without(
    journal: bytes, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIVEN one journal, WHEN its end is made with and without work ahead, THEN the record is the same byte by byte."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    events = list(read_journal(journal))
    texts = []
    for early in (None, Early(os.environ, settled_ns=0), None):
        home = tmp_path / f"store-{len(texts)}"
        shutil.copytree(world.store / "runs", home / "runs")
        store = Store(os.fsencode(home), environ=os.environ)
        texts.append(record_of(events, store, early=early))
    assert b"pkg:pypi/iniconfig" in texts[0]
    assert texts[0] == texts[1] == texts[2]


def test_it_is_done_while_the_command_runs(shark_run: Callable[..., Run], world: World) -> None:
    """GIVEN a store with a run that made the input, WHEN a command waits until its index is there, THEN it ends."""
    assert world.run(["sh", "-c", "echo 1 > in"]).status == 0
    run = shark_run(["sh", "-c", UNTIL_INDEXED])
    assert run.status == 0, run.stderr
    assert run.inputs("out").keys() == {"in"}
