"""What was asked of `shark run`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from typing import Literal

    from shark.extras import Extras


class Plan(NamedTuple):
    """What was asked of `shark run`. `cwd` and `json` are absolute; `json` is "" for none; `json_held` is a copy of the
    descriptor that it names, -1 if it names none; `linger` is in seconds; `recorder` says after how many opens a
    process is hot, 0 for never; `extras` is what settings ask for besides.
    """

    argv: tuple[bytes, ...]
    cwd: bytes
    attach: Literal["auto", "xattr", "sidecar", "none"] = "auto"
    hash: Literal["auto", "full", "off"] = "auto"
    linger: float = 5.0
    seccomp: bool = True
    recorder: int = 8
    io_uring: Literal["gap", "deny"] = "gap"
    ignore: tuple[str, ...] = ()
    require_clean: bool = False
    strict: bool = False
    name: str = ""
    tags: Mapping[str, str] = MappingProxyType({})
    json: str = ""
    json_held: int = -1
    quiet: bool = False
    verbose: bool = False
    extras: Extras | None = None


def asks_for_more(plan: Plan) -> bool:
    """Tell whether finishing the run takes more than its journal: else `shark recover` need not be told anything."""
    asked = (plan.name, plan.attach, plan.hash, plan.ignore, dict(plan.tags))
    return plan.extras is not None or asked != ("", "auto", "auto", (), {})
