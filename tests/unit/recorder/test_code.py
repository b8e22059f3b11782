"""The code that is put into other people's programs: what it may consist of, and what compilers say of it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from harness import need
from shark.recorder import layout, signals
from shark.recorder.native import Native

from .rings import library

SOURCES = Path(layout.__file__).parent

ALLOWED = frozenset(
    (
        *("mov", "movb", "movl", "movq", "movabs", "movzwl", "lea", "lahf", "sahf", "seto", "xadd", "btsl", "inc"),
        *("add", "and", "or", "shl", "shr", "xor", "imul", "movzbl", "incq", "test", "cmp", "cmpb", "cmpl", "syscall"),
        *("jmp", "jae", "jb", "je", "jle", "jne", "js", "ud2"),
    )
)
"""Nothing that touches a stack, floating point or vectors, or that a direction flag changes."""

LINE = re.compile(r"^\s*([0-9a-f]+):\t((?:[0-9a-f]{2} )+)\s*\t?(.*)$")


class Instruction(NamedTuple):
    """One line of a disassembly."""

    address: int
    size: int
    name: str
    rest: str


@pytest.fixture(scope="module")
def native() -> Native:
    """The compiled part."""
    return library()


def disassembled(code: bytes, start: int, folder: Path) -> list[Instruction]:
    """What objdump makes of code that lies at `start`."""
    need("objdump")
    file = folder / "code"
    file.write_bytes(code)
    command = ["objdump", "-D", "-w", "-b", "binary", "-m", "i386:x86-64", f"--adjust-vma={start:#x}", str(file)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = []
    for line in out.splitlines():
        match = LINE.match(line)
        if match:
            name, _, rest = match[3].strip().partition(" ")
            if name == "lock":
                name, _, rest = rest.strip().partition(" ")
            found.append(Instruction(int(match[1], 16), len(match[2].split()), name, rest.strip()))
    assert sum(one.size for one in found) == len(code)
    return found


@pytest.fixture(scope="module")
def parts(native: Native, tmp_path_factory: pytest.TempPathFactory) -> list[list[Instruction]]:
    """The stub proper, and the code of the injection: between the two lies one byte, an empty string."""
    folder = tmp_path_factory.mktemp("stub")
    end = native.injection - 1
    assert native.stub[end] == 0
    return [
        disassembled(native.stub[:end], layout.CODE, folder),
        disassembled(native.stub[native.injection :], layout.CODE + native.injection, folder),
    ]


def test_size(native: Native) -> None:
    """It fits into its one page, with the path of the ring behind it."""
    assert len(native.stub) + 300 < layout.PAGE - layout.CODE


def test_only_harmless_instructions(parts: list[list[Instruction]]) -> None:
    """No stack, no calls, no floating point, no vectors, no string instructions, no segments."""
    for one in (one for part in parts for one in part):
        assert one.name in ALLOWED, one
        assert not re.search(r"%(rsp|esp|rbp|ebp|fs|gs|[xyz]mm|st\b|mm)", one.rest), one


def test_no_way_out(parts: list[list[Instruction]], native: Native) -> None:
    """Jumps lead to instructions of the same part, but for the two that go back to the site; no data but its own."""
    empty = layout.CODE + native.injection - 1
    for part in parts:
        starts = {one.address for one in part}
        ways_out = [one.rest for one in part if one.name == "jmp" and one.rest.startswith("*")]
        assert set(ways_out) <= {"*%r11", "*%rcx"}
        for one in part:
            if one.name.startswith("j") and not one.rest.startswith("*"):
                assert int(one.rest, 16) in starts, one
            if "(%rip)" in one.rest:
                assert int(one.rest.split("#")[1], 16) == empty, one
    assert parts[1][-1].name == "ud2"


def test_memory(parts: list[list[Instruction]]) -> None:
    """It writes through two registers only, which hold its slots, and into the ring's head and clock."""
    page = range(layout.PAGE, layout.PAGE + 16)
    ring = range(layout.RING, layout.RING + layout.RING_SLOTS)
    for one in parts[0]:
        operands = re.split(r",(?![^(]*\))", one.rest)
        target = operands[-1]
        writes = one.name.startswith(("mov", "xadd", "bts", "inc", "add")) and not one.name.startswith("movz")
        if writes and "(" in target:
            assert re.fullmatch(r"(0x[0-9a-f]+)?\(%r[bc]x(,%rdx,1)?\)", target), one
        for absolute in re.findall(r"(?<![$\w])0x([0-9a-f]{8})(?![\w(])", one.rest):
            if not one.name.startswith(("j", "lea")):
                assert int(absolute, 16) in page or int(absolute, 16) in ring, one
        if writes and re.fullmatch(r"0x[0-9a-f]{8}", target):
            assert int(target, 16) in ring, one


def test_zones_cover_it(parts: list[list[Instruction]], native: Native) -> None:
    """Each instruction has one zone, zones begin at instructions, and the injection is a zone of its own."""
    offsets = [offset for offset, _ in native.zones]
    assert offsets[0] == 0
    assert offsets == sorted(offsets)
    starts = {one.address - layout.CODE for part in parts for one in part}
    assert set(offsets) <= starts
    assert native.zones[-1] == (native.injection, layout.ZONE_INJECTION)
    names = {value for name, value in vars(layout).items() if name.startswith("ZONE_")}
    assert {zone for _, zone in native.zones} == names
    for part in parts:
        for one in part:
            zone = signals.zone_of(native, one.address - layout.CODE)
            assert (zone == layout.ZONE_INJECTION) == (part is parts[1])


def test_calls(parts: list[list[Instruction]], native: Native) -> None:
    """Each call has a zone before and another one behind: what holds changes; only the base of names stays done."""
    zones = []
    for one in parts[0]:
        if one.name == "syscall":
            at = one.address - layout.CODE
            zones.append((signals.zone_of(native, at), signals.zone_of(native, at + one.size)))
    ready, done, handled = layout.ZONE_READY, layout.ZONE_DONE, layout.ZONE_HANDLED
    assert zones == [(ready, layout.ZONE_RETURNED), (done, done), (done, done), (done, handled)]


def test_compiler() -> None:
    """gcc and its analyzer find nothing to warn of."""
    need("gcc")
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-fanalyzer", "-fPIC", "-c", "-o", "/dev/null"]
    sources = sorted(SOURCES.glob("*.[cS]"))
    assert len(sources) > 1
    for source in sources:
        made = subprocess.run([*command, str(source)], capture_output=True, text=True)
        assert (made.returncode, made.stderr) == (0, "")


def test_cppcheck() -> None:
    """cppcheck finds nothing to warn of."""
    need("cppcheck")
    checks = ["--enable=warning,style,performance,portability", "--suppress=unusedStructMember", "--error-exitcode=1"]
    sources = sorted(map(str, SOURCES.glob("*.c")))
    assert sources
    done = subprocess.run(["cppcheck", "--quiet", *checks, *sources], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
