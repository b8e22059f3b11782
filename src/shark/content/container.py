"""The container that the run is in, as far as files and variables inside of it tell."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shark.content.masking import mask_text
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

_ID = re.compile(r"[/-]([0-9a-f]{64})(?:\.scope|/|$|\s)", re.MULTILINE)
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
_ECS = {"id": "ContainerID", "image": "ImageName", "image_id": "ImageID", "name": "ContainerName", "task": "TaskARN"}
_LABEL = "ORG_OPENCONTAINERS_"
_MOUNTED = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})


def container(environ: Mapping[str, str], *, root: str = "") -> dict[str, Any]:
    """`engine`, and what is known of `id, name, image, image_id, digest, base, labels, namespace, pod, index, task`;
    empty outside of any. `index` is that of an indexed job's pod.

    `root` is put before the absolute paths that are looked at.
    """
    found = _apptainer(environ, root) or _podman(environ, root) or _docker(environ, root) or _mounted(root)
    for further in (_kubernetes(environ, root), _ecs(environ)):
        found = {**further, **found, **{key: value for key, value in further.items() if key != "engine"}}
    if not found and (kind := environ.get("container") or _read(f"{root}/run/systemd/container").strip()):
        found = {"engine": kind}
    labels = {key: mask_text(value) for key, value in sorted(environ.items()) if key.startswith(_LABEL) and value}
    if not found and not labels:
        return {}
    found = {"id": _identity(root), **found, "labels": {**found.get("labels", {}), **labels}}
    if digest := _DIGEST.search(found.get("image", "")):
        found["digest"] = digest[1]
    return {key: value for key, value in found.items() if value}


def _apptainer(environ: Mapping[str, str], root: str) -> dict[str, Any]:
    image = environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER", "")
    name = environ.get("APPTAINER_NAME") or environ.get("SINGULARITY_NAME", "")
    if not image and not name:
        return {}
    engine = "apptainer" if "APPTAINER_CONTAINER" in environ or "APPTAINER_NAME" in environ else "singularity"
    return {
        "engine": engine,
        "image": mask_text(image),
        "name": name,
        "base": mask_text(_base(root)),
        "labels": _labels(root),
    }


def _base(root: str) -> str:
    """The image from which an Apptainer image was built, as its definition names it: `docker://rocker/r-ver:4.3`."""
    pairs = re.findall(
        r"^(bootstrap|from)\s*:\s*(\S+)", _read(f"{root}/.singularity.d/Singularity"), re.IGNORECASE | re.MULTILINE
    )
    definition = {key.lower(): value for key, value in reversed(pairs)}
    if not definition.get("from"):
        return ""
    return f"{definition['bootstrap']}://{definition['from']}" if "bootstrap" in definition else definition["from"]


def _labels(root: str) -> dict[str, str]:
    """The image's labels, which the Singularity image format keeps in /.singularity.d/labels.json."""
    document = _document(f"{root}/.singularity.d/labels.json")
    return {str(key): mask_text(value) for key, value in document.items() if isinstance(value, str)}


def _podman(environ: Mapping[str, str], root: str) -> dict[str, Any]:
    """Podman writes `key="value"` lines into /run/.containerenv (podman-run(1)); without privilege it may be empty."""
    text = _read(f"{root}/run/.containerenv", missing=None)
    if text is None:
        return {}
    pairs = dict(re.findall(r'^(\w+)="?(.*?)"?$', text, re.MULTILINE))
    return {
        "engine": pairs.get("engine") or "podman",
        "name": pairs.get("name", ""),
        "id": pairs.get("id", ""),
        "image": mask_text(pairs.get("image", "")),
        "image_id": pairs.get("imageid", ""),
    }


def _docker(environ: Mapping[str, str], root: str) -> dict[str, Any]:
    if _read(f"{root}/.dockerenv", missing=None) is None:
        return {}
    return {"engine": "docker"}


def _mounted(root: str) -> dict[str, Any]:
    """Engines without a mark of their own mount files from the container's directory over three names in /etc."""
    for line in _read(f"{root}/proc/self/mountinfo").splitlines():
        fields = line.split(" ")
        if len(fields) > 4 and fields[4] in _MOUNTED and "/containers/" in fields[3]:
            return {"engine": "podman" if "/overlay-containers/" in fields[3] else "docker"}
    return {}


def _ecs(environ: Mapping[str, str]) -> dict[str, Any]:
    """Amazon's container service names a file with the container's metadata, where that is enabled."""
    found = _document(environ.get("ECS_CONTAINER_METADATA_FILE", ""))
    fields = {"id": "ContainerID", "image": "ImageName", "image_id": "ImageID", "name": "ContainerName"}
    values = {
        key: found[name] for key, name in (*fields.items(), ("task", "TaskARN")) if isinstance(found.get(name), str)
    }
    return {"engine": "ecs", **values} if values else {}


def _document(file: str) -> dict[str, Any]:
    """A JSON object in a file, {} if there is none."""
    from shark.jsontext import loads

    try:
        document = loads(_read(file) or "{}") if file else {}
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _kubernetes(environ: Mapping[str, str], root: str) -> dict[str, Any]:
    if "KUBERNETES_SERVICE_HOST" not in environ:
        return {}
    namespace = _read(f"{root}/var/run/secrets/kubernetes.io/serviceaccount/namespace").strip()
    pod = environ.get("POD_NAME") or environ.get("HOSTNAME", "")
    return {
        "engine": "kubernetes",
        "namespace": environ.get("POD_NAMESPACE") or namespace,
        "pod": pod,
        "index": environ.get("JOB_COMPLETION_INDEX", ""),
    }


def _identity(root: str) -> str:
    """The container's id: in its control group's name, or in the source of a file that the engine mounts into it."""
    for file in ("/proc/self/cgroup", "/proc/self/mountinfo"):
        lines = [line for line in _read(root + file).splitlines() if "containers/" in line or "cgroup" in file]
        if match := _ID.search("\n".join(lines)):
            return match[1]
    return ""


def _read(file: str, missing: Any = "") -> Any:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 20)
    except OSError:
        return missing
