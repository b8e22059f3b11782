from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

import pytest

from shark.store.attach import Attacher
from shark.store.manifests import digest_of, is_manifest, parse, sidecar_path
from shark.store.read import NOTHING, read_attached, read_places

from . import example

GARBAGE = {
    "empty": b"",
    "truncated": json.dumps(example.manifest()).encode()[:-20],
    "not UTF-8": b'{"schema": "\xff"}',
    "a list": b"[1, 2]",
    "another schema": b'{"schema": 7}',
    "a future schema": b'{"schema": "shark/manifest/9", "output": {}}',
    "no output": b'{"schema": "shark/manifest/1"}',
    "output of a wrong type": b'{"schema": "shark/manifest/1", "output": "x"}',
    "nested without end": b"[" * 60_000,
    "noise": bytes(range(256)) * 200,
}


@pytest.fixture
def file(tmp_path: Path) -> bytes:
    path = tmp_path / "out"
    path.write_bytes(b"hello\n")
    return os.fsencode(path)


def put(path: bytes, text: bytes) -> None:
    with open(path, "wb") as stream:
        stream.write(text)


def test_nothing_attached_is_nothing(file: bytes) -> None:
    assert read_attached(file) == NOTHING
    assert read_attached(b"/nonexistent") == NOTHING
    assert read_attached(b"nul\0byte").manifest is None


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_a_sidecar_is_a_problem_in_words(file: bytes, kind: str) -> None:
    put(sidecar_path(file), GARBAGE[kind])
    manifest, source, problem = read_attached(file)
    assert (manifest, source) == (None, "sidecar")
    assert problem


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_in_an_attribute_does_not_hide_the_sidecar(file: bytes, kind: str) -> None:
    try:
        os.setxattr(file, "user.shark", GARBAGE[kind][:3000])
    except OSError:
        pytest.skip("no attributes here")
    assert read_attached(file).problem
    put(sidecar_path(file), json.dumps(example.manifest()).encode())
    assert read_attached(file).source == "sidecar"


def test_a_megabyte_of_garbage_and_more_than_any_manifest(file: bytes) -> None:
    put(sidecar_path(file), os.urandom(1 << 20))
    assert read_attached(file).problem
    with open(sidecar_path(file), "wb") as stream:
        stream.truncate(1 << 32)
    assert "too large" in read_attached(file).problem


def test_a_bomb_in_the_compressed_attribute_does_not_go_off(file: bytes) -> None:
    packer = zlib.compressobj(9)
    bomb = packer.compress(bytes(3_900_000)) + packer.flush(zlib.Z_SYNC_FLUSH)
    huge = bomb[:2] + bomb[2:] * 16
    try:
        os.setxattr(file, "user.shark", json.dumps(example.summary(example.manifest())).encode())
        os.setxattr(file, "user.shark.zlib", huge[:3500])
    except OSError:
        pytest.skip("no attributes here")
    reading = read_attached(file)
    assert reading.manifest
    assert reading.manifest["summary"], "the summary is still there"
    assert "damaged" in reading.problem


@pytest.mark.parametrize("packed", [b"", b"x", zlib.compress(b"{}"), zlib.compress(b"0" * 40_000_000)[:3000]])
def test_a_damaged_compressed_attribute_leaves_the_summary(file: bytes, packed: bytes) -> None:
    try:
        os.setxattr(file, "user.shark", json.dumps(example.summary(example.manifest())).encode())
        os.setxattr(file, "user.shark.zlib", packed)
    except OSError:
        pytest.skip("no attributes here")
    reading = read_attached(file)
    assert reading.manifest
    assert reading.manifest["summary"]
    assert reading.problem
    put(sidecar_path(file), json.dumps(example.manifest()).encode())
    assert read_attached(file).source == "sidecar", "a whole one goes before a summary"


def test_a_compressed_attribute_of_another_run_is_not_mixed_in(file: bytes) -> None:
    other = json.dumps(example.manifest(run=example.run_id(5))).encode()
    try:
        os.setxattr(file, "user.shark", json.dumps(example.summary(example.manifest())).encode())
        os.setxattr(file, "user.shark.zlib", zlib.compress(other))
    except OSError:
        pytest.skip("no attributes here")
    assert "another run" in read_attached(file).problem


def test_fields_of_wrong_types_are_left_out_and_named() -> None:
    text = {**example.manifest(), "inputs": [{"path": "/a", "size": "big"}, 7], "command": [], "env": 3, "new": [1]}
    manifest, problem = parse(json.dumps(text).encode())
    assert manifest
    assert manifest["inputs"] == [{"path": "/a"}]
    assert "command" not in manifest
    assert manifest["new"] == [1], "what is not known is not judged"
    assert problem == "damaged: wrong type of an element of inputs, size of inputs, command and 1 more"


def test_a_manifest_of_pyshark_is_one(file: bytes) -> None:
    text = json.dumps(example.legacy()).encode()
    assert is_manifest(text)
    put(sidecar_path(file), text)
    assert read_attached(file) == (example.legacy(), "sidecar", "")
    assert digest_of(example.legacy(), file) == ("f572d396fae9206628714fb2ce00f72e94f2258f", "sha1")
    assert digest_of(example.legacy(), b"/x/unnamed") == ("", "")


def test_both_places_are_told_attribute_first(file: bytes) -> None:
    if Attacher(example.summary).attach(file, example.manifest()).where != "xattr":
        pytest.skip("no attributes here")
    put(sidecar_path(file), json.dumps(example.legacy()).encode())
    assert [r.source for r in read_places(file)] == ["xattr", "sidecar"]
