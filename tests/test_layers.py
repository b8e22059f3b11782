"""A module imports only from its own layer or those before it (ARCHITECTURE, "Layers"); start-up stays light."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "shark"

WORDS, MODEL, CAPTURE, CONTENT, STORE, VIEW, APPLICATION = range(7)

LAYERS = {
    "errors": WORDS,
    "events": WORDS,
    "values": WORDS,
    "jsontext": WORDS,
    "tuples": WORDS,
    "kinds": WORDS,
    "escaping": WORDS,
    "model": MODEL,
    "capture": CAPTURE,
    "recorder": CAPTURE,
    "content": CONTENT,
    "store": STORE,
    "export": VIEW,
    "view": VIEW,
}
"""Module or folder -> layer; everything else is application."""

PURE_FORBIDDEN = {"os", "io", "time", "socket", "subprocess", "pathlib", "shutil", "tempfile", "random", "platform"}
"""What the model may not import: the file system, the clock, the environment (invariant 1)."""

PURE_NAMES = {"os": {"fsdecode", "fsencode", "path"}, "pathlib": {"PurePath", "PurePosixPath"}}
"""Names of those modules that are pure functions of their arguments."""

HEAVY = {"click", "rich", "sqlite3", "psutil", "packageurl", "xattr", "asyncio", "pathspec", "ptrace"}
"""What `shark run` may not import before the command starts: each costs 10 to 80 ms."""

AVOIDED = {"typing", "re", "json", "dataclasses", "inspect", "subprocess", "socket"}
"""What the supervisor does without as well: 2 to 10 ms each, in a row with all the rest that a command waits for."""


def modules() -> list[Path]:
    """All source files of shark."""
    return sorted(SOURCE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The file's place below src/shark, as a test's id."""
    return str(path.relative_to(SOURCE))


def layer(dotted: str) -> int:
    """The layer of shark.X.Y."""
    parts = dotted.split(".")
    if len(parts) < 2:
        return WORDS  # the package itself: its version
    return LAYERS.get(parts[1], APPLICATION)


def imports(tree: ast.Module, package: str) -> Iterator[tuple[str, str | None]]:
    """(module, name) of all imports of a file, lazy ones included; those for type checking only are left out."""
    hidden = {id(inner) for node in ast.walk(tree) if is_type_checking(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(
                    [*package.split(".")[: len(package.split(".")) - node.level + 1], *filter(None, [base])]
                )
            yield from ((base, alias.name) for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    """`if TYPE_CHECKING:`"""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_part(name: str) -> bool:
    """Whether `from shark import NAME` means a module or folder of shark."""
    return (SOURCE / name).exists() or (SOURCE / f"{name}.py").exists()


def package_of(path: Path) -> str:
    """The dotted package in which a file lies."""
    return ".".join(["shark", *path.relative_to(SOURCE).parent.parts])


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    """No module imports from a layer behind its own."""
    own = layer(".".join(["shark", *path.relative_to(SOURCE).with_suffix("").parts]))
    if path.name == "__init__.py" and path.parent == SOURCE:
        own = APPLICATION
    for module, name in imports(ast.parse(path.read_bytes()), package_of(path)):
        whole = f"shark.{name}" if module == "shark" and name and is_part(name) else module
        if whole.split(".")[0] == "shark":
            assert layer(whole) <= own, f"imports {whole}, which is of a later layer"


@pytest.mark.parametrize("path", [p for p in modules() if "model" in p.relative_to(SOURCE).parts], ids=name_of)
def test_the_model_is_pure(path: Path) -> None:
    """The model imports nothing that touches the file system, the clock or the environment, and opens nothing."""
    tree = ast.parse(path.read_bytes())
    for module, name in imports(tree, package_of(path)):
        root = module.split(".")[0]
        if root in PURE_FORBIDDEN and name not in PURE_NAMES.get(root, set()) and module != "os.path":
            used = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and is_name(n.value, root)}
            allowed = PURE_NAMES.get(root, set())
            assert name is None, f"imports {name} from {module}"
            assert used <= allowed, f"uses {root}.{sorted(used - allowed)}"
    if "schema" not in path.stem:
        calls = {
            node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert "open" not in calls


def is_name(node: ast.AST, name: str) -> bool:
    """A bare name."""
    return isinstance(node, ast.Name) and node.id == name


def test_run_imports_only_what_it_needs(tmp_path: Path) -> None:
    """`shark run` reaches its command without click, rich and their like."""
    env = {**os.environ, "SHARK_HOME": str(tmp_path / "store"), "XDG_CACHE_HOME": str(tmp_path)}
    command = [sys.executable, "-X", "importtime", "-m", "shark", "run", "--attach", "none", "--", "true"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    imported = {line.split("|")[-1].strip().split(".")[0] for line in done.stderr.splitlines() if "import time" in line}
    assert "shark" in imported
    assert imported & HEAVY == set()


def test_the_supervisor_avoids_what_is_slow_to_import() -> None:
    """What the command's process and its supervisor import, in an interpreter without a site's own start-up files."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import shark.cli.run, shark.running, shark.tracing, "
        "shark.capture.filter, shark.front, shark.extras, shark.around, shark.saved; "
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(SOURCE.parent)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & (HEAVY | AVOIDED) == set()


def test_the_scribe_avoids_what_is_slow_to_import() -> None:
    """What it imports before the end of a short run, whose parent waits; more comes while there is nothing to do."""
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import shark.cli.run, shark.running, shark.scribing as it; "
        "it.Scribing._get_ready(type('', (), {'_spill': 0})()); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(SOURCE.parent)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    slow = HEAVY | AVOIDED | {"hashlib", "_hashlib", "datetime", "orjson"}
    assert set(done.stdout.split()) & slow == set()


@pytest.mark.parametrize("module", ["makers", "store.index", "store.read", "content.digestcache", "content.hashing"])
def test_what_a_run_with_files_of_its_own_needs_is_quick_to_import(module: str) -> None:
    """Whoever waits for the end of a short run waits for this, too: as the scribe asks which run made an input."""
    script = f"import sys; sys.path.insert(0, sys.argv[1]); import shark.{module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, str(SOURCE.parent)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) & (HEAVY | AVOIDED) == set()
