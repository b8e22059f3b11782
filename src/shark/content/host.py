"""The machine: name, user, system, processor, memory; from the kernel's own files, since psutil alone takes 20 ms."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from shark.content.osrelease import os_release
from shark.tuples import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any


def host(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """`name, user, os, kernel, kernel_version, machine, libc, cpu, cores, cores_usable, memory` (bytes), `timezone,
    locale, gpu, cpu_details`.

    What this machine does not tell is absent.
    """
    environ = os.environ if environ is None else environ
    system = os.uname()
    release = os_release()
    processor = _processor()
    found = {
        "name": system.nodename,
        "user": _user(),
        "os": release.get("PRETTY_NAME") or release.get("NAME", system.sysname),
        "kernel": system.release,
        "kernel_version": system.version,
        "machine": system.machine,
        "libc": _libc(),
        "cpu": processor.get("model name") or processor.get("Model") or processor.get("cpu model", ""),
        "cores": os.cpu_count() or 0,
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory": _memory(),
        "timezone": _timezone(environ),
        "locale": _locale(environ),
        "gpu": _gpu(),
        "cpu_details": _details(processor),
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


def _processor() -> dict[str, str]:
    """What /proc/cpuinfo says of the first processor, and on some machines (ARM) of all together at its end."""
    first, _, rest = _read("/proc/cpuinfo").partition("\n\n")
    lines = [line.partition(":") for line in (*rest[rest.rfind("\n\n") + 1 :].splitlines(), *first.splitlines())]
    return {name.strip(): value.strip() for name, colon, value in lines if colon and value.strip()}


_DETAILS = {
    "vendor": ("vendor_id", "CPU implementer"),
    "family": ("cpu family", "CPU architecture"),
    "model": ("model", "CPU part"),
    "stepping": ("stepping", "CPU revision"),
    "microcode": ("microcode",),
    "mhz": ("cpu MHz",),
}
_CACHES = "/sys/devices/system/cpu/cpu0/cache"


def _details(processor: Mapping[str, str]) -> dict[str, Any]:
    """What tells one processor from another where results depend on it: `vendor, family, model, stepping, microcode,
    mhz, flags` (its abilities), `caches` (of its first core: `type, level, size` and `line` in bytes, `ways`).
    """
    details: dict[str, Any] = {
        name: next((processor[key] for key in keys if key in processor), "") for name, keys in _DETAILS.items()
    }
    if re.fullmatch(r"\d+(\.\d+)?", details["mhz"]):
        details["mhz"] = round(float(details["mhz"]))
    details["flags"] = (processor.get("flags") or processor.get("Features", "")).split()
    details["caches"] = [_cache(f"{_CACHES}/{name}") for name in sorted(_names(_CACHES)) if name.startswith("index")]
    return {name: value for name, value in details.items() if value}


def _cache(folder: str) -> dict[str, Any]:
    level, kind, size, line, ways = (
        _read(f"{folder}/{file}").strip()
        for file in ("level", "type", "size", "coherency_line_size", "ways_of_associativity")
    )
    if number := re.fullmatch(r"(\d+)([KMG])", size):
        size = str(int(number[1]) << {"K": 10, "M": 20, "G": 30}[number[2]])
    figures = {"level": level, "size": size, "line": line, "ways": ways}
    return {"type": kind.lower(), **{name: int(figure) for name, figure in figures.items() if figure.isdigit()}}


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


def _locale(environ: Mapping[str, str]) -> str:
    """The locale of characters: the first of these that is set (locale(7)), "C" without any."""
    return next((environ[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environ.get(name)), "C")


_DRIVERS = ("amdgpu", "xe", "i915", "nouveau")


def _gpu() -> str:
    """The driver of a graphics processor, where the kernel shows one; a display adapter alone is none."""
    nvidia = re.search(r"Module(?: for \S+)?\s+([\d.]+)", _read("/proc/driver/nvidia/version"))
    if nvidia:
        models = sorted(set(re.findall(r"^Model:\s*(.+?)\s*$", _nvidia_cards(), re.MULTILINE)))
        return f"nvidia {nvidia[1]}" + (f" ({', '.join(models)})" if models else "")
    for driver in _DRIVERS:
        if _names(f"/sys/module/{driver}/drivers") and any(n.startswith("renderD") for n in _names("/sys/class/drm")):
            return f"{driver} {_read(f'/sys/module/{driver}/version').strip()}".strip()
    return ""


def _nvidia_cards() -> str:
    folder = "/proc/driver/nvidia/gpus"
    return "".join(_read(f"{folder}/{card}/information") for card in sorted(_names(folder)))
