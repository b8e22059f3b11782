"""Whether a command line can hold a secret at all: most cannot, and then masking.py need not be imported. Pure.

The patterns there take milliseconds to import and compile, for which the command would wait.
"""

from __future__ import annotations

from collections.abc import Sequence

_SHAPES = """
    -----BEGIN hooks.slack.com discord webhook.office.com AKIA ASIA ABIA ACCA AROA AIDA ghp_ gho_ ghu_ ghs_ ghr_
    github_pat_ gl xox xapp- _live_ _test_ whsec_ sk- AIza ya29. GOCSPX- eyJ npm_ pypi- rubygems_ hf_ dapi dop_v1_
    dckr_ hvs. hvb. hvr. SG. AGE-SECRET-KEY-1 :AA shp sq0 ATATT3 NRAK- lin_api_ ntn_ secret_ glsa_ glc_ sntry
    .atlasv1. key- r8_ gsk_ xai- pplx- nvapi- pcsk_ lsv2_ pscale_ figd_ PMAK- tskey- pnu_ pnb_
"""
MARKS = frozenset(_SHAPES.split())
"""Words of which one is in every credential whose shape masking.py knows."""

_NAMES = """
    mysql mariadb mongo sshpass ldap smbclient 7z zip redis-cli curl wget http xh aria2c lftp docker podman nerdctl
    buildah twine helm oras sqlcmd bcp isql osql beeline cqlsh vsql sqlplus sqlldr expdp impdp rman freerdp openssl
    rpcclient smbget smbcacls ipmitool mosquitto
"""
_CLIENTS = frozenset(_NAMES.split())
"""Programs that take passwords in options which look harmless: clients.py has them."""

SETTERS = frozenset({"config", "configure", "setenv"})
"""Words after which a name and its value follow as words of their own: `git config github.token VALUE`."""

_PARTS = """
    pass pw secret token cred cookie jwt bearer otp dsn psk auth sig key conn session basic digest negotiate aws4 sudo
"""
_ROOTS = tuple(_PARTS.split())
"""Of which one is in each name that masking.py takes for a secret's, and in each word that a secret follows."""

_MOST = 10_000
_harmless: set[str] = set()  # arguments in which there is none of those words; most command lines repeat earlier ones


_WORDS = """
    ghp gho ghu ghs ghr github glpat glptt gldt glrt glcbt glsoat glft glimt glagent gloas glffct xoxa xoxb xoxe xoxo
    xoxp xoxr xoxs xapp sk rk pk whsec ya29 GOCSPX npm pypi rubygems hf dop dckr hvs hvb hvr SG AGE shpat shpca shppa
    shpss NRAK lin BEGIN ntn secret glsa glc sntrys sntryu atlasv1 key r8 gsk xai pplx nvapi pcsk lsv2 pscale figd PMAK
    tskey pnu pnb
"""
_HEADS = "AKIA ASIA ABIA ACCA AROA AIDA AIza dapi sq0i sq0c sq0a ATAT"
WITHIN = frozenset(word.encode() for word in _WORDS.split())
"""Words of which one is in each file's name that may have the shape of a credential, between `-_.:` and blanks."""
HEADS = (*(head.encode() for head in _HEADS.split()), b"eyJ", b"AA", b"sq0")
"""Or with which such a word of more than 15 characters begins."""
_BETWEEN = bytes.maketrans(b"-_.:/", b"     ")


def holds_mark(name: bytes) -> bool:
    """Whether a file's name, or a path, may have the shape of a credential: then the patterns are worth their import.

    Every shape that masking.py knows begins with one of these words, or with a long one that begins like this.
    """
    words = name.translate(_BETWEEN).split()
    return not WITHIN.isdisjoint(words) or any(len(word) > 15 and word.startswith(HEADS) for word in words)


def names_client(text: str) -> bool:
    """Whether a text may have the name of a program in it that takes passwords in options which look harmless."""
    return any(map(text.__contains__, _CLIENTS)) or any(map(text.__contains__, SETTERS))


def is_plain(argv: Sequence[str]) -> bool:
    """True if masking.mask_argv surely has nothing to hide in this command line; False tells nothing.

    >>> is_plain(["R", "--no-echo", "--file=fit.R"]), is_plain(["psql", "--password", "hunter2"])
    (True, False)
    """
    option = ""
    for argument in argv:
        if argument in SETTERS:
            return False
        if not argument.startswith("-"):
            if option and _may_name_secret(option):
                return False
            option = ""
        elif len(argument) > 2 and "=" not in argument:
            option = argument
        else:
            option = ""
        if argument not in _harmless and not _is_harmless(argument):
            return False
    return True


def _may_name_secret(text: str) -> bool:
    """Whether there can be a secret's name in it, or the word in front of one: each of those has one of the roots."""
    lower = text.lower().replace("pass-through", "")  # what gcc tells each linker; `pass` is not the end of that name
    return not text.isascii() or any(map(lower.__contains__, _ROOTS))


def _is_harmless(argument: str) -> bool:
    if any(map(argument.__contains__, MARKS)) or any(map(argument.__contains__, _CLIENTS)):
        return False
    binds = "=" in argument or ":" in argument or " " in argument
    if binds and ("://" in argument or _may_name_secret(argument) or any(map(argument.__contains__, SETTERS))):
        return False
    if len(_harmless) < _MOST:
        _harmless.add(argument)
    return True
