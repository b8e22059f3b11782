"""A small world in which runs are said to have happened: files, records, manifests; nothing is traced."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shark.checking.contents import Contents
from shark.checking.records import Records
from shark.content.digestcache import DigestCache
from shark.model.facts import time_text
from shark.model.manifest import manifests, summary
from shark.store.attach import Attacher
from shark.store.home import Store
from shark.store.ids import uuid7

START = 1_790_000_000_000_000_000


class World:
    """A store, and a folder `files` for all paths that are not absolute."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environ = {"SHARK_HOME": str(directory / "store"), "XDG_CACHE_HOME": str(directory / "cache")}
        self.store = Store.open(self.environ, write=True)
        self.files = directory / "files"
        self.files.mkdir()
        self.count = 0

    def path(self, name: str) -> Path:
        return self.files / name

    def put(self, name: str, text: str = "hello\n") -> Path:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(
        self,
        reads: Iterable[str] = (),
        writes: Mapping[str, str] | None = None,
        changes: Mapping[str, str] | None = None,
        *,
        removes: Iterable[str] = (),
        lists: Iterable[str] = (),
        missing: Iterable[str] = (),
        attach: Any = "auto",
        unhashed: Iterable[str] = (),
        argv: Iterable[str] = ("make",),
        input_runs: Mapping[str, str] | None = None,
        **more: Any,
    ) -> str:
        """Do what a command is said to do, and record it: `writes` new files, `changes` others in place."""
        self.count += 1
        record = _Record(uuid7(START + self.count * 10**9, bytes(8)), self.count, list(argv), str(self.files), more)
        for name in [*lists, *missing]:
            record.looked(self.path(name), "list" if name in set(lists) else "missing")
        for name in reads:
            record.read(self.path(name), hashed=name not in set(unhashed), run=(input_runs or {}).get(name, ""))
        for name, text in (changes or {}).items():
            record.change(self.path(name), text)
        for name, text in (writes or {}).items():
            self.put(name, text)
            record.write(self.path(name), hashed=name not in set(unhashed))
        for name in removes:
            record.remove(self.path(name))
        self.store.write_record(record.document)
        attacher = Attacher(summary, attach)  # type: ignore[arg-type]
        for manifest in manifests(record.document):  # type: ignore[arg-type]
            attacher.attach(os.fsencode(manifest["output"]["path"]), manifest)
        return str(record.document["id"])

    def records(self) -> Records:
        return Records(Store.open(self.environ), self.environ)

    def contents(self, *, full: bool = False) -> Contents:
        return Contents(DigestCache.of_user(self.environ), full=full)


class _Record:
    def __init__(self, run: str, count: int, argv: list[str], cwd: str, more: Mapping[str, Any]) -> None:
        start = time_text(START + count * 10**9)
        image = {"argv": argv, "exe": f"/usr/bin/{argv[0]}", "cwd": cwd, "start": start, "order": [0, 1]}
        process = {"n": 1, "parent": 0, "pid": 100, "images": [image], "start": start, "order": [0, 99]}
        self.document: dict[str, Any] = {
            "schema": "shark/run/1",
            "id": run,
            "command": {"argv": argv, "cwd": cwd, "exit": 0, "start": start, "end": start, "seconds": 1.0},
            "processes": [process],
            "files": [],
            "channels": [],
            "edges": [],
            "software": [],
            "coverage": {"complete": True, "gaps": []},
            "outputs": [],
            "shark": "0",
            **more,
        }
        self._by_path: dict[Path, dict[str, Any]] = {}

    def read(self, path: Path, *, hashed: bool = True, run: str = "") -> None:
        file = self._file(path, hashed=hashed)
        if run:
            file["versions"][0]["run"] = run
        self._edge(file, 0, "read")

    def change(self, path: Path, text: str) -> None:
        file = self._by_path.get(path) or self._file(path)
        path.write_text(text)
        self._made(file, path, {"origin": "in-place", "base": 0})
        self._edge(file, 1, "write")

    def write(self, path: Path, *, hashed: bool = True) -> None:
        file = self._entry(path)
        self._made(file, path, {"origin": "created"}, hashed=hashed)
        self._edge(file, 1, "create")

    def remove(self, path: Path) -> None:
        file = self._by_path.get(path) or self._file(path)
        path.unlink()
        file["removed"] = True
        self._edge(file, 0, "remove")

    def looked(self, path: Path, access: str) -> None:
        file = self._entry(path)
        file["kind"] = "missing"
        if access == "list":
            about = path.stat()
            version = {"n": 0, "origin": "before", "size": about.st_size, "mtime_ns": about.st_mtime_ns}
            file["kind"] = "directory"
            file["versions"].append({**version, "mtime": time_text(about.st_mtime_ns)})
        self._edge(file, 0, access)

    def _made(self, file: dict[str, Any], path: Path, how: dict[str, Any], *, hashed: bool = True) -> None:
        content = _content(path)
        if not hashed:
            del content["sha256"]
        by = {"process": 1, "image": 0}
        file["versions"].append({"n": 1, **how, **content, "by": by})
        del content["mtime_ns"]
        output = {"file": file["n"], "version": 1, "path": str(path), "role": file["role"], **content}
        self.document["outputs"].append(output)

    def _file(self, path: Path, *, hashed: bool = True) -> dict[str, Any]:
        file = self._entry(path)
        content = _content(path)
        if not hashed:
            del content["sha256"]
        file["versions"].append({"n": 0, "origin": "before", **content})
        return file

    def _entry(self, path: Path) -> dict[str, Any]:
        role = "code" if path.suffix in {".py", ".sh"} else "cache" if "__pycache__" in path.parts else "data"
        file: dict[str, Any] = {"n": len(self.document["files"]) + 1, "path": str(path), "role": role, "versions": []}
        self.document["files"].append(file)
        self._by_path[path] = file
        return file

    def _edge(self, file: dict[str, Any], version: int, access: str) -> None:
        at = 2 + 2 * len(self.document["edges"])
        edge = {"process": 1, "image": 0, "file": file["n"], "version": version, "access": access}
        self.document["edges"].append({**edge, "order": [at, at + 1]})


def _content(path: Path) -> dict[str, Any]:
    about = path.stat()
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    times = {"mtime": time_text(about.st_mtime_ns), "mtime_ns": about.st_mtime_ns}
    return {"sha256": digest, "size": about.st_size, **times}
