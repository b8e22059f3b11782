"""What `shark recover` must know of a run's settings, beside its journal while it goes on: RUNID.settings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from shark import jsontext
from shark.extras import Extras, Patterns, of_document, to_document
from shark.store import files
from shark.store.home import Store
from shark.tuples import NamedTuple

Ways = Sequence[tuple[tuple[str, ...], str]]


class Saved(NamedTuple):
    """A run's name, tags, settings, and the ways of its output: which streams took which, by pipe or terminal."""

    name: str = ""
    tags: Mapping[str, str] = {}
    extras: Extras | None = None
    ways: Ways = ()


def _path(store: Store, run: str) -> bytes:
    return os.path.join(store.local, b"journals", run.encode() + b".settings")


def save(store: Store, run: str, extras: Extras, *, name: str, tags: Mapping[str, str], ways: Ways) -> None:
    """Write it down. Raises OSError."""
    from shark.content.masking import mask_environment, mask_text
    from shark.content.redaction import Redactor

    document = {
        "name": mask_text(name),
        "tags": mask_environment(tags),
        "extras": to_document(extras),
        "ways": ways,
    }
    if extras.redact:
        document = Redactor.of_user(extras.redact, os.environ).document(document)
    path = _path(store, run)
    files.make_private(os.path.dirname(path))
    files.write_whole(path, jsontext.dumps(document))


def load(store: Store, run: str) -> Saved:
    """Read it back; nothing for a run without settings, or if it cannot be read."""
    try:
        document = jsontext.loads(files.read_regular(_path(store, run), 1 << 24) or b"{}")
        extras = document.get("extras")
        return Saved(
            document.get("name", ""),
            document.get("tags", {}),
            None if extras is None else _revealed(of_document(extras)),
            [(tuple(names), through) for names, through in document.get("ways", ())],
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return Saved()


def _revealed(extras: Extras) -> Extras:
    """With the true directories, where those were hidden."""
    from shark.content.redaction import Redactor

    redactor = Redactor.of_user(extras.redact, os.environ)

    def groups(found: Patterns) -> Patterns:
        return tuple((os.fsdecode(redactor.revealed(os.fsencode(base))), patterns) for base, patterns in found)

    roles = tuple((os.fsdecode(redactor.revealed(os.fsencode(base))), table) for base, table in extras.roles)
    return extras._replace(include=groups(extras.include), ignore=groups(extras.ignore), roles=roles)


def forget(store: Store, run: str) -> None:
    """Remove it."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(_path(store, run))
