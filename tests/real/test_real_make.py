"""make -j2 of a small C library with a header, an archive and a program."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness import Run, World, need, sha256
from real.packages import deb

MAKEFILE = """
CC = gcc
OBJECTS = one.o two.o three.o

program: main.o libsmall.a
\t$(CC) -o $@ main.o libsmall.a

libsmall.a: $(OBJECTS)
\tar rcs $@ $(OBJECTS)

%.o: %.c small.h
\t$(CC) -O1 -c -o $@ $<
"""

MAIN = """
#include "small.h"
#include <stdio.h>
int main(void) { return printf("%d\\n", one() + two() + three()) < 0; }
"""

SOURCES = ("main", "one", "two", "three")


def build(shark_run: Callable[..., Run], world: World, target: str) -> tuple[Run, dict[str, str]]:
    """Build under shark; returns the run and the digests of the sources."""
    need("make", "gcc", "ar")
    sources = {"small.h": world.write("small.h", "int one(void);\nint two(void);\nint three(void);\n")}
    for number, name in enumerate(SOURCES[1:], start=1):
        text = f'#include "small.h"\nint {name}(void) {{ return {number}; }}\n'
        sources[f"{name}.c"] = world.write(f"{name}.c", text)
    sources["main.c"] = world.write("main.c", MAIN)
    sources["Makefile"] = world.write("Makefile", MAKEFILE)
    run = shark_run(["make", "-j2", target])
    assert run.status == 0, run.stderr
    return run, sources


def test_make(shark_run: Callable[..., Run], world: World) -> None:
    """Objects, archive and program are outputs; the program's inputs are all sources and the Makefile, as code."""
    run, sources = build(shark_run, world, "program")
    made = [f"{name}.o" for name in SOURCES] + ["libsmall.a", "program"]
    assert run.outputs == {name: sha256(world.work / name) for name in made}
    inputs = run.inputs("program", role=None)
    assert inputs == sources
    assert run.inputs("program", role="data") == {}
    assert run.software["deb", "make"] == deb("make")
    assert run.software["deb", "binutils-x86-64-linux-gnu"] == deb("binutils-x86-64-linux-gnu")
    assert run.software["deb", "cpp-12"] == deb("cpp-12")
    assert run.gaps == set()
    # The compiler's temporary files are gone, and were none of the outputs.
    assert all(run.name(output["path"]) for output in run.record["outputs"])


def test_make_again(shark_run: Callable[..., Run], world: World) -> None:
    """A second make, after one source changed, makes three files anew and only those."""
    build(shark_run, world, "program")
    changed = b'#include "small.h"\nint two(void) { return 20; }\n'
    (world.work / "two.c").write_bytes(changed)
    run = shark_run(["make", "-j2", "program"])
    assert run.status == 0, run.stderr
    assert run.outputs == {name: sha256(world.work / name) for name in ("two.o", "libsmall.a", "program")}
    assert run.inputs("two.o", role=None).keys() >= {"two.c", "small.h", "Makefile"}


def test_lists_of_dependencies(shark_run: Callable[..., Run], world: World) -> None:
    """A build tool that reads what the compiler says of each source makes no object out of all of them."""
    need("make", "gcc")
    rules = "%.d: %.c\n\tgcc -MM -MF $@ $<\n%.o: %.c\n\tgcc -c -o $@ $<\n-include one.d two.d\n"
    world.write("Makefile", "all: one.o two.o\n" + rules)
    for name in ("one", "two"):
        world.write(f"{name}.c", f"int {name};\n")
    run = shark_run(["make"])
    assert run.status == 0, run.stderr
    for name in ("one", "two"):
        assert run.inputs(f"{name}.o", role=None).keys() == {f"{name}.c", "Makefile"}
    controls = {run.name(entry["path"]) for entry in run.manifest("two.o")["controls"]}
    assert controls == {"one.c"}


@pytest.mark.parametrize("recipe", ["gcc -c -o $@ $<", "gcc -c -o $@ $<; true"], ids=["program", "shell"])
def test_output_that_is_kept(shark_run: Callable[..., Run], world: World, recipe: str) -> None:
    """What make keeps until a recipe is over lies in files that the recipes could read, but do not."""
    need("make", "gcc")
    world.write("Makefile", f"all: one.o two.o three.o\n%.o: %.c\n\t{recipe}\n")
    for name in SOURCES[1:]:
        world.write(f"{name}.c", f"int {name};\n")
    run = shark_run(["make", "-s", "-j2", "--output-sync"])
    assert run.status == 0, run.stderr
    for name in SOURCES[1:]:
        assert run.inputs(f"{name}.o", role=None).keys() == {f"{name}.c", "Makefile"}


PIPES = {
    "moved": "exec 3>&1; cat in >&3",
    "substituted": "exec 3< <(cat in); cat <&3",
}


@pytest.mark.parametrize("how", PIPES)
def test_pipes_under_the_numbers_of_the_job_server(shark_run: Callable[..., Run], world: World, how: str) -> None:
    """All that make runs is told of its job server, whose descriptors only other makes get: those are pipes of data."""
    need("make", "bash")
    world.write("in", "the input\n")
    world.write("step.sh", PIPES[how])
    world.write("Makefile", "SHELL = /bin/bash\nout: in\n\t@bash step.sh | sort > out\n")
    run = shark_run(["make", "-s", "-j2"])
    assert (run.status, world.read("out")) == (0, b"the input\n")
    assert {"in", "step.sh"} <= set(run.inputs("out", role=None))
