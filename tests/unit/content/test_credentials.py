import pytest

from shark.content.credentials import holds_credentials, named_like_credentials


@pytest.mark.parametrize(
    "path",
    [
        ".env", "conf/.env.production", "prod.env", ".envrc", ".netrc", ".pgpass", ".npmrc", ".pypirc", "id_rsa",
        "keys/id_ed25519", "deploy_rsa", "server.pem", "server.key", "cert.p12", "vault.kdbx", "secrets.py",
        "my-secrets.yml", "credentials", "credentials.json", "aws_credentials.csv", "service-account.json",
        "api_key.txt", "token", "token.txt", "db_password.txt", "home/.aws/config", ".ssh/config", "terraform.tfvars",
        ".Renviron", "kubeconfig", "run-ghp_0123456789abcdefghijABCDEFGHIJ.py",
    ],
)  # fmt: skip
def test_files_that_are_called_as_files_with_credentials_are(path):
    assert named_like_credentials(path)


@pytest.mark.parametrize(
    "path",
    ["fit.R", "tokenizer.py", "token.py", "tokens.c", "keyboard.c", "environment.yml", "password.py", "secretary.md",
     "monkey.key.py", "Makefile", "passes.py", "src/env.py", "rsa.py", ".envelope.py"],
)  # fmt: skip
def test_other_files(path):
    assert not named_like_credentials(path)


@pytest.mark.parametrize(
    ("content", "holds"),
    [
        (b"password = getpass()\ntoken = None\n", False),
        (b'url = f"https://{user}:{password}@example.org/"\n', False),
        (b"git clone https://example.org/x.git\n", False),
        (b"url = 'postgres://me:hunter2hunter2@db/x'\n", True),
        (b"-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----\n", True),
        (b"\xff\xfe AKIAIOSFODNN7EXAMPLE\n", True),
    ],
)
def test_credentials_in_text(content, holds):
    assert holds_credentials(content) == holds
