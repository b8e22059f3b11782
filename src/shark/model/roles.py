"""The role of an accessed file: what it is for, by the first rule that fits. The rules are data."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from shark.model.documents import Role


class Known(NamedTuple):
    """What a rule may look at.

    `owned`: a package owns the file and the content is the package's. `executed`: it was executed, or is a script that
    `#!` or an interpreter's arguments name. `home` is the user's home directory, b"" if none.
    """

    path: bytes
    owned: bool = False
    modified: bool = False
    executed: bool = False
    home: bytes = b""


class Rule(NamedTuple):
    """`role` for every file for which `fits` is true."""

    role: Role
    why: str
    fits: Callable[[Known], bool]


def below(*directories: bytes) -> Callable[[Known], bool]:
    """Fits what lies below one of the directories (absolute paths, ending in a slash)."""
    return lambda known: known.path.startswith(directories)


def matching(pattern: bytes) -> Callable[[Known], bool]:
    """Fits paths in which the regular expression is found. It is compiled when the first path is asked about."""
    search = cache(lambda: re.compile(pattern).search)
    return lambda known: search()(known.path) is not None


def unowned(fits: Callable[[Known], bool]) -> Callable[[Known], bool]:
    """Fits as `fits` does, but no file that a package owns (its content being the package's or not)."""
    return lambda known: not known.owned and not known.modified and fits(known)


_SHARED_OBJECT = re.compile(rb"[^/]\.so(\.[^/]*)?$")
_SYSTEM_DIRECTORIES = re.compile(rb"^(/usr)?/(lib|lib32|lib64|libx32|libexec)/")

_SYSTEM_INDEXES = (
    rb"^/usr/(lib|share)/("
    rb"locale/locale-archive|mime/|([^/]+/)?gconv/gconv-modules\.cache|icons/[^/]+/icon-theme\.cache"
    rb"|glib-2\.0/schemas/gschemas\.compiled|([^/]+/)?gio/modules/giomodule\.cache"
    rb"|([^/]+/)?gdk-pixbuf-2\.0/[^/]+/loaders\.cache|info/dir|jvm/.*\.jsa|applications/mimeinfo\.cache)"
)
"""What package scripts generate below /usr, so that no package owns it: indexes, not contents."""

_CACHES = (
    rb"/__pycache__/|/\.git/|/\.git$"
    rb"|/\.cache/(fontconfig|mesa_shader_cache[^/]*|nvidia|pip|uv|yarn|pnpm|conda|mamba|go-build|R/pkgcache|pypoetry)/"
    rb"|/\.cache/matplotlib/fontlist[^/]*\.json|/\.fontconfig/|/\.nv/ComputeCache/|/GLCache/"
    rb"|/\.npm/_cacache/|/\.cargo/registry/cache/|/\.gradle/caches/|/\.nuget/packages/|/\.pnpm-store/"
)
"""Font and shader caches, version control's own files, package managers' download caches."""

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
    return _SHARED_OBJECT.search(path) is not None


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
    Rule("library", "a package owns it", lambda known: known.owned),
    Rule(
        "library",
        "a shared object below a system directory",
        unowned(lambda known: is_shared_object(known.path) and _SYSTEM_DIRECTORIES.match(known.path) is not None),
    ),
    Rule("data", "shared memory", below(b"/dev/shm/")),
    Rule("system", "the kernel's", below(b"/proc/", b"/sys/", b"/dev/")),
    Rule(
        "system", "the machine's state", unowned(below(b"/etc/", b"/run/", b"/var/run/", b"/var/cache/", b"/var/lib/"))
    ),
    Rule("system", "an index that was generated on this machine", unowned(matching(_SYSTEM_INDEXES))),
    Rule("cache", "a cache", matching(_CACHES)),
    Rule("code", "executed, or named as script", lambda known: known.executed),
    Rule("code", "a shared object", lambda known: is_shared_object(known.path)),
    Rule("code", "a source or build file", lambda known: is_source(known.path)),
    # Python runs the lines of these at its start; a .pth elsewhere is more likely the weights of a network.
    Rule("code", "a start-up file of Python", matching(rb"/(site|dist)-packages/[^/]+\.pth$")),
    Rule("config", "a settings file of the user", _is_config),
    Rule("config", "a virtual environment's settings", lambda known: known.path.endswith(b"/pyvenv.cfg")),
    Rule(
        "config", "a package's settings, changed on this machine", lambda k: k.modified and k.path.startswith(b"/etc/")
    ),
)
"""The contract's rules, in its order. /dev/shm comes before the kernel's files since it holds users' data."""


def role(known: Known, extra: Sequence[Rule] = ()) -> Role:
    """The role by the first rule that fits, `extra` ones before the others; `data` if none does."""
    for rule in (*extra, *RULES):
        if rule.fits(known):
            return rule.role
    return "data"
