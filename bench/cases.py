"""What is measured: commands of the kinds that people run, each with the files that it needs.

A case prepares a folder once; before each run what an earlier one left (`made`) is removed: all runs do the same.
"""

from __future__ import annotations

import glob
import importlib.util
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

SHORT, LONG, START, NONE = "short", "long", "start", "none"
"""The bars: 0.1 s more than strace at most; no more than strace; 0.1 s more than untraced; for information only."""


@dataclass(frozen=True)
class Case:
    """One command to measure; `command` runs in the folder that `prepare` filled, and must end with `status`."""

    name: str
    about: str
    command: tuple[str, ...]
    prepare: Callable[[Path], None]
    bar: str = SHORT
    made: tuple[str, ...] = ()
    status: int = 0
    needs: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    def lacking(self) -> str:
        """What is not installed here, "" if the case can run."""
        programs = [p for p in (self.command[0], *self.needs) if not p.startswith("./") and shutil.which(p) is None]
        modules = [module for module in self.modules if importlib.util.find_spec(module) is None]
        return ", ".join([*programs, *(f"Python's {module}" for module in modules)])

    def set_up(self, folder: Path) -> None:
        """Make its files, an hour old: a digest of a file that has just been written is not trusted by any cache."""
        folder.mkdir()
        self.prepare(folder)
        for directory, _, names in os.walk(folder):
            for name in names:
                path = os.path.join(directory, name)
                before = os.stat(path).st_mtime - 3600
                os.utime(path, (before, before))

    def reset(self, folder: Path) -> None:
        """Remove what a run made."""
        for pattern in self.made:
            for path in glob.glob(str(folder / pattern)):
                os.unlink(path)


def find(names: list[str]) -> list[Case]:
    """The cases with these names, all for none. Raises KeyError for a name that no case has."""
    known = {case.name: case for case in CASES}
    return [known[name] for name in names] if names else list(CASES)


def _nothing(folder: Path) -> None:
    pass


def _repository(folder: Path) -> None:
    """Some code that is committed, and a change that is not: git is asked all that shark asks of it."""
    for name in ("fit.R", "README.md", "Makefile"):
        (folder / name).write_text("one\ntwo\n")
    author = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    for words in (("init", "-q"), ("add", "."), (*author, "commit", "-q", "-m", "first")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    (folder / "fit.R").write_text("one\ntwo\nthree\n")


def _script(text: str, name: str, *more: Callable[[Path], None]) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        (folder / name).write_text(textwrap.dedent(text))
        for step in more:
            step(folder)

    return prepare


def _tree(files: int, size: int = 300) -> Callable[[Path], None]:
    """`files` small files, a hundred to a directory."""

    def prepare(folder: Path) -> None:
        line = "no such word in here, only filling\n"
        for n in range(files):
            place = folder / "tree" / f"{n // 100:03}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{n:06}.txt").write_text(f"file {n}\n" + line * (size // len(line)))

    return prepare


def _tables(files: int, rows: int) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        dice = random.Random(1)
        (folder / "in").mkdir()
        (folder / "out").mkdir()
        text = "".join(f"{n},{dice.choice('abcdefgh')},{dice.random():.6f}\n" for n in range(rows))
        for n in range(files):
            (folder / "in" / f"{n:04}.csv").write_text("id,group,value\n" + text)

    return prepare


def _raster(folder: Path) -> None:
    subprocess.run(
        ["gdal_create", "-q", "-of", "GTiff", "-ot", "Byte", "-outsize", "8192", "8192", "-bands", "1", "-burn", "7",
         "-a_srs", "EPSG:4326", "-a_ullr", "0", "1", "1", "0", str(folder / "in.tif")],
        check=True,
    )  # fmt: skip


def _c_project(files: int) -> Callable[[Path], None]:
    def prepare(folder: Path) -> None:
        prototypes = "\n".join(f"int part_{n}(int x);" for n in range(files))
        (folder / "parts.h").write_text(f"#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n{prototypes}\n")
        for n in range(files):
            body = f'char b[64]; return snprintf(b, sizeof b, "%d", x + {n});'
            text = f'#include "parts.h"\nint part_{n}(int x) {{ {body} }}\n'
            (folder / f"part_{n}.c").write_text(text)
        calls = "\n".join(f"    sum += part_{n}(sum);" for n in range(files))
        (folder / "main.c").write_text(
            f'#include "parts.h"\nint main(void) {{\n    int sum = 0;\n{calls}\n    return sum < 0;\n}}\n'
        )
        (folder / "Makefile").write_text(
            "OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))\n"
            "program: $(OBJECTS)\n\tgcc -o $@ $(OBJECTS)\n%.o: %.c parts.h\n\tgcc -O1 -c -o $@ $<\n"
        )

    return prepare


def _opens(folder: Path) -> None:
    (folder / "opens.c").write_text(
        textwrap.dedent(
            """\
            #include <fcntl.h>
            #include <stdio.h>
            #include <stdlib.h>
            #include <unistd.h>
            int main(int argc, char **argv) {
                char name[32];
                int count = argc > 1 ? atoi(argv[1]) : 100000;
                for (int n = 0; n < count; n++) {
                    snprintf(name, sizeof name, "data.%d", n % 16);
                    int fd = open(name, O_RDONLY);
                    if (fd < 0) return 1;
                    close(fd);
                }
                return 0;
            }
            """
        )
    )
    for n in range(16):
        (folder / f"data.{n}").write_text(f"{n}\n")
    subprocess.run(["gcc", "-O1", "-o", "opens", "opens.c"], cwd=folder, check=True)


_R_PLOT = """\
    cars <- read.csv("in/0000.csv")
    fit <- lm(value ~ id + group, data = cars)
    pdf("plot.pdf"); plot(cars$id, cars$value); abline(h = coef(fit)[1]); invisible(dev.off())
    write.csv(coef(summary(fit)), "fit.csv")
"""

_R_LONG = """\
    files <- list.files("in", full.names = TRUE)
    tables <- lapply(files, read.csv)
    for (n in 0:99) {
      part <- do.call(rbind, tables[n * 5 + 1:5])
      write.csv(aggregate(value ~ group, part, mean), sprintf("out/%03d.csv", n))
    }
"""

_PANDAS = """\
    import pandas as pd
    frames = [pd.read_csv(f"in/{n:04}.csv") for n in range(20)]
    pd.concat(frames).groupby("group").value.agg(["mean", "std"]).to_csv("groups.csv")
"""

_IO = """\
    import os
    for n in range(2000):
        with open(f"tree/{n // 100:03}/{n:06}.txt", "rb") as file:
            file.read()
    for n in range(500):
        with open(f"made.{n:03}", "w") as file:
            file.write(f"{n}\\n")
    fd = os.open("tree/000/000000.txt", os.O_RDONLY)
    for n in range(200_000):
        os.pread(fd, 64, n % 200)
    os.close(fd)
"""

_POOL = """\
    import glob
    from multiprocessing import get_context

    def size(path):
        with open(path, "rb") as file:
            return len(file.read())

    if __name__ == "__main__":
        with get_context("fork").Pool(2) as pool:
            print(sum(pool.map(size, sorted(glob.glob("tree/*/*.txt")))))
"""

_FORKS = "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done"
_OBJECTS = ("*.o", "program")

CASES: tuple[Case, ...] = (
    Case("true", "true: the fixed cost", ("true",), _nothing, START),
    Case("repository", "true in a small repository", ("true",), _repository, START, needs=("git",)),
    Case("rscript", "Rscript: lm and plot", ("Rscript", "--vanilla", "fit.R"),
         _script(_R_PLOT, "fit.R", _tables(1, 2000)), made=("plot.pdf", "fit.csv")),
    Case("pandas", "pandas: group-by of 20 CSV", (sys.executable, "group.py"),
         _script(_PANDAS, "group.py", _tables(20, 4000)), made=("groups.csv",), modules=("pandas",)),
    Case("gdal", "gdal_translate of 64 MB", ("gdal_translate", "-q", "in.tif", "out.tif"), _raster,
         made=("out.tif*",), needs=("gdal_create",)),
    Case("make", "make -j2 of 60 C files", ("make", "-s", "-j2"), _c_project(60), made=_OBJECTS, needs=("gcc",)),
    Case("grep", "grep -r over 4,000 files", ("grep", "-r", "absent-from-all", "tree"), _tree(4000), status=1),
    Case("forks", "300 forks of true from sh", ("sh", "-c", _FORKS), _nothing),
    Case("io", "2,000 reads, 500 writes, 200,000 preads", (sys.executable, "io.py.txt"),
         _script(_IO, "io.py.txt", _tree(2000)), made=("made.*",)),
    Case("pool", "Pool of 2 over 4,000 files", (sys.executable, "pool.py"), _script(_POOL, "pool.py", _tree(4000))),
    Case("opens", "100,000 opens in C", ("./opens",), _opens, NONE, needs=("gcc",)),
    Case("make-long", "make -j2 of 300 C files", ("make", "-s", "-j2"),
         _c_project(300), LONG, _OBJECTS, needs=("gcc",)),
    Case("rscript-long", "Rscript: 500 CSV in, 100 out", ("Rscript", "--vanilla", "long.R"),
         _script(_R_LONG, "long.R", _tables(500, 4000)), LONG, ("out/*.csv",)),
)  # fmt: skip
"""All cases, in the order of the table."""
