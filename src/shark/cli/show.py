"""`shark show`: one run, with its processes, steps and outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from shark.cli.common import FILE, Voice, command, write_bytes
from shark.errors import NotFound, SharkError
from shark.view.page import Page
from shark.view.reading import each, text
from shark.view.words import advised, short_id, visible

if TYPE_CHECKING:
    from shark.store.home import Store
    from shark.view.documents import InspectEntry


@command(
    "show",
    ("shark show @1", "The latest run"),
    ("shark show plot.png", "The run that made a file"),
    ("shark show --json 7f3a9c21 > run.json", "The run record"),
    ("shark show --stdout @1", "What it wrote, if `--capture-output` was given"),
    ("shark show --patch @1 | git apply", "What was not committed, on a checkout of the commit"),
    short_help="Show one run: processes, steps, outputs, software.",
)
@click.option("--patch", is_flag=True, help="Write the code's changes that were not committed, and nothing else.")
@click.option("--stdout", "out", is_flag=True, help="Write what the command wrote to its standard output, if captured.")
@click.option("--stderr", "err", is_flag=True, help="The same for its standard error; with --stdout, both in order.")
@click.argument("run", metavar="RUN|FILE", type=FILE)
def show(voice: Voice, run: str, patch: bool, out: bool, err: bool) -> int:
    """Show one run: its command, the tree of its processes, its steps from data to data, outputs, software.

    RUN is any unique beginning or end of an id, or @1 for the latest run, @2 for the one before. An existing path wins
    over an id: then it is the run that made the file. Exit status: 0; 1 if there is no such run (or it has no patch,
    or its output was not captured).
    """
    from shark.store.home import Store
    from shark.view.runs import add_run

    if patch + (out or err) + voice.as_json > 1:
        raise SharkError("--patch, captured output and --json do not go together", "Ask for one of them at a time.")
    store = Store.open(os.environ)
    record = store.read_record(run_of(store, run))
    if patch:
        return _write_patch(voice, store, record)
    if out or err:
        from shark.cli.output import write_captured

        return write_captured(voice, store, record, ["stdout"] * out + ["stderr"] * err)
    if voice.as_json:
        voice.document(record)
    else:
        page = Page(voice.look())
        add_run(page, record)
        voice.page(page)
    return 0


def _write_patch(voice: Voice, store: Store, record: dict[str, Any]) -> int:
    """The patches of the run's repositories; if there are several, each with a line about it, which git apply skips."""
    dirty = [repository for repository in each(record, "git") if text(repository, "patch_sha256")]
    for repository in dirty:
        if len(dirty) > 1:
            commit = text(repository, "commit")
            about = f"# {visible(text(repository, 'root'))}" + (f" at {visible(commit)}" if commit else "")
            write_bytes(f"{about}\n".encode("utf-8", "surrogateescape"))
        write_bytes(store.get_object(text(repository, "patch_sha256")))
    if not dirty:
        voice.warn(f"run {short_id(text(record, 'id'))} has no patch: {_why_no_patch(record)}")
    return 0 if dirty else 1


def _why_no_patch(record: dict[str, Any]) -> str:
    repositories = each(record, "git")
    if not repositories:
        return "it used no code of a git repository"
    known = all("dirty" in repository for repository in repositories)
    return "all its code was committed" if known else "git was not asked or did not answer; see its gaps"


def run_of(store: Store, spec: str) -> str:
    """The id of the run that `spec` names, as a path or an id. Raises NotFound or SharkError."""
    from shark import lookup

    if not os.path.lexists(spec):
        return lookup.run_named(store, spec)
    runs = {run for found in lookup.inspect([os.fsencode(spec)], store) for run in _runs(found)}
    if len(runs) > 1:
        some = ", ".join(sorted(runs, reverse=True)[:5])
        what = f"the files in {spec} are of" if os.path.isdir(spec) else f"{spec} was made by one of"
        raise SharkError(f"{what} {len(runs)} runs", f"Name one of them: {some}" + (", …" if len(runs) > 5 else ""))
    if not runs:
        raise NotFound(f"{spec}: not known which run made it", f"See {advised('shark', 'inspect', path=spec)}.")
    return runs.pop()


def _runs(found: InspectEntry) -> list[str]:
    """The run that made a file; where that is not certain, all that made the same bytes."""
    run = text(found, "manifest", "run")
    return [run] if run else [text(candidate, "run") for candidate in each(found, "candidates")]
