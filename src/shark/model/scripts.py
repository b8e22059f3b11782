"""Which of an interpreter's arguments names the script that it runs. The interpreters are data."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from typing import NamedTuple


class Interpreter(NamedTuple):
    """How an interpreter is called.

    `values`: options that take the next argument as value. `scripts`: options whose value is a script (also written
    `--option=value`). `inline`: options after which no script file follows (`-c CODE`). `positional`: the first
    argument that is no option is the script.
    """

    values: frozenset[str] = frozenset()
    scripts: frozenset[str] = frozenset()
    inline: frozenset[str] = frozenset()
    positional: bool = True


def _interpreter(values: str = "", scripts: str = "", inline: str = "", *, positional: bool = True) -> Interpreter:
    return Interpreter(frozenset(values.split()), frozenset(scripts.split()), frozenset(inline.split()), positional)


_SHELL = _interpreter(values="-o -O +o +O --rcfile --init-file", inline="-c")
_AWK = _interpreter(
    values="-F -v --field-separator --assign", scripts="-f --file -E --exec -i --include", positional=False
)
_MAKE = _interpreter(
    values="-C --directory -I --include-dir -j -l -o -W", scripts="-f --file --makefile", positional=False
)

INTERPRETERS: tuple[tuple[re.Pattern[str], Interpreter], ...] = tuple(
    (re.compile(pattern + r"\Z"), interpreter)
    for pattern, interpreter in (
        (r"(python|pypy)[0-9.]*", _interpreter(values="-W -X --check-hash-based-pycs", inline="-c -m")),
        (r"(ba|da|z|k|mk|a|ya)?sh|fish|busybox", _SHELL),
        (r"Rscript", _interpreter(inline="-e", values="-g")),
        (r"R|Rterm", _interpreter(values="-g -d --gui --debugger --encoding", scripts="-f --file", positional=False)),
        (r"julia[0-9.]*", _interpreter(values="-p -t -J -C -H -L --threads --sysimage", inline="-e -E")),
        (r"perl[0-9.]*", _interpreter(inline="-e -E", values="-I -M -m")),
        (r"ruby[0-9.]*", _interpreter(inline="-e", values="-I -r -C")),
        (r"node(js)?|deno|bun", _interpreter(inline="-e -p --eval --print", values="-r --require --import --loader")),
        (r"lua(jit)?[0-9.]*", _interpreter(inline="-e", values="-l")),
        (r"php[0-9.]*", _interpreter(inline="-r", values="-c -d", scripts="-f --file")),
        (r"octave(-cli)?[0-9.]*", _interpreter(inline="--eval", values="-p --path")),
        (r"(tcl|wi)sh[0-9.]*|expect|guile[0-9.]*|groovy|scala|Stata.*|stata.*|sas|idl|ncl|gnuplot", _interpreter()),
        (r"[gmn]?awk|original-awk", _AWK),
        (r"g?sed", _interpreter(values="-e -l --expression", scripts="-f --file", positional=False)),
        (r"g?make|bmake", _MAKE),
        (r"ninja|samurai", _interpreter(values="-C -j -k -l", scripts="-f", positional=False)),
        (r"snakemake|nextflow", _interpreter(scripts="-s --snakefile", positional=False)),
    )
)
"""Names of programs (the last part of the path) and how each names its script."""


def script_paths(exe: bytes, argv: Sequence[bytes], cwd: bytes) -> list[bytes]:
    """The absolute paths of the scripts that an image was told to run; [] if it is no interpreter or names none."""
    interpreter = _find(exe) or (_find(argv[0]) if argv else None)
    if interpreter is None:
        return []
    arguments = [argument.decode("utf-8", "surrogateescape") for argument in argv[1:]]
    found = _scripts(interpreter, arguments)
    return [_absolute(name.encode("utf-8", "surrogateescape"), cwd) for name in found]


def _find(program: bytes) -> Interpreter | None:
    name = program.rpartition(b"/")[2].decode("utf-8", "surrogateescape")
    return next((interpreter for pattern, interpreter in INTERPRETERS if pattern.match(name)), None)


def _scripts(interpreter: Interpreter, arguments: Sequence[str]) -> list[str]:
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if equals and option in interpreter.scripts:
            found.append(value)
        elif argument in interpreter.scripts:
            found.extend([next(rest, "")])
        elif argument in interpreter.inline or argument in {"--args", "--"} or _bundles(interpreter, argument):
            if argument == "--" and interpreter.positional:
                found.extend([next(rest, "")])
            break
        elif argument in interpreter.values:
            next(rest, None)
        elif len(argument) > 2 and argument[:2] in interpreter.scripts and not argument.startswith("--"):
            found.append(argument[2:])
        elif interpreter.positional and not argument.startswith(("-", "+")):
            found.append(argument)
            break
    return [name for name in found if name and name != "-"]


def _bundles(interpreter: Interpreter, argument: str) -> bool:
    """True for bundled short options that end in an inline one, such as `sh -ec CODE` or `perl -ne CODE`."""
    return (
        len(argument) > 2
        and argument[0] == "-"
        and argument[1] != "-"
        and argument[1:].isalpha()
        and "-" + argument[-1] in interpreter.inline
        and argument[:2] not in interpreter.values
    )


def _absolute(name: bytes, cwd: bytes) -> bytes:
    return posixpath.normpath(posixpath.join(cwd or b"/", name))
