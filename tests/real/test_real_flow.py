"""Real pipelines of which each output has its own inputs: make, shell scripts, pipes, pools of processes, GDAL."""

from __future__ import annotations

import sys
from collections.abc import Callable

from harness import Run, World, need, sha256
from real.test_real_make import SOURCES, build

PIPELINE = """\
sort < one.txt > sorted
awk '{ print $1 * 2 }' two.txt > doubled
Rscript table.R
python3 report.py sorted > report
for name in $(cat list); do grep -c a $name > count; done
"""

TABLE = 'write.csv(read.csv("table.csv"), "copy.csv")\n'

REPORT = "import sys\nprint(len(open(sys.argv[1]).read()))\n"

POOL = """
from multiprocessing import Pool

def size(name):
    with open(name) as file:
        return len(file.read())

if __name__ == "__main__":
    with Pool(2) as pool:
        sizes = pool.map(size, ["one.txt", "two.txt"])
    with open("sizes", "w") as out:
        print(sizes, file=out)
"""

CLUSTER = """
library(parallel)
cluster <- makePSOCKcluster(2)
lines <- parLapply(cluster, c("one.txt", "two.txt"), function(name) length(readLines(name)))
stopCluster(cluster)
writeLines(as.character(lines), "lines")
"""


def flows(run: Run, output: str) -> tuple[set[str], set[str]]:
    """Inputs and controls of an output, below the working directory; it must be of this output alone."""
    manifest = run.manifest(output)
    assert manifest["scope"] == "output"
    inputs, controls = (
        {name for entry in manifest.get(key, []) if (name := run.name(entry["path"])) is not None}
        for key in ("inputs", "controls")
    )
    return inputs, controls


def texts(world: World) -> None:
    """Two small inputs."""
    world.write("one.txt", "b\na\n")
    world.write("two.txt", "1\n2\n")


def test_make_gives_each_object_its_own_source(shark_run: Callable[..., Run], world: World) -> None:
    """An object has its source, the headers and the Makefile; the archive has all of its objects' sources."""
    run, _ = build(shark_run, world, "libsmall.a")
    for name in SOURCES[1:]:
        assert flows(run, f"{name}.o") == ({f"{name}.c", "small.h", "Makefile"}, set())
    assert flows(run, "libsmall.a") == ({"one.c", "two.c", "three.c", "small.h", "Makefile"}, set())
    assert run.input("one.o", "Makefile")["role"] == "code"


def test_a_shell_script_of_five_steps(shark_run: Callable[..., Run], world: World) -> None:
    """Each step's output has what that step read, and the script as code; what chose the step is a control."""
    need("Rscript", "python3", "awk")
    texts(world)
    world.write("table.csv", "x\n1\n")
    world.write("list", "one.txt\n")
    world.write("pipeline.sh", PIPELINE)
    world.write("table.R", TABLE)
    world.write("report.py", REPORT)
    run = shark_run(["sh", "pipeline.sh"])
    assert run.status == 0, run.stderr
    assert flows(run, "sorted") == ({"one.txt", "pipeline.sh"}, set())
    assert flows(run, "doubled") == ({"two.txt", "pipeline.sh"}, set())
    assert flows(run, "copy.csv") == ({"table.csv", "table.R", "pipeline.sh"}, set())
    assert flows(run, "report") == ({"one.txt", "report.py", "pipeline.sh"}, set())
    assert flows(run, "count") == ({"one.txt", "pipeline.sh"}, {"list"})
    assert run.input("sorted", "pipeline.sh")["role"] == "code"


def test_a_pipe_of_three(shark_run: Callable[..., Run], world: World) -> None:
    """What the first reads reaches what the last writes; what is done besides does not."""
    texts(world)
    run = shark_run(["sh", "-c", "cat one.txt | sort | uniq > out; wc -l < two.txt > other"])
    assert run.status == 0, run.stderr
    assert flows(run, "out") == ({"one.txt"}, set())
    assert flows(run, "other") == ({"two.txt"}, set())


def test_a_pool_of_processes(shark_run: Callable[..., Run], world: World) -> None:
    """What the workers read comes back to the process that writes."""
    texts(world)
    world.write("pool.py", POOL)
    run = shark_run([sys.executable, "pool.py"])
    assert run.status == 0, run.stderr
    assert flows(run, "sizes") == ({"one.txt", "two.txt", "pool.py"}, set())


def test_a_cluster_of_r_processes(shark_run: Callable[..., Run], world: World) -> None:
    """What the workers read comes back over loopback connections."""
    need("Rscript")
    texts(world)
    world.write("cluster.R", CLUSTER)
    run = shark_run(["Rscript", "cluster.R"])
    assert run.status == 0, run.stderr
    assert flows(run, "lines")[0] == {"one.txt", "two.txt", "cluster.R"}


def test_python_modules_from_their_compiled_files(shark_run: Callable[..., Run], world: World) -> None:
    """On the second run a module comes from its .pyc: its source is listed, as code, and nothing else."""
    world.write("helper.py", "def text():\n    return 'x'\n")
    world.write("main.py", "import helper\nopen('out', 'w').write(helper.text())\n")
    for _ in range(2):
        run = shark_run([sys.executable, "main.py"])
        assert run.status == 0, run.stderr
    assert flows(run, "out") == ({"main.py", "helper.py"}, set())
    assert run.input("out", "helper.py")["role"] == "code"


def test_overviews_twice_in_one_run(shark_run: Callable[..., Run], world: World) -> None:
    """The versions of a file that is changed twice keep their order; the file as it was before is the one input."""
    need("gdal_translate", "gdaladdo")
    rows = "\n".join(" ".join(str(x * y % 251) for x in range(64)) for y in range(64))
    world.write("grid.asc", f"ncols 64\nnrows 64\nxllcorner 0\nyllcorner 0\ncellsize 1\n{rows}\n")
    first = shark_run(["gdal_translate", "-q", "grid.asc", "grid.tif"])
    assert first.status == 0, first.stderr
    before = sha256(world.work / "grid.tif")
    run = shark_run(["sh", "-c", "gdaladdo -q grid.tif 2; cp grid.tif between.tif; gdaladdo -q grid.tif 2 4"])
    assert run.status == 0, run.stderr
    assert flows(run, "grid.tif") == ({"grid.tif"}, set())
    assert run.inputs("grid.tif") == run.inputs("between.tif") == {"grid.tif": before}
    [grid] = [file for file in run.record["files"] if run.name(file["path"]) == "grid.tif"]
    made = [version for version in grid["versions"] if "by" in version]
    assert [version["base"] for version in made] == [version["n"] for version in grid["versions"]][: len(made)]
    assert len({version["by"]["process"] for version in made}) == len(made) == 2
    read = {e["version"] for e in run.record["edges"] if e.get("file") == grid["n"] and e["access"] == "read"}
    assert made[0]["n"] in read
