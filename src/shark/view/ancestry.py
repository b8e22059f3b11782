"""The pages of `shark lineage` and `shark impact`: files and runs as trees. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from shark.view import words
from shark.view.page import Cell, Page, Row, Span, Style, cell, cut
from shark.view.reading import Document, each, mapping, number, text, texts, value

DEEPEST = 60
"""Branches of a tree take no more columns than this."""
KEPT = 8
"""So many files of a run are shown of which nothing further is known, unless the look is verbose."""
LINES = 400
"""So many lines a tree has at most, unless the look is verbose."""

_STATES: dict[str, tuple[str, str, Style]] = {
    "current": ("ok", "unchanged since it was made or used", "good"),
    "modified": ("bad", "changed since", "bad"),
    "missing": ("warn", "no longer there", "warn"),
}
_ALIKE = {
    "current": "no digest was recorded: path, size and time are those of what a run made",
    "unknown": "runs are known that made a file at this path: whether it is still that one cannot be told",
}
"""What is said of a file whose content was not compared, by its state, where runs may have made it."""
_DETAILS = {"unknown-run", "damaged", "unhashed", "folded", "depth", "many"}


class _Step(NamedTuple):
    """A node as it is met from another one: how that is labelled, and what is to be known on the way on."""

    node: str
    label: str = ""
    only: str = ""
    via: str = ""


def add_ancestry(page: Page, document: Document) -> None:
    """Add one tree for each file that was asked about."""
    tree = _Tree(page, document)
    for root in texts(document, "roots"):
        page.blank()
        tree.add(root)
    page.blank()
    page.line(Span(tree.summary(), "dim"))


class _Tree:
    def __init__(self, page: Page, document: Document) -> None:
        self._page = page
        self._up = text(document, "schema").startswith("shark/lineage/")
        self._nodes = {text(node, "id"): node for node in each(document, "nodes")}
        self._next: dict[str, list[Document]] = {}
        here = "to" if self._up else "from"
        for edge in each(document, "edges"):
            self._next.setdefault(text(edge, here), []).append(edge)
        self._shown: set[tuple[str, str]] = set()

    def add(self, root: str) -> None:
        """Add the tree of one root."""
        node = self._nodes.get(root, {})
        self._title(node)
        rows: list[Row] = []
        for row in self._rows(root):
            if len(rows) >= LINES and not self._page.look.verbose:
                rows.append(Row((cell(f"{self._page.look.sign('more')} and more; -v shows all", "dim"), (), ())))
                break
            rows.append(row)
        self._page.grid(rows, right=frozenset({1}))

    def summary(self) -> str:
        """How much there is in all."""
        runs = len({text(node, "run") for node in self._nodes.values() if text(node, "kind") == "run"})
        files = [node for node in self._nodes.values() if text(node, "kind") == "file"]
        ends = sum(1 for node in files if text(node, "end") == "source")
        if self._up:
            sources = f", {words.counted(ends, 'file')} of which no run is known" if ends else ""
            return f"{words.counted(runs, 'run')}, {words.counted(len(files), 'file')}{sources}"
        made = sum(1 for node in files if (number(node, "depth") or 0) > 0)
        return f"{words.counted(runs, 'run')} used it, {words.counted(made, 'file')} derived from it"

    def _title(self, node: Document) -> None:
        look = self._page.look
        size = words.size(number(node, "size"))
        at = text(node, "at") or text(node, "path")
        self._page.line(Span(self._path(at), "title"), Span(f"  {size}" if size else "", "dim"))
        sign, said, style = _STATES.get(text(node, "state"), ("unknown", "", "warn"))
        moved = text(node, "at") and text(node, "path")
        known = bool(self._next.get(text(node, "id")))
        if not known and text(node, "state") not in {"modified", "missing"}:
            why = text(node, "why") or "nothing is known of it"
            self._page.line(Span(f"{look.sign('unknown')} {words.visible(why, ascii_only=look.ascii)}", "warn"))
        elif doubt := self._doubt(node):
            self._page.line(Span(f"{look.sign('unknown')} {doubt}", "warn"))
        elif said:
            if text(node, "state") == "missing" and text(node, "why") and not text(node, "end"):
                said = words.visible(text(node, "why").removeprefix("it is "), ascii_only=look.ascii)
            self._page.line(Span(f"{look.sign(sign)} {said}", style))
        if moved:
            self._page.line(Span(f"recorded as {self._path(moved)}", "dim"))

    def _doubt(self, node: Document) -> str:
        """What speaks for the runs that may have made a file, "" where it is certain which one did."""
        makers = self._next.get(text(node, "id"), [])
        if not self._up or not makers or any(value(edge, "certain") is not False for edge in makers):
            return ""
        return (
            "runs are known that made the same bytes" if text(node, "sha256") else _ALIKE.get(text(node, "state"), "")
        )

    def _rows(self, root: str) -> Iterator[Row]:
        """Depth first, without recursion: a chain of runs may be deeper than Python's stack."""
        tee, end, bar = ("|-- ", "`-- ", "|   ") if self._page.look.ascii else ("├── ", "└── ", "│   ")
        stack = [(step, "", "") for step in reversed(self._steps(_Step(root)))]
        while stack:
            step, lead, below = stack.pop()
            inner = self._inner(step)
            yield self._row(step, lead, below, again=inner is None)
            if inner:
                yield from self._processes(step, below + bar)
            steps = inner or []
            # Beyond some depth the branches stay where they are, or they would push the text off the page.
            for n, child in enumerate(reversed(steps)):
                further = below if len(below) > DEEPEST else below + (bar if n else "    ")
                stack.append((child, below + (tee if n else end), further))

    def _processes(self, step: _Step, lead: str) -> Iterator[Row]:
        """The processes of a run, as lines between it and its files."""
        for process in each(self._nodes[step.node], "steps"):
            argv = words.command(texts(process, "argv"), ascii_only=self._page.look.ascii) or "(fork)"
            said = cell(f"{number(process, 'process')}  {argv}", "dim")
            room = self._page.look.width - len(lead) - 4
            shown = cut(said, room, self._page.look.sign("more")) if self._page.look.width else said
            yield Row((shown, (), ()), lead, lead)

    def _inner(self, step: _Step) -> list[_Step] | None:
        """What comes below a node; None if it was shown already."""
        key = step.node, step.only
        if not step.node:
            return []
        if key in self._shown and self._next.get(step.node):
            return None
        self._shown.add(key)
        return self._steps(step)

    def _steps(self, step: _Step) -> list[_Step]:
        there = "from" if self._up else "to"
        edges = [edge for edge in self._next.get(step.node, []) if self._leads_on(step, edge)]
        found = [
            _Step(
                text(edge, there),
                self._label(edge),
                text(edge, "only") if not self._up else "",
                step.node,
            )
            for edge in edges
            if text(edge, there) in self._nodes
        ]
        if self._up and not self._is_run(step.node):
            found = self._likely(found)
        elif self._is_run(step.node):
            # Where the story goes on first; of what is only used, some.
            found.sort(key=lambda each: not self._next.get(each.node))
            plain = [each for each in found if not self._next.get(each.node)]
            if len(plain) > KEPT + 1 and not self._page.look.verbose:
                left = len(plain) - KEPT
                found = [*found[: len(found) - left], _Step("", words.counted(left, "more file"))]
        return found

    def _likely(self, found: list[_Step]) -> list[_Step]:
        """Beside the run that certainly made a file, only some that made the same bytes, unless the look is verbose."""
        others = [each for each in found if each.label.startswith("perhaps")]
        if self._page.look.verbose or len(others) == len(found) or len(others) <= 2:
            return found
        sure = [each for each in found if each not in others]
        return [*sure, others[0], _Step("", f"{len(others) - 1:,} more with these bytes")]

    def _leads_on(self, step: _Step, edge: Document) -> bool:
        """Whether an edge concerns those who came this way: what flowed into one output only is not of the others."""
        if not self._is_run(step.node):
            return True
        if self._up:
            return text(edge, "only") in {"", step.via}
        return step.only in {"", text(edge, "to")}

    def _is_run(self, node: str) -> bool:
        return text(self._nodes.get(node, {}), "kind") == "run"

    def _label(self, edge: Document) -> str:
        words_of = {"control": "decided by" if self._up else "as a control", "same": "same bytes"}
        said = words_of.get(text(edge, "kind"), "")
        perhaps = "perhaps" if value(edge, "certain") is False else ""
        return ", ".join(part for part in (perhaps, said) if part)

    def _row(self, step: _Step, lead: str, below: str, *, again: bool) -> Row:
        look = self._page.look
        if not step.node:
            return Row((cell(f"{look.sign('more')} and {step.label}", "dim"), (), ()), lead, below)
        node = self._nodes[step.node]
        beside = max(look.width // 3, 20) if look.width and not look.verbose else 0
        room = max(look.width - beside - 16 - len(lead), 12) if beside else 0
        if self._is_run(step.node):
            said: Cell = (Span("$ ", "dim"), Span(self._command(node), "label"))
            notes = self._of_run(node)
            size = ""
        else:
            size = words.size(number(node, "size"))
            said = cell(self._path(text(node, "path")) + self._count(node), "path")
            notes = self._of_file(node)
        if again:
            notes = [*notes, "shown above"]
        noted = words.visible(", ".join(part for part in (step.label, *notes) if part), ascii_only=look.ascii)
        note = cell(noted, "warn" if "perhaps" in step.label else "dim")
        cells = (cut(said, room, look.sign("more")), cell(size, "dim"), cut(note, beside, look.sign("more")))
        return Row(cells if beside else (said, cell(size, "dim"), note), lead, below)

    def _command(self, node: Document) -> str:
        argv = texts(node, "command", "argv")
        return words.command(argv, ascii_only=self._page.look.ascii) if argv else f"run {text(node, 'run')}"

    def _of_run(self, node: Document) -> list[str]:
        start = words.parse_time(text(node, "command", "start"))
        how, failed = words.ending(mapping(node, "command"))
        part = number(node, "part")
        return [
            words.short_id(text(node, "run")) + (f" part {part}" if part else ""),
            f"{start:%Y-%m-%d %H:%M}" if start else "",
            how if failed else "",
            "by the manifest alone" if text(node, "source") == "manifest" else "",
            self._why(node),
        ]

    def _of_file(self, node: Document) -> list[str]:
        total = number(node, "candidates")
        return [self._why(node), f"one of {total:,} with the same bytes" if total else ""]

    def _why(self, node: Document) -> str:
        return text(node, "why") if text(node, "end") in _DETAILS else ""

    def _count(self, node: Document) -> str:
        files = number(node, "files")
        return f"/ ({words.counted(int(files), 'file')})" if files else ""

    def _path(self, path: str) -> str:
        return words.visible(words.near(path, self._page.look.cwd), ascii_only=self._page.look.ascii)
