"""Documents to render, as docs/manifest.md says they look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shark.view.look import Look
from shark.view.page import Page, columns

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
RUN = "0193aaaa-bbbb-7ccc-8ddd-eeee7f3a9c21"


def page(width: int = 0, **how: Any) -> Page:
    return Page(Look(width=width, cwd="/home/ann/p", now=NOW, **how))


def command(**more: Any) -> dict[str, Any]:
    return {
        "argv": ["Rscript", "x.R", "a b"],
        "cwd": "/home/ann/p",
        "exit": 0,
        "start": "2026-11-21T10:00:00.123+00:00",
        "end": "2026-11-21T10:00:01.353+00:00",
        "seconds": 1.23,
        **more,
    }


def manifest(**more: Any) -> dict[str, Any]:
    return {
        "schema": "shark/manifest/1",
        "scope": "output",
        "run": RUN,
        "made": "2026-11-21T10:00:01.100+00:00",
        "output": {"path": "/home/ann/p/plot.png", "sha256": "ab" * 32, "size": 4711},
        "inputs": [
            {
                "path": "/home/ann/p/data/in.csv",
                "as": "/home/ann/p/link.csv",
                "sha256": "cd" * 32,
                "size": 9,
                "role": "data",
                "run": "0192aaaa-bbbb-7ccc-8ddd-eeee12345678",
            },
            {"path": "/home/ann/p/x.R", "sha256": "ee" * 32, "size": 1239, "role": "code"},
        ],
        "software": ["pkg:deb/debian/r-base-core@4.2.2.20221110-2?arch=amd64", "pkg:cran/ggplot2@3.4.1"],
        "command": command(),
        "process": {"n": 2, "argv": ["/usr/lib/R/bin/exec/R", "--file=x.R"], "exe": "/usr/lib/R/bin/exec/R"},
        "git": [
            {
                "root": "/home/ann/p",
                "commit": "0123456789abcdef" * 2,
                "branch": "main",
                "remotes": {"origin": "https://example.org/p.git"},
                "dirty": True,
            }
        ],
        "host": {"name": "box", "user": "ann", "os": "Debian GNU/Linux 12", "kernel": "6.1.0", "machine": "x86_64"},
        "env": {"LANG": "C.UTF-8"},
        "network": [{"family": "inet6", "address": "fe80::1", "port": 5432}],
        "coverage": {"complete": True, "gaps": []},
        "shark": "0.1.0",
        **more,
    }


def found(state: str = "current", **more: Any) -> dict[str, Any]:
    return {"file": "/home/ann/p/plot.png", "state": state, "source": "xattr", "manifest": manifest(), **more}


def record() -> dict[str, Any]:
    start, end = "2026-11-21T10:00:00.123+00:00", "2026-11-21T10:00:01.353+00:00"
    return {
        "schema": "shark/run/1",
        "id": RUN,
        "name": "fit",
        "tags": {"data": "v2"},
        "command": command(argv=["make", "all"]),
        "processes": [
            {
                "n": 1,
                "parent": 0,
                "pid": 10,
                "images": [{"argv": ["make", "all"], "exe": "/usr/bin/make"}],
                "start": start,
                "end": end,
                "exit": 0,
                "cpu_seconds": 0.5,
                "max_rss": 5_000_000,
            },
            {
                "n": 2,
                "parent": 1,
                "pid": 11,
                "images": [
                    {"forked": {"process": 1, "image": 1}},
                    {"argv": ["sort", "in.csv"], "exe": "/usr/bin/sort"},
                ],
                "start": start,
                "end": end,
                "exit": 2,
            },
            {"n": 3, "parent": 1, "pid": 12, "images": [], "start": start, "signal": 9},
        ],
        "files": [
            {"n": 1, "path": "/home/ann/p/in.csv", "role": "data", "versions": [{"n": 1, "size": 9}]},
            {"n": 2, "path": "/home/ann/p/out.csv", "role": "data", "versions": [{"n": 1, "size": 9}]},
            {"n": 3, "path": "/lib/libc.so.6", "role": "library", "versions": [{"n": 1}]},
        ],
        "channels": [],
        "edges": [
            {"process": 2, "image": 2, "file": 1, "version": 1, "access": "read", "order": [1, 2]},
            {"process": 2, "image": 2, "file": 3, "version": 1, "access": "read", "order": [3, 4]},
            {"process": 2, "image": 2, "file": 2, "version": 1, "access": "create", "order": [5, 6]},
        ],
        "software": ["pkg:deb/debian/make@4.3-4.1"],
        "coverage": {"complete": False, "gaps": [{"kind": "io_uring", "detail": "a ring", "process": 2}] * 2},
        "outputs": [
            {"file": 2, "version": 1, "path": "/home/ann/p/out.csv", "role": "data", "size": 9, "attached": "xattr"},
            {"file": 4, "version": 1, "path": "/var/x", "role": "cache", "attached": "none", "why": "of role cache"},
        ],
        "shark": "0.1.0",
    }


def widest(shown: Page) -> int:
    """The width of a page's widest line, in columns."""
    return max(columns(line) for line in shown.text().splitlines())
