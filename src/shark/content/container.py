"""The container that the run is in, as far as files and variables inside of it tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shark.content.masking import mask_text

_ID = re.compile(r"[/-]([0-9a-f]{64})(?:\.scope|/|$|\s)", re.MULTILINE)
_LABEL = "ORG_OPENCONTAINERS_"


def container(environ: Mapping[str, str], *, root: str = "") -> dict[str, Any]:
    """`engine`, and what is known of `id, name, image, image_id, labels, namespace, pod`; empty outside of any.

    `root` is put before the absolute paths that are looked at.
    """
    found = _apptainer(environ, root) or _podman(environ, root) or _docker(environ, root)
    kubernetes = _kubernetes(environ, root)
    if kubernetes:
        found = {"engine": "kubernetes", **found, **kubernetes}
    if not found and (kind := environ.get("container") or _read(f"{root}/run/systemd/container").strip()):
        found = {"engine": kind}
    if not found:
        return {}
    labels = {key: mask_text(value) for key, value in sorted(environ.items()) if key.startswith(_LABEL)}
    found = {"id": _identity(root), **found, "labels": {**found.get("labels", {}), **labels}}
    return {key: value for key, value in found.items() if value}


def _apptainer(environ: Mapping[str, str], root: str) -> dict[str, Any]:
    image = environ.get("APPTAINER_CONTAINER") or environ.get("SINGULARITY_CONTAINER", "")
    name = environ.get("APPTAINER_NAME") or environ.get("SINGULARITY_NAME", "")
    if not image and not name:
        return {}
    engine = "apptainer" if "APPTAINER_CONTAINER" in environ or "APPTAINER_NAME" in environ else "singularity"
    return {"engine": engine, "image": mask_text(image), "name": name, "labels": _labels(root)}


def _labels(root: str) -> dict[str, str]:
    """The image's labels, which the Singularity image format keeps in /.singularity.d/labels.json."""
    from shark.jsontext import loads

    try:
        document = loads(_read(f"{root}/.singularity.d/labels.json") or "{}")
    except ValueError:
        return {}
    if not isinstance(document, dict):
        return {}
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


def _kubernetes(environ: Mapping[str, str], root: str) -> dict[str, Any]:
    if "KUBERNETES_SERVICE_HOST" not in environ:
        return {}
    namespace = _read(f"{root}/var/run/secrets/kubernetes.io/serviceaccount/namespace").strip()
    pod = environ.get("POD_NAME") or environ.get("HOSTNAME", "")
    return {"namespace": environ.get("POD_NAMESPACE") or namespace, "pod": pod}


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
