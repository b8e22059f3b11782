"""Every row of docs/comparison.md is true: what its last column names is in the records of real runs."""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness import MODES, World, attached, load, need

PAGE = Path(__file__).parent.parent / "docs" / "comparison.md"
_ROW = re.compile(r"^\| (?P<field>[`*].+?) \| (?P<what>.+?) \| (?P<document>run|manifest|block) `(?P<place>[^`]+)` \|$")

_CAPSULA = """
    git.NAME.working_dir git.NAME.sha git.NAME.branch git.NAME.remotes git.NAME.is_dirty git.NAME.diff_file
    time.execution_time cwd env.NAME file.PATH file.PATH.hash.algorithm file.PATH.copied_to file.PATH.moved_to
    command.TEXT.command command.TEXT.cwd command.TEXT.returncode command.TEXT.stdout command.TEXT.stderr
    platform.machine platform.node platform.platform platform.release platform.version platform.system
    platform.processor platform.python.version platform.python.build_no platform.python.executable_architecture.bits
    cpu.arch cpu.count cpu.brand_raw cpu.vendor_id_raw cpu.family cpu.model cpu.stepping cpu.flags cpu.hz_advertised
    cpu.l1_data_cache_size cpu.l2_cache_line_size cpu.l2_cache_associativity cpu.python_version
    function.NAME function.NAME.file_path function.NAME.first_line_no function.NAME.bound_args
    KEY __fails.TYPE.NAME.exc_type
    exception.exception.exc_type exception.exception.exc_value exception.exception.traceback
"""
_PYSHARK = "args start end env inputs[].path inputs[].sha inputs[].history inputs[].url outputs git uname python"


class Row(NamedTuple):
    """A row of the tables: the other tool's field, and where shark has it."""

    field: str
    document: str
    place: str


def rows() -> list[Row]:
    """All rows of the page's tables."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line[:9] != "| field |"]
    found = [_ROW.match(line) for line in lines]
    assert all(found), "a row that says in no document where it is"
    return [Row(match["field"], match["document"], match["place"]) for match in found if match]


ROWS = rows()

WHERE_THE_KERNEL_TELLS = {
    "host.cpu_details.caches[]": Path("/sys/devices/system/cpu/cpu0/cache/index0/size"),
    "host.cpu_details.": Path("/proc/cpuinfo"),
}
"""What only some machines tell (a virtual one may hide it), and in which file."""


def values(document: Any, place: str) -> Iterator[Any]:
    """All that a place like `git[].commit` names in a document."""
    if not place:
        yield document
        return
    name, _, rest = place.partition(".")
    inner = document.get(name.removesuffix("[]")) if isinstance(document, dict) else None
    if name.endswith("[]"):
        for each in inner or ():
            yield from values(each, rest)
    elif inner is not None:
        yield from values(inner, rest)


class Records(NamedTuple):
    """The documents in which the rows look, and the world that they are of."""

    documents: dict[str, dict[str, Any]]
    world: World


SETTINGS = {
    "SHARK_KEEP": "analysis.py",
    "SHARK_BEFORE": json.dumps([{"command": ["sh", "-c", "echo locked; echo trouble >&2"]}]),
    "SHARK_CAPTURE_OUTPUT": "yes",
}
ANALYSIS = """
import socket, subprocess, sys
subprocess.run([sys.executable, "-m", "shark", "record", "total", "3"], check=True)
socket.create_connection(("127.0.0.1", int(sys.argv[3]))).close()
with open(sys.argv[1]) as table, open(sys.argv[2], "w") as sums:
    sums.write(str(sum(float(line) for line in table)))
print("done")
"""
FUNCTION = """
import shark

@shark.recorded
def fit(path, *, degree):
    raise ValueError("no fit")

fit("in.csv", degree=2)
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Records:
    """An analysis in Python of a file that an earlier run made, in a repository that is dirty; a call of a function."""
    need("git")
    world = World(tmp_path_factory.mktemp("compared"))
    world.write("analysis.py", "pass\n")
    world.write("function.py", FUNCTION)
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for arguments in (
        ["init", "-q", "-b", "main"],
        ["add", "."],
        [*identity, "commit", "-qm", "first"],
        ["remote", "add", "origin", "https://example.org/x.git"],
    ):
        subprocess.run(["git", *arguments], cwd=world.work, env=world.env, check=True)
    world.write("analysis.py", ANALYSIS)
    made = world.run(["sh", "-c", "printf '1\\n2\\n' > in.csv"])
    assert made.status == 0, made.stderr
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        run = world.run([sys.executable, "analysis.py", "in.csv", "out.txt", port], mode=MODES[0], env=SETTINGS)
    assert run.status == 0, run.stderr
    manifest = attached(world.work / "out.txt")
    assert manifest is not None
    known = set(world.record_paths())
    done = subprocess.run(
        [sys.executable, "function.py"], cwd=world.work, env=world.env, stderr=subprocess.PIPE, timeout=60
    )
    assert b"ValueError: no fit" in done.stderr
    world.settle()
    [block] = set(world.record_paths()) - known
    return Records({"run": run.record, "manifest": manifest, "block": load(block)}, world)


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.field}" for row in ROWS])
def test_shark_has_it(row: Row, records: Records) -> None:
    """What the row's last column names is there, and says something."""
    for place, source in WHERE_THE_KERNEL_TELLS.items():
        if row.place.startswith(place) and not source.exists():
            pytest.skip(f"this machine does not tell it: no {source}")
    found = list(values(records.documents[row.document], row.place))
    assert found
    assert any(value not in ("", [], {}) for value in found)
    in_store = row.place.endswith("_sha256") or row.place.startswith(("kept[]", "streams"))
    for value in found if in_store else ():
        assert (records.world.store / "objects" / value[:2] / value).stat().st_size > 0


def first(records: Records, document: str, place: str) -> Any:
    return next(values(records.documents[document], place))


def test_what_it_has_is_true(records: Records) -> None:
    """Not only is something there: it is what the other tools would have written."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(records.world.work), *arguments]
        return subprocess.check_output(command, env=records.world.env, text=True).strip()

    assert first(records, "run", "git[].commit") == git("rev-parse", "HEAD")
    assert first(records, "run", "git[].branch") == "main"
    assert first(records, "run", "git[].dirty") is True
    assert first(records, "run", "git[].remotes.origin") == "https://example.org/x.git"
    assert first(records, "run", "command.cwd") == str(records.world.work)
    assert first(records, "run", "host.machine") == platform.machine()
    assert first(records, "run", "host.name") == platform.node()
    assert first(records, "run", "host.kernel") == platform.release()
    assert first(records, "run", "host.kernel_version") == platform.version()
    assert first(records, "run", "host.cores") == os.cpu_count()
    assert first(records, "run", "host.libc") == " ".join(platform.libc_ver())
    assert first(records, "run", "env.PATH") == records.world.env["PATH"]
    assert first(records, "block", "recording.function").endswith("fit")
    assert first(records, "block", "recording.file") == str(records.world.work / "function.py")
    assert "degree" in json.dumps(first(records, "block", "recording.arguments"))
    assert first(records, "block", "recording.exception.type") == "ValueError"
    assert first(records, "block", "recording.exception.message") == "no fit"
    assert "127.0.0.1" in values(records.documents["manifest"], "network[].address")
    assert any("python" in purl for purl in values(records.documents["manifest"], "software[]"))
    [made_by] = [entry["run"] for entry in records.documents["manifest"]["inputs"] if entry["path"].endswith("in.csv")]
    assert made_by in {path.name.partition(".")[0] for path in records.world.record_paths()}


def test_the_page_has_all_fields() -> None:
    """No field that Capsula's reports or pyshark's manifests have is missing from the page."""
    fields = {name for row in ROWS for name in re.findall(r"`([^`]+)`", row.field)}
    assert fields >= {*_CAPSULA.split(), *_PYSHARK.split()}
