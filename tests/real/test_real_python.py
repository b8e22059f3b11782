"""Python: worker processes, packages of an environment, compiled caches."""

from __future__ import annotations

import sys
from collections.abc import Callable

from harness import Run, World, packages, sha256
from real.packages import pip

POOL = """
import multiprocessing, sys
import helper

def work(i):
    with open(f"part{i}.txt") as part:
        return helper.double(int(part.read()))

if __name__ == "__main__":
    multiprocessing.set_start_method(sys.argv[1])
    with multiprocessing.Pool(2) as pool:
        results = pool.map(work, range(6))
    with open("sums.txt", "w") as out:
        print(*results, file=out)
"""

PANDAS = """
import pandas as pd
pd.read_csv("in.csv").groupby("k").sum().to_csv("out.csv")
"""


def pool(shark_run: Callable[..., Run], world: World, method: str) -> Run:
    """Six parts are read by two workers, and their results written by the parent."""
    world.write("pool.py", POOL)
    world.write("helper.py", "def double(i):\n    return 2 * i\n")
    parts = {f"part{i}.txt": world.write(f"part{i}.txt", f"{i}\n") for i in range(6)}
    run = shark_run([sys.executable, "pool.py", method])
    assert run.status == 0, run.stderr
    assert world.read("sums.txt") == b"0 2 4 6 8 10\n"
    assert run.outputs == {"sums.txt": sha256(world.work / "sums.txt")}
    assert run.inputs("sums.txt") == parts
    assert set(run.inputs("sums.txt", role="code")) == {"pool.py", "helper.py"}
    assert run.gaps == set()
    return run


def test_pool_by_fork(shark_run: Callable[..., Run], world: World) -> None:
    """What forked workers read flows into what the parent writes."""
    run = pool(shark_run, world, "fork")
    assert len(run.processes) == 3


def test_pool_by_spawn(shark_run: Callable[..., Run], world: World) -> None:
    """Spawned workers: new interpreters, each importing the script again."""
    run = pool(shark_run, world, "spawn")
    assert len(run.processes) >= 4


def test_packages_of_the_environment(shark_run: Callable[..., Run], world: World) -> None:
    """pandas and numpy are named by their versions, and none of their files is an input."""
    table = world.write("in.csv", "k,v\na,1\nb,2\na,3\n")
    script = world.write("group.py", PANDAS)
    run = shark_run([sys.executable, "group.py"])
    assert run.status == 0, run.stderr
    assert run.outputs == {"out.csv": sha256(world.work / "out.csv")}
    assert run.inputs("out.csv") == {"in.csv": table}
    assert run.inputs("out.csv", role="code") == {"group.py": script}
    named = packages(run.manifest("out.csv")["software"])
    assert named["pypi", "pandas"] == pip(sys.executable, "pandas")
    assert named["pypi", "numpy"] == pip(sys.executable, "numpy")
    assert not [entry for entry in run.manifest("out.csv")["inputs"] if "site-packages" in entry["path"]]


def test_a_compiled_cache_stands_for_its_source(shark_run: Callable[..., Run], world: World) -> None:
    """Reading helper's .pyc counts as reading helper.py; the cache itself is neither input nor attached output."""
    environment = {"PYTHONDONTWRITEBYTECODE": ""}
    world.write("use.py", "import helper\nopen('out', 'w').write(str(helper.double(4)))\n")
    source = world.write("helper.py", "def double(i):\n    return 2 * i\n")
    for _ in range(2):
        run = shark_run([sys.executable, "use.py"], env=environment)
        assert run.status == 0, run.stderr
        assert run.inputs("out", role="code")["helper.py"] == source
        assert not [name for name in run.inputs("out", role=None) if name.endswith(".pyc")]
    assert list(world.work.glob("__pycache__/helper*.pyc"))
    assert not list(world.work.rglob(".*.shark"))
