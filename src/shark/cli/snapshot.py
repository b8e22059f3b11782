"""`shark snapshot`: the circumstances alone, without a command."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, cast

from shark import __version__
from shark.cli.common import Voice, command
from shark.view.page import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shark.extras import Extras
    from shark.view.documents import Snapshot


@command(
    "snapshot",
    ("shark snapshot", "What a run started here would record of its circumstances"),
    ("shark snapshot --json > circumstances.json", "The same for programs"),
    short_help="Show the circumstances alone: code, machine, environment.",
)
def snapshot(voice: Voice) -> int:
    """Show the circumstances that `shark run` would record here, without running a command.

    The git state of the working directory, the machine, container, scheduler, CI and environment; and, as settings ask
    for it, files that are kept and what commands say that are to be run before. Patches, kept files and what commands
    say go into the store.
    """
    document = take(os.getcwd())
    if voice.as_json:
        voice.document(document)
    else:
        from shark.view.settings import add_snapshot

        page = Page(voice.look())
        add_snapshot(page, dict(document))
        voice.page(page)
    return 0


def take(cwd: str) -> Snapshot:
    """The circumstances in the directory `cwd`. Raises SharkError for settings that are wrong."""
    from shark.content.context import as_given, gather
    from shark.content.gitsettled import settle
    from shark.extras import of_settings
    from shark.model.facts import time_text
    from shark.settings.loading import everything
    from shark.store.home import Store

    _, extras = of_settings(everything(cwd, os.environ, {}))
    found = gather(cwd, as_given(os.environ), extra=extras.env)
    document: dict[str, Any] = {"schema": "shark/snapshot/1", "time": time_text(time.time_ns()), "cwd": cwd}
    document.update(found.sections)
    store = Store.open(os.environ, write=True)
    if "git" in document:
        document["git"] = settle(document["git"], set(), found.patches, store.put_object)
    document.update(_asked_for(extras, cwd, store))
    document["gaps"] = [{"kind": gap.kind, "detail": gap.detail} for gap in found.gaps]
    document["shark"] = __version__
    return cast("Snapshot", _redacted(document, extras))


def _asked_for(extras: Extras, cwd: str, store: Any) -> Mapping[str, Any]:
    from shark.around import Around
    from shark.keeping import keep_files

    around = Around.before(extras, dict(os.environb), os.fsencode(cwd), within=False, quiet=False)
    around.kept = list(keep_files(extras.keep, store))
    return around.sections(store)


def _redacted(document: dict[str, Any], extras: Extras) -> dict[str, Any]:
    if not extras.redact:
        return document
    from shark.content.redaction import Redactor

    return Redactor.of_user(extras.redact, os.environ).document(document)
