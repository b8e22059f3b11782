"""Capturing what the command writes to its standard streams: from the making of the ways to the record's `streams`."""

from __future__ import annotations

from collections.abc import Callable

from shark.capture import streams, tee
from shark.keeping import drop_streams, keep_followed, keep_streams
from shark.store.home import Store
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Final

    from shark.capture.tee import Tee
    from shark.saved import Ways

_PATIENCE: Final = 2.0
"""Seconds to wait for the readers of a command that was killed: it would not have waited for them itself."""


class Capturing:
    """One run's. Made in the process that becomes the command, which calls `dress`; all the rest is the supervisor's.

    At most `limit` bytes of each stream are kept.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._streams = streams.prepare()
        self._tee: Tee | None = None
        self._store: Store | None = None
        self._prefix = b""
        self.ways: Ways = [
            (channel.names, "terminal" if channel.terminal else "pipe") for channel in self._streams.channels
        ]
        """Which streams take which way, and by what."""

    def dress(self) -> None:
        """The command's streams are the captured ones from here on."""
        self._streams.put_on()

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What has to stay open for it until `begin`."""
        return self._streams.descriptors

    @property
    def resize(self) -> Callable[[], None] | None:
        """What is to be done when a terminal's size has changed."""
        return self._streams.resize if any(channel.terminal for channel in self._streams.channels) else None

    def begin(self, store: Store, run: str) -> None:
        """Stand between the streams and their places. Raises OSError."""
        self._store = store
        self._prefix = self._prefix_of(run)
        if self._streams.channels:
            self._tee = tee.start(self._streams, self._prefix, self._limit)
            self._streams = self._streams.only_terminals()

    def _prefix_of(self, run: str) -> bytes:
        assert self._store is not None
        return self._store.journal_path(run).removesuffix(b".journal") + b".output"

    def stderr(self) -> int | None:
        """The true standard error of the command, if it goes through us and is in use still."""
        return self._tee.stderr() if self._tee else None

    def finish(self, then: str, *, killed: bool) -> dict[str, Any]:
        """Put what was written until now into the store; gives the record's `streams`. What comes belongs to the run
        `then`. Raises OSError.
        """
        assert self._store is not None
        found: dict[str, Any] = {}
        if self._tee is not None:
            following = self._prefix_of(then)
            whole = self._tee.cut(following, _PATIENCE if killed else None)
            found = keep_streams(self._store, self._prefix, self.ways)
            self._prefix = following
            for (names, _), why in zip(self.ways, self._tee.lacks, strict=False):
                if why:
                    found[names[0]]["why"] = why
            if not whole:
                for entry in found.values():
                    if isinstance(entry, dict) and "sha256" in entry:
                        entry["why"] = "its reader did not take it, or its keeper was ended: there may be more"
                self._let_go()
        for followed in self._streams.followed:
            found |= keep_followed(self._store, followed, self._limit)
        return found

    def abandon(self) -> None:
        """Nothing was run: what was said to the streams is passed on, and nothing is left."""
        if self._tee is not None:
            self._tee.cut(self._prefix, _PATIENCE)
            self._let_go()
            drop_streams(self._prefix, [names for names, _ in self.ways])
        self.end()

    def end(self) -> None:
        """The run is over: whoever writes on writes to where it went, and nobody keeps it."""
        self._let_go()
        self._streams.close()
        self._streams = streams.Streams((), ())

    def _let_go(self) -> None:
        if self._tee is not None:
            self._tee.end()
            self._tee = None
