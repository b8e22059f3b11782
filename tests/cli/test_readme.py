"""The documents keep their word: the README's examples run and print what they show, and links lead somewhere.

A ```console block below `<!-- tested -->` is run, all of them in one directory, in their order; a block marked
`<!-- tested: PROGRAM -->` only where that program is. A line `…` stands for any lines, `…` inside a line for any text;
moments, durations, digests, run ids and the width of columns may differ.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Shark

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "ci").rglob("*.md")]

BLOCK = re.compile(
    r"^<!-- tested(?:: (?P<needs>[^\n]*?))? -->\n```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?( UTC)?"), "MOMENT"),
    (re.compile(r"\(?(just now|\d+ (second|minute)s? ago)\)?"), "AGO"),
    (re.compile(r"\b\d+(\.\d+)? s\b"), "SECONDS"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{8}\b"), "RUN"),
    (re.compile(r"(?<=\S) {2,}"), "  "),
)


def normal(line: str) -> str:
    for pattern, word in VARIABLE:
        line = pattern.sub(word, line)
    return line.rstrip()


def matches(shown: list[str], printed: list[str]) -> bool:
    """Compare line by line; `…` alone stands for any number of lines."""
    if not shown:
        return not printed
    if shown[0] == "…":
        return any(matches(shown[1:], printed[n:]) for n in range(len(printed) + 1))
    pattern = ".*".join(re.escape(part) for part in normal(shown[0]).split("…"))
    return bool(printed) and re.fullmatch(pattern, normal(printed[0])) is not None and matches(shown[1:], printed[1:])


def steps(text: str) -> list[tuple[str, list[str]]]:
    """(command, the lines that it shall print) of a block."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def test_examples_of_the_readme(shark: Shark, tmp_path: Path) -> None:
    """Every example marked as tested does what the README shows."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "shark").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m shark "$@"\n')
    (programs / "shark").chmod(0o755)
    environ = {**shark.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    blocks = list(BLOCK.finditer(README))
    assert len(blocks) > 5
    for block in blocks:
        if all(map(shutil.which, (block["needs"] or "").split())):
            for command, shown in steps(block["text"]):
                done = subprocess.run(
                    command, shell=True, cwd=shark.work, env=environ, capture_output=True, text=True, timeout=60
                )
                assert done.stderr == "", command
                assert matches(shown, done.stdout.splitlines()), f"$ {command}\n{done.stdout}\nexpected:\n{shown}"


def anchors(document: Path) -> set[str]:
    """The fragments that the headings of a Markdown file give (GitHub's rule)."""
    heads = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links(document: Path) -> None:
    """Every relative link of a document leads to a file, and its fragment to a heading."""
    text = re.sub(r"^```.*?^```", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, fragment = link.partition("#")
        target = (document.parent / path) if path else document
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link
