"""Lines of the journal that are written as such: events that nobody has to see one by one (see recorder/telling.py)."""

from __future__ import annotations

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class Lines(NamedTuple):
    """What the journal's owner does with lines, and what those who make them must know to leave out secrets.

    `is_open` says whether lines are taken just now; where not, events are. `write` takes whole lines. A path may stand
    in one if it holds none of `secrets`, which are asked for anew each time, if `is_harmless` says so of its directory
    (with a slash at its end), and if its last part holds none of the words `within` and begins with none of `heads`, as
    content/suspicion.py has it, and does not end with `own`: such files are shark's.
    """

    is_open: Callable[[], bool]
    write: Callable[[bytes], None]
    secrets: Callable[[], tuple[bytes, ...]]
    is_harmless: Callable[[bytes], bool]
    within: tuple[bytes, ...]
    heads: tuple[bytes, ...]
    own: bytes
