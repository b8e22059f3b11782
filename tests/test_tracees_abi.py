"""Both system call tables of x86-64, static programs, and numbers of x32 (TRACING, "Both ABIs")."""

from __future__ import annotations

import platform
from collections.abc import Callable

import pytest

from harness import Run, World, digest

Trace = Callable[..., Run]

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the tables of x86-64")

CONTENT = b"the input\n"


@pytest.mark.parametrize("flags", [(), ("-static",), ("-m32",), ("-m32", "-static")], ids=" ".join)
def test_a_program_of_either_abi(trace: Trace, world: World, flags: tuple[str, ...]) -> None:
    """The same program, 64-bit and i386, dynamic and static, gives the same record."""
    world.write("in", CONTENT)
    run = trace("open_plain", flags=flags)
    assert run.reads == {"in"}
    assert run.writes == {"out"}
    assert run.inputs("out") == {"in": digest(CONTENT)}
    assert run.gaps == set()


@pytest.mark.parametrize(
    "arguments",
    [["open_thread"], ["vfork"], ["o_tmpfile"], ["openat2"], ["renames", "tmp"], ["renames", "noreplace"], ["creat"]],
    ids="-".join,
)
def test_i386_calls(trace: Trace, world: World, arguments: list[str]) -> None:
    """The 32-bit table's own numbers for opening, renaming, linking and forking."""
    for name in ("in", "early", "sub/in"):
        world.write(name, CONTENT)
    run = trace(*arguments, flags=("-m32",))
    assert run.outputs == {"out": digest(CONTENT)}
    assert run.reads & {"in", "sub/in"}
    assert run.gaps == set()


@pytest.mark.parametrize("how", ["truncate", "ftruncate", "append", "fallocate"])
def test_i386_changes(trace: Trace, world: World, how: str) -> None:
    """The 32-bit table's truncate, ftruncate and fallocate, whose 64-bit lengths come in two registers."""
    old = world.write("data", b"old content\n")
    run = trace("in_place", how, flags=("-m32", "-D_FILE_OFFSET_BITS=64"))
    assert run.outputs == {"data": digest(world.read("data"))}
    assert run.inputs("data") == {"data": old}


def test_32_bit_calls_of_a_64_bit_process(trace: Trace, world: World) -> None:
    """`int $0x80` in a 64-bit program is decoded with the 32-bit table."""
    world.write("in", CONTENT)
    run = trace("int80")
    assert run.reads == {"in"}
    assert run.inputs("out") == {"in": digest(CONTENT)}


def test_x32_numbers(trace: Trace, world: World) -> None:
    """Where the kernel takes x32 calls, they are seen; where not, nothing is made of them."""
    world.write("in", CONTENT)
    run = trace("x32")
    works = (world.work / "x32-works").exists()
    assert ("in" in run.reads) is works
    assert "out" in run.outputs
