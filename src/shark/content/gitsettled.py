"""What a record says of repositories in the end, once it is known what the run itself wrote. Apart from `git`, which
asks them: whoever comes to this has nothing left to ask, and the command's parent waits.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from shark.content.masking import mask_text
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Any


class Part(NamedTuple):
    """The part of a patch that is about the file `path` (below the repository's root)."""

    path: str
    text: bytes


def join(parts: Iterable[Part]) -> bytes:
    """One patch of all parts, in the order of their paths: the same changes give the same bytes."""
    return b"".join(part.text for part in sorted(parts))


def settle(
    sections: Iterable[Mapping[str, Any]],
    written: Collection[bytes],
    patches: Mapping[str, Sequence[Part]] | None = None,
    keep: Callable[[bytes], str] | None = None,
) -> list[dict[str, Any]]:
    """The sections as they shall be recorded: what the run itself wrote (absolute paths) is no dirt, and in no patch.

    `dirty` means that tracked files differ from the commit, as in `git describe --dirty`; untracked ones stay in
    `changes`. `patches` are the parts by root; `keep` stores a patch and gives its digest, which becomes
    `patch_sha256`. Raises what `keep` raises.
    """
    settled = []
    for section in sections:
        final = dict(section)
        root = section["root"]

        def is_own(path: str, root: str = root) -> bool:
            return os.fsencode(os.path.join(root, path).rstrip("/")) in written

        changes = [change for change in section.get("changes", ()) if not is_own(change[1])]
        final.pop("changes", None)
        if "dirty" in section:
            more = final.pop("dirt_left_out", False)
            final["dirty"] = more or any(state != "??" for state, _ in changes)
        if changes:
            final["changes"] = [[state, mask_text(path)] for state, path in changes]
        parts = [part for part in (patches or {}).get(root, ()) if not is_own(part.path)]
        if parts and keep is not None:
            final["patch_sha256"] = keep(join(parts))
        settled.append(final)
    return settled


def nearest_first(sections: Iterable[dict[str, Any]], cwd: str) -> list[dict[str, Any]]:
    """The repository that `cwd` lies in comes first (with one inside another, the inner one), the others by root."""

    def rank(section: Mapping[str, Any]) -> tuple[int, str]:
        root = section["root"]
        return (-len(root) if f"{cwd}/".startswith(f"{root.rstrip('/')}/") else 0), root

    return sorted(sections, key=rank)
