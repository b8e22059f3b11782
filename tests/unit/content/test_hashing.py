import hashlib
import os
import time

import pytest

from shark.capture.kernel import statx_owned
from shark.content import digestcache, hashing
from shark.content.digestcache import DigestCache, Key, key_of, trusted
from shark.content.hashing import Hashed, hash_file, hash_files, renew, seen

OLD = 1_000_000_000_000_000_000  # ns: an mtime long past, which the rule of distrust lets through


def make(path, content=b"content", mtime=OLD):
    path.write_bytes(content)
    os.utime(path, ns=(mtime, mtime))
    return os.fsencode(path)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(digestcache, "_TICK_NS", -1)  # a ctime cannot be put back: these files are as if made long ago
    with DigestCache(os.fsencode(tmp_path / "cache.sqlite")) as cache:
        yield cache


def test_digests_of_small_large_and_empty_files_are_right(tmp_path):
    contents = {f"f{n}": bytes([n % 251]) * n for n in (0, 1, 262_144, 262_145, 3_000_001)}
    paths = {make(tmp_path / name, content): content for name, content in contents.items()}
    for workers in (1, 2, 5):
        result = hash_files(list(paths), workers=workers)
        assert {path: hashed.sha256 for path, hashed in result.items()} == {p: sha256(c) for p, c in paths.items()}
        assert all(hashed.size == len(paths[path]) and not hashed.why for path, hashed in result.items())


def test_what_is_not_a_regular_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    names = ["fifo", "link", "."]
    result = hash_files([os.fsencode(tmp_path / name) for name in names])
    assert {hashed.why for hashed in result.values()} == {"it is not a regular file"}
    for name in names:
        assert hash_file(os.fsencode(tmp_path / name)).why == "it is not a regular file"


def test_a_file_that_is_gone_or_has_an_impossible_name_says_so(tmp_path):
    gone = os.fsencode(tmp_path / "gone")
    result = hash_files([gone, b"a\0b"])
    assert result[gone] == Hashed("", "it is gone")
    assert result[b"a\0b"].why.startswith("it cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_says_so(tmp_path):
    path = make(tmp_path / "f")
    os.chmod(path, 0)
    assert hash_files([path])[path].why == "it cannot be read: Permission denied"


def test_off_hashes_nothing(tmp_path):
    path = make(tmp_path / "f")
    assert hash_files([path], mode="off")[path] == Hashed("", "hashing is off")


def test_auto_leaves_out_what_is_over_the_limit_and_full_does_not(tmp_path):
    path = make(tmp_path / "f", b"12345")
    assert hash_files([path], limit=4)[path].why == "it is larger than 4 bytes"
    assert hash_files([path], limit=5)[path].sha256
    assert hash_files([path], mode="full", limit=4)[path].sha256 == sha256(b"12345")


def test_a_file_over_the_limit_with_a_cached_digest_has_it(tmp_path, cache):
    path = make(tmp_path / "f", b"12345")
    hash_files([path], cache=cache)
    assert hash_files([path], limit=1, cache=cache)[path].sha256 == sha256(b"12345")


def test_the_cache_answers_for_an_unchanged_file_and_full_does_not_ask_it(tmp_path, cache):
    path = make(tmp_path / "f")
    cache.put_many([(key_of(os.stat(path)), "ab" * 32, time.time_ns())])
    assert hash_files([path], cache=cache)[path].sha256 == "ab" * 32
    assert hash_files([path], cache=cache, mode="full")[path].sha256 == sha256(b"content")


def test_a_changed_file_is_hashed_again(tmp_path, cache):
    path = make(tmp_path / "f", b"one")
    hash_files([path], cache=cache)
    make(tmp_path / "f", b"two")  # same size and mtime: the ctime tells
    assert hash_files([path], cache=cache)[path].sha256 == sha256(b"two")


def test_a_digest_of_a_file_just_written_is_not_trusted(tmp_path, cache):
    path = make(tmp_path / "f", mtime=time.time_ns())
    hash_files([path], cache=cache)
    assert cache.get_many([key_of(os.stat(path))]) == {}
    assert not trusted(Key(1, 1, 1, 10_000_000_000, 0), 12_000_000_000)
    assert trusted(Key(1, 1, 1, 10_000_000_000, 0), 12_000_000_001)


@pytest.mark.parametrize(
    ("ctime", "hashed", "holds"),
    [
        (10_000_000_000, 10_900_000_000, False),
        (10_000_000_000, 12_000_000_000, False),
        (10_000_000_000, 12_000_000_001, True),
        (10_000_000_000, 9_900_000_000, False),
        (10_000_000_001, 10_000_000_001, False),
        (10_000_000_001, 10_010_000_001, False),
        (10_000_000_001, 10_010_000_002, True),
        (10_000_000_001, 9_900_000_000, True),
    ],
)
def test_a_ctime_of_the_moment_of_hashing_is_not_trusted(ctime, hashed, holds):
    """The mtime may have been put back: on a clock of seconds for two of them, else for a tick.

    A later one is that of attaching, which a clock of seconds does not tell from a change right after.
    """
    assert trusted(Key(1, 1, 1, 5, ctime), hashed) is holds


def test_renewing_survives_a_new_ctime_but_not_new_content(tmp_path, cache):
    path, other = make(tmp_path / "f"), make(tmp_path / "g")
    hashed = hash_files([path, other], cache=cache)
    os.chmod(path, 0o600)
    make(tmp_path / "g", b"longer than before")
    assert cache.get_many([key_of(os.stat(path))]) == {}
    renew([*hashed.items(), (b"/gone", hashed[path]), (path, Hashed("", "why"))], cache)
    assert cache.get_many([key_of(os.stat(p)) for p in (path, other)]) == {key_of(os.stat(path)): sha256(b"content")}


class Grows:
    """A stand-in for a clock that appends to the file between the two stats."""

    def __init__(self, path, times):
        self.path, self.times = path, times

    def __call__(self):
        if self.times:
            self.times -= 1
            with open(self.path, "ab") as stream:
                stream.write(b"x")
        return False


def test_a_file_that_changes_under_the_hash_is_read_again_then_given_up(tmp_path):
    path = make(tmp_path / "f", b"y" * 300_000)
    steady = hash_file(path, halted=Grows(path, 1))
    assert steady.sha256 == sha256(b"y" * 300_000 + b"x")
    assert hash_file(path, halted=Grows(path, 50)).why == hashing.CHANGED


def test_an_interrupt_leaves_the_rest_unhashed_and_keeps_the_first(tmp_path, cache):
    paths = [make(tmp_path / str(n), b"%d" % n) for n in range(4)]

    def progress(_size, told=[]):  # noqa: B006 - the list is the state
        told.append(1)
        if len(told) == 2:
            raise KeyboardInterrupt

    result = hash_files(paths, cache=cache, progress=progress)
    assert [bool(result[path].sha256) for path in paths] == [True, True, False, False]
    assert {hashed.why for hashed in result.values()} == {"", "interrupted"}
    assert len(cache.get_many([key_of(os.stat(path)) for path in paths])) == 1


def test_stop_is_obeyed_inside_a_large_file(tmp_path):
    path = make(tmp_path / "f", b"y" * 3_000_000)
    answers = iter([False, False])
    assert hash_files([path], stop=lambda: next(answers, True), workers=1)[path].why == "interrupted"


def test_the_access_time_of_an_own_file_is_spared(tmp_path):
    path = make(tmp_path / "f")
    before = os.stat(path).st_atime_ns
    assert hash_files([path])[path].sha256
    assert os.stat(path).st_atime_ns == before


def test_a_file_whose_state_was_taken_just_now_is_not_looked_at_again(tmp_path, cache):
    path, other = (make(tmp_path / name) for name in ("x", "y"))
    hash_files([path], cache=cache)
    known = {each: seen(each, *statx_owned(each)) for each in (path, other)}
    os.unlink(path)
    hashed = hash_files([path, other], cache=cache, seen=known)
    assert hashed[path].sha256 == hashed[other].sha256 == sha256(b"content")
    assert hashed[path][2:7] == (*known[path].key[2:], *known[path].key[:2])


def test_what_was_taken_of_a_file_is_what_lstat_says(tmp_path):
    path = make(tmp_path / "x")
    about = os.lstat(path)
    assert seen(path, *statx_owned(path)) == (path, key_of(about), about.st_uid)
    assert statx_owned(b"%b.not" % path) is None
