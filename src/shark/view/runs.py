"""The pages of `shark log` and `shark show`: the runs, and one run with its processes and steps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from shark.view import words
from shark.view.filetree import Leaf, tree_rows
from shark.view.page import Cell, Page, Row, Span, cell, cut
from shark.view.parts import command_fields, context_fields, coverage, git_lines, purl_rows, telling
from shark.view.reading import Document, each, mapping, number, text, texts, value
from shark.view.resources import length, resources_table
from shark.view.settings import add_extras

FORK = "(fork)"
"""What is said of a process that executed nothing of its own."""
PROCESSES = 60
"""So many processes are shown of a run's tree, unless the look is verbose."""
DEEPEST = 80
"""Branches of a tree take no more columns than this."""
PACKAGES = 20
"""So many packages are shown of a run's software, unless the look is verbose."""


def add_log(page: Page, runs: Iterable[Document]) -> None:
    """Add one line for each run. A run is a record or an extract: id, name, command, outputs (a list or a count)."""
    rows = [_log_row(page, run) for run in runs]
    if page.look.width and not page.look.verbose:
        rows = _shortened(page, rows, 5, 2)
    page.grid(rows, flex=5, right=frozenset({2, 4}), indent=0)


def _log_row(page: Page, run: Document) -> Row:
    command = mapping(run, "command")
    outputs = value(run, "outputs")
    count = len(outputs) if isinstance(outputs, list) else number(run, "outputs")
    name = words.visible(text(run, "name"), ascii_only=page.look.ascii)
    said = words.command(texts(command, "argv"), ascii_only=page.look.ascii)
    return Row(
        (
            cell(words.short_id(text(run, "id")), "title"),
            cell(_minute(text(command, "start")), "dim"),
            cell(words.duration(number(command, "seconds"))),
            _state(page, run),
            cell("" if count is None else words.counted(int(count), "output"), "" if count else "dim"),
            (*((Span(f"[{name}] ", "label"),) if name else ()), Span(said)),
        )
    )


def _state(page: Page, run: Document) -> Cell:
    """How a run ended: its command, or the block of a program that it is."""
    how, failed = words.ending(mapping(run, "command"))
    if failed:
        return cell(f"{page.look.sign('bad')} {how.removeprefix('killed by ')}", "bad")
    block = mapping(run, "recording")
    outcome = words.visible(text(block, "outcome"), ascii_only=page.look.ascii)
    if how or outcome == "returned":
        return cell(page.look.sign("ok"), "good")
    if outcome == "raised":
        what = words.visible(text(mapping(block, "exception"), "type"), ascii_only=page.look.ascii)
        return cell(f"{page.look.sign('bad')} raised {what or 'an exception'}", "bad")
    return cell(f"{page.look.sign('unknown')} {outcome}".rstrip(), "warn")


def _minute(stamp: str) -> str:
    """A time as short as a listing wants it: without seconds, and without the zone."""
    time = words.parse_time(stamp)
    return f"{time:%Y-%m-%d %H:%M}" if time else words.visible(stamp)


def _shortened(page: Page, rows: Sequence[Row], column: int, at_least: int) -> list[Row]:
    """Rows whose `column` is cut so that each takes one line of the terminal."""
    taken = [max((sum(len(s.text) for s in r.cells[n]) for r in rows), default=0) for n in range(column)]
    room = max(page.look.width - sum(w + 2 for w in taken if w) - at_least, 16)
    mark = page.look.sign("more")
    return [Row((*r.cells[:column], cut(r.cells[column], room, mark)), r.lead, r.follow) for r in rows]


def add_run(page: Page, record: Document) -> None:
    """Add a whole run record: the command, its processes and steps, outputs, software, surroundings, coverage."""
    argv = texts(record, "command", "argv")
    page.line(
        Span(f"Run {words.short_id(text(record, 'id'))}", "title"),
        Span(f"  {words.ago(text(record, 'command', 'start'), page.look.now)}".rstrip(), "dim"),
    )
    page.blank()
    command_fields(page, record)
    for key, label in (("parent", "Part of"), ("continues", "Continues")):
        if other := text(record, key):
            page.field(label, Span(words.visible(other)))
    _block(page, mapping(record, "recording"))
    _processes(page, record)
    _steps(page, record, argv)
    resources_table(page, record, lambda process: program(page, process))
    _outputs(page, record)
    add_extras(page, record)
    _packages(page, record)
    context_fields(page, record, git_lines(page, record))
    coverage(page, record)


_OUTCOMES = {"ended": "the process ended inside of it", "lost": "the recording process lost sight of it"}


def _block(page: Page, block: Document) -> None:
    """Which part of a program it was: function, place, arguments, and how it came out."""
    if not block:
        return
    ascii_only = page.look.ascii

    def shown(said: str) -> str:
        return words.visible(said, ascii_only=ascii_only)

    kind, function, file = text(block, "kind"), text(block, "function"), text(block, "file")
    line = number(block, "line")
    place = f"{words.near(file, page.look.cwd)}{f':{line:.0f}' if line else ''}" if file else ""
    what = (
        f"function {function}"
        if function
        else {"cell": "a notebook's cell", "process": "a running process"}.get(kind, "a block")
    )
    page.field("Recorded", Span(shown(what)), Span(f"  {shown(place)}" if place else "", "path"))
    if arguments := mapping(block, "arguments"):
        page.field("Arguments", Span(shown(", ".join(f"{name}={value}" for name, value in arguments.items()))))
    if returned := text(block, "returned"):
        page.field("Returned", Span(shown(returned)))
    if exception := mapping(block, "exception"):
        said = ": ".join(part for part in (text(exception, "type"), text(exception, "message")) if part)
        page.field("Raised", Span(shown(said), "bad"))
    if outcome := _OUTCOMES.get(text(block, "outcome")):
        page.field("Ended", Span(outcome, "warn"))


def _processes(page: Page, record: Document) -> None:
    processes = each(record, "processes")
    if not processes:
        return
    page.head("Processes", words.counted(len(processes), "process", "processes"))
    rows = list(_tree(page, processes))
    shown = rows if page.look.verbose else rows[:PROCESSES]
    page.grid(shown, right=frozenset({1, 2, 3, 4}))
    if len(rows) > len(shown):
        left = f"{page.look.sign('more')} and {len(rows) - len(shown):,} more; -v shows them"
        page.line(Span(left, "dim"), indent=2)


def _tree(page: Page, processes: list[Document]) -> Iterator[Row]:
    """Depth first, without recursion: a chain of forks may be deeper than Python's stack. Each process comes once."""
    known = {number(p, "n") for p in processes}
    children: dict[float | int | None, list[Document]] = {}
    for process in processes:
        parent = number(process, "parent")
        top = parent not in known or parent == number(process, "n")
        children.setdefault(None if top else parent, []).append(process)
    tee, end, bar = ("|-- ", "`-- ", "|   ") if page.look.ascii else ("├── ", "└── ", "│   ")
    stack = [(p, "", "") for p in reversed(children.pop(None, []))]
    while stack:
        process, lead, below = stack.pop()
        yield _process_row(page, process, lead, below)
        inner = children.pop(number(process, "n"), [])
        for n, child in enumerate(reversed(inner)):
            # Beyond some depth the branches stay where they are: a chain of forks would push the text off the page.
            further = below if len(below) > DEEPEST else below + (bar if n else "    ")
            stack.append((child, below + (tee if n else end), further))


def _process_row(page: Page, process: Document, lead: str, below: str) -> Row:
    room = max(page.look.width - 44 - len(lead), 24) if page.look.width and not page.look.verbose else 0
    how, failed = words.ending(process)
    said = cell(program(page, process))
    return Row(
        (
            cut(said, room, page.look.sign("more")) if room else said,
            cell(words.duration(length(process)), "dim"),
            cell(_labelled(words.duration(number(process, "cpu_seconds")), "cpu"), "dim"),
            cell(words.size(number(process, "max_rss")), "dim"),
            cell(how if failed else "", "bad"),
        ),
        lead,
        below,
    )


def program(page: Page, process: Document) -> str:
    """What a process ran: its last program, or that it is a copy of its parent."""
    images = [image for image in each(process, "images") if text(image, "exe") or texts(image, "argv")]
    if not images:
        return FORK
    argv = texts(images[-1], "argv") or [text(images[-1], "exe")]
    said = words.command(argv, ascii_only=page.look.ascii)
    return said if len(images) == 1 else f"{said} (after {words.counted(len(images) - 1, 'other program')})"


def _whose(page: Page, process: Document, processes: Mapping[float | int | None, Document]) -> str:
    """What a process ran; for a copy of its parent, of what it is one."""
    seen = set()
    original = process
    while program(page, original) == FORK and number(original, "n") not in seen:
        seen.add(number(original, "n"))
        original = processes.get(number(original, "parent"), original)
    said = program(page, original)
    return said if original is process or said == FORK else f"{FORK} {said}"


def _labelled(amount: str, label: str) -> str:
    return f"{amount} {label}" if amount else ""


READS = frozenset({"read"})
WRITES = frozenset({"write", "create", "rename"})
MATTERS = frozenset({"data", "code", "config"})


def _steps(page: Page, record: Document, argv: list[str]) -> None:
    """A table of the processes that read or wrote files that matter: the run as steps from data to data."""
    files = {number(f, "n"): f for f in each(record, "files")}
    reads: dict[float | int | None, dict[str, None]] = {}
    writes: dict[float | int | None, dict[str, None]] = {}
    idle = _unwritten(files.values())
    gone = {text(file, "path") for file in files.values() if value(file, "removed") is True}
    for edge in each(record, "edges"):
        file = files.get(number(edge, "file"))
        access = texts(edge, "access") or [text(edge, "access")]
        if file is None or text(file, "role") not in MATTERS or text(file, "kind") not in {"", "file"}:
            continue
        if words.is_semaphore(text(file, "path")):
            continue
        for kinds, table in ((READS, reads), (WRITES, writes)):
            written = kinds is WRITES and (number(edge, "file"), number(edge, "version")) not in idle
            if kinds & set(access) and (kinds is READS or written):
                table.setdefault(number(edge, "process"), {})[text(file, "path")] = None
    steps = [p for p in each(record, "processes") if number(p, "n") in reads or number(p, "n") in writes]
    if not steps:
        return
    processes = {number(p, "n"): p for p in each(record, "processes")}
    page.head("Steps", "what read and wrote data")
    for step in steps if page.look.verbose else steps[:PROCESSES]:
        n = number(step, "n")
        said = cell(_whose(page, step, processes))
        room = page.look.width - 12 if page.look.width and not page.look.verbose else 0
        page.line(
            Span(f"{n:>4}  ", "label"), *(cut(said, max(room, 24), page.look.sign("more")) if room else said), hang=6
        )
        for table, label in ((reads, "reads"), (writes, "writes")):
            # Temporary files come last: they must not hide what the step was for.
            if names := sorted(table.get(n, ()), key=gone.__contains__):
                page.line(Span(f"{label:<7}", "dim"), *_names(page, names), indent=6, hang=7)


def _unwritten(files: Iterable[Document]) -> set[tuple[float | int | None, float | int | None]]:
    """File versions that were opened for writing, or inherited so, and whose content stayed: nobody wrote those."""
    return {
        (number(file, "n"), number(version, "n"))
        for file in files
        for version in each(file, "versions")
        if value(version, "unchanged") is True
    }


def _names(page: Page, paths: list[str]) -> Cell:
    kept = paths if page.look.verbose or len(paths) <= 4 else paths[:3]
    shown = ", ".join(words.visible(words.near(p, page.look.cwd), ascii_only=page.look.ascii) for p in kept)
    more = f" and {len(paths) - len(kept):,} more" if len(paths) > len(kept) else ""
    return (Span(shown, "path"), Span(more, "dim")) if more else (Span(shown, "path"),)


def _outputs(page: Page, record: Document) -> None:
    outputs = each(record, "outputs")
    page.head("Outputs", words.counted(len(outputs), "file") if outputs else "none")
    leaves = []
    for output in outputs:
        attached = text(output, "attached")
        why = words.visible(text(output, "why"), ascii_only=page.look.ascii)
        note = f"not attached: {why}" if attached == "none" and why else "not attached" if attached == "none" else ""
        leaves.append(Leaf(text(output, "path"), number(output, "size"), (cell(note, "dim"),)))
    page.grid(tree_rows(leaves, page.look), right=frozenset({1}))


def _packages(page: Page, record: Document) -> None:
    purls = telling(texts(record, "software"))
    if not purls:
        return
    page.head("Software", words.counted(len(purls), "package"))
    shown = purls if page.look.verbose else purls[:PACKAGES]
    page.grid(purl_rows(shown))
    if len(purls) > len(shown):
        left = f"{page.look.sign('more')} and {len(purls) - len(shown):,} more; -v shows them"
        page.line(Span(left, "dim"), indent=2)
