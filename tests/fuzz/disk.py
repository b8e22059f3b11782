"""The model's file system put on a disk, and compared with one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from .kernel import Kernel, Node


def write(kernel: Kernel) -> None:
    """Make what the model says that there is before the run. Files are an hour old, as inputs mostly are."""
    past = time.time_ns() - 3_600_000_000_000
    done: dict[Node, str] = {}
    for path, node in _walk(kernel.root, kernel.root_path):
        if node.kind == "dir":
            os.mkdir(path)
        elif node.kind == "link":
            os.symlink(node.target, path)
        elif node in done:
            os.link(done[node], path)
        else:
            done[node] = path
            with open(path, "xb") as file:
                file.write(node.data)
            os.utime(path, ns=(past, past))


def differences(kernel: Kernel) -> Iterator[str]:
    """Where the disk is not what the model says: then the model is wrong, or shark changed what the command did."""
    for path, node in _walk(kernel.root, kernel.root_path):
        if node.kind == "dir":
            real = {name for name in os.listdir(path) if not name.endswith(".shark")}
            if real != set(node.entries):
                yield f"{path} holds {sorted(real)}, not {sorted(node.entries)}"
        elif node.kind == "link":
            if not os.path.islink(path) or os.readlink(path) != node.target:
                yield f"{path} is not a link to {node.target}"
        elif not os.path.isfile(path):
            yield f"{path} is not there"
        else:
            with open(path, "rb") as file:
                if (real_data := file.read()) != node.data:
                    yield f"{path} holds {real_data!r}, not {bytes(node.data)!r}"


def _walk(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path, node
    for name, child in node.entries.items():
        yield from _walk(child, f"{path}/{name}")
