"""Starts shark with measuring instruments in it: `python inside.py MODE FILE WORDS...`, where WORDS follow `shark`.

`calls` runs the supervisor under cProfile, `samples` looks at each clock tick of its processor time where it is,
`phases` notes when the parts of a run begin and end. What was found goes into FILE; for phases into FILE.PID of each
process. Used by profile.py and start.py; shark itself knows nothing of it.
"""

from __future__ import annotations

import sys
import time

_STARTED = time.monotonic()

import os  # noqa: E402

if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
    del sys.path[0]  # the standard library has a `profile` too

import builtins  # noqa: E402
import functools  # noqa: E402
import marshal  # noqa: E402
from collections.abc import Callable  # noqa: E402
from types import FrameType  # noqa: E402
from typing import Any, NoReturn  # noqa: E402

PHASES = (
    "shark.running:start",
    "shark.tracing:supervise",
    "shark.capture.filter:compile_filter",
    "shark.capture.launcher:_hand_shake",
    "shark.capture.launcher:_restore_signals",
    "shark.capture.launcher:execute",
    "shark.capture.launcher:detach",
    "shark.capture.kernel:install_filter",
    "shark.scribe:Scribe.split",
    "shark.scribing:Scribing._get_ready",
    "shark.scribing:Scribing._finish",
    "shark.tracing:Tracing.__init__",
    "shark.store.home:Store.open",
    "shark.capture.supervisor:Supervisor.__init__",
    "shark.capture.journal:JournalWriter.__init__",
    "shark.tracing:Tracing.seize",
    "shark.scribing:Scribing._start_gathering",
    "shark.content.context:Gatherer.start",
    "shark.content.context:_heads",
    "shark.capture.loop:Loop.run",
    "shark.capture.command:Command.release",
    "shark.tracing:Tracing._finish",
    "shark.tracing:Tracing._drop_journal",
    "shark.content.context:Gatherer.collect",
    "shark.content.context:_section",
    "shark.record:finish",
    "shark.record:_find_out",
    "shark.makers:makers",
    "shark.makers:_recorded",
    "shark.store.index:Index.open",
    "shark.store.index:Index.makers",
    "shark.model.run:RunModel.questions",
    "shark.content.packages:owners",
    "shark.content.packages.early:Early.owners",
    "shark.content.packages.early:Early.take_up",
    "shark.store.index:Index.catch_up",
    "shark.content.packages.deb:Deb.owners",
    "shark.content.packages.rpm:Rpm.owners",
    "shark.content.packages.conda:Conda.owners",
    "shark.content.packages.pypi:Pypi.owners",
    "shark.content.packages.cran:Cran.owners",
    "shark.content.packages.npm:Npm.owners",
    "shark.content.packages.runtimes:Runtimes.owners",
    "shark.model.questions:hash_plan",
    "shark.content.hashing:hash_files",
    "shark.content.hashing:renew",
    "shark.content.digestcache:DigestCache.close",
    "shark.content.digestcache:DigestCache._open",
    "shark.model.record:build_record",
    "shark.record:_attach",
    "shark.store.attach:Attacher.attach",
    "shark.store.home:Store.write_record",
    "shark.store.records:compress",
    "os:fdatasync",
    "os:fsync",
    "os:fork",
    "subprocess:Popen.__init__",
)
"""What is timed, wherever it is there: `module:name`, wrapped when the module has been imported."""


def main() -> int:
    mode, path = sys.argv[1:3]
    sys.argv[:] = ["shark", *sys.argv[3:]]
    path = os.path.abspath(path)
    {"calls": _calls, "samples": _samples, "phases": _phases}[mode](path)
    from shark.__main__ import main as shark

    return shark()


def _around_supervisor(wrap: Callable[[Callable[[], None]], None]) -> None:
    """Have `wrap` called in the supervisor, with what it would have done."""
    from shark import tracing

    supervise: Any = tracing.supervise
    tracing.supervise = lambda *arguments: wrap(lambda: supervise(*arguments))


def _calls(path: str) -> None:
    def wrap(supervise: Callable[[], None]) -> None:
        import cProfile

        profile = cProfile.Profile()
        try:
            profile.runcall(supervise)
        finally:
            profile.dump_stats(path)

    _around_supervisor(wrap)


def _samples(path: str) -> None:
    def wrap(supervise: Callable[[], None]) -> None:
        import signal

        lines: dict[tuple[str, str, int], int] = {}
        functions: dict[tuple[str, str], int] = {}

        def look(_: int, frame: FrameType | None) -> None:
            if frame is not None:
                line = (frame.f_code.co_filename, frame.f_code.co_qualname, frame.f_lineno)
                lines[line] = lines.get(line, 0) + 1
            seen = set()
            while frame is not None:
                function = (frame.f_code.co_filename, frame.f_code.co_qualname)
                if function not in seen:
                    seen.add(function)
                    functions[function] = functions.get(function, 0) + 1
                frame = frame.f_back

        signal.signal(signal.SIGPROF, look)
        signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
        try:
            supervise()
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            _dump(path, (lines, functions))

    _around_supervisor(wrap)


def _dump(path: str, value: Any) -> None:
    with open(path, "wb") as file:
        marshal.dump(value, file)


class _Clock:
    """Spans of this process: (depth, name, begin, end), times of the system's monotonic clock, in seconds."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._spans: list[tuple[int, str, float, float]] = []
        self._open: list[tuple[str, float]] = []
        self._left = list(PHASES)
        self._importing = False
        self._written = False
        self._import = builtins.__import__

    def install(self) -> None:
        self._spans.append((0, "python: until inside.py's first line", 0.0, _STARTED))
        builtins.__import__ = self._timed_import
        system: Any = os
        leave, execve, fork = os._exit, os.execve, os.fork

        def timed_exit(status: int) -> NoReturn:
            self.write("ends")
            leave(status)

        def timed_exec(*arguments: Any) -> NoReturn:
            if not self._written:  # once: a directory of PATH is tried after the other, and writing is traced by now
                self.write("execs")
            execve(*arguments)

        def timed_fork() -> int:
            begin = time.monotonic()
            pid = fork()
            if pid == 0:
                self._spans, self._open = [(0, "forked", begin, time.monotonic())], []
            return pid

        system._exit, system.execve, system.fork = timed_exit, timed_exec, timed_fork

    def _timed_import(self, name: str, *arguments: Any, **named: Any) -> Any:
        if self._importing:
            return self._import(name, *arguments, **named)
        self._importing = True
        known, begin = len(sys.modules), time.monotonic()
        try:
            return self._import(name, *arguments, **named)
        finally:
            self._importing = False
            if len(sys.modules) > known:
                count = len(sys.modules) - known
                self._spans.append((len(self._open), f"import {name} ({count})", begin, time.monotonic()))
                self._wrap_what_is_there()

    def _wrap_what_is_there(self) -> None:
        for phase in list(self._left):
            module, _, name = phase.partition(":")
            holder: Any = sys.modules.get(module)
            if holder is None:
                continue
            *classes, last = name.split(".")
            try:
                for part in classes:
                    holder = getattr(holder, part)
                function = getattr(holder, last)
            except AttributeError:
                continue
            self._left.remove(phase)
            if isinstance(vars(holder).get(last), classmethod):  # not there: inherited
                setattr(holder, last, classmethod(self._timed(phase, function.__func__)))
            else:
                setattr(holder, last, self._timed(phase, function))

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            begin = time.monotonic()
            mine = (name, begin)
            self._open.append(mine)
            try:
                return function(*arguments, **named)
            finally:
                if mine in self._open:
                    self._open.remove(mine)
                self._spans.append((len(self._open), name, begin, time.monotonic()))

        return timed

    def write(self, end: str) -> None:
        self._written = True
        now = time.monotonic()
        spans = [*self._spans, *((depth, name, begin, now) for depth, (name, begin) in enumerate(self._open))]
        _dump(f"{self._path}.{os.getpid()}", [*spans, (0, end, now, now)])


def _phases(path: str) -> None:
    _Clock(path).install()


if __name__ == "__main__":
    sys.exit(main())
