"""Owners of files, found out before somebody waits for them; believed only while nothing has changed that they follow
from: the file's own state, and that of everything in the package managers' databases that was looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from shark.content.packages import ecosystems, owners, source_of
from shark.content.packages.look import Look
from shark.content.packages.noting import SETTLED_NS, Noting, State, state_of
from shark.content.packages.rpm import Rpm
from shark.model.facts import Owner

_MOST = 50_000
"""So many files are looked up early, at most: of a run with more, the rest is when it has ended."""


class Early:
    """What is known early of one run's files. `environ` is shark's own environment; of `settled_ns` see `Noting`."""

    def __init__(self, environ: Mapping[str, str], settled_ns: int = SETTLED_NS) -> None:
        self._environ = environ
        self._look = Noting(settled_ns)
        self._ecosystems = ecosystems(environ, self._look)
        self._known: dict[bytes, tuple[State, Owner | None]] = {}
        # rpm(8) tells no state of what it answers from; and it takes longer than a moment.
        self._useful = not Rpm(look=Look()).concerns(b"/")

    def take_up(self, paths: Iterable[bytes]) -> Iterable[bytes]:
        """Find out who owns these files; give those of which no owner is known yet.

        What fails is forgotten: whoever asks for `owners` will hear of it.
        """
        if not self._useful or len(self._known) > _MOST:
            return list(map(source_of, paths))
        states = {path: self._look.settled(path) for path in map(source_of, paths) if path not in self._known}
        try:
            found = owners((path for path, state in states.items() if state), known=self._ecosystems)
        except OSError:
            self._useful = False
            self._known.clear()
            return states.keys()
        self._useful = not self._look.hopeless
        self._known.update((path, (state, found.get(path))) for path, state in states.items() if state)
        return states.keys() - found.keys()

    def owners(self, paths: Iterable[bytes]) -> dict[bytes, Owner]:
        """The same as `packages.owners`, and as true."""
        asked = list(paths)
        if not self._known or not self._look.holds():
            return owners(asked, environ=self._environ)
        return owners(asked, known=self._ecosystems, told=self._unchanged(asked))

    def _unchanged(self, paths: Iterable[bytes]) -> dict[bytes, Owner | None]:
        """What is known of those files that are as they were."""
        told: dict[bytes, Owner | None] = {}
        for path in set(map(source_of, paths)) & self._known.keys():
            state, owner = self._known[path]
            try:
                if state_of(os.stat(path)) == state:
                    told[path] = owner
            except OSError:
                continue
        return told
