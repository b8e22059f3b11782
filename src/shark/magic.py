"""IPython and Jupyter: `%load_ext shark`, then `%%shark [NAME]` at the head of a cell records it."""

from __future__ import annotations

import ast
import shlex
from typing import Any

from shark.errors import SharkError
from shark.recordings import record_cell

_USAGE = "%%shark [--strict] [--tag KEY=VALUE]... [NAME]"


def load(shell: Any) -> None:
    """Add the magic to a shell."""

    def shark(line: str, cell: str) -> Any:
        """Record what the cell reads and writes, as a run of its own. What it notes, it notes in `rec`."""
        name, tags, strict = arguments(line)
        with record_cell(cell, name=name, tags=tags, strict=strict) as rec:
            shell.user_ns["rec"] = rec
            return _run(shell, cell)

    shell.register_magic_function(shark, "cell", "shark")


def _run(shell: Any, cell: str) -> Any:
    """Run a cell's code in the shell's names; gives the value of an expression at its end, which the shell shows.

    Not by the shell's own run_cell, which would tell of an exception, and then once more when it leaves the magic.
    """
    tree = shell.compile.ast_parse(shell.transform_cell(cell))
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    place = shell.compile.cache(cell)
    exec(shell.compile(tree, place, "exec"), shell.user_ns)
    if last is None or cell.rstrip().endswith(";"):
        return None
    return eval(shell.compile(ast.Expression(last.value), place, "eval"), shell.user_ns)


def arguments(line: str) -> tuple[str, dict[str, str], bool]:
    """Name, tags and strictness from the magic's line. Raises SharkError.

    >>> arguments("--tag stage=2 'the fit'")
    ('the fit', {'stage': '2'}, False)
    """
    words = shlex.split(line)
    tags: dict[str, str] = {}
    strict = False
    while words and words[0].startswith("-"):
        option, equals, value = words.pop(0).partition("=")
        if option == "--strict" and not equals:
            strict = True
        elif option == "--tag" and (equals or words):
            key, _, text = (value if equals else words.pop(0)).partition("=")
            tags[key] = text
        else:
            raise SharkError(f"%%shark does not know {option}", _USAGE)
    return " ".join(words), tags, strict
