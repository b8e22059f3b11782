"""Manifests and records that the tests of the store share."""

from __future__ import annotations

from typing import Any

from shark.store.ids import uuid7

SHA = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"  # of b"hello\n"
START = 1_790_000_000_000_000_000
RUN = uuid7(START, bytes(8))


def run_id(n: int) -> str:
    """The n-th of a row of runs, a minute apart."""
    return uuid7(START + n * 60_000_000_000, n.to_bytes(8, "big"))


def manifest(size: int = 0, run: str = RUN) -> dict[str, Any]:
    """A manifest of b"hello\n", with about `size` bytes of inputs that compress badly."""
    import hashlib

    inputs = []
    while sum(len(i["path"]) + 120 for i in inputs) < size:
        digest = hashlib.sha256(str(len(inputs)).encode()).hexdigest()
        inputs.append({"path": f"/in/{digest[:9]}", "sha256": digest, "size": 9, "role": "data"})
    return {
        "schema": "shark/manifest/1",
        "run": run,
        "output": {"path": "/abs/out", "sha256": SHA, "size": 6},
        "inputs": inputs,
    }


def summary(whole: Any, text: bytes = b"") -> dict[str, Any]:
    return {"schema": whole["schema"], "summary": True, "run": whole["run"], "output": {"sha256": SHA, "size": 6}}


def legacy() -> dict[str, Any]:
    """As pyshark wrote them: all outputs of the run, with SHA-1."""
    return {
        "args": ["x.py"],
        "start": "2023-05-01T10:00:00+00:00",
        "end": "2023-05-01T10:00:01+00:00",
        "env": {"user": "u", "host": "h"},
        "inputs": [{"path": "in.csv", "sha": "0" * 40, "history": "{}"}, {"url": "https://example.org/x"}],
        "outputs": [
            {"path": "out", "sha": "f572d396fae9206628714fb2ce00f72e94f2258f"},
            {"path": "other", "sha": "1" * 40},
        ],
        "git": {"error": "no git repository found"},
        "uname": {"system": "Linux"},
        "python": {"version": "3.11", "packages": {}},
    }
