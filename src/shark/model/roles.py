"""The role of an accessed file: what it is for, by the first rule that fits. The rules are data."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache

from shark.model.paths import KERNEL, SHARED_MEMORY, inside
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

    from shark.model.documents import Role


class Known(NamedTuple):
    """What a rule may look at.

    `owned`: a package owns the file and the content is the package's. `executed`: it was executed, or is a script that
    `#!` or an interpreter's arguments name. `made`: the run wrote it. `home` is the user's home directory, b"" if none.
    """

    path: bytes
    owned: bool = False
    modified: bool = False
    executed: bool = False
    made: bool = False
    home: bytes = b""


FOLDER, ENDING, PATH = range(3)
"""How much of a path a rule looks at: its folder, the ending of its name as well (see `ending`), or all of it."""


class Rule(NamedTuple):
    """`role` for every file for which `fits` is true.

    `looks` says at how much of the path: so a rule need not be asked about each of a thousand files of one folder.
    `within`: it fits nothing elsewhere (directories, ending in a slash).
    """

    role: Role
    why: str
    fits: Callable[[Known], bool]
    looks: int = PATH
    within: tuple[bytes, ...] = ()


def below(*directories: bytes) -> Callable[[Known], bool]:
    """Fits what lies below one of the directories (absolute paths, ending in a slash)."""
    return lambda known: known.path.startswith(directories)


_searches: list[Callable[[], object]] = []


def get_ready() -> Iterator[None]:
    """Step by step, compile all patterns: in a moment in which nobody waits."""
    for search in _searches:
        search()
        yield


def matching(pattern: bytes) -> Callable[[Known], bool]:
    """Fits paths in which the regular expression is found. It is compiled when the first path is asked about."""

    @cache
    def search() -> Callable[[bytes], re.Match[bytes] | None]:
        import re

        return re.compile(pattern).search

    _searches.append(search)
    return lambda known: search()(known.path) is not None


def unowned(fits: Callable[[Known], bool]) -> Callable[[Known], bool]:
    """Fits as `fits` does, but no file that a package owns (its content being the package's or not)."""
    return lambda known: not known.owned and not known.modified and fits(known)


_SYSTEM_DIRECTORIES = tuple(
    b"%b/%b/" % (above, name) for above in (b"", b"/usr") for name in b"lib lib32 lib64 libx32 libexec".split()
)

_SYSTEM_INDEXES = (
    rb"^/usr/(lib|share)/("
    rb"locale/locale-archive|mime/|([^/]+/)?gconv/gconv-modules\.cache|icons/[^/]+/icon-theme\.cache"
    rb"|glib-2\.0/schemas/gschemas\.compiled|([^/]+/)?gio/modules/giomodule\.cache"
    rb"|([^/]+/)?gdk-pixbuf-2\.0/[^/]+/loaders\.cache|info/dir|jvm/.*\.jsa|applications/mimeinfo\.cache)"
)
"""What package scripts generate below /usr, so that no package owns it: indexes, not contents."""

_SYSTEM_INDEX_FOLDERS = (b"/usr/lib/", b"/usr/share/")

_CACHE_FOLDERS = (
    rb"/__pycache__/|/\.git/"
    rb"|/\.cache/(fontconfig|mesa_shader_cache[^/]*|nvidia|pip|uv|yarn|pnpm|conda|mamba|R/pkgcache|pypoetry)/"
    rb"|/\.cache/(ccache|sccache|go-build)/|/\.ccache/|/go-build/[0-9a-f]{2}/"
    rb"|/\.fontconfig/|/\.nv/ComputeCache/|/GLCache/"
    rb"|/\.npm/_cacache/|/\.cargo/registry/cache/|/\.gradle/caches/|/\.nuget/packages/|/\.pnpm-store/"
    rb"|/\.snakemake/(auxiliary|incomplete|iocache|locks|log|metadata)/|/\.nextflow/cache/|/_targets/meta/"
    rb"|/\.dvc/tmp/|^/var/tmp/dvc/repo/|/\.pytest_cache/"
)
"""Font and shader caches, version control's own files, package managers' download caches, compilers' caches, and what
build and workflow tools note of their steps.

Go's cache may lie anywhere (GOCACHE); its 256 directories tell it from a repository that is called so.

Such notes are read before each step and changed after it: as data, they would make each output an heir of all steps
that were ever taken, and stale for good. What those tools keep there besides notes (environments, scripts, results, as
in .snakemake/conda, .dvc/cache and _targets/objects) is not meant.
"""

_CACHE_NAMES = (
    rb"/\.git$|/\.cache/matplotlib/fontlist[^/]*\.json"
    rb"|/go-build/(trim|testexpire)\.txt$"
    rb"|/\.ninja_(deps|log)$|/\.sconsign[^/]*\.dblite$|/\.doit\.db[^/]*$"
)

_SOURCE_EXTENSIONS = b"""
    py pyi pyw pyx pxd ipynb r rmd rnw qmd s sh bash zsh fish ksh csh tcsh jl c h cc cpp cxx c++ hh hpp hxx h++ inc inl
    ipp tpp cu cuh cl m mm swift f for ftn f77 f90 f95 f03 f08 java kt kts groovy gradle scala sbt clj go rs rb rake pl
    pm t raku lua tcl php js mjs cjs jsx ts tsx vue cs fs fsx vb ml mli hs lhs erl ex exs lisp el scm rkt d zig nim pas
    adb ads asm v vhd vhdl sv awk sed sql stan bug jags do ado sas sps nco ncl pro gms mod cmake mk mak make ninja bzl
    nix dhall nf wdl cwl smk snakefile qml proto y yy l lex ps1 bat cmd ahk vim
"""
_BUILD_FILES = b"""
    Makefile makefile GNUmakefile BSDmakefile Kbuild Snakefile SConstruct SConscript CMakeLists.txt meson.build
    meson_options.txt meson.options configure configure.ac configure.in Makefile.am Makefile.in Rakefile Gemfile
    Jenkinsfile Dockerfile Containerfile Justfile justfile Vagrantfile WORKSPACE BUILD BUILD.bazel MODULE.bazel Tupfile
    wscript Procfile build.xml pom.xml package.json pyproject.toml setup.cfg Cargo.toml go.mod DESCRIPTION NAMESPACE
    dodo.py
"""
_CODE_NAMES = frozenset(_BUILD_FILES.split())
_CODE_EXTENSIONS = frozenset(_SOURCE_EXTENSIONS.split())


def is_shared_object(path: bytes) -> bool:
    """True for `libx.so`, `libx.so.6.1`, `module.cpython-311.so`."""
    name = path.rpartition(b"/")[2]
    return (name.endswith(b".so") and len(name) > 3) or name.find(b".so.") > 0


def is_source(path: bytes) -> bool:
    """True for the extensions of source languages, and for the names of build files."""
    name = path.rpartition(b"/")[2]
    stem, dot, extension = name.rpartition(b".")
    return name in _CODE_NAMES or bool(dot and stem and extension.lower() in _CODE_EXTENSIONS)


def _is_config(known: Known) -> bool:
    if not known.home:
        return False
    home = known.home.rstrip(b"/") + b"/"
    if not known.path.startswith(home):
        return False
    rest = known.path[len(home) :]
    return rest.startswith(b".config/") or (rest.startswith(b".") and b"/" not in rest)


RULES: tuple[Rule, ...] = (
    Rule("library", "a package owns it", lambda known: known.owned, FOLDER),
    Rule(
        "library",
        "a shared object below a system directory",
        unowned(lambda known: is_shared_object(known.path) and known.path.startswith(_SYSTEM_DIRECTORIES)),
        ENDING,
    ),
    Rule("data", "shared memory", below(SHARED_MEMORY), FOLDER),
    Rule("system", "the kernel's", below(*KERNEL), FOLDER),
    # /proc/PID/ns/mnt, opened to be entered, is called mnt:[4026531832] and is a regular file (namespaces(7)).
    Rule("system", "the kernel's, without a path", lambda known: b"/" not in known.path, FOLDER),
    Rule(
        "system",
        "the machine's state",
        unowned(below(b"/etc/", b"/run/", b"/var/run/", b"/var/cache/", b"/var/lib/")),
        FOLDER,
    ),
    Rule(
        "system",
        "an index that was generated on this machine",
        unowned(matching(_SYSTEM_INDEXES)),
        within=_SYSTEM_INDEX_FOLDERS,
    ),
    Rule("cache", "a cache", matching(_CACHE_FOLDERS), FOLDER),
    Rule("cache", "a file of a cache", matching(_CACHE_NAMES), ENDING),
    Rule("code", "executed, or named as script", lambda known: known.executed, FOLDER),
    Rule("code", "a shared object", lambda known: is_shared_object(known.path), ENDING),
    # Compilers write such a list beside what they make (gcc -MD, rustc), and build tools read all of them. It decides
    # what is made again; as code it would be an input of all that is compiled later. One from before may be in D.
    Rule("data", "a list of what was compiled", lambda known: known.made and known.path.endswith(b".d"), ENDING),
    Rule("code", "a source or build file", lambda known: is_source(known.path), ENDING),
    # Python runs the lines of these at its start; a .pth elsewhere is more likely the weights of a network.
    Rule("code", "a start-up file of Python", matching(rb"/(site|dist)-packages/[^/]+\.pth$"), ENDING),
    Rule("config", "a settings file of the user", _is_config, ENDING),
    Rule("config", "a virtual environment's settings", lambda known: known.path.endswith(b"/pyvenv.cfg"), ENDING),
    Rule(
        "config",
        "a package's settings, changed on this machine",
        lambda known: known.modified and known.path.startswith(b"/etc/"),
        FOLDER,
    ),
)
"""The contract's rules, in its order. /dev/shm comes before the kernel's files since it holds users' data."""


def role(known: Known, extra: Sequence[Rule] = ()) -> Role:
    """The role by the first rule that fits, `extra` ones before the others; `data` if none does.

    The rules look at a path as it is in its mount namespace: a sandbox has its /proc where others have theirs.
    """
    return _first((*extra, *RULES), known._replace(path=inside(known.path)))


def _first(rules: Iterable[Rule], known: Known) -> Role:
    for rule in rules:
        if rule.fits(known):
            return rule.role
    return "data"


_TELLING_NAMES = _CODE_NAMES | {b"pyvenv.cfg", b"trim.txt", b"testexpire.txt"}
_TELLING_STARTS = (b".", b"fontlist")


def ending(name: bytes) -> bytes:
    """What of a file's name the rules that look at endings can tell from another: its extension, unless the name is
    one that some rule knows by more than that; then all of it, behind a slash.
    """
    # Not `in`, which of bytes asks first whether it is a number that is looked for.
    if name in _TELLING_NAMES or name.startswith(_TELLING_STARTS) or name.find(b".so") >= 0:
        return b"/" + name
    at = name.rfind(b".")
    return name[at:] if at >= 0 else b""


State = tuple[bool, bool, bool, bool]
"""What a rule may look at besides the path: whether a file is owned, modified, executed, made (see `Known`)."""

PLAIN: State = (False, False, False, False)


class _Folder:
    """What of the rules is left to ask about files of one folder, of which the same is `Known` besides their names.

    `by_ending` has the roles that are known; it is None where a rule looks at whole paths.
    """

    __slots__ = ("by_ending", "rules")

    def __init__(self, rules: Sequence[Rule], known: Known) -> None:
        self.rules: list[Rule] = []
        self.by_ending: dict[bytes, Role] | None = {}
        for rule in rules:
            if rule.within and not known.path.startswith(rule.within):
                continue
            if rule.looks != FOLDER:
                self.rules.append(rule)
                if rule.looks == PATH:
                    self.by_ending = None
            elif rule.fits(known):
                self.rules.append(rule)
                break  # it fits all files that no rule before it fits


class Roles:
    """The roles of many files, the same ones as `role` gives, but each rule is asked as seldom as it may."""

    def __init__(self, home: bytes = b"", extra: Sequence[Rule] = ()) -> None:
        self._home = home
        self._rules = (*extra, *RULES)
        self._folders: dict[State, dict[bytes, _Folder]] = {}
        self._plain = self._folders[PLAIN] = {}

    def role(self, path: bytes, state: State = PLAIN) -> Role:
        """The role of a file, by what a rule may look at."""
        path = inside(path)
        at = path.rfind(b"/") + 1
        where = path[:at]
        folders = self._plain if state is PLAIN else self._folders.setdefault(state, {})
        folder = folders.get(where)
        if folder is None:
            folder = folders[where] = _Folder(self._rules, Known(path, *state, self._home))
        if folder.by_ending is None:
            return _first(folder.rules, Known(path, *state, self._home))
        kind = ending(path[at:])
        found = folder.by_ending.get(kind)
        if found is None:
            found = folder.by_ending[kind] = _first(folder.rules, Known(path, *state, self._home))
        return found


_LEFT_OUT = frozenset({"library", "system", "cache"})


def including(fits: Callable[[Known], bool]) -> list[Rule]:
    """Rules for files that shall stand in manifests whatever they are: code, config or data, as if not owned."""

    def fitting(rule: Rule) -> Callable[[Known], bool]:
        return lambda known: fits(known) and rule.fits(known._replace(owned=False))

    kept = [rule for rule in RULES if rule.role not in _LEFT_OUT]
    return [*(Rule(rule.role, rule.why, fitting(rule)) for rule in kept), Rule("data", "included by a setting", fits)]
