"""`import shark`: what a Python program records of itself, and that it is the same program with and without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import shark
from harness import MODES, Run, World, digest, need_root

PRELUDE = """
import os, signal, subprocess, sys, threading
import shark
def put(name, text="x"):
    with open(name, "w") as file:
        file.write(text)
def tracer():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("TracerPid"))
"""


Record = dict[str, Any]


def program(world: World, code: str, *, status: int = 0) -> tuple[list[str], dict[str, Record]]:
    """Run a program that uses shark; the lines that it printed, and the records by their names (or ids)."""
    world.write("program.py", PRELUDE + textwrap.dedent(code))
    known = set(world.record_paths())
    command = [world.shark[0], "program.py"]
    done = subprocess.run(command, cwd=world.work, env=world.env, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert done.stderr == "" or status, done.stderr
    assert world.settle() == []
    records = world.finished(0, b"", b"", None, known).records
    return done.stdout.splitlines(), {record.get("name") or record["id"]: record for record in records}


def outputs(record: dict[str, Any]) -> set[str]:
    return {os.path.basename(output["path"]) for output in record["outputs"]}


def seen(world: World, record: dict[str, Any]) -> Run:
    return Run(0, b"", b"", None, record, [record], world.work)


def test_a_block_is_recorded(world: World) -> None:
    """What is read and written inside of the block is its run, what comes before and after is not."""
    world.write("in")
    lines, records = program(
        world,
        """
        put("before")
        with shark.recording("block", tags={"stage": "2"}) as rec:
            rec["number"] = 3
            rec["list"] = [1, 2.5, None, {"a": True}]
            with open("in") as file:
                put("out", file.read())
            assert tracer()
        put("after")
        print(tracer(), rec.id, rec.run.outputs, rec.run.values["number"])
        """,
    )
    record = records["block"]
    assert outputs(record) == {"out"}
    run = seen(world, record)
    assert set(run.inputs("out")) == {"in"}
    assert "program.py" in run.inputs("out", "code")
    assert lines == [f"0 {record['id']} ['{world.work}/out'] 3"]
    assert record["tags"] == {"stage": "2"}
    assert record["values"] == {"number": 3, "list": [1, 2.5, None, {"a": True}]}
    about = {"kind": "block", "file": f"{world.work}/program.py", "outcome": "returned"}
    assert {key: value for key, value in record["recording"].items() if key != "line"} == about
    assert record["coverage"]["complete"]
    assert "exit" not in record["command"]
    jsonschema.validate(record, _schema())


def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(shark.__file__).parent / "schemas" / "run-1.json").read_text())
    return found


def test_a_function_is_recorded(world: World) -> None:
    """Each call is a run: name, file, line, arguments, defaults too, and result; secrets are masked, texts bounded."""
    _, records = program(
        world,
        """
        @shark.recorded
        def fit(a, *more, password="hunter2", **named):
            "The fit."
            put("out", str(a))
            return "y" * 5000
        assert fit.__name__ == "fit" and fit.__doc__ == "The fit."
        assert len(fit(1, 2, 3, long="z" * 5000)) == 5000
        """,
    )
    about = records["fit"]["recording"]
    assert (about["kind"], about["function"], about["outcome"]) == ("function", "__main__.fit", "returned")
    assert about["line"] > 10
    assert about["arguments"]["a"] == "1"
    assert about["arguments"]["more"] == "(2, 3)"
    assert about["arguments"]["password"] == "***"
    assert len(about["arguments"]["named"]) <= 1000
    assert about["returned"].startswith("'yyy")
    assert len(about["returned"]) <= 1000
    assert outputs(records["fit"]) == {"out"}


def test_an_exception_is_recorded_and_passes(world: World) -> None:
    """An exception leaves the block as it was raised; its type, message and traceback are in the record."""
    _, records = program(
        world,
        """
        class Odd(Exception):
            def __str__(self): raise RuntimeError
        @shark.recorded
        def fail(odd):
            put("out")
            raise Odd() if odd else KeyError("token=ghp_" + "a" * 36)
        for odd in (False, True):
            try:
                fail(odd)
            except (KeyError, Odd) as problem:
                found = problem
            assert found.__class__ is (Odd if odd else KeyError) and found.__context__ is None
        """,
    )
    about = records["fail"]["recording"]
    assert (about["outcome"], about["exception"]["type"]) == ("raised", "__main__.Odd")
    assert outputs(records["fail"]) == {"out"}


def test_secrets_in_an_exception(world: World) -> None:
    """Nothing that shark writes holds a credential that a message or a value had."""
    secret = "ghp_" + "a" * 36
    program(
        world,
        f"""
        try:
            with shark.recording("block") as rec:
                rec["api_key"] = "harmless-looking"
                rec["note"] = "use {secret}"
                raise ValueError("token {secret}")
        except ValueError:
            pass
        """,
    )
    [record] = world.finished(0, b"", b"").records
    assert record["values"] == {"api_key": "***", "note": "use ***"}
    assert record["recording"]["exception"]["message"] == "token ***"
    assert secret not in str(record)


def test_interrupted(world: World) -> None:
    """^C inside of a block ends it like any exception."""
    lines, records = program(
        world,
        """
        try:
            with shark.recording("block"):
                put("out")
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()
        except KeyboardInterrupt:
            print("interrupted", tracer())
        """,
    )
    assert lines == ["interrupted 0"]
    assert records["block"]["recording"]["exception"]["type"] == "KeyboardInterrupt"
    assert outputs(records["block"]) == {"out"}


def test_nested_blocks(world: World) -> None:
    """A block inside of another is a run of its own, whose parent is the outer one, which has all of it."""
    _, records = program(
        world,
        """
        with shark.recording("outer"):
            put("first")
            with shark.recording("inner"):
                with open("first") as file:
                    put("second", file.read())
            put("third")
        assert not tracer()
        """,
    )
    assert outputs(records["inner"]) == {"second"}
    assert outputs(records["outer"]) == {"first", "second", "third"}
    assert records["inner"]["parent"] == records["outer"]["id"]
    assert "parent" not in records["outer"]


def test_concurrent_blocks(world: World) -> None:
    """Blocks of several threads that overlap each have what the whole process did from their begin to their end."""
    _, records = program(
        world,
        """
        turn = [threading.Event() for _ in range(4)]
        def first():
            with shark.recording("first"):
                put("one")
                turn[0].set(); turn[1].wait()
            turn[2].set()
        def second():
            turn[0].wait()
            with shark.recording("second"):
                put("two")
                turn[1].set(); turn[2].wait()
                put("three")
        threads = [threading.Thread(target=work) for work in (first, second)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert not tracer()
        """,
    )
    assert outputs(records["first"]) == {"one", "two"}
    assert outputs(records["second"]) == {"two", "three"}


def test_one_after_the_other(world: World) -> None:
    """Blocks that follow each other without a pause do not disturb each other, nor do those of many threads.

    No block ends while another thread is writing: what it writes would be the ending block's output, and change.
    """
    lines, records = program(
        world,
        """
        writing = threading.Lock()
        def work(n):
            for k in range(2):
                block = shark.recording(f"{n}-{k}", strict=True)
                block.__enter__()
                with writing:
                    put(f"out-{n}-{k}")
                with writing:
                    block.__exit__(None, None, None)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(tracer())
        """,
    )
    assert lines == ["0"]
    assert len(records) == 6
    assert all(f"out-{name}" in outputs(record) for name, record in records.items())


def test_files_changed_in_a_second_block(world: World) -> None:
    """What one block made is an input, with its digest, of a later block that changes it."""
    _, records = program(
        world,
        """
        with shark.recording("outer"):
            with shark.recording("first"):
                put("file", "one")
            with shark.recording("second"):
                with open("file", "a") as file:
                    file.write("two")
        """,
    )
    [entry] = [file for file in records["second"]["files"] if file["path"].endswith("/file")]
    assert [version.get("sha256") for version in entry["versions"]] == [digest(b"one"), digest(b"onetwo")]
    assert records["second"]["coverage"]["complete"]


@pytest.mark.parametrize(("how", "status"), [("os._exit(7)", 7), ("os.kill(os.getpid(), 9)", -9), ("os.abort()", -6)])
def test_a_block_that_is_never_left(world: World, how: str, status: int) -> None:
    """A process that ends inside of a block ends as it would have, and what it did is recorded."""
    _, records = program(world, f"with shark.recording('block'):\n    put('out'); {how}", status=status)
    record = records["block"]
    assert outputs(record) == {"out"}
    assert record["recording"]["outcome"] == "ended"
    assert record["command"].get("exit", -record["command"].get("signal", 0)) == status
    assert seen(world, record).manifest("out")


def test_another_program_takes_over(world: World) -> None:
    """A block whose process executes another program lasts until that one ends."""
    world.write("in")
    _, records = program(
        world,
        """
        with shark.recording("block"):
            os.execvp("cp", ["cp", "in", "out"])
        """,
    )
    assert outputs(records["block"]) == {"out"}
    assert [image["argv"][0] for image in records["block"]["processes"][0]["images"]][-1] == "cp"


def test_a_fork_inside_of_a_block(world: World) -> None:
    """A forked child belongs to its parent's block; that it leaves the block too changes nothing."""
    lines, records = program(
        world,
        """
        with shark.recording("block"):
            child = os.fork()
            if child == 0:
                put("by-child")
            else:
                os.waitpid(child, 0)
                put("by-parent")
        if child == 0:
            os._exit(0)
        print("once")
        """,
    )
    assert lines == ["once"]
    assert outputs(records["block"]) == {"by-child", "by-parent"}


def test_a_block_of_a_forked_child(world: World) -> None:
    """A child that was forked inside of a block can have one of its own: a run whose first process it is."""
    _, records = program(
        world,
        """
        with shark.recording("outer"):
            child = os.fork()
            if child == 0:
                with shark.recording("inner"):
                    put("by-child")
                os._exit(0)
            os.waitpid(child, 0)
            put("by-parent")
        """,
    )
    assert outputs(records["inner"]) == {"by-child"}
    assert [process["n"] for process in records["inner"]["processes"]] == [1]
    assert records["inner"]["parent"] == records["outer"]["id"]
    assert outputs(records["outer"]) == {"by-child", "by-parent"}


def test_threads_children_and_c_libraries(world: World) -> None:
    """Threads, subprocesses, a pool from before the block and numpy's and pandas' own readers are seen."""
    world.write("table.csv", "a,b\n1,2\n")
    world.write("array.txt", "1 2\n3 4\n")
    for name in ("by-thread", "by-shell", "by-pool"):
        world.write(name)
    _, records = program(
        world,
        """
        import multiprocessing
        import numpy, pandas
        def work(name):
            with open(name) as file:
                put(name + ".out", file.read())
        if __name__ == "__main__":
            with multiprocessing.get_context("fork").Pool(1) as pool:
                with shark.recording("block"):
                    pool.map(work, ["by-pool"])
                    thread = threading.Thread(target=work, args=("by-thread",))
                    thread.start(); thread.join()
                    subprocess.run("cat by-shell > by-shell.out", shell=True, check=True)
                    table = pandas.read_csv("table.csv")
                    array = numpy.loadtxt("array.txt")
                    numpy.savez("out.npz", table.to_numpy(), array)
                pool.close(); pool.join()
        """,
    )
    record = records["block"]
    run = seen(world, record)
    assert outputs(record) == {"by-pool.out", "by-thread.out", "by-shell.out", "out.npz"}
    assert {"table.csv", "array.txt"} <= set(run.inputs("out.npz"))
    assert {"by-pool", "by-thread", "by-shell"} <= run.reads
    assert {("pypi", "numpy"), ("pypi", "pandas")} <= set(run.software)


def test_a_file_that_is_mapped_from_before(world: World) -> None:
    """A memory map from before the block is an access of it: its file an input, and an output when it is changed."""
    world.write("map", b"\0" * 4096)
    _, records = program(
        world,
        """
        import mmap
        with open("map", "r+b") as file:
            mapped = mmap.mmap(file.fileno(), 4096)
        with shark.recording("block"):
            mapped[:3] = b"abc"
            mapped.flush()
        """,
    )
    assert outputs(records["block"]) == {"map"}


def test_coroutines_and_generators(world: World) -> None:
    """Coroutines are recorded to their end, generators to the last item; what is sent and thrown arrives."""
    lines, records = program(
        world,
        """
        import asyncio, inspect
        @shark.recorded
        async def coroutine(name):
            put(name); await asyncio.sleep(0); return name.upper()
        @shark.recorded
        def generator():
            put("generated")
            got = yield 1
            try:
                yield got
            except KeyError:
                yield "thrown"
            return "end"
        @shark.recorded
        async def items():
            put("item")
            got = yield 1
            try:
                yield got
            except KeyError:
                yield "thrown"
        @shark.recorded
        def closed():
            try: yield 1
            finally: put("closed")
        assert inspect.iscoroutinefunction(coroutine) and inspect.isgeneratorfunction(generator)
        async def both(): return await asyncio.gather(coroutine("a"), coroutine("b"))
        print(asyncio.run(both()))
        one = generator(); print(next(one), one.send("sent"), one.throw(KeyError))
        async def three():
            many = items()
            print(await anext(many), await many.asend("sent"), await many.athrow(KeyError))
            await many.aclose()
        asyncio.run(three())
        one.close()
        other = closed(); next(other); other.close()
        print(tracer())
        """,
    )
    assert lines == ["['A', 'B']", "1 sent thrown", "1 sent thrown", "0"]
    assert "b" in outputs(records["coroutine"])
    assert outputs(records["generator"]) >= {"generated"}
    assert outputs(records["items"]) >= {"item"}
    assert outputs(records["closed"]) == {"closed"}
    assert records["closed"]["recording"]["exception"]["type"] == "GeneratorExit"


@pytest.mark.parametrize("mode", MODES)
def test_a_block_inside_of_a_run(world: World, mode: str) -> None:
    """In a program that runs under shark, a block is a run whose parent is that run; the outer one attaches."""
    world.write("in")
    code = "with shark.recording('block'):\n    put('inside', open('in').read())\nput('outside')\nassert tracer()"
    world.write("program.py", PRELUDE + code)
    run = world.run([world.shark[0], "program.py"], mode=mode)
    assert (run.status, run.stderr) == (0, b"")
    outer, inner = sorted(run.records, key=lambda record: record["id"])
    assert (inner["name"], inner["parent"]) == ("block", outer["id"])
    assert outputs(inner) == {"inside"}
    assert outputs(outer) == {"inside", "outside"}
    assert inner["outputs"][0]["attached"] == "none"
    assert run.manifest("inside")["run"] == outer["id"]


@pytest.mark.parametrize("mode", MODES)
def test_a_run_ends_inside_of_a_block(world: World, mode: str) -> None:
    """A block whose program is killed under shark is recorded as far as it came, and so is the run."""
    world.write("program.py", PRELUDE + "with shark.recording('block'):\n    put('out'); os.kill(os.getpid(), 9)")
    run = world.run([world.shark[0], "program.py"], mode=mode)
    assert run.status == -9
    world.settle()
    names = {record.get("name") for record in world.finished(0, b"", b"").records}
    assert names == {None, "block"}


def test_traced_by_another(world: World) -> None:
    """Under a tracer that is no shark the block runs, with a warning that says why it is not recorded."""
    lines, records = program(
        world,
        """
        import ctypes, warnings
        child = os.fork()
        if child == 0:
            libc = ctypes.CDLL(None)
            libc.ptrace(0, 0, None, None)  # PTRACE_TRACEME: the parent, which lets it go on
            with warnings.catch_warnings(record=True) as caught:
                with shark.recording("block") as rec:
                    put("out")
            print(rec.id, caught[0].category.__name__, "traced already" in str(caught[0].message), flush=True)
            try:
                with shark.recording("block", strict=True): print("not reached")
            except shark.SharkError as problem:
                print(problem.exit_code, flush=True)
            os._exit(0)
        while os.waitpid(child, 0)[1] & 0xff == 0x7f: pass
        """,
    )
    assert lines == ["None SharkWarning True", "125"]
    assert records == {}


def test_it_cannot_be_started(world: World) -> None:
    """Where the recording process cannot be started the block runs all the same; `strict` raises."""
    lines, _ = program(
        world,
        """
        import warnings
        sys.executable = sys.prefix = sys.base_prefix = "/nonexistent"
        with warnings.catch_warnings(record=True) as caught:
            with shark.recording("block"):
                put("out")
        print(len(caught), caught[0].category is shark.SharkWarning)
        try:
            with shark.recording(strict=True): print("not reached")
        except shark.SharkError as problem:
            print(problem)
        """,
    )
    assert lines[0] == "1 True"
    assert "no Python interpreter" in lines[1]
    assert (world.work / "out").exists()


def test_the_tracer_is_killed(world: World) -> None:
    """A program whose recording process is killed in the middle of a block goes on, with a warning at the end."""
    lines, _ = program(
        world,
        """
        import warnings
        with warnings.catch_warnings(record=True) as caught:
            with shark.recording("block") as rec:
                put("out")
                os.kill(tracer(), signal.SIGKILL)
                put("further")
        print("shark recover" in str(caught[0].message), tracer())
        with shark.recording("again", strict=True):
            put("anew")
        """,
    )
    assert lines == ["True 0"]
    assert subprocess.run([*world.shark, "recover"], env=world.env, capture_output=True).returncode == 0
    by_name = {record["name"]: outputs(record) for record in world.finished(0, b"", b"").records}
    assert by_name["again"] == {"anew"}
    assert "out" in by_name["block"]  # recovered


def test_the_programs_own_children_are_its_own(world: World) -> None:
    """No process of shark is a child of the program: not for a wait for any child, nor for one that adopts orphans."""
    lines, _ = program(
        world,
        """
        import ctypes
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        with shark.recording("block"):
            try: os.waitpid(-1, os.WNOHANG); print("a child")
            except ChildProcessError: print("none")
        try: os.waitpid(-1, os.WNOHANG); print("a child")
        except ChildProcessError: print("none")
        """,
    )
    assert lines == ["none", "none"]


def test_a_manifest_that_cannot_be_written(world: World) -> None:
    """With `strict` it is an error when an output's manifest cannot be written, without it there is a warning."""
    need_root()
    where = world.become_nobody()
    (world.work / "locked").mkdir()
    (world.work / "locked" / "out").write_text("old")
    os.chmod(world.work / "locked" / "out", 0o666)
    os.chown(world.work / "locked", 0, 0)
    os.chmod(world.work / "locked", 0o755)
    code = """
    import warnings
    def work(**options):
        with shark.recording("block", attach="sidecar", **options):
            put("locked/out")
    with warnings.catch_warnings(record=True) as caught:
        work()
    print("no manifest" in str(caught[0].message))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work(strict=True)
    except shark.SharkError as problem:
        print(problem.message.partition(":")[0])
    """
    (world.work / "program.py").write_text(PRELUDE + textwrap.dedent(code))
    command = [world.shark[0], "program.py"]
    done = subprocess.run(command, cwd=world.work, env=world.env, capture_output=True, text=True, **where)
    assert done.stdout.splitlines() == ["True", "a manifest could not be written"], done.stderr


def test_import_is_cheap() -> None:
    """`import shark` takes no more than a few modules of its own: nothing that a program would notice."""
    code = "import sys; before = set(sys.modules); import shark; print(*sorted(set(sys.modules) - before))"
    src = str(Path(__file__).parent.parent / "src")
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": src}, capture_output=True, text=True)
    assert done.stdout.split() == ["shark"]


def test_types_for_users(tmp_path: Path) -> None:
    """A user's program is checked by mypy --strict without a complaint, and a wrong one with the right one."""
    good = tmp_path / "good.py"
    good.write_text(
        "import shark\n\n\n@shark.recorded\ndef f(a: int) -> str:\n    return str(a)\n\n\n"
        '@shark.recorded(name="g", tags={"a": "b"})\nasync def g() -> int:\n    return 1\n\n\n'
        'with shark.recording("x", strict=True) as rec:\n    rec["a"] = f(1)\n'
        'run: shark.Run = shark.run(["true"], check=True)\nnames: list[str] = shark.inspect("x").inputs("data")\n'
        'nodes = shark.lineage("x")["nodes"]\n'
    )
    bad = tmp_path / "bad.py"
    bad.write_text("import shark\n\n\n@shark.recorded\ndef f(a: int) -> str:\n    return str(a)\n\n\nf('x')\n")
    env = {**os.environ, "MYPYPATH": "", "PYTHONPATH": str(Path(__file__).parent.parent / "src")}

    def check(path: Path) -> str:
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(path)]
        return subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True).stdout

    assert check(good).startswith("Success")
    assert 'incompatible type "str"; expected "int"' in check(bad)


def test_python_m_shark(world: World) -> None:
    """`python -m shark run` is `shark run`."""
    world.write("in")
    done = subprocess.run(
        [sys.executable, "-m", "shark", "run", "--", "cp", "in", "out"], cwd=world.work, env=world.env
    )
    assert done.returncode == 0
    assert seen(world, world.finished(0, b"", b"").record).manifest("out")


def test_settings_hold_for_blocks(world: World) -> None:
    """A project's settings hold for blocks, what shall not be known among them; the block's own options go before."""
    (world.work / "shark.toml").write_text('redact = ["user", "host"]\nattach = "sidecar"\ntags = {project = "fish"}\n')
    _, records = program(
        world,
        """
        with shark.recording("one", tags={"stage": "1"}): put("a")
        with shark.recording("two", attach="none"): put("b")
        """,
    )
    one, two = records["one"], records["two"]
    assert one["tags"] == {"project": "fish", "stage": "1"}
    assert [one["outputs"][0]["attached"], two["outputs"][0]["attached"]] == ["sidecar", "none"]
    assert "user" not in one.get("host", {})
    assert "name" not in one.get("host", {})


def configure(world: World, text: str) -> None:
    """The user's own settings, which need no trust."""
    place = Path(world.env["XDG_CONFIG_HOME"]) / "shark" / "shark.toml"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)


def said(world: World, record: Record) -> dict[str, str]:
    """What the commands around a run said, by when they were run and their names."""
    objects = Path(world.env["SHARK_HOME"]) / "objects"
    found = {f"{hook['when']} {hook['name']}": hook.get("stdout_sha256", "") for hook in record.get("hooks", ())}
    return {name: next(objects.rglob(f"*{sha256[2:]}")).read_text() for name, sha256 in found.items() if sha256}


AROUND = """
keep = ["*.lock"]
before = [
    {command = "sh -c 'ls; echo before'", name = "b"},
    {command = "test -e allowed", name = "must", required = true},
]
after = [{command = "sh -c 'ls; echo after'", name = "a"}]
notify = [{command = "sh -c 'cat >> told'"}]
"""


def test_commands_and_kept_files_are_around_a_block(world: World) -> None:
    """They are run before and after the block, outside of what is recorded, and somebody is told of its end."""
    configure(world, AROUND.replace("cat >> told", f"cat >> {world.root}/told"))
    world.write("uv.lock", "numpy 2\n")
    world.write("allowed")
    _, records = program(world, 'with shark.recording("one"): put("made")')
    record = records["one"]
    assert [(hook["when"], hook["name"], hook["exit"]) for hook in record["hooks"]] == [
        ("before", "b", 0),
        ("before", "must", 0),
        ("after", "a", 0),
    ]
    texts = said(world, record)
    assert "made" not in texts["before b"].split()
    assert texts["before b"].endswith("before\n")
    assert {"made", "after"} <= set(texts["after a"].split())
    assert [(os.path.basename(kept["path"]), kept["sha256"]) for kept in record["kept"]] == [
        ("uv.lock", digest(b"numpy 2\n"))
    ]
    assert record["settings"]["values"]["keep"] == ["*.lock"]
    assert len(record["processes"]) == 1
    assert not [file for file in record["files"] if file["path"].endswith("/allowed")]
    world.settle(60)
    told = json.loads((world.root / "told").read_text())
    assert (told["run"], told["name"], told["failed"]) == (record["id"], "one", False)


def test_a_block_inside_of_another_one_keeps_nobody_waiting(world: World) -> None:
    """Of the commands only what must succeed is run for it; files are kept for each."""
    configure(world, AROUND)
    world.write("uv.lock")
    world.write("allowed")
    _, records = program(
        world,
        """
        with shark.recording("outer"):
            with shark.recording("inner"): put("made")
        """,
    )
    assert [hook["name"] for hook in records["outer"]["hooks"]] == ["b", "must", "a"]
    assert [hook["name"] for hook in records["inner"]["hooks"]] == ["must"]
    assert records["inner"]["kept"] == records["outer"]["kept"]


def test_what_must_succeed_before_a_block_is_demanded(world: World) -> None:
    """Without it there is neither block nor record: this is an error, not a warning."""
    configure(world, AROUND)
    printed, records = program(
        world,
        """
        try:
            with shark.recording("one"): put("made")
        except shark.SharkError as problem:
            print(problem)
        """,
    )
    assert printed == ["refused, since 'test -e allowed' must succeed: it ended with 1"]
    assert not records
    assert not (world.work / "made").exists()


def test_a_block_can_demand_that_all_is_committed(world: World) -> None:
    """With `require-clean` a block outside of any repository does not begin."""
    configure(world, "require-clean = true\n")
    printed, records = program(
        world,
        """
        try:
            with shark.recording("one"): put("made")
        except shark.SharkError as problem:
            print(problem)
        """,
    )
    assert printed[0].startswith("--require-clean: ")
    assert not records


def test_a_projects_commands_need_trust_for_blocks_too(world: World) -> None:
    """Until then a warning tells, and the block is recorded without them."""
    (world.work / "shark.toml").write_text('before = ["touch ran"]\n')
    printed, records = program(
        world,
        """
        import warnings
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            with shark.recording("one"): put("made")
        print(*(str(one.message) for one in heard), sep="\\n")
        """,
    )
    assert "is not trusted" in printed[0]
    assert "hooks" not in records["one"]
    assert not (world.work / "ran").exists()
