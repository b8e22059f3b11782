"""Hiding secrets in texts, before anything is written to disk: by the name of a value, and by its shape. Pure.

Better a harmless value hidden than a credential kept; but file names, digests and versions must stay readable, so a
long random-looking word alone is not taken for a secret. Masking what is masked changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache

from shark.content.clients import Clients
from shark.content.suspicion import is_plain, names_client
from shark.tuples import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re

MASK = "***"
"""What stands in place of a secret. Its length tells nothing."""


_IGNORECASE, _DOTALL, _VERBOSE = 2, 16, 64  # of the module `re`, which is imported when a pattern is needed


def _pattern(text: str, flags: int = 0) -> Callable[[], re.Pattern[str]]:
    """A regular expression, compiled when it is first asked for: few runs need all, and the command waits for it."""

    @cache
    def compiled() -> re.Pattern[str]:
        import re

        return re.compile(text, flags)

    return compiled


_SECRET_WORDS = (
    r"pass(?:word|wd|phrase|code)?|pwd|pw|(?:store|key)pass|pass(?:in|out)|(?:proxy)?user(?:pwd|pass)|secrets?|token|"
    r"cred(?:s|entials?)?|cookies?|jwt|bearer|otp|dsn|psk|"
    r"auth|authorization|signature|sig|"
    r"(?:api|access|account|private|secret|shared|subscription|signing|encryption|master|auth|license|storage|ssh|deploy|"
    r"session|client|service|webhook|app|user|db|database)[-_. ]?(?:key|pass|pw|pwd|secret|token|password)s?|"
    r"connection[-_. ]?string|conn[-_. ]?str|session[-_. ]?id|key[-_. ]?(?:pass|password|passphrase)|"
    r"x-amz-(?:signature|credential|security-token)|x-goog-signature|awsaccesskeyid"
)
_NAME_START = r"(?:[A-Za-z0-9]+[-_.])*"
_NAME_END = r"(?:[-_.](?:v?\d+|value|base64|b64|id|hash|text|string|str|key))*"
_SECRET_NAME = _pattern(rf"^{_NAME_START}(?:{_SECRET_WORDS}){_NAME_END}$", _IGNORECASE)
_RUN_TOGETHER = _pattern(
    r"password|passwd|passphrase|apikey|secret|token$|(?:access|auth|bearer|refresh|id)token", _IGNORECASE
)
_CAMEL = _pattern(r"(?<=[a-z0-9])(?=[A-Z])")
_ENV_KEY = _pattern(r"(?:^|_)KEY$", _IGNORECASE)
_HARMLESS = frozenset({"PWD", "OLDPWD", "SSH_AUTH_SOCK", "XAUTHORITY"})
"""Names that look like a secret's and are not: the shell's working directory, paths to sockets."""


class _Shape(NamedTuple):
    """A credential as its maker documents it. `marks`, words: one of them is in every such credential, so that most
    texts are done without the pattern, which takes longer to compile than all the rest of them to look at. What the
    pattern's group holds, if it has one, stays.
    """

    marks: str
    pattern: str


_SHAPES = (
    _Shape("-----BEGIN", r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END[^-]*-----|.*\Z)"),
    _Shape(
        "hooks.slack.com discord webhook.office.com",
        r"(\bhooks\.slack\.com/(?:services|workflows)/|\bdiscord(?:app)?\.com/api/webhooks/\d+/"
        r"|\bwebhook\.office\.com/)[\w/@.-]+",
    ),
    _Shape("AKIA ASIA ABIA ACCA AROA AIDA", r"\b(?:AKIA|ASIA|ABIA|ACCA|AROA|AIDA)[A-Z0-9]{16}\b"),  # Amazon
    _Shape("ghp_ gho_ ghu_ ghs_ ghr_", r"\bgh[pousr]_[A-Za-z0-9]{20,}"),  # GitHub
    _Shape("github_pat_", r"\bgithub_pat_\w{20,}"),
    _Shape("gl", r"\bgl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent|oas|ffct)-[\w.-]{16,}"),  # GitLab
    _Shape("xox", r"\bxox[abeoprs]-[\w-]{8,}"),  # Slack
    _Shape("xapp-", r"\bxapp-[\w-]{10,}"),
    _Shape("_live_ _test_", r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{10,}"),  # Stripe
    _Shape("whsec_", r"\bwhsec_\w{16,}"),
    _Shape("sk-", r"\bsk-(?=[A-Za-z_-]*\d)[\w-]{18,}"),  # OpenAI, Anthropic
    _Shape("AIza ya29. GOCSPX-", r"\bAIza[\w-]{30,}|\bya29\.[\w-]{10,}|\bGOCSPX-[\w-]{20,}"),  # Google
    _Shape("eyJ", r"\beyJ[\w-]{5,600}\.[\w-]{5,}(?:\.[\w-]*)?"),  # JSON Web Token
    _Shape("npm_ pypi- rubygems_", r"\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{16,}|\brubygems_\w{30,}"),  # registries
    _Shape("hf_ dapi", r"\bhf_[A-Za-z0-9]{20,}|\bdapi[0-9a-f]{32}\b"),  # Hugging Face, Databricks
    _Shape("dop_v1_ dckr_", r"\bdop_v1_[0-9a-f]{32,}|\bdckr_(?:pat|oat)_[\w-]{20,}"),  # DigitalOcean, Docker
    _Shape("hvs. hvb. hvr. SG.", r"\bhv[sbr]\.[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"),  # Vault, SendGrid
    _Shape("AGE-SECRET-KEY-1 :AA", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}|\b\d{8,10}:AA[\w-]{30,}"),  # age, Telegram
    _Shape("shp sq0", r"\bshp(?:at|ca|pa|ss)_[0-9a-f]{32}|\bsq0[a-z]{3}-[\w-]{20,}"),  # Shopify, Square
    _Shape("ATATT3", r"\bATATT3[\w=-]{20,}"),  # Atlassian
    _Shape("NRAK- lin_api_", r"\bNRAK-[A-Z0-9]{20,}|\blin_api_\w{20,}"),  # New Relic, Linear
    _Shape("ntn_ secret_", r"\b(?:ntn|secret)_[A-Za-z0-9]{40,}"),  # Notion
    _Shape("glsa_ glc_ sntry", r"\bgl(?:sa|c)_[\w+/=-]{20,}|\bsntry[su]_[\w+/=-]{40,}"),  # Grafana, Sentry
    _Shape(".atlasv1.", r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}"),  # Terraform
    _Shape("key-", r"\bkey-[0-9a-f]{32}\b"),  # Mailgun
    _Shape("r8_ gsk_ xai- pplx-", r"\b(?:r8_|gsk_|xai-|pplx-)[A-Za-z0-9]{36,}"),  # Replicate, Groq, xAI, Perplexity
    _Shape("nvapi- pcsk_ lsv2_", r"\b(?:nvapi-|pcsk_|lsv2_)[\w-]{32,}"),  # NVIDIA, Pinecone, LangSmith
    _Shape("pscale_ figd_", r"\bpscale_(?:tkn|pw|oauth)_[\w.-]{30,}|\bfigd_[\w-]{30,}"),  # PlanetScale, Figma
    _Shape("PMAK- tskey-", r"\bPMAK-[0-9a-f-]{50,}|\btskey-[\w-]{20,}"),  # Postman, Tailscale
    _Shape("pnu_ pnb_", r"\bpn[ub]_[A-Za-z0-9]{30,}"),  # Prefect
)
_MARKS = tuple((mark, shape) for shape in _SHAPES for mark in shape.marks.split())
_USERINFO = _pattern(r"(?P<keep>\b[A-Za-z][A-Za-z0-9+.-]{0,20}://)(?P<info>[^\s/?#'\"<>]{0,2000})@")
_TEMPLATE = _pattern(r"[{}$]|%[(sd]")  # a program puts the password in there, it is not in the program
_HEADER = _pattern(
    r"(?P<keep>\b(?:Bearer|Basic|Digest|Token|ApiKey|Negotiate|AWS4-HMAC-SHA256)[ ]+)[\w+/=.~-]{6,}[^\r\n'\"]*"
)
_QUOTED = r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' """
# A name and what binds a value to it; the value is looked at only when the name is a secret's, so that one assignment
# inside another's value (`url=https://host/?token=…`) is seen. Names are bounded to keep long texts linear.
_ASSIGNED = _pattern(
    r"""(?<![A-Za-z0-9])(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,80})(?:["']?\s{0,2}(?:=>|:=|==?|:(?!/))\s{0,2})""",
    _VERBOSE,
)
_VALUE = _pattern(rf"""{_QUOTED} | [^\s&;,"'<>|}}\])]+""", _VERBOSE)
_OPTION = _pattern(r"(?<![\w-])--?(?P<name>[A-Za-z][A-Za-z0-9_.-]{0,80})\s+")
_OPERAND = _pattern(rf"""{_QUOTED} | [^\s"'-][^\s"']*""", _VERBOSE)
_AUTHORIZATION = _pattern(
    r"(?P<keep>\bauthorization[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?)[^\s'\";|&][^\r\n'\";|&]*", _IGNORECASE
)
# A secret that one program prints for another one, which reads it.
_PIPED = _pattern(
    r"(?P<keep>\b(?:echo|printf)\s+(?:-\w+\s+|['\"]?%s(?:\\n)?['\"]?\s+)?)[^\s|;&$][^|;&\n$]{1,199}?[^\s|;&$]"
    r"(?=\s{0,9}\|[^;|&\n]{0,200}?(?:--[\w-]{0,20}(?:password|token|passphrase)-(?:stdin|fd)\b"
    r"|--with-token\b|\bsudo\s[^;|&\n]{0,80}?-S\b|\bchpasswd\b|\bpasswd\s+--stdin\b))"
)
_SHELL_WORDS = _pattern(
    r"""(?P<end>[;|&\n()`]+)|(?:[^\s;|&()`"']++|"(?:\\.|[^"\\]){0,200}"|'[^']{0,200}'|["'])+""", _DOTALL
)
_INSIDE = _pattern(r"""(?P<quote>["'])(?P<text>.*)(?P=quote)""", _DOTALL)
_DEEPEST = 4
"""Quotes within quotes that are looked into, for command lines in command lines."""
_WORD = _pattern(r"-{0,2}[\w.-]+")
_NOT_THE_SECRET = _pattern(r"[-_.](?:file|path|dir|fd|policy|length|prompt|store|type|ttl|timeout|env)$", _IGNORECASE)


def secret_name(name: str) -> bool:
    """Whether a variable, option or key of this name holds a secret (`PGPASSWORD`, `--api-key`, `aws.secret_token`)."""
    bare = name.lstrip("-")
    if bare in _HARMLESS or len(bare) > 100 or _NOT_THE_SECRET().search(bare):
        return False
    split = _CAMEL().sub("_", bare)
    return bool(_SECRET_NAME().match(bare) or _SECRET_NAME().match(split) or _RUN_TOGETHER().search(bare))


@lru_cache(maxsize=8192)
def mask_text(text: str) -> str:
    """`text` without what looks like a credential: known token shapes, passwords in URLs, `secret=value`, headers."""
    if len(text) < 4:
        return text
    text = _mask_shapes(text)
    if "://" in text:
        text = _USERINFO().sub(_userinfo, text)
    if " " in text:
        text = _HEADER().sub(lambda match: match["keep"] + MASK, text)
    if "=" in text or ":" in text:
        text = _AUTHORIZATION().sub(lambda match: match["keep"] + MASK, text)
        text = _mask_named(text, _ASSIGNED(), _VALUE())
    if " " in text:
        if "-" in text:
            text = _mask_named(text, _OPTION(), _OPERAND())
        if "|" in text:
            text = _PIPED().sub(lambda match: match["keep"] + MASK, text)
        if names_client(text):
            text = _mask_commands(text)
    return text


def has_credential(text: str) -> bool:
    """Whether `text` has something of the shape of a known credential, or a URL with a password.

    Unlike `mask_text` this passes over `password = value`, which in a program mostly holds none.
    """
    import re

    if any(mark in text and re.search(shape.pattern, text, re.DOTALL) for mark, shape in _MARKS):
        return True
    if "://" not in text:
        return False
    return any(
        _userinfo(match) != match[0] and not _TEMPLATE().search(match[0]) for match in _USERINFO().finditer(text)
    )


def shaped(name: str) -> list[str]:
    """The credentials in a file's name or path, by their shape. Words are no credential: there is a digit in each."""
    import re

    found = [
        match[0]
        for mark, shape in _MARKS
        if mark in name
        for match in re.finditer(shape.pattern, name, re.DOTALL)
        if any(map(str.isdigit, match[0]))
    ]
    return sorted(set(found), key=len, reverse=True)


def _mask_shapes(text: str) -> str:
    """Masks what has a known shape; again after a change, since a mask can uncover where the next one begins."""
    before = ""
    while before != text:
        before = text
        for mark, shape in _MARKS:
            if mark in text:
                import re

                text = re.sub(shape.pattern, _shape, text, flags=re.DOTALL)
    return text


def _shape(match: re.Match[str]) -> str:
    return (match[1] if match.re.groups else "") + MASK


def _mask_named(text: str, names: re.Pattern[str], values: re.Pattern[str]) -> str:
    """Masks each value that follows a secret's name."""
    parts, done, position = [], 0, 0
    while match := names.search(text, position):
        position = match.end()
        if secret_name(match["name"]) and (value := values.match(text, position)):
            parts += [text[done:position], MASK]
            done = position = value.end()
    return "".join([*parts, text[done:]])


def _userinfo(match: re.Match[str]) -> str:
    """The user name of a URL stays, a password goes; a lone name goes where it may be a token (not for `git@`)."""
    user, colon, _ = match["info"].partition(":")
    if colon:
        return f"{match['keep']}{user}:{MASK}@"
    plain = match["keep"].startswith(("ssh", "git+ssh", "sftp", "rsync", "svn", "s3", "gs")) or user == "git"
    return match[0] if plain else f"{match['keep']}{MASK}@"


def mask_argv(argv: Sequence[str]) -> list[str]:
    """An argument vector without secrets: those that `mask_text` finds, and the argument after an option for one.

    >>> mask_argv(["psql", "--password", "hunter2", "postgres://me:hunter2@db/x"])
    ['psql', '--password', '***', 'postgres://me:***@db/x']
    """
    return list(argv) if is_plain(argv) else mask_suspicious(argv)


def mask_suspicious(argv: Sequence[str]) -> list[str]:
    """The same, with every argument looked at."""
    line = _Line()
    return [mask_text(argument) if (masked := line.next(argument)) is None else masked for argument in argv]


class _Line:
    """A command line, whose words are looked at one after the other."""

    def __init__(self) -> None:
        self._clients = Clients()
        self._before = ""

    def next(self, word: str) -> str | None:
        """The next word without the secret that its place tells of, None if it tells of none."""
        found = self._by_place(word)
        self._clients.learn(word)
        self._before = word
        return found

    def _by_place(self, word: str) -> str | None:
        before = self._before
        option = before if before.startswith("-") and "=" not in before else ""
        named = len(option) > 2 or (self._clients.sets and _WORD().fullmatch(before))
        if named and not word.startswith("-") and secret_name(before):
            return MASK
        if kept := self._clients.kept(word, option):
            return kept[0] + MASK + kept[1]
        name, equals, value = word.partition("=")
        if equals and value and _WORD().fullmatch(name) and secret_name(name):
            return f"{name}={MASK}"  # the whole of it, spaces and all
        return None


def _mask_commands(text: str, depth: int = 0) -> str:
    """Masks what programs take as passwords in the command lines of a text, as of `sh -c`."""
    parts, done, line = [], 0, _Line()
    for match in _SHELL_WORDS().finditer(text):
        if match["end"]:
            line = _Line()
            continue
        word = match[0]
        masked = line.next(word)
        if masked is None and depth < _DEEPEST and " " in word:
            masked = _INSIDE().sub(
                lambda inner: inner["quote"] + _mask_commands(inner["text"], depth + 1) + inner["quote"], word
            )
        if masked is not None:
            parts += [text[done : match.start()], masked]
            done = match.end()
    return "".join([*parts, text[done:]])


def mask_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables with their values masked: whole where the name tells of a secret, else by shape."""
    return {name: _variable(name, value) for name, value in environ.items()}


def secret_variable(name: str) -> bool:
    """Whether an environment variable of this name holds a secret."""
    return name not in _HARMLESS and (secret_name(name) or _ENV_KEY().search(name) is not None)


def _variable(name: str, value: str) -> str:
    if value and secret_variable(name):
        return MASK
    return mask_text(value)
