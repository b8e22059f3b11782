"""Programs that take passwords in options which look harmless, and what of their arguments is no secret. Pure."""

from __future__ import annotations

from shark.content.suspicion import SETTERS

_MYSQL_LIKE = ("-p", "-P", "-w", "-a")
_BY_NAME: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("sshpass", "smbclient", "zip", "unzip", "redis-cli"), _MYSQL_LIKE),
    **dict.fromkeys(("docker", "podman", "nerdctl", "buildah", "helm", "oras"), ("-p",)),
    **dict.fromkeys(("twine", "beeline", "cqlsh"), ("-p",)),
    **dict.fromkeys(("sqlcmd", "bcp", "isql", "osql", "ipmitool", "mosquitto_pub", "mosquitto_sub"), ("-P",)),
    "vsql": ("-w",),
    "openssl": ("-k", "-K"),
}
_BY_BEGINNING = (("mysql", _MYSQL_LIKE), ("mariadb", _MYSQL_LIKE), ("mongo", _MYSQL_LIKE), ("ldap", _MYSQL_LIKE),
                 ("7z", _MYSQL_LIKE))  # fmt: skip
_CONTAINERS = frozenset({"docker", "podman", "nerdctl", "buildah", "helm", "oras"})
_HTTP = frozenset({"curl", "wget", "http", "https", "xh", "aria2c", "lftp"})
_WINDOWS = frozenset({"smbclient", "rpcclient", "smbget", "smbcacls"})
_ORACLE = frozenset({"sqlplus", "sqlldr", "expdp", "impdp", "rman"})
_USER_OPTIONS = ("-u", "--user", "--proxy-user", "-U", "-a", "--auth")
_JOINED = ("-p", "-P", "/p:")  # these may have the password in the same word
_PORTS = frozenset("0123456789.:[]-")
_PROTOCOLS = ("/tcp", "/udp", "/sctp")
_LOGON = frozenset("_.$#-")


class Clients:
    """What the words of a command line tell of those that follow: which programs may get them."""

    __slots__ = ("_http", "_options", "_oracle", "_ports", "_separators", "sets")

    def __init__(self) -> None:
        self._options: dict[str, None] = {}  # options for passwords of the programs that came before
        self._ports = False  # whether those may be port numbers as well
        self._http = False
        self._separators = ""  # what stands between a user's name and the password
        self._oracle = False
        self.sets = False  # whether a setter came

    def learn(self, word: str) -> None:
        """The next word."""
        name = word.rpartition("/")[2].rpartition("=")[2].strip("\"',[]{}")
        options = _BY_NAME.get(name) or next((found for start, found in _BY_BEGINNING if name.startswith(start)), ())
        if "freerdp" in name:
            options = ("/p:",)
        if options:
            self._options.update(dict.fromkeys(options))
            self._ports = name in _CONTAINERS
        if name in _HTTP:
            self._separators += ":"
            self._http = True
        elif name in _WINDOWS:
            self._separators += ":%"
            self._http = True
        elif name in _ORACLE:
            self._oracle = True
        elif word in SETTERS:
            self.sets = True

    def kept(self, word: str, option: str) -> tuple[str, str] | None:
        """What stays of a word on either side of the secret in it; None if its place tells of none.

        `option` is the word before, if that is an option, else "".
        """
        if option and not word.startswith("-"):
            if option in self._options and not (self._ports and _is_port(word)):
                return "", ""
            if option in _USER_OPTIONS and (separator := self._separator(word)):
                return word.split(separator, 1)[0] + separator, ""
        joined = next((start for start in self._options if start in _JOINED and word.startswith(start)), "")
        if joined and len(word) > len(joined) and not (self._ports and _is_port(word[len(joined) :])):
            return joined, ""
        if self._http and (word[:2] == "-u" or word.partition("=")[0] in _USER_OPTIONS):
            value = word[2:] if word[:2] == "-u" else word.partition("=")[2]
            if separator := self._separator(value):
                return word[: word.index(separator, len(word) - len(value))] + separator, ""
        return _logon(word) if self._oracle else None

    def _separator(self, word: str) -> str:
        return next((each for each in self._separators if each in word), "")


def _is_port(word: str) -> bool:
    """Whether it is what `-p` of a container tool mostly is."""
    for protocol in _PROTOCOLS:
        word = word.removesuffix(protocol)
    return bool(word) and _PORTS.issuperset(word)


def _logon(word: str) -> tuple[str, str] | None:
    """`user/password@database`, as Oracle's programs take it."""
    user, _, rest = word.partition("/")
    password, at, database = rest.partition("@")
    named = bool(user) and all(sign.isalnum() or sign in _LOGON for sign in user)
    if not named or not password or "/" in password or any(map(str.isspace, word)) or (at and not database):
        return None
    return f"{user}/", at + database
