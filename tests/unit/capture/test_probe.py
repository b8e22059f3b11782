"""What a machine allows: every way in which tracing can be forbidden, from facts; and the attempt itself."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from shark.capture import probe
from shark.capture.probe import Facts, Place
from shark.capture.trial import Trial, attempt

GOOD = Facts(release="6.1.0", machine="x86_64", trial=Trial(0, 0, True), git="/usr/bin/git", managers=("dpkg",))


def state(facts: Facts, name: str) -> tuple[str, str]:
    [check] = [check for check in probe.checks(facts) if check.name == name]
    return check.state, check.detail + " " + check.advice


def test_a_good_machine():
    """Nothing to complain of."""
    assert {check.state for check in probe.checks(GOOD)} == {"ok"}


@pytest.mark.parametrize(
    ("release", "expected"),
    [("5.3.0-1-amd64", "ok"), ("5.2.21", "fail"), ("4.19.0", "fail"), ("10.0", "ok"), ("unheard-of", "ok")],
)
def test_kernels(release, expected):
    """5.3 or later; a release that does not say is left to the attempt."""
    assert state(replace(GOOD, release=release), "kernel")[0] == expected


def test_an_unknown_machine():
    """Without a table of its calls there is nothing to attempt."""
    facts = replace(GOOD, machine="riscv64", supported=False, trial=None)
    assert state(facts, "kernel")[0] == "fail"
    assert state(facts, "tracing")[0] == "fail"


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        ({"yama": 2}, "sysctl kernel.yama.ptrace_scope=1"),
        ({"yama": 3}, "until the next boot"),
        ({"deny_ptrace": True}, "setsebool deny_ptrace 0"),
        ({"container": "docker", "yama": 1}, "--cap-add=SYS_PTRACE"),
        ({"tracer": "gdb"}, "call shark outside"),
        ({}, "security module or sandbox"),
    ],
)
def test_each_way_of_forbidding_has_its_advice(change, advice):
    """The reason that is known decides what to do."""
    facts = replace(GOOD, trial=Trial(errno.EPERM, None, False), **change)
    failed, text = state(facts, "tracing")
    assert failed == "fail"
    assert advice in text
    assert state(facts, "filter")[0] == "fail"


@pytest.mark.parametrize(("trial", "expected"), [(Trial(0, errno.EINVAL, False), "warn"), (Trial(0, 0, False), "warn")])
def test_without_filters_it_works_slowly(trial, expected):
    """As on gVisor: a warning, with the option that asks for it."""
    found, text = state(replace(GOOD, trial=trial), "filter")
    assert found == expected
    assert "--no-seccomp" in text


def test_an_attempt_that_hangs():
    """No answer is no permission."""
    assert state(replace(GOOD, trial=Trial(None, None, False)), "tracing")[0] == "fail"


@pytest.mark.parametrize(
    ("place", "name", "expected", "said"),
    [
        (Place("here", "/w", 60_000), "attributes", "ok", "large manifests too"),
        (Place("here", "/w", 900), "attributes", "ok", "sidecars"),
        (Place("here", "/w", 0), "attributes", "warn", "sidecars"),
        (Place("here", "/w", trouble="read-only file system"), "attributes", "warn", "read-only"),
        (Place("store", "/s", trouble="permission denied"), "store", "warn", "SHARK_HOME"),
        (Place("store", "/s", free=1000), "space", "warn", "0 MB"),
        (Place("store", "/s", free=10**12), "space", "ok", "1000.0 GB"),
    ],
)
def test_places(place, name, expected, said):
    """Attributes where outputs are; room and permission where records are."""
    found, text = state(replace(GOOD, places=(place,)), name)
    assert found == expected
    assert said in text


def test_what_else_is_missing():
    """Without git or packages less is recorded, and that is said."""
    facts = replace(GOOD, git="", managers=(), tracer="strace", container="podman")
    assert state(facts, "git")[0] == state(facts, "packages")[0] == state(facts, "traced")[0] == "warn"
    assert "podman" in state(facts, "container")[1]


def test_a_place_is_left_as_it_was(tmp_path: Path):
    """Looking leaves nothing behind; of a directory that is not there, its parent is looked at."""
    place = probe.look_at_place("here", str(tmp_path / "a/b"))
    assert place.trouble == ""
    assert place.free is not None
    assert list(tmp_path.iterdir()) == []
    assert probe.look_at_place("here", "/proc").trouble


def test_facts_of_this_machine(tmp_path: Path):
    """They are gathered without an error, and named after what is there."""
    facts = probe.gather(str(tmp_path), "", {"container": "lxc", "CONDA_PREFIX": str(tmp_path)})
    assert facts.release == os.uname().release
    assert [place.label for place in facts.places] == ["here"]
    assert "conda" not in facts.managers
    assert "lxc" in (facts.container or "lxc") or facts.container


def test_the_attempt_leaves_no_process():
    """It comes to an answer, and both children are gone."""
    trial = attempt()
    assert trial.seize is not None
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
