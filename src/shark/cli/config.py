"""`shark config`: the settings that hold here, and where each comes from; trust for a project's commands."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from shark.cli.common import FILE, Voice, command
from shark.errors import SharkError
from shark.view.page import Page

if TYPE_CHECKING:
    from shark.settings.loading import Loaded
    from shark.view.documents import Config, Setting


@command(
    "config",
    ("shark config", "The settings that a run started here would have"),
    ("shark config --run nightly -v", "Those of a run of that name, the defaults too"),
    ("shark config --trust .", "Let this project's file run its commands"),
    short_help="Show the settings, and where they come from.",
)
@click.option("--run", "name", default="", metavar="NAME", help="With the overrides for runs of this name.")
@click.option("--trust", type=FILE, metavar="DIR", help="Let the settings file of the project in DIR run its commands.")
@click.option("--untrust", type=FILE, metavar="DIR", help="Take that back.")
def config(voice: Voice, name: str, trust: str | None, untrust: str | None) -> int:
    """Show the settings that hold in this directory, and where each comes from.

    From the lowest to the highest: shark/shark.toml in the XDG config directory; the nearest shark.toml or
    [tool.shark] of a pyproject.toml, from here upwards; SHARK_* variables; options. In a file, [run.NAME] goes
    before the rest for runs of that name. Commands and notifications of a project's file hold only once the file is
    trusted, and again after each change of it.
    """
    from shark.settings.loading import everything
    from shark.view.settings import add_settings

    if trust is not None and untrust is not None:
        raise SharkError("--trust and --untrust do not go together", "Say them one after the other.")
    for directory, trusted in ((trust, True), (untrust, False)):
        if directory is not None:
            _trust(voice, directory, trusted=trusted)
    if (trust or untrust) and not voice.as_json:
        return 0
    document = _document(os.getcwd(), everything(os.getcwd(), os.environ, {}, name))
    if voice.as_json:
        voice.document(document)
    else:
        page = Page(voice.look())
        add_settings(page, dict(document))
        voice.page(page)
    return 0


def _document(directory: str, loaded: Loaded) -> Config:
    from shark.settings.keys import KEYS

    settings: list[Setting] = [
        {
            "key": key.name,
            "value": _shown(key.name, loaded.effective.value(key.name)),
            "about": key.about,
            "pieces": [
                {
                    "value": _shown(key.name, piece.value),
                    "source": piece.level.source,  # type: ignore[typeddict-item]
                    "place": piece.level.place,
                }
                for piece in loaded.effective.pieces(key.name)
            ],
        }
        for key in KEYS
    ]
    return {
        "schema": "shark/config/1",
        "directory": directory,
        "files": [
            {
                "path": file.path,
                "level": file.level,  # type: ignore[typeddict-item]
                "sha256": file.sha256,
                "runs": file.runs,
                "trusted": file.trusted,
            }
            for file in loaded.files
        ],
        "settings": settings,
    }


def _shown(name: str, value: Any) -> Any:
    from shark.extras import hidden

    return hidden(value, name)


def _trust(voice: Voice, directory: str, *, trusted: bool) -> None:
    from shark.settings import places
    from shark.settings.levels import of_file
    from shark.settings.trust import trust

    whole = os.path.abspath(directory)
    start = whole if os.path.isdir(whole) else os.path.dirname(whole)
    outside = {name: value for name, value in os.environ.items() if name != places.VARIABLE}
    found = places.project_file(start, outside)
    if found is None:
        raise SharkError(f"no settings file in {directory} or above it", "shark config --trust DIR needs one.")
    path, data = found
    prefix = "tool.shark." if os.path.basename(path) == places.PROJECT else ""
    levels = of_file("project", path, os.path.dirname(path), places.table_of(path, data) or {}, prefix)
    trust(path, data if trusted else None, os.environ)
    if voice.as_json:
        return  # the document tells: `files`, with what each `runs`
    if not trusted:
        voice.line(f"{path} is not trusted any more")
        return
    voice.line(f"{path} is trusted as it is now; it may run:")
    for level in levels.values():
        for key in ("before", "after", "notify"):
            for each in level.values.get(key, ()):
                voice.line(f"  {key}: {' '.join(each['command']) if each['command'] else each['url']}")
