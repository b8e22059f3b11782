"""What this machine allows: the facts (gathered by trying), and what they mean for somebody who wants to trace.

`gather` looks at the world; `checks` is a pure function of what it found, so that every way in which tracing can be
forbidden has a test without a machine that forbids it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from shark.capture.abi import conventions
from shark.capture.trial import Trial, attempt
from shark.errors import SharkError

State = Literal["ok", "warn", "fail"]
OLDEST = (5, 3)
"""PTRACE_GET_SYSCALL_INFO came with Linux 5.3."""
ATTRIBUTE = "user.shark.probe"
LARGE = 60_000
"""Bytes of an attribute that XFS, tmpfs and btrfs's kin may hold, and ext4 (4,028 in all) does not."""
LITTLE_SPACE = 500_000_000
"""With fewer bytes free than this, a warning."""


class Check(NamedTuple):
    """One line of `shark doctor`: `state` is ok, warn (works, but) or fail (no tracing); `advice`, what to do."""

    name: str
    state: State
    detail: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A directory that matters. `attributes` is the bytes that an attribute there may have at least: 0 (none), some or
    LARGE; `trouble` says why the directory cannot be written, "" if it can; `free` is bytes, None if not known.
    """

    label: str
    path: str
    attributes: int = 0
    trouble: str = ""
    free: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. `yama` is the scope 0 to 3, None without Yama; `tracer` the name of who traces us already;
    `recorder` says why busy processes cannot write down their opens, "" if they can.
    """

    release: str = ""
    machine: str = ""
    supported: bool = True
    trial: Trial | None = None
    yama: int | None = None
    deny_ptrace: bool = False
    tracer: str = ""
    container: str = ""
    places: tuple[Place, ...] = ()
    git: str = ""
    managers: tuple[str, ...] = ()
    recorder: str = ""


def gather(cwd: str, store: str, environ: Mapping[str, str]) -> Facts:
    """Look at this machine: `cwd` is where outputs would be written, `store` where records are kept (there or not)."""
    supported, trial = True, None
    tracer = _tracer()
    try:
        conventions()
        trial = attempt()
    except SharkError:
        supported = False
    return Facts(
        release=os.uname().release,
        machine=os.uname().machine,
        supported=supported,
        trial=trial,
        yama=_yama(),
        deny_ptrace=_read("/sys/fs/selinux/booleans/deny_ptrace").startswith("1"),
        tracer=tracer,
        container=_container(environ),
        places=tuple(look_at_place(label, path) for label, path in (("here", cwd), ("store", store)) if path),
        git=shutil.which("git") or "",
        managers=tuple(_managers(environ)),
        recorder=_recorder(),
    )


def checks(facts: Facts) -> list[Check]:
    """What the facts mean, line by line."""
    found = [check_kernel(facts), check_tracing(facts), check_filter(facts), check_recorder(facts)]
    if facts.tracer:
        found.append(
            Check(
                "traced",
                "warn",
                f"this process is itself being traced, by {facts.tracer}",
                "A process has one tracer: here `shark run` only executes its command. Call it outside.",
            )
        )
    for place in facts.places:
        found += check_place(place)
    found.append(_git(facts))
    found.append(_packages(facts))
    if facts.container:
        found.append(Check("container", "ok", f"inside {facts.container}; paths are those inside"))
    return found


def check_kernel(facts: Facts) -> Check:
    """Is the kernel recent enough, and the machine one whose calls are known?"""
    name = f"Linux {facts.release} on {facts.machine}"
    parts = re.match(r"(\d+)\.(\d+)", facts.release)
    if not facts.supported:
        return Check(
            "kernel", "fail", f"{name}: shark knows the calls of x86_64 and aarch64", "Trace on such a machine."
        )
    if parts and (int(parts[1]), int(parts[2])) < OLDEST:
        return Check("kernel", "fail", f"{name} is too old: 5.3 or later is needed", "Update the kernel.")
    return Check("kernel", "ok", name)


def check_tracing(facts: Facts) -> Check:
    """May a process be traced? By the attempt; the reason for a refusal by what is known."""
    scope = "" if facts.yama is None else f" (Yama scope {facts.yama})"
    if facts.trial is None:
        return Check("tracing", "fail", "not tried", "See the line before.")
    refused = facts.trial.seize
    if refused == 0:
        return Check("tracing", "ok", f"a process can be traced{scope}")
    if refused is None:
        return Check("tracing", "fail", "the attempt to trace a process did not come to an end", "Try again.")
    why = os.strerror(refused)
    return Check("tracing", "fail", f"tracing is forbidden: {why}{scope}", _allow(facts))


def _allow(facts: Facts) -> str:
    """What would allow tracing: the reason that is known to forbid it decides."""
    if facts.tracer:
        return f"It was tried from within {facts.tracer}: call shark outside."
    if facts.yama == 3:
        return (
            "Yama scope 3 forbids it until the next boot: set kernel.yama.ptrace_scope=1 in /etc/sysctl.d, and reboot."
        )
    if facts.deny_ptrace:
        return "SELinux forbids it: as root, setsebool deny_ptrace 0."
    scope = (
        "Yama scope 2 allows it to root alone: as root, sysctl kernel.yama.ptrace_scope=1." if facts.yama == 2 else ""
    )
    if facts.container:
        return (
            "The container's profile forbids it: start it with --cap-add=SYS_PTRACE (docker, podman), or "
            f"--security-opt seccomp=unconfined where that is not enough. {scope}"
        ).rstrip()
    if scope:
        return scope
    return (
        "A security module or sandbox forbids it: ask who administers this machine to allow ptrace for your processes."
    )


def check_filter(facts: Facts) -> Check:
    """Can the seccomp filter be installed, and does it stop the calls that it shall?"""
    slow = (
        "It works without, but several times slower: every system call stops. `shark run --no-seccomp` asks for that."
    )
    trial = facts.trial
    if trial is None or trial.seize != 0 or trial.filter is None:
        return Check("filter", "fail", "not tried, since nothing can be traced", "See the line before.")
    if trial.filter:
        return Check("filter", "warn", f"seccomp filters cannot be installed: {os.strerror(trial.filter)}", slow)
    if not trial.seen:
        return Check("filter", "warn", "the filter is installed, but the kernel does not tell of the calls", slow)
    return Check("filter", "ok", "only the calls that matter will stop (seccomp)")


def check_place(place: Place) -> list[Check]:
    """Can the place be written, does it hold attributes, is there room?"""
    where = f"{place.label}: {place.path}"
    if place.trouble and place.label == "store":
        return [
            Check(
                "store",
                "warn",
                f"{place.path} cannot be written: {place.trouble}",
                "Records would go to a temporary directory. Set SHARK_HOME to a directory of yours.",
            )
        ]
    if place.trouble:
        advice = "Manifests of files in such a directory are in the store alone."
        return [Check("attributes", "warn", f"{where} cannot be written: {place.trouble}", advice)]
    found = []
    if place.label != "store":
        found.append(_attributes(place))
    else:
        found.append(Check("store", "ok", place.path))
    if place.free is not None and place.free < LITTLE_SPACE:
        found.append(Check("space", "warn", f"{where}: {place.free / 1e6:.0f} MB free", "Make room."))
    elif place.free is not None:
        found.append(Check("space", "ok", f"{where}: {place.free / 1e9:.1f} GB free"))
    return found


def check_recorder(facts: Facts) -> Check:
    """Can busy processes write down the files that they open, instead of stopping for each?"""
    if facts.recorder:
        advice = "All works without, but programs that open many files are slower: each open stops them."
        return Check("recorder", "warn", f"busy processes cannot be recorded: {facts.recorder}", advice)
    return Check("recorder", "ok", "busy processes write down their opens themselves")


def _recorder() -> str:
    from shark.recorder import tiering

    if not tiering.is_built():
        return "this shark was built without it (it needs a C compiler, and an x86-64 machine)"
    from shark.recorder import native

    try:
        native.load()
    except OSError as problem:
        return str(problem)
    folders = {os.path.dirname(path) for path in tiering.places_for_ring("")}
    if not any(os.access(folder, os.W_OK) for folder in folders):
        return f"{' and '.join(sorted(folders))} cannot be written"
    return ""


def _attributes(place: Place) -> Check:
    where = f"{place.label}: {place.path}"
    if not place.attributes:
        advice = "Manifests go into sidecars (.NAME.shark) beside the files."
        return Check("attributes", "warn", f"{where}: the file system keeps no user attributes", advice)
    size = "large manifests too" if place.attributes >= LARGE else "large manifests compressed or in sidecars"
    return Check("attributes", "ok", f"{where}: manifests fit into attributes; {size}")


def _git(facts: Facts) -> Check:
    if facts.git:
        return Check("git", "ok", facts.git)
    return Check("git", "warn", "not found", "Install git, if commits and uncommitted changes shall be recorded.")


def _packages(facts: Facts) -> Check:
    if facts.managers:
        return Check("packages", "ok", f"software is named by {', '.join(facts.managers)}")
    advice = "Programs and libraries are recorded as files with digests, not as packages."
    return Check("packages", "warn", "no package manager that shark knows", advice)


def look_at_place(label: str, path: str) -> Place:
    """Try a directory: write a file, set attributes on it, remove it. Of one that is not there, its nearest parent."""
    there = path
    while not os.path.isdir(there) and there != os.path.dirname(there):
        there = os.path.dirname(there)
    try:
        room = os.statvfs(there)
        free: int | None = room.f_bavail * room.f_frsize
    except OSError:
        free = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=".shark-doctor-", dir=there)
    except OSError as error:
        return Place(label, path, trouble=(error.strerror or str(error)).lower(), free=free)
    try:
        return Place(label, path, attributes=_holds(descriptor), free=free)
    finally:
        os.close(descriptor)
        os.unlink(name)


def _holds(descriptor: int) -> int:
    for length in (LARGE, 900):
        try:
            os.setxattr(descriptor, ATTRIBUTE, b"x" * length)
            return length
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EDQUOT):
                return 0
    return 0


def _read(path: str) -> str:
    """A small file of /proc or /sys; "" where it is not there or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def _yama() -> int | None:
    text = _read("/proc/sys/kernel/yama/ptrace_scope").strip()
    return int(text) if text.isdigit() else None


def _tracer() -> str:
    found = re.search(r"^TracerPid:\s+([1-9]\d*)", _read("/proc/self/status"), re.MULTILINE)
    if not found:
        return ""
    return _read(f"/proc/{found[1]}/comm").strip() or f"process {found[1]}"


def _container(environ: Mapping[str, str]) -> str:
    """The name of the container technology that we are inside of, by the marks that they leave; "" if there is none."""
    for path, name in (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"), ("/.singularity.d", "apptainer")):
        if os.path.exists(path):
            return name
    if environ.get("container"):
        return environ["container"]
    return "kubernetes" if environ.get("KUBERNETES_SERVICE_HOST") else ""


def _managers(environ: Mapping[str, str]) -> list[str]:
    marks = {
        "dpkg": os.path.exists("/var/lib/dpkg/status"),
        "rpm": any(map(os.path.isdir, ("/var/lib/rpm", "/usr/lib/sysimage/rpm"))),
        "conda": os.path.isdir(os.path.join(environ.get("CONDA_PREFIX", ""), "conda-meta")),
        "pip": bool(shutil.which("python3") or shutil.which("python")),
        "R": bool(shutil.which("R")),
        "npm": bool(shutil.which("node")),
    }
    return [name for name, there in marks.items() if there]
