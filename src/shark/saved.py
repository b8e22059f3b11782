"""What `shark recover` must know of a run's settings, beside its journal while it goes on: RUNID.settings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence

from shark import jsontext
from shark.extras import Extras, Patterns, of_document, to_document
from shark.store import files
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    from shark.plan import Plan

Ways = Sequence[tuple[tuple[str, ...], str]]
_ATTACH: tuple[Literal["xattr", "sidecar", "none"], ...] = ("xattr", "sidecar", "none")
_HASH: tuple[Literal["full", "off"], ...] = ("full", "off")


class Saved(NamedTuple):
    """What was asked of a run, and the ways of its output: which streams took which, by pipe or terminal."""

    name: str = ""
    tags: Mapping[str, str] = {}
    attach: Literal["auto", "xattr", "sidecar", "none"] = "auto"
    hash: Literal["auto", "full", "off"] = "auto"
    ignore: tuple[str, ...] = ()
    extras: Extras | None = None
    ways: Ways = ()


def _path(store: Store, run: str) -> bytes:
    return os.path.join(store.local, b"journals", run.encode() + b".settings")


def save(store: Store, run: str, plan: Plan, ways: Ways = ()) -> None:
    """Write it down. Raises OSError."""
    from shark.content.masking import mask_environment, mask_text
    from shark.content.redaction import Redactor

    document = {
        "name": mask_text(plan.name),
        "tags": mask_environment(plan.tags),
        "attach": plan.attach,
        "hash": plan.hash,
        "ignore": plan.ignore,
        "extras": None if plan.extras is None else to_document(plan.extras),
        "ways": ways,
    }
    if plan.extras is not None and plan.extras.redact:
        document = Redactor.of_user(plan.extras.redact, os.environ).document(document)
    path = _path(store, run)
    files.make_private(os.path.dirname(path))
    # Who is killed in here has not started the command: half a file does no harm, and no temporary one may stay.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as stream:
        stream.write(jsontext.dumps(document))


def load(store: Store, run: str) -> Saved:
    """Read it back; nothing for a run of which nothing was asked, or if it cannot be read."""
    try:
        document = jsontext.loads(files.read_regular(_path(store, run), 1 << 24) or b"{}")
        known = document.get("extras")
        extras = None if known is None else of_document(known)
        return Saved(
            document.get("name", ""),
            document.get("tags", {}),
            next((word for word in _ATTACH if word == document.get("attach")), "auto"),
            next((word for word in _HASH if word == document.get("hash")), "auto"),
            _patterns(document.get("ignore", ()), extras),
            None if extras is None else _revealed(extras),
            [(tuple(names), through) for names, through in document.get("ways", ())],
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return Saved()


def _patterns(ignore: Sequence[str], extras: Extras | None) -> tuple[str, ...]:
    """With the true names, where those were hidden."""
    from shark.content.redaction import Redactor

    if extras is None or not extras.redact:
        return tuple(ignore)
    redactor = Redactor.of_user(extras.redact, os.environ)
    return tuple(os.fsdecode(redactor.revealed(os.fsencode(pattern))) for pattern in ignore)


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
