"""`shark ci`, and the GitHub action's shell steps, run as GitHub runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import Shark

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "ci/github/action.yml"


def test_summary_and_manifests(shark: Shark):
    """The summary is appended to the job's file; every output's manifest is a file; the status is the command's."""
    (shark.work / "in.csv").write_text("2\n1\n")
    page = shark.work / "summary.md"
    page.write_text("# Before\n")
    options = ["--manifests", "up/load", "--json", "run.json", "--name", "a b", "--tag", "k=v", "--tag", "l=w"]
    command = ["sh", "-c", "sort in.csv > out.csv; echo said; exit 7"]
    done = shark("ci", *options, "--", *command, environ={"GITHUB_STEP_SUMMARY": str(page)})
    assert (done.returncode, done.stdout, done.stderr) == (7, b"said\n", b"")
    text = page.read_text()
    assert text.startswith("# Before\n## Files made by a failed run\n")
    assert "| `out.csv` | 4 B |" in text
    assert "| `in.csv` | 4 B |" in text
    record = json.loads((shark.work / "run.json").read_text())
    assert (record["name"], record["tags"]) == ("a b", {"k": "v", "l": "w"})
    [manifest] = [json.loads(path.read_bytes()) for path in (shark.work / "up/load").iterdir()]
    assert manifest["output"]["path"] == str(shark.work / "out.csv")


def test_elsewhere(shark: Shark):
    """Without GitHub's variable: only what was asked for."""
    assert shark("ci", "--summary", "s.md", "--", "true").returncode == 0
    assert (shark.work / "s.md").read_text().startswith("## Where the files come from")
    assert shark("ci", "--", "true").returncode == 0
    assert [path.name for path in shark.work.iterdir()] == ["s.md"]


def test_folders_of_what_is_written_are_made(shark: Shark):
    """A job begins in a fresh checkout, where no folder for artifacts is yet."""
    assert (
        shark("ci", "--summary", "a/b/s.md", "--json", "c/run.json", "--manifests", "d/e", "--", "true").returncode == 0
    )
    assert sorted(path.name for path in shark.work.rglob("*")) == ["a", "b", "c", "d", "e", "run.json", "s.md"]


def test_what_cannot_be_written(shark: Shark):
    """2 if the command succeeded; its own failure goes before."""
    done = shark("ci", "--summary", "/proc/none/s.md", "--", "true")
    assert done.returncode == 2
    assert b"shark: cannot write /proc/none/s.md" in done.stderr
    assert shark("ci", "--summary", "/proc/none/s.md", "--", "false").returncode == 1


def test_where_the_record_is(shark: Shark):
    """What cannot be written leaves the run in the store, under its own id: another may be the last one by now."""
    done = shark("ci", "--json", "run.json", "--manifests", "/proc/none", "--", "true")
    said = re.fullmatch(r"shark: cannot write /proc/none: .*\n(.*`shark show (\w+)`\.)\n", done.stderr.decode())
    assert said, done.stderr
    assert said[1] == f"The run is in the store: `shark show {said[2]}`."
    assert shark.json("show", "--json", said[2])["command"]["argv"] == ["true"]


def test_where_the_record_is_if_not_in_the_store(shark: Shark):
    """A temporary store, named by the warning, the summary and the advice alike; the command has closed stderr."""
    (shark.work / "in").write_text("1\n")
    places = {"SHARK_HOME": "/proc/nowhere", "TMPDIR": str(shark.root)}
    command = ["sh", "-c", "cat in > out; exec 2>&-"]
    done = shark("ci", "--summary", "s.md", "--manifests", "/proc/none", "--", *command, environ=places)
    assert done.returncode == 2
    [place] = shark.root.glob("shark-store-*")
    warned, _, advised = done.stderr.decode().splitlines()
    assert warned.startswith("shark: warning: the store /proc/nowhere cannot be written")
    assert f"recording in {place}, which may not last" in warned
    found = re.fullmatch(
        rf"The run is in {place}, which may not last: `SHARK_HOME={place} shark show (\w+)`\.", advised
    )
    assert found, advised
    shown = shark("show", "--json", found[1], environ={"SHARK_HOME": str(place)})
    assert json.loads(shown.stdout)["command"]["argv"] == command
    assert f"**Not in the store**: the record is in `{place}`" in (shark.work / "s.md").read_text()


def test_commands_that_cannot_run(shark: Shark):
    """127 and 126, with what `shark run` says of it and no more."""
    done = shark("ci", "--", "./nowhere")
    assert (done.returncode, done.stderr.count(b"\n")) == (127, 1)
    (shark.work / "plain").write_text("")
    assert shark("ci", "--", "./plain").returncode == 126


def test_a_killed_command(shark: Shark):
    """128 + N, as shells and CI systems count; recorded nevertheless."""
    assert shark("ci", "--", "sh", "-c", "kill -TERM $$").returncode == 128 + signal.SIGTERM
    assert shark.json("show", "--json", "@1")["command"]["signal"] == signal.SIGTERM


def test_a_cancelled_job_reaches_the_command(shark: Shark):
    """A TERM to `shark ci` alone ends the command, and the summary is still written."""
    script = "trap 'echo ended; exit 5' TERM; echo ready; while :; do sleep 0.1; done"
    child = subprocess.Popen(
        [sys.executable, "-m", "shark", "ci", "--summary", "s.md", "--", "sh", "-c", script],
        cwd=shark.work,
        env=shark.environ,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGTERM)
    assert child.stdout.read() == b"ended\n"
    assert child.wait(60) == 5
    assert "failed run" in (shark.work / "s.md").read_text()


# The action


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    return yaml.safe_load(ACTION.read_text())


class Job:
    """A GitHub job, as far as the action can tell: variables, files, expressions."""

    def __init__(self, shark: Shark, action: dict[str, Any], inputs: dict[str, str]) -> None:
        self.shark = shark
        self.action = action
        given = {name: str(spec.get("default", "")) for name, spec in action["inputs"].items()}
        self.values = {f"inputs.{name}": value for name, value in {**given, **inputs}.items()}
        self.values["github.action_path"] = str(ACTION.parent)
        self.summary = shark.root / "step-summary.md"
        self.output = shark.root / "output"

    def text(self, template: str) -> str:
        return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda found: self.values[found[1]], template)

    def step(self, step: dict[str, Any]) -> subprocess.CompletedProcess[bytes]:
        script = self.shark.root / "step.sh"
        script.write_text(step["run"])
        self.output.write_text("")
        environ = {
            **self.shark.environ,
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.shark.work),
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_ENV": str(self.shark.root / "env"),
            "GITHUB_ACTION_PATH": str(ACTION.parent),
            "RUNNER_TEMP": str(self.shark.root),
            **{name: self.text(value) for name, value in step.get("env", {}).items()},
        }
        where = self.shark.work / self.text(step.get("working-directory", "."))
        # GitHub's own line for `shell: bash`.
        line = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = subprocess.run(line, cwd=where, env=environ, capture_output=True, timeout=120, check=False)
        for said in self.output.read_text().splitlines():
            name, _, value = said.partition("=")
            self.values[f"steps.{step.get('id', '')}.outputs.{name}"] = value
        return done


@pytest.fixture
def interpreter(shark: Shark) -> Path:
    """Stands for `python3`: `-m venv DIR` makes one with a pip that installs nothing, and this very shark."""
    program = shark.root / "python3"
    program.write_text(
        '#!/bin/sh\ntest "$1 $2" = "-m venv" || exit 9\nmkdir -p "$3/bin"\n'
        f'printf \'#!/bin/sh\\necho "$@" > {shark.root}/pip-arguments\\n\' > "$3/bin/pip"\n'
        f'printf \'#!/bin/sh\\nexec {sys.executable} -m shark "$@"\\n\' > "$3/bin/shark"\n'
        'chmod +x "$3/bin/pip" "$3/bin/shark"\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


@pytest.mark.parametrize("status", [0, 3])
def test_the_actions_steps(shark: Shark, action: dict[str, Any], interpreter: Path, status: int):
    """Installed, run, summarised, the manifests where they are uploaded from; a failure fails the step."""
    (shark.work / "in dir").mkdir()
    (shark.work / "in dir/in.csv").write_text("2\n1\n")
    command = f'sort in.csv > "out file.csv"\necho "$(wc -l < in.csv) lines" | cat\nexit {status}\n'
    inputs = {
        "run": command,
        "python": str(interpreter),
        "working-directory": "in dir",
        "options": "--name fit --strict",
    }
    job = Job(shark, action, inputs)
    steps = action["runs"]["steps"]
    assert [("run" in step) for step in steps] == [True, True, False]
    installed = job.step(steps[0])
    assert installed.returncode == 0, installed.stderr
    assert (shark.root / "pip-arguments").read_text().split()[-1] == f"{ACTION.parent}/../.."
    done = job.step(steps[1])
    assert (done.returncode, done.stdout.strip()) == (status, b"2 lines"), done.stderr
    assert "| `out file.csv` | 4 B |" in job.summary.read_text()
    manifests, record = (Path(job.text(action["outputs"][name]["value"])) for name in ("manifests", "record"))
    assert len(list(manifests.iterdir())) == 1
    assert json.loads(record.read_text())["name"] == "fit"
    assert job.text(steps[2]["with"]["path"]).split() == [str(manifests), str(record)]
    assert os.path.isdir(ACTION.parent / "../..")


def test_no_expression_in_a_script(action: dict[str, Any]):
    """An input cannot become code of the steps: expressions stand in `env` alone."""
    for step in action["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert "run" not in step or step["shell"] == "bash"


def test_the_gitlab_example():
    """It is YAML, and its line is one that `shark ci` takes."""
    [job] = yaml.safe_load((ROOT / "ci/gitlab/shark.gitlab-ci.yml").read_text()).values()
    from shark.cli.ci import ci

    [line] = job["script"]
    words = line.split()
    assert words[:2] == ["shark", "ci"]
    context = ci.make_context("ci", words[2:])
    assert context.params["cmd"] == ("make",)
    assert context.params["summary"] in job["artifacts"]["paths"]


def test_the_gitlab_example_installs_what_was_named():
    """Without SHARK_PACKAGE the job fails, and says why, rather than to install whatever has the name of a default."""
    [job] = yaml.safe_load((ROOT / "ci/gitlab/shark.gitlab-ci.yml").read_text()).values()
    environ = {**os.environ, "SHARK_PACKAGE": str(job["variables"]["SHARK_PACKAGE"])}
    install = f"pip() {{ echo installs; }}; {job['before_script'][0]}"
    done = subprocess.run(["sh", "-c", install], env=environ, capture_output=True, check=False)
    assert (done.returncode != 0, done.stdout) == (True, b"")
    assert b"SHARK_PACKAGE" in done.stderr
    environ["SHARK_PACKAGE"] = "shark.whl"
    assert subprocess.run(["sh", "-c", install], env=environ, capture_output=True, check=True).stdout == b"installs\n"
