"""Run records to draw, and their pages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from shark.view.graph_page import page
from shark.view.graph_run import run_graph

WORK = "/home/ann/p"


def moment(seconds: float) -> str:
    return f"2026-11-21T10:{int(seconds) // 60:02}:{seconds % 60:06.3f}+00:00"


class Record:
    """Builds a run record: processes and files get their numbers in the order in which they are added."""

    def __init__(self, *argv: str) -> None:
        self.processes: list[dict[str, Any]] = []
        self.files: list[dict[str, Any]] = []
        self.edges: list[dict[str, Any]] = []
        self.outputs: list[dict[str, Any]] = []
        self.more: dict[str, Any] = {}
        self.process(*argv, parent=0)

    def process(self, *argv: str, parent: int = 1, start: float = 0.0, end: float = 1.0, **more: Any) -> int:
        n = len(self.processes) + 1
        image = {"argv": list(argv), "exe": f"/usr/bin/{argv[0]}", "cwd": WORK, "start": moment(start), "order": [n, n]}
        images = [image] if n == 1 else [{"forked": {"process": parent, "image": 0}}, image]
        times = {"start": moment(start), "end": moment(end), "exit": 0, "order": [n, n]}
        self.processes.append({"n": n, "parent": parent, "pid": 100 + n, "images": images, **times, **more})
        return n

    def file(self, path: str, role: str = "data", **more: Any) -> int:
        """A file from before the run."""
        n = len(self.files) + 1
        version = {"n": 0, "origin": "before", "size": 9, "sha256": f"{n:064x}", "mtime": moment(0)}
        self.files.append({"n": n, "path": path if path[0] == "/" else f"{WORK}/{path}", "role": role, **more})
        self.files[-1]["versions"] = [version]
        return n

    def made(self, path: str, process: int, *, output: bool = True, role: str = "data", **more: Any) -> int:
        """A file that `process` created."""
        n = self.file(path, role, **more)
        self.files[-1]["versions"] = [self._made(process, 1)]
        self.edge(process, n, "create", 1)
        if output:
            self.outputs.append({"file": n, "version": 1, "path": self.files[-1]["path"], "role": role})
        return n

    def changed(self, file: int, process: int) -> None:
        """A new version of a file, which continues the one before."""
        versions = self.files[file - 1]["versions"]
        base = versions[-1]["n"]
        versions.append({**self._made(process, base + 1), "origin": "in-place", "base": base})
        self.edge(process, file, "write", base + 1)
        self.outputs = [o for o in self.outputs if o["file"] != file]
        self.outputs.append({"file": file, "version": base + 1, "path": self.files[file - 1]["path"], "role": "data"})

    def _made(self, process: int, n: int) -> dict[str, Any]:
        by = {"process": process, "image": 0}
        return {"n": n, "origin": "created", "size": 9, "sha256": "ab" * 32, "mtime": moment(1), "by": by}

    def edge(self, process: int, file: int, access: str = "read", version: int = 0) -> None:
        self.edges.append(
            {"process": process, "image": 0, "file": file, "version": version, "access": access, "order": [1, 2]}
        )

    def document(self) -> dict[str, Any]:
        argv = self.processes[0]["images"][0]["argv"]
        command = {"argv": argv, "cwd": WORK, "exit": 0, "start": moment(0), "end": moment(2), "seconds": 2.0}
        return {
            "schema": "shark/run/1",
            "id": "0193aaaa-bbbb-7ccc-8ddd-eeee7f3a9c21",
            "command": command,
            "processes": self.processes,
            "files": self.files,
            "channels": [],
            "edges": self.edges,
            "software": [],
            "coverage": {"complete": True, "gaps": []},
            "outputs": self.outputs,
            "shark": "0.1.0",
            **self.more,
        }


LIBRARY = {"role": "library", "package": "pkg:deb/debian/libc6@2.36-9?arch=amd64"}


def pipeline() -> Record:
    """A shell that starts sort (in.csv to tmp) and awk (tmp and prog.awk to out.csv), with a library each."""
    run = Record("sh", "run.sh")
    run.edge(1, run.file("run.sh", "code"))
    library = run.file("/usr/lib/libc.so.6", **LIBRARY)
    sort = run.process("sort", "-o", "tmp", "in.csv", start=0.1, end=0.5)
    run.edge(sort, run.file("in.csv"))
    run.edge(sort, library)
    temporary = run.made("tmp", sort, output=False, removed=True)
    awk = run.process("awk", "-f", "prog.awk", start=0.5, end=0.9, exit=2)
    run.edge(awk, run.file("prog.awk", "code"))
    run.edge(awk, library)
    run.edge(awk, temporary, "read", 1)
    run.made("out.csv", awk)
    run.process("true", start=0.9)
    return run


def build(units: int) -> Record:
    """A make that compiles so many C files, with common headers, and puts them into an archive."""
    run = Record("make", "-j8")
    run.processes[0]["end"] = moment(units / 8 * 0.3 + 3)
    run.edge(1, run.file("Makefile", "code"))
    headers = [run.file(f"include/h{n}.h", "code") for n in range(40)]
    libraries = [
        run.file(f"/usr/lib/lib{n}.so", "library", package=f"pkg:deb/debian/lib{n // 3}@1?arch=amd64")
        for n in range(12)
    ]
    objects = []
    for unit in range(units):
        start = unit // 8 * 0.3 + 0.02 * (unit % 8)
        source = f"src/m{unit % 20}/f{unit}.c"
        gcc = run.process("gcc", "-O2", "-c", source, "-o", f"obj/f{unit}.o", start=start, end=start + 0.25)
        run.edge(gcc, run.file(source, "code"))
        for header in (headers[unit % 40], headers[unit * 7 % 40], *libraries):
            run.edge(gcc, header)
        objects.append(run.made(f"obj/f{unit}.o", gcc))
    archiver = run.process("ar", "rcs", "lib.a", start=units / 8 * 0.3 + 1, end=units / 8 * 0.3 + 2)
    for made in objects:
        run.edge(archiver, made, "read", 1)
    run.made("lib.a", archiver)
    return run


NASTY = (
    "<script>alert(1)</script>.csv",
    "</script><img src=x onerror=alert(1)>",
    "new\nline",
    "not \udcff\udcfe utf-8",
    'quo"te\\N',
    "&lt;{{data}}&#34;",
    "\u202egnp.exe",
    "]]>-->#quot;`*_|",
    "\x1b[31m",
    "-->\u2028x",
    "x" * 300,
)
"""Names that some format would take for something else."""


def nasty() -> Record:
    """Every nasty name as an input, an output, an argument."""
    run = Record("cp", *NASTY)
    for name in NASTY:
        run.edge(1, run.file(f"/in/{name}".replace("</", "<")))
        run.made(f"/out/{name}", 1)
    return run


def written(run: Record, path: Path) -> Path:
    """Write the page of a run."""
    assets = {entry.name: entry.read_text() for entry in files("shark").joinpath("assets").iterdir()}
    path.write_text(page(run_graph(run.document()), assets))
    return path
