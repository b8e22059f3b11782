"""Containers, schedulers, workflow engines and CI systems, each by the variables and files that its documents show.

A file in `systems/` has `source` (where it is documented), `environ`, `files` (below the root), and `expected`: the
sections of a record; all others must be empty.
"""

import json
from pathlib import Path

import pytest

from shark.content.ci import ci
from shark.content.container import container
from shark.content.scheduler import scheduler, workflow

SYSTEMS = sorted((Path(__file__).parent / "systems").glob("*.json"))
SECRETS = ("hunter2", "s3cret", "abcde-1234", "ghs_", "glcbt-", "83d544ccc223", "JOBCOOKIE", "eyJ")


def sections(environ, root):
    found = {
        "scheduler": scheduler(environ),
        "workflow": workflow(environ),
        "ci": ci(environ),
        "container": container(environ, root=str(root)),
    }
    return {name: section for name, section in found.items() if section}


@pytest.mark.parametrize("system", SYSTEMS, ids=[path.stem for path in SYSTEMS])
def test_each_system_is_told_by_what_it_sets(system, tmp_path):
    document = json.loads(system.read_text())
    for name, text in document.get("files", {}).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    environ = {name: value.replace("{root}", str(tmp_path)) for name, value in document["environ"].items()}
    found = sections({"PATH": "/bin", "HOME": "/home/ada", **environ}, tmp_path)
    assert found == document["expected"]
    assert not [secret for secret in SECRETS if secret in json.dumps(found)]


def test_all_that_are_promised_have_their_case():
    names = {path.stem.partition("-")[0] for path in SYSTEMS}
    assert names >= {
        "docker", "podman", "apptainer", "kubernetes", "slurm", "pbs", "lsf", "sge", "github", "gitlab", "jenkins",
        "buildkite", "nextflow", "airflow",
    }  # fmt: skip


def test_without_any_there_is_none(tmp_path):
    plain = {"PATH": "/bin", "HOME": "/home/ada", "USER": "ada", "SHELL": "/bin/sh", "JOB_ID": "1", "HOSTNAME": "box"}
    assert sections(plain, tmp_path) == {}


def test_a_host_that_runs_containers_is_none(tmp_path):
    """The daemon's machine has mounts below the containers' directories, but over none of its own files."""
    mounts = tmp_path / "proc" / "self"
    mounts.mkdir(parents=True)
    (mounts / "mountinfo").write_text(
        f"9 1 0:5 / /var/lib/docker/containers/{'0' * 64}/mounts/shm rw - tmpfs shm rw\n"
        "8 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
    )
    assert sections({}, tmp_path) == {}


def test_labels_alone_are_recorded(tmp_path):
    found = container(
        {"ORG_OPENCONTAINERS_IMAGE_TITLE": "fish", "ORG_OPENCONTAINERS_IMAGE_URL": ""}, root=str(tmp_path)
    )
    assert found == {"labels": {"ORG_OPENCONTAINERS_IMAGE_TITLE": "fish"}}
