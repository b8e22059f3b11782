"""The single questions: which runs made a content, from what they made it, what was made from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shark.ancestry import carried
from shark.ancestry.carried import Carried
from shark.ancestry.inside import inside
from shark.ancestry.recorded import Recorded, Use
from shark.ancestry.values import EMPTY, Content, Maker, Making, Source, Unknown
from shark.store.home import Store

CANDIDATES = 8
"""So many runs are named that may have made a content, where it is not certain which one did."""

NOW = "~"
"""Who looks at a file that is there now, in the place of a run's id: it sorts behind every one."""


class Makers(NamedTuple):
    """The runs that made a content, the likeliest first, and how many there are in all (some may not be named)."""

    found: tuple[Maker, ...]
    total: int


class Known:
    """What the store and the manifests on files say. `problems` are sentences that add up. To be closed."""

    def __init__(self, store: Store, environ: Mapping[str, str] = os.environ) -> None:
        self.recorded = Recorded(store, environ)
        self.carried = Carried()
        self._inside = inside(store)

    def __enter__(self) -> Known:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the index."""
        self.recorded.close()

    @property
    def problems(self) -> list[str]:
        """What could not be read so far, in sentences."""
        return [*self.recorded.problems, *self.carried.problems]

    def makers(self, source: Source, user: str = NOW) -> Makers:
        """Give the runs that made a content which the run `user` used (NOW: a file that is there).

        By what the user's record says; by the manifest that the file carries (of a file that is there: this first); by
        path and digest; by digest alone, but never for an empty file; by the path alone where there is no digest. Runs
        that began after the user are left out, unless there are no others: the clocks of two machines differ.
        Where the user's record, or the manifest on a file that is there, names the one run, the others that made the
        same bytes are not told of: a pipeline that is run every night makes them again each time.
        """
        content = source.content
        named = [self._named(content, run, certain=len(source.runs) == 1) for run in source.runs]
        if user == NOW:
            named += self._carried(content, user)
        proven = next((maker for maker in named if maker.certain and self._is_known(maker)), None)
        if proven is not None:
            return Makers((proven,), 1)
        stored, total = self._stored(content, user)
        if user != NOW and not any(maker.certain for maker in (*named, *stored)):
            named += self._carried(content, user)
        every = [*named, *stored]
        found = {maker.run: maker for maker in reversed(every)}
        ordered = [found[run] for run in dict.fromkeys(maker.run for maker in every)]
        sure = next((maker for maker in ordered if maker.certain), None)
        if sure is not None:
            ordered = [sure, *(maker._replace(certain=False) for maker in ordered if maker is not sure)]
        return Makers(tuple(ordered[:CANDIDATES]), max(total, len(ordered)))

    def making(self, maker: Maker) -> Making | Unknown:
        """Give from what a run made a content: by its record, else by the manifest that a file carries."""
        found = self.recorded.making(maker)
        if isinstance(found, Unknown) and maker.manifest is not None:
            return carried.making(maker.manifest)
        return found

    def uses(self, content: Content) -> list[Use]:
        """Give the runs that used a content, and which of their outputs derive from it."""
        return self.recorded.uses(content)

    def uses_inside(self, content: Content) -> list[Use]:
        """Give what the runs that made a content at its path, the newest ones, made from it themselves.

        What they removed again is not told: it is no output.
        """
        makers, _ = self.recorded.makers(content.path, content.sha256 or None)
        found = []
        for run in [run for run, made in makers if made == content][:CANDIDATES]:
            for used in self._inside.of(run, content):
                made = self.recorded.made(run, used.made)
                if made is not None:
                    found.append(Use(made.about, used.kind, made, False))
        return found

    def _is_known(self, maker: Maker) -> bool:
        return maker.manifest is not None or self.recorded.has(maker.run)

    def _named(self, content: Content, run: str, *, certain: bool) -> Maker:
        manifest: Mapping[str, Any] | None = None
        if not self.recorded.has(run):
            found = self.carried.of(content)
            manifest = found if found and found.get("run") == run else None
        return Maker(run, content, certain, manifest)

    def _carried(self, content: Content, user: str) -> Iterable[Maker]:
        manifest = self.carried.of(content)
        if manifest and manifest.get("run"):
            made = carried.made_by(manifest)
            # What the file carries now was put there by a later run, perhaps, that made the same bytes again.
            certain = manifest["run"] < user
            yield Maker(manifest["run"], made if made.path else content, certain, manifest)

    def _stored(self, content: Content, user: str) -> tuple[list[Maker], int]:
        if not content.sha256:
            found, _ = self.recorded.makers(content.path, None)
            likely = _likely(found, content.path, user)[:1]
            return [maker._replace(certain=False) for maker in likely], len(likely)
        found, total = self.recorded.makers(content.path, content.sha256)
        if content.sha256 == EMPTY:
            found = [entry for entry in found if entry[1].path == content.path]
            total = len(found)
        count = len({run for run, _ in found})
        likely = _likely(self._no_copies(found, content), content.path, user)
        return likely, total if total > count else len(likely)

    def _no_copies(self, found: list[tuple[str, Content]], content: Content) -> list[tuple[str, Content]]:
        """Leave out what was made elsewhere when the content was known to be at its path: copies of it, perhaps."""
        if all(made.path == content.path for _, made in found):
            return found
        first = self.recorded.first_use(content) or NOW
        return [(run, made) for run, made in found if made.path == content.path or run < first]


def _likely(found: Iterable[tuple[str, Content]], path: bytes, user: str) -> list[Maker]:
    """Order runs by likelihood: those that left it at this path first, newest first; one alone there is certain."""
    others = [entry for entry in found if entry[0] != user]
    earlier = [entry for entry in others if entry[0] < user]
    rest = sorted(earlier or others, key=lambda entry: entry[0], reverse=True)
    rest.sort(key=lambda entry: entry[1].path != path)
    one = len({run for run, made in rest if made.path == path}) == 1 and bool(earlier)
    makers = [Maker(run, made, one and made.path == path) for run, made in rest]
    return list({maker.run: maker for maker in reversed(makers)}.values())[::-1]
