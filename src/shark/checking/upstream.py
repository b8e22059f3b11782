"""Has something changed from which an output derives, however far upstream? The graph of runs, with what changed in it.

A node is what outputs of one run derive from: lists of inputs. Its causes are what changed among these. Each input that
another run made leads on, to the node of that run; to several, where it is not certain which run made it. What that
makes stale is for `reasons.py` to say.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any, Literal, NamedTuple

from shark.ancestry import Content, Known, Maker, Source
from shark.checking.carried import NOTHING, Lists, claim_of
from shark.checking.inputs import Input, Inputs, Where, encoded
from shark.checking.records import Records
from shark.checking.surroundings import doubts, kind

Change = Literal["modified", "missing", "touched", "appeared", "new-entry"]


class Cause(NamedTuple):
    """What changed: the path, how, the digest that was used ("" if none), and the run that used it.

    `chain` are the paths through which it reaches the output, from it on; the output's own is not among them. `at` is
    the file that has changed, if that is elsewhere.
    """

    path: str
    change: Change
    sha256: str
    run: str
    chain: tuple[str, ...] = ()
    control: bool = False
    at: str = ""


class Link(NamedTuple):
    """An input that runs made: its path, and the nodes of these runs (of which one did)."""

    path: str
    makers: tuple[Node, ...]


class Node:
    """What outputs of one run derive from."""

    def __init__(self, where: Where, lists: Lists) -> None:
        self.where = where
        self.lists = lists
        self.hard: list[Cause] = []
        self.soft: list[Cause] = []
        self.links: list[Link] = []
        self.users: list[tuple[Node, int]] = []


class Upstream:
    """The graph; `known` tells which runs made a content, `sizes` those that outputs have."""

    def __init__(self, inputs: Inputs, records: Records, known: Known) -> None:
        self._inputs = inputs
        self._records = records
        self._known = known
        self._nodes: dict[tuple[int, int, str, tuple[str, str] | None], Node] = {}
        self._makers: dict[tuple[str, str, str], tuple[Maker, ...]] = {}
        self._known_lists: dict[tuple[str, bytes, str], Lists | None] = {}
        self._made: set[tuple[bytes, str]] = set()
        self._doubts: dict[str, list[Cause]] = {}
        self._waiting: deque[Node] = deque()

    def node(self, where: Where, lists: Lists) -> Node:
        """The node of an output that is (or was) at `where`."""
        key = id(lists[0]), id(lists[1]), where.run, where.moved
        if key not in self._nodes:
            self._nodes[key] = node = Node(where, lists)
            self._waiting.append(node)
        return self._nodes[key]

    @property
    def nodes(self) -> Collection[Node]:
        """All nodes."""
        return self._nodes.values()

    def complete(self) -> None:
        """Look at all nodes that were asked for, and at those to which they lead."""
        while self._waiting:
            # Together, level by level: the files of many nodes are looked at in one go.
            level = [self._waiting.popleft() for _ in range(len(self._waiting))]
            self._inputs.prepare((node.where, entries) for node in level for entries in node.lists if entries)
            # Outputs of one run mostly have one list of inputs in common.
            lists = {id(entries): entries for node in level for entries in node.lists}
            self._ask_store(entry for entries in lists.values() for entry in entries)
            for node in level:
                self._expand(node)

    def _expand(self, node: Node) -> None:
        for control, entries in enumerate(node.lists):
            if not entries:
                continue
            changed = self._inputs.changed(node.where, entries, control=bool(control))
            lost = {(one.path, one.sha256): one for one in changed if one.state == "missing"}
            node.hard += [_cause(one, node) for one in changed if one.state == "modified"]
            for entry in entries:
                link = self._link(node, entry)
                if link is not None:
                    lost.pop((entry.get("path", ""), entry.get("sha256", "")), None)
                    for maker in link.makers:
                        maker.users.append((node, len(node.links)))
                    node.links.append(link)
            # What a run made could be made again, and is judged by what that was made from.
            node.soft += [_cause(one, node) for one in lost.values()]
            node.soft += [_cause(one, node) for one in changed if one.state == "touched"]
        node.soft += _meant(self._doubts_of(node.where.run), node.lists)

    def _link(self, node: Node, entry: dict[str, Any]) -> Link | None:
        path = entry.get("path")
        if not isinstance(path, str) or "files" in entry or not self._is_made(entry):
            return None
        where = node.where
        makers = self._made_by(where.run, path, entry)
        nodes = []
        for maker in makers:
            lists = self._lists(maker)
            if lists is None:
                return None  # as far as is known, nothing is stale
            made = maker.made.path.decode("utf-8", "surrogateescape")
            place = self._inputs.state(where, entry).at or encoded(_shifted(path, where.moved))
            nodes.append(self.node(Where(maker.run, made, place), lists))
        return Link(path, tuple(nodes)) if nodes else None

    def _ask_store(self, entries: Iterable[dict[str, Any]]) -> None:
        """Find out which inputs were made by runs, though their records do not say so: those came into the store later.

        By path and digest: that somewhere a file with the same bytes was made tells nothing of a file of a few bytes.
        """
        index = self._records.index()
        sizes = self._records.sizes()
        if index is None or not sizes:
            return
        asked = {
            (encoded(entry.get("path")), str(entry["sha256"]))
            for entry in entries
            if "run" not in entry and "runs" not in entry and entry.get("size", -1) in sizes and entry.get("sha256")
        }
        self._made.update(file for file, runs in index.makers(asked - self._made).items() if runs)

    def _is_made(self, entry: dict[str, Any]) -> bool:
        named = "run" in entry or "runs" in entry
        return named or (encoded(entry.get("path")), str(entry.get("sha256", ""))) in self._made

    def _made_by(self, user: str, path: str, entry: dict[str, Any]) -> tuple[Maker, ...]:
        key = user, path, str(entry.get("sha256", ""))
        if key not in self._makers:
            runs = (entry["run"],) if "run" in entry else tuple(entry.get("runs", ()))
            source = Source(Content(encoded(path), key[2]), runs=runs)
            found = self._known.makers(source, user).found
            sure = next((maker for maker in found if maker.certain), None)
            here = [maker for maker in found if maker.manifest or maker.run in runs or maker.made.path == encoded(path)]
            self._makers[key] = (sure,) if sure is not None else tuple(here)
        return self._makers[key]

    def _lists(self, maker: Maker) -> Lists | None:
        """From what a run made a content: always the same lists, since nodes are told apart by these."""
        key = maker.run, *maker.made
        if key not in self._known_lists:
            self._known_lists[key] = self._find_lists(maker)
        return self._known_lists[key]

    def _find_lists(self, maker: Maker) -> Lists | None:
        made = maker.made.path.decode("utf-8", "surrogateescape")
        lists = self._records.lists(maker.run, made, maker.made.sha256)
        if lists is None and maker.manifest is not None:
            claim = claim_of(dict(maker.manifest), "xattr")
            if claim.inputs is not None:
                return claim.inputs, claim.controls or NOTHING
        return lists

    def _doubts_of(self, run: str) -> list[Cause]:
        if run not in self._doubts:
            found = self._records.ask(run, doubts) or []
            self._doubts[run] = [
                Cause(one.path, one.change, "", run) for one in found if not self._made_from(one.path, run)
            ]
        return self._doubts[run]

    def _made_from(self, path: str, run: str) -> bool:
        """Tell whether a file was made by the run, or from what it made: it cannot have been there before."""
        from shark.store.read import read_attached

        manifest = read_attached(encoded(path)).manifest or {}
        if manifest.get("run") == run:
            return True
        lists = self._records.lists(str(manifest.get("run", "")), path, "") or ()
        entries = [entry for entries in lists for entry in entries]
        entries += [entry for key in ("inputs", "controls") for entry in manifest.get(key, ())]
        return any(run in (entry.get("run"), *entry.get("runs", ())) for entry in entries)


def _meant(doubts: list[Cause], lists: Lists) -> list[Cause]:
    """Those of the grounds for doubt that concern an output: new files only where it derives from such files."""
    if not any(cause.change == "new-entry" for cause in doubts):
        return doubts
    entries = [entry for some in lists for entry in some if isinstance(entry.get("path"), str)]
    taken = {(os.path.dirname(entry["path"]), kind(entry["path"])) for entry in entries if "files" not in entry}
    folded = {entry["path"].rstrip("/") for entry in entries if "files" in entry}

    def concerns(path: str) -> bool:
        return (os.path.dirname(path), kind(path)) in taken or os.path.dirname(path) in folded

    return [cause for cause in doubts if cause.change != "new-entry" or concerns(cause.path)]


def _cause(one: Input, node: Node) -> Cause:
    change: Change = one.state if one.state in ("modified", "touched") else "missing"
    at = "" if change == "missing" else os.fsdecode(one.at)
    return Cause(one.path, change, one.sha256, node.where.run, control=one.control, at="" if at == one.path else at)


def _shifted(path: str, moved: tuple[str, str] | None) -> str:
    return path if moved is None else os.path.normpath(os.path.join(moved[1], os.path.relpath(path, moved[0])))
