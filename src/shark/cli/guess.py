"""What somebody meant who mistyped a word: said only when it is near, since a far guess is worse than none."""

from __future__ import annotations

from collections.abc import Iterable

NEAR = 0.75
"""How alike two words are that may have been meant for each other (difflib's ratio): one slip in a short word."""


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that `word` was probably meant for; "" if none is near. Leading hyphens do not count.

    >>> nearest("--atach", ["--attach", "--hash"]), nearest("--bogus", ["--verbose"])
    ('--attach', '')
    """
    import difflib

    bare = {each.lstrip("-"): each for each in known}
    near = difflib.get_close_matches(word.lstrip("-").lower(), bare, 1, NEAR)
    return bare[near[0]] if near else ""
