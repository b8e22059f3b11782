"""The machine: name, user, system, processor, memory; from the kernel's own files, since psutil alone takes 20 ms."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from shark.content.osrelease import os_release


def host(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`name, user, os, kernel, machine, libc, cpu, cores, cores_usable, memory` (bytes), `timezone, gpu`.

    What this machine does not tell is absent.
    """
    system = os.uname()
    release = os_release()
    found = {
        "name": system.nodename,
        "user": _user(),
        "os": release.get("PRETTY_NAME") or release.get("NAME", system.sysname),
        "kernel": system.release,
        "machine": system.machine,
        "libc": _libc(),
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory": _memory(),
        "timezone": _timezone(os.environ if environ is None else environ),
        "gpu": _gpu(),
    }
    return {key: value for key, value in found.items() if value}


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (OSError, ValueError):  # not the GNU library
        return "musl" if any(name.startswith("ld-musl-") for name in _names("/lib")) else ""


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as stream:
            return stream.read(1 << 16)
    except OSError:
        return ""


def _cpu() -> str:
    match = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    return match[1].strip() if match else ""


def _memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 0


def _timezone(environ: Mapping[str, str]) -> str:
    """TZ, else the zone that /etc/localtime links to (localtime(5))."""
    if environ.get("TZ"):
        return environ["TZ"].lstrip(":")
    _, _, zone = os.path.realpath("/etc/localtime").partition("/zoneinfo/")
    return zone


def _gpu() -> str:
    """The driver of a graphics processor, where the kernel shows one."""
    nvidia = re.search(r"Module(?: for \S+)?\s+([\d.]+)", _read("/proc/driver/nvidia/version"))
    if nvidia:
        return f"nvidia {nvidia[1]}"
    if os.path.isdir("/sys/module/amdgpu") and os.path.exists("/dev/kfd"):
        return f"amdgpu {_read('/sys/module/amdgpu/version').strip()}".strip()
    return ""
