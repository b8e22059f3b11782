"""What is done before a block begins because settings ask for it (blocks.py has the block itself).

For the first block of a process this happens before that is seized. A block that begins while another one goes on, or
inside of a `shark run`, must not keep the others waiting: of commands only those are run that must succeed.
"""

from __future__ import annotations

import os

from shark.around import Around
from shark.errors import EXIT_RUN, SharkError
from shark.extras import of_document
from shark.plan import Plan
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any

    from shark.wire import Document


class Prepared(NamedTuple):
    """What a block begins with: what was asked, where it is kept, and what settings want around it."""

    plan: Plan
    store: Store
    around: Around | None


def prepare(about: Document, *, within: bool) -> Prepared:
    """Read the settings, run the commands that come before, keep files. Raises SharkError for settings that cannot be
    meant, ConditionFailed if what they demand is not so.
    """
    plan = _plan(about)
    _check_patterns(plan)
    if plan.require_clean and not about.get("guest"):  # a guest's was looked at by who asked
        from shark.circumstances import check_clean

        check_clean(plan.cwd)
    store = Store.open(os.environ, write=True)
    extras = plan.extras
    if extras is None:
        return Prepared(plan, store, None)
    around = Around.before(extras, dict(os.environb), plan.cwd, within=within, quiet=True)
    if within:
        around.extras = extras._replace(after=(), notify=())
    if extras.keep:
        from shark.keeping import keep_files

        around.kept = list(keep_files(extras.keep, store))
    return Prepared(plan, store, around)


def _check_patterns(plan: Plan) -> None:
    """A program's own are not looked at yet. Raises SharkError."""
    if not plan.ignore:
        return
    from shark.settings.gitignore import wrong

    for pattern in wrong(plan.ignore):
        raise SharkError(f"`ignore` takes gitignore patterns, and {pattern!r} is none", "", EXIT_RUN)


def _plan(about: Document) -> Plan:
    from shark.extras import of_settings
    from shark.settings.loading import load

    argv = tuple(word.encode("utf-8", "surrogateescape") for word in about["argv"])
    cwd = about["cwd"].encode("utf-8", "surrogateescape")
    options: Any = {key: tuple(value) if key == "ignore" else value for key, value in about["options"].items()}
    if about.get("extras"):  # who asked has looked at the settings
        return Plan(argv, cwd, **options, extras=of_document(about["extras"]))
    if about.get("guest"):
        return Plan(argv, cwd, **options)
    named = {key: value for key, value in about["options"].items() if key != "name"}
    loaded = load(about["cwd"], os.environ, named, options.get("name", ""))
    if loaded is None:
        return Plan(argv, cwd, **options)
    fields, extras = of_settings(loaded)
    fields["seccomp"] = False
    return Plan(argv, cwd, name=options.get("name", ""), **fields, extras=extras)
