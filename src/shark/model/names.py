"""Which file stands at which path: a table that follows links, removals, and renames of files and whole directories."""

from __future__ import annotations

from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from shark.model.files import File


class NameTable:
    """Paths to files, and each file's names. Cost of a directory's rename: the number of known paths below it.

    `at` is the file at a path; only this class changes it and `File.names`.
    """

    def __init__(self) -> None:
        self.at: dict[bytes, File] = {}
        self._below: dict[bytes, set[bytes]] = {}  # directory -> known paths right below it, directories included
        self._unsorted: list[bytes] = []  # paths that are not in `_below` yet: many runs never ask for it

    def add(self, path: bytes, file: File) -> None:
        """`file` is at `path`; whatever was believed to be there has lost that name."""
        other = self.at.get(path)
        if other is file:
            return
        if other is not None:
            other.lose(path)
            other.evicted = not other.names
        self.at[path] = file
        file.gain(path)
        self._enter(path)

    def put(self, path: bytes, file: File) -> None:
        """`file`, which had no name, is at `path`, where nothing was."""
        self.at[path] = file
        file.names[path] = None
        self._unsorted.append(path)

    def drop(self, path: bytes) -> File | None:
        """Nothing is at `path` any more; returns what was."""
        file = self.at.pop(path, None)
        if file is not None:
            file.lose(path)
        self._leave(path)
        return file

    def move(self, old: bytes, new: bytes) -> None:
        """What is at `old`, with everything below it, is at `new` now; what was at `new` and below is not."""
        if old == new:
            return
        moved = self._cut(old)
        for _, other in self._cut(new):
            other.settle_path()
            other.evicted = not other.names
        self._paste(moved, new)

    def exchange(self, one: bytes, other: bytes) -> None:
        """What is at each path, with everything below it, is at the other now."""
        if one == other:
            return
        first, second = self._cut(one), self._cut(other)
        self._paste(first, other)
        self._paste(second, one)

    def _cut(self, top: bytes) -> list[tuple[bytes, File]]:
        """Take out `top` and everything below it: the rest of each path, and its file, which does not lose its path
        yet.
        """
        self._sort()
        found: list[tuple[bytes, File]] = []
        todo = [top]
        while todo:
            path = todo.pop()
            file = self.at.pop(path, None)
            if file is not None:
                del file.names[path]
                found.append((path[len(top) :], file))
            todo.extend(self._below.pop(path, ()))
        self._leave(top)
        return found

    def _paste(self, cut: list[tuple[bytes, File]], top: bytes) -> None:
        for rest, file in cut:
            file.gain(top + rest)
            self.at[top + rest] = file
            self._enter(top + rest)

    def _sort(self) -> None:
        """Let `_below` have all known paths."""
        if self._unsorted:
            for path in self._unsorted:
                self._enter(path)
            self._unsorted = []

    def _enter(self, path: bytes) -> None:
        while True:
            parent, slash, name = path.rpartition(b"/")
            if not slash or not name:
                return
            siblings = self._below.get(parent)
            if siblings is None:
                self._below[parent] = {path}
            elif path in siblings:
                return
            else:
                siblings.add(path)
            path = parent

    def _leave(self, path: bytes) -> None:
        """Forget `path` in its parent, and parents that thereby hold nothing known."""
        self._sort()
        while path not in self.at and not self._below.get(path):
            self._below.pop(path, None)
            parent = path.rpartition(b"/")[0]
            siblings = self._below.get(parent)
            if siblings is None or path not in siblings:
                return
            siblings.discard(path)
            path = parent
