"""A journal is as good as the run itself: what is made from it again says the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import Run, World, load
from shark.model.manifest import manifests

SCRIPT = """
sort in > sorted && mv sorted result
echo more >> log
cat result in > both; rm result
cp "$SHARK_HOME/journals/$SHARK_RUN_ID.journal" kept
"""

SAME = ("inputs", "output", "process", "scope", "run")


def manifest_of(record: dict[str, Any], name: str) -> dict[str, Any]:
    manifest = next(m for m in manifests(record) if Path(m["output"]["path"]).name == name)
    # The journal was read while it was being written, and is gone: only the live run could say so.
    return {**manifest, "inputs": [entry for entry in manifest["inputs"] if not entry["path"].endswith(".journal")]}


def test_a_replayed_journal_gives_the_manifests_of_the_live_run(
    shark_run: Callable[..., Run], world: World, tmp_path: Path
) -> None:
    """GIVEN a run that keeps its journal, WHEN that is recovered elsewhere, THEN its manifests say the same."""
    world.write("in", b"b\na\n")
    world.write("log", b"first\n")
    live = shark_run(["sh", "-e", "-c", SCRIPT], "--attach", "none")
    assert live.status == 0, live.stderr
    assert set(live.outputs) == {"both", "log", "kept"}

    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "journals").mkdir(parents=True)
    shutil.copyfile(world.work / "kept", elsewhere / "journals" / f"{live.record['id']}.journal")
    environ = {**world.env, "SHARK_HOME": str(elsewhere)}
    done = subprocess.run([*world.shark, "recover"], env=environ, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    [path] = elsewhere.glob("runs/*/*/*/*.json.gz")
    again = load(path)
    assert {gap["kind"] for gap in again["coverage"]["gaps"]} >= {"journal-lost"}
    for name, inputs in (("both", {"in"}), ("log", {"log"})):
        mine, theirs = manifest_of(again, name), manifest_of(live.record, name)
        assert {Path(entry["path"]).name for entry in mine["inputs"]} == inputs
        theirs["process"].pop("end")  # the journal broke off before
        mine["process"].pop("end", None)
        assert {key: mine[key] for key in SAME} == {key: theirs[key] for key in SAME}
        assert mine["software"] == theirs["software"]
