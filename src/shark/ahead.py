"""Work of a run's end that is done while its command still runs, in short steps, so that nobody waits for it.

The record is the same as without it: what was found out is used where nothing has changed since, and what failed is
tried again at the end, which tells of it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

from shark.content.packages.early import Early
from shark.model.roles import Roles
from shark.store.index import Index
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.files import File
    from shark.model.run import RunModel
    from shark.store.home import Store

WAIT = 0.1
"""Seconds until it is begun: a command that ends before would get less of the processor, and gain nothing."""

_STEP = 20
"""So many files are looked at in one step: a millisecond or two."""

_FUSE = b"/dev/fuse"
"""Once the run has opened this, one of its processes may serve a file system, and stand still while it is asked."""

_HASHED = ("data", "code", "config")
"""Roles of the inputs of which it is asked what run made them."""


def steps(
    model: RunModel, early: Early, store: Callable[[], Store | None], *, hashes: bool, wait: float = WAIT
) -> Iterator[bool]:
    """Do it: a step whenever the next value is asked for, which is False if there was nothing to do.

    Takes up in `early` who owns the files of the `model`, and brings the index of the `store` up to date if it will be
    asked which runs made the inputs (which it is if the run `hashes` them). It is begun `wait` seconds after the first
    value was asked for.
    """
    begin = time.monotonic()
    while time.monotonic() - begin < wait:
        yield False
    files = model.files.all
    role = Roles(os.fsencode(os.path.expanduser("~"))).role
    done, asks, indexed = 0, False, False
    while True:
        some = files[done : done + _STEP]
        done += len(some)
        if any(file.path == _FUSE for file in some):
            return
        unowned = early.take_up(file.path for file in some if _is_input(file))
        asks = asks or (hashes and any(role(path) in _HASHED for path in unowned))
        yield bool(some)
        # Once: among its first files is mostly one that no package owns, and a command opens new ones until it ends.
        if asks and not indexed and (there := store()) is not None:
            Index.catch_up(there, os.environ)
            indexed = True
            yield True


def _is_input(file: File) -> bool:
    """Whether it is a file from before the run, as far as is known."""
    path = file.path
    return (
        file.kind == "file"
        and not file.gone
        and len(file.versions) == 1
        and file.versions[0].origin == "before"
        and path.startswith(b"/")
        and not path.startswith((b"/proc/", b"/sys/"))
    )
