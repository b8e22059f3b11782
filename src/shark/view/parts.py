"""The parts that pages share: the command, its surroundings, packages, coverage. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from shark.view import words
from shark.view.page import LABEL, Cell, Page, Row, Span, cell, cut
from shark.view.reading import Document, each, mapping, number, text, texts, value
from shark.view.resources import resources_field

COMMAND_LINES = 4
"""So many lines of a terminal a command may take, unless the look is verbose."""


_SURROUNDINGS = (("container", "Container"), ("scheduler", "Scheduler"), ("workflow", "Workflow"), ("ci", "CI"))


def command_fields(page: Page, document: Document, *, writer: bool = True) -> None:
    """What was run, where, when, for how long and how it ended; of a manifest or a run record.

    With `writer` also the process that wrote the output, where that is not the command itself.
    """
    look = page.look
    command = mapping(document, "command")
    if argv := texts(command, "argv"):
        page.field("Command", *_short(page, words.command(argv, ascii_only=look.ascii)))
    last = texts(document, "process", "argv")
    if writer and last and last != argv:
        page.field("Written by", *_short(page, words.command(last, ascii_only=look.ascii)))
    if cwd := text(command, "cwd"):
        page.field("In", Span(words.visible(cwd, ascii_only=look.ascii), "path"))
    how, failed = words.ending(command)
    parts = [Span(words.moment(text(command, "start")))] if text(command, "start") else []
    if took := words.duration(number(command, "seconds")):
        parts.append(Span(f", took {took}" if parts else f"took {took}"))
    if how:
        parts.append(Span((", " if parts else "") + how, "bad" if failed else ""))
    if parts:
        page.field("Started", *parts)
    if run := text(document, "run") or text(document, "id"):
        page.field("Run", Span(words.visible(run)))
    names = [words.visible(text(document, "name"), ascii_only=look.ascii)] if text(document, "name") else []
    names += [f"{words.visible(k)}={words.visible(str(v))}" for k, v in mapping(document, "tags").items()]
    if names:
        page.field("Named", Span(", ".join(names)))


def _short(page: Page, said: str) -> Cell:
    """A command as far as some lines of the terminal reach, unless the look is verbose: a linker's fills a page."""
    room = (page.look.width - LABEL) * COMMAND_LINES
    return cut((Span(said),), room, page.look.sign("more")) if room > 0 and not page.look.verbose else (Span(said),)


def purl_rows(purls: list[str]) -> list[Row]:
    """Packages as rows: name, version, ecosystem."""
    rows = []
    for purl in purls:
        kind, name, version = words.package(purl)
        rows.append(Row((cell(name), cell(version), cell(kind, "dim"))))
    return rows


def git_lines(page: Page, document: Document) -> list[tuple[Span, ...]]:
    """One line for each repository: branch, commit, whether it had uncommitted changes, where it comes from."""
    ascii_only = page.look.ascii
    lines = []
    for repository in each(document, "git"):
        commit = words.visible(text(repository, "commit"))
        at = words.visible(text(repository, "branch"), ascii_only=ascii_only)
        shown = commit if page.look.verbose else commit[:10]
        spans = [Span(" @ ".join(part for part in (at, shown) if part) or "no commit yet")]
        if value(repository, "dirty") is True:
            spans.append(Span(" with uncommitted changes", "warn"))
        if page.look.verbose and (patch := text(repository, "patch_sha256")):
            spans.append(Span(f" (patch {words.visible(patch)[:12]})", "dim"))
        remotes = mapping(repository, "remotes")
        url = text(remotes, "origin") or next((v for v in remotes.values() if isinstance(v, str)), "")
        root = text(repository, "root")
        where = url or (words.near(root, page.look.cwd) if root else "")
        if where:
            spans.append(Span(f"  {words.visible(where, ascii_only=ascii_only)}", "dim"))
        lines.append(tuple(spans))
    return lines


EVERYDAY = frozenset(
    "base-files bash coreutils dash debianutils diffutils findutils gawk grep gzip hostname libc-bin locales login "  # noqa: SIM905
    "mawk media-types mount netbase passwd perl-base procps sed sysvinit-utils tar tzdata util-linux".split()
)
"""Packages whose programs take part in every other run, and tell little about one."""


def telling(purls: Iterable[str]) -> list[str]:
    """The packages that say most about a result first: languages', then programs', last libraries."""
    return sorted(purls, key=lambda p: (p.startswith(("pkg:deb", "pkg:rpm")), _rank(words.package(p)[1]), p))


def _rank(name: str) -> int:
    if name in EVERYDAY or name.endswith(("-config", "-common", "-data", "-base")):
        return 1
    return 2 if name.startswith(("lib", "fonts-", "zlib")) else 0


def context_fields(page: Page, document: Document, git: list[tuple[Span, ...]]) -> None:
    """The surroundings: git, host, container, scheduler, CI, network; the environment if the look is verbose."""
    page.blank()
    for n, line in enumerate(git):
        page.field("Git" if n == 0 else "", *line)
    if host := _host(page, mapping(document, "host")):
        page.field("Host", Span(host))
    if machine := _machine(page, mapping(document, "host")):
        page.field("Machine", Span(machine))
    for key, label in _SURROUNDINGS:
        if facts := _facts(page, mapping(document, key)):
            page.field(label, Span(facts))
    resources_field(page, document)
    if network := _network(page, document):
        page.field("Network", Span(network))
    if page.look.verbose and (env := _facts(page, mapping(document, "env"), "=")):
        page.field("Environment", Span(env))
    if page.look.verbose and (version := text(document, "shark")):
        page.field("Recorded by", Span(f"shark {words.visible(version)}"))


def _host(page: Page, host: Document) -> str:
    user, name = text(host, "user"), text(host, "name")
    parts = ["@".join(part for part in (user, name) if part), text(host, "os"), _kernel(host), text(host, "machine")]
    return ", ".join(words.visible(part, ascii_only=page.look.ascii) for part in parts if part)


def _machine(page: Page, host: Document) -> str:
    """Processor, memory, graphics, C library, time zone and locale: what a run record has, and manifests have not."""
    cores, usable = number(host, "cores"), number(host, "cores_usable")
    some = f"{usable:.0f} of " if usable and usable != cores else ""
    memory = number(host, "memory")
    parts = [
        text(host, "cpu"),
        f"{some}{words.counted(int(cores), 'core')}" if cores else "",
        f"{words.size(memory)} of memory" if memory else "",
        *(text(host, key) for key in ("gpu", "libc", "timezone", "locale")),
    ]
    return ", ".join(words.visible(part, ascii_only=page.look.ascii) for part in parts if part)


def _kernel(host: Document) -> str:
    kernel = text(host, "kernel")
    return f"Linux {kernel}" if kernel[:1].isdigit() else kernel


_WHAT_IT_IS = frozenset({"engine", "system"})


def _facts(page: Page, facts: Document, between: str = " ") -> str:
    parts = [
        fact if key in _WHAT_IT_IS and between == " " and isinstance(fact, str) else f"{key}{between}{fact}"
        for key, fact in facts.items()
        if isinstance(fact, str | int | float) and fact != ""
    ]
    return ", ".join(words.visible(part, ascii_only=page.look.ascii) for part in parts)


def _network(page: Page, document: Document) -> str:
    peers = []
    for peer in each(document, "network"):
        address, port = text(peer, "address"), number(peer, "port")
        if address:
            host = f"[{address}]" if ":" in address and port else address
            peers.append(words.visible(f"{host}:{port}" if port else host))
    more = "" if page.look.verbose or len(peers) <= 6 else f" and {len(peers) - 6} more"
    return ", ".join(peers if page.look.verbose else peers[:6]) + more


def coverage(page: Page, document: Document) -> None:
    """Whether all could be seen, and what could not: equal gaps once, with their count."""
    told = mapping(document, "coverage")
    gaps = each(told, "gaps")
    if not told:
        return
    if not gaps and value(told, "complete") is not False:
        page.field("Coverage", Span(f"{page.look.sign('ok')} complete: nothing escaped the trace", "good"))
        return
    count = words.counted(len(gaps), "gap") if gaps else "incomplete"
    page.field("Coverage", Span(f"{page.look.sign('warn')} {count}: not everything could be seen", "warn"))
    page.grid(gap_rows(page, gaps), flex=1, indent=12)


def gap_rows(page: Page, gaps: list[Document]) -> list[Row]:
    """Gaps as rows: kind, detail, how often."""
    many = Counter((text(gap, "kind"), text(gap, "detail")) for gap in gaps)
    rows = []
    for (kind, detail), times in many.most_common(None if page.look.verbose else 8):
        again = cell(f"{times} times", "dim") if times > 1 else ()
        shown = words.visible(detail, ascii_only=page.look.ascii)
        rows.append(Row((cell(words.visible(kind), "warn"), cell(shown), again)))
    if len(many) > len(rows):
        rows.append(Row(((), cell(f"{page.look.sign('more')} and {len(many) - len(rows)} more; -v shows them", "dim"))))
    return rows
