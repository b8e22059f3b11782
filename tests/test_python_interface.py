"""The examples in the docstrings of `import shark`, `%%shark` in IPython, and the plain functions of the interface."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from harness import World

EXAMPLES = ("shark.recordings", "shark.runs", "shark.magic")


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples(world: World, module: str) -> None:
    """The examples of the documentation do what they show."""
    world.write("number.txt", "21\n")
    code = f"""
    import doctest, importlib, os, subprocess, sys
    import shark
    shark.run(["cp", "number.txt", "copied.txt"])
    found = doctest.testmod(importlib.import_module("{module}"), extraglobs={{"os": os}})
    print(found.attempted)
    sys.exit(found.failed or not found.attempted)
    """
    command = [world.shark[0], "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=world.work, env=world.env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def interface(world: World, code: str) -> list[str]:
    command = [world.shark[0], "-c", "import os, sys, subprocess, shark\n" + textwrap.dedent(code)]
    done = subprocess.run(command, cwd=world.work, env=world.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_run(world: World) -> None:
    """`shark.run` gives the command's status and output, and its record; what subprocess.run takes, it takes."""
    world.write("in")
    assert interface(
        world,
        """
        run = shark.run(["sh", "-c", "cat; cat in > out; echo $X; exit 3"], input=b"given\\n", capture_output=True,
                        env={**os.environ, "X": "y"}, tags={"a": "b"}, name="n", ignore=["*.tmp"])
        print(run.returncode, run.stdout, run.stderr, run.exit, run.tags, run.name)
        print(run.outputs == [os.path.abspath("out")], run.complete, run.command[0], run.recording, run.values)
        print(*(shark.Run(spec).record == run.record for spec in (run.id, run.id[-8:], "@1")))
        try: shark.Run("another").record
        except shark.NotFound as problem: print(problem.message)
        """,
    ) == [
        "3 b'given\\ny\\n' b'' 3 {'a': 'b'} n",
        "True True sh None {}",
        "True True True",
        "no run 'another' in the store",
    ]


def test_run_that_fails(world: World) -> None:
    """A command that fails raises with `check` only; one that is not there, and one that is too slow, raise."""
    nowhere = "/nonexistent: no record of the run was left (exit status 127)"
    assert interface(
        world,
        """
        print(shark.run(["false"]).returncode)
        try: shark.run(["false"], check=True)
        except subprocess.CalledProcessError as problem: print(problem.returncode, problem.cmd)
        try: shark.run(["/nonexistent"], capture_output=True)
        except shark.SharkError as problem: print(problem.message, "/", problem.hint)
        try: shark.run(["sleep", "60"], timeout=0.5)
        except subprocess.TimeoutExpired: print("too slow")
        """,
    ) == [
        "1",
        "1 ['false']",
        f"{nowhere} / shark: /nonexistent: No such file or directory",
        "too slow",
    ]


def test_inspect(world: World) -> None:
    """What is known of a file, of one that nothing is known of, of a directory, and of none."""
    world.write("in")
    world.write("unknown", "of unknown origin")
    assert interface(
        world,
        """
        run = shark.run(["cp", "in", "out"])
        found = shark.inspect("out")
        print(found.state, found.source, found.command, found.run.id == run.id, end=" ")
        print(found.inputs() == [os.path.abspath("in")])
        print(found.software == run.software, found.problem == "", found.candidates)
        unknown = shark.inspect(b"unknown")
        print(unknown.state, unknown.manifest, unknown.inputs(), unknown.command, unknown.software)
        try: unknown.run
        except shark.NotFound as problem: print(problem.message)
        print(sorted(os.path.basename(each.file) for each in shark.inspect_all(".")))
        for path in (".", "nowhere"):
            try: shark.inspect(path)
            except shark.SharkError as problem: print(type(problem).__name__, problem.message)
        """,
    ) == [
        "current xattr ['cp', 'in', 'out'] True True",
        "True True []",
        "unknown None [] [] []",
        "no run is known that made unknown",
        "['in', 'out', 'unknown']",
        "SharkError . is a directory",
        "NotFound nowhere does not exist",
    ]


def test_lineage_and_impact(world: World) -> None:
    """Across runs, upstream and downstream, blocks of programs among them."""
    world.write("in")
    assert interface(
        world,
        """
        shark.run(["cp", "in", "middle"])
        with shark.recording("block"):
            with open("middle") as file, open("out", "w") as out:
                out.write(file.read() + "more")
        up, down = shark.lineage("out"), shark.impact("in")
        for document in (up, down):
            paths = {os.path.basename(n["path"]) for n in document["nodes"] if n["kind"] == "file"}
            print(sorted(paths & {"in", "middle", "out"}), sum(n["kind"] == "run" for n in document["nodes"]))
        print(len(shark.lineage("out", depth=1)["nodes"]) < len(up["nodes"]))
        """,
    ) == ["['in', 'middle', 'out'] 2", "['in', 'middle', 'out'] 2", "True"]


def test_names(world: World) -> None:
    """All names of the interface are there, whatever is imported first; others are not."""
    assert interface(
        world,
        """
        shark.recorded
        print(callable(shark.recording), set(shark.__all__) <= set(dir(shark)))
        for name in shark.__all__: getattr(shark, name)
        import shark.recordings, shark.runs
        print(callable(shark.recording), callable(shark.run), callable(shark.inspect))
        print(hasattr(shark, "nonsense"))
        """,
    ) == ["True True", "True True True", "False"]


def test_a_cell_of_a_notebook(world: World) -> None:
    """`%%shark` records a cell: what it makes, its text, what it notes; its names and its errors stay the shell's."""
    pytest.importorskip("IPython")
    world.write("in")
    lines = interface(
        world,
        """
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_line_magic("load_ext", "shark")
        shell.user_ns["factor"] = 2
        cell = "text = open('in').read() * factor\\nopen('out', 'w').write(text)\\nrec['length'] = len(text)\\ntext[:3]"
        shell.run_cell("%%shark --tag a=b the cell\\n" + cell)
        found = shark.inspect("out").run
        print(found.name, found.tags, found.values, found.recording["kind"], found.recording["source"].strip() == cell)
        print(shell.user_ns["_"], len(shell.user_ns["text"]))
        result = shell.run_cell("%%shark bad\\nopen('bad', 'w').write('x')\\n1/0")
        print(type(result.error_in_exec).__name__, shark.inspect("bad").run.recording["exception"]["type"])
        print(type(shell.run_cell("%%shark --nonsense\\n1").error_in_exec).__name__)
        """,
    )
    assert lines[1] == "the cell {'a': 'b'} {'length': 20} cell True"
    assert "the 20" in lines
    assert "ZeroDivisionError ZeroDivisionError" in lines
    assert sum("division by zero" in line for line in lines) == 1
    assert lines[-1] == "SharkError"


def test_the_shape_of_the_package() -> None:
    """The package says that it is typed."""
    import shark

    assert (Path(shark.__file__).parent / "py.typed").exists()
    assert os.path.basename(os.path.dirname(shark.__file__)) == "shark"
