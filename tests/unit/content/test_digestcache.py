import multiprocessing
import os
import time

import pytest

from shark.content.digestcache import DigestCache, Key
from shark.content.places import cache_home

DIGEST = "0123456789abcdef" * 4


def keys(count, start=1):
    return [Key(7, start + n, 10, 5, 6) for n in range(count)]


def put(cache, wanted):
    cache.put_many((key, DIGEST, time.time_ns()) for key in wanted)


@pytest.fixture
def path(tmp_path):
    return os.fsencode(tmp_path / "digests.sqlite")


def test_what_was_put_is_there_after_opening_again(path):
    with DigestCache(path) as cache:
        put(cache, keys(3))
    with DigestCache(path) as cache:
        assert cache.get_many(keys(5)) == dict.fromkeys(keys(3), DIGEST)


def test_numbers_of_64_bits_are_kept(path):
    key = Key(2**64 - 1, 2**63, 2**40, 5, 6)
    with DigestCache(path) as cache:
        put(cache, [key])
        assert cache.get_many([key]) == {key: DIGEST}


@pytest.mark.parametrize("field", ["size", "mtime", "ctime", "dev", "ino"])
def test_any_other_stat_is_another_content(path, field):
    (key,) = keys(1)
    with DigestCache(path) as cache:
        put(cache, [key])
        assert cache.get_many([key._replace(**{field: 99})]) == {}


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 500, None], ids=["empty", "garbage", "torn"])
def test_a_damaged_cache_is_thrown_away(path, damage):
    with DigestCache(path) as cache:
        put(cache, keys(2000))
    if damage is None:
        with open(path, "r+b") as stream:
            stream.seek(4096)
            stream.write(os.urandom(4096 * 8))
    else:
        with open(path, "wb") as stream:
            stream.write(damage)
    with DigestCache(path) as cache:
        cache.get_many(keys(2000))
        put(cache, keys(1))
        assert cache.get_many(keys(1)) == dict.fromkeys(keys(1), DIGEST)


def test_without_a_place_to_write_there_is_no_cache_and_no_error(tmp_path):
    for path in (None, b"/proc/nowhere/digests.sqlite", os.fsencode(tmp_path)):
        with DigestCache(path) as cache:
            put(cache, keys(1))
            assert cache.get_many(keys(1)) == {}


def test_a_locked_cache_is_done_without(path, monkeypatch):
    import sqlite3

    monkeypatch.setattr("shark.content.digestcache._BUSY_SECONDS", 0.01)
    with DigestCache(path) as cache:
        put(cache, keys(1))
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        put(cache, keys(1, start=9))
        other.execute("ROLLBACK")
        other.close()
        assert cache.get_many(keys(1) + keys(1, start=9)) == dict.fromkeys(keys(1), DIGEST)


def run_all(processes):
    """Let all of them run at once, to their ends."""
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def _write(path, start):
    with DigestCache(path) as cache:
        for n in range(20):
            put(cache, keys(5, start=start + 5 * n))


def test_concurrent_runs_lose_nothing(path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write, args=(path, 1 + 100 * n)) for n in range(4)]
    run_all(processes)
    with DigestCache(path) as cache:
        assert len(cache.get_many(keys(400))) == 400


def _open_together(path, barrier, start):
    with DigestCache(path) as cache:
        barrier.wait()
        put(cache, keys(1, start=start))


def test_a_new_cache_opened_by_many_at_once_loses_nothing(tmp_path):
    """Each new file is a new chance that two connections turn on its write-ahead log at the same moment."""
    context = multiprocessing.get_context("fork")
    for n in range(40):
        path = os.fsencode(tmp_path / f"digests-{n}.sqlite")
        barrier = context.Barrier(4)
        processes = [context.Process(target=_open_together, args=(path, barrier, 1 + m)) for m in range(4)]
        run_all(processes)
        with DigestCache(path) as cache:
            assert len(cache.get_many(keys(4))) == 4


def test_it_does_not_grow_without_bound(path):
    now = time.time_ns()
    with DigestCache(path, max_bytes=64 << 10) as cache:
        cache.put_many((key, DIGEST, now + n) for n, key in enumerate(keys(4000)))
    with DigestCache(path) as cache:
        left = cache.get_many(keys(4000))
    assert set(left) == set(keys(4000)[2001:])


def test_the_cache_directory_is_private_and_follows_the_xdg_rules(tmp_path):
    xdg, home = str(tmp_path / "x"), str(tmp_path / "h")
    assert cache_home({"XDG_CACHE_HOME": xdg, "HOME": home}) == os.fsencode(f"{xdg}/shark")
    assert cache_home({"XDG_CACHE_HOME": "relative", "HOME": home}) == os.fsencode(f"{home}/.cache/shark")
    assert cache_home({}) is None
    assert os.stat(f"{xdg}/shark").st_mode & 0o777 == 0o700
    os.chmod(f"{xdg}/shark", 0o755)
    cache_home({"XDG_CACHE_HOME": xdg})
    assert os.stat(f"{xdg}/shark").st_mode & 0o777 == 0o700


def test_a_cache_directory_that_cannot_be_made_is_none(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "shark").symlink_to(tmp_path)
    assert cache_home({"XDG_CACHE_HOME": str(tmp_path / "file")}) is None
    assert cache_home({"XDG_CACHE_HOME": str(tmp_path / "link")}) is None


def test_a_cache_directory_on_a_network_is_replaced_by_a_local_one(tmp_path, monkeypatch):
    monkeypatch.setattr("shark.content.places.on_network", lambda path: path.startswith(os.fsencode(tmp_path)))
    found = cache_home({"XDG_CACHE_HOME": str(tmp_path)})
    assert found == b"/var/tmp/shark-cache-%d" % os.getuid()
    assert not (tmp_path / "shark").exists()
