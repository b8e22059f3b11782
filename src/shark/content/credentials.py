"""Files that likely hold credentials, by their names and by what stands in them: they are never copied anywhere."""

from __future__ import annotations

import re
from functools import cache

from shark.content.masking import has_credential

_NAMES = (
    r"\.env(?:\..+|rc)?|.+\.env|\.netrc|_netrc|\.pgpass|\.my\.cnf|\.mylogin\.cnf|\.npmrc|\.pypirc|\.htpasswd|\.dockercfg|"
    r"\.git-credentials|\.s3cfg|\.boto|\.vault-token|\.Renviron|\.dbt_profiles|"
    r"id_(?:rsa|dsa|ecdsa|ed25519)(?:_sk)?|.*_(?:rsa|dsa|ecdsa|ed25519)|ssh_host_.*_key|"
    r".+\.(?:pem|key|p12|pfx|p8|ppk|jks|keystore|kdbx?|asc|gpg|pgp|age|ovpn|rdp|tfvars|tfstate)|"
    r"(?:.*[-_.])?(?:secrets?|credentials?|passwd|htpasswd|service[-_]?account)(?:[-_.].*)?|kubeconfig|"
    r"(?:.*[-_.])?(?:passwords?|tokens?|api[-_]?keys?)(?:\.(?:txt|json|ya?ml|toml|ini|cfg|conf|csv|dat|sh|bak|old))?"
)
_FOLDERS = r"(?:^|/)\.(?:aws|ssh|gnupg|azure|kube|docker|config/gcloud)/"


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    return re.compile(_NAMES, re.IGNORECASE), re.compile(_FOLDERS)


def named_like_credentials(path: str) -> bool:
    """Whether a file is called as files with credentials are: `.env`, `id_rsa`, `server.key`, `my-secrets.py` …"""
    name, folder = _patterns()
    base = path.rpartition("/")[2]
    return bool(name.fullmatch(base) or folder.search(path) or has_credential(path))


def holds_credentials(content: bytes) -> bool:
    """Whether text has something of the shape of a known credential: a token, a private key, a URL with a password."""
    return has_credential(content.decode("utf-8", "replace"))
