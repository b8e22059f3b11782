import pytest
from hypothesis import given
from hypothesis import strategies as st

from shark.content.masking import MASK, mask_argv, mask_environment, mask_text, secret_name

SECRET = "Zx81Qw7TyUiOpAsDfGhJkLzXcVbNmQwErTyUiOp4"
SHAPES = {
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "github": "ghp_" + SECRET[:36],
    "github-fine": "github_pat_" + SECRET,
    "gitlab": "glpat-" + SECRET[:20],
    "slack": "xoxb-123456789012-" + SECRET[:24],
    "stripe": "sk_" + "live_" + SECRET[:24],
    "openai": "sk-proj-" + SECRET,
    "google": "AIza" + SECRET[:35],
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + SECRET,
    "npm": "npm_" + SECRET[:36],
    "pypi": "pypi-AgEIcHlwaS5vcmc" + SECRET,
    "huggingface": "hf_" + SECRET[:34],
    "databricks": "dapi" + "0123456789abcdef" * 2,
    "vault": "hvs." + SECRET,
    "sendgrid": f"SG.{SECRET[:22]}.{SECRET}",
    "docker": "dckr_pat_" + SECRET[:27],
    "telegram": "123456789:AA" + SECRET[:33],
    "private-key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
    "github-server": "ghs_" + SECRET[:36],
    "gitlab-runner": "glrt-" + SECRET[:20],
    "slack-app": "xapp-1-" + SECRET,
    "stripe-test": "rk_" + "test_" + SECRET[:24],
    "stripe-hook": "whsec_" + SECRET[:32],
    "google-oauth": "ya29." + SECRET,
    "google-client": "GOCSPX-" + SECRET[:28],
    "rubygems": "rubygems_" + SECRET,
    "digitalocean": "dop_v1_" + "0123456789abcdef" * 4,
    "age": "AGE-SECRET-KEY-1" + SECRET.upper() + "QPZRY9X8GF2TVDW0S3",
    "shopify": "shpat_" + "0123456789abcdef" * 2,
    "square": "sq0csp-" + SECRET,
    "atlassian": "ATATT3" + SECRET,
    "new-relic": "NRAK-" + SECRET.upper()[:27],
    "linear": "lin_api_" + SECRET,
    "discord-hook": "https://discord.com/api/webhooks/123456/" + SECRET,
    "office-hook": "https://x.webhook.office.com/webhookb2/" + SECRET,
    "notion": "ntn_" + SECRET + SECRET,
    "notion-earlier": "secret_" + SECRET + SECRET[:3],
    "grafana": f"glsa_{SECRET[:32]}_0123abcd",
    "sentry": "sntrys_" + SECRET + SECRET,
    "terraform": f"{SECRET[:14]}.atlasv1.{SECRET}{SECRET}",
    "mailgun": "key-" + "0123456789abcdef" * 2,
    "replicate": "r8_" + SECRET[:37],
    "groq": "gsk_" + SECRET + SECRET[:12],
    "xai": "xai-" + SECRET + SECRET,
    "perplexity": "pplx-" + SECRET + SECRET[:8],
    "nvidia": "nvapi-" + SECRET + SECRET[:24],
    "pinecone": "pcsk_" + SECRET,
    "langsmith": f"lsv2_pt_{SECRET}",
    "planetscale": "pscale_tkn_" + SECRET,
    "figma": "figd_" + SECRET,
    "postman": f"PMAK-{'0123456789abcdef' * 2}-{'0123456789abcdef' * 2}",
    "tailscale": f"tskey-auth-{SECRET}",
    "prefect": "pnu_" + SECRET[:36],
    "slack-hook": "https://hooks.slack.com/services/T000/B000/" + SECRET[:24],
}
PLACED = {
    "assignment": f"PGPASSWORD={SECRET}",
    "option": f"--password={SECRET}",
    "option-text": f"mysql --password {SECRET} db",
    "short-option-text": f"mysql -u me -p{SECRET} db",
    "url": f"postgres://me:{SECRET}@db.example/x",
    "url-at": f"https://me:{SECRET}@x@db.example/x",
    "url-token": f"https://{SECRET}@github.com/a/b.git",
    "query": f"https://example.org/x?a=1&access_token={SECRET}&b=2",
    "signed": f"https://bucket.example/x?X-Amz-Signature={SECRET}",
    "azure": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET}==;EndpointSuffix=x",
    "sas": f"https://a.blob.example/x?sv=2020&sig={SECRET}%3D",
    "header": f"Authorization: Bearer {SECRET}",
    "header-basic": f"authorization: Basic {SECRET}==",
    "json": f'{{"user": "me", "password": "{SECRET} and more"}}',
    "yaml": f"secret_key: {SECRET}",
    "camel": f'{{"clientSecret":"{SECRET}"}}',
    "dsn": f"host=db user=me password={SECRET} dbname=x",
    "python": f"connect(api_key='{SECRET}')",
    "nested": f"url=https://example.org/?token={SECRET}",
    "cookie": f"Cookie: session={SECRET}",
    "any-scheme": f"Authorization: token {SECRET}",
    "any-scheme-quoted": f"curl -H 'authorization: Custom {SECRET}' https://example.org",
    "run-together": f"MYTOKEN={SECRET} true",
    "short-operand-text": f"sshpass -p {SECRET} ssh host",
    "redis-text": f"redis-cli -h db -a {SECRET} get x",
    "ldap-text": f"ldapsearch -x -w {SECRET} -b dc=x",
    "openssl-text": f"openssl enc -aes256 -k {SECRET} -in x",
    "windows-text": f"smbclient -U me%{SECRET} //host/share",
    "set-text": f"aws configure set aws_secret_access_key {SECRET}",
    "git-set-text": f"git config --global github.token {SECRET}",
    "quoted-text": f'cd x && bash -c "mysql -u me -p {SECRET} db"',
    "twice-quoted-text": f"ssh host 'sudo sh -c \"zip -P {SECRET} a b\"'",
    "piped-text": f"echo {SECRET} | docker login -u me --password-stdin",
    "piped-printf": f"printf '%s\\n' {SECRET} | sudo -u me -S true",
    "database": f"Server=x;Uid=u;Pwd={SECRET};",
    "proxy": f"GDAL_HTTP_PROXYUSERPWD=me:{SECRET}",
}


@pytest.mark.parametrize("text", [*SHAPES.values(), *PLACED.values()], ids=[*SHAPES, *PLACED])
def test_credentials_are_hidden_wherever_they_stand(text):
    for place in (text, f"before {text} after", f"x={text}"):
        masked = mask_text(place)
        assert MASK in masked
        assert SECRET[:20] not in masked
        assert "AKIA" not in masked


@pytest.mark.parametrize(
    "text",
    [
        "/data/results/token.txt",
        "sort --key=2 -t: -k 1,3",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "ssh://git@example.org/repo.git",
        "git@github.com:owner/repo.git",
        "https://example.org/path?page=2&author=x",
        "/usr/local/secret:/usr/bin:/opt/token:/bin",
        "--author=Me --max-new-tokens 100 --pin-memory",
        "python3 -m pytest -p no:cacheprovider",
        "--password-file=/run/secrets/db",
        "awk -F: {print $1}",
        "numpy-1.26.4-py310hb13e2d6_0",
        "KEY=value MONKEY=1",
        "git config user.name me",
        "docker run -p 127.0.0.1:80:8080/tcp -v a:b x",
        "echo four words of text | sudo tee x",
        "sort -k 2 authorization.txt",
    ],
)
def test_what_is_no_credential_stays_readable(text):
    assert mask_text(text) == text
    assert mask_argv(text.split(" ")) == text.split(" ")


def test_the_end_of_a_command_is_the_end_of_what_its_program_tells():
    """After it `-p` is an ordinary option again."""
    text = "mysql -u me db; mkdir -p a && cp -a x y"
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["psql", "--password", "hunter2", "db"], ["psql", "--password", MASK, "db"]),
        (["mysql", "-u", "me", "-phunter2"], ["mysql", "-u", "me", "-p" + MASK]),
        (["sudo", "/usr/bin/sshpass", "-p", "hunter2", "ssh"], ["sudo", "/usr/bin/sshpass", "-p", MASK, "ssh"]),
        (["curl", "-u", "me:hunter2", "x"], ["curl", "-u", "me:" + MASK, "x"]),
        (["curl", "--user=me:hunter2"], ["curl", "--user=me:" + MASK]),
        (["keytool", "-storepass", "hunter2", "-keypass", "x"], ["keytool", "-storepass", MASK, "-keypass", MASK]),
        (["plink", "-pw", "hunter2", "host"], ["plink", "-pw", MASK, "host"]),
        (["openssl", "req", "-passin", "pass:hunter2"], ["openssl", "req", "-passin", MASK]),
        (["openssl", "enc", "-k", "hunter2"], ["openssl", "enc", "-k", MASK]),
        (["smbclient", "-U", "me%hunter2", "//h/s"], ["smbclient", "-U", "me%" + MASK, "//h/s"]),
        (["rpcclient", "--user=me%hunter2"], ["rpcclient", "--user=me%" + MASK]),
        (["git", "config", "x.token", "hunter2"], ["git", "config", "x.token", MASK]),
        (["aws", "configure", "set", "aws_access_key_id", "x"], ["aws", "configure", "set", "aws_access_key_id", MASK]),
        (["docker", "run", "-p", "80:80", "-p", "hunter2"], ["docker", "run", "-p", "80:80", "-p", MASK]),
        (["sqlplus", "me/hunter2@db"], ["sqlplus", f"me/{MASK}@db"]),
        (["sqlplus", "/nolog", "a/b/c", "@x.sql"], ["sqlplus", "/nolog", "a/b/c", "@x.sql"]),
        (["env", "TOKEN=one two three", "x"], ["env", "TOKEN=" + MASK, "x"]),
        (["x", "--token", "--verbose"], ["x", "--token", "--verbose"]),
        (["sh", "-c", "cd x; API_TOKEN=hunter2 run"], ["sh", "-c", f"cd x; API_TOKEN={MASK} run"]),
        ([], []),
    ],
)
def test_arguments_after_an_option_for_a_secret_are_hidden(argv, expected):
    assert mask_argv(argv) == expected


def test_variables_are_hidden_by_name_or_by_shape():
    masked = mask_environment(
        {"LANG": "C", "R_API_KEY": "k", "CONDA_TOKEN": "t", "SLURM_JWT": "j", "PROJ_NETWORK": "ON", "PWD": "/home",
         "GDAL_HTTP_HEADERS": f"Authorization: Bearer {SECRET}", "HF_HOME": "", "EMPTY_TOKEN": ""}
    )  # fmt: skip
    assert masked["LANG"] == "C"
    assert masked["PROJ_NETWORK"] == "ON"
    assert masked["PWD"] == "/home"
    assert masked["EMPTY_TOKEN"] == ""
    assert masked["R_API_KEY"] == masked["CONDA_TOKEN"] == masked["SLURM_JWT"] == MASK
    assert SECRET not in masked["GDAL_HTTP_HEADERS"]


@pytest.mark.parametrize(
    "name", ["GITHUB_TOKEN", "api-key", "--clientSecret", "DB_PASS", "aws_secret_access_key", "dbPassword"]
)
def test_names_of_secrets_are_known(name):
    assert secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["PATH", "key", "tokenizer", "author", "compass", "bypass", "passenger", "SSH_AUTH_SOCK", "PWD", "max_new_tokens"],
)
def test_other_names_are_not(name):
    assert not secret_name(name)


WORDS = st.sampled_from(
    [*SHAPES.values(), *PLACED.values(), "--password", "x", "=", ":", " ", "'", '"', "&", "***", "@", "://"]
)
TEXTS = st.lists(WORDS | st.text(max_size=6), max_size=6).map("".join)


@given(TEXTS)
def test_masking_twice_changes_nothing(text):
    once = mask_text(text)
    assert mask_text(once) == once


@given(st.lists(TEXTS, max_size=5))
def test_an_argument_vector_keeps_its_length(argv):
    assert len(mask_argv(argv)) == len(argv)


@given(st.sampled_from(sorted(PLACED)), st.text("abcdefgh1234", min_size=8, max_size=30), st.text(" /,;", max_size=3))
def test_whatever_the_secret_it_is_hidden(place, secret, around):
    text = f"{around}{PLACED[place].replace(SECRET, secret)}"
    assert secret not in mask_text(text)


@given(st.text(max_size=200))
def test_any_text_can_be_masked(text):
    assert isinstance(mask_text(text), str)


@pytest.mark.parametrize(
    "part",
    [
        "a-",
        "a.",
        "eyJ-",
        "x://",
        "a=",
        "-a ",
        "AKIA",
        "'",
        "-----BEGIN PRIVATE KEY-----",
        "mysql ",
        "echo mysql '",
        'mysql \\"',
        "echo x |",
    ],
)
def test_long_texts_take_no_long_time(part):
    mask_text.__wrapped__(part * 20_000)
