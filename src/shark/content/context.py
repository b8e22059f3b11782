"""The circumstances of a run, gathered beside the command by a helper process, since `git status` can take seconds.

What the helper finds out it writes piece by piece into a memory file (`gathering.py`), so that whatever is there when
the time is up can be used. It is told of code that the run reads, looks into the repositories that this lies in, and
goes on until it is told that there is no more.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Mapping

from shark.content.gathering import Context, frames, help_until_done
from shark.content.githead import find_root, read_head
from shark.values import Gap

__all__ = ["Context", "Gatherer", "as_given", "gather"]

_SECONDS = 30.0  # of one repository, however long the command runs
_GRACE = 0.25  # seconds for an ended helper to end its git in turn
_SLICE = 0.1  # seconds between two looks at how crowded the machine is
_LONGEST = 30.0  # seconds that a helper is waited for at most, however crowded it is
_STANDSTILL = 20.0  # seconds that a helper is waited for which does not wait for git


def gather(cwd: str, environ: Mapping[str, str], *, extra: Iterable[str] = ()) -> Context:
    """All sections for a command started in `cwd` with `environ`, here and now.

    `extra` are patterns of further environment variables. `git` is not yet settled.
    """
    found = Context()
    found.add_all(frames(cwd, environ, tuple(extra), _heads(cwd), _SECONDS))
    return found


def as_given(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment that this process was started with: Python sets LC_CTYPE where it finds none (PEP 538)."""
    given = dict(environ)
    try:
        with open("/proc/self/environ", "rb") as file:  # as the kernel laid it down
            if not any(entry.startswith(b"LC_CTYPE=") for entry in file.read().split(b"\0")):
                given.pop("LC_CTYPE", None)
    except OSError:
        return given
    return given


def _heads(cwd: str) -> dict[str, tuple[str, str]]:
    root = find_root(cwd) if cwd else None
    return {root: read_head(root)} if root else {}


def crowd() -> float:
    """How many threads want to run on each CPU at this moment, at least 1 (proc_loadavg(5)): so many times longer
    everything takes. A hundred commands at once are no reason to know less of each.
    """
    try:
        with open("/proc/loadavg", "rb") as file:
            runnable = int(file.read().split()[3].partition(b"/")[0])
    except (OSError, ValueError, IndexError):
        return 1.0
    return max(1.0, runnable / (os.cpu_count() or 1))


class Gatherer:
    """Gathers in a helper process: `start` before the command, `saw` while it runs, `ask` and `collect` after it.

    The helper is a child of this process, in a session of its own, holds none of its descriptors and ends when this
    process does. Whoever waits for any child may reap it: that is known by the pidfd.

    `crowd` tells by how much slower than on an idle machine the helper's work goes.
    """

    def __init__(self, crowd: Callable[[], float] = crowd) -> None:
        self._crowd = crowd
        self._pid = self._pidfd = self._fd = self._hints = self._paths = -1
        self._environ: Mapping[str, str] = {}
        self._seconds = _SECONDS
        self._told: set[bytes] = set()
        self._found: Context | None = None
        self._since = 0.0

    def start(
        self, cwd: str, environ: Mapping[str, str], *, extra: Iterable[str] = (), seconds: float = _SECONDS
    ) -> int:
        """Starts the helper for a command in `cwd` with `environ`; returns its pid. Reads git's HEAD before it returns.

        `seconds` is how long the helper may ask one repository. Raises OSError if there can be no process.
        """
        self._environ, self._seconds = environ, seconds
        return self._start(cwd, tuple(extra), _heads(cwd))

    def _start(self, cwd: str, extra: tuple[str, ...], heads: Mapping[str, tuple[str, str]]) -> int:
        fd, paths = os.memfd_create("shark-context"), os.memfd_create("shark-context-paths")
        hints, telling = os.pipe()
        os.set_blocking(telling, False)
        try:
            pid = os.fork()
        except OSError:
            for each in (fd, paths, hints, telling):
                os.close(each)
            raise
        if pid == 0:
            help_until_done(
                fd,
                hints,
                paths,
                lambda further: frames(cwd, self._environ, extra, heads, self._seconds, further),
            )
        os.close(hints)
        self._pid, self._fd, self._hints, self._paths = pid, fd, telling, paths
        with contextlib.suppress(ProcessLookupError):  # it may have ended, and been reaped, already
            self._pidfd = os.pidfd_open(pid)
        return pid

    def saw(self, path: bytes) -> None:
        """The command reads the file `path` (absolute). If that is code, its repository is looked into meanwhile.
        Quick enough to be called for every file; in each directory the first source tells.
        """
        directory = path[: path.rfind(b"/")]
        if directory in self._told or self._hints < 0:
            return
        from shark.model.roles import is_source

        if not is_source(path):
            return
        self._told.add(directory)
        with contextlib.suppress(OSError):  # the helper is gone, or busy: `ask` names all of them again
            os.write(self._hints, path + b"\0")

    def ended(self) -> None:
        """The command has ended: from now on `collect` counts its time."""
        self._since = self._since or time.monotonic()

    def ask(self, code: Iterable[bytes] = ()) -> None:
        """There is no more to come: these (absolute) paths are all the code that was read."""
        self.ended()
        if self._fd < 0 and self._found is not None:
            self._ask_again(code)
        if self._hints < 0:
            return
        with open(self._paths, "wb", closefd=False) as file:
            file.write(b"\0".join(code))
        os.close(self._hints)  # the end of file is what the helper waits for
        self._hints = -1

    def _ask_again(self, code: Iterable[bytes]) -> None:
        """Code that was read after the context had been collected: by processes that outlive the command."""
        new = [path for path in code if path[: path.rfind(b"/")] not in self._told]
        if new:
            self._told.update(path[: path.rfind(b"/")] for path in new)
            with contextlib.suppress(OSError):
                self._start("", (), {})
                self._since = time.monotonic()
                self.ask(new)

    def collect(self, limit: float = 2.0) -> tuple[Context, list[Gap]]:
        """What the helper found, and the gaps; ends and forgets the helper. Asked again, it gives the same.

        It waits until `limit` seconds after the command has `ended` (or `ask` was called), if it has to; these are
        seconds of a machine that has a CPU for everyone.
        """
        if self._fd < 0:
            found = self._found or Context()
            return found, [] if self._found else [Gap("other", "the context of the run was not gathered")]
        self.ask()
        in_time = self._is_over_within(limit)
        waited = max(limit, int(time.monotonic() - self._since))
        if not in_time:
            self._end()
        found = self._so_far()
        why = f"not known {waited:g} s after the command ended" if not in_time else "its helper process ended early"
        gaps = [] if found.finished else [found.missing(why)]
        self._forget()
        self._found = found
        return found, [*found.gaps, *gaps]

    def leave(self) -> None:
        """Let go of the helper without a question: a fork of this process will ask it."""
        self._close()

    def _is_over_within(self, limit: float) -> bool:
        """Wait for the helper: in any case a little, since the whole machine may have stood still until now, and this
        process may come here long after the command's end if many others end too.

        The limit is for git, whose work has no bound. The rest is some hundredths of a second: where that is not done,
        the machine is slow in a way that its load does not show (its disk, or a quota), and waiting helps.
        """
        begun = time.monotonic()
        spent = min((begun - self._since) / self._crowd(), 0.75 * limit)
        while not self._is_over(_SLICE if spent >= limit else min(_SLICE, limit - spent)):
            spent += _SLICE / self._crowd()
            waited = time.monotonic() - begun
            if waited >= max(limit, _LONGEST):
                return False
            if spent >= limit and (waited >= max(limit, _STANDSTILL) or self._so_far().waits_for_git):
                return False
        return True

    def _so_far(self) -> Context:
        found = Context(self._found)
        found.read(self._fd)
        return found

    def _is_over(self, seconds: float) -> bool:
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(max(0, int(seconds * 1000))))

    def _end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):  # at the first it ends its git too
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)
            if self._is_over(_GRACE):
                return

    def _forget(self) -> None:
        with contextlib.suppress(ChildProcessError):  # reaped by the caller's own waitpid(-1)
            os.waitpid(self._pid, os.WNOHANG)
        self._close()

    def _close(self) -> None:
        for fd in (self._fd, self._pidfd, self._hints, self._paths):
            if fd >= 0:
                os.close(fd)
        self._pid = self._pidfd = self._fd = self._hints = self._paths = -1
