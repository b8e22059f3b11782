"""Which of an interpreter's arguments names the script that it runs. The interpreters are data."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from shark.tuples import NamedTuple


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

_PERL = _interpreter(inline="-e -E", values="-I -M -m")
_NODE = _interpreter(inline="-e -p --eval --print", values="-r --require --import --loader")
_R = _interpreter(values="-g -d --gui --debugger --encoding", scripts="-f --file", positional=False)

INTERPRETERS: dict[str, Interpreter] = {
    **dict.fromkeys(("sh", "bash", "dash", "zsh", "ksh", "mksh", "ash", "yash", "fish", "busybox"), _SHELL),
    "Rscript": _interpreter(inline="-e", values="-g"),
    **dict.fromkeys(("R", "Rterm"), _R),
    **dict.fromkeys(("node", "nodejs", "deno", "bun"), _NODE),
    **dict.fromkeys(["expect", "groovy", "scala", "sas", "idl", "ncl", "gnuplot"], _interpreter()),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk", "original-awk"), _AWK),
    **dict.fromkeys(("sed", "gsed"), _interpreter(values="-e -l --expression", scripts="-f --file", positional=False)),
    **dict.fromkeys(("make", "gmake", "bmake"), _MAKE),
    **dict.fromkeys(("ninja", "samurai"), _interpreter(values="-C -j -k -l", scripts="-f", positional=False)),
    **dict.fromkeys(("snakemake", "nextflow"), _interpreter(scripts="-s --snakefile", positional=False)),
}
"""Names of programs (the last part of the path) and how each names its script."""

VERSIONED: dict[str, Interpreter] = {
    **dict.fromkeys(("python", "pypy"), _interpreter(values="-W -X --check-hash-based-pycs", inline="-c -m")),
    "julia": _interpreter(values="-p -t -J -C -H -L --threads --sysimage", inline="-e -E"),
    "perl": _PERL,
    "ruby": _interpreter(inline="-e", values="-I -r -C"),
    **dict.fromkeys(("lua", "luajit"), _interpreter(inline="-e", values="-l")),
    "php": _interpreter(inline="-r", values="-c -d", scripts="-f --file"),
    **dict.fromkeys(("octave", "octave-cli"), _interpreter(inline="--eval", values="-p --path")),
    **dict.fromkeys(("tclsh", "wish", "guile"), _interpreter()),
}
"""The same for programs whose names may end in a version: `python3.11`."""

_PREFIXES = (("Stata", _interpreter()), ("stata", _interpreter()))
"""The same for families of programs: `stata-mp`."""


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
    found = INTERPRETERS.get(name) or VERSIONED.get(name.rstrip("0123456789."))
    return found or next((interpreter for prefix, interpreter in _PREFIXES if name.startswith(prefix)), None)


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
