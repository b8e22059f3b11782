from __future__ import annotations

from shark.store.ids import day_of, is_run_id, made_at, uuid7


def test_an_id_is_a_version_7_uuid_of_its_moment() -> None:
    # the example of RFC 9562, appendix A.6, but for the random bits
    run = uuid7(1_645_557_742_000_000_000, b"\xff" * 10)
    assert run == "017f22e2-79b0-7000-bfff-ffffffffffff"
    assert is_run_id(run)
    assert made_at(run) == 1_645_557_742_000
    assert day_of(run) == "2022/02/22"


def test_ids_sort_by_time_within_a_millisecond_too() -> None:
    start = 1_800_000_000_000_000_000
    ids = [uuid7(start + n * 300, bytes([255 - n % 256]) * 8) for n in range(10_000)]
    assert ids == sorted(ids)


def test_what_is_not_a_run_id_is_told() -> None:
    assert not is_run_id("017f22e2-79b0-4000-bfff-ffffffffffff"), "version 4"
    assert not is_run_id("017F22E2-79B0-7000-BFFF-FFFFFFFFFFFF"), "upper case"
    assert not is_run_id("../../etc/passwd")
    assert not is_run_id("")


def test_a_forged_time_still_has_a_folder() -> None:
    assert day_of("ffffffff-ffff-7fff-bfff-ffffffffffff").count("/") == 2
