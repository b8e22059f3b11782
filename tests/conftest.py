"""Fixtures of all tests that run shark itself, and the rules of CI."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import MISSING_PROGRAM, MODES, NOT_HERE, Compiler, Run, World, describe

IN_CI = os.environ.get("SHARK_CI") == "1"


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
def world(tmp_path: Path) -> Iterator[World]:
    """A world of the test's own; when it is over, neither a process nor a file of shark may be left in it."""
    here = World(tmp_path)
    yield here
    left = here.settle()
    seen = describe(left)
    here.kill()
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
