"""Who did what with which version of a file, and when first and last."""

from __future__ import annotations

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shark.model.documents import AccessKind

READ, WRITE, CREATE, REMOVE, RENAME, EXEC, LIST, MISSING = range(8)

KINDS: tuple[AccessKind, ...] = ("read", "write", "create", "remove", "rename", "exec", "list", "missing")
"""The contract's names of the access numbers."""


class Key(NamedTuple):
    """What tells one access from another: process, image, file and version numbers, and the number of the kind."""

    process: int
    image: int
    file: int
    version: int
    kind: int


class Access:
    """When an access was made: the first call and the last one, as [begin, end] each, and how often.

    The begin of `first` is the smallest of all calls, the end of `last` the greatest: calls may be told of out of
    order. `used` is the path by which the program first named the file. `until`: when it is known to hold it no more, 0
    where that is not known. `idle`: a shell opened the file for others, and itself read (or wrote) nothing meanwhile.
    """

    __slots__ = ("begin", "count", "end", "first_end", "idle", "inherited", "last_begin", "until", "used")

    def __init__(self, begin: int, end: int, used: bytes, *, inherited: bool = False) -> None:
        self.begin = begin
        self.first_end = end
        self.last_begin = begin
        self.end = end
        self.count = 1
        self.used = used
        self.inherited = inherited
        self.until = 0
        self.idle = False

    def again(self, begin: int, end: int) -> None:
        """The same access once more."""
        self.count += 1
        self.until = 0
        if begin < self.begin:
            self.begin, self.first_end = begin, end
        if end > self.end:
            self.last_begin, self.end = begin, end


class AccessTable(dict[tuple[int, int, int, int, int], Access]):
    """The accesses of a run by their `Key` (kept as a plain tuple: it is built at every event)."""

    def add(
        self, key: tuple[int, int, int, int, int], begin: int, end: int, used: bytes, *, inherited: bool = False
    ) -> Access:
        """Note an access; `inherited`: through a descriptor that was there when the command started."""
        access = self.get(key)
        if access is None:
            access = self[key] = Access(begin, end, used, inherited=inherited)
        else:
            access.again(begin, end)
        return access
