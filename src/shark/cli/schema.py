"""`shark schema`: the JSON Schemas of shark's documents."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from shark.cli.common import Voice, command, write_bytes, write_text
from shark.errors import NotFound

if TYPE_CHECKING:
    from shark.view.documents import SchemaNames


@command(
    "schema",
    ("shark schema", "List the documents"),
    ("shark schema manifest > manifest.schema.json", "Print one"),
    short_help="Print the JSON Schemas of shark's documents.",
)
@click.argument("name", required=False)
def schema(voice: Voice, name: str | None) -> int:
    """Print the JSON Schema of a document, or list the documents that have one."""
    from importlib.resources import files

    folder = files("shark").joinpath("schemas")
    known = {}
    if folder.is_dir():
        known = {entry.name.removesuffix(".json"): entry for entry in folder.iterdir() if entry.name.endswith(".json")}
    if name is None:
        if voice.as_json:
            document: SchemaNames = {"schema": "shark/schemas/1", "names": sorted(known)}
            voice.document(document)
        else:
            write_text(sys.stdout, "".join(f"{each}\n" for each in sorted(known)))
        return 0
    asked = name.removeprefix("shark/").replace("/", "-")  # as documents name themselves: shark/manifest/1
    wanted = [each for each in known if asked in (each, each.rpartition("-")[0])]
    if not wanted:
        raise NotFound(f"no schema {name!r}", f"There are: {', '.join(sorted(known)) or 'none'}.")
    write_bytes(known[max(wanted, key=lambda each: int(each.rpartition("-")[2]))].read_bytes())
    return 0
