"""What the store's records say of contents: who made them, from what, and who used them. Asked of the index alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from shark.ancestry.values import EMPTY, About, Content, Maker, Making, Source, Unknown
from shark.errors import NotFound
from shark.listed import command
from shark.store import edges
from shark.store.home import Store
from shark.store.index import Index, Version

Kind = Literal["input", "control"]


class Use(NamedTuple):
    """That a run used a content, and from that made something (`made` is None: nothing that is recorded).

    Of what was made, `made` has no inputs: whoever wants these asks for its making. `only`: as in LineageEdge.
    """

    about: About
    kind: Kind
    made: Making | None
    only: bool


class Recorded:
    """Asks the index of one store. `problems` are sentences."""

    def __init__(self, store: Store, environ: Mapping[str, str]) -> None:
        self.index = Index.open(store, environ)
        self.problems: dict[str, None] = dict.fromkeys([*store.warnings, *self.index.warnings])
        self._damaged = dict(self.index.problems())
        if self._damaged:
            records = "1 record" if len(self._damaged) == 1 else f"{len(self._damaged)} records"
            self.problems[f"{records} cannot be read; `shark index` tells why"] = None
        self._about: dict[str, About | Unknown] = {}
        self._not_made: set[str | None] = set()

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def has(self, run: str) -> bool:
        """Tell whether the record of a run is there, and can be read."""
        return isinstance(self._of(run), About)

    def makers(self, path: bytes, sha256: str | None) -> tuple[list[tuple[str, Content]], int]:
        """Give the runs that made a content, and where, those at `path` first, then the newest; and how many there are.

        Without a digest: the runs that made a file at this path, whatever its content.
        """
        if sha256 in self._not_made:
            return [], 0
        found, count = edges.makers(self.index, path, sha256)
        return [(version.run, _content(version)) for version in found], count

    def first_use(self, content: Content) -> str:
        """Give the first run that used a content at its path, "" if none did."""
        return edges.first_use(self.index, content.path, content.sha256)

    def contents_at(self, path: bytes) -> list[Content]:
        """Give the contents that a file had when runs made or used it, the last one first."""
        return [Content(path, sha256) for sha256 in edges.contents_at(self.index, path)]

    def other_paths(self, content: Content) -> tuple[list[bytes], int]:
        """Give the other paths at which runs used the same bytes, and how many there are."""
        return edges.same_bytes(self.index, content.path, content.sha256)

    def is_used(self, content: Content) -> bool:
        """Tell whether a run used a content at its path; or the same bytes elsewhere, after they were made here."""
        if self.first_use(content):
            return True
        if content.sha256 in ("", EMPTY):
            return False
        made, _ = self.makers(content.path, content.sha256)
        since = min((run for run, there in made if there.path == content.path), default="")
        others = [content._replace(path=path) for path in self.other_paths(content)[0]]
        return any(use.about.run > since for other in others for use in self.uses(other))

    def making(self, maker: Maker) -> Making | Unknown:
        """Give from what a run made a content."""
        about = self._of(maker.run)
        if isinstance(about, Unknown):
            return about
        found = edges.output(self.index, maker.run, maker.made.path, maker.made.sha256)
        if found is None:
            return Unknown("unknown-run", "its record does not have this content among its outputs")
        if not found.known:
            return Unknown("damaged", "its record does not tell what it used")
        every = [(each, _source(each)) for each in edges.inputs(self.index, found)]
        # Most inputs are data that no run made: all are asked about at once, before each is looked at.
        digests = {source.content.sha256 for _, source in every} - self._not_made - {""}
        self._not_made |= digests - edges.made_ones(self.index, digests)
        return _making(
            about,
            found,
            tuple(source for each, source in every if not each.control and not each.only),
            tuple(source for each, source in every if each.control),
            tuple(source for each, source in every if each.only),
        )

    def uses(self, content: Content) -> list[Use]:
        """Give the runs that used a content, the oldest first, with each of their outputs that derive from it."""
        found: list[Use] = []
        for use in edges.uses(self.index, content.path, content.sha256):
            about = self._of(use.run)
            if not isinstance(about, Unknown):
                made = None if use.made is None else _making(about, use.made, (), (), ())
                found.append(Use(about, "control" if use.control else "input", made, use.only))
        return found

    def made(self, run: str, content: Content) -> Making | None:
        """Give how a run made a content, without the inputs; None if that is not known."""
        about = self._of(run)
        found = edges.output(self.index, run, content.path, content.sha256)
        return None if found is None or isinstance(about, Unknown) else _making(about, found, (), (), ())

    def _of(self, run: str) -> About | Unknown:
        if run not in self._about:
            try:
                row = self.index.run(run)
                self._about[run] = About(run, row.name, command(row), "store")
            except NotFound:
                problem = self._damaged.get(run)
                unknown = Unknown("unknown-run", "that run is not in this store")
                self._about[run] = Unknown("damaged", problem) if problem else unknown
        return self._about[run]


def _making(
    about: About,
    made: edges.Output,
    inputs: tuple[Source, ...],
    controls: tuple[Source, ...],
    own: tuple[Source, ...],
) -> Making:
    version = made.version
    return Making(about, made.part, made.scope, _content(version), version.size, version.role, inputs, controls, own)


def _content(version: Version) -> Content:
    return Content(version.path, version.sha256)


def _source(each: edges.Input) -> Source:
    version = each.version
    return Source(_content(version), version.size, version.role, each.used, each.makers)
