"""The options of `shark run`, as data: for its own light parser, and for click (help, completion, manual, `shark ci`).

No imports: `shark run` reads this before its command starts.
"""

from __future__ import annotations

OPTIONS: tuple[tuple[str, str, str], ...] = (
    (
        "--attach",
        "auto|xattr|sidecar|none",
        "Where manifests go: attribute, else sidecar; one of them; the store alone.",
    ),
    ("--hash", "auto|full|off", "Digests of what changed; of everything, without cache or limit; of nothing."),
    ("--linger", "SECONDS", "How long to wait for background processes once the command has ended (5)."),
    ("--no-seccomp", "", "Stop at every system call: for systems without seccomp filters. Slower."),
    ("--io-uring", "gap|deny", "Let programs use io_uring, which cannot be seen (a gap says so), or refuse it."),
    ("--ignore", "PATTERN", "Files that are recorded, but never hashed or attached to, as in .gitignore. Repeatable."),
    ("--strict", "", "Fail with 125 if a manifest could not be written and the command succeeded."),
    ("--name", "NAME", "A name for the run, shown by shark log."),
    ("--tag", "KEY=VALUE", "A tag for the run. Repeatable."),
    ("--json", "FILE", "Also write the run record to FILE."),
    ("-q, --quiet", "", "Not even the line at the end, or warnings."),
    ("-v, --verbose", "", "The line at the end also where stderr is no terminal, and what was attached where."),
)
"""(flags, what follows or "" if nothing does, help)."""

REPEATABLE = frozenset({"--ignore", "--tag"})
"""Options that may be given more than once."""

EXAMPLES = (
    ("shark run -- Rscript analysis.R", "Run it, and leave a manifest on every file it writes"),
    ("shark run --name fit --tag data=v2 -- make -j4", "With a name and a tag, to find it again"),
    ("shark run -- sort < in.csv > out.csv", "Redirected files are inputs and outputs too"),
)
"""(command line, what it does)."""
