"""Fixtures of all tests that run shark itself, and the rules of CI."""

from __future__ import annotations

import compileall
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from harness import MISSING_PROGRAM, MODES, NOT_HERE, TRACEES, Compiler, Run, World, describe

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")

IN_CI = os.environ.get("SHARK_CI") == "1"


TEMPORARY = pytest.StashKey[str]()
"""The directory of this session's temporary files."""


def pytest_configure(config: pytest.Config) -> None:
    """A shell that starts a suite in the background has it ignore these, and commands would inherit that.

    Each session has a directory of its own: pytest makes the one that it would share with other sessions private
    whenever one of them starts, and tests of the user nobody would lose their way to their files.
    """
    if not hasattr(config, "workerinput"):  # what the tests start writes no bytecode, and would compile each time
        compileall.compile_dir(TRACEES.parent.parent / "src", quiet=2)
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ and config.option.basetemp is None:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = config.stash[TEMPORARY] = tempfile.mkdtemp(prefix="s")
        Path(config.stash[TEMPORARY]).chmod(0o755)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):  # nohup ignores the latter
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """What a session that has failed left is there to be looked at."""
    directory = session.config.stash.get(TEMPORARY, "")
    if directory and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        shutil.rmtree(directory, ignore_errors=True)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI everything that .ci/run installs is there: a test that skips for want of a program has failed."""
    outcome = yield
    report = outcome.get_result()
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MISSING_PROGRAM in reason or "could not import" in reason:
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid}: skipped in CI, where nothing may be absent: {reason}"


@pytest.fixture(scope="session")
def tracee(tmp_path_factory: pytest.TempPathFactory) -> Compiler:
    """`tracee(name, *flags)` gives the path of the compiled tests/tracees/NAME.c."""
    directory = tmp_path_factory.mktemp("tracees")
    directory.chmod(0o755)
    return Compiler(directory)


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Both modes of tracing: every test that asks for it runs twice."""
    return str(request.param)


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world of the test's own; when it is over, neither a process nor a file of shark may be left in it.

    A test that takes too long fails, but on its way out it would wait for its processes: those are ended then.
    """
    here = World(tmp_path)
    marker = request.node.get_closest_marker("timeout")
    limit = float(marker.args[0] if marker else request.config.getini("timeout"))
    ending = threading.Timer(limit + 5, here.kill)
    ending.daemon = True
    ending.start()
    yield here
    ending.cancel()
    left = here.settle()
    seen = describe(left)
    here.kill()
    here.forget_rings()
    assert not left, f"left over after the test:\n{seen}"
    assert here.leftovers() == []


@pytest.fixture
def shark_run(world: World, mode: str) -> Callable[..., Run]:
    """`shark_run(argv, *options)` runs a command under shark in the mode of the moment."""

    def run(argv: Any, *options: str, **how: Any) -> Run:
        return world.run(argv, *options, mode=how.pop("mode", mode), **how)

    return run


@pytest.fixture
def trace(shark_run: Callable[..., Run], tracee: Compiler) -> Callable[..., Run]:
    """`trace(name, *arguments)` runs a tracee under shark; it must end with `status`, unless it says "not here"."""

    def run(name: str, *arguments: str, flags: tuple[str, ...] = (), status: int | None = 0, **how: Any) -> Run:
        options = how.pop("options", ())
        result = shark_run([tracee(name, *flags), *arguments], *options, **how)
        if result.status == NOT_HERE:
            pytest.skip(f"not possible here: {result.stdout.decode(errors='replace').strip()}")
        if status is not None:
            assert result.status == status, f"{name} ended with {result.status}: {result.stdout!r} {result.stderr!r}"
        return result

    return run
