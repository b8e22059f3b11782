"""`shark diff`: why do two results differ?"""

from __future__ import annotations

import os

import click

from shark.cli.common import FILE, Voice, command
from shark.view.page import Page


@command(
    "diff",
    ("shark diff old/fit.png fit.png", "Why do two files differ?"),
    ("shark diff @2 @1", "What has changed between the last two runs?"),
    ("shark diff --json @2 @1 | jq '.differences[0]'", "The likeliest reason, for programs"),
    short_help="Show why two runs or two files differ.",
)
@click.argument("a", metavar="A", type=FILE)
@click.argument("b", metavar="B", type=FILE)
def diff(voice: Voice, a: str, b: str) -> int:
    """Compare two runs, or two files by how they were made; the likeliest reason for a difference comes first.

    A and B are files, or runs: any unique beginning or end of an id, or @1 for the latest run, @2 for the one before.
    The order is: command, code, inputs, software, environment, network, host; then what is of little effect. When the
    two started and how long they took does not count. Exit status: 0 if nothing is different, 1 if something is.
    """
    from shark.checking.records import Records
    from shark.comparing.diff import diff as compare
    from shark.comparing.sides import given
    from shark.store.home import Store
    from shark.view.diff import add_diff

    store = Store.open(os.environ)
    with Records(store, os.environ) as records:
        document = compare(given(a, records), given(b, records), records)
        for warning in [*store.warnings, *records.problems]:
            voice.warn(warning)
    if voice.as_json:
        voice.document(document)
    else:
        page = Page(voice.look())
        add_diff(page, document)
        voice.page(page)
    return 0 if document["equal"] else 1
