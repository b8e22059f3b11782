"""What the graph across runs is made of: contents of files, runs that made them, from what. Pure values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from shark.model.documents import Command, ShortCommand
    from shark.view.documents import KnowledgeEnd

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The sha256 of nothing: every empty file has it, so that it tells nothing of where one comes from."""


class Content(NamedTuple):
    """One content of a file at one path. `sha256` is "" where it is not known."""

    path: bytes
    sha256: str


class Source(NamedTuple):
    """A content that a run used, and did not make.

    `size` is -1 where it is not known. `used` is the path that the program used, if another one. `runs` made it: one is
    certain, several are candidates, as the record says. `files`: it stands for so many below its path (0: for itself).
    """

    content: Content
    size: int = -1
    role: str = ""
    used: bytes = b""
    runs: tuple[str, ...] = ()
    files: int = 0


class Maker(NamedTuple):
    """A run that made a content, `made` at the path where that run left it.

    `certain` is False for one of several possibilities. `manifest` is what a file carries that says so, if one does.
    """

    run: str
    made: Content
    certain: bool
    manifest: Mapping[str, Any] | None = None


class About(NamedTuple):
    """What is to be said of a run, from its record or from a manifest."""

    run: str
    name: str
    command: Command | ShortCommand | None
    source: Literal["store", "manifest"]


class Unknown(NamedTuple):
    """Why nothing more is known of a run or content: for programs, and in words."""

    end: KnowledgeEnd
    why: str


class Making(NamedTuple):
    """How a run made one of its outputs: the content, and from what it derives.

    `part` numbers (from 1) the groups of outputs of a run that derive from the same `inputs` and `controls`; 0 if there
    is but one. `own` are inputs besides, that flowed into this output alone: its earlier content. `end` says why
    not all inputs are known, if they are not.
    """

    about: About
    part: int
    scope: str
    made: Content
    size: int
    role: str
    inputs: Sequence[Source]
    controls: Sequence[Source]
    own: Sequence[Source]
    end: Unknown | None = None
