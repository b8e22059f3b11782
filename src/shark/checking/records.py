"""What the store knows of runs and files, for those who ask about many of them: each record is read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from shark.checking.carried import NOTHING, Lists
from shark.checking.glimpse import glimpse
from shark.errors import NotFound, SharkError
from shark.model.manifest import manifests
from shark.store.home import Store

if TYPE_CHECKING:
    from shark.model.documents import RunRecord
    from shark.store.index import Index, Version

_LARGE = 4_000_000
"""Bytes of a record's text from which it is parsed no sooner than needed."""

_KEPT = 200
"""So many runs are remembered."""


_T = TypeVar("_T")


class Left(NamedTuple):
    """What a run left at a path: a content, or nothing (`removed`)."""

    sha256: str
    size: int
    removed: bool = False


class Run:
    """One run's record, with what is asked of it prepared when it is asked first."""

    def __init__(self, run: str, text: bytes, parse: Callable[[str, bytes], dict[str, Any]]) -> None:
        self._id = run
        self._text = text
        self._parse = parse
        self._record = parse(run, text) if len(text) < _LARGE else None
        self._lists: dict[str, list[tuple[str, Lists]]] | None = None
        self._left: dict[str, Left] | None = None
        self._times: dict[str, set[int]] | None = None
        self._paths: set[str] | None = None
        self._first: dict[str, str] | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The record, parsed when it is first asked for if it is large. Raises what `parse` raises."""
        if self._record is None:
            self._record = self._parse(self._id, self._text)
            self._text = b""
        return self._record

    def looks(self) -> dict[str, Any]:
        """The record as far as it tells what was listed, or looked for in vain; parsed as little as that needs."""
        glimpsed = glimpse(self._text, self._id) if self._record is None else None
        return self.record if glimpsed is None else glimpsed

    def paths(self) -> set[str]:
        """The paths of which the run itself knew that something was there."""
        if self._paths is None:
            files = [file for file in self.record["files"] if file.get("kind") != "missing"]
            self._paths = {name for file in files for name in (file["path"], *file.get("names", ()))}
        return self._paths

    def lists(self, path: str, sha256: str) -> Lists | None:
        """The inputs and controls of the output at `path`, or else of the one with this digest."""
        known = self._known_lists()
        here = known.get(path, ())
        for digest, lists in here or (one for group in known.values() for one in group):
            if sha256 in ("", digest):
                return lists
        return None

    def place(self, path: str, sha256: str) -> str:
        """The path of the output with this digest: `path` if it was there, "" if there is none."""
        known = self._known_lists()
        some = (path, *known) if path in known else known
        return next((at for at in some if any(digest == sha256 for digest, _ in known[at])), "")

    def writes(self, path: str) -> bool:
        """Whether the run has an output at `path`, though with the content that it found there."""
        return path in self._known_lists()

    def _known_lists(self) -> dict[str, list[tuple[str, Lists]]]:
        """The digest and the lists of each output, by its path."""
        if self._lists is None:
            self._lists = {}
            for manifest in manifests(cast("RunRecord", self.record), fold=False):
                output = manifest["output"]
                lists = cast("Lists", (manifest["inputs"], manifest.get("controls", NOTHING)))
                self._lists.setdefault(output["path"], []).append((output.get("sha256", ""), lists))
        return self._lists

    def left(self, path: str) -> Left | None:
        """What the run left at `path`; None if it has nothing to do with it, or did not hash it."""
        if self._left is None:
            self._left = {}
            files = [file for file in self.record["files"] if file.get("kind", "file") == "file"]
            for file in files:
                if file.get("removed"):
                    self._left[file["path"]] = Left("", -1, True)
            for file in files:
                last = file["versions"][-1] if file["versions"] else {}
                if not file.get("removed"):
                    for name in (file["path"], *file.get("names", ())):
                        self._left[name] = Left(last.get("sha256", ""), last.get("size", -1))
        found = self._left.get(path)
        return found if found is not None and (found.removed or found.sha256) else None

    def times(self, path: str) -> set[int]:
        """The mtimes (ns) of what the run found at `path` and could not hash, and of what it left there itself."""
        if self._times is None:
            self._times = {}
            for file in self.record["files"]:
                if file.get("kind", "file") == "file" and any("sha256" not in one for one in file["versions"]):
                    self._times.setdefault(file["path"], set()).update(_unhashed_times(file["versions"]))
        return self._times.get(path, set())

    def led(self, name: str) -> bool:
        """Whether the run has made a symbolic link that is on the way of `name`."""
        links = [file["path"] for file in self.record["files"] if file.get("kind") == "symlink"]
        return any(name == link or name.startswith(link + "/") for link in links)

    def replaced(self, path: str, sha256: str) -> str:
        """The digest of what the run left at `path`, if it had found another content there, with this digest."""
        if self._first is None:
            self._first = {
                file["path"]: file["versions"][0].get("sha256", "")
                for file in self.record["files"]
                if file["versions"] and "by" not in file["versions"][0]
            }
        left = self.left(path)
        return left.sha256 if left is not None and self._first.get(path) == sha256 != left.sha256 else ""


def _unhashed_times(versions: list[dict[str, Any]]) -> Iterator[int]:
    for version in versions:
        found = "by" not in version and "sha256" not in version
        if (found or version is versions[-1]) and "mtime_ns" in version:
            yield version["mtime_ns"]


class Records:
    """The runs of a store, and its index, opened when they are needed. `problems` are sentences for the user."""

    def __init__(self, store: Store, environ: Mapping[str, str] = os.environ) -> None:
        self.store = store
        self.problems: dict[str, None] = {}
        self.environ = environ
        self._runs: dict[str, Run | None] = {}
        self._index: Index | None = None
        self._sizes: set[int] | None = None

    def __enter__(self) -> Records:
        return self

    def __exit__(self, *_: object) -> None:
        if self._index is not None:
            self._index.close()

    def run(self, run: str) -> Run | None:
        """A run; None if the store has no record of it that can be read (which then is among the `problems`)."""
        if run not in self._runs:
            if len(self._runs) >= _KEPT:
                self._runs.clear()
            self._runs[run] = self._read(run)
        return self._runs[run]

    def lists(self, run: str, path: str, sha256: str) -> Lists | None:
        """Inputs and controls of an output; None if the store does not have its run."""
        known = self.run(run)
        return None if known is None else self._guarded(run, lambda: known.lists(path, sha256))

    def place(self, run: str, path: str, sha256: str) -> str | None:
        """Where an output was that is at `path` now; None if the store does not have its run."""
        known = self.run(run)
        return None if known is None else self._guarded(run, lambda: known.place(path, sha256))

    def ask(self, run: str, question: Callable[[Run], _T]) -> _T | None:
        """What a question about a run gives; None if the store does not have the run."""
        known = self.run(run)
        return None if known is None else self._guarded(run, lambda: question(known))

    def left(self, run: str, path: str) -> Left | None:
        """What a run left at `path`; None if that is not known."""
        known = self.run(run)
        return None if known is None else self._guarded(run, lambda: known.left(path))

    def times(self, run: str, path: str) -> set[int]:
        """The mtimes (ns) that a file without a digest may have while it is as a run found or left it.

        Empty where that is not known.
        """
        known = self.run(run)
        return (None if known is None else self._guarded(run, lambda: known.times(path))) or set()

    def led(self, run: str, name: str) -> bool:
        """Whether a run has made a symbolic link that is on the way of `name`."""
        known = self.run(run)
        return known is not None and bool(self._guarded(run, lambda: known.led(name)))

    def made(self, *, path: bytes | None = None, sha256: str | None = None) -> list[Version]:
        """The outputs with this path and content (None: any), newest run first."""
        index = self.index()
        return [] if index is None else index.made(path=path, sha256=sha256)

    def index(self) -> Index | None:
        """The store's index; None if there is no store."""
        if self._index is None and os.path.isdir(self.store.root):
            from shark.store.index import Index

            self._index = Index.open(self.store, self.environ)
            self.problems.update(dict.fromkeys(self._index.warnings))
        return self._index

    def sizes(self) -> set[int]:
        """The sizes of all outputs: a file of another size has no output's content."""
        if self._sizes is None:
            index = self.index()
            self._sizes = index.sizes() if index is not None else set()
        return self._sizes

    def replaced(self, run: str, path: str, sha256: str) -> str:
        """The digest of what a run left at `path` in the place of the content that it found there; "" if it did not."""
        known = self.run(run)
        found = None if known is None else self._guarded(run, lambda: known.replaced(path, sha256))
        return found or ""

    def writes(self, run: str, path: str) -> bool:
        """Tell whether a run has an output at `path`, though with the content that it found there."""
        known = self.run(run)
        return known is not None and bool(self._guarded(run, lambda: known.writes(path)))

    def kept(self, sha256: str) -> bool:
        """Tell whether the store keeps a copy of this content."""
        return bool(sha256) and os.path.exists(self.store.object_path(sha256))

    def below(self, directory: bytes) -> set[bytes]:
        """The paths of all outputs that lie below a directory, there or not; without caches."""
        index = self.index()
        return set() if index is None else index.paths_below(directory)

    def caches(self, directory: bytes) -> set[bytes]:
        """The paths below a directory at which runs left nothing but caches."""
        index = self.index()
        found = set() if index is None else index.paths_below(directory, caches=True)
        return found - self.below(directory) if found else found  # of outputs there may be very many

    def _read(self, run: str) -> Run | None:
        try:
            return Run(run, self.store.record_text(run), self.store.parse_record)
        except (NotFound, ValueError):
            return None  # ValueError: not even the name of a run
        except SharkError as error:
            self.problems[error.message] = None
            return None

    def _guarded(self, run: str, ask: Callable[[], _T]) -> _T | None:
        try:
            return ask()
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            self.problems[f"the record of run {run} has another shape than expected"] = None
        except SharkError as error:  # of a large one, this shows when it is parsed
            self.problems[error.message] = None
        self._runs[run] = None
        return None
