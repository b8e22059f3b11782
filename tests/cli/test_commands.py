"""The commands as a user calls them: pages, documents, exit statuses."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from shark.cli.app import COMMANDS

from .conftest import Shark


def test_inspect(runs: Shark):
    """A page for people; a document for programs; 0 when all have a manifest."""
    done = runs("inspect", "b.csv")
    assert done.returncode == 0
    text = done.stdout.decode()
    assert text.startswith("b.csv  4 B\n✓ unchanged since it was made ")
    assert "Command     sh -c 'sort a.csv > b.csv'" in text
    assert "a.csv  4 B" in text
    [found] = runs.json("inspect", "--json", "b.csv")
    assert (found["file"], found["state"], found["source"]) == ("b.csv", "current", found["source"])
    assert [entry["path"] for entry in found["manifest"]["inputs"]] == [str(runs.work / "a.csv")]


def test_inspect_of_a_file_without_one(runs: Shark):
    """1 if any has none; the others are shown."""
    done = runs("inspect", "b.csv", "a.csv")
    assert done.returncode == 1
    assert b"nothing is known of where this file comes from" in done.stdout
    assert b"Command" in done.stdout


def test_inspect_of_changed_and_failed(runs: Shark):
    """The page says that the file changed since, and that the run had failed."""
    assert "✗ changed since" in runs("inspect", "changed.csv").stdout.decode()
    assert "! made by a failed run (exit 3)" in runs("inspect", "failed.txt").stdout.decode()


def test_inspect_of_bytes_that_several_runs_made(runs: Shark):
    """A copy made outside: its content tells which runs made it, and none is picked."""
    done = runs("inspect", "copy.csv")
    assert done.returncode == 1
    assert b"Candidates" in done.stdout
    [found] = runs.json("inspect", "--json", "copy.csv", status=1)
    assert {candidate["path"] for candidate in found["candidates"]} >= {str(runs.work / n) for n in ("b.csv", "c.csv")}


def test_inspect_of_a_directory(runs: Shark):
    """Grouped by run; 1 since some have none."""
    done = runs("inspect", ".")
    text = done.stdout.decode()
    assert done.returncode == 1
    assert "with a manifest, from 4 runs" in text
    assert "Without a manifest" in text


def test_quiet(runs: Shark):
    """-q leaves the exit status alone to speak."""
    done = runs("inspect", "-q", "b.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_log(runs: Shark):
    """One line a run, newest first; options choose."""
    lines = runs("log").stdout.decode().splitlines()
    assert len(lines) == 4
    assert "[first] sh -c 'sort a.csv > b.csv'" in lines[3]
    assert len(runs("log", "-n", "2").stdout.splitlines()) == 2
    assert [run["command"]["exit"] for run in runs.json("log", "--json", "--failed")["runs"]] == [3]
    assert [run["name"] for run in runs.json("log", "--json", "--tag", "data=v2")["runs"]] == ["first"]
    assert runs("log", "--name", "none").returncode == 1


def test_log_says_why_it_shows_none(runs: Shark, shark: Shark):
    """An empty store, and a choice that fits none, are two things."""
    assert b"shark run -- CMD" in shark("log").stderr
    assert b"no such runs" in runs("log", "--tag", "data=v9").stderr


def test_log_of_an_empty_store(shark: Shark):
    """Nothing there is nothing wrong, and makes no store."""
    done = shark("log")
    assert (done.returncode, done.stdout) == (0, b"")
    assert shark.json("log", "--json") == {"schema": "shark/log/1", "runs": []}
    assert not (shark.root / "store").exists()


def test_show(runs: Shark):
    """By number, by the end of the id, by file: the same run; --json is the record."""
    record = runs.json("show", "--json", "b.csv")
    run = record["id"]
    assert runs.json("show", "--json", "@4")["id"] == run
    assert runs.json("show", "--json", run[-8:])["id"] == run
    text = runs("show", run[:20] if False else run).stdout.decode()
    assert "Named       first, data=v2" in text
    assert "reads  a.csv\n" in text
    assert "writes b.csv\n" in text


def test_show_of_what_is_not_known(runs: Shark):
    """1: an unknown run, a file without a manifest, bytes of several runs."""
    for what in ("ffffffffffff", "@99", "a.csv"):
        done = runs("show", what)
        assert (done.returncode, done.stdout) == (1, b"")
        assert re.fullmatch(rb"shark: .+\n.+\n", done.stderr)
    assert b"one of" in runs("show", "copy.csv").stderr


def test_show_of_a_directory_of_several_runs(runs: Shark):
    """Its files have several makers: they are named, and none is picked."""
    done = runs("show", ".")
    assert done.returncode == 2
    assert b"the files in . are of 4 runs" in done.stderr


def test_show_lists_no_step_that_wrote_nothing(shark: Shark):
    """A standard error that the command inherited and never used is no output, and no step writes it."""
    with (shark.work / "err").open("wb") as err:
        done = shark("run", "--", "sh", "-c", "echo > out", stdout=subprocess.DEVNULL, stderr=err)
    assert done.returncode == 0
    text = shark("show", "@1").stdout.decode()
    assert "writes out\n" in text


def test_a_path_wins_over_an_id(runs: Shark):
    """A file that is called like a run."""
    run = runs.json("show", "--json", "@1")["id"]
    (runs.work / run[-8:]).write_text("x")
    try:
        assert runs("show", run[-8:]).returncode == 1
    finally:
        (runs.work / run[-8:]).unlink()


def test_strip_and_forget(shark: Shark):
    """The manifest goes, the record stays; then the record goes, the file stays."""
    shark.run("sh", "-c", "echo > out; echo > out2")
    assert {f["file"]: f["removed"] for f in shark.json("strip", "--json", "out")["files"]}.keys() == {"out"}
    assert shark("strip", ".").stdout == b"1 file stripped\n"
    assert shark("strip", ".").stdout == b"no manifests there\n"
    assert shark("show", "@1").returncode == 0
    done = shark("forget", "@1", "nonsense")
    assert done.returncode == 1
    assert re.fullmatch(rb"run [0-9a-f]{8} forgotten\n", done.stdout)
    assert b"nonsense" in done.stderr
    assert (shark.work / "out").exists()
    assert shark("show", "@1").returncode == 1


def test_strip_of_what_cannot_be_stripped(shark: Shark):
    """Only that is said, and not that nothing was there."""
    shark.run("sh", "-c", "echo > out")
    if subprocess.run(["chattr", "+i", "out"], cwd=shark.work, capture_output=True, check=False).returncode:
        pytest.skip("needs root, and a file system with immutable files")
    try:
        done = shark("strip", "out")
    finally:
        subprocess.run(["chattr", "-i", "out"], cwd=shark.work, check=True)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Its manifest is still there." in done.stderr


def test_index(runs: Shark, shark: Shark):
    """How many runs it knows; made anew when asked."""
    assert runs("index").stdout == b"4 runs in the index\n"
    assert runs.json("index", "--rebuild", "--json")["runs"] == 4


def test_index_tells_of_damaged_records(shark: Shark, edit_record):
    """A record that is not one is named with its fault, by index; the log shows the others."""
    shark.run("true")
    shark.run("true")
    edit_record(lambda record: record.clear())
    done = shark("index")
    assert done.returncode == 1
    assert b"1 run in the index, 1 damaged" in done.stdout
    listed = shark("log")
    assert listed.returncode == 0
    assert len(listed.stdout.splitlines()) == 1
    assert b"1 record cannot be read" in listed.stderr


def test_recover_of_nothing(shark: Shark):
    """No unfinished run is no fault; an unknown one is."""
    assert shark("recover").stdout == b"nothing to recover\n"
    assert shark.json("recover", "--json") == {"schema": "shark/recover/1", "runs": []}
    assert shark("recover", "ffff").returncode == 1


def test_recover_of_some_that_cannot_be_read(shark: Shark):
    """They are told of, and keep no other run from being finished."""
    journals = shark.root / "store" / "journals"
    shark.run("sh", "-c", 'echo > out; cp "$SHARK_HOME/journals/$SHARK_RUN_ID.journal" ../left')
    [run] = (entry["id"] for entry in shark.json("log", "--json")["runs"])
    assert shark("forget", run).returncode == 0
    (shark.root / "left").rename(journals / f"{run}.journal")
    others = [f"{run[:-1]}{digit}" for digit in {"0", "f"} - {run[-1]}]
    for other in others:
        (journals / f"{other}.journal").write_bytes(b"garbage")
    folder = f"{'0' * 8}{run[8:]}.journal"  # comes first
    (journals / folder).mkdir()
    done = shark("recover", "--json")
    (journals / folder).rmdir()
    assert (done.returncode, json.loads(done.stdout)["runs"]) == (2, [run])
    assert f"{folder}: Is a directory" in done.stderr.decode()
    assert all(f"{other}.journal is no journal of this version" in done.stderr.decode() for other in others)
    assert shark.json("show", "--json", "@1")["outputs"]


def left_over(shark: Shark, *command: str) -> str:
    """The id of a run of which only the journal is left."""
    line = '"$@"; cp "$SHARK_HOME/journals/$SHARK_RUN_ID.journal" ../left'
    shark.run("sh", "-c", line, "sh", *command)
    [run] = (entry["id"] for entry in shark.json("log", "--json")["runs"])
    assert shark("forget", run).returncode == 0
    (shark.root / "left").rename(shark.root / "store" / "journals" / f"{run}.journal")
    return run


def test_recover_with_what_is_no_pattern(shark: Shark):
    """An older shark took any: the run is finished without it, with a gap that names it."""
    run = left_over(shark, "touch", "out", "a.log")
    settings = {"ignore": ["!", "*.log"], "extras": None}
    (shark.root / "store" / "journals" / f"{run}.settings").write_text(json.dumps(settings))
    assert shark.json("recover", "--json")["runs"] == [run]
    record = shark.json("show", "--json", run)
    assert "the setting '!' is no gitignore pattern, and was not heeded" in {
        gap["detail"] for gap in record["coverage"]["gaps"]
    }
    attached = {Path(output["path"]).name: output["attached"] for output in record["outputs"]}
    assert attached["out"] != "none"
    assert attached["a.log"] == "none"


def test_forget_of_a_run_that_has_only_a_journal(shark: Shark):
    """Nothing is left of it, and nothing to recover; while it goes on it stays."""
    run = left_over(shark, "true")
    journal = shark.root / "store" / "journals" / f"{run}.journal"
    with journal.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        done = shark("forget", run[-8:])
    assert done.returncode == 2
    assert b"is going on" in done.stderr
    assert shark.json("forget", "--json", run[-8:])["runs"] == [{"run": run, "objects": 0}]
    assert not journal.exists()
    assert shark("recover").stdout == b"nothing to recover\n"
    assert shark("forget", run).returncode == 1


def test_import_strace(shark: Shark):
    """A run from a log; a file that is no log is told of."""
    (shark.work / "in").write_text("x")
    if shutil.which("strace") is None:
        pytest.skip("needs the program strace")
    subprocess.run(["strace", "-f", "-y", "-ttt", "-o", "job.log", "cp", "in", "out"], cwd=shark.work, check=True)
    done = shark("import-strace", "job.log")
    assert done.returncode == 0, done.stderr
    assert b"imported as run" in done.stdout
    assert b"cp in out" in shark("log").stdout
    assert shark("import-strace", "nowhere.log").returncode == 2


def test_schema(runs: Shark):
    """The shipped schemas fit what the commands give."""
    assert "manifest-1" in runs.json("schema", "--json")["names"]
    manifest = runs.json("inspect", "--json", "b.csv")[0]["manifest"]
    jsonschema.validate(manifest, runs.json("schema", "manifest"))
    jsonschema.validate(runs.json("show", "--json", "@1"), runs.json("schema", "run"))
    assert runs("schema", "nonsense").returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shark: Shark, shell):
    """The script is one that the shell reads without complaint."""
    script = shark("completion", shell).stdout
    assert b"_SHARK_COMPLETE" in script
    if shutil.which(shell):
        assert subprocess.run([shell, "-n"], input=script, check=False).returncode == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("shark ins", "inspect"),
        ("shark run --at", "--attach"),
        ("shark run --attach si", "sidecar"),
        ("shark log --f", "--failed"),
    ],
)
def test_completion_completes(shark: Shark, words, found):
    """Commands, options (run's too) and choices."""
    count = len(words.split()) - 1
    asked = {"_SHARK_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(count)}
    assert found in shark(environ=asked).stdout.decode()


def test_man(shark: Shark):
    """The manual has every command, and man reads it without warnings."""
    page = shark("man").stdout
    for name in COMMANDS:
        assert f'.SS "shark {name.replace("-", chr(92) + "-")}'.encode() in page
    if shutil.which("groff"):
        done = subprocess.run(["groff", "-man", "-Tascii", "-ww", "-z"], input=page, capture_output=True, check=True)
        assert done.stderr == b""


def test_every_option_of_run_is_completed():
    """What run's own parser takes, completion and the manual know."""
    from shark.cli import run, stub

    known = {flag for option in stub.options() for flag in (*option.opts, *option.secondary_opts)}
    assert known == set(run.OPTIONS) - {"-h", "--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help(shark: Shark, name):
    """Every command explains itself, with an example, and has --json, -q and -v."""
    text = shark(name, "--help").stdout.decode()
    assert text.startswith(f"Usage: shark {name} ")
    assert "Example" in text
    assert "shark " + name in text.partition("Example")[2] or name in text.partition("Example")[2]
    for option in ("--json", "-q, --quiet", "-v, --verbose"):
        assert option in text


@pytest.mark.parametrize("name", COMMANDS)
def test_short_help(shark: Shark, name):
    """-h is --help, everywhere; the list of commands has a whole sentence for each."""
    assert shark(name, "-h").stdout == shark(name, "--help").stdout
    line = next(line for line in shark("-h").stdout.decode().splitlines() if line.startswith(f"  {name} "))
    assert line.endswith(".")
    assert not line.endswith("...")


def test_help_of_all(shark: Shark):
    """Without a command: the list of all, as an error; with --help or --version, none."""
    done = shark()
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"inspect" in done.stderr
    assert shark("--help").stdout.count(b"\n  ") > len(COMMANDS)
    assert re.fullmatch(rb"shark \d+\.\d+\.\d+\S*\n", shark("--version").stdout)


def test_doctor(shark: Shark):
    """Here shark can trace, or these tests could not run; the document says the same as the page."""
    document = shark.json("doctor", "--json")
    assert document["schema"] == "shark/doctor/1"
    states = {check["name"]: check["state"] for check in document["checks"]}
    assert states["tracing"] == "ok"
    assert b"shark can trace here" in shark("doctor").stdout
    assert sorted(os.listdir(shark.work)) == []


def test_a_terminal_gets_colours_and_no_line_too_long(runs: Shark):
    """In a terminal of 80 columns: colours, unless NO_COLOR; each line fits."""
    text = runs.terminal("inspect", "b.csv")
    assert "\x1b[" in text
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 80
    plain = runs.terminal("inspect", "b.csv", environ={"NO_COLOR": "1"})
    assert "\x1b" not in plain
    assert "✓" in plain


def test_a_terminal_that_can_only_ascii(runs: Shark):
    """In the C locale nothing beyond ASCII is written."""
    assert runs.terminal("show", "@1", environ={"LC_ALL": "C"}).isascii()
    done = runs("show", "@1", environ={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert done.returncode == 0
    assert done.stdout.isascii()


def test_names_that_are_not_text(shark: Shark):
    """A name that is not UTF-8, and one with a newline: shown escaped, and whole in JSON."""
    name = b"a\xff\n.csv"
    shark.run("sh", "-c", "echo > \"$(printf 'a\\377\\n.csv')\"")
    done = shark("inspect", name)
    assert done.returncode == 0
    assert done.stdout.startswith(b"a\\xff\\n.csv")
    [found] = shark.json("inspect", "--json", name)
    assert os.fsencode(found["file"]) == name
    assert os.fsencode(json.loads(shark("show", "--json", "@1").stdout)["outputs"][0]["path"]).endswith(name)


def test_a_store_that_is_named_by_a_relative_path(shark: Shark):
    """It is that of the directory in which shark was called, for all that belongs to the run, wherever that works."""
    (shark.work / "part").mkdir()
    script = f"cd part && {sys.executable} -m shark record n 1"
    program = "import os, shark\nwith shark.recording('a block'):\n    os.chdir('/')\n"
    relative = {"SHARK_HOME": "../beside"}
    assert shark("run", "--", "sh", "-c", script, environ=relative).stderr == b""
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=shark.work,
        env={**shark.environ, **relative},
        check=True,
        timeout=60,
    )
    assert (shark.root / "beside").is_dir()
    runs = json.loads(shark("log", "--json", environ=relative).stdout)["runs"]
    assert [run.get("name") for run in runs] == ["a block", None]
    assert json.loads(shark("show", "--json", "@2", environ=relative).stdout)["values"] == {"n": 1}
