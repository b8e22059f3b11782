"""The circumstances of a run, gathered beside the command by a helper process, since `git status` can take seconds.

The helper writes one line of JSON per section into a memory file, quickest sections first, so that whatever is
there when the time is up can be used.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn

from shark.content.githead import find_root, read_head
from shark.jsontext import dumps, loads
from shark.values import Gap

Sections = dict[str, Any]
"""Sections of a run record: `env, host, container, scheduler, workflow, ci, git`; what does not apply is absent."""

_ORDER = ("env", "scheduler", "workflow", "ci", "container", "host", "git")
_SECONDS = 30.0  # the helper's own limit, however long the command runs
_GRACE = 0.25  # seconds for an ended helper to end its git in turn


def gather(cwd: str, environ: Mapping[str, str], *, extra: Iterable[str] = ()) -> Sections:
    """All sections for a command started in `cwd` with `environ`, here and now; git's troubles are under `gaps`.

    `extra` are patterns of further environment variables. `git` is as `git.repositories` gives it: not yet settled.
    """
    return dict(_sections(cwd, environ, tuple(extra), _heads(cwd), _SECONDS))


def _heads(cwd: str) -> dict[str, tuple[str, str]]:
    root = find_root(cwd)
    return {root: read_head(root)} if root else {}


def _sections(
    cwd: str, environ: Mapping[str, str], extra: tuple[str, ...], heads: Mapping[str, tuple[str, str]], seconds: float
) -> Iterator[tuple[str, Any]]:
    """(name, section), quickest first; empty ones are left out."""
    for name in _ORDER:
        value = _section(name, cwd, environ, extra, heads, seconds)
        if name == "git":
            value, gaps = value
            yield "gaps", [[gap.kind, gap.detail] for gap in gaps]
        if value:
            yield name, value


def _section(
    name: str,
    cwd: str,
    environ: Mapping[str, str],
    extra: tuple[str, ...],
    heads: Mapping[str, tuple[str, str]],
    seconds: float,
) -> Any:
    from shark.content import ci, container, environment, git, host, scheduler

    match name:
        case "env":
            return environment.environment(environ, extra)
        case "scheduler":
            return scheduler.scheduler(environ)
        case "workflow":
            return scheduler.workflow(environ)
        case "ci":
            return ci.ci(environ)
        case "container":
            return container.container(environ)
        case "host":
            return host.host(environ)
        case _:
            return git.repositories([cwd], environ=environ, heads=heads, seconds=seconds)


class Gatherer:
    """Gathers in a helper process: `start` before the command, `collect` after it (also when never started).

    The helper is a child of this process, in a session of its own, holds none of its descriptors and never outlives its
    limit. Whoever waits for any child may reap it: that is known by the pidfd.
    """

    def __init__(self) -> None:
        self._pid = self._pidfd = self._fd = -1

    def start(
        self, cwd: str, environ: Mapping[str, str], *, extra: Iterable[str] = (), seconds: float = _SECONDS
    ) -> int:
        """Starts the helper for a command in `cwd` with `environ`; returns its pid. Reads git's HEAD before it returns.

        `seconds` is the helper's own limit. Raises OSError if there can be no process.
        """
        heads = _heads(cwd)
        fd = os.memfd_create("shark-context")
        try:
            pid = os.fork()
        except OSError:
            os.close(fd)
            raise
        if pid == 0:
            _help(fd, lambda: _sections(cwd, environ, tuple(extra), heads, seconds), seconds)
        self._pid, self._fd = pid, fd
        with contextlib.suppress(ProcessLookupError):  # it may have ended, and been reaped, already
            self._pidfd = os.pidfd_open(pid)
        return pid

    def collect(self, limit: float = 2.0) -> tuple[Sections, list[Gap]]:
        """What the helper found, waiting for it at most `limit` seconds, and the gaps; ends and forgets the helper."""
        if self._fd < 0:
            return {}, [Gap("other", "the context of the run was not gathered")]
        in_time = self._ended(limit)
        if not in_time:
            self._end()
        sections, finished = _read(self._fd)
        gaps = [Gap("other", detail) for _, detail in sections.pop("gaps", ())]
        if not finished:
            why = f"not known {limit:g} s after the command ended" if not in_time else "its helper process ended early"
            missing = [name for name in ("host", "git") if name not in sections]
            gaps.append(Gap("other", f"context ({', '.join(missing)}): {sections.pop('failed', why)}"))
        self._forget()
        return sections, gaps

    def _ended(self, seconds: float) -> bool:
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(max(0, int(seconds * 1000))))

    def _end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):  # at the first it ends its git too
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
            if self._ended(_GRACE):
                return

    def _forget(self) -> None:
        with contextlib.suppress(ChildProcessError):  # reaped by the caller's own waitpid(-1)
            os.waitpid(self._pid, os.WNOHANG)
        for fd in (self._fd, self._pidfd):
            if fd >= 0:
                os.close(fd)
        self._pid = self._pidfd = self._fd = -1


def _read(fd: int) -> tuple[Sections, bool]:
    """The sections that are complete, and whether the helper came to its end."""
    sections: Sections = {}
    with open(fd, "rb", closefd=False) as stream:
        stream.seek(0)
        for line in stream.read().splitlines(keepends=True):
            if line.endswith(b"\n"):
                sections.update(loads(line))
    return sections, sections.pop("end", False)


def _help(fd: int, sections: Callable[[], Iterator[tuple[str, Any]]], seconds: float) -> NoReturn:
    """The helper's life. It never returns into the caller's code, whatever happens."""
    try:
        fd = _alone(fd)
        _stop_after(seconds + 2)
        for name, value in sections():
            os.write(fd, dumps({name: value}) + b"\n")
        os.write(fd, dumps({"end": True}) + b"\n")
    except Exception as error:  # noqa: BLE001 - the other side makes a gap of it; there is nobody else to tell
        with contextlib.suppress(OSError):
            os.write(fd, dumps({"failed": f"{type(error).__name__}: {error}"}) + b"\n")
    finally:
        os._exit(0)


def _alone(fd: int) -> int:
    """Leaves the caller's session, signals and descriptors behind; returns the number that `fd` now has."""
    import fcntl

    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with contextlib.suppress(OSError, ValueError):  # those that the C library keeps for itself
            signal.signal(number, signal.SIG_DFL)
    kept = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if null > 2:
        os.close(null)
    return kept


def _stop_after(seconds: float) -> None:
    """From now on SIGTERM, or `seconds` gone by, ends this process, and the command that it waits for with it."""

    def leave(*_: object) -> NoReturn:
        raise SystemExit

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGALRM, leave)
    signal.setitimer(signal.ITIMER_REAL, seconds)
