"""Credentials in variables, arguments, git remotes and file names stand in no file that shark writes."""

from __future__ import annotations

import gzip
import json
import os
import random
import string
import subprocess
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from harness import Run, World, need

SharkRun = Callable[..., Run]
_CHANCE = random.Random(20)
_LETTERS = string.ascii_letters + string.digits


def _random(length: int, letters: str = _LETTERS) -> str:
    return "".join(_CHANCE.choice(letters) for _ in range(length))


_HEX, _UPPER = string.hexdigits.lower()[:16], string.ascii_uppercase + string.digits
KINDS = {
    "amazon": "AKIA" + _random(16, _UPPER),
    "github": "ghp_" + _random(36),
    "github-server": "ghs_" + _random(36),
    "github-fine-grained": "github_pat_" + _random(60),
    "gitlab": "glpat-" + _random(20),
    "gitlab-job": "glcbt-64_" + _random(20),
    "slack": "xoxb-" + _random(12, string.digits) + "-" + _random(24),
    "stripe": "sk_" + "live_" + _random(24),
    "openai": "sk-proj-" + _random(40),
    "google": "AIza" + _random(35),
    "google-oauth": "ya29." + _random(40),
    "web-token": "eyJhbGciOiJIUzI1NiJ9.eyJ" + _random(20) + "." + _random(40),
    "npm": "npm_" + _random(36),
    "pypi": "pypi-AgEIcHlwaS5vcmc" + _random(40),
    "hugging-face": "hf_" + _random(34),
    "databricks": "dapi" + _random(32, _HEX),
    "vault": "hvs." + _random(40),
    "sendgrid": f"SG.{_random(22)}.{_random(43)}",
    "docker": "dckr_pat_" + _random(27),
    "digitalocean": "dop_v1_" + _random(64, _HEX),
    "shopify": "shpat_" + _random(32, _HEX),
    "new-relic": "NRAK-" + _random(27, _UPPER),
    "linear": "lin_api_" + _random(40),
}
"""Credentials by their shape, which give themselves away wherever they stand."""

NAMED = {name: _random(18) for name in ("plain", "azure", "sas", "mysql", "curl", "header", "cookie", "dsn", "json")}
"""Secrets without a shape: what stands before them tells."""


def _planted(secret: str) -> str:
    """What of a secret is looked for: its end, which no shape has in common with another."""
    return secret[-14:]


SECRETS = [*map(_planted, KINDS.values()), *NAMED.values()]


@pytest.fixture
def repository(world: World) -> Path:
    """A repository with a remote for each kind of credential, a change, and untracked files with credentials."""
    need("git")
    world.write("make.sh", 'for name; do echo "$name" | wc -c > "$name"; done\n')
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-qm", "x"]):
        subprocess.run(["git", *command], cwd=world.work, env=world.env, check=True)
    for name, secret in KINDS.items():
        for n, url in enumerate((f"https://oauth2:{secret}@git.example.org/x", f"https://{secret}@git.example.org/x")):
            subprocess.run(["git", "remote", "add", f"{name}-{n}", url], cwd=world.work, env=world.env, check=True)
    world.write("make.sh", '# changed\nfor name; do echo "$name" | wc -c > "$name"; done\n')
    world.write(".env.py", "\n".join(f"{name} = '{secret}'" for name, secret in KINDS.items()))
    world.write("settings.py", "\n".join(f"{name} = '{secret}'" for name, secret in KINDS.items()))
    world.write("connect.py", f"connect('db', '{NAMED['plain']}')  # of no shape: a variable of the run tells\n")
    return world.work


def variables() -> dict[str, str]:
    """Each secret in a variable that is on the list of those that are recorded, and in one that is not."""
    allowed = {f"R_VALUE_{n}": secret for n, secret in enumerate(KINDS.values())}
    urls = {f"PYTHON_URL_{n}": f"https://me:{secret}@example.org/" for n, secret in enumerate(KINDS.values())}
    named = {
        "CONDA_TOKEN": NAMED["plain"],
        "R_API_KEY": NAMED["plain"],
        "GDAL_HTTP_HEADERS": f"Authorization: Bearer {NAMED['header']}",
        "PYTHON_DSN_TEXT": f"host=db user=me password={NAMED['dsn']} dbname=x",
        "RUST_LOG_JSON": f'{{"password": "{NAMED["json"]}"}}',
    }
    return {**allowed, **urls, **named, "UNLISTED": NAMED["plain"], "AWS_SECRET_ACCESS_KEY": NAMED["plain"]}


def arguments() -> list[str]:
    """Each secret in arguments, in the ways in which programs take them."""
    return [
        *KINDS.values(),
        *(f"--token={secret}" for secret in KINDS.values()),
        *(f"https://me:{secret}@example.org/?page=1" for secret in KINDS.values()),
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={NAMED['azure']}==;EndpointSuffix=x",
        f"https://a.blob.example/x?sv=2020&sig={NAMED['sas']}%3D",
        f"Cookie: session={NAMED['cookie']}",
        f'{{"password": "{NAMED["json"]}"}}',
        *("--password", NAMED["plain"]),
        f"PGPASSWORD={NAMED['plain']}",
        f"host=db password={NAMED['dsn']}",
    ]


def texts(world: World) -> Iterator[tuple[str, bytes]]:
    """All that shark has written: store, caches and state, sidecars, attributes; unpacked."""
    places = [world.root / name for name in ("store", "cache", "config", "data", "runtime", "tmp", "home")]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    files += [path for path in world.work.rglob(".*.shark") if path.is_file()]
    assert [path for path in files if path.name.endswith(".json.gz")]
    for path in files:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            continue  # the supervisor removes the last of its files when the command's parent has gone on
        yield str(path), gzip.decompress(content) if path.suffix == ".gz" else content
    for path in world.work.rglob("*"):
        for name in os.listxattr(path, follow_symlinks=False):
            value = os.getxattr(path, name, follow_symlinks=False)
            yield f"{path} {name}", zlib.decompress(value) if name.endswith("zlib") else value


def found(world: World) -> list[tuple[str, str]]:
    """(file, secret) of all that is to be found."""
    return [
        (place, secret)
        for place, text in texts(world)
        for secret in SECRETS
        if secret.encode() in text or secret.encode() in os.fsencode(place).partition(b"/store/")[2]
    ]


def read_back(world: World) -> None:
    """Have the index made, and whatever else looking at runs leaves."""
    for command in (["log"], ["index"], ["show", "@1"], ["inspect", "."]):
        subprocess.run([*world.shark, *command], cwd=world.work, env=world.env, stdout=subprocess.DEVNULL, check=False)


def test_more_than_twenty_kinds() -> None:
    """So many were promised, and each is another one."""
    assert len(KINDS) >= 20
    assert len(set(SECRETS)) == len(SECRETS) == len(KINDS) + len(NAMED)


@pytest.mark.parametrize("attach", ["xattr", "sidecar"])
def test_no_secret_is_written(shark_run: SharkRun, world: World, repository: Path, attach: str) -> None:
    """Variables, arguments, file names, git remotes, uncommitted and untracked files: shark keeps none of them."""
    names = [f"out-{secret}.csv" for secret in KINDS.values()]
    run = shark_run(
        ["sh", "make.sh", *names, "password=" + NAMED["plain"], "plain.csv"], "--attach", attach, env=variables()
    )
    assert run.status == 0, run.stderr
    assert all((world.work / name).exists() for name in names)
    run = shark_run(["sh", "-c", 'printf "%s\\n" "$#" > count', *arguments()], "--attach", attach, env=variables())
    assert run.status == 0, run.stderr
    read_back(world)
    assert found(world) == []
    assert run.record["git"][0]["patch_sha256"]
    left_out = run.record["git"][0]["patch_left_out"]
    assert ["settings.py", "it holds what looks like a credential"] in left_out
    assert ["connect.py", "it holds a secret of an environment variable"] in left_out


def test_a_file_that_is_called_by_a_secret_has_its_manifest(shark_run: SharkRun, world: World) -> None:
    """Only its name is masked: the manifest is on the file, with its digest and inputs."""
    name = f"out-{KINDS['github']}.csv"
    world.write("in.csv")
    run = shark_run(["cp", "in.csv", name])
    manifest = run.manifest(name)
    assert manifest["output"]["path"] == f"{world.work}/out-***.csv"
    assert run.inputs(name).keys() == {"in.csv"}
    shown = subprocess.run([*world.shark, "inspect", name], cwd=world.work, env=world.env, stdout=subprocess.PIPE)
    assert shown.returncode == 0
    assert b"in.csv" in shown.stdout


@pytest.mark.parametrize(
    ("program", "arguments", "shown"),
    [
        ("mysql", ["-u", "me", f"-p{NAMED['mysql']}", "db"], ["-u", "me", "-p***", "db"]),
        ("mariadb-dump", [f"--password={NAMED['mysql']}"], ["--password=***"]),
        ("mysql", ["-p12345678"], ["-p***"]),
        ("sshpass", ["-p", NAMED["mysql"], "ssh", "host"], ["-p", "***", "ssh", "host"]),
        ("7z", ["x", f"-p{NAMED['mysql']}", "a.7z"], ["x", "-p***", "a.7z"]),
        ("curl", ["-u", f"me:{NAMED['curl']}", "x"], ["-u", "me:***", "x"]),
        ("wget", ["--header", f"Authorization: Basic {NAMED['header']}=="], ["--header", "Authorization: ***"]),
        ("psql", [f"postgres://me:{NAMED['dsn']}@db/x"], ["postgres://me:***@db/x"]),
        ("curl", [f"-ume:{NAMED['curl']}", "x"], ["-ume:***", "x"]),
        ("docker", ["login", "-u", "me", "-p", NAMED["mysql"]], ["login", "-u", "me", "-p", "***"]),
        ("docker", ["run", "-p", "127.0.0.1:80:8080/tcp", "x"], ["run", "-p", "127.0.0.1:80:8080/tcp", "x"]),
        ("podman", ["login", f"-p{NAMED['mysql']}"], ["login", "-p***"]),
        ("twine", ["upload", "-p", NAMED["mysql"], "x"], ["upload", "-p", "***", "x"]),
        ("sqlcmd", ["-U", "me", "-P", NAMED["mysql"]], ["-U", "me", "-P", "***"]),
        ("sqlcmd", [f"-P{NAMED['mysql']}", "-i", "x.sql"], ["-P***", "-i", "x.sql"]),
        ("skopeo", ["copy", "--src-creds", f"me:{NAMED['curl']}", "x"], ["copy", "--src-creds", "***", "x"]),
        ("openssl", ["enc", "-pass", f"pass:{NAMED['mysql']}"], ["enc", "-pass", "***"]),
        ("sqlplus", [f"me/{NAMED['mysql']}@db"], ["me/***@db"]),
        ("xfreerdp", [f"/p:{NAMED['mysql']}", "/v:host"], ["/p:***", "/v:host"]),
        ("ssh", ["-p2222", "host"], ["-p2222", "host"]),
        ("gcc", ["-pthread", "-pipe"], ["-pthread", "-pipe"]),
        ("mkdir", ["-p", "a"], ["-p", "a"]),
    ],
)
def test_short_options_of_programs_that_are_known(
    shark_run: SharkRun, world: World, program: str, arguments: list[str], shown: list[str]
) -> None:
    """`-pSECRET` is a secret for programs that take it so, and an ordinary option for all others."""
    if program != "mkdir":
        world.write(f"bin/{program}", "#!/bin/sh\n: > out\n", mode=0o755)
    run = shark_run([program, *arguments], env={"PATH": f"{world.work}/bin:{world.env['PATH']}"})
    assert run.status == 0, run.stderr
    assert run.record["command"]["argv"] == [program, *shown]
    assert found(world) == []


def test_the_journal_of_a_run_has_no_secret_of_variables_and_arguments(shark_run: SharkRun, world: World) -> None:
    """It is written while the command runs, and would be left by a crash."""
    copy = 'cp "$SHARK_HOME"/journals/"$SHARK_RUN_ID".journal copy'
    run = shark_run(["sh", "-c", copy, *arguments()], env=variables())
    assert run.status == 0, run.stderr
    journal = world.read("copy")
    assert b'"sh"' in journal
    assert [secret for secret in SECRETS if secret.encode() in journal] == []


NAMES = [f"out-{secret}.csv" for secret in KINDS.values()]
LOOKED_FOR = [f"no-such-{secret}" for secret in KINDS.values()]


def test_the_journal_of_a_run_has_no_secret_of_names(shark_run: SharkRun, world: World) -> None:
    """Files are made, renamed, linked, removed, looked for and executed that are called by secrets; the manifests lie
    on them all the same.
    """
    world.write("in.csv", "a\n")
    script = """\
while read -r name; do
    : > "first-$name"
    cat in.csv > "$name"
    cat "no-such-$name" 2> /dev/null
    mkdir "folder-$name"
    cat in.csv > "folder-$name/x"
    mv "$name" "moved-$name"; ln "moved-$name" "linked-$name"; ln -s "moved-$name" "symbolic-$name"
    cat "symbolic-$name" > /dev/null
    echo true > "removed-$name"; sh "removed-$name"; rm "removed-$name"
done < list
cp "$SHARK_HOME"/journals/"$SHARK_RUN_ID".journal copy
"""
    world.write("names.sh", script)
    world.write("list", "\n".join([*NAMES, ""]))
    run = shark_run(["sh", "names.sh"])
    assert run.status == 0, run.stderr
    assert [secret for secret in SECRETS if secret.encode() in world.read("copy")] == []
    (world.work / "copy").unlink()
    for name in NAMES:
        assert run.manifest(f"moved-{name}")["output"]["path"].count("***") == 1
        assert run.manifest(f"folder-{name}/x")["output"]["sha256"]
    read_back(world)
    assert found(world) == []


def test_secrets_of_variables_are_known_wherever_they_stand(shark_run: SharkRun, world: World) -> None:
    """What a variable holds as a secret, whatever its shape, is no part of a name, an argument or another variable."""
    secret, file = NAMED["plain"], f"model-{NAMED['plain']}.bin"
    world.write("in.csv", "a\n")
    copy = 'cp "$SHARK_HOME"/journals/"$SHARK_RUN_ID".journal copy'
    note = f'"{world.shark[0]}" -m shark record note "used $MY_TOKEN"'
    script = f'cat in.csv > "model-$MY_TOKEN.bin"; cat "$MY_TOKEN" "-p$MY_TOKEN" 2> /dev/null; {note}; {copy}'
    hook = json.dumps([{"command": ["sh", "-c", "echo it is $MY_TOKEN"]}])
    env = {"MY_TOKEN": secret, "R_PROFILE": f"/x/{secret}/Rprofile", "SHARK_BEFORE": hook}
    run = shark_run(["sh", "-c", script, "sh", f"-p{secret}", f"/srv/{secret}/x"], env=env)
    assert run.status == 0, run.stderr
    assert secret.encode() not in world.read("copy")
    (world.work / "copy").unlink()
    assert run.record["command"]["argv"][-2:] == ["-p***", "/srv/***/x"]
    assert run.record["env"]["R_PROFILE"] == "/x/***/Rprofile"
    assert run.record["values"] == {"note": "used ***"}
    assert run.record["hooks"][0]["stdout_sha256"] == sha256(b"it is ***\n").hexdigest()
    assert run.manifest(file)["output"]["path"] == f"{world.work}/model-***.bin"
    read_back(world)
    assert found(world) == []


def test_a_secret_of_one_argument_is_known_in_others(shark_run: SharkRun, world: World) -> None:
    """What an option tells to be a secret is one in the names of files and in later command lines too."""
    secret = NAMED["sas"]
    run = shark_run(
        ["sh", "-c", 'cat /dev/null > "$2"; cat "x$2" 2> /dev/null; true', "--token", secret, f"{secret}.txt"]
    )
    assert run.status == 0, run.stderr
    assert run.record["command"]["argv"][-2:] == ["***", "***.txt"]
    read_back(world)
    assert found(world) == []


def test_ordinary_names_stay_readable(shark_run: SharkRun, world: World) -> None:
    """Variables that only sound like secrets, and words that only look like them, change no name."""
    names = ["sk-learn-model-comparison.csv", "password=5", "my-token", "disk-usage-of-all-machines.txt", "true"]
    env = {
        "A_TOKEN": "true",
        "B_PASSWORD": "data",
        "C_KEY": "/srv/key",
        "D_SECRET": "12345678",
        "DB_PASSWORD": "postgres",
    }
    world.write("list", "\n".join([*names, ""]))
    script = 'while read name; do echo x > "$name"; done < list; echo x > data-postgres-12345678'
    run = shark_run(["sh", "-c", script], env=env)
    assert run.status == 0, run.stderr
    outputs = {os.path.basename(output["path"]) for output in run.record["outputs"]}
    assert outputs == {*names, "data-postgres-12345678"}


def test_a_run_that_was_killed_keeps_no_secret(world: World) -> None:
    """What is recovered from its journal has masks for names, and a gap that says so."""
    name = NAMES[0]
    world.write("in.csv", "a\n")
    tracer = '"$(sed -n "s/^TracerPid:.//p" /proc/$$/status)"'
    script = f'cat in.csv > "{name}"; cat in.csv > plain.csv; kill -9 {tracer}; sleep 60'
    command = [*world.shark, "run", "--", "sh", "-c", 'eval "$(cat script)"']
    world.write("script", script)
    subprocess.run(command, cwd=world.work, env=world.env, check=False)
    world.settle(60)
    [journal] = [path.read_bytes() for path in world.root.rglob("*.journal")]
    assert [secret for secret in SECRETS if secret.encode() in journal] == []
    recovered = subprocess.run(
        [*world.shark, "recover", "--json"], cwd=world.work, env=world.env, stdout=subprocess.PIPE
    )
    assert recovered.returncode == 0
    shown = subprocess.run(
        [*world.shark, "show", "@1", "--json"], cwd=world.work, env=world.env, stdout=subprocess.PIPE, check=True
    ).stdout
    assert b"plain.csv" in shown
    assert b"names hold a secret" in shown
    assert found(world) == []
