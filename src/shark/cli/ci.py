"""`shark ci`: `run`, and what a CI job wants of it: a summary in Markdown, and the manifests as files to upload."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import click

from shark import jsontext
from shark.cli.common import FILE, Voice, command
from shark.cli.stub import options
from shark.errors import EXIT_RUN, SharkError

if TYPE_CHECKING:
    from shark.model.documents import RunRecord

PASSED = {option.name: option for option in options() if option.name not in {"json", "pid", "quiet", "verbose"}}
"""The options that are passed on to `shark run`."""


def _passed_on(function: Any) -> Any:
    function.__click_params__ = [*getattr(function, "__click_params__", []), *reversed(PASSED.values())]
    return function


@command(
    "ci",
    ("shark ci -- make results", "In a GitHub workflow: the summary goes to the job's page"),
    ("shark ci --summary shark.md --manifests manifests/ -- make", "In any other CI: keep both as artifacts"),
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] --",
    short_help="Run a command in a CI job, with a summary and manifests.",
)
@click.option("--summary", type=FILE, metavar="FILE", help="Append to FILE, not $GITHUB_STEP_SUMMARY.")
@click.option(
    "--manifests", type=FILE, metavar="DIR", help="Write each output's manifest into DIR, as RUNID-NNNN.json."
)
@click.option("--json", "record_file", type=FILE, metavar="FILE", help="Write the run record to FILE.")
@click.argument("cmd", metavar="CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@_passed_on
def ci(
    voice: Voice,
    cmd: tuple[str, ...],
    summary: str | None,
    manifests: str | None,
    record_file: str | None,
    **passed: Any,
) -> int:
    """Run a command as `shark run` does, for a CI job: with a Markdown summary, and manifests to upload.

    The summary lists outputs, data inputs, software and gaps. It goes to --summary, else to the file that
    GITHUB_STEP_SUMMARY names, else nowhere. Exit status: the command's own; 2 if the command succeeded and
    something could not be written.
    """
    with tempfile.TemporaryDirectory(prefix="shark-ci-") as scratch:
        place = os.path.join(scratch, "run.json")
        status = _run([*_run_options(voice, passed), "--json", place, "--", *cmd])
        try:
            record = _record(place, status)
            if record is not None:
                _report(voice, record, summary or os.environ.get("GITHUB_STEP_SUMMARY", ""), manifests, record_file)
        except SharkError as error:
            voice.trouble(error)
            voice.failed = 0  # the command's own failure tells more than ours
            return status or error.exit_code
    return status


def _run_options(voice: Voice, passed: dict[str, Any]) -> list[str]:
    words: list[str] = []
    for name, value in passed.items():
        flag = PASSED[name].opts[0]
        if isinstance(value, tuple):
            words += [word for each in value for word in (flag, each)]
        elif PASSED[name].is_flag:
            words += [flag] if value else []
        elif value is not None:
            words += [flag, value]
    return words + ["-q"] * voice.quiet + ["-v"] * voice.verbose


def _run(arguments: list[str]) -> int:
    """Run `shark run` and give its status, 128 + N for a signal as shells do. Signals meant for us reach it."""
    child = subprocess.Popen([sys.executable, "-m", "shark", "run", *arguments])

    def pass_on(number: int, _: FrameType | None) -> None:
        if number != signal.SIGINT:  # ^C reaches the whole foreground group by itself
            child.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        status = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status


def _record(place: str, status: int) -> dict[str, Any] | None:
    """The run's record; None if shark has said already why there is none (status 125 to 127)."""
    try:
        with open(place, "rb") as file:
            record = jsontext.loads(file.read())
    except FileNotFoundError:
        if status in range(EXIT_RUN, EXIT_RUN + 3):
            return None
        raise SharkError(
            "shark run left no record", "Run it with -v to see why; `shark recover` may find it."
        ) from None
    if not isinstance(record, dict):
        raise SharkError(
            "the record that shark run left is no JSON object", "This is a bug in shark: please report it."
        )
    return record


def _report(voice: Voice, record: dict[str, Any], summary: str, manifests: str | None, record_file: str | None) -> None:
    from shark.model.manifest import manifests as all_manifests
    from shark.view.markdown import summary as markdown

    every = list(all_manifests(cast("RunRecord", record)))
    cwd = record.get("command", {}).get("cwd", "")
    where, elsewhere = _whereabouts(str(record.get("id", "")))
    try:
        if summary:
            page = markdown(record, every, cwd, elsewhere)
            _write(summary, page.encode("utf-8", "backslashreplace"), append=True)
        if manifests:
            _write_manifests(manifests, every)
        if record_file:
            _write(record_file, jsontext.dumps(record, indent=True) + b"\n")
    except OSError as error:
        raise SharkError(f"cannot write {error.filename}: {error.strerror}", where) from error
    if voice.verbose:
        voice.warn(f"summary in {summary or 'no file'}, {len(every)} manifests in {manifests or 'no directory'}")


def _whereabouts(run: str) -> tuple[str, str]:
    """Where the record of a run can be found, in a sentence; and the store that has it, if it is not the user's own."""
    from shark.store.home import Store

    store = Store.open(os.environ, write=False)
    root = store.place_of(run)
    if root is None:
        return "The record of the run is in no store: `shark run` has said why.", ""
    if root == store.root:
        return f"The run is in the store: `shark show {run[-8:]}`.", ""
    elsewhere = os.fsdecode(root)
    return f"The run is in {elsewhere}, which may not last: `SHARK_HOME={elsewhere} shark show {run[-8:]}`.", elsewhere


def _write_manifests(directory: str, every: list[Any]) -> None:
    os.makedirs(directory, exist_ok=True)
    for n, manifest in enumerate(every, 1):
        # Numbered, not named after the outputs: artifact stores refuse names with colons, quotes or newlines.
        name = f"{manifest.get('run', 'run')}-{n:04}.json"
        _write(os.path.join(directory, name), jsontext.dumps(manifest, indent=True) + b"\n")


def _write(path: str, data: bytes, *, append: bool = False) -> None:
    """Raises OSError, with `path` as its file name."""
    try:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "ab" if append else "wb") as file:
            file.write(data)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error
