"""Keeping each path, each content and each set of inputs in the index once."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence

from shark.store import rows
from shark.store.rows import FileRow
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_REMEMBERED = 200_000
"""So many numbers are remembered while records are taken in, before all are forgotten."""

_WORTH = 8
"""A set is kept as an addition to another one if they share at least so many members."""

_ASKED = 150
"""So many files are looked up by one query; SQLite takes 999 values at least."""

ROLES = ("", "data", "code", "config", "library", "cache", "system")
"""Roles are kept as their place here, which is their number for ever; any other one as it is."""


class Interner:
    """Gives the numbers of files and sets, adding what is not there. To be forgotten with the transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._files: dict[FileRow, int] = {}
        self._directories: dict[bytes, int] = {}

    def forget(self) -> None:
        """Forget what was remembered: rows may have been removed."""
        self._files.clear()
        self._directories.clear()

    def files(self, wanted: Iterable[FileRow]) -> dict[FileRow, int]:
        """Give the numbers of contents at paths; and of others, of which the same was asked before."""
        if len(self._files) >= _REMEMBERED:
            self._files.clear()
        new = [row for row in dict.fromkeys(wanted) if row not in self._files]
        for at in range(0, len(new), _ASKED):
            self._find(new[at : at + _ASKED])
        return self._files

    def sets(self, wanted: Sequence[frozenset[int]]) -> list[int]:
        """Give the numbers of sets of members, those of one run in its order.

        Outputs of one run have much in common: what all of them have is kept once, and so is what one has of another
        that came before it.
        """
        distinct = list(dict.fromkeys(wanted))
        core = frozenset.intersection(*distinct) if len(distinct) > 1 else frozenset()
        bases = [(core, self._set(core, None, core))] if len(core) >= _WORTH else []
        fixed = len(bases)
        numbers: dict[frozenset[int], int] = {}
        for members in distinct:
            fitting = [base for base in bases if len(base[0]) >= _WORTH and base[0] < members]
            base = max(fitting, key=lambda each: len(each[0]), default=None)
            own = members - base[0] if base else members
            numbers[members] = self._set(members, base[1] if base else None, own)
            bases[fixed:] = [(members, numbers[members])]
        return [numbers[members] for members in wanted]

    def _find(self, new: Sequence[FileRow]) -> None:
        keys = {row: self._key(row) for row in new}
        marks = ", ".join(["(?, ?, ?, ?, ?)"] * len(keys))
        query = (
            f"WITH asked (directory, name, sha256, size, role) AS (VALUES {marks}) "
            "SELECT f.directory, f.name, f.sha256, f.size, f.role, f.n FROM asked a "
            "CROSS JOIN files f ON f.directory = a.directory AND f.name = a.name "  # keeps SQLite to this order
            "AND substr(f.sha256, 1, 6) IS substr(a.sha256, 1, 6) AND f.sha256 = a.sha256 AND f.size = a.size "
            "AND f.role = a.role"
        )
        found = {tuple(key): n for *key, n in self._db.execute(query, [part for key in keys.values() for part in key])}
        missing = {key: row for row, key in keys.items() if key not in found}
        if missing:
            last = self._db.execute("SELECT ifnull(max(n), 0) FROM files").fetchone()[0]
            numbered = [(n, *key) for n, key in enumerate(missing, last + 1)]
            self._db.executemany("INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)", numbered)
            found.update((tuple(key), n) for n, *key in numbered)
        self._files.update((row, found[key]) for row, key in keys.items())

    def _key(self, row: FileRow) -> tuple[object, ...]:
        folder, name = split(rows.encoded(row.path))
        role = ROLES.index(row.role) if row.role in ROLES else row.role
        return self._directory(folder), name, rows.digest(row.sha256), row.size, role

    def _directory(self, path: bytes) -> int:
        number = self._directories.get(path)
        if number is None:
            found = self._db.execute("SELECT n FROM directories WHERE path = ?", (path,)).fetchone()
            if found is None:
                number = int(self._db.execute("INSERT INTO directories (path) VALUES (?)", (path,)).lastrowid or 0)
            else:
                number = int(found[0])
            self._directories[path] = number
        return number

    def _set(self, members: frozenset[int], parent: int | None, own: Iterable[int]) -> int:
        import hashlib  # most who ask the index add nothing to it

        ordered = sorted(members)
        key = hashlib.sha256(array("q", ordered).tobytes()).digest()[:16]
        found = self._db.execute("SELECT n FROM sets WHERE key = ?", (key,)).fetchone()
        if found:
            return int(found[0])
        mine = ordered if parent is None else sorted(own)
        values = (key, parent, len(ordered), packed(mine))
        statement = "INSERT INTO sets (key, parent, count, members) VALUES (?, ?, ?, ?)"
        number = int(self._db.execute(statement, values).lastrowid or 0)
        self._db.executemany("INSERT INTO members VALUES (?, ?)", ((member, number) for member in mine))
        return number


def packed(numbers: Iterable[int]) -> bytes:
    r"""Pack ascending numbers: the difference to the one before in groups of seven bits, the lowest first.

    >>> packed([5, 6, 300]), list(unpacked(packed([5, 6, 300])))
    (b'\x05\x01\xa6\x02', [5, 6, 300])
    """
    found = bytearray()
    before = 0
    for number in numbers:
        rest = number - before
        before = number
        while rest > 127:
            found.append(rest & 127 | 128)
            rest >>= 7
        found.append(rest)
    return bytes(found)


def unpacked(data: bytes) -> Iterator[int]:
    """Give back what `packed` packed."""
    number = rest = shift = 0
    for byte in data:
        rest |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            number += rest
            yield number
            rest = shift = 0


def split(path: bytes) -> tuple[bytes, bytes]:
    """Give the directory, with the slash at its end, and the name: put together, they are the path.

    >>> split(b"/x"), split(b"x")
    ((b'/', b'x'), (b'', b'x'))
    """
    at = path.rfind(b"/") + 1
    return path[:at], path[at:]
