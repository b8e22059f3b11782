"""What a shell reads by itself, and what it opens for others: nothing is missed, and what it knew decides only."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Run, World, need
from real.test_real_flow import flows

SHELLS = ("dash", "bash")
CASES: dict[str, tuple[str, str, str]] = {
    "a program's output": ("x=$(cat c); cat a > o", "a", "c"),
    "a subshell's program": ("x=$(cat c); (exec cat a) > o", "a", "c"),
    "the shell and a program": ("x=$(cat c); (echo $x; exec cat a) > o", "ac", ""),
    "a group": ("read x < c; { cat a; } > o", "a", "c"),
    "an input by redirection": ("read x < c; cat < a > o", "a", "c"),
    "a pipe": ("read x < c; cat a | cat > o", "a", "c"),
    "an open descriptor": ("read x < c; exec 3> o; cat a >&3", "a", "c"),
    "an open descriptor, and the shell": ("read x < c; exec 3> o; cat a >&3; echo $x >&3", "ac", ""),
    "a loop over lines": ("while read x; do cat a; done < c > o", "ac", ""),
    "one output after the other": ("cat c > o; cat a > o", "a", ""),
    "a loop, then the shell": ("for f in c b; do cat $f; done > o; read x < a; echo $x > o", "a", ""),
    "two that append at once": ("cat a >> o & cat c >> o & wait", "ac", ""),
    # A file that was opened for a program before, and is read by the shell now.
    "opened again": ("cat < c > p; read x < c; echo $x > o", "c", ""),
    "opened again and held": ("cat < c > p; cat b > p; exec 4< c; cat b > p; read y <&4; echo $y > o", "c", ""),
    "opened again, for once": ("cat < c > p; cat < c > p; cat b > p; read y < c; cat b > p; echo $y > o", "c", ""),
    "opened early": ("exec 4< c; exec 3> p; exec 3>&-; cat < b > p; read x <&4; echo $x > o", "c", ""),
    "changed while it is held": (
        "read x < c; cat b > p; exec 4< c; cat a >> c; read y <&4; read z <&4; echo $z > o",
        "ac",
        "",
    ),
}
DOUBTFUL = {"opened early", "opened again, for once", "opened again and held"}
"""Of which of the files that it had open a shell has read is not known to the last."""


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("case", CASES)
def test_what_a_shell_reads(shark_run: Callable[..., Run], world: World, shell: str, case: str) -> None:
    """All that reached the output, and what was only known to the shell when it started a program, as a control."""
    need(shell)
    for name in "abc":
        world.write(name, f"{name}\n")
    text, inputs, controls = CASES[case]
    run = shark_run([shell, "-c", f"{text}; true"])
    assert run.status == 0, run.stderr
    found = flows(run, "o")
    assert found[0] >= set(inputs)
    assert found[0] | found[1] >= set(inputs + controls)
    if case not in DOUBTFUL:
        assert found == (set(inputs), set(controls))


@pytest.mark.parametrize("shell", SHELLS)
def test_what_a_shell_was_started_with(shark_run: Callable[..., Run], world: World, shell: str) -> None:
    """Its standard input is a file like any other that it may read."""
    need(shell)
    world.write("a", "a\n")
    with open(world.work / "a", "rb") as stream:
        run = shark_run([shell, "-c", "read x; echo $x > o"], stdin=stream.fileno())
    assert run.status == 0, run.stderr
    assert flows(run, "o")[0] == {"a"}
